//! One lead's journey, to watch: a simulated Marketo, an S3 endpoint that others wrote, and a host, all in this
//! process; everything done through the HTTP API, as anybody would; and the file that lands in the bucket compared,
//! field by field, with what the simulator knows.

mod bucket;
mod compare;
mod journey;
mod stage;
mod truth;

pub(crate) use journey::Journey;
pub(crate) use stage::{Stage, StageOptions};

use compare::Comparison;
use serde_json::{Value, json};
use std::time::Duration;

/// How the demo ended.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) leads_sent: u64,
    pub(crate) profiles: u64,
    pub(crate) members: u64,
    pub(crate) excluded: u64,
    pub(crate) object: String,
    pub(crate) object_bytes: u64,
    pub(crate) comparison: Comparison,
    pub(crate) took: Duration,
}

impl Outcome {
    /// Whether everything agrees.
    pub(crate) fn agrees(&self) -> bool {
        self.comparison.differences.is_empty()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "leads_sent": self.leads_sent,
            "profiles": self.profiles,
            "members": self.members,
            "excluded": self.excluded,
            "rows_in_bucket": self.comparison.rows,
            "fields_compared": self.comparison.fields_compared,
            "mismatches": self.comparison.count,
            "differences": self.comparison.differences,
            "object": self.object,
            "object_bytes": self.object_bytes,
            "seconds": (self.took.as_secs_f64() * 1000.0).round() / 1000.0,
        })
    }
}
