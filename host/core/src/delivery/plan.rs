//! What a delivery would do, and what keeps it from doing it.

use crate::id::ProfileId;
use crate::ledger::Row;
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
    pub unchanged: u64,
    pub excluded: u64,
    /// Refused before, and nothing of it has changed.
    pub failed: u64,
    pub unmatched: u64,
    /// The first rows of each operation; of a dry run only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
}

impl Plan {
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
