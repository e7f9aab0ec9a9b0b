//! Documents by kind and id, in either database.

use crate::failure::{Outcome, limited};
use attiva_core::ports::store::{Document, Expect, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(crate) fn get(connection: &Connection, kind: &str, id: &str) -> Outcome<Option<Document>> {
    let mut statement =
        connection.prepare_cached("SELECT id, version, body FROM document WHERE kind = ?1 AND id = ?2")?;
    let found = statement.query_row(params![kind, id], columns).optional()?;
    found.map(document).transpose()
}

/// In the order of ids.
pub(crate) fn list(connection: &Connection, kind: &str, after: Option<&str>, limit: usize) -> Outcome<Vec<Document>> {
    let mut statement = connection
        .prepare_cached("SELECT id, version, body FROM document WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT ?3")?;
    // No id is empty, so "" is before the first.
    let rows = statement.query_map(params![kind, after.unwrap_or(""), limited(limit)], columns)?;
    rows.map(|row| document(row?)).collect()
}

/// Returns the new version.
pub(crate) fn put(
    connection: &Connection,
    kind: &str,
    id: &str,
    body: &serde_json::Value,
    expect: Expect,
) -> Outcome<u64> {
    let found = version(connection, kind, id)?;
    check(found, expect)?;
    let next = found.unwrap_or(0) + 1;
    connection
        .prepare_cached(
            "INSERT INTO document (kind, id, version, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, body = excluded.body",
        )?
        .execute(params![kind, id, next.cast_signed(), serde_json::to_string(body)?])?;
    Ok(next)
}

pub(crate) fn delete(connection: &Connection, kind: &str, id: &str, expect: Expect) -> Outcome<()> {
    let found = version(connection, kind, id)?;
    check(found, expect)?;
    if found.is_none() {
        return Err(StoreError::Missing.into());
    }
    connection.prepare_cached("DELETE FROM document WHERE kind = ?1 AND id = ?2")?.execute(params![kind, id])?;
    Ok(())
}

fn version(connection: &Connection, kind: &str, id: &str) -> Outcome<Option<u64>> {
    let mut statement = connection.prepare_cached("SELECT version FROM document WHERE kind = ?1 AND id = ?2")?;
    let found: Option<i64> = statement.query_row(params![kind, id], |row| row.get(0)).optional()?;
    Ok(found.map(i64::cast_unsigned))
}

fn check(found: Option<u64>, expect: Expect) -> Result<(), StoreError> {
    match (found, expect) {
        (_, Expect::Anything) | (None, Expect::Absent) => Ok(()),
        (Some(_), Expect::Absent) => Err(StoreError::Exists),
        (None, Expect::Version(_)) => Err(StoreError::Missing),
        (Some(found), Expect::Version(expected)) if found == expected => Ok(()),
        (Some(found), Expect::Version(expected)) => {
            Err(StoreError::VersionMismatch { expected: expected.to_string(), found: found.to_string() })
        }
    }
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(String, i64, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn document((id, version, body): (String, i64, String)) -> Outcome<Document> {
    Ok(Document { id, version: version.cast_unsigned(), body: serde_json::from_str(&body)? })
}
