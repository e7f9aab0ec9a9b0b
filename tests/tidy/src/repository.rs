//! What the checks look at: files that git knows or would take, and the workspace's manifests.

use cargo_metadata::{Metadata, MetadataCommand, Package};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate is two folders below the root").to_path_buf()
}

/// Reads a text file of the repository.
pub(crate) fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Paths of all files in git, or about to be, relative to the root; links left out.
pub(crate) fn files() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is needed to know which files are the repository's");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).expect("file names are UTF-8");
    let is_file = |path: &str| root().join(path).symlink_metadata().is_ok_and(|m| m.is_file());
    names.split_terminator('\0').filter(|path| is_file(path)).map(str::to_owned).collect()
}

/// All text files with their text.
pub(crate) fn texts() -> Vec<(String, String)> {
    let read = |path: String| {
        let text = std::fs::read_to_string(root().join(&path)).ok()?;
        Some((path, text))
    };
    files().into_iter().filter_map(read).collect()
}

/// Our crates, with their direct dependencies. Resolves nothing, so it needs no network.
pub(crate) fn crates() -> Vec<Package> {
    let metadata: Metadata =
        MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("cargo metadata");
    metadata.packages
}

/// A crate's folder, relative to the root: `host/core`.
pub(crate) fn folder(package: &Package) -> String {
    let folder = package.manifest_path.parent().expect("a manifest has a folder");
    let folder = folder.as_std_path().strip_prefix(root()).expect("our crates are below the root");
    folder.to_string_lossy().into_owned()
}

/// Fails with all problems, one a line.
pub(crate) fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "{} problem(s):\n{}", problems.len(), problems.join("\n"));
}

/// Fails unless the check found a planted problem.
pub(crate) fn found(problems: &[String], part: &str) {
    assert!(problems.iter().any(|p| p.contains(part)), "nothing about `{part}` in {problems:?}");
}
