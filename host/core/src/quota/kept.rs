//! What of a budget survives the process.

use super::Foreign;
use crate::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A budget as it is kept: with everything spent that may be spent before it is kept again, so that a kill wastes calls
/// and never grants any twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub at: Millis,
    /// Calls of the windows that had not left the longest of them, and the reserved ones.
    pub recent: u64,
    /// Length of the longest window, in seconds.
    pub window_seconds: u32,
    pub days: Vec<KeptDay>,
    /// Who spent what today.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, u64>,
    /// The same by plugin and stream, where a plugin divides the day among its streams. Of a block that was under way when the
    /// process died, nobody knows whose it was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub streams: BTreeMap<String, BTreeMap<String, u64>>,
    /// When `users` begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_until: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<Foreign>,
    /// Nothing was at work any more, and nothing is reserved.
    #[serde(default)]
    pub at_rest: bool,
}

/// A day's budget as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptDay {
    pub resets: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Millis>,
    #[serde(default)]
    pub ahead: u64,
    /// Calls by when they began to count.
    pub buckets: Vec<(Millis, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_until: Option<Millis>,
}
