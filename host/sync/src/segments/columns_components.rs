//! What has changed of records of persons, where segments look at those themselves: each with its number, and after them
//! what persons were matched to.

use super::columns::{Loaded, NOBODY};
use super::columns_pairs::relation_of_components;
use super::links::Links;
use attiva_core::Value;
use attiva_core::model::{EntityKind, EntityName, matched_component};
use attiva_core::ports::store::KeysWanted;
use attiva_segments::column::{ColumnBuilder, Refresh, Rows, Table};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a person was matched to has the person's number after all records.
pub(super) const MATCHED: i64 = 1 << 62;

/// Where a component names its account.
const ACCOUNT_KEY: usize = 1;

struct Told {
    person: i64,
    values: Vec<Value>,
}

impl Told {
    fn account_key(&self) -> Option<&str> {
        self.values.get(ACCOUNT_KEY).and_then(Value::as_text)
    }
}

pub(super) struct ComponentChanges {
    entity: usize,
    persons: usize,
    to_person: Option<usize>,
    to_account: Option<usize>,
    told: BTreeMap<i64, Told>,
    gone: BTreeSet<i64>,
    /// The keys of accounts that persons are matched to now.
    matched: BTreeMap<i64, Option<String>>,
    /// The key of each person's first record.
    first: HashMap<i64, String>,
    keys: Vec<String>,
    /// By place in `keys`.
    accounts: Vec<Option<i64>>,
}

impl ComponentChanges {
    pub(super) fn new(links: &Links) -> Self {
        Self {
            entity: links.entity(EntityKind::PersonComponent),
            persons: links.entity(EntityKind::Person),
            to_person: relation_of_components(links, &EntityName::PERSON),
            to_account: relation_of_components(links, &EntityName::ACCOUNT),
            told: BTreeMap::new(),
            gone: BTreeSet::new(),
            matched: BTreeMap::new(),
            first: HashMap::new(),
            keys: Vec::new(),
            accounts: Vec::new(),
        }
    }

    /// Persons who were at an account, by its row.
    pub(super) fn people_of(&self, before: &Loaded, account: usize) -> Vec<i64> {
        let rows = self.to_account.into_iter().flat_map(|relation| before.dataset.named_by(relation, account));
        let person = |row: usize| {
            let row = before.dataset.named(self.to_person?, row)?;
            before.numbers[self.persons].get(row).copied()
        };
        rows.filter_map(person).collect()
    }

    /// Of these, those who were matched to it.
    pub(super) fn matched_to(&self, before: &Loaded, account: usize) -> Vec<i64> {
        let rows = self.to_account.into_iter().flat_map(|relation| before.dataset.named_by(relation, account));
        let keys = before.component_keys.as_deref().unwrap_or_default();
        let matched = rows.filter_map(|row| keys.get(row).copied()).filter(|key| *key >= MATCHED);
        matched.map(|key| key - MATCHED).collect()
    }

    pub(super) fn is_matched(&mut self, person: i64, key: Option<&str>) {
        self.matched.insert(person, key.map(str::to_owned));
    }

    pub(super) fn incomplete(&self) -> Vec<i64> {
        self.matched.keys().copied().collect()
    }

    /// All records of a person, by number, each as a component; none of one who is no more.
    pub(super) fn person(&mut self, before: &Loaded, person: i64, records: Vec<(i64, Vec<Value>)>) {
        let row = before.numbers[self.persons].binary_search(&person).ok();
        let rows = self.to_person.zip(row).into_iter().flat_map(|(to, row)| before.dataset.named_by(to, row));
        let keys = before.component_keys.as_deref().unwrap_or_default();
        let had = rows.filter_map(|row| keys.get(row).copied()).filter(|key| *key < MATCHED);
        self.gone.extend(had);
        if let Some(key) = records.first().and_then(|(_, values)| values.first()?.as_text()) {
            self.first.insert(person, key.to_owned());
        }
        let told = records.into_iter().map(|(number, values)| (number, Told { person, values }));
        self.told.extend(told);
    }

    pub(super) fn forget(&mut self, before: &Loaded, person: i64) {
        self.person(before, person, Vec::new());
        self.matched.insert(person, None);
    }

    /// What is told names accounts by these.
    pub(super) fn keys(&mut self) -> KeysWanted {
        for (person, key) in std::mem::take(&mut self.matched) {
            let number = MATCHED + person;
            match key {
                None => {
                    self.gone.insert(number);
                }
                Some(key) => {
                    let first = self.first.get(&person).map_or("", String::as_str);
                    self.told.insert(number, Told { person, values: matched_component(first, &key) });
                }
            }
        }
        let keys: BTreeSet<&str> = self.told.values().filter_map(Told::account_key).collect();
        self.keys = keys.into_iter().map(str::to_owned).collect();
        self.accounts = vec![None; self.keys.len()];
        KeysWanted { entity: EntityName::ACCOUNT, keys: self.keys.clone() }
    }

    pub(super) fn key(&mut self, key: usize, account: Option<i64>) {
        if let Some(place) = self.accounts.get_mut(key) {
            *place = account;
        }
    }

    pub(super) fn told(&self) -> u64 {
        self.told.len() as u64
    }

    /// Answers the numbers by row. `person` and `account`: their rows as they are to be.
    pub(super) fn apply(
        self,
        refresh: &mut Refresh,
        slots: &BTreeSet<usize>,
        before: Vec<i64>,
        person: impl Fn(i64) -> u32,
        account: impl Fn(i64) -> u32,
    ) -> Vec<i64> {
        let Self { told, gone, .. } = &self;
        let mut which: BTreeMap<i64, bool> = gone.iter().map(|number| (*number, false)).collect();
        which.extend(told.keys().map(|number| (*number, true)));
        let (rows, now) = Rows::keyed(&before, which);
        let fields = &refresh.before().model().entities[self.entity].fields;
        let mut table = Table::new(told.len(), fields.len());
        for slot in slots {
            let mut builder = ColumnBuilder::new(fields[*slot].data_type);
            told.values().for_each(|told| builder.push(told.values.get(*slot).unwrap_or(&Value::Null)));
            table.put(*slot, builder.finish());
        }
        let at = |told: &Told| {
            let named = told.account_key()?;
            let place = self.keys.binary_search_by(|key| key.as_str().cmp(named)).ok()?;
            self.accounts.get(place).copied().flatten()
        };
        let places = rows.places_told();
        if let (Some(to_person), Some(to_account)) = (self.to_person, self.to_account) {
            let names = |of: &dyn Fn(&Told) -> u32| {
                places.iter().copied().zip(told.values().map(of)).collect::<Vec<(u32, u32)>>()
            };
            refresh.names(to_person, names(&|told| person(told.person)));
            refresh.names(to_account, names(&|told| at(told).map_or(NOBODY, &account)));
        }
        refresh.rows(self.entity, rows, table);
        now
    }
}
