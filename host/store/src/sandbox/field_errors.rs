//! Fields that mappings left empty, counted by stream, field and reason.

use crate::failure::{Outcome, known};
use attiva_core::id::ConnectionId;
use attiva_core::model::EntityKind;
use attiva_core::ports::store::FieldError;
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn note(connection: &Connection, errors: &[FieldError]) -> Outcome<()> {
    let mut stream = connection.prepare_cached("SELECT number FROM stream WHERE connection = ?1 AND name = ?2")?;
    let mut count = connection.prepare_cached(
        "INSERT INTO mapping_error (stream, field, code, count, sample, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (stream, field, code) DO UPDATE SET
           count = count + excluded.count, sample = excluded.sample, at = excluded.at",
    )?;
    for error in errors {
        let FieldError { connection: of, stream: name, field, code, count: more, sample, at } = error;
        let number: Option<i64> = stream.query_row(params![of.as_str(), name], |row| row.get(0)).optional()?;
        if let Some(number) = number {
            count.execute(params![number, field, code, more.cast_signed(), sample, at])?;
        }
    }
    Ok(())
}

pub(super) fn forget(connection: &Connection, stream: i64) -> Outcome<()> {
    connection.prepare_cached("DELETE FROM mapping_error WHERE stream = ?1")?.execute([stream])?;
    Ok(())
}

/// Of all streams whose records are looked at again; events are not.
pub(super) fn forget_all(connection: &Connection) -> Outcome<()> {
    connection
        .prepare_cached(
            "DELETE FROM mapping_error WHERE stream NOT IN
               (SELECT s.number FROM stream s JOIN entity e ON e.number = s.entity WHERE e.name = ?1)",
        )?
        .execute([EntityKind::Activity.name()])?;
    Ok(())
}

/// By stream and field.
pub(super) fn list(connection: &Connection, of: &ConnectionId) -> Outcome<Vec<FieldError>> {
    let mut statement = connection.prepare_cached(
        "SELECT s.name, m.field, m.code, m.count, m.sample, m.at, s.connection FROM mapping_error m
         JOIN stream s ON s.number = m.stream WHERE s.connection = ?1 ORDER BY s.name, m.field, m.code",
    )?;
    let mut rows = statement.query([of.as_str()])?;
    let mut errors = Vec::new();
    while let Some(row) = rows.next()? {
        let count: i64 = row.get(3)?;
        let of: String = row.get(6)?;
        errors.push(FieldError {
            connection: known(ConnectionId::parse(&of), "a connection's id")?,
            stream: row.get(0)?,
            field: row.get(1)?,
            code: row.get(2)?,
            count: count.cast_unsigned(),
            sample: row.get(4)?,
            at: row.get(5)?,
        });
    }
    Ok(errors)
}
