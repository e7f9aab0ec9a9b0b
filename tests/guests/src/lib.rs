//! A connector that misbehaves on demand, and how it is built. See the README.

#[cfg(not(target_arch = "wasm32"))]
mod build;
#[cfg(target_arch = "wasm32")]
mod guest;

#[cfg(not(target_arch = "wasm32"))]
pub use build::{component, with_core_module};
