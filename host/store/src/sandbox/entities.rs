//! Entities by number, and the space that records of a stream without a mapping have to themselves.

use crate::failure::{Outcome, known};
use attiva_core::id::ConnectionId;
use attiva_core::model::EntityName;
use rusqlite::{Connection, OptionalExtension};

/// `None`: nothing of it was ever stored.
pub(super) fn find(connection: &Connection, entity: &EntityName) -> Outcome<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT number FROM entity WHERE name = ?1")?;
    Ok(statement.query_row([entity.as_str()], |row| row.get(0)).optional()?)
}

pub(super) fn make(connection: &Connection, entity: &EntityName) -> Outcome<i64> {
    number(connection, entity.as_str())
}

/// What a profile's entity is called.
pub(super) fn name(connection: &Connection, number: i64) -> Outcome<EntityName> {
    let mut statement = connection.prepare_cached("SELECT name FROM entity WHERE number = ?1")?;
    let name: String = statement.query_row([number], |row| row.get(0))?;
    known(EntityName::parse(&name), "an entity's name")
}

pub(super) fn stream_is_of(
    connection: &Connection,
    of: &ConnectionId,
    stream: &str,
    entity: Option<&EntityName>,
) -> Outcome<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT e.name FROM stream s JOIN entity e ON e.number = s.entity WHERE s.connection = ?1 AND s.name = ?2",
    )?;
    let name: Option<String> = statement.query_row([of.as_str(), stream], |row| row.get(0)).optional()?;
    Ok(name.is_none_or(|name| match entity {
        Some(entity) => name == entity.as_str(),
        None => name == own_space(of, stream),
    }))
}

fn own_space(of: &ConnectionId, stream: &str) -> String {
    format!("{of}:{stream}")
}

/// What a stream's records are of: an entity, or themselves alone.
pub(super) fn of_stream(
    connection: &Connection,
    entity: Option<&EntityName>,
    of: &ConnectionId,
    stream: &str,
) -> Outcome<i64> {
    match entity {
        Some(entity) => make(connection, entity),
        None => number(connection, &own_space(of, stream)),
    }
}

fn number(connection: &Connection, name: &str) -> Outcome<i64> {
    let mut find = connection.prepare_cached("SELECT number FROM entity WHERE name = ?1")?;
    if let Some(number) = find.query_row([name], |row| row.get(0)).optional()? {
        return Ok(number);
    }
    let mut insert =
        connection.prepare_cached("INSERT INTO entity (name, profiles) VALUES (?1, 0) RETURNING number")?;
    Ok(insert.query_row([name], |row| row.get(0))?)
}

/// How many profiles of it there are now.
pub(super) fn profiles(connection: &Connection, entity: &EntityName) -> Outcome<u64> {
    let mut statement = connection.prepare_cached("SELECT profiles FROM entity WHERE name = ?1")?;
    let profiles: Option<i64> = statement.query_row([entity.as_str()], |row| row.get(0)).optional()?;
    Ok(profiles.unwrap_or(0).cast_unsigned())
}

pub(super) fn count_more(connection: &Connection, entity: i64, more: i64) -> Outcome<()> {
    if more != 0 {
        connection
            .prepare_cached("UPDATE entity SET profiles = profiles + ?2 WHERE number = ?1")?
            .execute([entity, more])?;
    }
    Ok(())
}
