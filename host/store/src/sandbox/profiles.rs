//! Profiles: one row each that stays, attributes that come and go, and redirects from ids that were merged away.

use super::accounts::Looks;
use super::counter::Counter;
use super::references::ReferenceWriter;
use super::search::SearchWriter;
use super::{accounts, entities, json, links, memberships, references};
use crate::failure::{Outcome, known, limited};
use attiva_core::id::ProfileId;
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Profile, ProfileWrite};
use attiva_core::{Millis, Value};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The statements that write profiles, prepared once a commit.
pub(super) struct ProfileWriter<'a> {
    connection: &'a Connection,
    find: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    update: CachedStatement<'a>,
    attributes: CachedStatement<'a>,
    set_attributes: CachedStatement<'a>,
    tell: CachedStatement<'a>,
    redirect: CachedStatement<'a>,
    unredirect: CachedStatement<'a>,
    references: ReferenceWriter<'a>,
    search: SearchWriter<'a>,
    looks: Looks<'a>,
    /// By name: number, and how many more profiles there are.
    entities: HashMap<EntityName, i64>,
    more: HashMap<i64, i64>,
    /// Whether any id is redirected: mostly none is, and then no profile need be taken out.
    redirects: bool,
}

/// What is stored of a profile, but for its attributes.
struct Known {
    number: i64,
    entity: i64,
    records: u32,
    changed_at: Millis,
    degraded: bool,
    gone: bool,
}

impl<'a> ProfileWriter<'a> {
    pub(super) fn new(connection: &'a Connection) -> Outcome<Self> {
        Ok(Self {
            connection,
            find: connection.prepare_cached(
                "SELECT number, records, changed_at, degraded, gone, entity FROM profile WHERE id = ?1",
            )?,
            insert: connection.prepare_cached(
                "INSERT INTO profile (number, id, records, changed_at, degraded, gone, entity)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
            )?,
            update: connection.prepare_cached(
                "UPDATE profile SET records = ?2, changed_at = ?3, degraded = ?4, gone = ?5 WHERE number = ?1",
            )?,
            attributes: connection.prepare_cached("SELECT body FROM attributes WHERE profile = ?1")?,
            set_attributes: connection.prepare_cached(
                "INSERT INTO attributes (profile, body) VALUES (?1, ?2)
                 ON CONFLICT (profile) DO UPDATE SET body = excluded.body",
            )?,
            tell: connection.prepare_cached("INSERT INTO profile_change (seq, subject) VALUES (?1, ?2)")?,
            redirect: connection.prepare_cached(
                "INSERT INTO redirect (id, target) VALUES (?1, ?2)
                 ON CONFLICT (id) DO UPDATE SET target = excluded.target",
            )?,
            unredirect: connection.prepare_cached("DELETE FROM redirect WHERE id = ?1")?,
            references: ReferenceWriter::new(connection)?,
            search: SearchWriter::new(connection)?,
            looks: Looks::new(connection)?,
            entities: HashMap::new(),
            more: HashMap::new(),
            redirects: connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM redirect)")?
                .query_row([], |row| row.get(0))?,
        })
    }

    /// Returns the profile's number. `attributes`: their text.
    pub(super) fn put(&mut self, counter: &mut Counter, profile: &ProfileWrite, attributes: &str) -> Outcome<i64> {
        let entity = self.entity(&profile.entity)?;
        let number = match self.find(&profile.id)? {
            None => {
                let number = counter.next_profile();
                let ProfileWrite { id, records, changed_at, degraded, .. } = profile;
                self.insert.execute(params![number, id.as_str(), records, changed_at, degraded, entity])?;
                self.references.set(number, entity, &profile.references, true)?;
                self.search.set((&profile.entity, entity), number, &[], &profile.attributes);
                self.appear(entity, &profile.id)?;
                if profile.concerns_accounts {
                    self.looks.at(number, counter.seq + 1)?;
                }
                number
            }
            Some(known) => {
                let ProfileWrite { records, changed_at, degraded, .. } = *profile;
                let was = (known.records, known.changed_at, known.degraded, known.gone);
                if was != (records, changed_at, degraded, false) {
                    self.update.execute(params![known.number, records, changed_at, degraded, false])?;
                }
                let refers_anew = self.references.set(known.number, entity, &profile.references, known.gone)?;
                let had = if known.gone { None } else { self.attributes(known.number)? };
                if known.gone {
                    self.appear(entity, &profile.id)?;
                } else if had.as_deref().map_or(Ok(false), |had| json::same_attributes(had, attributes))? {
                    // A record that says nothing new is a name all the same: it may be the first, and what happened to
                    // whom it names has happened to this one now.
                    if refers_anew || known.records != records {
                        self.look(counter, known.number, profile.concerns_accounts)?;
                        self.tell.execute(params![counter.next_seq(), known.number])?;
                    }
                    return Ok(known.number);
                }
                let had = had.map_or_else(|| Ok(Vec::new()), |had| json::attributes(&had))?;
                self.search.set((&profile.entity, entity), known.number, &had, &profile.attributes);
                self.look(counter, known.number, profile.concerns_accounts)?;
                known.number
            }
        };
        self.set_attributes.execute(params![number, attributes])?;
        self.tell.execute(params![counter.next_seq(), number])?;
        Ok(number)
    }

    /// Has a profile looked at that is about to be told.
    fn look(&mut self, counter: &Counter, number: i64, concerns_accounts: bool) -> Outcome<()> {
        let asked = counter.seq + 1;
        if concerns_accounts { self.looks.at(number, asked) } else { self.looks.again(number, asked) }
    }

    /// A profile whose records, or what names them, are others now: who refers to it may be another.
    pub(super) fn touch(&mut self, counter: &mut Counter, number: i64) -> Outcome<()> {
        let asked = counter.next_seq();
        self.tell.execute(params![asked, number])?;
        self.looks.again(number, asked)
    }

    fn entity(&mut self, name: &EntityName) -> Outcome<i64> {
        if let Some(number) = self.entities.get(name) {
            return Ok(*number);
        }
        let number = entities::make(self.connection, name)?;
        self.entities.insert(name.clone(), number);
        Ok(number)
    }

    /// One more profile, which answers for itself from now on.
    fn appear(&mut self, entity: i64, id: &ProfileId) -> Outcome<()> {
        *self.more.entry(entity).or_default() += 1;
        if self.redirects {
            self.unredirect.execute([id.as_str()])?;
        }
        Ok(())
    }

    /// To be called at the end.
    pub(super) fn finish(self) -> Outcome<()> {
        self.search.finish()?;
        self.references.finish()?;
        self.more.iter().try_for_each(|(entity, more)| entities::count_more(self.connection, *entity, *more))
    }

    /// A profile that is gone already is only redirected.
    pub(super) fn remove(
        &mut self,
        counter: &mut Counter,
        id: &ProfileId,
        successor: Option<&ProfileId>,
        now: Millis,
    ) -> Outcome<()> {
        if let Some(successor) = successor {
            self.redirect.execute([id.as_str(), successor.as_str()])?;
            self.redirects = true;
        }
        let Some(known) = self.find(id)?.filter(|known| !known.gone) else { return Ok(()) };
        self.update.execute(params![known.number, 0, now, false, true])?;
        let had = self.attributes(known.number)?.map_or_else(|| Ok(Vec::new()), |had| json::attributes(&had))?;
        let entity = entities::name(self.connection, known.entity)?;
        self.search.set((&entity, known.entity), known.number, &had, &[]);
        self.connection.prepare_cached("DELETE FROM attributes WHERE profile = ?1")?.execute([known.number])?;
        memberships::exit_all(self.connection, known.number, now)?;
        references::forget(self.connection, known.number)?;
        self.looks.again(known.number, counter.seq + 1)?;
        if entity == EntityName::PERSON {
            accounts::forget_person(self.connection, known.number)?;
        }
        *self.more.entry(known.entity).or_default() -= 1;
        self.tell.execute(params![counter.next_seq(), known.number])?;
        Ok(())
    }

    fn find(&mut self, id: &ProfileId) -> Outcome<Option<Known>> {
        let found = self.find.query_row([id.as_str()], |row| {
            Ok(Known {
                number: row.get(0)?,
                records: row.get(1)?,
                changed_at: row.get(2)?,
                degraded: row.get(3)?,
                gone: row.get(4)?,
                entity: row.get(5)?,
            })
        });
        Ok(found.optional()?)
    }

    fn attributes(&mut self, number: i64) -> Outcome<Option<String>> {
        Ok(self.attributes.query_row([number], |row| row.get(0)).optional()?)
    }
}

macro_rules! select_profiles {
    ($rest:literal) => {
        concat!(
            "SELECT p.number, p.id, p.records, p.changed_at, a.body, p.degraded, e.name, d.body, d.degraded
             FROM profile p
             JOIN attributes a ON a.profile = p.number JOIN entity e ON e.number = p.entity
             LEFT JOIN derived d ON d.profile = p.number ",
            $rest
        )
    };
}

/// Follows redirects; a ring of them, which no order of commits should make, ends without an answer.
pub(super) fn by_id(connection: &Connection, id: &ProfileId) -> Outcome<Option<Profile>> {
    let mut select = connection.prepare_cached(select_profiles!("WHERE p.id = ?1"))?;
    let mut redirect = connection.prepare_cached("SELECT target FROM redirect WHERE id = ?1")?;
    let mut seen = HashSet::new();
    let mut id = id.as_str().to_owned();
    loop {
        if let Some(row) = select.query([&id])?.next()? {
            return read(row).map(Some);
        }
        let target: Option<String> = redirect.query_row([&id], |row| row.get(0)).optional()?;
        match target {
            Some(target) if seen.insert(id) => id = target,
            _ => return Ok(None),
        }
    }
}

/// Whether each is there, under this very id.
pub(super) fn exist(connection: &Connection, ids: &[ProfileId]) -> Outcome<Vec<bool>> {
    let mut statement =
        connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM profile WHERE id = ?1 AND NOT gone)")?;
    let exists = ids.iter().map(|id| statement.query_row([id.as_str()], |row| row.get(0)));
    Ok(exists.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn by_identity(
    connection: &Connection,
    entity: &EntityName,
    identity: &Identity,
) -> Outcome<Option<Profile>> {
    match links::profile_with(connection, entity, identity)? {
        Some(number) => Ok(by_number(connection, &[number])?.pop()),
        None => Ok(None),
    }
}

/// `None`: there is no such profile, and never was.
pub(super) fn entity_of(connection: &Connection, profile: i64) -> Outcome<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT entity FROM profile WHERE number = ?1")?;
    Ok(statement.query_row([profile], |row| row.get(0)).optional()?)
}

/// As `entity_of`; `None` also for one that is gone.
pub(super) fn entity_of_live(connection: &Connection, profile: i64) -> Outcome<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT entity FROM profile WHERE number = ?1 AND NOT gone")?;
    Ok(statement.query_row([profile], |row| row.get(0)).optional()?)
}

/// In the order asked for; who is gone is left out.
pub(super) fn by_number(connection: &Connection, numbers: &[i64]) -> Outcome<Vec<Profile>> {
    let mut statement = connection.prepare_cached(select_profiles!("WHERE p.number = ?1"))?;
    let mut found = Vec::with_capacity(numbers.len());
    for number in numbers {
        if let Some(row) = statement.query([number])?.next()? {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

pub(super) fn list(connection: &Connection, entity: &EntityName, after: i64, limit: usize) -> Outcome<Vec<Profile>> {
    let sql = select_profiles!("WHERE p.entity = ?1 AND p.number > ?2 ORDER BY p.number LIMIT ?3");
    page(connection, sql, entity, after, limit)
}

pub(super) fn list_degraded(
    connection: &Connection,
    entity: &EntityName,
    after: i64,
    limit: usize,
) -> Outcome<Vec<Profile>> {
    // By the indexes of those that are degraded, which are few.
    let sql = select_profiles!(
        "WHERE p.number IN (SELECT number FROM profile WHERE degraded AND number > ?2
                            UNION SELECT profile FROM derived WHERE degraded AND profile > ?2)
         AND +p.entity = ?1 ORDER BY p.number LIMIT ?3"
    );
    page(connection, sql, entity, after, limit)
}

fn page(connection: &Connection, sql: &str, entity: &EntityName, after: i64, limit: usize) -> Outcome<Vec<Profile>> {
    let Some(entity) = entities::find(connection, entity)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![entity, after, limited(limit)])?;
    let mut profiles = Vec::new();
    while let Some(row) = rows.next()? {
        profiles.push(read(row)?);
    }
    Ok(profiles)
}

/// Reads the columns of `select_profiles`.
fn read(row: &Row<'_>) -> Outcome<Profile> {
    read_from(row, 0)
}

/// Some of the attributes, and of those that are worked out: the texts of both stand from `first` on.
pub(super) fn some_attributes(row: &Row<'_>, first: usize, names: &BTreeSet<String>) -> Outcome<Vec<(String, Value)>> {
    let body = row.get_ref(first)?.as_str().map_err(rusqlite::Error::from)?;
    let mut attributes = json::attributes_of(body, names)?;
    if let Some(derived) = row.get_ref(first + 1)?.as_str_or_null().map_err(rusqlite::Error::from)? {
        attributes.extend(json::attributes_of(derived, names)?);
    }
    Ok(attributes)
}

/// Reads number, id, records, time, attributes, whether it is degraded, the entity, and derived attributes with whether
/// those degrade it, from `first` on.
pub(super) fn read_from(row: &Row<'_>, first: usize) -> Outcome<Profile> {
    let id = row.get_ref(first + 1)?.as_str().map_err(rusqlite::Error::from)?;
    let attributes = row.get_ref(first + 4)?.as_str().map_err(rusqlite::Error::from)?;
    let entity = row.get_ref(first + 6)?.as_str().map_err(rusqlite::Error::from)?;
    let mut attributes = json::attributes(attributes)?;
    let derived = row.get_ref(first + 7)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    if let Some(derived) = derived {
        attributes.extend(json::attributes(derived)?);
    }
    let degraded = row.get::<_, bool>(first + 5)? || row.get::<_, Option<bool>>(first + 8)?.unwrap_or(false);
    Ok(Profile {
        number: row.get(first)?,
        entity: known(EntityName::parse(entity), "an entity's name")?,
        id: known(ProfileId::parse(id), "a profile's id")?,
        attributes,
        records: row.get(first + 2)?,
        changed_at: row.get(first + 3)?,
        degraded,
    })
}
