//! The connectors that come with the host, as components ready to install.
//!
//! This crate is a leaf: its build script builds every connector in `plugins/` once and embeds the result, so that
//! the host depends on their bytes and never on their code.

#![warn(missing_docs)]

/// One bundled connector.
#[derive(Debug, Clone, Copy)]
pub struct Bundled {
    /// The name its specification has: `source-marketo`.
    pub name: &'static str,
    /// A WebAssembly component, with its names for symbolised traces.
    pub component: &'static [u8],
}

/// All bundled connectors.
#[must_use]
pub fn bundled() -> &'static [Bundled] {
    BUNDLED
}

static BUNDLED: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));
