//! What an activation would use, against the sandbox's labels: asked when it is made, and before each step of a delivery,
//! since a label may come later.

use crate::engine::{Engine, Inner};
use crate::export::mapping_scope;
use crate::{policies, segments};
use attiva_core::config::{Activation, Segment};
use attiva_core::id::SegmentId;
use attiva_core::model::custom::Custom;
use attiva_core::model::{EntityName, Layout};
use attiva_core::ports::store::Kind;
use attiva_core::usage::{Flow, Label, Labelled, SourceColumn, UsagePolicy, UsageProblem, Violation};
use attiva_core::{Fault, FaultKind};
use std::collections::BTreeSet;

impl Engine {
    /// Every way by which an activation would use something for what it is not for.
    pub fn usage_violations(&self, activation: &Activation) -> Result<Vec<Violation>, Fault> {
        violations(&self.inner, &policies::usage(self.inner.store.as_ref())?, activation)
    }

    /// Labels of fields and columns that there are not.
    pub fn unknown_labels(&self, policy: &UsagePolicy) -> Result<Vec<UsageProblem>, Fault> {
        let custom = policies::custom(self.inner.store.as_ref())?;
        let mut problems = Vec::new();
        for (i, label) in policy.labels.iter().enumerate() {
            if label.field.as_deref().is_some_and(|field| !is_field(field, &custom)) {
                problems.push(UsageProblem {
                    place: format!("/labels/{i}/field"),
                    problem: "is no field of the model, such as `person.person_score`".to_owned(),
                });
            }
            if let Some(column) = &label.column
                && made_of(&self.inner, column)?.is_none()
            {
                let SourceColumn { connection, stream, name } = column;
                let problem = format!(
                    "{connection} has no stream `{stream}` with a column `{name}` that was discovered and is mapped"
                );
                problems.push(UsageProblem { place: format!("/labels/{i}/column"), problem });
            }
        }
        Ok(problems)
    }
}

/// Stops what must not be used so.
///
/// # Errors
/// `activation.usage` with the first way.
pub(crate) fn allowed(inner: &Inner, activation: &Activation) -> Result<(), Fault> {
    let policy = policies::usage(inner.store.as_ref())?;
    let found = violations(inner, &policy, activation)?;
    let Some(first) = found.first() else { return Ok(()) };
    let message = format!("{} is not for {}: {}", first.field, first.not_for, first.path);
    Err(Fault::new(FaultKind::Config, "activation.usage", message)
        .action("Make an activation without it, retire this one, or change the labels.")
        .field(first.place.clone()))
}

fn violations(inner: &Inner, policy: &UsagePolicy, activation: &Activation) -> Result<Vec<Violation>, Fault> {
    // It wants nobody: what it sends takes out of the target what is there.
    if policy.labels.is_empty() || policy.destinations.is_empty() || activation.retired {
        return Ok(Vec::new());
    }
    let custom = policies::custom(inner.store.as_ref())?;
    let mut labelled = Vec::new();
    for label in &policy.labels {
        labelled.extend(brought_to_fields(inner, label, &custom)?);
    }
    let segment: Segment = inner.get(Kind::Segment, activation.segment.as_str())?;
    let sent = EntityName::Model(activation.sends(segment.entity).kind());
    let flow = Flow {
        connection: &activation.connection,
        object: &activation.target.object,
        mapped: mapped(inner, activation, &sent)?,
        segments: segments_of(inner, activation, &segment)?,
    };
    Ok(policy.violations(&labelled, &flow))
}

/// The fields that a label is about, with what is made of them.
fn brought_to_fields(inner: &Inner, label: &Label, custom: &Custom) -> Result<Vec<Labelled>, Fault> {
    let mut fields: Vec<(String, Vec<String>)> = label.field.iter().map(|field| (field.clone(), Vec::new())).collect();
    if let Some(column) = &label.column {
        let from = format!("{}.{} of {}", column.stream, column.name, column.connection);
        let made = made_of(inner, column)?.unwrap_or_default();
        fields.extend(made.into_iter().map(|field| (field, vec![from.clone()])));
    }
    let mut labelled = Vec::new();
    for (field, from) in fields {
        let derived = derived(&field, custom).into_iter().map(|derived| {
            let from = from.iter().chain([&field]).cloned().collect();
            Labelled { field: derived, from, not_for: label.not_for.clone() }
        });
        labelled.extend(derived);
        labelled.push(Labelled { field, from, not_for: label.not_for.clone() });
    }
    Ok(labelled)
}

/// What Attiva itself makes of a field: what a record of a person says, and roll-ups of accounts.
fn derived(field: &str, custom: &Custom) -> Vec<String> {
    let mut derived = Vec::new();
    if let Some(name) = field.strip_prefix("person.") {
        derived.extend([format!("person_component.{name}"), format!("person_component.source_{name}")]);
    }
    if let Some(name) = field.strip_prefix("account.") {
        let rolled = custom.roll_ups.iter().filter(|roll_up| roll_up.field == name);
        derived.extend(rolled.map(|roll_up| format!("account.{}", roll_up.name)));
    }
    derived
}

/// The fields of the model that a stream's mapping makes of a column; `None`: there is no such column.
fn made_of(inner: &Inner, column: &SourceColumn) -> Result<Option<Vec<String>>, Fault> {
    let mapping = inner.catalogs.mapping(inner, &column.connection, &column.stream)?;
    Ok(mapping.and_then(|mapping| mapping.made_of(&column.name)))
}

fn is_field(field: &str, custom: &Custom) -> bool {
    let Some((entity, name)) = field.split_once('.') else { return false };
    let layout = EntityName::parse(entity).and_then(|entity| Layout::new(&entity, custom));
    layout.is_some_and(|layout| layout.slot(name).is_some())
}

fn mapped<'a>(
    inner: &Inner,
    activation: &'a Activation,
    sent: &EntityName,
) -> Result<Vec<(&'a str, Vec<String>)>, Fault> {
    let layout = policies::layout(inner.store.as_ref(), sent)?;
    let scope = mapping_scope(&layout);
    let mut mapped = Vec::with_capacity(activation.mapping.len());
    for field in &activation.mapping {
        // What cannot be read is not sent, either: the delivery fails for it.
        let slots = attiva_expr::check(&field.expression, &scope).map(|checked| checked.slots().to_vec());
        let slots = slots.unwrap_or_default();
        let names = slots.iter().filter_map(|slot| layout.fields().get(*slot));
        mapped.push((field.field.as_str(), names.map(|named| format!("{sent}.{}", named.name)).collect()));
    }
    Ok(mapped)
}

/// The segments that decide who is sent: its own, those below, and the condition of its expansion.
fn segments_of(inner: &Inner, activation: &Activation, own: &Segment) -> Result<Vec<(String, Vec<String>)>, Fault> {
    let audiences = inner.segments.get(inner)?;
    let mut found = Vec::new();
    let mut seen: BTreeSet<SegmentId> = BTreeSet::new();
    let mut next = vec![own.id.clone()];
    if let Some(expansion) = &activation.expansion {
        let rule = expansion.rule(&own.id);
        if let Ok(definition) = audiences.check(None, &segments::SegmentWish::of_persons(&rule)) {
            found.push(("of the expansion".to_owned(), definition.reads.clone()));
            next.extend(definition.asks_for);
        }
    }
    while let Some(id) = next.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        if let Some(compiled) = audiences.get(&id) {
            let name = format!("{id} ({})", compiled.segment.name);
            found.push((name, compiled.definition.reads.clone()));
            next.extend(compiled.definition.asks_for.iter().cloned());
        }
    }
    Ok(found)
}
