//! Plugins as an operator sees them: who vouches for one, what it may do, in which state a version is. Decisions alone;
//! bytes are compiled and called in `attiva-wasm`.

pub mod capability;
pub mod containment;
pub mod lifecycle;
pub mod package;
pub mod requirement;
pub mod state;
pub mod trust;
