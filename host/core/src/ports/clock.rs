//! Time and chance, handed in.

use crate::Millis;

/// The wall clock.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Millis;
}

/// Chance for ids and for spreading repeats; not for keys.
pub trait Chance: Send + Sync + 'static {
    fn bytes(&self) -> [u8; 6];
}
