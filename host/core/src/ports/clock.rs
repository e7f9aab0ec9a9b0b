//! Time and chance, handed in.

use crate::Millis;
use std::pin::Pin;

/// The wall clock.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Millis;

    /// Lets this much time pass, in milliseconds. `None`: it passes by itself, and the runtime's timer waits for it.
    fn pass(&self, ms: u64) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let _ = ms;
        None
    }
}

/// Chance for ids and for spreading repeats; not for keys.
pub trait Chance: Send + Sync + 'static {
    fn bytes(&self) -> [u8; 6];
}
