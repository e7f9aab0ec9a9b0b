//! The profile projector's decision: changed records in, profile writes out. Reads the store, changes nothing.

use crate::ahead::{Footprint, Step};
use crate::mapping::StreamMapping;
use crate::neighbours::{Entry, Records};
use crate::policies::Policies;
use attiva_core::event::EventReader;
use attiva_core::id::{ConnectionId, ProfileId};
use attiva_core::identity::{self, Component, Level, Neighbourhood, Node, Resolution};
use attiva_core::merge::{Chosen, MappedRecord, merge};
use attiva_core::model::{EntityKind, EntityName, Layout};
use attiva_core::ports::store::{
    Change, ProfileCommit, ProfileWrite, RecordLink, Reference, SandboxStore, StoredRecord,
};
use attiva_core::record::Presence;
use attiva_core::{Fault, Millis, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

type Result<T> = std::result::Result<T, Fault>;

/// Finds the compiled mapping of a stream; `None`: the stream has none, and its records make no profiles. A fault stops
/// the projection: records without their mapping would look as if they were gone.
pub(crate) type Mappings<'a> = &'a dyn Fn(&ConnectionId, &str) -> Result<Option<Arc<StreamMapping>>>;

/// Decides what the records that changed do to profiles. Records of each entity are divided among themselves.
pub(crate) fn project(
    store: &dyn SandboxStore,
    changes: &[Change],
    mappings: Mappings<'_>,
    policies: &dyn Fn(&EntityName) -> Result<Arc<Policies>>,
    now: Millis,
) -> Result<Step> {
    let (mut rests_on, mut renamed) = (Footprint::default(), Footprint::default());
    let mut commit = ProfileCommit { upto: changes.last().map_or(0, |c| c.seq), now, ..ProfileCommit::default() };
    for (entity, stored) in by_entity(store, changes)? {
        let policies = policies(&entity)?;
        let mut records = Records::new(store, mappings, &policies, now);
        let (neighbourhood, resolution) = resolve(store, &mut records, stored, &policies)?;
        let mut decision = Decision { commit, records: &records, policies: &policies, home: HashMap::new() };
        for component in &resolution.components {
            let node = |n: &usize| neighbourhood.nodes.get(*n).and_then(|node| records.by_key(&node.source_key));
            decision.write(component, &component.nodes.iter().filter_map(node).collect::<Vec<_>>());
        }
        let (decided, heirs) = decision.finish(store)?;
        commit = decided;
        commit.errors.extend(records.take_errors());
        let (read, names) = records.take_footprints();
        rests_on.join(read);
        rests_on.join(heirs);
        renamed.join(names);
    }
    Ok(Step::new(commit, rests_on, renamed))
}

/// The records that changed, each once. A stream without a mapping makes no profiles, and has none.
fn by_entity(store: &dyn SandboxStore, changes: &[Change]) -> Result<BTreeMap<EntityName, Vec<StoredRecord>>> {
    let mut seen = HashSet::new();
    let numbers: Vec<i64> = changes.iter().map(|c| c.subject).filter(|n| seen.insert(*n)).collect();
    let mut of: BTreeMap<EntityName, Vec<StoredRecord>> = BTreeMap::new();
    for stored in store.records_by_number(&numbers)? {
        // Events make no profiles: records of a stream that became one of events wait until it is read anew.
        if let Some(entity) = stored.entity.as_ref().filter(|entity| !EventReader::reads(entity)) {
            of.entry(entity.clone()).or_default().push(stored);
        }
    }
    Ok(of)
}

/// Divides records of an entity, and all that they hang together with, into profiles.
pub(crate) fn resolve(
    store: &dyn SandboxStore,
    records: &mut Records<'_>,
    stored: Vec<StoredRecord>,
    policies: &Policies,
) -> Result<(Neighbourhood<ProfileId>, Resolution<ProfileId>)> {
    let entity = policies.layout.entity();
    let neighbourhood = records.reach(stored, &policies.rules)?;
    let known = first_choices(store, entity, &neighbourhood.nodes)?;
    known.keys().for_each(|id| records.rests_on_profile(id));
    let taken = |id: &ProfileId| match known.get(id) {
        Some(taken) => Ok(*taken),
        None => {
            records.rests_on_profile(id);
            Ok::<_, Fault>(store.profiles_exist(std::slice::from_ref(id))?.contains(&true))
        }
    };
    let founded = |source_key: &str| ProfileId::founded(entity, source_key);
    let resolution = identity::resolve(&neighbourhood, &policies.rules, &policies.never, founded, taken)?;
    Ok((neighbourhood, resolution))
}

/// The ids that new profiles will mostly get, and which of them are taken: asked for at once.
fn first_choices(
    store: &dyn SandboxStore,
    entity: &EntityName,
    nodes: &[Node<ProfileId>],
) -> Result<HashMap<ProfileId, bool>> {
    let new = nodes.iter().filter(|node| node.profile.is_none());
    let choices: Vec<ProfileId> = new.map(|node| ProfileId::founded(entity, &node.source_key)).collect();
    let taken = store.profiles_exist(&choices)?;
    Ok(choices.into_iter().zip(taken).collect())
}

/// The profile that records make.
pub(crate) fn merged(component: &Component<ProfileId>, members: &[&Entry], policies: &Policies) -> ProfileWrite {
    let mapped: Vec<&MappedRecord> = members.iter().map(|entry| &entry.mapped).collect();
    let layout = &policies.layout;
    let chosen = merge(&mapped, &policies.survivorship, &policies.pins(&mapped));
    let references = references(layout, &mapped, &chosen);
    let named = layout.fields().iter().zip(chosen).filter(|(_, c)| !c.value.is_null());
    let attributes: Vec<(String, Value)> = named.map(|(f, c)| (f.name.to_string(), c.value)).collect();
    let concerns_accounts = concerns_accounts(layout.entity(), &attributes, &references);
    ProfileWrite {
        concerns_accounts,
        entity: layout.entity().clone(),
        id: component.profile.clone(),
        attributes,
        references,
        records: u32::try_from(mapped.len()).unwrap_or(u32::MAX),
        changed_at: mapped.iter().map(|r| r.at).max().unwrap_or(0),
        degraded: component.is_degraded(),
    }
}

/// What is decided so far.
struct Decision<'a> {
    commit: ProfileCommit,
    records: &'a Records<'a>,
    policies: &'a Policies,
    /// The profile of each record that was decided about, by its source key.
    home: HashMap<&'a str, ProfileId>,
}

impl<'a> Decision<'a> {
    fn write(&mut self, component: &Component<ProfileId>, members: &[&'a Entry]) {
        let Component { profile, level, .. } = component;
        for entry in members {
            self.home.insert(&entry.stored.source_key, profile.clone());
            let as_it_was = (entry.stored.profile.as_ref(), entry.stored.level) == (Some(profile), *level);
            if entry.changed || !as_it_was {
                self.commit.links.push(RecordLink {
                    record: entry.stored.number,
                    identities: entry.claims.iter().map(|claim| claim.identity.clone()).collect(),
                    profile: Some(profile.clone()),
                    level: *level,
                });
            }
        }
        self.commit.profiles.push(merged(component, members, self.policies));
    }

    fn finish(mut self, store: &dyn SandboxStore) -> Result<(ProfileCommit, Footprint)> {
        let gone = self.records.gone().filter(|entry| entry.stored.profile.is_some());
        self.commit.links.extend(gone.map(|entry| RecordLink {
            record: entry.stored.number,
            identities: Vec::new(),
            profile: None,
            level: Level::Full,
        }));
        // Beside those of other entities in the same step.
        let mut heirs = Footprint::default();
        let removed = self.removed(store, &mut heirs)?;
        self.commit.removed.extend(removed);
        Ok((self.commit, heirs))
    }

    /// Profiles that have no record left, and who took their place: the profile their records went to, or the profile
    /// of the record they were merged into.
    fn removed(&self, store: &dyn SandboxStore, heirs: &mut Footprint) -> Result<Vec<(ProfileId, Option<ProfileId>)>> {
        let kept: HashSet<&ProfileId> = self.home.values().collect();
        let decided = self.home.keys().filter_map(|key| self.records.by_key(key)).chain(self.records.gone());
        let mut decided: Vec<&Entry> = decided.collect();
        decided.sort_by(|a, b| a.stored.source_key.cmp(&b.stored.source_key));
        let mut removed: BTreeMap<ProfileId, Option<ProfileId>> = BTreeMap::new();
        for entry in decided {
            let Some(old) = entry.stored.profile.as_ref().filter(|p| !kept.contains(p)) else { continue };
            let heir = match (self.home.get(entry.stored.source_key.as_str()), &entry.stored.body.presence) {
                (Some(new), _) => Some(new.clone()),
                (None, Presence::MergedInto(key)) => self.heir(store, key, heirs)?,
                (None, Presence::Live | Presence::Deleted) => None,
            };
            let place = removed.entry(old.clone()).or_default();
            *place = place.take().or(heir);
        }
        Ok(removed.into_iter().collect())
    }

    fn heir(&self, store: &dyn SandboxStore, key: &str, heirs: &mut Footprint) -> Result<Option<ProfileId>> {
        match self.home.get(key) {
            Some(profile) => Ok(Some(profile.clone())),
            None if self.records.by_key(key).is_some_and(|entry| entry.claims.is_empty()) => Ok(None),
            None => {
                let Some(record) = store.record(self.records.entity(), key)? else { return Ok(None) };
                heirs.record(record.number);
                Ok(record.profile)
            }
        }
    }
}

/// Whether what is worked out of accounts may hang on the profile: not on a person that a source puts into one, nor on
/// one that says nothing of its company.
fn concerns_accounts(entity: &EntityName, attributes: &[(String, Value)], references: &[Reference]) -> bool {
    match entity.kind() {
        Some(EntityKind::Account | EntityKind::AccountPerson) => true,
        Some(EntityKind::Person) => {
            let of_company = |name: &str| matches!(name, "email" | "company_name" | "company_website");
            !references.iter().any(|reference| reference.field == "account_key")
                && attributes.iter().any(|(name, _)| of_company(name))
        }
        _ => false,
    }
}

/// The keys that a value names: one, or a list of them.
fn keys(value: &Value) -> impl Iterator<Item = &str> {
    let list = if let Value::TextList(list) = value { list.as_slice() } else { &[] };
    value.as_text().into_iter().chain(list.iter().map(String::as_str))
}

/// What a profile refers to: what survived of each field that refers, and every account that a person's records name,
/// since a person may belong to several.
fn references(layout: &Layout, records: &[&MappedRecord], chosen: &[Chosen]) -> Vec<Reference> {
    let mut found = BTreeSet::new();
    let is_person = *layout.entity() == EntityName::PERSON;
    for (slot, field, to) in layout.references() {
        let survived = chosen.get(slot).map(|chosen| &chosen.value).into_iter();
        let of_records = records.iter().filter(|_| is_person && field.name == "account_key");
        let values = survived.chain(of_records.filter_map(|record| record.row.get(slot)));
        for key in values.flat_map(keys) {
            found.insert(Reference { field: field.name.to_string(), to: to.clone(), key: key.to_owned() });
        }
    }
    found.into_iter().collect()
}
