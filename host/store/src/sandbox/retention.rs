//! What is kept for a time only. What the books say stays: counts take the place of rows, and sums that of deliveries.

use super::deliveries::{self, Found};
use super::{Sandbox, kinds, projection, records};
use crate::documents;
use crate::failure::{Outcome, known, limited};
use async_trait::async_trait;
use attiva_core::Millis;
use attiva_core::id::{ActivationId, DeliveryId, RunId};
use attiva_core::ports::retention::{PastDeliveries, RetentionStore};
use attiva_core::ports::store::{Change, DocumentWrite, Expect, Feed, Kind, Reason, Result, Seq};
use rusqlite::{Connection, OptionalExtension, params};

#[async_trait]
impl RetentionStore for Sandbox {
    fn deliveries_with_items(&self, after: u64, limit: usize) -> Result<Vec<(u64, DeliveryId)>> {
        self.database.read(|connection| with_items(connection, after, limit))
    }

    async fn forget_items(&self, delivery: &DeliveryId, write: (DocumentWrite, Expect), limit: usize) -> Result<bool> {
        let delivery = delivery.clone();
        self.database.write(move |connection| forget_items(connection, &delivery, &write, limit)).await
    }

    async fn forget_delivery(
        &self,
        delivery: &DeliveryId,
        activation: &ActivationId,
        dry_run: bool,
        started_at: Millis,
    ) -> Result<()> {
        let (delivery, activation) = (delivery.clone(), activation.clone());
        let work = move |connection: &Connection| {
            // Of an activation that is gone nobody asks, and a dry run came to nothing.
            let is_there = documents::get(connection, kinds::name(Kind::Activation), activation.as_str())?.is_some();
            if is_there && !dry_run {
                add_up(connection, &delivery, &activation, started_at)?;
            }
            super::delete(connection, Kind::Delivery, delivery.as_str(), Expect::Anything)
        };
        self.database.write(work).await
    }

    fn past_deliveries(&self, activation: &ActivationId) -> Result<PastDeliveries> {
        self.database.read(|connection| past_deliveries(connection, activation))
    }

    async fn forget_rejects_of(&self, run: &RunId, write: (DocumentWrite, Expect), limit: usize) -> Result<bool> {
        let run = run.clone();
        let work = move |connection: &Connection| {
            super::put(connection, &write.0, write.1)?;
            records::forget_next_rejects(connection, run.as_str(), limit)
        };
        self.database.write(work).await
    }

    async fn forget_memberships(&self, before: Millis, after: i64, limit: usize) -> Result<Option<i64>> {
        self.database.write(move |connection| forget_memberships(connection, before, after, limit)).await
    }

    fn changes_back(&self, feed: Feed, below: Option<Seq>, limit: usize) -> Result<Vec<Change>> {
        self.database.read(|connection| projection::changes_back(connection, feed, below, limit))
    }

    async fn drop_changes(&self, feed: Feed, entries: Vec<Seq>) -> Result<()> {
        self.database.write(move |connection| projection::drop_changes(connection, feed, &entries)).await
    }
}

/// Deliveries that have a row, in the order they began, after a number.
fn with_items(connection: &Connection, after: u64, limit: usize) -> Outcome<Vec<(u64, DeliveryId)>> {
    let mut statement = connection.prepare_cached(
        "SELECT number, id FROM delivery d
         WHERE number > ?1 AND EXISTS (SELECT 1 FROM item i WHERE i.delivery = d.number) ORDER BY number LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after.cast_signed(), limited(limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(1)?;
        let id = known(DeliveryId::parse(&id), "a delivery's id")?;
        found.push((row.get::<_, i64>(0)?.cast_unsigned(), id));
    }
    Ok(found)
}

/// Forgets the next rows of a delivery that has ended; true: there are more. Books and reasons are what they were, after
/// each of these.
fn forget_items(
    connection: &Connection,
    delivery: &DeliveryId,
    (document, expect): &(DocumentWrite, Expect),
    limit: usize,
) -> Outcome<bool> {
    let Some(Found { number, ledger }) = deliveries::find(connection, delivery)? else { return Ok(false) };
    super::put(connection, document, *expect)?;
    let mut end = connection.prepare_cached(
        "SELECT coalesce(max(position), -1) FROM
           (SELECT position FROM item WHERE delivery = ?1 ORDER BY position LIMIT ?2)",
    )?;
    let end: i64 = end.query_row(params![number, limited(limit)], |row| row.get(0))?;
    connection
        .prepare_cached(
            "INSERT INTO carried (delivery, status, code, members)
             SELECT delivery, status, code, count(*) FROM item WHERE delivery = ?1 AND position <= ?2
             GROUP BY status, code
             ON CONFLICT (delivery, status, code) DO UPDATE SET members = members + excluded.members",
        )?
        .execute(params![number, end])?;
    // What a target holds is in its ledger; who was in a file is nowhere else.
    if ledger.is_none() {
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO filed (profile, target)
                 SELECT i.profile, d.target FROM item i JOIN delivery d ON d.number = i.delivery
                 WHERE i.delivery = ?1 AND i.position <= ?2 AND i.status IN (1, 2, 4, 8)
                   AND i.profile NOT IN (SELECT profile FROM erased)",
            )?
            .execute(params![number, end])?;
    }
    connection
        .prepare_cached("DELETE FROM item WHERE delivery = ?1 AND position <= ?2")?
        .execute(params![number, end])?;
    Ok(connection.prepare_cached("SELECT 1 FROM item WHERE delivery = ?1")?.exists([number])?)
}

/// Adds what a delivery came to to what its activation keeps.
fn add_up(
    connection: &Connection,
    delivery: &DeliveryId,
    activation: &ActivationId,
    started_at: Millis,
) -> Outcome<()> {
    connection
        .prepare_cached(
            "INSERT INTO past_delivery (activation, deliveries, since) VALUES (?1, 1, ?2)
             ON CONFLICT (activation) DO UPDATE SET
               deliveries = deliveries + 1, since = min(since, excluded.since)",
        )?
        .execute(params![activation.as_str(), started_at])?;
    let mut add = connection.prepare_cached(
        "INSERT INTO past_member (activation, status, code, members) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (activation, status, code) DO UPDATE SET members = members + excluded.members",
    )?;
    for Reason { status, code, members } in deliveries::reasons(connection, delivery)? {
        add.execute(params![activation.as_str(), deliveries::code(status), code, members.cast_signed()])?;
    }
    Ok(())
}

fn past_deliveries(connection: &Connection, activation: &ActivationId) -> Outcome<PastDeliveries> {
    let mut past = connection.prepare_cached("SELECT deliveries, since FROM past_delivery WHERE activation = ?1")?;
    let found: Option<(i64, Millis)> =
        past.query_row([activation.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((count, since)) = found else { return Ok(PastDeliveries::default()) };
    let mut members = connection
        .prepare_cached("SELECT status, code, members FROM past_member WHERE activation = ?1 ORDER BY status, code")?;
    let mut rows = members.query([activation.as_str()])?;
    let mut reasons = Vec::new();
    while let Some(row) = rows.next()? {
        let members: i64 = row.get(2)?;
        let status = deliveries::status(row.get(0)?)?;
        reasons.push(Reason { status, code: row.get(1)?, members: members.cast_unsigned() });
    }
    Ok(PastDeliveries { deliveries: count.cast_unsigned(), since: Some(since), reasons })
}

/// Of an activation that is deleted.
pub(super) fn forget_sums(connection: &Connection, activation: &str) -> Outcome<()> {
    for table in ["past_delivery", "past_member"] {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE activation = ?1"))?.execute([activation])?;
    }
    Ok(())
}

/// Numbers are never given twice, since the newest of all is the newest of its segment.
fn forget_memberships(connection: &Connection, before: Millis, after: i64, limit: usize) -> Outcome<Option<i64>> {
    let mut step = connection.prepare_cached(
        "SELECT max(number), max(at) FROM
           (SELECT number, at FROM membership_history WHERE number > ?1 ORDER BY number LIMIT ?2)",
    )?;
    let (end, newest): (Option<i64>, Option<Millis>) =
        step.query_row(params![after, limited(limit)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(end) = end else { return Ok(None) };
    connection
        .prepare_cached(
            "DELETE FROM membership_history WHERE number > ?1 AND number <= ?2 AND at < ?3
               AND EXISTS (SELECT 1 FROM membership_history newer
                 WHERE newer.segment = membership_history.segment AND newer.number > membership_history.number)",
        )?
        .execute(params![after, end, before])?;
    Ok(Some(end).filter(|_| newest.is_some_and(|at| at < before)))
}
