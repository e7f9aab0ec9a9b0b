//! The row evaluator: one person, now. For streaming, and for *why in, why not*.

use crate::expiry::{Clock, NextChange};
use crate::explain::{self, Explanation};
use crate::logic::{Formula, Truth};
use crate::plan::{Node, Plan};
use attiva_core::Value;
use attiva_core::time::Millis;
use attiva_expr::{EvalFault, Expr, Program};
use serde::{Deserialize, Serialize};

/// A plan compiled for single rows. Made once, shared by threads.
#[derive(Debug)]
pub struct RowEvaluator {
    formula: Formula,
    leaves: Vec<CompiledLeaf>,
}

#[derive(Debug)]
pub(crate) struct CompiledLeaf {
    pub(crate) condition: Expr,
    pub(crate) program: Program,
    clock: Clock,
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
        let mut leaves = Vec::new();
        let formula = compile(plan.root(), &mut leaves);
        Self { formula, leaves }
    }

    /// Whether the row's person belongs to the segment at `now`: only where this is true. The row has a value for each
    /// slot of the scope that the plan was checked against, null where there is none. A fault concerns this row only;
    /// whether its person keeps the membership it had is the caller's to say.
    pub fn evaluate(&self, row: &[Value], now: Millis) -> Result<Truth, EvalFault> {
        self.formula.answer(&|leaf| self.leaf(leaf, row, now))
    }

    /// What `now` makes of a membership that stood at `was_member`.
    pub fn transition(&self, was_member: bool, row: &[Value], now: Millis) -> Result<Transition, EvalFault> {
        let is_member = self.evaluate(row, now)?.is_true();
        Ok(match (was_member, is_member) {
            (false, true) => Transition::Entered,
            (true, false) => Transition::Exited,
            (true, true) | (false, false) => Transition::Stayed,
        })
    }

    /// Which conditions decided, and what they saw. Every condition is evaluated, so it costs more than the answer.
    #[must_use]
    pub fn explain(&self, row: &[Value], now: Millis) -> Explanation {
        explain::explain(&self.formula, &self.leaves, row, now)
    }

    /// The next instant after `now` at which the answer for this row can be another without the row changing. It need
    /// not be another then; before, it is not. Holds for instants in the range of civil dates.
    #[must_use]
    pub fn next_change(&self, row: &[Value], now: Millis) -> NextChange {
        self.leaves.iter().map(|leaf| leaf.clock.next(row, now)).fold(NextChange::Never, NextChange::sooner)
    }

    fn leaf(&self, index: usize, row: &[Value], now: Millis) -> Result<Truth, EvalFault> {
        self.leaves[index].program.truth(row, now).map(Truth::from)
    }
}

fn compile(node: &Node, leaves: &mut Vec<CompiledLeaf>) -> Formula {
    match node {
        Node::Const(truth) => Formula::Const(*truth),
        Node::And(all) => Formula::And(all.iter().map(|one| compile(one, leaves)).collect()),
        Node::Or(all) => Formula::Or(all.iter().map(|one| compile(one, leaves)).collect()),
        Node::Not(inner) => Formula::Not(Box::new(compile(inner, leaves))),
        leaf => match leaf.condition() {
            Some(condition) => {
                let (program, clock) = (Program::new(&condition), Clock::of(&condition));
                leaves.push(CompiledLeaf { condition, program, clock });
                Formula::Leaf(leaves.len() - 1)
            }
            // Every node is one of those above or has a condition.
            None => Formula::Const(Truth::Unknown),
        },
    }
}
