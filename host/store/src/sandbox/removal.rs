//! Takes back what a stream brought, some of it at a time; the profiles that lose records are made anew of the rest.

use super::counter::Counter;
use super::streams::number;
use super::{due, links, spaces};
use crate::failure::{Outcome, limited};
use attiva_core::Millis;
use attiva_core::id::ConnectionId;
use attiva_core::removal::{Place, Removed};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;

/// Records and events of a stream.
pub(super) fn size(connection: &Connection, of: &ConnectionId, stream: &str) -> Outcome<(u64, u64)> {
    let Some(stream) = number(connection, of, stream)? else { return Ok((0, 0)) };
    let count = |sql: &str| -> Outcome<u64> {
        let count: i64 = connection.prepare_cached(sql)?.query_row([stream], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    };
    Ok((
        count("SELECT count(*) FROM record WHERE stream = ?1")?,
        count("SELECT count(*) FROM event_payload WHERE stream = ?1")?,
    ))
}

pub(super) fn remove(
    connection: &Connection,
    of: &ConnectionId,
    stream: &str,
    place: Place,
    limit: usize,
    now: Millis,
) -> Outcome<Removed> {
    let Some(stream) = number(connection, of, stream)? else { return Ok(Removed::default()) };
    let (sql, after) = match place {
        Place::Records(after) => {
            ("SELECT number FROM record WHERE stream = ?1 AND number > ?2 ORDER BY number LIMIT ?3", after)
        }
        Place::Events(after) => {
            ("SELECT number FROM event_payload WHERE stream = ?1 AND number > ?2 ORDER BY number LIMIT ?3", after)
        }
    };
    let mut list = connection.prepare_cached(sql)?;
    let numbers: Vec<i64> =
        list.query_map(params![stream, after, limited(limit)], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    match place {
        Place::Records(_) => records(connection, &numbers, now)?,
        Place::Events(_) => events(connection, &numbers)?,
    }
    Ok(Removed { rows: numbers.len() as u64, last: numbers.last().copied() })
}

fn records(connection: &Connection, numbers: &[i64], now: Millis) -> Outcome<()> {
    let mut counter = Counter::load(connection)?;
    let mut left = BTreeSet::new();
    for record in numbers {
        left.extend(links::forget(connection, *record)?);
        for table in ["merged", "stage_history"] {
            connection.prepare_cached(&format!("DELETE FROM {table} WHERE record = ?1"))?.execute([record])?;
        }
        connection.prepare_cached("DELETE FROM record WHERE number = ?1")?.execute([record])?;
    }
    spaces::leave(connection, &mut counter, &left, now)?;
    counter.save(connection)
}

/// What an event named stays a name: others of the person may have it.
fn events(connection: &Connection, numbers: &[i64]) -> Outcome<()> {
    let mut counter = Counter::load(connection)?;
    for number in numbers {
        let mut find = connection.prepare_cached("SELECT subjects, time FROM event_payload WHERE number = ?1")?;
        let (subjects, time): (String, i64) = find.query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let subjects = serde_json::from_str::<Vec<i64>>(&subjects)?;
        due::look_again(connection, &subjects)?;
        for subject in subjects {
            connection
                .prepare_cached("DELETE FROM event WHERE subject = ?1 AND time = ?2 AND number = ?3")?
                .execute([subject, time, *number])?;
        }
        connection.prepare_cached("DELETE FROM event_payload WHERE number = ?1")?.execute([number])?;
        connection
            .prepare_cached("INSERT INTO event_change (seq, subject) VALUES (?1, ?2)")?
            .execute([counter.next_seq(), *number])?;
    }
    counter.save(connection)
}

/// Where it stands, and what its mapping could not make: read again, it begins anew.
pub(super) fn forget(connection: &Connection, of: &ConnectionId, stream: &str) -> Outcome<()> {
    let Some(number) = number(connection, of, stream)? else { return Ok(()) };
    for sql in [
        "DELETE FROM stream_before WHERE stream = ?1",
        "DELETE FROM mapping_error WHERE stream = ?1",
        "DELETE FROM seen WHERE stream = ?1",
        "DELETE FROM stream WHERE number = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([number])?;
    }
    Ok(())
}

/// Rejects of a connection's runs hold samples of what it read.
pub(super) fn forget_rejects(connection: &Connection, of: &ConnectionId) -> Outcome<()> {
    connection
        .prepare_cached(
            "DELETE FROM reject WHERE run IN (SELECT id FROM document
               WHERE kind = 'run' AND json_extract(body, '$.connection') = ?1)",
        )?
        .execute([of.as_str()])?;
    Ok(())
}
