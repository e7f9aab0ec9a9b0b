//! *Why in, why not*: the conditions that decided, with the values they saw.

use crate::condition::{Ask, Condition, Records};
use crate::evaluate::Vars;
use crate::graph::Surroundings;
use crate::logic::Truth;
use attiva_core::Value;
use attiva_expr::{EvalFault, Expr, Kind, Set};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use std::fmt;

/// The answer for one row, and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RuleExplanation")]
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
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ExplainedCondition")]
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
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "SeenValue")]
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

pub(crate) fn explain(condition: &Condition, vars: &Vars, around: &Surroundings) -> Explanation {
    let answers: Vec<Result<Truth, EvalFault>> =
        condition.leaves.iter().map(|leaf| leaf.ask.answer(vars, around)).collect();
    let given = |leaf: usize| answers[leaf].clone();
    let mut decided = vec![false; answers.len()];
    condition.formula.deciding(&given, &mut |leaf| decided[leaf] = true);
    let answer = condition.formula.answer(&given);
    let told = |answer: &Result<Truth, EvalFault>| match answer {
        Ok(truth) => (Some(*truth), None),
        Err(fault) => (None, Some(fault.message().to_owned())),
    };
    let (truth, fault) = told(&answer);
    let leaves = condition.leaves.iter().zip(&answers).zip(decided).map(|((leaf, answer), decided)| {
        let (truth, fault) = told(answer);
        let clause = leaf.condition.to_string();
        Leaf { clause, truth, fault, decided, saw: seen(&leaf.condition, &leaf.ask, vars, around) }
    });
    Explanation { member: truth == Some(Truth::True), truth, fault, leaves: leaves.collect() }
}

/// Values by name; of a set, how many there are and how many of them meet the condition.
fn seen(condition: &Expr, ask: &Ask, vars: &Vars, around: &Surroundings) -> Vec<Seen> {
    let number = |n: usize| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    match (&condition.kind, ask) {
        (Kind::Quantified(quantified), Ask::Quantified { set, condition, .. }) => {
            let elements = set.elements(vars, around);
            let met = elements.iter().filter(|id| condition.is_true(&vars.with(**id), around)).count();
            let name = name_of(&quantified.set);
            vec![
                Seen { name: format!("{name}.size()"), value: number(elements.len()) },
                Seen { name: format!("of which {}", quantified.condition.body), value: number(met) },
            ]
        }
        (Kind::Sequence(sequence), Ask::Sequence { set, .. }) => {
            vec![Seen { name: format!("{}.size()", name_of(&sequence.set)), value: size(set, vars, around) }]
        }
        (_, Ask::Scalar(code, _)) => {
            let mut saw: Vec<Seen> = Vec::new();
            let mut add = |name: String, value: Value| {
                if saw.iter().all(|s| s.name != name) {
                    saw.push(Seen { name, value });
                }
            };
            outermost(condition, &mut |expr| match &expr.kind {
                Kind::Now => add("now".to_owned(), Value::Timestamp(around.now)),
                _ => add(expr.to_string(), code.read(expr, vars, around)),
            });
            saw
        }
        _ => Vec::new(),
    }
}

fn name_of(set: &Set) -> String {
    let hops = set.hops.iter().map(|hop| hop.name.as_str());
    let filtered = if set.filters.is_empty() { "" } else { " (filtered)" };
    std::iter::once(set.root.as_str()).chain(hops).collect::<Vec<_>>().join(".") + filtered
}

fn size(set: &Records, vars: &Vars, around: &Surroundings) -> Value {
    Value::Integer(i64::try_from(set.elements(vars, around).len()).unwrap_or(i64::MAX))
}

/// What a leaf reads: fields, values of sets, the time; not what is inside of sets.
fn outermost(expr: &Expr, visit: &mut impl FnMut(&Expr)) {
    match &expr.kind {
        Kind::Field(_) | Kind::Now | Kind::Quantified(_) | Kind::Aggregated(_) => visit(expr),
        Kind::Sequence(_) | Kind::InAudience(_) => visit(expr),
        // The amount as it stands is what people know.
        _ => expr.operands().into_iter().for_each(|operand| outermost(operand, visit)),
    }
}
