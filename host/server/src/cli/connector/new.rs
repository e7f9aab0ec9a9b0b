//! `attiva connector new`.

use super::archive;
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::exit::Exit;
use std::path::{Path, PathBuf};

/// What the template is called; every occurrence becomes the project's name.
const TEMPLATE_NAME: &str = "source-example";

/// Writes a project in Rust. Everything it needs beside crates of the registry is in it.
pub(super) fn rust(name: &str, within: &Path, output: Output) -> Result<Exit, Failure> {
    check_name(name)?;
    let project = within.join(name);
    if project.exists() {
        return Err(Failure::Usage(format!("{} is there already", project.display())));
    }
    let named = |text: &str| text.replace(TEMPLATE_NAME, name);
    let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for (path, bytes) in archive::below("templates/rust") {
        let place = match path {
            // Under its own name cargo would take the template for a package of ours, git for settings of ours.
            "Cargo.toml.template" => "Cargo.toml",
            "gitignore" => ".gitignore",
            path => path,
        };
        let mut text = named(&String::from_utf8_lossy(bytes));
        if place == "Cargo.toml" {
            text.push_str(&archive::workspace_tables()?);
        }
        files.push((place.into(), text.into_bytes()));
    }
    for (path, bytes) in archive::below("sdk/connector").filter(|(path, _)| *path != "Cargo.toml") {
        files.push((Path::new("sdk/connector").join(path), bytes.to_vec()));
    }
    for (path, bytes) in archive::below("wit") {
        files.push((Path::new("wit").join(path), bytes.to_vec()));
    }
    files.push(("sdk/connector/Cargo.toml".into(), archive::sdk_manifest()?.into_bytes()));
    files.push(("rust-toolchain.toml".into(), archive::text("rust-toolchain.toml")?.into()));
    // The versions that the SDK was tested with; cargo takes out what the project does not need.
    files.push(("Cargo.lock".into(), archive::text("Cargo.lock")?.into()));
    for (path, bytes) in files {
        write(&project.join(path), &bytes)?;
    }
    output.note(&format!(
        "{} is written. Next: `cd {}`, then `attiva connector build` and `attiva connector test`.",
        project.display(),
        project.display()
    ));
    Ok(Exit::Done)
}

fn check_name(name: &str) -> Result<(), Failure> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let begins = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if plain && begins && name.len() <= 64 && !name.ends_with('-') {
        return Ok(());
    }
    Err(Failure::Usage(format!("`{name}` must be 1 to 64 lower-case letters, digits and dashes, and begin with a letter")))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::Usage(format!("{}: {e}", path.display()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}
