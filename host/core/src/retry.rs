//! How long to wait before a failed call is repeated. One function from measurements to a decision.

use crate::{Fault, FaultKind};

/// What to do after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Repeat the call after this many milliseconds.
    Again { wait_ms: u64 },
    /// Do not repeat; somebody must act, or a budget must free up.
    Stop,
}

/// Repeats of a transient fault before the run gives up.
pub const ATTEMPTS_MAX: u32 = 8;
const BASE_MS: u64 = 500;
const CEILING_MS: u64 = 5 * 60 * 1000;
/// A vendor that asks for a longer pause than this has ended the run; the next one goes on.
const PAUSE_MAX_MS: u64 = 60 * 60 * 1000;

/// Decides after the `attempt`th failure in a row (from 1). `jitter` is random, 0 to 255: repeats of several runs
/// should not arrive together.
#[must_use]
pub fn decide(fault: &Fault, attempt: u32, jitter: u8) -> Verdict {
    if !fault.kind.is_retried() {
        return Verdict::Stop;
    }
    // A vendor's limit is no failure: waiting for it is not counted.
    if attempt > ATTEMPTS_MAX && fault.kind != FaultKind::RateLimited {
        return Verdict::Stop;
    }
    let backoff = BASE_MS.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(CEILING_MS);
    let spread = backoff / 2 * u64::from(jitter) / 255;
    let wait_ms = fault.retry_after_ms.map_or(backoff / 2 + spread, |asked| asked + spread.min(1000));
    if wait_ms > PAUSE_MAX_MS { Verdict::Stop } else { Verdict::Again { wait_ms } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: FaultKind) -> Fault {
        Fault::new(kind, "x", "x")
    }

    #[test]
    fn only_what_passes_is_repeated() {
        use FaultKind as K;
        for (kind, again) in [
            (K::Config, false),
            (K::Auth, false),
            (K::Scope, false),
            (K::RateLimited, true),
            (K::Quota, false),
            (K::Transient, true),
            (K::Data, false),
            (K::Unsupported, false),
            (K::Internal, false),
        ] {
            assert_eq!(decide(&fault(kind), 1, 0) != Verdict::Stop, again, "{kind:?}");
        }
    }

    #[test]
    fn waits_grow_are_bounded_and_end() {
        let wait = |attempt, jitter| match decide(&fault(FaultKind::Transient), attempt, jitter) {
            Verdict::Again { wait_ms } => wait_ms,
            Verdict::Stop => panic!("stopped at {attempt}"),
        };
        assert!(wait(1, 0) < wait(2, 0) && wait(2, 0) < wait(5, 0));
        assert!(wait(1, 0) < wait(1, 255));
        assert!(wait(ATTEMPTS_MAX, 255) <= CEILING_MS);
        assert_eq!(decide(&fault(FaultKind::Transient), ATTEMPTS_MAX + 1, 0), Verdict::Stop);
        assert_ne!(decide(&fault(FaultKind::RateLimited), 1000, 0), Verdict::Stop);
    }

    #[test]
    fn the_vendors_word_counts() {
        let asked = fault(FaultKind::RateLimited).retry_after_ms(20_000);
        assert_eq!(decide(&asked, 1, 0), Verdict::Again { wait_ms: 20_000 });
        assert_eq!(decide(&asked.retry_after_ms(PAUSE_MAX_MS + 1), 1, 0), Verdict::Stop);
    }
}
