//! Embeds what `attiva connector new` writes: the contract, the SDK's sources, templates, and the versions they were
//! tested with. A partner has the program and not this repository.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What is embedded: a place in the repository, and where it goes in the archive.
const PLACES: [(&str, &str); 10] = [
    ("wit", "wit"),
    ("sdk/connector/src", "sdk/connector/src"),
    ("sdk/connector/Cargo.toml", "sdk/connector/Cargo.toml"),
    ("sdk/connector/README.md", "sdk/connector/README.md"),
    ("sdk/javascript/attiva.js", "sdk/javascript/attiva.js"),
    ("sdk/javascript/package.json", "sdk/javascript/package.json"),
    ("sdk/python/attiva.py", "sdk/python/attiva.py"),
    ("sdk/python/requirements.txt", "sdk/python/requirements.txt"),
    ("sdk/templates", "templates"),
    ("rust-toolchain.toml", "rust-toolchain.toml"),
];
/// Read for the versions of the SDK's dependencies.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "Cargo.lock"];

fn main() -> io::Result<()> {
    let here = env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("run by cargo only"))?;
    let root = Path::new(&here).join("../..").canonicalize()?;
    let mut list = String::from("&[\n");
    for (place, name) in PLACES {
        println!("cargo::rerun-if-changed={}", root.join(place).display());
        embed(&root.join(place), name, &mut list)?;
    }
    for name in MANIFESTS {
        println!("cargo::rerun-if-changed={}", root.join(name).display());
        embed(&root.join(name), name, &mut list)?;
    }
    list.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("run by cargo only"))?;
    fs::write(PathBuf::from(out).join("archive.rs"), list)
}

fn embed(path: &Path, name: &str, list: &mut String) -> io::Result<()> {
    if path.is_dir() {
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let Some(inner) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if inner != "target" && inner != "node_modules" {
                embed(&entry.path(), &format!("{name}/{inner}"), list)?;
            }
        }
        return Ok(());
    }
    writeln!(list, "({name:?}, include_bytes!({:?})),", path.display()).map_err(io::Error::other)
}
