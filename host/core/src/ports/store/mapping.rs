//! What mappings leave behind beside profiles: errors, the stages seen, and streams that become something else.

use crate::Millis;
use crate::id::ConnectionId;
use crate::model::EntityName;
use serde::{Deserialize, Serialize};

/// What a stream's records are of from now on; `None`: of nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamMove {
    pub connection: ConnectionId,
    pub stream: String,
    pub entity: Option<EntityName>,
}

/// A field that a mapping left empty, and how often since the mapping was published. A record that is told or looked at
/// again counts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    pub connection: ConnectionId,
    pub stream: String,
    pub field: String,
    /// Stable: `mapping.value`, `identity.value`.
    pub code: String,
    pub count: u64,
    /// The source key of the newest.
    pub sample: String,
    /// When the newest was met.
    pub at: Millis,
}

/// A stage that an opportunity's record said at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    pub source_key: String,
    pub stage: String,
    pub at: Millis,
}
