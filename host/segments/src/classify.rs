//! How a segment can be kept up to date.

use crate::plan::Plan;
use attiva_expr::{Expr, Field, Hop, Kind, Model, Position, Set, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Streaming: with every change of the person and every event. Batch: by evaluating everybody on a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evaluation", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Classification {
    Streaming,
    Batch(Reason),
}

/// Why a segment is evaluated in batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BatchReason")]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// What it goes to: `accounts`.
    pub hop: String,
    /// The first condition that does.
    pub clause: String,
    pub line: u32,
    pub column: u32,
}

/// A streaming evaluation was asked for that there cannot be. Whoever wrote the segment acts next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{line}:{column}: this segment cannot be evaluated in streaming: `{clause}` goes to {hop}, and streaming sees the \
     person and its events alone; make what goes there a batch segment of its own and write inAudience(\"its name\"), or \
     evaluate this one in batch",
    line = .0.line, column = .0.column, clause = .0.clause, hop = .0.hop
)]
pub struct StreamingRefused(pub Reason);

/// How a plan is kept up to date, by the model it was checked against. Streaming is for a person's own fields, its
/// events and audiences.
#[must_use]
pub fn classify(plan: &Plan, model: Option<&Model>) -> Classification {
    let is_person = |entity: usize| model.is_some_and(|m| m.entities.get(entity).is_some_and(|e| e.name == "person"));
    if let Some(entity) = plan.entity().filter(|entity| !is_person(*entity)) {
        let hop = model.and_then(|m| m.entities.get(entity)).map_or_else(String::new, |entity| entity.name.clone());
        let at = Position::START;
        let clause = plan.root().expression().to_string();
        return Classification::Batch(Reason { hop, clause, line: at.line, column: at.column });
    }
    for leaf in plan.leaves() {
        let condition = leaf.expression();
        if let Some((hop, at)) = leaves(&condition, model) {
            let reason = Reason { hop, clause: condition.to_string(), line: at.line, column: at.column };
            return Classification::Batch(reason);
        }
    }
    Classification::Streaming
}

/// # Errors
/// Where the plan can only be evaluated in batch: why, and what to write instead.
pub fn require_streaming(plan: &Plan, model: Option<&Model>) -> Result<(), StreamingRefused> {
    match classify(plan, model) {
        Classification::Streaming => Ok(()),
        Classification::Batch(reason) => Err(StreamingRefused(reason)),
    }
}

/// The first thing in a condition that leaves the person, and where.
fn leaves(condition: &Expr, model: Option<&Model>) -> Option<(String, Position)> {
    let mut found = None;
    condition.walk(&mut |expr| {
        let hop = match &expr.kind {
            Kind::Field(field) => of_field(field),
            Kind::Quantified(q) => of_set(&q.set, model),
            Kind::Aggregated(a) => of_set(&a.set, model),
            Kind::Sequence(s) => of_set(&s.set, model),
            Kind::InAudience(m) => m.hops.first().map(|hop| hop.name.clone()).or((m.var > 0).then(|| m.root.clone())),
            _ => None,
        };
        if found.is_none() {
            found = hop.map(|hop| (hop, expr.at));
        }
    });
    found
}

/// In a scope without a model, what is not called person is something else.
fn of_field(field: &Field) -> Option<String> {
    let elsewhere = field.var == 0 && field.root != "person";
    field.hops.first().map(|hop| hop.name.clone()).or(elsewhere.then(|| field.root.clone()))
}

fn of_set(set: &Set, model: Option<&Model>) -> Option<String> {
    let name = |hop: &Hop| hop.name.clone();
    match (set.from, set.hops.as_slice()) {
        (0, [hop]) if is_events(hop, model) => None,
        (_, hops) => hops.iter().find(|hop| !is_events(hop, model)).or(hops.last()).map(name),
    }
}

/// A person's own events: of the relation between the two, and nothing between.
fn is_events(hop: &Hop, model: Option<&Model>) -> bool {
    let [Step::Many(relation)] = hop.steps[..] else { return false };
    let Some(relation) = model.and_then(|m| m.relations.get(relation)) else { return false };
    let name = |entity: usize| model.and_then(|m| m.entities.get(entity)).map(|e| e.name.as_str());
    name(relation.from) == Some("activity") && name(relation.to) == Some("person")
}
