//! Whether a rule can be answered at a request: of the person's own fields, of audiences, and of what happened to the
//! person in the last day. More of a person is not read while somebody waits.

use crate::classify::{Classification, Reason, classify};
use crate::plan::Plan;
use attiva_core::Value;
use attiva_core::time::Millis;
use attiva_expr::{ArithmeticOp, CompareOp, Expr, Function, Kind, Model, Position, Quantified, Set};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far back events are read for a request, in milliseconds: a day.
pub const EDGE_WINDOW_MS: Millis = 86_400_000;

const DAY_MS: Millis = 86_400_000;

/// What a rule that qualifies reads beside the person's own row and audiences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeNeeds {
    /// Events of the last [`EDGE_WINDOW_MS`].
    pub events: bool,
}

/// What keeps a rule from being answered at a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EdgeLimit")]
#[serde(rename_all = "kebab-case")]
pub enum EdgeLimit {
    /// It goes to another record.
    Hop,
    /// It hangs on events older than a day, or of whatever age.
    Window,
    /// Only the first of an order belong, which hangs on everybody.
    Rank,
}

/// Why a rule is not answered at a request: the condition that decided, where it stands and what it goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeReason {
    pub limit: EdgeLimit,
    /// What it goes to: `accounts`, `events`.
    pub hop: String,
    /// The first condition that does.
    pub clause: String,
    pub line: u32,
    pub column: u32,
}

impl EdgeReason {
    /// Of a rule of which only the first by a value belong.
    #[must_use]
    pub fn of_everybody(by: &str) -> Self {
        let Position { line, column } = Position::START;
        Self { limit: EdgeLimit::Rank, hop: "everybody".to_owned(), clause: by.to_owned(), line, column }
    }
}

/// Whether a plan can be answered at a request, by the model it was checked against.
///
/// # Errors
/// The first condition that cannot.
pub fn edge(plan: &Plan, model: Option<&Model>) -> Result<EdgeNeeds, EdgeReason> {
    if let Classification::Batch(Reason { hop, clause, line, column }) = classify(plan, model) {
        return Err(EdgeReason { limit: EdgeLimit::Hop, hop, clause, line, column });
    }
    let mut needs = EdgeNeeds { events: false };
    for leaf in plan.leaves() {
        let condition = leaf.expression();
        if let Some((hop, at)) = old(&condition, model, &mut needs) {
            let Position { line, column } = at;
            return Err(EdgeReason { limit: EdgeLimit::Window, hop, clause: condition.to_string(), line, column });
        }
    }
    Ok(needs)
}

/// The first set in a condition whose answer may hang on events older than a day, and where it stands. Streaming has no
/// other sets than events of the person.
fn old(condition: &Expr, model: Option<&Model>, needs: &mut EdgeNeeds) -> Option<(String, Position)> {
    let mut found = None;
    condition.walk(&mut |expr| {
        let (set, is_recent) = match &expr.kind {
            Kind::Quantified(q) => (&q.set, of_quantified(q, model)),
            Kind::Aggregated(a) => (&a.set, is_filtered(&a.set, model)),
            // Each step is later than the one before: the first is the oldest that counts.
            Kind::Sequence(s) => {
                let first = s.steps.first().is_some_and(|step| is_bound(&step.condition.body, &s.set, model));
                (&s.set, first || is_filtered(&s.set, model))
            }
            _ => return,
        };
        needs.events = true;
        if !is_recent && found.is_none() {
            found = Some((set.hops.first().map(|hop| hop.name.clone()).unwrap_or_default(), expr.at));
        }
    });
    found
}

/// Where elements that do not meet the condition make no difference, it bounds, too.
fn of_quantified(quantified: &Quantified, model: Option<&Model>) -> bool {
    is_filtered(&quantified.set, model)
        || (quantified.how.ignores_unmet() && is_bound(&quantified.condition.body, &quantified.set, model))
}

fn is_filtered(set: &Set, model: Option<&Model>) -> bool {
    set.filters.iter().any(|filter| is_bound(&filter.body, set, model))
}

/// Whether a condition is true of no element older than the window.
fn is_bound(condition: &Expr, set: &Set, model: Option<&Model>) -> bool {
    let time = model.and_then(|model| model.entities.get(set.entity)?.field("time"));
    let is_time = |expr: &Expr| match &expr.kind {
        Kind::Field(field) => field.var == set.level && field.hops.is_empty() && Some(field.slot) == time,
        _ => false,
    };
    match &condition.kind {
        Kind::And(all) => all.iter().any(|one| is_bound(one, set, model)),
        Kind::Or(all) => !all.is_empty() && all.iter().all(|one| is_bound(one, set, model)),
        Kind::Compare { op, left, right } => {
            let (later, earlier) = match op {
                CompareOp::Gt | CompareOp::Ge => (left, right),
                CompareOp::Lt | CompareOp::Le => (right, left),
                CompareOp::Eq | CompareOp::Ne => return false,
            };
            if is_time(later) {
                return lookback(earlier).is_some_and(|ago| ago <= EDGE_WINDOW_MS);
            }
            // `now - e.time < hours(5)`
            match &earlier.kind {
                Kind::Arithmetic { op: ArithmeticOp::Subtract, left, right } if is_time(right) => {
                    let (Some(ago), Some(length)) = (lookback(left), length(later)) else { return false };
                    ago.checked_add(length).is_some_and(|ago| ago <= EDGE_WINDOW_MS)
                }
                _ => false,
            }
        }
        _ => false,
    }
}

/// How long before the evaluation an instant is at most, in milliseconds; `None`: that is not known here.
fn lookback(instant: &Expr) -> Option<Millis> {
    match &instant.kind {
        Kind::Now => Some(0),
        Kind::Call { function: Function::StartOfDay, args } => lookback(args.first()?)?.checked_add(DAY_MS - 1),
        Kind::Arithmetic { op: ArithmeticOp::Subtract, left, right } => lookback(left)?.checked_add(length(right)?),
        Kind::Arithmetic { op: ArithmeticOp::Add, left, right } => lookback(left)?.checked_sub(length(right)?),
        _ => None,
    }
}

/// A duration that is written out.
fn length(duration: &Expr) -> Option<Millis> {
    match &duration.kind {
        Kind::Literal(Value::Integer(ms)) => Some(*ms),
        _ => None,
    }
}
