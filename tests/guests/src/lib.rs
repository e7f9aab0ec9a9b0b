//! A connector that misbehaves on demand, and how it is built. See the README.

#[cfg(not(target_arch = "wasm32"))]
mod build;
#[cfg(target_arch = "wasm32")]
mod guest;

#[cfg(not(target_arch = "wasm32"))]
pub use build::{built, component, component_with, with_core_module};
#[cfg(not(target_arch = "wasm32"))]
pub mod compiler;
