//! What guests are handed of the machine: its clock and its randomness. A host that serves hands out the true ones; one
//! that proves a connector hands out its own, so that the same call can be made twice.

use attiva_core::{Fault, FaultKind};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock, and bytes that nobody can guess.
pub trait Surroundings: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;

    /// Fills `bytes`.
    ///
    /// # Errors
    /// `random.unavailable`, kind `internal`.
    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), Fault>;
}

/// Milliseconds since 1970, by the machine's own clock.
pub(crate) fn wall_clock_ms() -> u64 {
    TheMachine.now_ms()
}

/// The machine's own.
pub(crate) struct TheMachine;

impl Surroundings for TheMachine {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that guests are handed")]
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), Fault> {
        let failed =
            |e| Fault::new(FaultKind::Internal, "random.unavailable", format!("the system gives no random bytes: {e}"));
        getrandom::fill(bytes).map_err(failed)
    }
}
