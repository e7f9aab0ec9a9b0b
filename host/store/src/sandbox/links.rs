//! The identity graph: which identities each record carries, and which profile it belongs to.

use super::{entities, ledger};
use crate::failure::{Outcome, known, limited};
use attiva_core::id::ProfileId;
use attiva_core::identity::{Ask, Identity, Level};
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Carrier, RecordLink, StoreError};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use std::collections::{BTreeSet, HashMap};

/// A record's identities as they are kept: a flag for its own source key, and the others.
#[derive(Debug, Default, PartialEq, Eq)]
struct Carried {
    own_key: bool,
    others: BTreeSet<(String, String)>,
}

impl Carried {
    fn new(source_key: &str, identities: &[Identity]) -> Self {
        let mut carried = Self::default();
        for identity in identities {
            if identity.namespace == Identity::SOURCE_KEY && identity.value == source_key {
                carried.own_key = true;
            } else {
                carried.others.insert((identity.namespace.clone(), identity.value.clone()));
            }
        }
        carried
    }

    fn read(row: &Row<'_>, own_key: usize, others: usize) -> Outcome<Self> {
        let others: Option<String> = row.get(others)?;
        let others = others.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default();
        Ok(Self { own_key: row.get(own_key)?, others })
    }

    fn others_text(&self) -> Outcome<Option<String>> {
        Ok(if self.others.is_empty() { None } else { Some(serde_json::to_string(&self.others)?) })
    }
}

/// A record's link as it is so far.
struct Known {
    entity: i64,
    source_key: String,
    profile: Option<i64>,
    carried: Carried,
    level: i64,
}

/// The statements that set links, prepared once a commit.
pub(super) struct LinkWriter<'a> {
    connection: &'a Connection,
    /// By entity and name.
    namespaces: HashMap<(i64, String), i64>,
    /// Whether there is a target that keeps its members.
    targets: bool,
    profile: CachedStatement<'a>,
    find: CachedStatement<'a>,
    set: CachedStatement<'a>,
    unset: CachedStatement<'a>,
    add: CachedStatement<'a>,
    drop: CachedStatement<'a>,
    /// Namespace, value, record: written in order at the end, since values stand anywhere.
    added: Vec<(i64, String, i64)>,
    dropped: Vec<(i64, String, i64)>,
}

impl<'a> LinkWriter<'a> {
    pub(super) fn new(connection: &'a Connection) -> Outcome<Self> {
        Ok(Self {
            connection,
            namespaces: HashMap::new(),
            targets: connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM target)")?
                .query_row([], |row| row.get(0))?,
            profile: connection.prepare_cached("SELECT number FROM profile WHERE id = ?1")?,
            find: connection.prepare_cached(
                "SELECT r.source_key, l.profile, coalesce(l.own_key, 0), l.identities, coalesce(l.level, 0), r.entity
                 FROM record r LEFT JOIN link l ON l.record = r.number WHERE r.number = ?1",
            )?,
            set: connection.prepare_cached(
                "INSERT INTO link (record, profile, own_key, identities, level) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (record) DO UPDATE SET profile = excluded.profile, own_key = excluded.own_key,
                   identities = excluded.identities, level = excluded.level",
            )?,
            unset: connection.prepare_cached("DELETE FROM link WHERE record = ?1")?,
            add: connection
                .prepare_cached("INSERT OR IGNORE INTO identity (namespace, value, record) VALUES (?1, ?2, ?3)")?,
            drop: connection
                .prepare_cached("DELETE FROM identity WHERE namespace = ?1 AND value = ?2 AND record = ?3")?,
            added: Vec::new(),
            dropped: Vec::new(),
        })
    }

    /// The record must exist, and by now the profile must; `written`: numbers of profiles that are known to. Returns the
    /// profiles whose names are others now, but for one whose record is new.
    pub(super) fn set(&mut self, link: &RecordLink, written: &HashMap<&ProfileId, i64>) -> Outcome<Vec<i64>> {
        let Known { entity, source_key, profile: was_in, carried: had, level: was_level } = self.find(link.record)?;
        let carried = Carried::new(&source_key, &link.identities);
        let profile = self.profile_number(link.profile.as_ref(), written)?;
        let level = level_number(link.level);
        if (was_in, &had, was_level) == (profile, &carried, level) {
            return Ok(Vec::new());
        }
        if self.targets && (was_in, &had) != (profile, &carried) {
            // Other identities may have said something else about being sent anything.
            for profile in was_in.into_iter().chain(profile) {
                ledger::look_again(self.connection, profile)?;
            }
        }
        let renamed = was_in.is_some() && (was_in, &had) != (profile, &carried);
        for (namespace, value) in had.others.difference(&carried.others) {
            let namespace = self.namespace(entity, namespace)?;
            self.dropped.push((namespace, value.clone(), link.record));
        }
        for (namespace, value) in carried.others.difference(&had.others) {
            let namespace = self.namespace(entity, namespace)?;
            self.added.push((namespace, value.clone(), link.record));
        }
        if profile.is_none() && carried == Carried::default() {
            self.unset.execute([link.record])?;
        } else {
            self.set.execute(params![link.record, profile, carried.own_key, carried.others_text()?, level])?;
        }
        Ok(if renamed { [was_in, profile].into_iter().flatten().collect() } else { Vec::new() })
    }

    /// To be called at the end.
    pub(super) fn finish(mut self) -> Outcome<()> {
        self.dropped.sort_unstable();
        for (namespace, value, record) in &self.dropped {
            self.drop.execute(params![namespace, value, record])?;
        }
        self.added.sort_unstable();
        for (namespace, value, record) in &self.added {
            self.add.execute(params![namespace, value, record])?;
        }
        Ok(())
    }

    fn find(&mut self, record: i64) -> Outcome<Known> {
        let mut rows = self.find.query([record])?;
        let row = rows.next()?.ok_or(StoreError::Missing)?;
        let carried = Carried::read(row, 2, 3)?;
        Ok(Known { entity: row.get(5)?, source_key: row.get(0)?, profile: row.get(1)?, carried, level: row.get(4)? })
    }

    fn profile_number(&mut self, id: Option<&ProfileId>, written: &HashMap<&ProfileId, i64>) -> Outcome<Option<i64>> {
        let Some(id) = id else { return Ok(None) };
        if let Some(number) = written.get(id) {
            return Ok(Some(*number));
        }
        let number: Option<i64> = self.profile.query_row([id.as_str()], |row| row.get(0)).optional()?;
        Ok(Some(number.ok_or(StoreError::Missing)?))
    }

    fn namespace(&mut self, entity: i64, name: &str) -> Outcome<i64> {
        let key = (entity, name.to_owned());
        if let Some(number) = self.namespaces.get(&key) {
            return Ok(*number);
        }
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO namespace (entity, name) VALUES (?1, ?2)
             ON CONFLICT (entity, name) DO UPDATE SET name = name RETURNING number",
        )?;
        let number: i64 = statement.query_row(params![entity, name], |row| row.get(0))?;
        self.namespaces.insert(key, number);
        Ok(number)
    }
}

/// The record names nothing and belongs to no profile any more. Returns the profile it belonged to.
pub(super) fn forget(connection: &Connection, record: i64) -> Outcome<Option<i64>> {
    let mut find = connection.prepare_cached("SELECT profile, own_key, identities FROM link WHERE record = ?1")?;
    let mut rows = find.query([record])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (profile, carried) = (row.get(0)?, Carried::read(row, 1, 2)?);
    let mut drop = connection.prepare_cached(
        "DELETE FROM identity WHERE value = ?3 AND record = ?4 AND namespace =
           (SELECT number FROM namespace WHERE name = ?2 AND entity = (SELECT entity FROM record WHERE number = ?1))",
    )?;
    for (namespace, value) in &carried.others {
        drop.execute(params![record, namespace, value, record])?;
    }
    connection.prepare_cached("DELETE FROM link WHERE record = ?1")?.execute([record])?;
    Ok(profile)
}

/// By identity as asked for: the record whose key it is first.
pub(super) fn records_with(connection: &Connection, entity: &EntityName, asks: &[Ask]) -> Outcome<Vec<Vec<i64>>> {
    let Some(entity) = entities::find(connection, entity)? else { return Ok(vec![Vec::new(); asks.len()]) };
    let mut carriers = Carriers::new(connection, entity)?;
    asks.iter()
        .map(|Ask { identity, records_max }| carriers.of(&identity.namespace, &identity.value, *records_max))
        .collect()
}

/// The statements that find records by what they carry.
struct Carriers<'a> {
    entity: i64,
    own: CachedStatement<'a>,
    others: CachedStatement<'a>,
}

impl<'a> Carriers<'a> {
    fn new(connection: &'a Connection, entity: i64) -> Outcome<Self> {
        Ok(Self {
            entity,
            own: connection.prepare_cached(
                "SELECT r.number FROM record r JOIN link l ON l.record = r.number
                 WHERE r.entity = ?1 AND r.source_key = ?2 AND l.own_key",
            )?,
            others: connection.prepare_cached(
                "SELECT record FROM identity
                 WHERE namespace = (SELECT number FROM namespace WHERE entity = ?1 AND name = ?2) AND value = ?3
                 LIMIT ?4",
            )?,
        })
    }

    fn of(&mut self, namespace: &str, value: &str, most: usize) -> Outcome<Vec<i64>> {
        let mut found: Vec<i64> = Vec::new();
        if namespace == Identity::SOURCE_KEY {
            let own = self.own.query_row(params![self.entity, value], |row| row.get::<_, i64>(0)).optional()?;
            found.extend(own);
        }
        let rest = limited(most.saturating_sub(found.len()));
        for number in self.others.query_map(params![self.entity, namespace, value, rest], |row| row.get(0))? {
            found.push(number?);
        }
        Ok(found)
    }
}

/// By record as asked for; of each, its own key first, then by namespace and value.
pub(super) fn identities_of(connection: &Connection, records: &[i64]) -> Outcome<Vec<Vec<Identity>>> {
    let mut statement = connection.prepare_cached(
        "SELECT r.source_key, l.own_key, l.identities FROM link l JOIN record r ON r.number = l.record
         WHERE l.record = ?1",
    )?;
    let mut of_one = |record: &i64| {
        let mut rows = statement.query([record])?;
        let Some(row) = rows.next()? else { return Ok(Vec::new()) };
        let source_key: String = row.get(0)?;
        let carried = Carried::read(row, 1, 2)?;
        let own = carried.own_key.then(|| Identity::source_key(&source_key));
        let others = carried.others.into_iter().map(|(namespace, value)| Identity { namespace, value });
        Ok(own.into_iter().chain(others).collect())
    };
    records.iter().map(&mut of_one).collect()
}

/// What any of a profile's records carries, each once.
pub(super) fn identities_of_profile(connection: &Connection, profile: i64) -> Outcome<Vec<Identity>> {
    let mut records = connection.prepare_cached("SELECT record FROM link WHERE profile = ?1")?;
    let records: Vec<i64> = records.query_map([profile], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let all: BTreeSet<Identity> = identities_of(connection, &records)?.into_iter().flatten().collect();
    Ok(all.into_iter().collect())
}

/// The persons of whom some record carries an identity: several, where it is shared.
pub(super) fn persons_with(connection: &Connection, identity: &Identity) -> Outcome<BTreeSet<i64>> {
    match entities::find(connection, &EntityName::PERSON)? {
        Some(person) => profiles_carrying(connection, person, identity),
        None => Ok(BTreeSet::new()),
    }
}

/// The records of an entity that carry an identity.
pub(super) fn carriers(connection: &Connection, entity: i64, identity: &Identity) -> Outcome<Vec<i64>> {
    Carriers::new(connection, entity)?.of(&identity.namespace, &identity.value, usize::MAX)
}

/// The profiles of an entity of which some record carries an identity.
pub(super) fn profiles_carrying(connection: &Connection, entity: i64, identity: &Identity) -> Outcome<BTreeSet<i64>> {
    let mut profile = connection.prepare_cached("SELECT profile FROM link WHERE record = ?1")?;
    let mut found = BTreeSet::new();
    for record in carriers(connection, entity, identity)? {
        let of: Option<Option<i64>> = profile.query_row([record], |row| row.get(0)).optional()?;
        found.extend(of.flatten());
    }
    Ok(found)
}

/// In rising order. A profile that was merged away has none.
pub(super) fn records_of(connection: &Connection, profile: &ProfileId) -> Outcome<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT record FROM link WHERE profile = (SELECT number FROM profile WHERE id = ?1) ORDER BY record",
    )?;
    let rows = statement.query_map([profile.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Carriers looked at for one that belongs to a profile: each does, save for a moment in between.
const CARRIERS_LOOKED_AT: usize = 16;

/// The profile of the first record that carries the identity and belongs to one.
pub(super) fn profile_with(connection: &Connection, entity: &EntityName, identity: &Identity) -> Outcome<Option<i64>> {
    match entities::find(connection, entity)? {
        Some(entity) => profile_carrying(connection, entity, &identity.namespace, &identity.value),
        None => Ok(None),
    }
}

/// The profile that a source key names now.
pub(super) fn profile_of_key(connection: &Connection, entity: i64, key: &str) -> Outcome<Option<i64>> {
    Ok(carrier_of_key(connection, entity, key)?.map(|carrier| carrier.profile))
}

/// The record by which a source key names a profile now.
pub(super) fn carrier_of_key(connection: &Connection, entity: i64, key: &str) -> Outcome<Option<Carrier>> {
    first_carrier(connection, entity, Identity::SOURCE_KEY, key)
}

fn profile_carrying(connection: &Connection, entity: i64, namespace: &str, value: &str) -> Outcome<Option<i64>> {
    Ok(first_carrier(connection, entity, namespace, value)?.map(|carrier| carrier.profile))
}

fn first_carrier(connection: &Connection, entity: i64, namespace: &str, value: &str) -> Outcome<Option<Carrier>> {
    if namespace == Identity::SOURCE_KEY {
        // Nearly every key is a record's own, and that one comes first: it is found with its profile.
        let mut own = connection.prepare_cached(
            "SELECT r.number, l.profile FROM record r JOIN link l ON l.record = r.number
             WHERE r.entity = ?1 AND r.source_key = ?2 AND l.own_key AND l.profile IS NOT NULL",
        )?;
        let carrier = |row: &Row<'_>| Ok(Carrier { record: row.get(0)?, profile: row.get(1)? });
        if let Some(carrier) = own.query_row(params![entity, value], carrier).optional()? {
            return Ok(Some(carrier));
        }
    }
    let mut statement = connection.prepare_cached("SELECT profile FROM link WHERE record = ?1")?;
    for record in Carriers::new(connection, entity)?.of(namespace, value, CARRIERS_LOOKED_AT)? {
        let profile: Option<Option<i64>> = statement.query_row([record], |row| row.get(0)).optional()?;
        if let Some(profile) = profile.flatten() {
            return Ok(Some(Carrier { record, profile }));
        }
    }
    Ok(None)
}

/// The source keys that name a profile, in their order: of its records, and what those say they are elsewhere. A key
/// that names another profile first is not among them, so that both ways of a reference agree.
pub(super) fn keys_of(connection: &Connection, entity: i64, profile: i64) -> Outcome<BTreeSet<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT r.source_key, l.own_key, l.identities FROM link l JOIN record r ON r.number = l.record
         WHERE l.profile = ?1",
    )?;
    let mut keys = BTreeSet::new();
    let mut rows = statement.query([profile])?;
    while let Some(row) = rows.next()? {
        let carried = Carried::read(row, 1, 2)?;
        if carried.own_key {
            keys.insert(row.get(0)?);
        }
        let others = carried.others.into_iter().filter(|(namespace, _)| namespace == Identity::SOURCE_KEY);
        keys.extend(others.map(|(_, value)| value));
    }
    let mut named = BTreeSet::new();
    for key in keys {
        if profile_of_key(connection, entity, &key)? == Some(profile) {
            named.insert(key);
        }
    }
    Ok(named)
}

/// Merges at the source followed from one key to the next, and keys of one person looked at.
const MERGES_FOLLOWED: usize = 16;
pub(super) const NAMES_LOOKED_AT: usize = 2_000;

/// The profile that a name leads to: a key of a record that its source merged away leads where that one went.
pub(super) fn profile_named(
    connection: &Connection,
    entity: i64,
    namespace: &str,
    value: &str,
) -> Outcome<Option<i64>> {
    Ok(carrier_named(connection, entity, namespace, value)?.map(|carrier| carrier.profile))
}

/// The same, with the record by which it leads there.
pub(super) fn carrier_named(
    connection: &Connection,
    entity: i64,
    namespace: &str,
    value: &str,
) -> Outcome<Option<Carrier>> {
    let mut into = connection.prepare_cached(
        "SELECT m.into_key FROM record r JOIN merged m ON m.record = r.number
         WHERE r.entity = ?1 AND r.source_key = ?2",
    )?;
    let mut value = value.to_owned();
    for _ in 0..MERGES_FOLLOWED {
        let found = first_carrier(connection, entity, namespace, &value)?;
        if found.is_some() || namespace != Identity::SOURCE_KEY {
            return Ok(found);
        }
        let next: Option<String> = into.query_row(params![entity, value], |row| row.get(0)).optional()?;
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The `+` keeps SQLite from beginning with all records of the entity: without statistics it takes them to be few.
pub(super) const MERGED_INTO: &str = "SELECT r.source_key FROM merged m JOIN record r ON r.number = m.record
                           WHERE m.into_key = ?1 AND +r.entity = ?2 LIMIT ?3";

/// What may lead to a profile, by namespace number and value: what its records carry, and the keys that their sources
/// merged into those.
pub(super) fn names_of(connection: &Connection, profile: i64) -> Outcome<BTreeSet<(i64, String)>> {
    let mut statement = connection.prepare_cached(
        "SELECT r.source_key, l.own_key, l.identities, r.entity FROM link l JOIN record r ON r.number = l.record
         WHERE l.profile = ?1",
    )?;
    let mut namespace = connection.prepare_cached("SELECT number FROM namespace WHERE entity = ?1 AND name = ?2")?;
    let mut gone = connection.prepare_cached(MERGED_INTO)?;
    let mut names = BTreeSet::new();
    let mut rows = statement.query([profile])?;
    while let Some(row) = rows.next()? {
        let entity: i64 = row.get(3)?;
        let carried = Carried::read(row, 1, 2)?;
        let own = carried.own_key.then(|| row.get(0)).transpose()?;
        let own = own.map(|key: String| (Identity::SOURCE_KEY.to_owned(), key));
        for (name, value) in carried.others.into_iter().chain(own) {
            let number: Option<i64> = namespace.query_row(params![entity, name], |row| row.get(0)).optional()?;
            // No event names anybody within a namespace that there is not.
            let Some(number) = number else { continue };
            let mut keys = vec![value];
            while let Some(value) = keys.pop() {
                if name == Identity::SOURCE_KEY && names.len() < NAMES_LOOKED_AT {
                    for key in gone.query_map(params![value, entity, limited(NAMES_LOOKED_AT)], |row| row.get(0))? {
                        let key: String = key?;
                        if !names.contains(&(number, key.clone())) {
                            keys.push(key);
                        }
                    }
                }
                names.insert((number, value));
            }
        }
    }
    Ok(names)
}

/// A level as it is kept.
fn level_number(level: Level) -> i64 {
    match level {
        Level::Full => 0,
        Level::Firm => 1,
        Level::Alone => 2,
    }
}

/// A level as it was kept; for a record without a link, that of a new one.
pub(super) fn level(number: Option<i64>) -> Outcome<Level> {
    let level = match number {
        None | Some(0) => Some(Level::Full),
        Some(1) => Some(Level::Firm),
        Some(2) => Some(Level::Alone),
        Some(_) => None,
    };
    known(level, "a level")
}

#[cfg(test)]
mod tests {
    use super::super::SCHEMA;
    use super::*;

    /// What a timeline costs does not hang on how many records there are.
    #[test]
    fn records_merged_into_one_are_found_by_that_one() {
        let mut connection = Connection::open_in_memory().unwrap();
        SCHEMA.migrate(&mut connection).unwrap();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {MERGED_INTO}")).unwrap();
        let steps = plan.query_map(params!["", 1, 1], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(steps[0].contains("merged_into") && steps[1].contains("PRIMARY KEY"), "{steps:?}");
    }
}
