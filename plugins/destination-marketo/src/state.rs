//! What lives between the calls of a run.

use attiva_connector::{Result, decode_state};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Marketo's id of the list.
    pub(crate) list: u64,
    /// Members put on it by this run so far, and taken off.
    pub(crate) added: u64,
    pub(crate) removed: u64,
    /// Those who go in by files, if any do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<Files>,
}

/// The files of a run: each is built in a spool, sent when it is full, and then asked after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    /// Marketo's ids of those that were sent, from file 0 on.
    pub(crate) batches: Vec<u64>,
    /// How many of them have ended and been read.
    pub(crate) read: usize,
    /// Bytes of the file that is being built, and of the list of its members' keys.
    pub(crate) bytes: u64,
    pub(crate) key_bytes: u64,
    /// Members in all files, and those that Marketo refused.
    pub(crate) rows: u64,
    pub(crate) failed: u64,
}

impl State {
    pub(crate) fn new(list: u64) -> Self {
        Self { list, added: 0, removed: 0, files: None }
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        decode_state(bytes)
    }
}
