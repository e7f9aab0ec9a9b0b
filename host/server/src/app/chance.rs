//! The wall clock, and chance from the operating system.

use attiva_core::Millis;
use attiva_core::ports::clock::{Chance, Clock};
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
    }
}

/// The operating system's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn bytes(&self) -> [u8; 6] {
        let mut bytes = [0; 6];
        // Ids need to differ, not to be secret: where the system has no random numbers, the nanosecond will do.
        if getrandom::fill(&mut bytes).is_err() {
            let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            bytes.copy_from_slice(&nanos.to_be_bytes()[10..]);
        }
        bytes
    }
}
