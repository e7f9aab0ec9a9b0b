//! What hangs together with somebody: through the identity graph to profiles, and from those to everything else.

use super::super::json::BodyReader;
use super::super::{ledger, links};
use super::number;
use crate::failure::{Outcome, corrupt, known};
use attiva_core::id::{ActivationId, ProfileId};
use attiva_core::identity::Identity;
use attiva_core::ledger::Row;
use attiva_core::model::EntityName;
use attiva_core::ports::privacy::{Footprint, Name, Sent};
use attiva_core::ports::store::TargetKey;
use attiva_core::privacy::{Subject, is_about_persons};
use attiva_core::record::Presence;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn find(connection: &Connection, of: &[Subject]) -> Outcome<Footprint> {
    let mut profiles = BTreeSet::new();
    let mut records = BTreeSet::new();
    let mut names: BTreeSet<Subject> = of.iter().cloned().collect();
    for Subject { entity, identity } in of {
        let Some(number) = number(connection, entity)? else { continue };
        profiles.extend(links::profiles_carrying(connection, number, identity)?);
        let (namespace, value) = (&identity.namespace, &identity.value);
        profiles.extend(links::profile_named(connection, number, namespace, value)?);
        if *namespace == Identity::SOURCE_KEY {
            records.extend(record_of(connection, number, value)?);
        }
    }
    let related = related(connection, &profiles)?;
    for profile in profiles.iter().chain(&related) {
        records.extend(of_profile(connection, *profile)?);
    }
    add_gone(connection, of, &mut records)?;
    names.extend(carried(connection, &records)?);
    let shared = |subject: &Subject| -> Outcome<bool> { is_carried_elsewhere(connection, subject, &records) };
    let names = names.into_iter().map(|subject| Ok(Name { shared: shared(&subject)?, subject }));
    Ok(Footprint {
        names: names.collect::<Outcome<_>>()?,
        sent: sent(connection, &with_former(connection, profiles.iter().chain(&related))?)?,
        profiles: with_ids(connection, profiles)?,
        related: with_ids(connection, related)?,
        records: records.into_iter().collect(),
    })
}

fn record_of(connection: &Connection, entity: i64, key: &str) -> Outcome<Option<i64>> {
    let mut find = connection.prepare_cached("SELECT number FROM record WHERE entity = ?1 AND source_key = ?2")?;
    Ok(find.query_row(params![entity, key], |row| row.get(0)).optional()?)
}

/// Things that name one of the persons, and are about them.
fn related(connection: &Connection, persons: &BTreeSet<i64>) -> Outcome<BTreeSet<i64>> {
    let Some(person) = number(connection, &EntityName::PERSON)? else { return Ok(BTreeSet::new()) };
    let mut relations = connection.prepare_cached(
        "SELECT r.number, e.name FROM relation r JOIN entity e ON e.number = r.entity WHERE r.target = ?1",
    )?;
    let mut rows = relations.query([person])?;
    let mut about = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        if EntityName::parse(&name).is_some_and(|entity| is_about_persons(&entity)) {
            about.push(row.get::<_, i64>(0)?);
        }
    }
    let mut referrers = connection.prepare_cached("SELECT profile FROM reference WHERE relation = ?1 AND key = ?2")?;
    let mut found = BTreeSet::new();
    for profile in persons {
        for key in links::keys_of(connection, person, *profile)? {
            for relation in &about {
                for referrer in referrers.query_map(params![relation, key], |row| row.get(0))? {
                    found.insert(referrer?);
                }
            }
        }
    }
    found.retain(|profile| !persons.contains(profile));
    Ok(found)
}

/// The records of a profile, and those that their source merged into one of them.
fn of_profile(connection: &Connection, profile: i64) -> Outcome<BTreeSet<i64>> {
    let mut own = connection.prepare_cached("SELECT record FROM link WHERE profile = ?1")?;
    let mut found: BTreeSet<i64> =
        own.query_map([profile], |row| row.get(0))?.collect::<rusqlite::Result<BTreeSet<i64>>>()?;
    let mut merged = connection.prepare_cached(
        "SELECT m.record FROM record r JOIN merged m ON m.into_key = r.source_key
           JOIN record g ON g.number = m.record AND g.entity = r.entity
         WHERE r.number = ?1",
    )?;
    let mut open: Vec<i64> = found.iter().copied().collect();
    while let Some(record) = open.pop() {
        for gone in merged.query_map([record], |row| row.get(0))? {
            let gone = gone?;
            if found.insert(gone) {
                open.push(gone);
            }
        }
    }
    Ok(found)
}

/// Records that are gone at their source keep what they said, and carry nothing: those that said one of the addresses or
/// devices asked for. It reads every record, so only where one may be meant.
fn add_gone(connection: &Connection, of: &[Subject], records: &mut BTreeSet<i64>) -> Outcome<()> {
    let told = |subject: &&Subject| [Identity::EMAIL, Identity::ECID].contains(&subject.identity.namespace.as_str());
    let values = attiva_core::privacy::Mentions::new(of.iter().filter(told).map(|s| s.identity.value.clone()));
    if values.is_empty() {
        return Ok(());
    }
    let entities: BTreeSet<i64> =
        of.iter().map(|s| number(connection, &s.entity)).collect::<Outcome<Vec<_>>>()?.into_iter().flatten().collect();
    let mut statement =
        connection.prepare("SELECT number, entity, body FROM record WHERE number NOT IN (SELECT record FROM link)")?;
    let mut rows = statement.query([])?;
    let mut bodies = BodyReader::default();
    while let Some(row) = rows.next()? {
        let body = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        if entities.contains(&row.get(1)?)
            && values.are_in(body.as_bytes())
            && bodies.read(body)?.presence != Presence::Live
        {
            records.insert(row.get(0)?);
        }
    }
    Ok(())
}

/// What names somebody by these records: their own keys, and what they carry.
fn carried(connection: &Connection, records: &BTreeSet<i64>) -> Outcome<BTreeSet<Subject>> {
    let mut statement = connection.prepare_cached(
        "SELECT e.name, r.source_key FROM record r JOIN entity e ON e.number = r.entity WHERE r.number = ?1",
    )?;
    let numbers: Vec<i64> = records.iter().copied().collect();
    let mut found = BTreeSet::new();
    for (record, identities) in numbers.iter().zip(links::identities_of(connection, &numbers)?) {
        let (name, key): (String, String) = statement.query_row([record], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let entity = EntityName::parse(&name).unwrap_or(EntityName::PERSON);
        let own = Identity::source_key(&key);
        found.extend(identities.into_iter().chain([own]).map(|identity| Subject { entity: entity.clone(), identity }));
    }
    Ok(found)
}

/// The key of one of the records is theirs, whoever else says it.
fn is_carried_elsewhere(connection: &Connection, subject: &Subject, records: &BTreeSet<i64>) -> Outcome<bool> {
    let Some(entity) = number(connection, &subject.entity)? else { return Ok(false) };
    if subject.identity.namespace == Identity::SOURCE_KEY
        && record_of(connection, entity, &subject.identity.value)?.is_some_and(|own| records.contains(&own))
    {
        return Ok(false);
    }
    let carriers = links::carriers(connection, entity, &subject.identity)?;
    Ok(carriers.iter().any(|record| !records.contains(record)))
}

fn with_ids(connection: &Connection, numbers: BTreeSet<i64>) -> Outcome<Vec<(i64, ProfileId)>> {
    let mut find = connection.prepare_cached("SELECT id FROM profile WHERE number = ?1")?;
    let id = |number: i64| {
        let id: String = find.query_row([number], |row| row.get(0))?;
        Ok((number, known(ProfileId::parse(&id), "a profile's id")?))
    };
    numbers.into_iter().map(id).collect()
}

/// With those that were merged into them: what was sent of one of those may still be where it was sent.
pub(super) fn with_former<'a>(
    connection: &Connection,
    profiles: impl Iterator<Item = &'a i64>,
) -> Outcome<BTreeSet<i64>> {
    let mut former = connection.prepare_cached(
        "SELECT f.number FROM profile p JOIN redirect r ON r.target = p.id JOIN profile f ON f.id = r.id
         WHERE p.number = ?1",
    )?;
    let mut found = BTreeSet::new();
    let mut open: Vec<i64> = profiles.copied().collect();
    while let Some(profile) = open.pop() {
        if found.insert(profile) {
            for number in former.query_map([profile], |row| row.get(0))? {
                open.push(number?);
            }
        }
    }
    Ok(found)
}

/// What targets have of these profiles: by their ledgers, and by what deliveries of files say became of members.
fn sent(connection: &Connection, profiles: &BTreeSet<i64>) -> Outcome<Vec<Sent>> {
    let mut held = connection.prepare_cached(
        "SELECT t.number, t.id, t.system, t.instance, t.object, t.name, l.held, l.sent
         FROM target t JOIN ledger l ON l.target = t.number
         WHERE l.profile = ?1 AND (l.held IS NOT NULL OR l.unsure IS NOT NULL)",
    )?;
    let mut files = connection.prepare_cached(
        "SELECT d.target FROM item i JOIN delivery d ON d.number = i.delivery
         WHERE i.profile = ?1 AND d.ledger IS NULL AND i.status IN (1, 2, 4, 8)
         UNION SELECT target FROM filed WHERE profile = ?1",
    )?;
    let mut member =
        connection.prepare_cached("SELECT member_id FROM target_member WHERE target = ?1 AND profile = ?2")?;
    let mut by_target: BTreeMap<i64, (String, TargetKey, Vec<Row>)> = BTreeMap::new();
    let mut member_ids: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    let mut of_files: BTreeSet<String> = BTreeSet::new();
    for profile in profiles {
        let mut rows = held.query([profile])?;
        while let Some(row) = rows.next()? {
            let key = TargetKey { system: row.get(2)?, instance: row.get(3)?, object: row.get(4)?, name: row.get(5)? };
            let target: i64 = row.get(0)?;
            let named: Option<String> =
                member.query_row(params![row.get::<_, String>(1)?, profile], |row| row.get(0)).optional()?;
            member_ids.entry(target).or_default().extend(named);
            let place = by_target.entry(target).or_insert((row.get(1)?, key, Vec::new()));
            for column in [6, 7] {
                let text: Option<String> = row.get(column)?;
                place.2.extend(text.as_deref().map(ledger::read_row).transpose()?);
            }
        }
        for target in files.query_map([profile], |row| row.get(0))? {
            of_files.insert(target?);
        }
    }
    let mut claimants =
        connection.prepare_cached("SELECT activation FROM claimant WHERE target = ?1 ORDER BY activation")?;
    let mut found = Vec::new();
    for (number, (id, key, rows)) in by_target {
        let mut activations = Vec::new();
        for activation in claimants.query_map([number], |row| row.get::<_, String>(0))? {
            activations.push(known(ActivationId::parse(&activation?), "an activation's id")?);
        }
        let member_ids = member_ids.remove(&number).unwrap_or_default();
        found.push(Sent { target: Some((id, key)), activations, rows, member_ids });
    }
    for target in of_files {
        let activation = ActivationId::parse(&target).ok_or_else(|| corrupt("a file's target is no activation"))?;
        let (activations, member_ids) = (vec![activation], BTreeSet::new());
        found.push(Sent { target: None, activations, rows: Vec::new(), member_ids });
    }
    Ok(found)
}
