//! Every crate says what it is, takes the workspace's lints, and compiles every file it has.

use crate::repository::{crates, files, folder, found, none, root};
use std::collections::BTreeSet;
use toml::{Table, Value};

fn readme_problem(folder: &str, readme: Option<&str>) -> Option<String> {
    match readme {
        None => Some(format!("{folder} has no README.md: purpose, key types, the non-obvious")),
        Some(text) if !text.starts_with("# ") => Some(format!("{folder}/README.md does not begin with a title")),
        Some(text) if text.lines().filter(|line| !line.trim().is_empty()).count() < 3 => {
            Some(format!("{folder}/README.md says nothing"))
        }
        Some(_) => None,
    }
}

fn lints_problem(folder: &str, manifest: &Table) -> Option<String> {
    let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    (inherits != Some(true)).then(|| format!("{folder}/Cargo.toml does not take the workspace's lints"))
}

/// A file that no `mod` names is never compiled, and its tests never run. `files` are all there are, `read` gives a
/// file's text, if it is there.
fn orphan_problem(
    folder: &str,
    file: &str,
    files: &[String],
    read: &impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let inside = file.strip_prefix(folder)?.strip_prefix('/')?;
    let (parent, name) = inside.rsplit_once('/')?;
    let stem = name.strip_suffix(".rs")?;
    // Found by cargo itself: src/lib.rs, src/bin/x.rs, tests/x.rs, tests/x/main.rs.
    let is_target = matches!(stem, "lib" | "main") || matches!(parent, "src/bin" | "tests" | "benches" | "examples");
    if is_target {
        return None;
    }
    let (at, wanted) = if stem == "mod" { parent.rsplit_once('/')? } else { (parent, stem) };
    let mut owners = ["/mod.rs", "/lib.rs", "/main.rs", ".rs"].map(|end| format!("{folder}/{at}{end}")).to_vec();
    if at == "tests" {
        // Each file there is a crate of its own, and any of them may say it.
        let beside = format!("{folder}/tests/");
        owners.extend(files.iter().filter(|f| f.strip_prefix(&beside).is_some_and(|f| !f.contains('/'))).cloned());
    }
    let names = |text: &str| {
        let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let mut before = "";
        words.any(|word| std::mem::replace(&mut before, word) == "mod" && word == wanted)
    };
    let owned = owners.iter().any(|owner| read(owner).is_some_and(|text| names(&text)));
    (!owned).then(|| format!("{file} is no module of any crate: nothing says `mod {wanted};`"))
}

#[test]
fn every_crate_says_what_it_is() {
    let folders: Vec<String> = crates().iter().map(folder).collect();
    let readme = |folder: &String| std::fs::read_to_string(root().join(folder).join("README.md")).ok();
    none(folders.iter().filter_map(|f| readme_problem(f, readme(f).as_deref())).collect());
}

#[test]
fn every_crate_takes_the_lints() {
    let problem = |folder: String| {
        let text = std::fs::read_to_string(root().join(&folder).join("Cargo.toml")).expect("a manifest");
        lints_problem(&folder, &text.parse().expect("TOML"))
    };
    none(crates().iter().map(folder).filter_map(problem).collect());
}

#[test]
fn every_source_file_is_compiled() {
    let files = files();
    let folders: BTreeSet<String> = crates().iter().map(folder).collect();
    let read = |path: &str| std::fs::read_to_string(root().join(path)).ok();
    let problem = |file: &String| {
        let folder = folders.iter().find(|f| file.starts_with(&format!("{f}/")))?;
        orphan_problem(folder, file, &files, &read)
    };
    none(files.iter().filter(|f| f.ends_with(".rs")).filter_map(problem).collect());
}

#[test]
fn a_silent_crate_is_found() {
    assert!(readme_problem("x", None).is_some());
    assert!(readme_problem("x", Some("text")).is_some());
    assert!(readme_problem("x", Some("# x\n\nOne line.\n")).is_some());
    assert_eq!(readme_problem("x", Some("# x\n\nOne line.\nAnother.\n")), None);
    assert!(lints_problem("x", &"[package]\nname = \"x\"".parse().expect("TOML")).is_some());
    assert_eq!(lints_problem("x", &"[lints]\nworkspace = true".parse().expect("TOML")), None);
}

#[test]
fn a_forgotten_file_is_found() {
    let there = |path: &str| match path {
        "c/src/lib.rs" => Some("mod a;\n// mod not_this\npub(crate) mod tests;".to_owned()),
        "c/src/a.rs" => Some("#[cfg(test)]\nmod b;".to_owned()),
        "c/tests/it.rs" => Some("mod support;".to_owned()),
        _ => None,
    };
    let owned = [
        "c/src/lib.rs",
        "c/src/a.rs",
        "c/src/a/b.rs",
        "c/src/a/mod.rs",
        "c/src/bin/x.rs",
        "c/tests/it.rs",
        "c/tests/support/mod.rs",
    ];
    let files = owned.map(str::to_owned);
    for file in owned {
        assert_eq!(orphan_problem("c", file, &files, &there), None, "{file}");
    }
    for file in ["c/src/b.rs", "c/src/a/c.rs", "c/tests/it/helper.rs", "c/tests/other/mod.rs", "c/src/d/mod.rs"] {
        found(&Vec::from_iter(orphan_problem("c", file, &files, &there)), file);
    }
}
