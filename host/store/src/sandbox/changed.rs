//! What has changed in a sandbox since a cut, told in one snapshot to whoever has columns of it as they were then.
//!
//! A feed says which profiles and events have changed, not what hangs on that. Who refers to a profile hangs on its names:
//! those who did before and those who do now are compared. Whose an event is hangs on them, too: what a person had and has
//! no more is looked up anew, and so is what a record that belongs to nobody lends its name to.

use super::timeline::{self, People};
use super::{entities, json, links, memberships, profiles, records, references, snapshot};
use crate::failure::{Outcome, limited};
use attiva_core::Value;
use attiva_core::id::SegmentId;
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{
    ChangeSink, Changed, Cut, EventSeen, EventsWanted, Relation, RelationWanted, SnapshotWanted,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};

/// So many moves of an audience are read however few members it has.
const FEW_MOVES: u64 = 1000;

/// By the entity's number, profiles that have changed, and whether each is there.
type Profiles = BTreeMap<i64, BTreeMap<i64, bool>>;

pub(super) fn read(
    connection: &Connection,
    since: Cut,
    wanted: &SnapshotWanted,
    sink: &mut dyn ChangeSink,
) -> Outcome<()> {
    let cut = snapshot::cut(connection)?;
    let profiles = changed_profiles(connection, since, wanted)?;
    let events = match wanted.events {
        EventsWanted::None => BTreeSet::new(),
        EventsWanted::Times | EventsWanted::Attributes(_) => changed_events(connection, since)?,
    };
    let count = profiles.values().map(BTreeMap::len).sum::<usize>();
    if !sink.begun(cut, Changed { profiles: count as u64, events: events.len() as u64 }) {
        return Ok(());
    }
    for (number, entity) in wanted.entities.iter().enumerate() {
        let Some(of) = entities::find(connection, &entity.entity)? else { continue };
        for (profile, is_there) in profiles.get(&of).into_iter().flatten() {
            let attributes = if *is_there { attributes(connection, *profile, &entity.attributes)? } else { None };
            sink.profile(number, *profile, attributes);
        }
    }
    for (number, relation) in wanted.relations.iter().enumerate() {
        self::references(connection, number, relation, &profiles, sink)?;
    }
    if wanted.components {
        components(connection, since, &profiles, sink)?;
    }
    if wanted.events != EventsWanted::None {
        self::events(connection, since, &profiles, events, wanted, sink)?;
    }
    if let EventsWanted::Attributes(names) = &wanted.events {
        event_attributes(connection, names, sink)?;
    }
    keys(connection, sink)?;
    records(connection, sink)?;
    for (number, segment) in wanted.audiences.iter().enumerate() {
        members(connection, since, number, segment, sink)?;
    }
    Ok(())
}

/// Who came and went, where that is less to read than all who are there.
fn members(
    connection: &Connection,
    since: Cut,
    number: usize,
    segment: &SegmentId,
    sink: &mut dyn ChangeSink,
) -> Outcome<()> {
    if sink.knows_members(number) {
        let count = memberships::count(connection, segment)?;
        let moves = memberships::moves_since(connection, segment, since.moves, count / 2 + FEW_MOVES)?;
        if moves.is_some_and(|moves| sink.moved(number, moves, count)) {
            return Ok(());
        }
    }
    memberships::each_member(connection, segment, |profile| sink.member(number, profile))
}

fn changed_profiles(connection: &Connection, since: Cut, wanted: &SnapshotWanted) -> Outcome<Profiles> {
    let mut found = Profiles::new();
    for entity in &wanted.entities {
        if let Some(number) = entities::find(connection, &entity.entity)? {
            found.insert(number, BTreeMap::new());
        }
    }
    let mut statement = connection.prepare_cached(
        "SELECT p.entity, p.number, NOT p.gone FROM profile p
         WHERE p.number IN (SELECT subject FROM profile_change WHERE seq > ?1)",
    )?;
    let mut rows = statement.query([since.profiles.cast_signed()])?;
    while let Some(row) = rows.next()? {
        if let Some(of_entity) = found.get_mut(&row.get(0)?) {
            of_entity.insert(row.get(1)?, row.get(2)?);
        }
    }
    Ok(found)
}

fn changed_events(connection: &Connection, since: Cut) -> Outcome<BTreeSet<i64>> {
    let mut statement = connection.prepare_cached("SELECT subject FROM event_change WHERE seq > ?1")?;
    let rows = statement.query_map([since.events.cast_signed()], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn attributes(
    connection: &Connection,
    profile: i64,
    names: &BTreeSet<String>,
) -> Outcome<Option<Vec<(String, Value)>>> {
    if names.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut statement = connection.prepare_cached(
        "SELECT a.body, d.body FROM attributes a LEFT JOIN derived d ON d.profile = a.profile WHERE a.profile = ?1",
    )?;
    let mut rows = statement.query([profile])?;
    rows.next()?.map(|row| profiles::some_attributes(row, 0, names)).transpose()
}

fn references(
    connection: &Connection,
    number: usize,
    wanted: &RelationWanted,
    profiles: &Profiles,
    sink: &mut dyn ChangeSink,
) -> Outcome<()> {
    let (Some(entity), Some(target)) =
        (entities::find(connection, &wanted.entity)?, entities::find(connection, &wanted.to)?)
    else {
        return Ok(());
    };
    let Some(relation) = references::relation(connection, entity, &wanted.field, target)? else { return Ok(()) };
    let there = |(profile, is_there): (&i64, &bool)| is_there.then_some(*profile);
    let mut anew: BTreeSet<i64> = profiles.get(&entity).into_iter().flatten().filter_map(there).collect();
    let back = Relation { entity: wanted.entity.clone(), field: wanted.field.clone() };
    for (to, is_there) in profiles.get(&target).into_iter().flatten() {
        let before: BTreeSet<i64> = sink.referrers(number, *to).into_iter().collect();
        let now: BTreeSet<i64> = match is_there {
            true => references::referrers(connection, *to, &back, i64::MIN, usize::MAX)?.into_iter().collect(),
            false => BTreeSet::new(),
        };
        anew.extend(before.symmetric_difference(&now));
    }
    // A person refers to the accounts of all its records; what survived stands in its attributes.
    let survived = wanted.entity == EntityName::PERSON && wanted.field == "account_key" && !wanted.of_all_records;
    let mut statement = connection.prepare_cached(
        "SELECT f.key FROM reference f WHERE f.profile = ?1 AND f.relation = ?2 AND (NOT ?3 OR f.key =
           (SELECT json_extract(a.body, '$.' || ?4) FROM attributes a WHERE a.profile = f.profile)) ORDER BY f.key",
    )?;
    for from in anew {
        sink.refers(number, from);
        let mut rows = statement.query(params![from, relation, survived, wanted.field])?;
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
            if let Some(to) = links::carrier_of_key(connection, target, key)? {
                sink.reference(number, from, key, to);
            }
        }
    }
    Ok(())
}

/// A record says something itself, and changes without its person; and which account it names, hangs on the account.
fn components(connection: &Connection, since: Cut, profiles: &Profiles, sink: &mut dyn ChangeSink) -> Outcome<()> {
    let Some(person) = entities::find(connection, &EntityName::PERSON)? else { return Ok(()) };
    let mut changed: BTreeSet<i64> = connection
        .prepare_cached(
            "SELECT l.profile FROM link l JOIN record r ON r.number = l.record
             WHERE l.record IN (SELECT subject FROM record_change WHERE seq > ?1) AND +r.entity = ?2
               AND l.profile IS NOT NULL",
        )?
        .query_map(params![since.records.cast_signed(), person], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if let Some(account) = entities::find(connection, &EntityName::ACCOUNT)? {
        for (profile, is_there) in profiles.get(&account).into_iter().flatten() {
            let before: BTreeSet<i64> = sink.people_of(*profile).into_iter().collect();
            let mut now = BTreeSet::new();
            for field in ["account_key", "matched_account_key"] {
                let back = Relation { entity: EntityName::PERSON, field: field.to_owned() };
                if *is_there {
                    now.extend(references::referrers(connection, *profile, &back, i64::MIN, usize::MAX)?);
                }
            }
            changed.extend(before.symmetric_difference(&now));
        }
    }
    changed.extend(sink.incomplete());
    let of_persons = profiles.get(&person).into_iter().flatten();
    changed.extend(of_persons.filter(|(_, is_there)| **is_there).map(|(profile, _)| *profile));
    let mut records = connection.prepare_cached("SELECT record FROM link WHERE profile = ?1 ORDER BY record")?;
    for profile in changed {
        let numbers: Vec<i64> = records.query_map([profile], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        sink.components(profile, records::by_number(connection, &numbers)?);
    }
    Ok(())
}

fn keys(connection: &Connection, sink: &mut dyn ChangeSink) -> Outcome<()> {
    let Some(wanted) = sink.keys() else { return Ok(()) };
    let Some(entity) = entities::find(connection, &wanted.entity)? else { return Ok(()) };
    for (key, text) in wanted.keys.iter().enumerate() {
        sink.key(key, links::carrier_of_key(connection, entity, text)?);
    }
    Ok(())
}

fn records(connection: &Connection, sink: &mut dyn ChangeSink) -> Outcome<()> {
    let Some(wanted) = sink.records() else { return Ok(()) };
    let Some(entity) = entities::find(connection, &wanted.entity)? else { return Ok(()) };
    let mut own = connection.prepare_cached(
        "SELECT r.number FROM record r JOIN link l ON l.record = r.number
         WHERE r.entity = ?1 AND r.source_key = ?2 AND l.profile IS NOT NULL",
    )?;
    for (key, text) in wanted.keys.iter().enumerate() {
        sink.record(key, own.query_row(params![entity, text], |row| row.get(0)).optional()?);
    }
    Ok(())
}

fn events(
    connection: &Connection,
    since: Cut,
    profiles: &Profiles,
    mut changed: BTreeSet<i64>,
    wanted: &SnapshotWanted,
    sink: &mut dyn ChangeSink,
) -> Outcome<()> {
    let mut people = People::new(connection);
    if let Some(person) = entities::find(connection, &EntityName::PERSON)? {
        for (profile, is_there) in profiles.get(&person).into_iter().flatten() {
            if *is_there {
                sink.person(*profile, timeline::all_of(connection, &mut people, *profile)?);
            }
        }
        changed.extend(events_of_nobodys_names(connection, person, since)?);
    }
    changed.extend(sink.strayed());
    let mut statement = connection.prepare_cached(
        "SELECT p.time, t.name, p.subjects, p.body FROM event_payload p JOIN event_type t ON t.number = p.type
         WHERE p.number = ?1 AND p.body IS NOT NULL",
    )?;
    for number in changed {
        let mut rows = statement.query([number])?;
        let Some(row) = rows.next()? else {
            sink.event(number, None);
            continue;
        };
        let subjects: String = row.get(2)?;
        let person = people.first_carrier(&serde_json::from_str::<Vec<i64>>(&subjects)?)?;
        let event_type = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        let time = row.get(0)?;
        sink.event(number, person.map(|person| EventSeen { number, person, time, event_type }));
        if let (Some(_), EventsWanted::Attributes(names)) = (person, &wanted.events) {
            let body = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
            sink.event_attributes(number, json::event_attributes_of(body, names)?);
        }
    }
    Ok(())
}

/// Events that are named by keys of records that have changed and belong to nobody: they lead on, where their source
/// merged the record, or nowhere.
fn events_of_nobodys_names(connection: &Connection, person: i64, since: Cut) -> Outcome<BTreeSet<i64>> {
    let mut records = connection.prepare_cached(
        "SELECT r.source_key FROM record r LEFT JOIN link l ON l.record = r.number
         WHERE r.number IN (SELECT subject FROM record_change WHERE seq > ?1) AND +r.entity = ?2 AND l.profile IS NULL",
    )?;
    let mut events = connection.prepare_cached(
        "SELECT e.number FROM event_subject s JOIN event e ON e.subject = s.number
         WHERE s.namespace = (SELECT number FROM namespace WHERE entity = ?1 AND name = ?2) AND s.value = ?3",
    )?;
    let mut found = BTreeSet::new();
    let mut rows = records.query([since.records.cast_signed(), person])?;
    while let Some(row) = rows.next()? {
        for key in keys_that_lead_to(connection, person, row.get(0)?)? {
            for event in events.query_map(params![person, Identity::SOURCE_KEY, key], |row| row.get(0))? {
                found.insert(event?);
            }
        }
    }
    Ok(found)
}

/// A key, and those of records that their sources merged into its record, and so on.
fn keys_that_lead_to(connection: &Connection, entity: i64, key: String) -> Outcome<BTreeSet<String>> {
    let mut gone = connection.prepare_cached(links::MERGED_INTO)?;
    let mut keys = BTreeSet::new();
    let mut open = vec![key];
    while let Some(key) = open.pop() {
        if keys.len() < links::NAMES_LOOKED_AT && !keys.contains(&key) {
            for merged in gone.query_map(params![key, entity, limited(links::NAMES_LOOKED_AT)], |row| row.get(0))? {
                open.push(merged?);
            }
            keys.insert(key);
        }
    }
    Ok(keys)
}

fn event_attributes(connection: &Connection, names: &BTreeSet<String>, sink: &mut dyn ChangeSink) -> Outcome<()> {
    let mut statement =
        connection.prepare_cached("SELECT body FROM event_payload WHERE number = ?1 AND body IS NOT NULL")?;
    for number in sink.unread() {
        let mut rows = statement.query([number])?;
        let Some(row) = rows.next()? else { continue };
        let body = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        sink.event_attributes(number, json::event_attributes_of(body, names)?);
    }
    Ok(())
}
