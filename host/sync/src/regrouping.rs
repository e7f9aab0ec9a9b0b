//! Persons that would be others by other rules of identity: of which records each would be made, and what it would say.

use crate::accounts;
use crate::engine::Inner;
use crate::neighbours::{Entry, Records};
use crate::policies::Policies;
use crate::profiles::merged;
use attiva_core::id::ProfileId;
use attiva_core::identity::{Component, Identity, Neighbourhood, Resolution};
use attiva_core::model::EntityName;
use attiva_core::ports::store::{ProfileWrite, Reference, SandboxStore};
use attiva_core::{Fault, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

const PERSON: EntityName = EntityName::PERSON;

/// A record of a person that would be another.
pub(crate) struct RecordMoved {
    pub(crate) source_key: String,
    /// The number of the profile it belongs to today.
    pub(crate) today: i64,
}

/// A reference, with the number of the profile that it leads to.
pub(crate) struct WouldRefer {
    pub(crate) reference: Reference,
    pub(crate) to: i64,
}

/// A person that there would be.
pub(crate) struct WouldBe {
    /// Of the profile whose id it would keep; below 0 for a new one: -1 for the first, and down.
    pub(crate) number: i64,
    pub(crate) id: ProfileId,
    /// With what would be worked out of accounts.
    pub(crate) attributes: Vec<(String, Value)>,
    pub(crate) references: Vec<WouldRefer>,
    pub(crate) records: Vec<RecordMoved>,
}

impl WouldBe {
    /// The persons of today whose records it would have, by number.
    pub(crate) fn today(&self) -> BTreeSet<i64> {
        self.records.iter().map(|record| record.today).collect()
    }
}

/// All persons that would be others, and those of today that would be no more as they are.
#[derive(Default)]
pub(crate) struct Regrouping {
    pub(crate) would_be: Vec<WouldBe>,
    /// By number.
    pub(crate) today: BTreeMap<i64, ProfileId>,
    numbers: HashMap<ProfileId, i64>,
    /// Where a record would be, by its number: a place among those that would be.
    home: HashMap<i64, usize>,
    by_key: HashMap<String, usize>,
    /// Numbers of today that one of them keeps.
    kept: HashSet<i64>,
    new: i64,
    /// What each of them refers to, until all are known.
    referring: Vec<Vec<Reference>>,
}

impl Regrouping {
    /// Notes which persons of a neighbourhood would be others. What is met twice is noted once.
    pub(crate) fn note(
        &mut self,
        inner: &Inner,
        records: &Records<'_>,
        (neighbourhood, resolution): (&Neighbourhood<ProfileId>, &Resolution<ProfileId>),
        policies: &Policies,
    ) -> Result<(), Fault> {
        for component in &resolution.components {
            let node =
                |place: &usize| neighbourhood.nodes.get(*place).and_then(|node| records.by_key(&node.source_key));
            // Records that are in no profile yet are in none that would be: what they do is not the rules' doing.
            let entries = component.nodes.iter().filter_map(node).filter(|entry| entry.stored.profile.is_some());
            let entries: Vec<&Entry> = entries.collect();
            let Some(first) = entries.first() else { continue };
            if self.home.contains_key(&first.stored.number) || is_as_it_is(first, &entries) {
                continue;
            }
            self.add(inner, component, &entries, policies)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        inner: &Inner,
        component: &Component<ProfileId>,
        entries: &[&Entry],
        policies: &Policies,
    ) -> Result<(), Fault> {
        let store = inner.store.as_ref();
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let today = entry.stored.profile.as_ref().map(|id| self.number(store, id)).transpose()?.flatten();
            // It became part of another since it was read.
            let Some(today) = today else { return Ok(()) };
            records.push(RecordMoved { source_key: entry.stored.source_key.clone(), today });
        }
        let ProfileWrite { id, mut attributes, mut references, concerns_accounts, .. } =
            merged(component, entries, policies);
        let own = self.numbers.get(&id).copied().filter(|number| self.kept.insert(*number));
        let number = own.unwrap_or_else(|| {
            self.new -= 1;
            self.new
        });
        if concerns_accounts {
            let names = names(store, entries, &records)?;
            let (derived, account) = accounts::would_be(inner, &attributes, &references, &names, own)?;
            attributes.extend(derived);
            references.extend(account);
        }
        let place = self.would_be.len();
        for (entry, record) in entries.iter().zip(&records) {
            self.home.insert(entry.stored.number, place);
            self.by_key.insert(record.source_key.clone(), place);
        }
        self.referring.push(references);
        self.would_be.push(WouldBe { number, id, attributes, references: Vec::new(), records });
        Ok(())
    }

    fn number(&mut self, store: &dyn SandboxStore, id: &ProfileId) -> Result<Option<i64>, Fault> {
        if let Some(number) = self.numbers.get(id) {
            return Ok(Some(*number));
        }
        let Some(profile) = store.profile(id)?.filter(|profile| profile.id == *id) else { return Ok(None) };
        self.numbers.insert(id.clone(), profile.number);
        self.today.insert(profile.number, id.clone());
        Ok(Some(profile.number))
    }

    /// Records that share a person of today with one that would be elsewhere, and were not looked at yet.
    pub(crate) fn remaining(&self, store: &dyn SandboxStore) -> Result<Vec<i64>, Fault> {
        let mut remaining = Vec::new();
        for id in self.today.values() {
            let records = store.records_of(id)?;
            remaining.extend(records.into_iter().filter(|record| !self.home.contains_key(record)));
        }
        Ok(remaining)
    }

    /// Once all are noted: what each refers to.
    pub(crate) fn settle(&mut self, store: &dyn SandboxStore) -> Result<(), Fault> {
        for (place, references) in std::mem::take(&mut self.referring).into_iter().enumerate() {
            for reference in references {
                let here = self.by_key.get(&reference.key).filter(|_| reference.to == PERSON);
                let to = match here.and_then(|home| self.would_be.get(*home)) {
                    Some(person) => Some(person.number),
                    None => store.named(&reference.to, &reference.key)?,
                };
                if let (Some(to), Some(person)) = (to, self.would_be.get_mut(place)) {
                    person.references.push(WouldRefer { reference, to });
                }
            }
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.would_be.is_empty()
    }

    /// Whose a person's record would be: by number of the record, and of the profile that it belongs to today.
    pub(crate) fn whose(&self, record: i64, today: i64) -> i64 {
        let home = self.home.get(&record).and_then(|place| self.would_be.get(*place));
        home.map_or(today, |person| person.number)
    }
}

/// Whether it is a person of today, of the same records.
fn is_as_it_is(first: &Entry, entries: &[&Entry]) -> bool {
    let one = entries.iter().all(|entry| entry.stored.profile == first.stored.profile);
    one && first.stored.profile_records as usize == entries.len()
}

/// The source keys that would lead to it: those that lead to what it is made of, as far as its records say them.
fn names(store: &dyn SandboxStore, entries: &[&Entry], records: &[RecordMoved]) -> Result<BTreeSet<String>, Fault> {
    let claims = entries.iter().flat_map(|entry| &entry.claims).map(|claim| &claim.identity);
    let said: HashSet<&str> =
        claims.filter(|it| it.namespace == Identity::SOURCE_KEY).map(|it| it.value.as_str()).collect();
    let today: BTreeSet<i64> = records.iter().map(|record| record.today).collect();
    let mut names = BTreeSet::new();
    for number in today {
        names.extend(store.names(number)?.into_iter().filter(|name| said.contains(name.as_str())));
    }
    Ok(names)
}
