//! Builds the bundled connectors and turns them into components.
//!
//! One nested cargo call builds them all for `wasm32-unknown-unknown`, in a target directory of its own (the outer
//! call holds the lock of the other one) and without what cargo and clippy put into the environment of a build
//! script. With `ATTIVA_PLUGINS_DIR` set, `<name>.wasm` components are taken from there instead.

use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};
use wit_component::{ComponentEncoder, DecodedWasm};

/// Crates in `plugins/`; a component is named as its crate is.
const PLUGINS: [&str; 5] =
    ["source-marketo", "source-salesforce", "destination-linkedin", "destination-marketo", "destination-s3"];
const TARGET: &str = "wasm32-unknown-unknown";
const PREBUILT: &str = "ATTIVA_PLUGINS_DIR";

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    // Asked for now: a cache of builds may hold this script from another checkout.
    let here = env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set: run by cargo only")?;
    let root = Path::new(&here).join("../..").canonicalize().with_context(|| format!("no checkout at {here:?}"))?;
    for watched in ["plugins", "sdk/connector", "wit", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set: run by cargo only")?);
    let components = match env::var_os(PREBUILT) {
        Some(directory) => prebuilt(Path::new(&directory))?,
        None => built(&root, &out)?,
    };
    for (name, component) in &components {
        check_world(name, component).with_context(|| format!("{name} cannot be bundled"))?;
        fs::write(out.join(name).with_extension("wasm"), component)?;
    }
    fs::write(out.join("bundled.rs"), list())?;
    Ok(())
}

type Components = Vec<(&'static str, Vec<u8>)>;

fn prebuilt(directory: &Path) -> Result<Components> {
    let read = |name: &'static str| {
        let path = directory.join(name).with_extension("wasm");
        println!("cargo::rerun-if-changed={}", path.display());
        let bytes =
            fs::read(&path).with_context(|| format!("{PREBUILT} is set, but {} cannot be read", path.display()))?;
        Ok((name, bytes))
    };
    PLUGINS.into_iter().map(read).collect()
}

fn built(root: &Path, out: &Path) -> Result<Components> {
    // <target>/<profile>/build/<package>/out
    let target = out.ancestors().nth(4).unwrap_or(out).join("plugins");
    let mut cargo = nested_cargo(root, &target);
    let status = cargo.status().with_context(|| format!("cannot start {cargo:?}"))?;
    ensure!(
        status.success(),
        "the bundled connectors do not build ({status}); the compiler's words are above. Is the target there? \
         `rustup target add {TARGET}`"
    );
    let component = |name: &'static str| {
        let module = target.join(TARGET).join("plugin").join(name.replace('-', "_")).with_extension("wasm");
        let component = componentize(&module).with_context(|| format!("{name} does not become a component"))?;
        Ok((name, component))
    };
    PLUGINS.into_iter().map(component).collect()
}

fn nested_cargo(root: &Path, target: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--locked", "--profile", "plugin", "--target", TARGET]);
    cargo.arg("--target-dir").arg(target);
    // A dependency's hash tables draw their keys when they are compiled; the same sources must be the same component.
    cargo.env("CONST_RANDOM_SEED", "attiva");
    for name in PLUGINS {
        cargo.args(["--package", name]);
    }
    if let Some(jobs) = env::var_os("NUM_JOBS") {
        cargo.arg("--jobs").arg(jobs);
    }
    for (name, _) in env::vars_os().filter(|(name, _)| is_inherited(name)) {
        cargo.env_remove(name);
    }
    cargo
}

/// What the outer call set for this script, or its user for the outer call, and what would break or stall the nested
/// one: flags of another target, wrappers (clippy's, a cache's), the outer profile and target directory. Where cargo
/// finds packages stays.
fn is_inherited(name: &OsStr) -> bool {
    const KEPT: [&str; 5] = ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_SOURCE_"];
    const REMOVED: [&str; 9] = [
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "MAKEFLAGS",
        "CLIPPY_ARGS",
        "CLIPPY_CONF_DIR",
        "SYSROOT",
        "__CARGO_DEFAULT_LIB_METADATA",
    ];
    let Some(name) = name.to_str() else { return false };
    let cargo = name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept));
    cargo || REMOVED.contains(&name)
}

fn componentize(module: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(module).with_context(|| format!("the build left no {}", module.display()))?;
    ComponentEncoder::default().validate(true).module(&bytes)?.encode()
}

/// A connector imports the contract and nothing else, and exports what its name says: the host would refuse it too,
/// but here its author sees why.
fn check_world(name: &str, component: &[u8]) -> Result<()> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("it is a WIT package, not a component");
    };
    let world = resolve.worlds.get(world).context("it has no world")?;
    let imports = world.imports.keys().map(|key| resolve.name_world_key(key));
    let foreign: Vec<String> = imports.filter(|name| !name.starts_with("attiva:connector/")).collect();
    ensure!(
        foreign.is_empty(),
        "it imports {}. A connector may import attiva:connector/* alone; a dependency that wants WASI or JavaScript \
         brought this in (`cargo tree --target {TARGET} -p {name}` shows which)",
        foreign.join(", ")
    );
    let exports: Vec<String> = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    let kind = name.split('-').next().unwrap_or_default();
    for wanted in ["plugin", kind].map(|interface| format!("attiva:connector/{interface}@")) {
        ensure!(
            exports.iter().any(|export| export.starts_with(&wanted)),
            "it does not export {wanted}: is there an export_{kind}! in its lib.rs? It exports: {}",
            exports.join(", ")
        );
    }
    Ok(())
}

/// Rust source of the list that `src/lib.rs` includes.
fn list() -> String {
    let entry =
        |name: &str| format!("Bundled {{ name: {name:?}, component: include_bytes!({:?}) }},", format!("{name}.wasm"));
    format!("&[{}]", PLUGINS.map(entry).concat())
}
