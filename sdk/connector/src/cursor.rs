//! Cursors and delivery states: any serde type as JSON bytes, with the version of its form.

use crate::{Cursor, Fault, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes a cursor or a delivery state may have.
pub(crate) const STATE_BYTES_MAX: usize = 64 * 1024;

/// A delivery state's bytes.
///
/// # Errors
/// `internal` `state.encode`, `state.too-large` (over 64 KiB).
pub fn encode_state(state: &impl Serialize) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(state)
        .map_err(|e| Fault::internal("state.encode", format!("the state does not serialise: {e}")))?;
    if bytes.len() > STATE_BYTES_MAX {
        let message = format!("the state has {} bytes; at most {STATE_BYTES_MAX}", bytes.len());
        return Err(Fault::internal("state.too-large", message));
    }
    Ok(bytes)
}

/// A delivery state read back.
///
/// # Errors
/// `internal` `state.decode`: not what [`encode_state`] wrote for this type.
pub fn decode_state<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|e| Fault::internal("state.decode", format!("the stored state cannot be read: {e}")))
}

impl Cursor {
    /// A cursor that holds `state`, in the form of `state_version`.
    ///
    /// # Errors
    /// As [`encode_state`].
    pub fn encode(state_version: u32, state: &impl Serialize) -> Result<Self> {
        Ok(Self { state_version, bytes: encode_state(state)? })
    }

    /// What the cursor holds. `state_version` is the version this code knows.
    ///
    /// # Errors
    /// `internal` `state.version`: the cursor has another version and was not migrated; else as [`decode_state`].
    pub fn decode<T: DeserializeOwned>(&self, state_version: u32) -> Result<T> {
        if self.state_version != state_version {
            let message =
                format!("the cursor has version {}, this connector reads {state_version}", self.state_version);
            return Err(Fault::internal("state.version", message));
        }
        decode_state(&self.bytes)
    }
}
