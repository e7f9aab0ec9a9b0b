//! Calls in a window and calls at once, and how fast they go after the vendor has refused one that we had room for.

use super::Priority;

/// After a refusal only so many eighths of a limit are used, and one more for each quiet span.
const FULL: u32 = 8;

/// A limit with how much of it is used for now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Limit {
    /// Of a window, in seconds; 0: calls at once.
    pub(super) seconds: u32,
    pub(super) declared: u32,
    pub(super) set: Option<u32>,
    pub(super) refused_by: Vec<String>,
    /// Eighths that are not used.
    held_back: u32,
    /// When one of them is used again.
    eases_at: u64,
}

/// How long a limit of calls at once has to be quiet.
const CONCURRENT_QUIET_MS: u64 = 30_000;

impl Limit {
    pub(super) fn new(seconds: u32, declared: u32) -> Self {
        Self { seconds, declared, ..Self::default() }
    }

    pub(super) fn said(&self) -> u32 {
        self.set.unwrap_or(self.declared)
    }

    /// What may be used of it now.
    pub(super) fn calls(&self) -> u64 {
        let said = u64::from(self.said());
        (said * u64::from(FULL.saturating_sub(self.held_back)) / u64::from(FULL)).max(1)
    }

    pub(super) fn is_held_back(&self) -> bool {
        self.held_back > 0
    }

    /// Half of it from now on.
    pub(super) fn hold_back(&mut self, now: u64) {
        let used = FULL.saturating_sub(self.held_back);
        self.held_back = FULL - (used / 2).max(1);
        self.eases_at = now + 2 * self.quiet_ms();
    }

    pub(super) fn advance(&mut self, now: u64) {
        while self.held_back > 0 && now >= self.eases_at {
            self.held_back -= 1;
            self.eases_at += self.quiet_ms();
        }
    }

    /// Goes on as the one in whose place it comes.
    pub(super) fn take_pace(&mut self, before: &Self) {
        (self.held_back, self.eases_at) = (before.held_back, before.eases_at);
    }

    pub(super) fn ease(&mut self) {
        self.held_back = 0;
    }

    fn quiet_ms(&self) -> u64 {
        if self.seconds == 0 { CONCURRENT_QUIET_MS } else { u64::from(self.seconds) * 1000 }
    }
}

/// What a class may use of a limit: the rest is left for whoever is in more of a hurry, so that a backfill that fills
/// every limit it meets is not in a look-up's way. A limit of one call has no rest.
pub(super) fn share(priority: Priority, most: u64) -> u64 {
    let rest = match priority {
        Priority::Interactive => 0,
        Priority::Streaming => most / 20,
        Priority::Backfill => most.div_ceil(10),
    };
    (most - rest).max(most.min(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_is_left_for_whoever_is_in_a_hurry() {
        use Priority::{Backfill, Interactive, Streaming};
        for (most, of_each) in [(0, [0, 0, 0]), (1, [1, 1, 1]), (2, [2, 2, 1]), (5, [5, 5, 4]), (50, [50, 48, 45])] {
            assert_eq!([Interactive, Streaming, Backfill].map(|priority| share(priority, most)), of_each, "{most}");
        }
    }

    #[test]
    fn a_refusal_halves_it_and_quiet_gives_it_back() {
        let mut limit = Limit::new(20, 80);
        limit.hold_back(0);
        assert_eq!(limit.calls(), 40);
        for _ in 0..9 {
            limit.hold_back(0);
        }
        assert_eq!(limit.calls(), 10);
        limit.advance(39_999);
        assert_eq!(limit.calls(), 10);
        limit.advance(60_000);
        assert_eq!(limit.calls(), 30);
        limit.advance(1_000_000);
        assert_eq!((limit.calls(), limit.is_held_back()), (80, false));
        assert_eq!(Limit::new(0, 1).calls(), 1);
    }
}
