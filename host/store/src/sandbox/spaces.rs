//! A stream whose records become records of another entity, because it was mapped for the first time, or otherwise.

use super::counter::Counter;
use super::json::BodyReader;
use super::profiles::ProfileWriter;
use super::{entities, field_errors, links};
use crate::failure::{Outcome, known};
use attiva_core::Millis;
use attiva_core::id::ProfileId;
use attiva_core::ports::store::StreamMove;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

/// Sets what a stream's records are of, and puts each of them before the profile projector again. A stream that was never
/// read has none.
pub(super) fn set(connection: &Connection, of: &StreamMove, now: Millis) -> Outcome<()> {
    let mut find =
        connection.prepare_cached("SELECT number, entity FROM stream WHERE connection = ?1 AND name = ?2")?;
    let known: Option<(i64, i64)> =
        find.query_row(params![of.connection.as_str(), of.stream], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((stream, was)) = known else { return Ok(()) };
    let entity = entities::of_stream(connection, of.entity.as_ref(), &of.connection, &of.stream)?;
    let mut counter = Counter::load(connection)?;
    if was == entity {
        let mut list = connection.prepare("SELECT number FROM record WHERE stream = ?1")?;
        let mut rows = list.query([stream])?;
        while let Some(row) = rows.next()? {
            tell(connection, &mut counter, row.get(0)?)?;
        }
    } else {
        move_records(connection, &mut counter, stream, entity, now)?;
    }
    field_errors::forget(connection, stream)?;
    counter.save(connection)
}

/// Moves all records of a stream. Each is put before the profile projector again; a profile that they leave is gone, if
/// nothing is left of it. Where the entity has a record of the same key already, the newer of the two stays.
///
/// It reads every record of the sandbox: this happens when somebody changes what a stream is, and else never.
pub(super) fn move_records(
    connection: &Connection,
    counter: &mut Counter,
    stream: i64,
    entity: i64,
    now: Millis,
) -> Outcome<()> {
    let mut list = connection.prepare("SELECT number, source_key FROM record WHERE stream = ?1 AND entity <> ?2")?;
    let records: Vec<(i64, String)> =
        list.query_map([stream, entity], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    let mut there = connection.prepare("SELECT number FROM record WHERE entity = ?1 AND source_key = ?2")?;
    let mut moved = connection.prepare("UPDATE record SET entity = ?2 WHERE number = ?1")?;
    let mut removed = connection.prepare("DELETE FROM record WHERE number = ?1")?;
    let mut left: BTreeSet<i64> = BTreeSet::new();
    for (record, source_key) in records {
        left.extend(links::forget(connection, record)?);
        let other: Option<i64> = there.query_row(params![entity, source_key], |row| row.get(0)).optional()?;
        let number = match other {
            Some(other) if newer(connection, record, other)? => {
                left.extend(links::forget(connection, other)?);
                removed.execute([other])?;
                moved.execute([record, entity])?;
                record
            }
            Some(other) => {
                removed.execute([record])?;
                other
            }
            None => {
                moved.execute([record, entity])?;
                record
            }
        };
        tell(connection, counter, number)?;
    }
    connection.prepare("UPDATE stream SET entity = ?2 WHERE number = ?1")?.execute([stream, entity])?;
    leave(connection, counter, &left, now)
}

/// Whether one record changed at its source after another.
fn newer(connection: &Connection, record: i64, other: i64) -> Outcome<bool> {
    let at = |number: i64| -> Outcome<Millis> {
        let mut statement = connection.prepare_cached("SELECT body FROM record WHERE number = ?1")?;
        let body: String = statement.query_row([number], |row| row.get(0))?;
        Ok(BodyReader::default().read(&body)?.changed_at())
    };
    Ok(at(record)? > at(other)?)
}

/// Profiles that records have left: gone, or made anew of the rest.
pub(super) fn leave(
    connection: &Connection,
    counter: &mut Counter,
    profiles: &BTreeSet<i64>,
    now: Millis,
) -> Outcome<()> {
    let mut writer = ProfileWriter::new(connection)?;
    let mut id = connection.prepare("SELECT id FROM profile WHERE number = ?1")?;
    let mut rest = connection.prepare("SELECT record FROM link WHERE profile = ?1")?;
    for profile in profiles {
        let records: Vec<i64> = rest.query_map([profile], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for record in &records {
            tell(connection, counter, *record)?;
        }
        if records.is_empty() {
            let id: String = id.query_row([profile], |row| row.get(0))?;
            writer.remove(counter, &known(ProfileId::parse(&id), "a profile's id")?, None, now)?;
        }
    }
    writer.finish()
}

fn tell(connection: &Connection, counter: &mut Counter, record: i64) -> Outcome<()> {
    connection
        .prepare_cached("INSERT INTO record_change (seq, subject) VALUES (?1, ?2)")?
        .execute([counter.next_seq(), record])?;
    Ok(())
}
