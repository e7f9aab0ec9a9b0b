//! Builds the connector with a nested cargo, once per process, and makes components of it.

use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::Command;
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
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--locked", "--package", "attiva-conformance", "--lib", "--profile", "plugin"])
        .args(["--target", "wasm32-unknown-unknown", "--target-dir"])
        .arg(&target_dir)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in std::env::vars_os() {
        // What the outer cargo or clippy set is meant for the outer build only.
        let text = name.to_string_lossy();
        let outer = text.starts_with("CARGO") || text.starts_with("RUSTFLAGS") || text.starts_with("CLIPPY");
        if outer && text != "CARGO_HOME" || text.starts_with("RUSTC") || text == "__CARGO_DEFAULT_LIB_METADATA" {
            cargo.env_remove(&name);
        }
    }
    let output = cargo.output().context("running cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path: PathBuf = target_dir.join("wasm32-unknown-unknown/plugin/attiva_conformance.wasm");
    std::fs::read(&path).with_context(|| format!("{}", path.display()))
}

fn componentize(module: &[u8], defect: &str) -> Result<Vec<u8>> {
    ensure!(defect.len() < MARK.len(), "the defect's name is too long");
    let at = module.windows(MARK.len()).position(|window| window == MARK);
    let at = at.context("the connector has no place for a defect")?;
    let mut place = defect.as_bytes().to_vec();
    place.resize(MARK.len(), b' ');
    let mut module = module.to_vec();
    module.get_mut(at..at + MARK.len()).context("the place is too small")?.copy_from_slice(&place);
    wit_component::ComponentEncoder::default().validate(true).module(&module)?.encode()
}
