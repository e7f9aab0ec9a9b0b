//! Readings of targets: pages while they are read, drift once they are compared, and what puts it right.

use super::{Sandbox, ledger};
use crate::failure::{Outcome, corrupt, known, limited};
use async_trait::async_trait;
use attiva_core::id::{ProfileId, ReadbackId};
use attiva_core::ports::readback::{Drift, DriftEntry, KnownMember, ReadbackStore, Repair};
use attiva_core::ports::store::{DocumentWrite, Expect, Result, StoreError};
use attiva_core::readback::{DriftKind, Found, ReadMember};
use rusqlite::{Connection, params};

#[async_trait]
impl ReadbackStore for Sandbox {
    fn known_members(&self, target: &str, after: i64, limit: usize) -> Result<Vec<KnownMember>> {
        self.database.read(|connection| known_members(connection, target, after, limit))
    }

    async fn keep_read_page(
        &self,
        readback: &ReadbackId,
        page: u32,
        members: Vec<ReadMember>,
        document: DocumentWrite,
    ) -> Result<()> {
        let readback = readback.clone();
        let work = move |connection: &Connection| {
            keep(connection, &readback, page, &members)?;
            super::put(connection, &document, Expect::Anything)?;
            Ok(())
        };
        self.database.write(work).await
    }

    fn read_pages(&self, readback: &ReadbackId, first: u32, limit: usize) -> Result<Vec<(u32, Vec<ReadMember>)>> {
        self.database.read(|connection| pages(connection, readback, first, limit))
    }

    async fn commit_drift(&self, readback: &ReadbackId, drift: Vec<Drift>, repair: Option<Repair>) -> Result<()> {
        let readback = readback.clone();
        self.database.write(move |connection| commit(connection, &readback, &drift, repair.as_ref())).await
    }

    fn count_drift(&self, readback: &ReadbackId, kind: DriftKind) -> Result<(u64, u64)> {
        self.database.read(|connection| {
            let mut count = connection.prepare_cached(
                "SELECT count(*), coalesce(sum(repaired), 0) FROM drift WHERE readback = ?1 AND kind = ?2",
            )?;
            let counts: (i64, i64) =
                count.query_row(params![readback.as_str(), code(kind)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((counts.0.cast_unsigned(), counts.1.cast_unsigned()))
        })
    }

    fn drift(
        &self,
        readback: &ReadbackId,
        kind: Option<DriftKind>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, DriftEntry)>> {
        self.database.read(|connection| list(connection, readback, kind, after, limit))
    }

    async fn forget_read_pages(&self, readback: &ReadbackId, document: DocumentWrite) -> Result<()> {
        self.end_reading(readback, document, forget_pages).await
    }

    async fn forget_reading(&self, readback: &ReadbackId, document: DocumentWrite) -> Result<()> {
        self.end_reading(readback, document, forget).await
    }
}

impl Sandbox {
    async fn end_reading(
        &self,
        readback: &ReadbackId,
        document: DocumentWrite,
        forget: fn(&Connection, &str) -> Outcome<()>,
    ) -> Result<()> {
        let readback = readback.clone();
        let work = move |connection: &Connection| {
            forget(connection, readback.as_str())?;
            super::put(connection, &document, Expect::Anything)?;
            Ok(())
        };
        self.database.write(work).await
    }
}

/// What the ledger says comes before who was taken out: a member may have come back by our own hand.
fn known_members(connection: &Connection, target: &str, after: i64, limit: usize) -> Outcome<Vec<KnownMember>> {
    let Some(number) = ledger::target(connection, target)? else { return Ok(Vec::new()) };
    let mut list = connection.prepare_cached(
        "SELECT x.profile, l.held, l.held_at, l.unsure, o.at, m.member_id, l.sent
         FROM (SELECT profile FROM ledger WHERE target = ?1 AND profile > ?3
               UNION SELECT profile FROM taken_out WHERE target = ?1 AND profile > ?3
               ORDER BY profile LIMIT ?4) x
           LEFT JOIN ledger l ON l.target = ?1 AND l.profile = x.profile
           LEFT JOIN taken_out o ON o.target = ?1 AND o.profile = x.profile
           LEFT JOIN target_member m ON m.target = ?2 AND m.profile = x.profile
         ORDER BY x.profile",
    )?;
    let mut rows = list.query(params![number, target, after, limited(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let held: Option<String> = row.get(1)?;
        let (since, unsure, taken_out): (Option<i64>, Option<i64>, Option<i64>) =
            (row.get(2)?, row.get(3)?, row.get(4)?);
        let place = match (held, unsure, taken_out) {
            (Some(held), None, _) => Found::Held { row: ledger::read_row(&held)?, since: since.unwrap_or_default() },
            (None, None, Some(at)) => Found::TakenOut { at },
            (None, None, None) => Found::Absent,
            (held, Some(_), _) => {
                let sent = row.get::<_, Option<String>>(6)?.or(held);
                Found::Unsettled { row: sent.as_deref().map(ledger::read_row).transpose()?.unwrap_or_default() }
            }
        };
        found.push(KnownMember { profile: row.get(0)?, member_id: row.get(5)?, found: place });
    }
    Ok(found)
}

fn keep(connection: &Connection, readback: &ReadbackId, page: u32, members: &[ReadMember]) -> Outcome<()> {
    let mut keys = Vec::new();
    for member in members {
        keys.push(u8::try_from(member.keys.len()).map_err(|_| corrupt("a member has too many keys"))?);
        keys.extend(member.keys.iter().flat_map(|key| key.to_be_bytes()));
    }
    let shown: Vec<&str> = members.iter().map(|member| member.shown.as_str()).collect();
    connection
        .prepare_cached(
            "INSERT INTO read_page (readback, page, keys, shown) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (readback, page) DO UPDATE SET keys = excluded.keys, shown = excluded.shown",
        )?
        .execute(params![readback.as_str(), page, keys, serde_json::to_string(&shown)?])?;
    Ok(())
}

fn pages(
    connection: &Connection,
    readback: &ReadbackId,
    first: u32,
    limit: usize,
) -> Outcome<Vec<(u32, Vec<ReadMember>)>> {
    let mut list = connection.prepare_cached(
        "SELECT page, keys, shown FROM read_page WHERE readback = ?1 AND page >= ?2 ORDER BY page LIMIT ?3",
    )?;
    let mut rows = list.query(params![readback.as_str(), first, limited(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (keys, shown): (Vec<u8>, String) = (row.get(1)?, row.get(2)?);
        let shown: Vec<String> = serde_json::from_str(&shown)?;
        found.push((row.get(0)?, members(&keys, shown)?));
    }
    Ok(found)
}

fn members(mut keys: &[u8], shown: Vec<String>) -> Outcome<Vec<ReadMember>> {
    const SHORT: &str = "a page of a reading is shorter than it says";
    let mut members = Vec::with_capacity(shown.len());
    for shown in shown {
        let (count, rest) = keys.split_first().ok_or_else(|| corrupt(SHORT))?;
        let (own, rest) = rest.split_at_checked(usize::from(*count) * 8).ok_or_else(|| corrupt(SHORT))?;
        let own = own.chunks_exact(8).map(|key| key.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte)));
        members.push(ReadMember { keys: own.collect(), shown });
        keys = rest;
    }
    Ok(members)
}

fn commit(connection: &Connection, readback: &ReadbackId, drift: &[Drift], repair: Option<&Repair>) -> Outcome<()> {
    let target = match repair {
        Some(repair) => Some((ledger::target(connection, &repair.target)?.ok_or(StoreError::Missing)?, repair)),
        None => None,
    };
    let mut insert = connection.prepare_cached(
        "INSERT INTO drift (readback, kind, profile, repaired) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (readback, kind, profile) DO UPDATE SET repaired = max(repaired, excluded.repaired)",
    )?;
    for Drift { profile, kind } in drift {
        let repaired = match target {
            Some((target, repair)) => put_right(connection, target, *profile, *kind, repair)?,
            None => false,
        };
        insert.execute(params![readback.as_str(), code(*kind), profile, repaired])?;
    }
    Ok(())
}

/// The ledger takes what was read for what is there, and the next delivery sees the difference. False: something came in
/// between.
fn put_right(
    connection: &Connection,
    target: i64,
    profile: i64,
    kind: DriftKind,
    Repair { began, now, .. }: &Repair,
) -> Outcome<bool> {
    let changed = match kind {
        DriftKind::Missing => connection
            .prepare_cached(
                "UPDATE ledger SET held = NULL, held_at = NULL, due = 0
                 WHERE target = ?1 AND profile = ?2 AND held IS NOT NULL AND unsure IS NULL AND held_at < ?3",
            )?
            .execute(params![target, profile, began])?,
        // It is there, and nobody knows with which values.
        DriftKind::Returned => connection
            .prepare_cached(
                "INSERT INTO ledger (target, profile, held, held_at, due)
                 SELECT target, profile, '{}', ?4, 0 FROM taken_out WHERE target = ?1 AND profile = ?2 AND at < ?3
                 ON CONFLICT (target, profile) DO UPDATE SET held = excluded.held, held_at = excluded.held_at, due = 0
                   WHERE held IS NULL AND unsure IS NULL",
            )?
            .execute(params![target, profile, began, now])?,
    };
    Ok(changed > 0)
}

fn list(
    connection: &Connection,
    readback: &ReadbackId,
    kind: Option<DriftKind>,
    after: i64,
    limit: usize,
) -> Outcome<Vec<(i64, DriftEntry)>> {
    let mut list = connection.prepare_cached(
        "SELECT d.profile, p.id, d.kind, d.repaired FROM drift d JOIN profile p ON p.number = d.profile
         WHERE d.readback = ?1 AND (?2 IS NULL OR d.kind = ?2) AND d.profile > ?3 ORDER BY d.profile LIMIT ?4",
    )?;
    let mut rows = list.query(params![readback.as_str(), kind.map(code), after, limited(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        let entry = DriftEntry {
            profile: known(ProfileId::parse(&id), "a profile's id")?,
            kind: read_kind(row.get(2)?)?,
            repaired: row.get(3)?,
        };
        found.push((row.get(0)?, entry));
    }
    Ok(found)
}

/// With a reading's document goes all that is kept of it.
pub(super) fn forget(connection: &Connection, readback: &str) -> Outcome<()> {
    forget_pages(connection, readback)?;
    connection.prepare_cached("DELETE FROM drift WHERE readback = ?1")?.execute([readback])?;
    Ok(())
}

fn forget_pages(connection: &Connection, readback: &str) -> Outcome<()> {
    connection.prepare_cached("DELETE FROM read_page WHERE readback = ?1")?.execute([readback])?;
    Ok(())
}

/// A member that was acknowledged was taken out, or is in again.
pub(super) fn note_taken_out(connection: &Connection, target: i64, profile: i64, at: Option<i64>) -> Outcome<()> {
    match at {
        Some(at) => connection
            .prepare_cached(
                "INSERT INTO taken_out (target, profile, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (target, profile) DO UPDATE SET at = excluded.at",
            )?
            .execute([target, profile, at])?,
        None => connection
            .prepare_cached("DELETE FROM taken_out WHERE target = ?1 AND profile = ?2")?
            .execute([target, profile])?,
    };
    Ok(())
}

/// How a kind is stored. Never renumbered.
fn code(kind: DriftKind) -> i64 {
    match kind {
        DriftKind::Missing => 0,
        DriftKind::Returned => 1,
    }
}

fn read_kind(code: i64) -> Outcome<DriftKind> {
    match code {
        0 => Ok(DriftKind::Missing),
        1 => Ok(DriftKind::Returned),
        other => Err(corrupt(format!("{other} is not a kind of drift"))),
    }
}
