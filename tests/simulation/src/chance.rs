//! Chance from a number, and time that passes when it is waited for.

use attiva_core::Millis;
use attiva_core::ports::clock::{Chance, Clock};
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

/// SplitMix64: small, and good enough to choose among a few ways.
pub(crate) struct Dice(Mutex<u64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub(crate) fn below(&self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn percent(&self, n: u64) -> bool {
        self.below(100) < n
    }

    pub(crate) fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

impl Chance for Dice {
    fn bytes(&self) -> [u8; 6] {
        let bytes = self.next().to_le_bytes();
        [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]]
    }
}

/// A clock that stands still, but for those who wait.
pub(crate) struct FakeClock(AtomicI64);

impl FakeClock {
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(1_700_000_000_000))
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

/// Shared with the engine.
pub(crate) struct Shared(pub(crate) std::sync::Arc<FakeClock>);

impl Clock for Shared {
    fn now(&self) -> Millis {
        self.0.0.load(Ordering::SeqCst)
    }

    fn pass(&self, ms: u64) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let clock = std::sync::Arc::clone(&self.0);
        Some(Box::pin(async move {
            // Whoever else has something to do at this moment does it first.
            tokio::task::yield_now().await;
            clock.advance(i64::try_from(ms).unwrap());
        }))
    }
}

impl FakeClock {
    pub(crate) fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}
