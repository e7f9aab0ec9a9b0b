//! What goes from one record to others: hops, sets of records, and what is asked of a set. Part of the checked
//! expression. Nothing here is evaluated in this crate, which knows values alone: that is for whoever has the records.

use crate::ast::{Expr, Kind, Type};
use attiva_core::time::Millis;
use serde::{Deserialize, Serialize};

/// One step from a record to others. Relations and entities are numbered as in [`crate::Model`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// To the one record that this one's relation names, if it names one.
    One(usize),
    /// To all records whose relation names this one.
    Many(usize),
    /// Along a relation of an entity to itself, as often as it goes: each record once, never the first itself, whatever
    /// circles there are.
    Ancestors(usize),
    /// The same, the other way.
    Descendants(usize),
}

/// A name that was written, and the steps it stands for: `accounts` of a person goes through its records.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hop {
    pub name: String,
    pub steps: Vec<Step>,
    /// The entity there.
    pub to: usize,
}

/// Records reached from another, each once, of which a condition may hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The variable it starts from, by level: 0 is the record the whole expression is about.
    pub from: usize,
    /// That variable's name.
    pub root: String,
    /// At least one.
    pub hops: Vec<Hop>,
    /// What its elements are.
    pub entity: usize,
    /// The level of the variable that stands for an element, in the filter and in what is asked of the set.
    pub level: usize,
    /// An element belongs where all are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Lambda>,
}

impl Set {
    /// All steps, one after the other.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.hops.iter().flat_map(|hop| hop.steps.iter().copied()).collect()
    }
}

/// An expression about one element, and what the element is called in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    pub name: String,
    pub body: Expr,
}

/// How many elements of a set must meet a condition. The answer is true or false: where the condition is unknown for an
/// element, it is not met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantifier {
    Exists,
    /// True for an empty set.
    All,
    None,
    ExistsOne,
    AtLeast(u32),
    /// At least this share of the elements, a decimal over 0 and up to 1; false for an empty set.
    ShareOf(String),
}

impl Quantifier {
    /// As it is written.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exists => "exists",
            Self::All => "all",
            Self::None => "none",
            Self::ExistsOne => "exists_one",
            Self::AtLeast(_) => "atLeast",
            Self::ShareOf(_) => "shareOf",
        }
    }

    /// Whether elements that do not meet the condition make no difference to the answer.
    #[must_use]
    pub fn ignores_unmet(&self) -> bool {
        match self {
            Self::Exists | Self::None | Self::ExistsOne | Self::AtLeast(_) => true,
            Self::All | Self::ShareOf(_) => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantified {
    pub how: Quantifier,
    pub set: Set,
    pub condition: Lambda,
}

/// A value of a whole set. What is null in an element is left out, as in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    Count,
    /// Of nothing: 0.
    Sum,
    /// Of nothing: null, as the next two.
    Min,
    Max,
    /// A decimal, with at most 18 digits after the point, half to even.
    Average,
}

impl Aggregate {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "size",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Average => "average",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregated {
    pub how: Aggregate,
    pub set: Set,
    /// None for a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Lambda>,
}

/// Whether a record belongs to an audience.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    pub audience: String,
    /// The record, by the variable's level and the hops from there.
    pub var: usize,
    pub root: String,
    pub hops: Vec<Hop>,
}

/// Events of a set that follow each other. Each step's event is later than the one before: equal times are no order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    pub set: Set,
    /// The field with an event's instant, by its place.
    pub time: usize,
    /// At least two.
    pub steps: Vec<SequenceStep>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequenceStep {
    pub condition: Lambda,
    /// How long after the event before: less than this, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_ms: Option<Millis>,
    /// No event like this lies between the event before and this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_between: Option<Lambda>,
}

impl Sequence {
    /// Every expression about an event.
    pub fn lambdas(&self) -> impl Iterator<Item = &Lambda> {
        self.steps.iter().flat_map(|step| step.not_between.iter().chain([&step.condition]))
    }
}

impl Aggregate {
    /// The type of the aggregate of values of a type; none where there is none.
    pub(crate) fn result(self, of: Type) -> Option<Type> {
        use Type::{Date, Decimal, Float, Integer, Timestamp};
        match (self, of) {
            (Self::Count, _) => Some(Integer),
            (Self::Sum, Integer | Decimal) => Some(of),
            (Self::Average, Integer | Decimal) => Some(Decimal),
            (Self::Min | Self::Max, Integer | Decimal | Float | Date | Timestamp) => Some(of),
            _ => None,
        }
    }
}

/// The variable of a level where it does not matter what it is called.
fn variable(level: usize) -> String {
    format!("v{level}")
}

impl Expr {
    /// The same expression as seen from `by` levels further in, with variables called by their levels: two that mean
    /// the same are then equal. Nothing in it may be about a level outside of that.
    pub fn relevel(&mut self, by: usize) {
        match &mut self.kind {
            Kind::Field(field) => {
                field.var = field.var.saturating_sub(by);
                field.root = variable(field.var);
            }
            Kind::InAudience(membership) => {
                membership.var = membership.var.saturating_sub(by);
                membership.root = variable(membership.var);
            }
            Kind::Quantified(q) => {
                q.set.relevel(by);
                q.condition.relevel(by, q.set.level);
            }
            Kind::Aggregated(a) => {
                a.set.relevel(by);
                a.value.iter_mut().for_each(|value| value.relevel(by, a.set.level));
            }
            Kind::Sequence(s) => {
                s.set.relevel(by);
                let level = s.set.level;
                for step in &mut s.steps {
                    step.condition.relevel(by, level);
                    step.not_between.iter_mut().for_each(|between| between.relevel(by, level));
                }
            }
            _ => {
                let whole = std::mem::replace(self, Expr::new(Kind::Now, Type::Timestamp, self.at));
                *self = whole.map_operands(&mut |mut operand| {
                    operand.relevel(by);
                    operand
                });
            }
        }
    }

    /// The outermost level that it is about; none if it is about no record.
    #[must_use]
    pub fn outermost(&self) -> Option<usize> {
        let mut least: Option<usize> = None;
        self.walk(&mut |expr| {
            let level = match &expr.kind {
                Kind::Field(field) => Some(field.var),
                Kind::InAudience(membership) => Some(membership.var),
                Kind::Quantified(q) => Some(q.set.from),
                Kind::Aggregated(a) => Some(a.set.from),
                Kind::Sequence(s) => Some(s.set.from),
                _ => None,
            };
            least = match (least, level) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        });
        least
    }
}

impl Set {
    fn relevel(&mut self, by: usize) {
        self.from = self.from.saturating_sub(by);
        self.root = variable(self.from);
        self.level = self.level.saturating_sub(by);
        let level = self.level;
        self.filters.iter_mut().for_each(|filter| filter.relevel(by, level));
    }
}

impl Lambda {
    fn relevel(&mut self, by: usize, level: usize) {
        self.name = variable(level);
        self.body.relevel(by);
    }
}
