//! What the ids of a request's work are made of. A request with an idempotency key has its stamp kept before it is dealt
//! with: so a repeat makes the same ids, and finds what the first made before it could be answered.

use attiva_core::Millis;
use attiva_core::ports::clock::{Chance, Clock};
use serde::{Deserialize, Serialize};

/// A time and chance: no two requests have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub at: Millis,
    pub chance: [u8; 6],
}

impl Stamp {
    pub fn fresh(clock: &dyn Clock, chance: &dyn Chance) -> Self {
        Self { at: clock.now(), chance: chance.bytes() }
    }

    /// The id of what the request makes.
    pub fn id<T>(self, new: impl Fn(Millis, [u8; 6]) -> T) -> T {
        new(self.at, self.chance)
    }

    /// The id of one of several things of a kind that the request makes.
    pub fn nth_id<T>(self, n: usize, new: impl Fn(Millis, [u8; 6]) -> T) -> T {
        let mut chance = self.chance;
        let last = u16::from_be_bytes([chance[4], chance[5]]) ^ u16::try_from(n).unwrap_or(u16::MAX);
        [chance[4], chance[5]] = last.to_be_bytes();
        new(self.at, chance)
    }
}
