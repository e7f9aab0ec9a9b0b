//! What rules of identity do to the records there are, told before they do it: which values would join whom, which join
//! nobody, which profiles look wrong, and what another version of the rules would merge and split.
//!
//! Reports are fed one neighbourhood at a time and keep counts and the worst examples, so their size has a bound.

use super::{Component, Held, Identity, Neighbourhood, Resolution, Rules};
use crate::id::ThingId;
use crate::key::SourceKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Examples kept of each kind.
pub const EXAMPLES_MAX: usize = 20;

/// Records named in one example.
const RECORDS_SHOWN_MAX: usize = 10;

/// What becomes of the records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Collapse {
    pub records: u64,
    pub profiles: u64,
    /// Profiles of more than one record.
    pub joined_profiles: u64,
    /// Profiles that a limit keeps records out of.
    pub degraded_profiles: u64,
    pub namespaces: BTreeMap<String, NamespaceUse>,
    /// The largest profiles.
    pub largest: Vec<Example>,
    /// The profiles with the most alarms.
    pub suspicious: Vec<Example>,
    /// The shared values that most of the records seen carry.
    pub shared: Vec<SharedValue>,
    /// How many records seen carry each shared value.
    #[serde(skip)]
    carriers: BTreeMap<Identity, Carriers>,
}

/// What a namespace does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamespaceUse {
    /// Links that hold profiles together.
    pub links: u64,
    /// Links refused, by limits and by never-links.
    pub refused: u64,
    /// Records that carry a value which too many carry: without that limit they would be one.
    pub held_records: u64,
}

/// A profile to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CollapseExample")]
pub struct Example {
    pub profile: String,
    /// The first of its records.
    pub records: Vec<String>,
    pub records_total: u64,
    /// What speaks against it being one.
    pub alarms: Vec<Alarm>,
    /// The identities that join it.
    pub joined_by: Vec<Identity>,
}

/// What speaks against records being one. Reasons to look, not proof: people change their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// One system knows it more than once.
    SameInstance { instance: String, records: u64 },
    /// Its records differ in what somebody mostly has one of.
    Differs { field: String, values: Vec<String> },
    /// It has this many records.
    Large { records: u64 },
}

/// A value that too many records carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SharedValue {
    pub identity: Identity,
    /// Of the records seen.
    pub records_total: u64,
    pub records: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Carriers {
    total: u64,
    first: Vec<String>,
}

/// Records of one profile from which on it is worth a look.
const LARGE_FROM: usize = 10;

/// Shared values counted at once; beyond, the rarest so far are forgotten.
const SHARED_COUNTED_MAX: usize = 10_000;

impl Collapse {
    /// Counts a neighbourhood. `describe`: of a record, by position, what to compare (last name, country, company), as
    /// field and value; values that differ in case only are the same. `counted`: whether a profile, by the source key of
    /// its first record, is to be counted here: a neighbourhood that is met twice is counted once.
    pub fn note<I: ThingId + std::fmt::Display>(
        &mut self,
        neighbourhood: &Neighbourhood<I>,
        resolution: &Resolution<I>,
        describe: impl Fn(usize) -> Vec<(&'static str, String)>,
        counted: impl Fn(&str) -> bool,
    ) {
        for component in &resolution.components {
            let first = component.nodes.first().and_then(|i| neighbourhood.nodes.get(*i));
            if first.is_some_and(|node| counted(&node.source_key)) {
                self.note_profile(neighbourhood, component, &describe);
            }
        }
    }

    fn note_profile<I: ThingId + std::fmt::Display>(
        &mut self,
        neighbourhood: &Neighbourhood<I>,
        component: &Component<I>,
        describe: &impl Fn(usize) -> Vec<(&'static str, String)>,
    ) {
        let keys: Vec<&str> = keys(neighbourhood, &component.nodes).collect();
        self.records += keys.len() as u64;
        self.profiles += 1;
        self.joined_profiles += u64::from(keys.len() > 1);
        self.degraded_profiles += u64::from(component.is_degraded());
        for link in &component.links {
            self.namespaces.entry(link.identity.namespace.clone()).or_default().links += 1;
        }
        for held in &component.held {
            match held {
                // Told on both sides, counted on one.
                Held::Refused(refusal) if keys.contains(&refusal.link.from.as_str()) => {
                    self.namespaces.entry(refusal.link.identity.namespace.clone()).or_default().refused += 1;
                }
                Held::Refused(_) => {}
                Held::Shared(identity) => self.note_shared(neighbourhood, component, identity),
            }
        }
        if keys.len() < 2 {
            return;
        }
        let joined_by: BTreeSet<Identity> = component.links.iter().map(|link| link.identity.clone()).collect();
        let example = Example {
            profile: component.profile.to_string(),
            records: keys.iter().take(RECORDS_SHOWN_MAX).map(|key| (*key).to_owned()).collect(),
            records_total: keys.len() as u64,
            alarms: alarms(&keys, &component.nodes, describe),
            joined_by: joined_by.into_iter().take(RECORDS_SHOWN_MAX).collect(),
        };
        if !example.alarms.is_empty() {
            keep_worst(&mut self.suspicious, example.clone(), |e| (e.alarms.len() as u64, e.records_total));
        }
        keep_worst(&mut self.largest, example, |e| (e.records_total, 0));
    }

    fn note_shared<I>(&mut self, neighbourhood: &Neighbourhood<I>, component: &Component<I>, identity: &Identity) {
        let carrying = component.nodes.iter().filter_map(|i| neighbourhood.nodes.get(*i));
        let carrying = carrying.filter(|node| node.claims.iter().any(|c| c.identity == *identity));
        let keys: Vec<&str> = carrying.map(|node| node.source_key.as_str()).collect();
        let total = keys.len() as u64;
        self.namespaces.entry(identity.namespace.clone()).or_default().held_records += total;
        let carriers = self.carriers.entry(identity.clone()).or_default();
        carriers.total += total;
        let room = RECORDS_SHOWN_MAX.saturating_sub(carriers.first.len());
        carriers.first.extend(keys.iter().take(room).map(|key| (*key).to_owned()));
        if self.carriers.len() > SHARED_COUNTED_MAX {
            let mut totals: Vec<u64> = self.carriers.values().map(|c| c.total).collect();
            let middle = totals.len() / 2;
            let (_, median, _) = totals.select_nth_unstable(middle);
            let median = *median;
            self.carriers.retain(|_, c| c.total > median);
        }
    }

    /// The report, once everything was counted.
    #[must_use]
    pub fn finish(mut self) -> Self {
        for (identity, Carriers { total, first }) in std::mem::take(&mut self.carriers) {
            let value = SharedValue { identity, records_total: total, records: first };
            keep_worst(&mut self.shared, value, |v| (v.records_total, 0));
        }
        self
    }
}

fn keys<'a, I>(neighbourhood: &'a Neighbourhood<I>, nodes: &'a [usize]) -> impl Iterator<Item = &'a str> {
    nodes.iter().filter_map(|i| neighbourhood.nodes.get(*i)).map(|node| node.source_key.as_str())
}

fn alarms(keys: &[&str], nodes: &[usize], describe: &impl Fn(usize) -> Vec<(&'static str, String)>) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    if keys.len() >= LARGE_FROM {
        alarms.push(Alarm::Large { records: keys.len() as u64 });
    }
    let mut instances: BTreeMap<&str, u64> = BTreeMap::new();
    for key in keys {
        *instances.entry(SourceKey::instance_of(key).unwrap_or_default()).or_default() += 1;
    }
    let twice = instances.into_iter().filter(|(_, records)| *records > 1);
    alarms.extend(twice.map(|(instance, records)| Alarm::SameInstance { instance: instance.to_owned(), records }));
    let mut said: BTreeMap<&'static str, BTreeMap<String, String>> = BTreeMap::new();
    for (field, value) in nodes.iter().flat_map(|i| describe(*i)) {
        let plain = value.trim().to_lowercase();
        if !plain.is_empty() {
            said.entry(field).or_default().entry(plain).or_insert(value);
        }
    }
    for (field, values) in said.into_iter().filter(|(_, values)| values.len() > 1) {
        let values = values.into_values().take(RECORDS_SHOWN_MAX).collect();
        alarms.push(Alarm::Differs { field: field.to_owned(), values });
    }
    alarms
}

/// Keeps the examples that weigh most, heaviest first; of equals the one that came first.
fn keep_worst<T, W: Ord>(kept: &mut Vec<T>, new: T, weight: impl Fn(&T) -> W) {
    let place = kept.partition_point(|other| weight(other) >= weight(&new));
    if place < EXAMPLES_MAX {
        kept.insert(place, new);
        kept.truncate(EXAMPLES_MAX);
    }
}

/// What other rules would make of the profiles there are: what-if, before they are published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RegroupDifference")]
pub struct Difference {
    pub profiles_before: u64,
    pub profiles_after: u64,
    /// Profiles that would be made of several of today's.
    pub merges: u64,
    /// Profiles of today that would be several.
    pub splits: u64,
    pub merge_examples: Vec<Regrouped>,
    pub split_examples: Vec<Regrouped>,
}

/// One profile on the one side, several on the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Regrouped {
    /// Profile ids of today: of a merge all, of a split the one.
    pub profiles: Vec<String>,
    /// The first records of each part.
    pub parts: Vec<Vec<String>>,
    /// What joins them, or keeps them apart, where that is known.
    pub because: Vec<String>,
}

impl Difference {
    /// Compares what the nodes belong to now (`Node::profile`) with what the resolution, by other rules, makes of them.
    /// `counted`: as for [`Collapse::note`]; a profile of today counts by its first record.
    pub fn note<I: ThingId + std::fmt::Display>(
        &mut self,
        neighbourhood: &Neighbourhood<I>,
        resolution: &Resolution<I>,
        counted: impl Fn(&str) -> bool,
    ) {
        let mut today: BTreeMap<&I, BTreeMap<usize, Vec<&str>>> = BTreeMap::new();
        for (c, component) in resolution.components.iter().enumerate() {
            let mut parts: BTreeMap<&I, Vec<&str>> = BTreeMap::new();
            for node in component.nodes.iter().filter_map(|i| neighbourhood.nodes.get(*i)) {
                let Some(profile) = &node.profile else { continue };
                parts.entry(profile).or_default().push(&node.source_key);
                today.entry(profile).or_default().entry(c).or_default().push(&node.source_key);
            }
            if keys(neighbourhood, &component.nodes).next().is_none_or(|first| !counted(first)) {
                continue;
            }
            self.profiles_after += 1;
            if parts.len() > 1 {
                self.merges += 1;
                let because: BTreeSet<String> = component.links.iter().map(|link| link.identity.to_string()).collect();
                let profiles = parts.keys().map(ToString::to_string).collect();
                let example = Regrouped { profiles, parts: shown(parts.into_values()), because: some(because) };
                keep_worst(&mut self.merge_examples, example, |e| e.parts.len());
            }
        }
        for (profile, parts) in today {
            let first = parts.values().flatten().min();
            if first.is_none_or(|first| !counted(first)) {
                continue;
            }
            self.profiles_before += 1;
            if parts.len() > 1 {
                self.splits += 1;
                let held = parts.keys().filter_map(|c| resolution.components.get(*c)).flat_map(|c| &c.held);
                let because: BTreeSet<String> = held.map(ToString::to_string).collect();
                let profiles = vec![profile.to_string()];
                let example = Regrouped { profiles, parts: shown(parts.into_values()), because: some(because) };
                keep_worst(&mut self.split_examples, example, |e| e.parts.len());
            }
        }
    }
}

fn some(because: BTreeSet<String>) -> Vec<String> {
    because.into_iter().take(RECORDS_SHOWN_MAX).collect()
}

fn shown<'a>(parts: impl Iterator<Item = Vec<&'a str>>) -> Vec<Vec<String>> {
    let part = |part: Vec<&str>| part.into_iter().take(RECORDS_SHOWN_MAX).map(str::to_owned).collect();
    parts.take(RECORDS_SHOWN_MAX).map(part).collect()
}

/// Who shares an address today, before anything is merged: rules under which nothing but keys joins. What-if between
/// these and the rules meant is what those would collapse.
#[must_use]
pub fn keys_only(rules: &Rules) -> Rules {
    let mut rules = rules.clone();
    for namespace in rules.namespaces.values_mut() {
        namespace.joins &= namespace.firm;
    }
    rules
}

#[cfg(test)]
mod tests;
