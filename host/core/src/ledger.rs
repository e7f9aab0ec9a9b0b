//! Desired state against acknowledged state, one member of one target at a time: what a destination last said it has,
//! what is not settled with it, and what has to be sent so that it has what is wanted.

use crate::page::{Operation, OutcomeStatus};
use crate::{Millis, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A member's row by field, without nulls: a field that is not there is null at the destination.
pub type Row = BTreeMap<String, Value>;

/// What a target has of a member, as far as its answers tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// The row that was acknowledged last; `None`: the member is not in the target.
    pub held: Option<Row>,
    /// What was sent and never settled: the target may have it or not.
    pub unsure: Option<Operation>,
    /// Why the member is not as it should be.
    pub refusal: Option<Refusal>,
}

/// What kept a member from being as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub operation: Operation,
    pub why: Why,
    /// The row that was refused; `None` where none could be made, or a removal was refused.
    pub row: Option<Row>,
    /// When it is sent again although nothing changed; `None`: never by itself.
    pub retry_at: Option<Millis>,
    /// Refusals in a row.
    pub attempts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalStatus {
    /// Not sent: a rule or a missing value keeps the member out.
    Excluded,
    /// The destination refused the row.
    Failed,
    /// The destination knows nobody like this.
    Unmatched,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RefusalWhy")]
pub struct Why {
    pub status: RefusalStatus,
    /// The vendor's, or ours. Stable.
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    pub message: String,
}

impl Why {
    /// A member that is not sent.
    pub fn excluded(code: impl Into<String>, field: Option<&str>, message: impl Into<String>) -> Self {
        let field = field.map(ToOwned::to_owned);
        Self { status: RefusalStatus::Excluded, code: code.into(), field, message: message.into() }
    }
}

/// What the target should have of a member.
#[derive(Debug, Clone, PartialEq)]
pub enum Desired {
    Row(Row),
    /// It is wanted and must not or cannot be sent; what a target already has of it goes.
    Excluded(Why),
    Unwanted,
}

/// What to do about a member.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Send(Operation),
    /// The target has it so.
    Unchanged,
    /// Nothing is sent, because of this.
    Kept(Why),
}

/// Compares what is wanted with what was acknowledged.
#[must_use]
pub fn decide(desired: &Desired, standing: &Standing, now: Millis) -> Decision {
    let (operation, row) = match desired {
        Desired::Row(row) if standing.unsure.is_none() && standing.held.as_ref() == Some(row) => {
            return Decision::Unchanged;
        }
        Desired::Row(row) => (Operation::Upsert, Some(row)),
        Desired::Excluded(why) if standing.is_surely_absent() => return Decision::Kept(why.clone()),
        Desired::Unwanted if standing.is_surely_absent() => return Decision::Unchanged,
        Desired::Excluded(_) | Desired::Unwanted => (Operation::Remove, None),
    };
    match &standing.refusal {
        // Before anything is asked again.
        Some(refusal) if refusal.is_of(Operation::Upsert, row) && standing.has_somebody_of_before() => {
            Decision::Send(Operation::Remove)
        }
        Some(refusal) if refusal.is_of(operation, row) && !refusal.is_due(now) => Decision::Kept(refusal.why.clone()),
        _ => Decision::Send(operation),
    }
}

impl Standing {
    /// Neither held nor on its way.
    #[must_use]
    pub fn is_surely_absent(&self) -> bool {
        self.held.is_none() && self.unsure.is_none()
    }

    /// The vendor knows nobody by what is wanted, and holds somebody as the member was before: it is taken out, whatever
    /// becomes of the member.
    #[must_use]
    pub fn has_somebody_of_before(&self) -> bool {
        let is_unmatched = self.refusal.as_ref().is_some_and(|it| it.why.status == RefusalStatus::Unmatched);
        let may_be_there = match self.unsure {
            None => self.held.is_some(),
            // It was being taken out, and nobody knows whether it is.
            Some(operation) => operation == Operation::Remove,
        };
        is_unmatched && may_be_there
    }

    /// The standing after the destination's answer to a row that was sent. `None`: nothing is left to remember.
    #[must_use]
    pub fn after(self, sent: Sent, answer: &Answer, now: Millis) -> Option<Self> {
        use OutcomeStatus as S;
        let why = |status| Why {
            status,
            code: answer.code.clone(),
            field: answer.field.clone(),
            message: answer.message.clone(),
        };
        let (held, status) = match (sent.operation, answer.status) {
            (_, S::Pending) => return Some(Self { unsure: Some(sent.operation), ..self }),
            (Operation::Upsert, S::Created | S::Updated | S::Unchanged) => {
                return Some(Self { held: Some(sent.row), unsure: None, refusal: None });
            }
            // It is gone, whether or not that was asked for.
            (Operation::Upsert, S::Removed) => return None,
            // That the vendor knows nobody by what is wanted is as true as before.
            (Operation::Remove, S::Removed | S::Unchanged | S::Unmatched) => {
                // Two rows of it may be there: the one that was never answered is gone, the one of before is next.
                let held = self.held.filter(|held| sent.doubt == Doubt::Other && *held != sent.row);
                let refusal = self.refusal.filter(|it| it.why.status == RefusalStatus::Unmatched);
                let is_left = held.is_some() || refusal.is_some();
                return is_left.then_some(Self { held, unsure: None, refusal });
            }
            // Nobody is known by what is wanted; who was put in as somebody else may be there still.
            (Operation::Upsert, S::Unmatched) => (self.held, RefusalStatus::Unmatched),
            // A removal that was answered as an addition is not done.
            (_, S::Rejected) | (Operation::Remove, S::Created | S::Updated) => (self.held, RefusalStatus::Failed),
        };
        let attempts = self.refusal.as_ref().map_or(0, |r| r.attempts).saturating_add(1);
        let refusal = Refusal {
            operation: sent.operation,
            why: why(status),
            row: (sent.operation == Operation::Upsert).then_some(sent.row),
            retry_at: match status {
                // Whom the vendor does not know today it may know tomorrow.
                RefusalStatus::Unmatched => Some(asked_again_at(now, attempts)),
                RefusalStatus::Failed | RefusalStatus::Excluded => {
                    answer.passes.then(|| now.saturating_add(pause_ms(attempts)))
                }
            },
            attempts,
        };
        let in_doubt = match sent.doubt {
            Doubt::None => false,
            // What is refused for good was refused before as well.
            Doubt::Same => answer.passes,
            Doubt::Other => true,
        };
        let unsure = (in_doubt && status == RefusalStatus::Failed).then_some(sent.operation);
        Some(Self { held, unsure, refusal: Some(refusal) })
    }
}

/// What was sent of a member.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub operation: Operation,
    pub row: Row,
    pub doubt: Doubt,
}

/// What is on its way beside what was sent last: a refusal of the last says nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    None,
    /// The same, sent before.
    Same,
    /// Another row or operation.
    Other,
}

/// What a destination answered to a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: OutcomeStatus,
    pub code: String,
    pub field: Option<String>,
    pub message: String,
    /// A refusal that may pass by itself, by the specification's `delivery.transient_codes`.
    pub passes: bool,
}

impl Refusal {
    /// Whether the same was refused.
    fn is_of(&self, operation: Operation, row: Option<&Row>) -> bool {
        self.operation == operation && self.row.as_ref() == row
    }

    fn is_due(&self, now: Millis) -> bool {
        self.retry_at.is_some_and(|at| at <= now)
    }
}

/// Pause before a row that was refused `attempts` times is sent again, in milliseconds: from a minute to a day.
fn pause_ms(attempts: u32) -> i64 {
    const FIRST_MS: i64 = 60_000;
    const LAST_MS: i64 = 24 * 60 * 60 * 1000;
    (FIRST_MS << attempts.saturating_sub(1).min(11)).min(LAST_MS)
}

/// When somebody whom the vendor did not know `attempts` times is asked for again: after a day, or up to 32, at the next full
/// hour, so that those who were asked for one after the other go together.
fn asked_again_at(now: Millis, attempts: u32) -> Millis {
    const HOUR_MS: i64 = 60 * 60 * 1000;
    let pause = (24 * HOUR_MS) << attempts.saturating_sub(1).min(5);
    let hour = now.saturating_add(pause).div_euclid(HOUR_MS);
    hour.saturating_add(1).saturating_mul(HOUR_MS)
}

/// Share of a target's members, in percent, that a delivery may remove unless its activation says otherwise.
pub const REMOVALS_PERCENT: u8 = 20;
/// So few removals never stop a delivery: of a small target they are a large share.
pub const REMOVALS_FREE: u64 = 10;

/// Whether a delivery that would remove so many of the members a target has needs somebody's word.
#[must_use]
pub fn needs_approval(removals: u64, held: u64, percent_max: u8) -> bool {
    removals > REMOVALS_FREE && removals.saturating_mul(100) > held.saturating_mul(u64::from(percent_max))
}

#[cfg(test)]
mod tests;
