//! The feeds of changes, the projectors' cursors, and the commit of the profile projector.

use super::counter::Counter;
use super::links::LinkWriter;
use super::profiles::ProfileWriter;
use super::{entities, field_errors, json, spaces};
use crate::failure::{Outcome, limited};
use attiva_core::Millis;
use attiva_core::ports::store::{Change, Feed, ProfileCommit, Reconsider, Seq};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{BTreeSet, HashMap};

/// The projector of profiles.
const PROFILES: &str = "profiles";

/// A commit and the texts of its profiles' attributes. They are made before the writer's turn: it is one thread for
/// everybody.
pub(super) struct PreparedProfiles {
    commit: ProfileCommit,
    /// By position.
    attributes: Vec<String>,
}

pub(super) fn prepare(commit: ProfileCommit) -> Outcome<PreparedProfiles> {
    let attributes = commit.profiles.iter().map(|profile| json::attributes_text(&profile.attributes));
    Ok(PreparedProfiles { attributes: attributes.collect::<Outcome<_>>()?, commit })
}

pub(super) fn commit(connection: &Connection, prepared: &PreparedProfiles) -> Outcome<()> {
    let PreparedProfiles { commit, attributes } = prepared;
    let mut counter = Counter::load(connection)?;
    let mut profiles = ProfileWriter::new(connection)?;
    for (id, successor) in &commit.removed {
        profiles.remove(&mut counter, id, successor.as_ref(), commit.now)?;
    }
    let mut written = HashMap::with_capacity(commit.profiles.len());
    for (profile, attributes) in commit.profiles.iter().zip(attributes) {
        written.insert(&profile.id, profiles.put(&mut counter, profile, attributes)?);
    }
    // After the profiles: a link names one of them.
    let mut links = LinkWriter::new(connection)?;
    let mut touched = BTreeSet::new();
    for link in &commit.links {
        touched.extend(links.set(link, &written)?);
    }
    for number in touched {
        profiles.touch(&mut counter, number)?;
    }
    links.finish()?;
    profiles.finish()?;
    field_errors::note(connection, &commit.errors)?;
    move_cursor(connection, PROFILES, commit.upto)?;
    counter.save(connection)
}

pub(super) fn changes(connection: &Connection, feed: Feed, after: Seq, limit: usize) -> Outcome<Vec<Change>> {
    let mut statement = connection.prepare_cached(match feed {
        Feed::Records => "SELECT seq, subject FROM record_change WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        Feed::Profiles => "SELECT seq, subject FROM profile_change WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        Feed::Events => "SELECT seq, subject FROM event_change WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    })?;
    let rows = statement.query_map(params![after.cast_signed(), limited(limit)], change)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    let seq: i64 = row.get(0)?;
    Ok(Change { seq: seq.cast_unsigned(), subject: row.get(1)? })
}

/// The newest first.
pub(super) fn changes_back(
    connection: &Connection,
    feed: Feed,
    below: Option<Seq>,
    limit: usize,
) -> Outcome<Vec<Change>> {
    let mut statement = connection.prepare_cached(match feed {
        Feed::Records => "SELECT seq, subject FROM record_change WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
        Feed::Profiles => "SELECT seq, subject FROM profile_change WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
        Feed::Events => "SELECT seq, subject FROM event_change WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
    })?;
    let below = below.map_or(i64::MAX, u64::cast_signed);
    let rows = statement.query_map(params![below, limited(limit)], change)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn drop_changes(connection: &Connection, feed: Feed, entries: &[Seq]) -> Outcome<()> {
    let mut statement = connection.prepare_cached(match feed {
        Feed::Records => "DELETE FROM record_change WHERE seq = ?1",
        Feed::Profiles => "DELETE FROM profile_change WHERE seq = ?1",
        Feed::Events => "DELETE FROM event_change WHERE seq = ?1",
    })?;
    for entry in entries {
        statement.execute([entry.cast_signed()])?;
    }
    Ok(())
}

pub(super) fn newest(connection: &Connection, feed: Feed) -> Outcome<Seq> {
    let mut statement = connection.prepare_cached(match feed {
        Feed::Records => "SELECT coalesce(max(seq), 0) FROM record_change",
        Feed::Profiles => "SELECT coalesce(max(seq), 0) FROM profile_change",
        Feed::Events => "SELECT coalesce(max(seq), 0) FROM event_change",
    })?;
    let seq: i64 = statement.query_row([], |row| row.get(0))?;
    Ok(seq.cast_unsigned())
}

/// 0 for a projector that has not begun.
pub(super) fn cursor(connection: &Connection, projector: &str) -> Outcome<u64> {
    let mut statement = connection.prepare_cached("SELECT cursor FROM projector WHERE name = ?1")?;
    let cursor: Option<i64> = statement.query_row([projector], |row| row.get(0)).optional()?;
    Ok(cursor.unwrap_or(0).cast_unsigned())
}

pub(super) fn move_cursor(connection: &Connection, projector: &str, upto: u64) -> Outcome<()> {
    connection
        .prepare_cached(
            "INSERT INTO projector (name, cursor) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor",
        )?
        .execute(params![projector, upto.cast_signed()])?;
    Ok(())
}

/// Puts records before the profile projector again: all by setting it back, some by telling them as if they had changed.
/// `now`: when profiles that lose all their records are gone.
pub(super) fn reconsider(connection: &Connection, what: &Reconsider, now: Millis) -> Outcome<()> {
    let (entity, source_keys) = match what {
        Reconsider::All => {
            field_errors::forget_all(connection)?;
            return move_cursor(connection, PROFILES, 0);
        }
        Reconsider::Records(entity, source_keys) => (entities::make(connection, entity)?, source_keys),
        Reconsider::Streams(streams) => return streams.iter().try_for_each(|it| spaces::set(connection, it, now)),
    };
    let mut counter = Counter::load(connection)?;
    let mut find = connection.prepare_cached("SELECT number FROM record WHERE entity = ?1 AND source_key = ?2")?;
    let mut tell = connection.prepare_cached("INSERT INTO record_change (seq, subject) VALUES (?1, ?2)")?;
    for source_key in source_keys {
        let number: Option<i64> = find.query_row(params![entity, source_key], |row| row.get(0)).optional()?;
        if let Some(number) = number {
            tell.execute(params![counter.next_seq(), number])?;
        }
    }
    counter.save(connection)
}
