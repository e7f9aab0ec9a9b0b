//! What the core needs from outside: the store and the connectors. `attiva-store` and `attiva-wasm` implement these.

pub mod clock;
pub mod connector;
pub mod consent;
pub mod control;
pub mod objects;
pub mod privacy;
pub mod readback;
pub mod retention;
pub mod store;
pub mod tables;
