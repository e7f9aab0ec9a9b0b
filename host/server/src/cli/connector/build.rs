//! `attiva connector build`: cargo builds a module, and it becomes a component here; other languages bring a tool that makes
//! one.

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
    let has = |file: &str| project.join(file).is_file();
    let (file, bytes) = if has("Cargo.toml") {
        rust(project, version)?
    } else if version.is_some() {
        return Err(Failure::Usage(
            "--development is for projects in Rust: others carry their version in their text".into(),
        ));
    } else if has("package.json") {
        let program = tool("COMPONENTIZE_QJS", &project.join("node_modules/.bin/componentize-qjs"), "componentize-qjs");
        foreign(project, &package_json(project)?, &program, |out| {
            let mut words =
                vec!["--wit", "wit", "--world", "source-connector", "--js", "connector.js", "--module-root", "."];
            // The host refuses asynchronous components, and those that import WASI.
            words.extend(["--sync", "--stub-wasi", "--opt-size", "--output", out]);
            words.into_iter().map(str::to_owned).collect()
        })?
    } else if has("pyproject.toml") {
        let program = tool("COMPONENTIZE_PY", Path::new(""), "componentize-py");
        foreign(project, &pyproject(project)?, &program, |out| {
            let mut words =
                vec!["--wit-path", "wit", "--world", "source-connector", "--quiet", "componentize", "connector"];
            words.extend(["--python-path", ".", "--python-path", "sdk", "--stub-wasi", "--output", out]);
            words.into_iter().map(str::to_owned).collect()
        })?
    } else {
        return Err(Failure::Usage(format!(
            "{} is no project: it has neither Cargo.toml, package.json nor pyproject.toml. `attiva connector new` writes one",
            project.display()
        )));
    };
    let imports = imports(&bytes)?;
    Ok(Built { file, bytes, imports })
}

fn rust(project: &Path, version: Option<&str>) -> Result<(PathBuf, Vec<u8>), Failure> {
    let module = module(project, version)?;
    let bytes = read(&module)?;
    let encoded = ComponentEncoder::default().validate(true).module(&bytes).and_then(|encoder| encoder.encode());
    let bytes = encoded.map_err(|e| {
        Failure::Usage(format!(
            "{} does not become a component: {e:#}. Is there an export_source! in it?",
            module.display()
        ))
    })?;
    let name = module.file_stem().map(|stem| stem.to_string_lossy().replace('_', "-")).unwrap_or_default();
    let file = project.join("target").join(name).with_extension("wasm");
    std::fs::write(&file, &bytes).map_err(|e| Failure::Usage(format!("{}: {e}", file.display())))?;
    Ok((file, bytes))
}

/// Has a program of another language's make the component.
fn foreign(
    project: &Path,
    name: &str,
    program: &Path,
    words: impl FnOnce(&str) -> Vec<String>,
) -> Result<(PathBuf, Vec<u8>), Failure> {
    let target = project.join("target");
    std::fs::create_dir_all(&target).map_err(|e| Failure::Usage(format!("{}: {e}", target.display())))?;
    let out = format!("target/{name}.wasm");
    let mut command = Command::new(program);
    // What is said goes where messages go: standard output is for the answer.
    let output = command.args(words(&out)).current_dir(project).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|e| {
        Failure::Usage(format!(
            "{} cannot be run ({e}): the project's README.md says how it is installed",
            program.display()
        ))
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        return Err(Failure::Usage(format!("the project does not build; the tool's words are above. {said}")));
    }
    let file = project.join(out);
    let bytes = read(&file)?;
    Ok((file, bytes))
}

/// The program that a variable names, else one of the project, else one on the path.
fn tool(variable: &str, own: &Path, name: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    // It is run from inside the project.
    let own = own.canonicalize().ok().filter(|own| own.is_file());
    named.or(own).unwrap_or_else(|| name.into())
}

fn package_json(project: &Path) -> Result<String, Failure> {
    let wrong = || Failure::Usage("package.json has no name".into());
    let package: Value = serde_json::from_slice(&read(&project.join("package.json"))?).map_err(|_| wrong())?;
    package["name"].as_str().map(str::to_owned).ok_or_else(wrong)
}

fn pyproject(project: &Path) -> Result<String, Failure> {
    let wrong = || Failure::Usage("pyproject.toml has no project.name".into());
    let text = String::from_utf8(read(&project.join("pyproject.toml"))?).map_err(|_| wrong())?;
    let manifest: toml::Table = text.parse().map_err(|_| wrong())?;
    manifest.get("project").and_then(|p| p.get("name")?.as_str()).map(str::to_owned).ok_or_else(wrong)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))
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
    let output =
        cargo.output().map_err(|e| Failure::Usage(format!("cargo cannot be run ({e}); rustup.rs brings it")))?;
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
    let DecodedWasm::Component(resolve, world) =
        wit_component::decode(component).map_err(|e| wrong(format!("{e:#}")))?
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
    let about =
        json!({ "file": built.file.display().to_string(), "bytes": built.bytes.len(), "imports": built.imports });
    output.one(&about, &[("component", "/file"), ("bytes", "/bytes"), ("imports", "/imports")]);
}
