//! What profiles say of others, by the others' source keys, and who says it. Kept as rows; which profile a key names is
//! looked up when it is asked.

use super::{entities, links, profiles};
use crate::failure::{Outcome, known, limited};
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Reference, Referred, Relation};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::{BTreeSet, HashMap};

/// The statements that write references, prepared once a commit.
pub(super) struct ReferenceWriter<'a> {
    connection: &'a Connection,
    relations: HashMap<(i64, String, EntityName), i64>,
    /// Whether it writes the references that derived attributes make, or those that records make.
    derived: bool,
    list: CachedStatement<'a>,
    add: CachedStatement<'a>,
    drop: CachedStatement<'a>,
    /// Relation, key, profile: written in order at the end, since whom a profile names stands anywhere.
    added: Vec<(i64, String, i64)>,
    dropped: Vec<(i64, String, i64)>,
}

impl<'a> ReferenceWriter<'a> {
    pub(super) fn new(connection: &'a Connection) -> Outcome<Self> {
        Self::of(connection, false)
    }

    /// Of references that derived attributes make.
    pub(super) fn of_derived(connection: &'a Connection) -> Outcome<Self> {
        Self::of(connection, true)
    }

    fn of(connection: &'a Connection, derived: bool) -> Outcome<Self> {
        Ok(Self {
            connection,
            relations: HashMap::new(),
            derived,
            list: connection.prepare_cached(
                "SELECT f.relation, f.key FROM reference f JOIN relation r ON r.number = f.relation
                 WHERE f.profile = ?1 AND r.derived = ?2",
            )?,
            add: connection
                .prepare_cached("INSERT OR IGNORE INTO reference (profile, relation, key) VALUES (?1, ?2, ?3)")?,
            drop: connection
                .prepare_cached("DELETE FROM reference WHERE profile = ?1 AND relation = ?2 AND key = ?3")?,
            added: Vec::new(),
            dropped: Vec::new(),
        })
    }

    /// Sets what a profile refers to; `is_new`: it cannot have referred to anything. Returns whether that changed.
    pub(super) fn set(&mut self, profile: i64, entity: i64, references: &[Reference], is_new: bool) -> Outcome<bool> {
        let had = if is_new { BTreeSet::new() } else { self.had(profile)? };
        let mut has = BTreeSet::new();
        for reference in references {
            has.insert((self.relation(entity, reference)?, reference.key.clone()));
        }
        let row = |(relation, key): &(i64, String)| (*relation, key.clone(), profile);
        self.dropped.extend(had.difference(&has).map(row));
        self.added.extend(has.difference(&had).map(row));
        Ok(had != has)
    }

    /// To be called at the end.
    pub(super) fn finish(mut self) -> Outcome<()> {
        self.dropped.sort_unstable();
        for (relation, key, profile) in &self.dropped {
            self.drop.execute(params![profile, relation, key])?;
        }
        self.added.sort_unstable();
        for (relation, key, profile) in &self.added {
            self.add.execute(params![profile, relation, key])?;
        }
        Ok(())
    }

    fn had(&mut self, profile: i64) -> Outcome<BTreeSet<(i64, String)>> {
        let rows = self.list.query_map(params![profile, self.derived], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn relation(&mut self, entity: i64, reference: &Reference) -> Outcome<i64> {
        let key = (entity, reference.field.clone(), reference.to.clone());
        if let Some(number) = self.relations.get(&key) {
            return Ok(*number);
        }
        let target = entities::make(self.connection, &reference.to)?;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO relation (entity, field, target, derived) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (entity, field, target) DO UPDATE SET derived = excluded.derived RETURNING number",
        )?;
        let number: i64 =
            statement.query_row(params![entity, reference.field, target, self.derived], |row| row.get(0))?;
        self.relations.insert(key, number);
        Ok(number)
    }
}

pub(super) fn forget(connection: &Connection, profile: i64) -> Outcome<()> {
    connection.prepare_cached("DELETE FROM reference WHERE profile = ?1")?.execute([profile])?;
    Ok(())
}

/// By profile as asked for; of each, by relation and key.
pub(super) fn of_profiles(connection: &Connection, profiles: &[i64]) -> Outcome<Vec<Vec<Referred>>> {
    let mut statement = connection.prepare_cached(
        "SELECT r.field, e.name, f.key, r.target FROM reference f
         JOIN relation r ON r.number = f.relation JOIN entity e ON e.number = r.target
         WHERE f.profile = ?1 ORDER BY f.relation, f.key",
    )?;
    let mut of_one = |profile: &i64| {
        let mut rows = statement.query([profile])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let to: String = row.get(1)?;
            let to = known(EntityName::parse(&to), "an entity's name")?;
            let reference = Reference { field: row.get(0)?, to, key: row.get(2)? };
            let profile = links::profile_of_key(connection, row.get(3)?, &reference.key)?;
            found.push(Referred { reference, profile });
        }
        Ok(found)
    };
    profiles.iter().map(&mut of_one).collect()
}

/// The number of what a field of one entity refers to another by; `None`: nothing does.
pub(super) fn relation(connection: &Connection, entity: i64, field: &str, target: i64) -> Outcome<Option<i64>> {
    let mut statement =
        connection.prepare_cached("SELECT number FROM relation WHERE entity = ?1 AND field = ?2 AND target = ?3")?;
    Ok(statement.query_row(params![entity, field, target], |row| row.get(0)).optional()?)
}

/// Numbers of the profiles that refer to one, in rising order, after `after`.
pub(super) fn referrers(
    connection: &Connection,
    profile: i64,
    relation: &Relation,
    after: i64,
    limit: usize,
) -> Outcome<Vec<i64>> {
    let Some(target) = profiles::entity_of(connection, profile)? else { return Ok(Vec::new()) };
    let Some(entity) = entities::find(connection, &relation.entity)? else { return Ok(Vec::new()) };
    let Some(number) = self::relation(connection, entity, &relation.field, target)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(
        "SELECT profile FROM reference WHERE relation = ?1 AND key = ?2 AND profile > ?3 ORDER BY profile LIMIT ?4",
    )?;
    let mut found: BTreeSet<i64> = BTreeSet::new();
    for key in links::keys_of(connection, target, profile)? {
        for owner in statement.query_map(params![number, key, after, limited(limit)], |row| row.get(0))? {
            found.insert(owner?);
        }
    }
    Ok(found.into_iter().take(limit).collect())
}
