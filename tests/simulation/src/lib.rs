//! Whole deliveries, simulated from a number: faked time, a vendor that fails in every way a vendor can, and the real
//! store, killed at write boundaries. In the end a target holds exactly what its activations want and what others put
//! there, and every delivery's books balance. A seed that fails fails again, if not each time: tasks take turns as they like.
//!
//! Reading order: [`scenario`] (what happens in one seed), [`vendor`], [`oracle`] (what must hold in the end).

mod chance;
pub mod late;
mod many;
mod oracle;
mod scenario;
mod vendor;
mod world;

pub use many::{Failed, run_many};
pub use scenario::{Report, run};
