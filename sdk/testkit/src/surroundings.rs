//! The clock and the randomness of a scene: the same every time, unless a check wants them to differ.

use attiva_core::Fault;
use attiva_wasm::Surroundings;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Both, as the kit sets them.
#[derive(Debug)]
pub(crate) struct Staged {
    /// The time at which every scene begins; `None`: the machine's, since the vendor is there and goes by it.
    start_ms: Option<u64>,
    passed_ms: AtomicU64,
    seed: AtomicU64,
    drawn: AtomicU64,
}

impl Staged {
    pub(crate) fn new(start_ms: Option<u64>) -> Self {
        Self { start_ms, passed_ms: AtomicU64::new(0), seed: AtomicU64::new(0), drawn: AtomicU64::new(0) }
    }

    /// Begins again, with other random bytes for another seed.
    pub(crate) fn reset(&self, seed: u64) {
        self.passed_ms.store(0, Ordering::Relaxed);
        self.seed.store(seed, Ordering::Relaxed);
        self.drawn.store(0, Ordering::Relaxed);
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.passed_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Whether waiting takes time here.
    pub(crate) fn is_real(&self) -> bool {
        self.start_ms.is_none()
    }
}

impl Surroundings for Staged {
    fn now_ms(&self) -> u64 {
        match self.start_ms {
            Some(start) => start.saturating_add(self.passed_ms.load(Ordering::Relaxed)),
            None => machine_ms(),
        }
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
