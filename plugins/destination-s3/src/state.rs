//! What lives between the calls of a run: a few numbers and an upload's id. The bytes are in spools, and so are the
//! parts' ETags: ten thousand of them would not fit a state.

use attiva_connector::{Host, Result, decode_state};
use serde::{Deserialize, Serialize};

/// The spool that holds the whole file.
pub(crate) const FILE: &str = "file";
/// The spool that holds one line per part sent: its ETag, as S3 gave it.
pub(crate) const ETAGS: &str = "etags";

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Bytes of the file so far.
    pub(crate) spooled: u64,
    pub(crate) rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<Sent>,
    /// Uploads that were gone before they were whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) lost: u32,
}

/// A multipart upload and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) parts: u32,
    /// Bytes of the file in those parts.
    pub(crate) bytes: u64,
    /// Length of the spool of ETags.
    pub(crate) etag_bytes: u64,
}

impl Sent {
    pub(crate) fn begin(id: String) -> Self {
        Self { id, parts: 0, bytes: 0, etag_bytes: 0 }
    }
}

impl State {
    /// Reads a state; an empty one is of a run whose `prepare` never answered.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() { Ok(Self::default()) } else { decode_state(bytes) }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

pub(crate) fn remove_spools(host: &dyn Host) -> Result<()> {
    host.spool(FILE).remove()?;
    host.spool(ETAGS).remove()
}
