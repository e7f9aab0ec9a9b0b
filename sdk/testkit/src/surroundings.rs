//! The clock and the randomness of a scene: the same every time, unless a check wants them to differ.

use attiva_core::Fault;
use attiva_wasm::Surroundings;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Whose time it is.
#[derive(Clone)]
pub enum Time {
    /// Every scene begins at this time, and only waiting moves it on.
    Staged(u64),
    /// The machine's: the vendor is there and goes by it.
    Machine,
    /// The vendor's own, in milliseconds since 1970-01-01T00:00:00Z: a simulator's.
    Vendor(Arc<dyn Fn() -> u64 + Send + Sync>),
}

/// Both, as the kit sets them.
pub(crate) struct Staged {
    time: Time,
    passed_ms: AtomicU64,
    /// How far the clock is wrong, whoever's it is.
    ahead_ms: AtomicU64,
    seed: AtomicU64,
    drawn: AtomicU64,
}

impl Staged {
    pub(crate) fn new(time: Time) -> Self {
        Self {
            time,
            passed_ms: AtomicU64::new(0),
            ahead_ms: AtomicU64::new(0),
            seed: AtomicU64::new(0),
            drawn: AtomicU64::new(0),
        }
    }

    /// Begins again, with other random bytes for another seed.
    pub(crate) fn reset(&self, seed: u64) {
        self.passed_ms.store(0, Ordering::Relaxed);
        self.ahead_ms.store(0, Ordering::Relaxed);
        self.seed.store(seed, Ordering::Relaxed);
        self.drawn.store(0, Ordering::Relaxed);
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.passed_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// From now on the clock is wrong by so much.
    pub(crate) fn be_ahead(&self, ms: u64) {
        self.ahead_ms.store(ms, Ordering::Relaxed);
    }

    /// Whether waiting takes time here.
    pub(crate) fn is_real(&self) -> bool {
        matches!(self.time, Time::Machine)
    }
}

impl Surroundings for Staged {
    fn now_ms(&self) -> u64 {
        let now = match &self.time {
            Time::Staged(start) => start.saturating_add(self.passed_ms.load(Ordering::Relaxed)),
            Time::Machine => machine_ms(),
            Time::Vendor(now) => now(),
        };
        now.saturating_add(self.ahead_ms.load(Ordering::Relaxed))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), Fault> {
        for chunk in bytes.chunks_mut(32) {
            let mut digest = Sha256::new();
            digest.update(self.seed.load(Ordering::Relaxed).to_le_bytes());
            digest.update(self.drawn.fetch_add(1, Ordering::Relaxed).to_le_bytes());
            chunk.copy_from_slice(digest.finalize().get(..chunk.len()).unwrap_or_default());
        }
        Ok(())
    }
}

/// The machine's clock, in milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn machine_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
