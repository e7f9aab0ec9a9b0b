//! `attiva connector new`.

use super::{Language, archive};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::exit::Exit;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// What the templates are called; every occurrence becomes the project's name.
const TEMPLATE_NAME: &str = "source-example";

type Files = Vec<(PathBuf, Vec<u8>)>;

/// Writes a project. The contract and the SDK of its language are in it.
pub(super) fn project(name: &str, language: Language, within: &Path, output: Output) -> Result<Exit, Failure> {
    check_name(name)?;
    let project = within.join(name);
    if project.exists() {
        return Err(Failure::Usage(format!("{} is there already", project.display())));
    }
    let (template, mut files, before) = match language {
        Language::Rust => ("templates/rust", rust()?, ""),
        Language::Javascript => ("templates/javascript", javascript()?, "`npm install`, "),
        Language::Python => ("templates/python", python()?, "`pip install -r requirements.txt`, "),
    };
    for (path, bytes) in archive::below("wit") {
        files.push((Path::new("wit").join(path), bytes.to_vec()));
    }
    // All of them ask the same vendor the same questions, so one recording does.
    for (path, bytes) in archive::below(template).chain(conformance(language)) {
        files.push((place(path).into(), bytes.to_vec()));
    }
    for (path, bytes) in files {
        let is_ours = !path.starts_with("sdk") && !path.starts_with("wit") && path != Path::new("Cargo.lock");
        let bytes =
            if is_ours { String::from_utf8_lossy(&bytes).replace(TEMPLATE_NAME, name).into_bytes() } else { bytes };
        write(&project.join(path), &bytes)?;
    }
    let shown = project.display();
    output.note(&format!(
        "{shown} is written. Next: `cd {shown}`, {before}`attiva connector build`, `attiva connector test`."
    ));
    Ok(Exit::Done)
}

/// Some files have other names among the templates, lest tools take them for files of this repository.
fn place(path: &str) -> &str {
    match path {
        "Cargo.toml.template" => "Cargo.toml",
        "package.json.template" => "package.json",
        "gitignore" => ".gitignore",
        path => path,
    }
}

fn conformance(language: Language) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let is_shared = move |(path, _): &(&str, &[u8])| language != Language::Rust && path.starts_with("conformance/");
    archive::below("templates/rust").filter(is_shared)
}

fn rust() -> Result<Files, Failure> {
    let mut files: Files = Vec::new();
    for (path, bytes) in archive::below("sdk/connector").filter(|(path, _)| *path != "Cargo.toml") {
        files.push((Path::new("sdk/connector").join(path), bytes.to_vec()));
    }
    files.push(("sdk/connector/Cargo.toml".into(), archive::sdk_manifest()?.into_bytes()));
    files.push(("rust-toolchain.toml".into(), archive::text("rust-toolchain.toml")?.into()));
    // The versions that the SDK was tested with; cargo takes out what the project does not need.
    files.push(("Cargo.lock".into(), archive::text("Cargo.lock")?.into()));
    Ok(files)
}

fn javascript() -> Result<Files, Failure> {
    Ok(vec![("sdk/attiva.js".into(), archive::text("sdk/javascript/attiva.js")?.into())])
}

fn python() -> Result<Files, Failure> {
    Ok(vec![
        ("sdk/attiva.py".into(), archive::text("sdk/python/attiva.py")?.into()),
        ("requirements.txt".into(), archive::text("sdk/python/requirements.txt")?.into()),
    ])
}

fn check_name(name: &str) -> Result<(), Failure> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if plain && begins && name.len() <= 64 && !name.ends_with('-') {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "`{name}` must be 1 to 64 lower-case letters, digits and dashes, and begin with a letter"
    )))
}

/// Writes a file; two of them are completed by what the program knows.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let bytes = match path.file_name().and_then(|name| name.to_str()) {
        Some("Cargo.toml") if !path.ends_with("sdk/connector/Cargo.toml") => {
            [bytes, archive::workspace_tables()?.as_bytes()].concat()
        }
        // An interpreter is in the component.
        Some("suite.json")
            if path.ancestors().nth(2).is_some_and(|project| project.join("pyproject.toml").is_file()) =>
        {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.replacen("{\n", "{\n  \"budget\": { \"component_bytes\": 33554432 },\n", 1).into_bytes()
        }
        Some("package.json") => {
            let ours: serde_json::Value =
                serde_json::from_str(archive::text("sdk/javascript/package.json")?).context("our package.json")?;
            let version = ours["devDependencies"]["componentize-qjs"].as_str().unwrap_or("latest");
            String::from_utf8_lossy(bytes).replace("COMPONENTIZE_QJS_VERSION", version).into_bytes()
        }
        _ => bytes.to_vec(),
    };
    let failed = |e: std::io::Error| Failure::Usage(format!("{}: {e}", path.display()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}
