//! The row evaluator: one record, now. For streaming, and for *why in, why not*.

use crate::condition::{Compiler, Condition};
use crate::evaluate::Vars;
use crate::expiry::NextChange;
use crate::explain::{self, Explanation};
use crate::graph::{Alone, Id, NoRates, Surroundings};
use crate::logic::Truth;
use crate::plan::Plan;
use attiva_core::Value;
use attiva_core::time::Millis;
use attiva_expr::EvalFault;
use serde::{Deserialize, Serialize};

/// A plan compiled for single records. Made once, shared by threads.
#[derive(Debug)]
pub struct RowEvaluator {
    condition: Condition,
}

/// What an evaluation does to a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transition {
    Entered,
    Exited,
    /// Inside or outside, as before.
    Stayed,
}

impl RowEvaluator {
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self { condition: Compiler::new(plan.entity().unwrap_or_default()).condition(plan.root()) }
    }

    /// Whether a record belongs to the segment: only where this is true. A fault concerns this record only; whether it
    /// keeps the membership it had is the caller's to say.
    pub fn evaluate_in(&self, id: Id, around: &Surroundings) -> Result<Truth, EvalFault> {
        self.condition.answer(&Vars::root(id), around)
    }

    /// As [`Self::evaluate_in`], for a row that stands alone: it has a value for each slot of the scope, null where
    /// there is none. What a plan asks of other records, it is answered as if there were none.
    pub fn evaluate(&self, row: &[Value], now: Millis) -> Result<Truth, EvalFault> {
        alone(row, now, |around| self.evaluate_in(0, around))
    }

    /// What `now` makes of a membership that stood at `was_member`.
    pub fn transition(&self, was_member: bool, row: &[Value], now: Millis) -> Result<Transition, EvalFault> {
        Ok(moved(was_member, self.evaluate(row, now)?))
    }

    /// As [`Self::transition`], for a record with others around it.
    pub fn transition_in(&self, was_member: bool, id: Id, around: &Surroundings) -> Result<Transition, EvalFault> {
        Ok(moved(was_member, self.evaluate_in(id, around)?))
    }

    /// Which conditions decided, and what they saw. Every condition is evaluated, so it costs more than the answer.
    #[must_use]
    pub fn explain_in(&self, id: Id, around: &Surroundings) -> Explanation {
        explain::explain(&self.condition, &Vars::root(id), around)
    }

    /// As [`Self::explain_in`], for a row that stands alone.
    #[must_use]
    pub fn explain(&self, row: &[Value], now: Millis) -> Explanation {
        alone(row, now, |around| self.explain_in(0, around))
    }

    /// The next instant after now at which the answer can be another without anything changing. It need not be another
    /// then; before, it is not. Holds for instants in the range of civil dates, and for as long as the audiences asked
    /// for and the rates of exchange stay.
    #[must_use]
    pub fn next_change_in(&self, id: Id, around: &Surroundings) -> NextChange {
        self.condition.next_change(&Vars::root(id), around)
    }

    /// As [`Self::next_change_in`], for a row that stands alone.
    #[must_use]
    pub fn next_change(&self, row: &[Value], now: Millis) -> NextChange {
        alone(row, now, |around| self.next_change_in(0, around))
    }
}

fn alone<T>(row: &[Value], now: Millis, ask: impl FnOnce(&Surroundings) -> T) -> T {
    ask(&Surroundings { graph: &Alone(row), rates: &NoRates, now })
}

fn moved(was_member: bool, truth: Truth) -> Transition {
    match (was_member, truth.is_true()) {
        (false, true) => Transition::Entered,
        (true, false) => Transition::Exited,
        (true, true) | (false, false) => Transition::Stayed,
    }
}
