//! What the program carries for `new`: the contract, the SDK, templates, and the versions they were tested with.

use crate::cli::Failure;
use std::fmt::Write as _;

/// Path in the archive, and contents.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/archive.rs"));

/// A file of the archive, as text.
pub(super) fn text(path: &str) -> Result<&'static str, Failure> {
    let bytes = FILES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes);
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.ok_or_else(|| Failure::Other(anyhow::anyhow!("the program lacks {path}")))
}

/// The files below a directory of the archive, by their path below it.
pub(super) fn below(directory: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let prefix = format!("{directory}/");
    FILES.iter().filter_map(move |(name, bytes)| Some((name.strip_prefix(&prefix)?, *bytes)))
}

/// The SDK's manifest for a project of its own: without what only its tests here need.
pub(super) fn sdk_manifest() -> Result<String, Failure> {
    let whole = text("sdk/connector/Cargo.toml")?;
    Ok(whole.split("\n[dev-dependencies]").next().unwrap_or(whole).trim_end().to_owned() + "\n")
}

/// The tables of the repository's manifest that the SDK's manifest refers to, for the project's: with our crates left
/// out, and none of the others but those that the SDK names.
pub(super) fn workspace_tables() -> Result<String, Failure> {
    let (root, sdk) = (text("Cargo.toml")?, sdk_manifest()?);
    let named = |line: &&str| {
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        !name.is_empty() && sdk.lines().any(|used| used == format!("{name}.workspace = true"))
    };
    let mut tables = String::new();
    for table in ["workspace.package", "workspace.dependencies", "workspace.lints.rust"] {
        let _ = writeln!(tables, "\n[{table}]");
        let lines = root.lines().skip_while(|line| *line != format!("[{table}]")).skip(1);
        let lines = lines.take_while(|line| !line.starts_with('['));
        let is_kept = |line: &&str| table != "workspace.dependencies" || named(line);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')).filter(is_kept) {
            let _ = writeln!(tables, "{line}");
        }
    }
    Ok(tables)
}
