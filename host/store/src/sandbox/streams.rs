//! Streams of connections and where each stands: moved with every page. When a newer version of a plugin moves one for
//! the first time, what the older one had is kept beside it.

use super::counter::Counter;
use super::spaces;
use crate::failure::Outcome;
use attiva_core::id::ConnectionId;
use attiva_core::page::Cursor;
use attiva_core::plugin::state::PAGES_UNTIL_SETTLED;
use attiva_core::ports::store::{PageCommit, StoreError, StreamState};
use rusqlite::{Connection, OptionalExtension, params};

/// Moves a stream, unless the page leaves it where it is, and returns its number. Where its records were of another entity
/// until now, they are of this one from now on.
pub(super) fn advance(connection: &Connection, counter: &mut Counter, entity: i64, page: &PageCommit) -> Outcome<i64> {
    let mut find =
        connection.prepare_cached("SELECT number, entity FROM stream WHERE connection = ?1 AND name = ?2")?;
    let known: Option<(i64, i64)> =
        find.query_row([page.connection.as_str(), &page.stream], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((number, was)) = known
        && was != entity
    {
        spaces::move_records(connection, counter, number, entity, page.now)?;
    }
    let Some(StreamState { cursor, more }) = &page.state else {
        let (number, _) = known.ok_or(StoreError::Missing)?;
        connection
            .prepare_cached("UPDATE stream SET entity = ?2 WHERE number = ?1 AND entity <> ?2")?
            .execute([number, entity])?;
        return Ok(number);
    };
    keep_before(connection, &page.connection, &page.stream, cursor.state_version)?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO stream (connection, name, state_version, cursor, more, entity) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (connection, name) DO UPDATE SET
           state_version = excluded.state_version, cursor = excluded.cursor, more = excluded.more,
           entity = excluded.entity
         RETURNING number",
    )?;
    let values = params![page.connection.as_str(), page.stream, cursor.state_version, cursor.bytes, more, entity];
    Ok(statement.query_row(values, |row| row.get(0))?)
}

/// The store's own number of a stream.
pub(super) fn number(connection: &Connection, of: &ConnectionId, stream: &str) -> Outcome<Option<i64>> {
    let mut find = connection.prepare_cached("SELECT number FROM stream WHERE connection = ?1 AND name = ?2")?;
    Ok(find.query_row([of.as_str(), stream], |row| row.get(0)).optional()?)
}

/// Before a page whose state has version `next` is written over what is stored.
fn keep_before(connection: &Connection, of: &ConnectionId, name: &str, next: u32) -> Outcome<()> {
    let mut find =
        connection.prepare_cached("SELECT number, state_version FROM stream WHERE connection = ?1 AND name = ?2")?;
    let found = find.query_row(params![of.as_str(), name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((stream, stored)): Option<(i64, u32)> = found else { return Ok(()) };
    if next > stored {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO stream_before (stream, state_version, cursor, more, pages)
                 SELECT number, state_version, cursor, more, 0 FROM stream WHERE number = ?1",
            )?
            .execute([stream])?;
    } else if next < stored {
        // There was a way back, and it was taken: what is kept for going further back stays.
        connection
            .prepare_cached("DELETE FROM stream_before WHERE stream = ?1 AND state_version >= ?2")?
            .execute(params![stream, next])?;
    }
    connection
        .prepare_cached("UPDATE stream_before SET pages = pages + 1 WHERE stream = ?1 AND state_version < ?2")?
        .execute(params![stream, next])?;
    connection
        .prepare_cached("DELETE FROM stream_before WHERE stream = ?1 AND pages >= ?2")?
        .execute(params![stream, PAGES_UNTIL_SETTLED])?;
    Ok(())
}

pub(super) fn state(connection: &Connection, of: &ConnectionId, name: &str) -> Outcome<Option<StreamState>> {
    let mut statement = connection
        .prepare_cached("SELECT state_version, cursor, more FROM stream WHERE connection = ?1 AND name = ?2")?;
    Ok(statement.query_row(params![of.as_str(), name], |row| state_from(row, 0)).optional()?)
}

pub(super) fn states(connection: &Connection, of: &ConnectionId) -> Outcome<Vec<(String, StreamState)>> {
    let mut statement = connection
        .prepare_cached("SELECT name, state_version, cursor, more FROM stream WHERE connection = ?1 ORDER BY name")?;
    let states = statement.query_map([of.as_str()], |row| Ok((row.get(0)?, state_from(row, 1)?)))?;
    Ok(states.collect::<rusqlite::Result<_>>()?)
}

/// What older versions had of a stream, oldest state version first.
pub(super) fn states_before(connection: &Connection, of: &ConnectionId, name: &str) -> Outcome<Vec<StreamState>> {
    let mut statement = connection.prepare_cached(
        "SELECT b.state_version, b.cursor, b.more FROM stream_before b JOIN stream s ON s.number = b.stream
         WHERE s.connection = ?1 AND s.name = ?2 ORDER BY b.state_version",
    )?;
    let states = statement.query_map(params![of.as_str(), name], |row| state_from(row, 0))?;
    Ok(states.collect::<rusqlite::Result<_>>()?)
}

fn state_from(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<StreamState> {
    let cursor = Cursor { state_version: row.get(first)?, bytes: row.get(first + 1)? };
    Ok(StreamState { cursor, more: row.get(first + 2)? })
}
