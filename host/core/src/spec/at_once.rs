//! How many batches of one delivery a destination takes at once.

use super::DeliveryMode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Batches that may be with a destination at once. Whoever declares it promises that a batch depends on no other one of its
/// delivery: where one has left the state as it was, those after it do as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtOnce {
    pub batches: u32,
    /// Fields by which the vendor tells members apart: two rows with the same value in one of them never go at once.
    pub keys: Vec<String>,
}

impl AtOnce {
    const BATCHES_MAX: u32 = 16;

    pub(super) fn problem(&self, mode: DeliveryMode) -> Option<&'static str> {
        if mode == DeliveryMode::Snapshot {
            return Some("a whole is made of its batches in their order: only targets that keep their members have it");
        }
        if !(2..=Self::BATCHES_MAX).contains(&self.batches) {
            return Some("`batches` must be 2 to 16");
        }
        if self.keys.is_empty() || self.keys.iter().any(String::is_empty) {
            return Some("`keys` must name the fields by which members are told apart");
        }
        None
    }
}
