//! What companies are found by, who is whose parent, and what is still to be worked out of accounts.

use super::counter::Counter;
use super::derived::DerivedWriter;
use super::{Sandbox, derived, entities, links, profiles};
use crate::failure::{Outcome, known, limited};
use async_trait::async_trait;
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::ports::store::{AccountStore, AccountTask, AccountsCommit, CompanyRow, Derived, Due, Result, Side};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::BTreeSet;

#[async_trait]
impl AccountStore for Sandbox {
    fn companies(&self, profiles: &[i64]) -> Result<Vec<Option<CompanyRow>>> {
        self.database.read(|connection| companies(connection, profiles))
    }

    fn companies_with(&self, side: Side, keys: &[&str], most: usize) -> Result<Vec<Vec<i64>>> {
        self.database.read(|connection| companies_with(connection, side, keys, most))
    }

    fn parents(&self, accounts: &[i64]) -> Result<Vec<Option<i64>>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT parent FROM parent WHERE account = ?1")?;
            let parents = accounts.iter().map(|account| statement.query_row([account], |row| row.get(0)).optional());
            Ok(parents.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn children(&self, account: i64, most: usize) -> Result<Vec<i64>> {
        self.database.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT account FROM parent WHERE parent = ?1 ORDER BY account LIMIT ?2")?;
            let rows = statement.query_map(params![account, limited(most)], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn derived(&self, profiles: &[i64]) -> Result<Vec<Option<Derived>>> {
        self.database.read(|connection| derived::of_profiles(connection, profiles))
    }

    fn accounts_due(&self, most: usize) -> Result<Vec<Due>> {
        self.database.read(|connection| due(connection, most))
    }

    fn due_of(&self, task: AccountTask, profiles: &[i64]) -> Result<Vec<Due>> {
        self.database.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT asked FROM account_due WHERE task = ?1 AND profile = ?2")?;
            let mut found = Vec::new();
            for profile in profiles {
                let asked: Option<i64> =
                    statement.query_row(params![task_number(task), profile], |row| row.get(0)).optional()?;
                found.extend(asked.map(|asked| Due { task, profile: *profile, asked }));
            }
            Ok(found)
        })
    }

    fn accounts_basis(&self) -> Result<Option<String>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM account_basis")?;
            Ok(statement.query_row([], |row| row.get(0)).optional()?)
        })
    }

    fn record_keys(&self, profile: i64) -> Result<Vec<String>> {
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT r.source_key FROM link l JOIN record r ON r.number = l.record WHERE l.profile = ?1",
            )?;
            let rows = statement.query_map([profile], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn names(&self, profile: i64) -> Result<BTreeSet<String>> {
        self.database.read(|connection| match profiles::entity_of(connection, profile)? {
            Some(entity) => links::keys_of(connection, entity, profile),
            None => Ok(BTreeSet::new()),
        })
    }

    fn named(&self, entity: &EntityName, key: &str) -> Result<Option<i64>> {
        self.database.read(|connection| match entities::find(connection, entity)? {
            Some(entity) => links::profile_of_key(connection, entity, key),
            None => Ok(None),
        })
    }

    async fn commit_accounts(&self, step: AccountsCommit) -> Result<()> {
        self.database.write(move |connection| commit(connection, &step)).await
    }
}

fn companies(connection: &Connection, profiles: &[i64]) -> Outcome<Vec<Option<CompanyRow>>> {
    let mut statement = connection.prepare_cached("SELECT side, keys, facts FROM company WHERE profile = ?1")?;
    let mut of_one = |profile: &i64| {
        let mut rows = statement.query([profile])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let side = known(side_of(row.get(0)?), "a side of companies")?;
        let keys: String = row.get(1)?;
        Ok(Some(CompanyRow { side, keys: serde_json::from_str(&keys)?, facts: row.get(2)? }))
    };
    profiles.iter().map(&mut of_one).collect()
}

fn companies_with(connection: &Connection, side: Side, keys: &[&str], most: usize) -> Outcome<Vec<Vec<i64>>> {
    let mut statement = connection
        .prepare_cached("SELECT profile FROM company_key WHERE side = ?1 AND key = ?2 ORDER BY profile LIMIT ?3")?;
    let mut of_one = |key: &&str| {
        let rows = statement.query_map(params![side_number(side), key, limited(most)], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    };
    keys.iter().map(&mut of_one).collect()
}

fn due(connection: &Connection, most: usize) -> Outcome<Vec<Due>> {
    let mut statement = connection.prepare_cached(
        "SELECT task, profile, asked FROM account_due WHERE task = (SELECT min(task) FROM account_due)
         ORDER BY profile LIMIT ?1",
    )?;
    let mut rows = statement.query([limited(most)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Due { task: known(task_of(row.get(0)?), "a task")?, profile: row.get(1)?, asked: row.get(2)? });
    }
    Ok(found)
}

fn commit(connection: &Connection, commit: &AccountsCommit) -> Outcome<()> {
    let mut counter = Counter::load(connection)?;
    if let Some(basis) = &commit.basis {
        start_again(connection, basis, counter.seq)?;
    }
    let mut companies = CompanyWriter::new(connection)?;
    for (profile, row) in &commit.companies {
        companies.set(*profile, row.as_ref())?;
    }
    for (account, parent) in &commit.parents {
        set_parent(connection, *account, *parent)?;
    }
    let mut derived = DerivedWriter::new(connection)?;
    for write in &commit.derived {
        derived.set(&mut counter, write)?;
    }
    derived.finish()?;
    let mut done =
        connection.prepare_cached("DELETE FROM account_due WHERE task = ?1 AND profile = ?2 AND asked = ?3")?;
    for Due { task, profile, asked } in &commit.done {
        done.execute(params![task_number(*task), profile, asked])?;
    }
    let mut due = connection.prepare_cached(ASK)?;
    for (task, profile) in &commit.due {
        due.execute(params![task_number(*task), profile, counter.seq])?;
    }
    let mut leads = connection.prepare_cached(
        "INSERT OR IGNORE INTO account_due (task, profile, asked)
         SELECT ?1, profile, ?4 FROM company_key WHERE side = ?2 AND key = ?3",
    )?;
    for key in &commit.due_leads_with {
        leads.execute(params![task_number(AccountTask::Match), side_number(Side::Lead), key, counter.seq])?;
    }
    counter.save(connection)
}

const ASK: &str = "INSERT INTO account_due (task, profile, asked) VALUES (?1, ?2, ?3)
                   ON CONFLICT (task, profile) DO UPDATE SET asked = excluded.asked";

/// The statement that has profiles looked at, prepared once a commit.
pub(super) struct Looks<'a> {
    ask: CachedStatement<'a>,
    is_known: CachedStatement<'a>,
}

impl<'a> Looks<'a> {
    pub(super) fn new(connection: &'a Connection) -> Outcome<Self> {
        Ok(Self {
            ask: connection.prepare_cached(ASK)?,
            is_known: connection.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM company WHERE profile = ?1)
                   OR EXISTS (SELECT 1 FROM account_due WHERE task IN (?2, ?3) AND profile = ?1)",
            )?,
        })
    }

    /// `asked`: the number of the change that makes it necessary.
    pub(super) fn at(&mut self, profile: i64, asked: i64) -> Outcome<()> {
        self.ask.execute(params![task_number(AccountTask::Look), profile, asked])?;
        Ok(())
    }

    /// As `at`, where something was worked out of the profile before, or may be right now.
    pub(super) fn again(&mut self, profile: i64, asked: i64) -> Outcome<()> {
        let tasks = (task_number(AccountTask::Look), task_number(AccountTask::Match));
        let known: bool = self.is_known.query_row(params![profile, tasks.0, tasks.1], |row| row.get(0))?;
        if known { self.at(profile, asked) } else { Ok(()) }
    }
}

/// What was derived stays until it is derived anew, so that nobody sees a gap.
fn start_again(connection: &Connection, basis: &str, asked: i64) -> Outcome<()> {
    for table in ["company", "company_key", "account_due", "account_basis"] {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    connection.execute("INSERT INTO account_basis (body) VALUES (?1)", [basis])?;
    let mut all = connection.prepare_cached(
        "INSERT INTO account_due (task, profile, asked)
         SELECT ?1, number, ?2 FROM profile WHERE NOT gone AND entity = ?3",
    )?;
    for entity in [EntityName::PERSON, EntityName::ACCOUNT, EntityName::Model(EntityKind::AccountPerson)] {
        if let Some(entity) = entities::find(connection, &entity)? {
            all.execute(params![task_number(AccountTask::Look), asked, entity])?;
        }
    }
    Ok(())
}

fn set_parent(connection: &Connection, account: i64, parent: Option<i64>) -> Outcome<()> {
    match parent {
        Some(parent) => connection
            .prepare_cached(
                "INSERT INTO parent (account, parent) VALUES (?1, ?2)
                 ON CONFLICT (account) DO UPDATE SET parent = excluded.parent",
            )?
            .execute([account, parent])?,
        None => connection.prepare_cached("DELETE FROM parent WHERE account = ?1")?.execute([account])?,
    };
    Ok(())
}

/// The statements that write companies, prepared once a commit.
struct CompanyWriter<'a> {
    find: CachedStatement<'a>,
    set: CachedStatement<'a>,
    unset: CachedStatement<'a>,
    add: CachedStatement<'a>,
    drop: CachedStatement<'a>,
}

impl<'a> CompanyWriter<'a> {
    fn new(connection: &'a Connection) -> Outcome<Self> {
        Ok(Self {
            find: connection.prepare_cached("SELECT side, keys FROM company WHERE profile = ?1")?,
            set: connection.prepare_cached(
                "INSERT INTO company (profile, side, keys, facts) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (profile) DO UPDATE SET side = excluded.side, keys = excluded.keys,
                   facts = excluded.facts",
            )?,
            unset: connection.prepare_cached("DELETE FROM company WHERE profile = ?1")?,
            add: connection
                .prepare_cached("INSERT OR IGNORE INTO company_key (side, key, profile) VALUES (?1, ?2, ?3)")?,
            drop: connection.prepare_cached("DELETE FROM company_key WHERE side = ?1 AND key = ?2 AND profile = ?3")?,
        })
    }

    fn set(&mut self, profile: i64, row: Option<&CompanyRow>) -> Outcome<()> {
        let had: Option<(i64, String)> =
            self.find.query_row([profile], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let had: BTreeSet<(i64, String)> = match had {
            None => BTreeSet::new(),
            Some((side, keys)) => {
                let keys: Vec<String> = serde_json::from_str(&keys)?;
                keys.into_iter().map(|key| (side, key)).collect()
            }
        };
        let has: BTreeSet<(i64, String)> = row.map_or_else(BTreeSet::new, |row| {
            row.keys.iter().map(|key| (side_number(row.side), key.clone())).collect()
        });
        for (side, key) in had.difference(&has) {
            self.drop.execute(params![side, key, profile])?;
        }
        for (side, key) in has.difference(&had) {
            self.add.execute(params![side, key, profile])?;
        }
        match row {
            Some(row) => {
                let keys = serde_json::to_string(&row.keys)?;
                self.set.execute(params![profile, side_number(row.side), keys, row.facts])?
            }
            None => self.unset.execute([profile])?,
        };
        Ok(())
    }
}

/// What was worked out of a person that is no more goes with it, at once.
pub(super) fn forget_person(connection: &Connection, profile: i64) -> Outcome<()> {
    connection.prepare_cached("DELETE FROM derived WHERE profile = ?1")?.execute([profile])?;
    CompanyWriter::new(connection)?.set(profile, None)
}

fn side_number(side: Side) -> i64 {
    match side {
        Side::Lead => 0,
        Side::Account => 1,
        Side::Relation => 2,
    }
}

fn side_of(number: i64) -> Option<Side> {
    [Side::Lead, Side::Account, Side::Relation].into_iter().find(|side| side_number(*side) == number)
}

fn task_number(task: AccountTask) -> i64 {
    match task {
        AccountTask::Look => 0,
        AccountTask::Parent => 1,
        AccountTask::Family => 2,
        AccountTask::Match => 3,
    }
}

fn task_of(number: i64) -> Option<AccountTask> {
    [AccountTask::Look, AccountTask::Parent, AccountTask::Family, AccountTask::Match]
        .into_iter()
        .find(|task| task_number(*task) == number)
}
