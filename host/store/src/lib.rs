//! The durable side of Attiva: an embedded SQLite database per sandbox and one for what spans them, behind the ports
//! that `attiva-core` declares; and the host's other files.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests look at their own files from outside"))]

mod checkpoint;
mod control;
mod copy;
mod database;
mod documents;
mod failure;
mod files;
mod lock;
mod migration;
mod readers;
mod sandbox;
mod seal;
mod tombstones;
mod writer;

pub use control::Control;
pub use copy::Mark;
pub use database::{Death, Options};
pub use files::{DataDir, Digested, Searched, copy_file, digest, read, search, subfolder, write_atomic};
pub use sandbox::Sandbox;
pub use seal::Sealer;
pub use tombstones::{TombstoneKey, Tombstones};
