//! What evaluations may cost: a segment that runs over it has no answer, and holds nobody up.

use attiva_core::{Fault, FaultKind};
use attiva_segments::Metered;

/// Records that an evaluation may look at, each as often as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// For one profile.
    pub one: u64,
    /// For everybody, in each of the conditions.
    pub all: u64,
}

impl Default for Budget {
    /// For one profile: the largest person has some thousand events, and a rule some dozen conditions on them. For
    /// everybody: a hundred times the events of the largest sandbox that was measured.
    fn default() -> Self {
        Self { one: 5_000_000, all: 2_000_000_000 }
    }
}

/// # Errors
/// That it was too much: then what was answered counts for nothing.
pub(super) fn within(metered: &Metered<'_>, segment: &str) -> Result<(), Fault> {
    if metered.is_spent() { Err(overrun(segment)) } else { Ok(()) }
}

/// The evaluation of a segment costs more than it may.
pub(super) fn overrun(segment: &str) -> Fault {
    let message = format!("the evaluation of {segment} looks at more than it may, and was given up");
    Fault::new(FaultKind::Quota, "segment.budget", message)
        .action("Narrow the sets it asks for, or make parts of it segments of their own.")
}
