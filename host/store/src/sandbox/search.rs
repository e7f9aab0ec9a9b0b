//! Profiles by the beginning of a name, or of what identifies them.

use super::{entities, profiles};
use crate::failure::{Outcome, limited};
use attiva_core::Value;
use attiva_core::model::{EntityName, search};
use attiva_core::ports::store::{Found, FoundPlace};
use rusqlite::{CachedStatement, Connection, params};

/// The statements that write terms, prepared once a commit. What they write is gathered and written in order at its end:
/// terms stand anywhere, and so each page is visited once.
pub(super) struct SearchWriter<'a> {
    add: CachedStatement<'a>,
    drop: CachedStatement<'a>,
    added: Vec<Row>,
    dropped: Vec<Row>,
}

/// Entity, term, profile.
type Row = (i64, String, i64);

impl<'a> SearchWriter<'a> {
    pub(super) fn new(connection: &'a Connection) -> Outcome<Self> {
        Ok(Self {
            add: connection
                .prepare_cached("INSERT OR IGNORE INTO search (entity, term, profile) VALUES (?1, ?2, ?3)")?,
            drop: connection.prepare_cached("DELETE FROM search WHERE entity = ?1 AND term = ?2 AND profile = ?3")?,
            added: Vec::new(),
            dropped: Vec::new(),
        })
    }

    /// A profile's attributes were `had` and are `has`.
    pub(super) fn set(
        &mut self,
        (entity, number): (&EntityName, i64),
        profile: i64,
        had: &[(String, Value)],
        has: &[(String, Value)],
    ) {
        let (had, has) = (search::terms(entity, had), search::terms(entity, has));
        let row = |term: &String| (number, term.clone(), profile);
        self.dropped.extend(had.iter().filter(|term| !has.contains(term)).map(row));
        self.added.extend(has.iter().filter(|term| !had.contains(term)).map(row));
    }

    /// To be called at the end.
    pub(super) fn finish(mut self) -> Outcome<()> {
        self.dropped.sort_unstable();
        for (entity, term, profile) in &self.dropped {
            self.drop.execute(params![entity, term, profile])?;
        }
        self.added.sort_unstable();
        for (entity, term, profile) in &self.added {
            self.add.execute(params![entity, term, profile])?;
        }
        Ok(())
    }
}

/// The end of what begins with `prefix`.
fn end(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

/// By term, then by number, after `after`.
pub(super) fn by_name(
    connection: &Connection,
    entity: &EntityName,
    prefix: &str,
    after: Option<&FoundPlace>,
    limit: usize,
) -> Outcome<Vec<Found>> {
    let Some(number) = entities::find(connection, entity)? else { return Ok(Vec::new()) };
    let prefix = search::folded(prefix);
    let mut statement = connection.prepare_cached(
        "SELECT term, profile FROM search
         WHERE entity = ?1 AND term >= ?2 AND term < ?3 AND (term, profile) > (?4, ?5)
         ORDER BY term, profile LIMIT ?6",
    )?;
    let fits = |found: &Found| search::terms(entity, &found.profile.attributes).contains(&found.place.by);
    page(connection, after, limit, fits, |from, limit| {
        let lowest = from.by.as_str().max(prefix.as_str());
        let rows = statement
            .query_map(params![number, lowest, end(&prefix), from.by, from.profile, limited(limit)], |row| {
                Ok(FoundPlace { by: row.get(0)?, profile: row.get(1)? })
            })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    })
}

/// By the identity's value, then by number, after `after`. A profile comes once for each value that begins so.
pub(super) fn by_identity(
    connection: &Connection,
    entity: &EntityName,
    namespace: &str,
    prefix: &str,
    after: Option<&FoundPlace>,
    limit: usize,
) -> Outcome<Vec<Found>> {
    let Some(entity) = entities::find(connection, entity)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(
        "SELECT i.value, l.profile FROM identity i JOIN link l ON l.record = i.record
         WHERE i.namespace = (SELECT number FROM namespace WHERE entity = ?1 AND name = ?2)
           AND i.value >= ?3 AND i.value < ?4 AND (i.value, l.profile) > (?5, ?6)
         GROUP BY i.value, l.profile ORDER BY i.value, l.profile LIMIT ?7",
    )?;
    page(
        connection,
        after,
        limit,
        |_| true,
        |from, limit| {
            let lowest = from.by.as_str().max(prefix);
            let rows = statement.query_map(
                params![entity, namespace, lowest, end(prefix), from.by, from.profile, limited(limit)],
                |row| Ok(FoundPlace { by: row.get(0)?, profile: row.get(1)? }),
            )?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        },
    )
}

/// Reads on until `limit` profiles fit, or there are no more.
fn page(
    connection: &Connection,
    after: Option<&FoundPlace>,
    limit: usize,
    fits: impl Fn(&Found) -> bool,
    mut read: impl FnMut(&FoundPlace, usize) -> Outcome<Vec<FoundPlace>>,
) -> Outcome<Vec<Found>> {
    let mut from = after.cloned().unwrap_or_default();
    let mut found = Vec::new();
    while found.len() < limit {
        let wanted = limit - found.len();
        let places = read(&from, wanted)?;
        let is_last = places.len() < wanted;
        if let Some(last) = places.last() {
            from = last.clone();
        }
        for place in places {
            let profile = profiles::by_number(connection, &[place.profile])?.pop();
            found.extend(profile.map(|profile| Found { place, profile }).filter(&fits));
        }
        if is_last {
            break;
        }
    }
    Ok(found)
}
