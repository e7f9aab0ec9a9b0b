//! Builds the guest with a nested cargo, once per process, and makes components of it.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the specification goes; the same in `guest/spec.rs`.
const SPEC_MARK: &[u8] = b"<<< the specification goes here >>>";
const SPEC_BYTES: usize = 16 << 10;

/// The guest as a component with this specification.
///
/// # Panics
/// If it cannot be built: the tests cannot go on.
#[must_use]
pub fn component(spec: &str) -> Vec<u8> {
    static MODULE: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    // Built once, or failed once: a thousand tests do not try again.
    let module = MODULE.get_or_init(|| module().map_err(|error| format!("{error:#}")));
    let component = module.as_ref().map_err(Clone::clone).and_then(|module| {
        componentize(module, spec).map_err(|error| format!("no component can be made of it: {error:#}"))
    });
    match component {
        Ok(component) => component,
        Err(error) => panic!("the guest cannot be built: {error}"),
    }
}

/// The component with one more core module, which is instantiated whenever the component is: before anything of it is
/// called. `count` instances of it.
///
/// # Panics
/// If what is given is no component.
#[must_use]
pub fn with_core_module(component: &[u8], module: &[u8], count: u32) -> Vec<u8> {
    const CORE_MODULE: u8 = 1;
    const CORE_INSTANCE: u8 = 2;
    let sections = section_ids(component).expect("a component");
    let index = sections.iter().filter(|id| **id == CORE_MODULE).count();
    let mut whole = component.to_vec();
    section(&mut whole, CORE_MODULE, module);
    let mut instances = Vec::new();
    leb(&mut instances, count as usize);
    for _ in 0..count {
        // Instantiate, this module, with nothing.
        instances.push(0);
        leb(&mut instances, index);
        leb(&mut instances, 0);
    }
    section(&mut whole, CORE_INSTANCE, &instances);
    whole
}

fn section(into: &mut Vec<u8>, id: u8, contents: &[u8]) {
    into.push(id);
    leb(into, contents.len());
    into.extend_from_slice(contents);
}

/// LEB128, without a sign.
fn leb(into: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// Which sections a component has at its top.
fn section_ids(component: &[u8]) -> Option<Vec<u8>> {
    let (mut at, mut ids) = (8, Vec::new());
    while at < component.len() {
        ids.push(*component.get(at)?);
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            at += 1;
            let byte = *component.get(at)?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at += 1 + length;
    }
    Some(ids)
}

fn module() -> Result<Vec<u8>> {
    if let Some(path) = std::env::var_os("ATTIVA_GUESTS_MODULE") {
        return std::fs::read(&path).with_context(|| format!("{}", Path::new(&path).display()));
    }
    built("attiva-guests", env!("CARGO_MANIFEST_DIR"), &target_dir()?)
}

/// Builds a package's library for wasm32 with a nested cargo, from the package's directory, and answers the module.
///
/// # Errors
/// What cargo said, if it cannot be built.
pub fn built(package: &str, manifest_dir: &str, target_dir: &Path) -> Result<Vec<u8>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--locked", "--package", package, "--lib", "--profile", "plugin"])
        .args(["--target", "wasm32-unknown-unknown", "--target-dir"])
        .arg(target_dir)
        .current_dir(manifest_dir);
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
    let module = format!("wasm32-unknown-unknown/plugin/{}.wasm", package.replace('-', "_"));
    let path = target_dir.join(module);
    std::fs::read(&path).with_context(|| format!("{}", path.display()))
}

/// Beside the outer build's own, wherever that is.
fn target_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let is_test = exe.parent().is_some_and(|folder| folder.ends_with("deps"));
    let target = exe.ancestors().nth(if is_test { 3 } else { 2 }).context("a program runs in target/<profile>")?;
    Ok(target.join("guests"))
}

fn componentize(module: &[u8], spec: &str) -> Result<Vec<u8>> {
    component_with(module, SPEC_MARK, SPEC_BYTES, spec, 0)
}

/// A component of a module in which a text stands in the place of so many bytes that a mark begins; what it leaves of the
/// place is filled.
///
/// # Errors
/// The text is too long, or there is no such place.
pub fn component_with(module: &[u8], mark: &[u8], size: usize, text: &str, fill: u8) -> Result<Vec<u8>> {
    ensure!(text.len() < size, "the place takes less than the text's {} bytes", text.len());
    let at = module.windows(mark.len()).position(|window| window == mark);
    let at = at.with_context(|| format!("the module has no {}", String::from_utf8_lossy(mark)))?;
    let mut place = text.as_bytes().to_vec();
    place.resize(size, fill);
    let mut module = module.to_vec();
    module.get_mut(at..at + size).context("the place is too small")?.copy_from_slice(&place);
    wit_component::ComponentEncoder::default().validate(true).module(&module)?.encode()
}
