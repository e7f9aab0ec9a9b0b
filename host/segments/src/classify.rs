//! How a segment can be kept up to date.

use crate::plan::{Node, Plan};
use serde::{Deserialize, Serialize};

/// Streaming: with every change of the person. Batch: by evaluating everybody on a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evaluation", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Classification {
    Streaming,
    /// A condition leaves the person: `hop` is the entity it goes to, `clause` the first condition that does.
    Batch {
        hop: String,
        clause: String,
    },
}

/// What changes with the person itself, so that its change is enough to know.
const STREAMING_ROOTS: [&str; 1] = ["person"];

#[must_use]
pub fn classify(plan: &Plan) -> Classification {
    for condition in plan.leaves().into_iter().filter_map(Node::condition) {
        let hop = condition.fields().into_iter().find(|field| !STREAMING_ROOTS.contains(&field.root.as_str()));
        if let Some(field) = hop {
            return Classification::Batch { hop: field.root.clone(), clause: condition.to_string() };
        }
    }
    Classification::Streaming
}
