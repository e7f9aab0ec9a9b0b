//! What a delivery would do, and what keeps it from doing it.

use crate::id::ProfileId;
use crate::ledger::{self, Row};
use crate::page::Operation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What holds a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeliveryHold")]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Its activation is paused.
    Paused,
    /// It would remove a larger share of the target's members than its activation allows.
    Removals,
}

/// What a delivery would send, and what it would not. Counted before the first call that writes; what changes meanwhile
/// is sent as it is then.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeliveryPlan")]
pub struct Plan {
    /// Members of the target, as it last acknowledged them.
    pub held: u64,
    pub upserts: u64,
    pub removals: u64,
    /// Of a delivery that follows changes: what those of the hour before it have taken out, which counts as if it were one
    /// of these.
    #[serde(default, skip_serializing_if = "is_none")]
    pub removed_lately: u64,
    pub unchanged: u64,
    pub excluded: u64,
    /// Refused before, and nothing of it has changed.
    pub failed: u64,
    pub unmatched: u64,
    /// The first rows of each operation; of a dry run only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Plan {
    /// Whether it would take out more than `percent` of those whom the target holds, or held an hour ago.
    #[must_use]
    pub fn needs_approval(&self, percent: u8) -> bool {
        let Self { held, removals, removed_lately, .. } = *self;
        removals > 0 && ledger::needs_approval(removals + removed_lately, held + removed_lately, percent)
    }

    #[must_use]
    pub fn sends(&self) -> u64 {
        self.upserts + self.removals
    }
}

/// A row as it would be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeliverySample")]
pub struct Sample {
    pub profile: ProfileId,
    pub operation: Operation,
    pub row: Row,
}
