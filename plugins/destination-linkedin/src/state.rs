//! What lives between the calls of a run.

use attiva_connector::{Result, decode_state};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// LinkedIn's id of the segment.
    pub(crate) segment: u64,
    /// When it was made, in milliseconds since 1970, by LinkedIn's clock or ours.
    pub(crate) created_ms: u64,
    /// It was made by this run.
    pub(crate) is_new: bool,
    /// Members put in by this run so far.
    #[serde(default)]
    pub(crate) added: u64,
    #[serde(default)]
    pub(crate) removed: u64,
}

impl State {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        decode_state(bytes)
    }
}
