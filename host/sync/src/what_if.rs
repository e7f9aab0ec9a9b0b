//! What other rules of identity would make of the stored records, told before they are published.

use crate::engine::Inner;
use crate::neighbours::Records;
use crate::policies::Policies;
use crate::profiles::{Mappings, resolve};
use crate::regrouping::Regrouping;
use crate::segments::{self, AudienceChanges};
use attiva_core::identity::Rules;
use attiva_core::identity::report::{Collapse, Difference};
use attiva_core::model::{EntityName, Layout};
use attiva_core::{Fault, FaultKind, Value};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// Records looked at together.
const STRIDE: usize = 500;

/// What would become of the records.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WhatIf {
    /// Records looked at: all that are stored, or the first of them, as many as were asked for.
    pub records: u64,
    /// Records that are stored.
    pub records_stored: u64,
    /// Whether all were looked at. If not, what is told is of those that were.
    pub whole: bool,
    /// Against the profiles there are.
    pub difference: Difference,
    /// What the profiles would be.
    pub collapse: Collapse,
    /// What that would do to audiences. Persons of records that were not looked at stay as they are in it.
    pub audiences: AudienceChanges,
}

pub(crate) fn what_if(inner: &Inner, rules: Rules, records_max: usize) -> Result<WhatIf, Fault> {
    let entity = &EntityName::PERSON;
    same_fields(&inner.policies.get(inner, entity)?.rules, &rules)?;
    let policies = Policies::with_rules(inner, entity, rules)?;
    let began = segments::cut(inner)?;
    let mut regrouping = Regrouping::default();
    let find = |connection: &_, stream: &str| inner.catalogs.mapping(inner, connection, stream);
    let (mut difference, mut collapse) = (Difference::default(), Collapse::default());
    let (mut after, mut looked_at) = (0, 0);
    loop {
        let numbers = inner.store.record_numbers(entity, after, STRIDE.min(records_max - looked_at))?;
        let Some(last) = numbers.last() else { break };
        (after, looked_at) = (*last, looked_at + numbers.len());
        let mut records = Records::new(inner.store.as_ref(), &find, &policies, inner.clock.now());
        let stored = inner.store.records_by_number(&numbers)?;
        let (neighbourhood, resolution) = resolve(inner.store.as_ref(), &mut records, stored, &policies)?;
        // A profile whose records are in two strides is met twice, and counted where its first record is.
        let here: HashSet<&str> = records.asked_for().map(|entry| entry.stored.source_key.as_str()).collect();
        let counted = |first: &str| here.contains(first);
        let describe = |i: usize| {
            let node = neighbourhood.nodes.get(i).and_then(|node| records.by_key(&node.source_key));
            node.map(|entry| described(&policies.layout, &entry.mapped.row)).unwrap_or_default()
        };
        regrouping.note(inner, &records, (&neighbourhood, &resolution), &policies)?;
        difference.note(&neighbourhood, &resolution, counted);
        collapse.note(&neighbourhood, &resolution, describe, counted);
    }
    let records_stored = looked_at as u64 + beyond(inner, entity, after)?;
    complete(inner, &mut regrouping, &find, &policies)?;
    let audiences = segments::effect(inner, &regrouping, began)?;
    let (records, collapse) = (looked_at as u64, collapse.finish());
    Ok(WhatIf { records, records_stored, whole: records == records_stored, difference, collapse, audiences })
}

/// How many records there are after a number.
fn beyond(inner: &Inner, entity: &EntityName, mut after: i64) -> Result<u64, Fault> {
    const PAGE: usize = 50_000;
    let mut found = 0;
    loop {
        let numbers = inner.store.record_numbers(entity, after, PAGE)?;
        found += numbers.len() as u64;
        match numbers.last() {
            Some(last) if numbers.len() == PAGE => after = *last,
            _ => return Ok(found),
        }
    }
}

/// Where not all records were looked at: whoever shares a person of today with one that would be elsewhere is looked at
/// as well, so that nobody is in an audience with half of what is known.
fn complete(inner: &Inner, regrouping: &mut Regrouping, find: Mappings<'_>, policies: &Policies) -> Result<(), Fault> {
    let store = inner.store.as_ref();
    let mut remaining = regrouping.remaining(store)?;
    while !remaining.is_empty() {
        for numbers in remaining.chunks(STRIDE) {
            let mut records = Records::new(store, find, policies, inner.clock.now());
            let stored = store.records_by_number(numbers)?;
            let (neighbourhood, resolution) = resolve(store, &mut records, stored, policies)?;
            regrouping.note(inner, &records, (&neighbourhood, &resolution), policies)?;
        }
        let left = regrouping.remaining(store)?;
        // What is left then is gone, and waits for its turn.
        if left.len() >= remaining.len() {
            break;
        }
        remaining = left;
    }
    regrouping.settle(store)
}

/// What people, and companies, mostly have one of.
fn described(layout: &Layout, row: &[Value]) -> Vec<(&'static str, String)> {
    let value = |field: &'static str| {
        let value = layout.slot(field).and_then(|slot| row.get(slot)).and_then(Value::as_text)?;
        Some((field, value.to_owned()))
    };
    ["name", "last_name", "country", "company_name"].into_iter().filter_map(value).collect()
}

/// The stored graph holds what today's rules read from records. Fields that they do not read are not in it.
fn same_fields(today: &Rules, other: &Rules) -> Result<(), Fault> {
    let read = |rules: &Rules| -> BTreeMap<String, Vec<String>> {
        let named = rules.namespaces.iter().filter(|(_, namespace)| !namespace.fields.is_empty());
        named.map(|(name, namespace)| (name.clone(), namespace.fields.clone())).collect()
    };
    if read(today) == read(other) {
        return Ok(());
    }
    let message = "rules that read other fields cannot be tried out: nothing is stored yet of what those fields say";
    Err(Fault::new(FaultKind::Unsupported, "identity.what-if-fields", message)
        .action("Publish the fields with `joins: false` first, then try the rules that join by them.")
        .field("namespaces"))
}
