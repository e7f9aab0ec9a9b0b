//! What others' crates we stand on: one TLS stack, crates.io only, a line of reason for each, none for nothing.

use crate::repository::{crates, found, none, text};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// A second TLS stack, a second crypto provider, a client that goes past the egress gate.
const REFUSED: &[&str] =
    &["aws-lc-rs", "aws-lc-sys", "boring", "native-tls", "openssl", "openssl-sys", "reqwest", "rsa", "schannel"];
/// What there may be one version of, since two would be two stacks.
const SINGLE: &[&str] = &["ring", "rustls", "wasmtime"];
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn lock_problems(lock: &Table) -> Vec<String> {
    let packages = lock.get("package").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let of = |package: &Value, key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut problems = Vec::new();
    for package in packages {
        let (name, source) = (of(package, "name"), of(package, "source"));
        if REFUSED.contains(&name.as_str()) {
            problems.push(format!("{name} is in Cargo.lock: see deny.toml for why it may not be"));
        }
        if !source.is_empty() && source != CRATES_IO {
            problems.push(format!("{name} comes from {source}, not from crates.io"));
        }
    }
    for name in SINGLE {
        let versions: Vec<String> =
            packages.iter().filter(|p| of(p, "name") == *name).map(|p| of(p, "version")).collect();
        if versions.len() > 1 {
            problems.push(format!("{name} is there in {} versions: {}", versions.len(), versions.join(", ")));
        }
    }
    problems
}

/// Names of the crates that `docs/dependencies.md` has a line for: first cells of tables with four.
fn documented(page: &str) -> Vec<String> {
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 5);
    let names = rows.filter_map(|line| line.split('|').nth(1)).map(|cell| cell.trim().to_owned());
    names.filter(|name| name != "Crate" && !name.starts_with("---")).collect()
}

/// Names in `[workspace.dependencies]` that are not ours.
fn declared(manifest: &Table) -> Vec<String> {
    let table = manifest.get("workspace").and_then(|w| w.get("dependencies")).and_then(Value::as_table);
    let foreign = |value: &Value| value.get("path").is_none();
    table.into_iter().flatten().filter(|(_, value)| foreign(value)).map(|(name, _)| name.clone()).collect()
}

fn reason_problems(declared: &[String], documented: &[String], used: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    for name in declared {
        if !documented.contains(name) {
            problems.push(format!("{name} has no line in docs/dependencies.md: what for, what else, licence"));
        }
        if !used.contains(name) {
            problems.push(format!("{name} is in [workspace.dependencies], but no crate uses it"));
        }
    }
    for name in documented.iter().filter(|name| !declared.contains(name)) {
        problems.push(format!("{name} has a line in docs/dependencies.md, but is no dependency"));
    }
    for name in used.iter().filter(|name| !declared.contains(name)) {
        problems.push(format!("{name} is used, but not declared in [workspace.dependencies]"));
    }
    let mut twice = documented.to_vec();
    twice.sort();
    problems.extend(twice.windows(2).filter(|w| w[0] == w[1]).map(|w| format!("{} has two lines", w[0])));
    problems
}

fn used() -> BTreeSet<String> {
    let all = crates();
    let ours: BTreeSet<String> = all.iter().map(|p| p.name.to_string()).collect();
    let names = all.iter().flat_map(|p| &p.dependencies).map(|d| d.name.clone());
    names.filter(|name| !ours.contains(name)).collect()
}

#[test]
fn one_tls_stack_and_one_registry() {
    none(lock_problems(&text("Cargo.lock").parse().expect("Cargo.lock is TOML")));
}

#[test]
fn every_direct_dependency_has_its_reason_and_its_use() {
    let manifest = text("Cargo.toml").parse().expect("Cargo.toml is TOML");
    none(reason_problems(&declared(&manifest), &documented(&text("docs/dependencies.md")), &used()));
}

#[test]
fn a_second_stack_or_source_is_found() {
    let lock = |packages: &str| lock_problems(&packages.parse().expect("TOML"));
    let package = |name: &str, version: &str, source: &str| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n")
    };
    found(&lock(&package("openssl-sys", "1.0.0", CRATES_IO)), "openssl-sys");
    found(&lock(&package("serde", "1.0.0", "git+https://example.com/serde")), "not from crates.io");
    let two = package("rustls", "0.23.0", CRATES_IO) + &package("rustls", "0.24.0", CRATES_IO);
    found(&lock(&two), "2 versions: 0.23.0, 0.24.0");
    none(lock(&package("rustls", "0.23.0", CRATES_IO)));
}

#[test]
fn a_dependency_without_reason_or_use_is_found() {
    let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let used = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<BTreeSet<_>>();
    let page = "| Crate | What for | Also considered | Licence |\n| --- | --- | --- | --- |\n| a | x | y | MIT |\n";
    assert_eq!(documented(page), ["a"]);
    let manifest = "[workspace.dependencies]\na = \"1\"\nours = { path = \"x\" }\n".parse().expect("TOML");
    assert_eq!(declared(&manifest), ["a"]);
    none(reason_problems(&names(&["a"]), &names(&["a"]), &used(&["a"])));
    found(&reason_problems(&names(&["a"]), &[], &used(&["a"])), "a has no line");
    found(&reason_problems(&names(&["a"]), &names(&["a"]), &used(&[])), "no crate uses it");
    found(&reason_problems(&[], &names(&["a"]), &used(&[])), "is no dependency");
    found(&reason_problems(&[], &[], &used(&["a"])), "not declared");
    found(&reason_problems(&names(&["a"]), &names(&["a", "a"]), &used(&["a"])), "two lines");
}
