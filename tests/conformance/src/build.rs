//! Builds the connector with a nested cargo, once per process, and makes components of it.

use anyhow::{Context, Result};
use std::sync::OnceLock;

/// Where the name of a defect goes; the same in `guest/mod.rs`.
const MARK: &[u8] = b"<<< a defect of the specification >>>";

/// The connector as a component. Its specification has this defect; empty: none. Defects in what it does are chosen by
/// its configuration.
///
/// # Panics
/// If it cannot be built: the tests cannot go on.
#[must_use]
pub fn component(defect: &str) -> Vec<u8> {
    static MODULE: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    let module = MODULE.get_or_init(|| module().map_err(|error| format!("{error:#}")));
    let component = module.as_ref().map_err(Clone::clone).and_then(|module| {
        componentize(module, defect).map_err(|error| format!("no component can be made of it: {error:#}"))
    });
    match component {
        Ok(component) => component,
        Err(error) => panic!("the connector cannot be built: {error}"),
    }
}

fn module() -> Result<Vec<u8>> {
    let exe = std::env::current_exe()?;
    // The bundled connectors are built there, for the same target: what both stand on is built once.
    let target_dir = exe.ancestors().nth(3).context("a test runs in target/<profile>/deps")?.join("plugins");
    attiva_guests::built("attiva-conformance", env!("CARGO_MANIFEST_DIR"), &target_dir)
}

fn componentize(module: &[u8], defect: &str) -> Result<Vec<u8>> {
    attiva_guests::component_with(module, MARK, MARK.len(), defect, b' ')
}
