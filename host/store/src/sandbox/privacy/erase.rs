//! Removes what is somebody's own. History that others' books stand on keeps its rows, and says nothing of whom.

use super::super::counter::Counter;
use super::super::profiles::ProfileWriter;
use super::super::{accounts, links, memberships};
use super::number;
use crate::failure::Outcome;
use attiva_core::Millis;
use attiva_core::id::{PrivacyId, ProfileId};
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::privacy::{Footprint, Name};
use attiva_core::privacy::{Counts, Place, Subject};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

/// Tables with what is said of profiles that are history now.
const OF_PROFILES: [&str; 10] = [
    "membership_history",
    "membership_due",
    "want",
    "refusal",
    "ledger",
    "target_member",
    "taken_out",
    "drift",
    "filed",
    "frozen",
];

pub(super) fn erase(
    connection: &Connection,
    request: &PrivacyId,
    footprint: &Footprint,
    now: Millis,
) -> Outcome<Counts> {
    // What is freed from now on is overwritten, also on pages that are given up as a whole.
    connection.pragma_update(None, "secure_delete", true)?;
    let mut counts = earlier(connection, request)?;
    let mut counter = Counter::load(connection)?;
    let mut neighbours = sharing(connection, footprint, links::carriers)?;
    for own in &footprint.records {
        neighbours.remove(own);
    }
    let mut add = |place: Place, more: usize| *counts.entry(place).or_default() += more as u64;
    add(Place::Events, events(connection, &mut counter, footprint)?);
    add(Place::Consents, consents(connection, &footprint.names)?);
    add(Place::Records, records(connection, &footprint.records)?);
    let mut writer = ProfileWriter::new(connection)?;
    for (number, id) in footprint.profiles.iter().chain(&footprint.related) {
        add(Place::Memberships, current(connection, *number)?);
        add(Place::Memberships, forget(connection, "membership_history", *number)?);
        writer.remove(&mut counter, id, None, now)?;
        for table in ["want", "refusal", "ledger", "target_member", "taken_out", "drift", "filed"] {
            add(Place::Ledger, forget(connection, table, *number)?);
        }
        add(Place::Outcomes, outcomes(connection, *number)? + forget(connection, "frozen", *number)?);
        add(Place::Profiles, anonymous(connection, request, *number, id)?);
    }
    // Who was kept apart from them, or shared a value with them, may be somebody else now.
    for record in neighbours {
        connection
            .prepare_cached("INSERT INTO record_change (seq, subject) VALUES (?1, ?2)")?
            .execute([counter.next_seq(), record])?;
    }
    // What happened to the erased by such a value may have happened to who is left, who is as before otherwise.
    for profile in sharing(connection, footprint, links::profiles_carrying)? {
        writer.touch(&mut counter, profile)?;
    }
    writer.finish()?;
    counter.save(connection)?;
    counts.retain(|_, count| *count > 0);
    connection
        .prepare_cached(
            "INSERT INTO erasure (request, at, counts) VALUES (?1, ?2, ?3)
             ON CONFLICT (request) DO UPDATE SET counts = excluded.counts",
        )?
        .execute(params![request.as_str(), now, serde_json::to_string(&counts)?])?;
    Ok(counts)
}

/// What the request removed before a kill.
fn earlier(connection: &Connection, request: &PrivacyId) -> Outcome<Counts> {
    let mut find = connection.prepare_cached("SELECT counts FROM erasure WHERE request = ?1")?;
    let text: Option<String> = find.query_row([request.as_str()], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default())
}

/// What carries one of the names that others have as well.
fn sharing<Found: IntoIterator<Item = i64>>(
    connection: &Connection,
    footprint: &Footprint,
    carrying: fn(&Connection, i64, &Identity) -> Outcome<Found>,
) -> Outcome<BTreeSet<i64>> {
    let mut found = BTreeSet::new();
    for name in footprint.names.iter().filter(|name| name.shared) {
        let Subject { entity, identity } = &name.subject;
        if let Some(entity) = number(connection, entity)? {
            found.extend(carrying(connection, entity, identity)?);
        }
    }
    Ok(found)
}

fn records(connection: &Connection, records: &[i64]) -> Outcome<usize> {
    let mut removed = 0;
    for record in records {
        links::forget(connection, *record)?;
        for table in ["merged", "stage_history"] {
            connection.prepare_cached(&format!("DELETE FROM {table} WHERE record = ?1"))?.execute([record])?;
        }
        removed += connection.prepare_cached("DELETE FROM record WHERE number = ?1")?.execute([record])?;
    }
    Ok(removed)
}

/// Every event that names them by something that nobody else has, and those that are theirs by what they share.
fn events(connection: &Connection, counter: &mut Counter, footprint: &Footprint) -> Outcome<usize> {
    let mut subject = connection.prepare_cached(
        "SELECT s.number FROM event_subject s JOIN namespace n ON n.number = s.namespace
         WHERE n.entity = ?1 AND n.name = ?2 AND s.value = ?3",
    )?;
    let Some(person) = number(connection, &EntityName::PERSON)? else { return Ok(0) };
    let mut numbers = BTreeSet::new();
    let mut subjects = Vec::new();
    let own = |name: &&Name| name.subject.entity == EntityName::PERSON && !name.shared;
    for name in footprint.names.iter().filter(own) {
        let identity = &name.subject.identity;
        let found: Option<i64> =
            subject.query_row(params![person, identity.namespace, identity.value], |row| row.get(0)).optional()?;
        let Some(found) = found else { continue };
        subjects.push(found);
        let mut named = connection.prepare_cached("SELECT number FROM event WHERE subject = ?1")?;
        for number in named.query_map([found], |row| row.get::<_, i64>(0))? {
            numbers.insert(number?);
        }
    }
    for number in &numbers {
        let mut find = connection.prepare_cached("SELECT subjects, time FROM event_payload WHERE number = ?1")?;
        let (all, time): (String, i64) = find.query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for subject in serde_json::from_str::<Vec<i64>>(&all)? {
            connection
                .prepare_cached("DELETE FROM event WHERE subject = ?1 AND time = ?2 AND number = ?3")?
                .execute([subject, time, *number])?;
        }
        connection.prepare_cached("DELETE FROM event_payload WHERE number = ?1")?.execute([number])?;
        connection
            .prepare_cached("INSERT INTO event_change (seq, subject) VALUES (?1, ?2)")?
            .execute([counter.next_seq(), *number])?;
    }
    for subject in subjects {
        connection.prepare_cached("DELETE FROM event_subject WHERE number = ?1")?.execute([subject])?;
    }
    Ok(numbers.len())
}

fn consents(connection: &Connection, names: &[Name]) -> Outcome<usize> {
    let mut removed = 0;
    let own = |name: &&Name| name.subject.entity == EntityName::PERSON && !name.shared;
    for name in names.iter().filter(own) {
        let identity = &name.subject.identity;
        for table in ["consent", "suppression"] {
            removed += connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE namespace = ?1 AND value = ?2"))?
                .execute([&identity.namespace, &identity.value])?;
        }
    }
    Ok(removed)
}

/// Memberships there are; the profile's removal ends them, and what history says of that goes as well.
fn current(connection: &Connection, profile: i64) -> Outcome<usize> {
    Ok(memberships::of_profiles(connection, &[profile])?.first().map_or(0, Vec::len))
}

fn forget(connection: &Connection, table: &str, profile: i64) -> Outcome<usize> {
    Ok(connection.prepare_cached(&format!("DELETE FROM {table} WHERE profile = ?1"))?.execute([profile])?)
}

/// The books stand on the rows. What was said of the member goes.
fn outcomes(connection: &Connection, profile: i64) -> Outcome<usize> {
    Ok(connection
        .prepare_cached("UPDATE item SET field = NULL, message = '' WHERE profile = ?1")?
        .execute([profile])?)
}

/// The row stays, since numbers are never given twice and history counts it; nothing leads to it, and it leads nowhere.
/// The same goes for the profiles that were merged into it.
fn anonymous(connection: &Connection, request: &PrivacyId, profile: i64, id: &ProfileId) -> Outcome<usize> {
    let mut led = connection.prepare_cached("SELECT id FROM redirect WHERE target = ?1")?;
    let mut find = connection.prepare_cached("SELECT number FROM profile WHERE id = ?1")?;
    let (mut all, mut open) = (vec![(profile, id.as_str().to_owned())], vec![id.as_str().to_owned()]);
    while let Some(target) = open.pop() {
        for former in led.query_map([&target], |row| row.get::<_, String>(0))? {
            let former = former?;
            if all.iter().all(|(_, known)| *known != former) {
                let number: Option<i64> = find.query_row([&former], |row| row.get(0)).optional()?;
                all.extend(number.map(|number| (number, former.clone())));
                open.push(former);
            }
        }
        connection.prepare_cached("DELETE FROM redirect WHERE target = ?1 OR id = ?1")?.execute([&target])?;
    }
    for (number, former) in &all {
        for table in OF_PROFILES {
            forget(connection, table, *number)?;
        }
        outcomes(connection, *number)?;
        accounts::forget_person(connection, *number)?;
        connection
            .prepare_cached("UPDATE profile SET id = ?2, changed_at = 0, gone = 1 WHERE number = ?1")?
            .execute(params![number, ProfileId::parse(former).as_ref().unwrap_or(id).erased(*number).as_str()])?;
        connection
            .prepare_cached("INSERT OR IGNORE INTO erased (profile, request) VALUES (?1, ?2)")?
            .execute(params![number, request.as_str()])?;
    }
    Ok(all.len())
}
