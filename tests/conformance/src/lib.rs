//! Proves the kit: a connector with a defect for each check, and the vendor it talks to. See the README.

#[cfg(not(target_arch = "wasm32"))]
pub mod acme;
#[cfg(not(target_arch = "wasm32"))]
mod build;
#[cfg(target_arch = "wasm32")]
mod guest;

#[cfg(not(target_arch = "wasm32"))]
pub use build::component;
