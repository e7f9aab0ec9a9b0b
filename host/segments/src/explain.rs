//! *Why in, why not*: the conditions that decided, with the values they saw.

use crate::logic::{Formula, Truth};
use crate::row::CompiledLeaf;
use attiva_core::Value;
use attiva_core::time::Millis;
use attiva_expr::{EvalFault, Kind};
use serde::{Serialize, Serializer};
use std::fmt;

/// The answer for one row, and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    pub member: bool,
    /// Absent: there is none, for the fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Every condition, in the order of the segment's text.
    pub leaves: Vec<Leaf>,
}

/// One condition of the segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Leaf {
    /// As an expression: `person.department == "HR"`.
    pub clause: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Whether the answer is what it is because of this condition.
    pub decided: bool,
    pub saw: Vec<Seen>,
}

/// A value that a condition looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Seen {
    /// `person.department`, or `now`.
    pub name: String,
    #[serde(serialize_with = "for_people")]
    pub value: Value,
}

fn for_people<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_json().serialize(serializer)
}

impl Explanation {
    /// The conditions that decided.
    pub fn deciding(&self) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().filter(|leaf| leaf.decided)
    }
}

impl fmt::Display for Explanation {
    /// `not a member, because`, and a line for each condition that decided.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.member { "a member" } else { "not a member" };
        if self.deciding().next().is_none() {
            return write!(f, "{verdict}, whoever the person is");
        }
        write!(f, "{verdict}, because")?;
        self.deciding().try_for_each(|leaf| write!(f, "\n  {leaf}"))
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.truth, &self.fault) {
            (Some(truth), _) => write!(f, "{} is {}", self.clause, truth.as_str())?,
            (None, fault) => write!(f, "{} has no answer: {}", self.clause, fault.as_deref().unwrap_or_default())?,
        }
        for (i, seen) in self.saw.iter().enumerate() {
            let before = if i == 0 { " (" } else { ", " };
            write!(f, "{before}{} is {}", seen.name, seen.value.to_json())?;
        }
        if self.saw.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

pub(crate) fn explain(formula: &Formula, leaves: &[CompiledLeaf], row: &[Value], now: Millis) -> Explanation {
    let answers: Vec<Result<Truth, EvalFault>> =
        leaves.iter().map(|leaf| leaf.program.truth(row, now).map(Truth::from)).collect();
    let given = |leaf: usize| answers[leaf].clone();
    let mut decided = vec![false; leaves.len()];
    formula.deciding(&given, &mut |leaf| decided[leaf] = true);
    let answer = formula.answer(&given);
    let told = |answer: &Result<Truth, EvalFault>| match answer {
        Ok(truth) => (Some(*truth), None),
        Err(fault) => (None, Some(fault.message().to_owned())),
    };
    let (truth, fault) = told(&answer);
    let leaves = leaves.iter().zip(&answers).zip(decided).map(|((leaf, answer), decided)| {
        let (truth, fault) = told(answer);
        Leaf { clause: leaf.condition.to_string(), truth, fault, decided, saw: seen(leaf, row, now) }
    });
    Explanation { member: truth == Some(Truth::True), truth, fault, leaves: leaves.collect() }
}

fn seen(leaf: &CompiledLeaf, row: &[Value], now: Millis) -> Vec<Seen> {
    let mut saw: Vec<Seen> = Vec::new();
    leaf.condition.walk(&mut |expr| {
        let (name, value) = match &expr.kind {
            Kind::Field(field) => {
                (format!("{}.{}", field.root, field.name), row.get(field.slot).cloned().unwrap_or(Value::Null))
            }
            Kind::Now => ("now".to_owned(), Value::Timestamp(now)),
            _ => return,
        };
        if saw.iter().all(|s| s.name != name) {
            saw.push(Seen { name, value });
        }
    });
    saw
}
