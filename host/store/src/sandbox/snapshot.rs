//! All of a sandbox, told in one snapshot to whoever makes columns of it.

use super::timeline::People;
use super::{Sandbox, changed, entities, json, links, memberships, projection, records, references};
use crate::failure::Outcome;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{
    Carrier, ChangeSink, Cut, EntityWanted, EventSeen, EventsWanted, Feed, RelationWanted, Result, SnapshotSink,
    SnapshotStore, SnapshotWanted,
};
use rusqlite::{Connection, params};
use std::collections::{BTreeSet, HashMap};

impl SnapshotStore for Sandbox {
    fn snapshot(&self, wanted: &SnapshotWanted, sink: &mut dyn SnapshotSink) -> Result<()> {
        self.database.read(|connection| read(connection, wanted, sink))
    }

    fn changed_since(&self, since: Cut, wanted: &SnapshotWanted, sink: &mut dyn ChangeSink) -> Result<()> {
        self.database.read(|connection| changed::read(connection, since, wanted, sink))
    }
}

fn read(connection: &Connection, wanted: &SnapshotWanted, sink: &mut dyn SnapshotSink) -> Outcome<()> {
    let cut = cut(connection)?;
    if !sink.begun(cut) {
        return Ok(());
    }
    for (number, entity) in wanted.entities.iter().enumerate() {
        profiles(connection, number, entity, sink)?;
    }
    for (number, relation) in wanted.relations.iter().enumerate() {
        references(connection, number, relation, sink)?;
    }
    if wanted.components {
        records::each_linked(connection, &EntityName::PERSON, |profile, record| sink.component(profile, record))?;
    }
    if wanted.events != EventsWanted::None {
        events(connection, sink)?;
    }
    if let EventsWanted::Attributes(names) = &wanted.events {
        event_attributes(connection, names, sink)?;
    }
    keys(connection, sink)?;
    for (number, segment) in wanted.audiences.iter().enumerate() {
        memberships::each_member(connection, segment, |profile| sink.member(number, profile))?;
    }
    Ok(())
}

pub(super) fn cut(connection: &Connection) -> Outcome<Cut> {
    Ok(Cut {
        records: projection::newest(connection, Feed::Records)?,
        profiles: projection::newest(connection, Feed::Profiles)?,
        events: projection::newest(connection, Feed::Events)?,
        moves: memberships::newest_move(connection)?,
    })
}

fn profiles(connection: &Connection, number: usize, wanted: &EntityWanted, sink: &mut dyn SnapshotSink) -> Outcome<()> {
    let Some(entity) = entities::find(connection, &wanted.entity)? else { return Ok(()) };
    if wanted.attributes.is_empty() {
        let mut statement =
            connection.prepare_cached("SELECT number FROM profile WHERE entity = ?1 AND NOT gone ORDER BY number")?;
        let mut rows = statement.query([entity])?;
        while let Some(row) = rows.next()? {
            sink.profile(number, row.get(0)?, Vec::new());
        }
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "SELECT p.number, a.body, d.body FROM profile p JOIN attributes a ON a.profile = p.number
         LEFT JOIN derived d ON d.profile = p.number WHERE p.entity = ?1 ORDER BY p.number",
    )?;
    let mut rows = statement.query([entity])?;
    while let Some(row) = rows.next()? {
        let attributes = super::profiles::some_attributes(row, 1, &wanted.attributes)?;
        sink.profile(number, row.get(0)?, attributes);
    }
    Ok(())
}

/// By the index of own keys first, which nearly all are; the rest as elsewhere.
fn references(
    connection: &Connection,
    number: usize,
    wanted: &RelationWanted,
    sink: &mut dyn SnapshotSink,
) -> Outcome<()> {
    let (Some(entity), Some(target)) =
        (entities::find(connection, &wanted.entity)?, entities::find(connection, &wanted.to)?)
    else {
        return Ok(());
    };
    let Some(relation) = references::relation(connection, entity, &wanted.field, target)? else { return Ok(()) };
    // A person refers to the accounts of all its records; what survived stands in its attributes.
    let mut statement = connection.prepare_cached(
        "SELECT f.profile, f.key, l.profile, r.number FROM reference f
         LEFT JOIN record r ON r.entity = ?2 AND r.source_key = f.key
         LEFT JOIN link l ON l.record = r.number AND l.own_key
         WHERE f.relation = ?1 AND (NOT ?3 OR f.key =
           (SELECT json_extract(a.body, '$.' || ?4) FROM attributes a WHERE a.profile = f.profile))",
    )?;
    let survived = wanted.entity == EntityName::PERSON && wanted.field == "account_key" && !wanted.of_all_records;
    let mut rows = statement.query(params![relation, target, survived, wanted.field])?;
    while let Some(row) = rows.next()? {
        let found: Option<i64> = row.get(2)?;
        let to = match found {
            Some(profile) => Some(Carrier { record: row.get(3)?, profile }),
            None => {
                links::carrier_of_key(connection, target, row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?
            }
        };
        if let Some(to) = to {
            let key = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
            sink.reference(number, row.get(0)?, key, to);
        }
    }
    Ok(())
}

fn events(connection: &Connection, sink: &mut dyn SnapshotSink) -> Outcome<()> {
    let mut types: HashMap<i64, String> = HashMap::new();
    let mut statement = connection.prepare_cached("SELECT number, name FROM event_type")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        types.insert(row.get(0)?, row.get(1)?);
    }
    let mut people = People::new(connection);
    let mut statement =
        connection.prepare_cached("SELECT subject, time, number, type, rank FROM event ORDER BY subject, time")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(2)?;
        let Some(person) = people.carrier(row.get(0)?)? else { continue };
        if !people.decides(number, row.get(4)?)? {
            continue;
        }
        let event_type = types.get(&row.get::<_, i64>(3)?).map_or("", String::as_str);
        sink.event(EventSeen { number, person, time: row.get(1)?, event_type });
    }
    Ok(())
}

fn event_attributes(connection: &Connection, names: &BTreeSet<String>, sink: &mut dyn SnapshotSink) -> Outcome<()> {
    let mut statement =
        connection.prepare_cached("SELECT number, body FROM event_payload WHERE body IS NOT NULL ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        sink.event_attributes(row.get(0)?, json::event_attributes_of(body, names)?);
    }
    Ok(())
}

fn keys(connection: &Connection, sink: &mut dyn SnapshotSink) -> Outcome<()> {
    for (list, wanted) in sink.keys().into_iter().enumerate() {
        let Some(entity) = entities::find(connection, &wanted.entity)? else { continue };
        for (key, text) in wanted.keys.iter().enumerate() {
            if let Some(named) = links::carrier_of_key(connection, entity, text)? {
                sink.key(list, key, named);
            }
        }
    }
    Ok(())
}
