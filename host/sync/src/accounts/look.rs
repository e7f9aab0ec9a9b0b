//! What changed of a profile, for accounts: what it is found by, whose parent it is, what it contributes. Decides what
//! else is to be looked at for it.

use super::basis::Basis;
use super::families::Families;
use attiva_core::account::facts::AccountFacts;
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::ports::store::{
    AccountTask, AccountsCommit, CompanyRow, DerivedWrite, Profile, Relation, SandboxStore, Side,
};
use attiva_core::{Fault, FaultKind};
use std::collections::{BTreeSet, HashMap};

pub(super) fn look(
    store: &dyn SandboxStore,
    basis: &Basis,
    numbers: &[i64],
    commit: &mut AccountsCommit,
) -> Result<(), Fault> {
    let live: HashMap<i64, Profile> =
        store.profiles_by_number(numbers)?.into_iter().map(|profile| (profile.number, profile)).collect();
    for (number, row) in numbers.iter().zip(store.companies(numbers)?) {
        let Some(profile) = live.get(number) else {
            gone(store, basis, *number, row, commit)?;
            continue;
        };
        match profile.entity.kind() {
            Some(EntityKind::Account) => account(store, basis, profile, row.as_ref(), commit)?,
            // Whether it is a lead is decided where it is matched.
            Some(EntityKind::Person) => commit.due.push((AccountTask::Match, *number)),
            Some(EntityKind::AccountPerson) => relation(store, profile, row.as_ref(), commit)?,
            _ => {}
        }
    }
    Ok(())
}

fn gone(
    store: &dyn SandboxStore,
    basis: &Basis,
    number: i64,
    row: Option<CompanyRow>,
    commit: &mut AccountsCommit,
) -> Result<(), Fault> {
    let Some(row) = row else { return Ok(()) };
    commit.companies.push((number, None));
    commit.derived.push(DerivedWrite::nothing(number));
    match row.side {
        Side::Lead => {}
        Side::Relation => persons_named(store, &row.keys, commit)?,
        Side::Account => {
            commit.due_leads_with.extend(row.keys);
            let before = Families::new(store, basis).top(number)?;
            let children = store.children(number, usize::MAX)?;
            commit.due.extend(children.iter().map(|child| (AccountTask::Parent, *child)));
            commit.parents.push((number, None));
            let parent = store.parents(&[number])?.pop().flatten();
            let whose = before.into_iter().chain(parent).chain(children).filter(|account| *account != number);
            commit.due.extend(whose.map(|account| (AccountTask::Family, account)));
        }
    }
    Ok(())
}

fn account(
    store: &dyn SandboxStore,
    basis: &Basis,
    profile: &Profile,
    row: Option<&CompanyRow>,
    commit: &mut AccountsCommit,
) -> Result<(), Fault> {
    let number = profile.number;
    let (keys, names) = (store.record_keys(number)?, store.names(number)?);
    // Without a record it is about to go.
    let Some(now) = AccountFacts::new(&profile.attributes, keys, names, &basis.roll_ups, &basis.matcher) else {
        return Ok(());
    };
    let before: Option<AccountFacts> = row.map(|row| read(&row.facts)).transpose()?;
    if before.as_ref() == Some(&now) {
        return Ok(());
    }
    let found_by: BTreeSet<String> = attiva_core::account::matching::Matcher::keys(&now.company);
    let was = |same: fn(&AccountFacts, &AccountFacts) -> bool| before.as_ref().is_some_and(|was| same(was, &now));
    if !was(|a, b| a.company == b.company && a.key == b.key) {
        commit.due_leads_with.extend(row.iter().flat_map(|row| row.keys.iter().cloned()));
        commit.due_leads_with.extend(found_by.iter().cloned());
    }
    if !was(|a, b| a.names == b.names) {
        let relation = Relation { entity: EntityName::ACCOUNT, field: "parent_key".into() };
        let mut children = store.children(number, usize::MAX)?;
        children.extend(store.referrers(number, &relation, 0, usize::MAX)?);
        commit.due.extend(children.into_iter().map(|child| (AccountTask::Parent, child)));
    }
    if !was(|a, b| a.parent_key == b.parent_key) {
        commit.due.push((AccountTask::Parent, number));
    }
    if !was(|a, b| a.parts == b.parts && a.key == b.key) {
        commit.due.push((AccountTask::Family, number));
        // By another key, another of a circle may be at its top.
        commit.due.extend(Families::new(store, basis).top(number)?.map(|top| (AccountTask::Family, top)));
    }
    commit.companies.push((number, Some(CompanyRow { side: Side::Account, keys: found_by, facts: text(&now)? })));
    Ok(())
}

fn relation(
    store: &dyn SandboxStore,
    profile: &Profile,
    row: Option<&CompanyRow>,
    commit: &mut AccountsCommit,
) -> Result<(), Fault> {
    let said = |field: &str| profile.attributes.iter().find(|(name, _)| name == field)?.1.as_text();
    // A relation that names no account puts nobody anywhere.
    let person = said("account_key").and(said("person_key"));
    let keys: BTreeSet<String> = person.map(str::to_owned).into_iter().collect();
    let before = row.map(|row| &row.keys);
    if before == Some(&keys) || (before.is_none() && keys.is_empty()) {
        return Ok(());
    }
    persons_named(store, before.into_iter().flatten().chain(&keys), commit)?;
    let now = (!keys.is_empty()).then(|| CompanyRow { side: Side::Relation, keys, facts: String::new() });
    commit.companies.push((profile.number, now));
    Ok(())
}

/// The persons whom keys lead to are matched again.
fn persons_named<'a>(
    store: &dyn SandboxStore,
    keys: impl IntoIterator<Item = &'a String>,
    commit: &mut AccountsCommit,
) -> Result<(), Fault> {
    for key in keys {
        commit.due.extend(store.named(&EntityName::PERSON, key)?.map(|person| (AccountTask::Match, person)));
    }
    Ok(())
}

pub(super) fn read<T: serde::de::DeserializeOwned>(facts: &str) -> Result<T, Fault> {
    serde_json::from_str(facts).map_err(unreadable)
}

pub(super) fn text<T: serde::Serialize>(facts: &T) -> Result<String, Fault> {
    serde_json::to_string(facts).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> Fault {
    Fault::new(FaultKind::Internal, "accounts.facts", error.to_string())
}
