//! `attiva connector build`: cargo builds a module, and it becomes a component here.

use crate::cli::Failure;
use crate::cli::output::Output;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wit_component::{ComponentEncoder, DecodedWasm};

const TARGET: &str = "wasm32-unknown-unknown";

/// A component that was built.
pub(super) struct Built {
    pub(super) file: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) imports: Vec<String>,
}

/// Builds a project. `version` takes the place of the package's own, where its specification reads `ATTIVA_VERSION`.
pub(super) fn build(project: &Path, version: Option<&str>) -> Result<Built, Failure> {
    if !project.join("Cargo.toml").is_file() {
        return Err(Failure::Usage(format!(
            "{} is no project: it has no Cargo.toml. `attiva connector new` writes one",
            project.display()
        )));
    }
    let module = module(project, version)?;
    let bytes = std::fs::read(&module).map_err(|e| Failure::Usage(format!("{}: {e}", module.display())))?;
    let encoded = ComponentEncoder::default().validate(true).module(&bytes).and_then(|encoder| encoder.encode());
    let bytes = encoded.map_err(|e| {
        Failure::Usage(format!("{} does not become a component: {e:#}. Is there an export_source! in it?", module.display()))
    })?;
    let imports = imports(&bytes)?;
    let name = module.file_stem().map(|stem| stem.to_string_lossy().replace('_', "-")).unwrap_or_default();
    let file = project.join("target").join(name).with_extension("wasm");
    std::fs::write(&file, &bytes).map_err(|e| Failure::Usage(format!("{}: {e}", file.display())))?;
    Ok(Built { file, bytes, imports })
}

/// Runs cargo, whose words go to the terminal; answers where it left the module.
fn module(project: &Path, version: Option<&str>) -> Result<PathBuf, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    cargo.current_dir(project).stdin(Stdio::null()).stderr(Stdio::inherit());
    // The project's own toolchain file says which compiler it is built with.
    cargo.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO_TARGET_DIR");
    if let Some(version) = version {
        cargo.env("ATTIVA_VERSION", version);
    }
    let output = cargo.output().map_err(|e| Failure::Usage(format!("cargo cannot be run ({e}); rustup.rs brings it")))?;
    if !output.status.success() {
        return Err(Failure::Usage(format!(
            "the project does not build; the compiler's words are above. Is the target there? `rustup target add {TARGET}`"
        )));
    }
    let wasm = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let files = message.get("filenames")?.as_array()?.clone();
        files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().filter_map(wasm).next_back();
    found.ok_or_else(|| Failure::Usage("cargo left no module: is `crate-type` `cdylib` in Cargo.toml?".into()))
}

/// What a component imports; it may be the contract's alone.
fn imports(component: &[u8]) -> Result<Vec<String>, Failure> {
    let wrong = |e: String| Failure::Usage(e);
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component).map_err(|e| wrong(format!("{e:#}")))?
    else {
        return Err(wrong("it is a WIT package, not a component".into()));
    };
    let world = resolve.worlds.get(world).ok_or_else(|| wrong("it has no world".into()))?;
    let imports: Vec<String> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    match imports.iter().find(|name| !name.starts_with("attiva:connector/")) {
        None => Ok(imports),
        Some(foreign) => Err(wrong(format!(
            "it imports {foreign}. A connector may import attiva:connector alone: a dependency that wants WASI or \
             JavaScript brought this in (`cargo tree --target {TARGET}` shows them)"
        ))),
    }
}

pub(super) fn shown(built: &Built, output: Output) {
    let about = json!({ "file": built.file.display().to_string(), "bytes": built.bytes.len(), "imports": built.imports });
    output.one(&about, &[("component", "/file"), ("bytes", "/bytes"), ("imports", "/imports")]);
}
