//! Who may depend on whom. A new arrow is a change of architecture: it comes alone, with its reason, and changes
//! ARCHITECTURE.md with this table.

use crate::repository::{crates, folder, found, none};
use cargo_metadata::DependencyKind;

/// What each of our crates may import of ours. `tests/` may import anything.
const ALLOWED: &[(&str, &[&str])] = &[
    ("host/core", &[]),
    ("host/expr", &["attiva-core"]),
    ("host/segments", &["attiva-core", "attiva-expr"]),
    ("host/store", &["attiva-core"]),
    ("host/tables", &["attiva-core"]),
    ("host/wasm", &["attiva-core"]),
    ("host/sync", &["attiva-core", "attiva-expr", "attiva-segments"]),
    (
        "host/server",
        &[
            "attiva-core",
            "attiva-expr",
            "attiva-plugins",
            "attiva-segments",
            "attiva-simulators",
            "attiva-store",
            "attiva-sync",
            "attiva-tables",
            "attiva-testkit",
            "attiva-wasm",
        ],
    ),
    ("sdk/connector", &[]),
    ("sdk/simulators", &[]),
    // A connector is proved in the host's own sandbox, and by nothing that the host decides.
    ("sdk/testkit", &["attiva-core", "attiva-wasm"]),
    ("plugins/bundled", &[]),
    // What is known of one vendor's interface, for the source and the destination that both stand on it: refusals and
    // who acts on them are facts, and two copies of them drift apart.
    ("plugins/marketo-api", &["attiva-connector"]),
    ("plugins/destination-marketo", &["attiva-connector", "marketo-api"]),
    ("plugins/source-marketo", &["attiva-connector", "marketo-api"]),
    // Every other connector.
    ("plugins/*", &["attiva-connector"]),
];

/// What tests of a crate may import beyond that.
const ALLOWED_IN_TESTS: &[(&str, &[&str])] = &[
    // The host's own reading of what a connector says.
    ("sdk/connector", &["attiva-core"]),
    // What a connector ships for the host to run, and a vendor to run it against.
    ("plugins/*", &["attiva-core", "attiva-expr", "attiva-simulators"]),
    // The drivers against the true store: a second one for tests would have to be kept as exact.
    ("host/sync", &["attiva-store"]),
    // Guests that misbehave, built for the tests of what stops them.
    ("host/wasm", &["attiva-guests"]),
    // A component that comes from outside: the host's own come with it.
    ("host/server", &["attiva-guests"]),
];

/// Crates of others that only some of ours may import (and `tests/`, where `in_tests` says so).
const RESERVED: &[Reserved] = &[
    Reserved { name: "wasmtime", ours: &["host/wasm"], in_tests: true },
    Reserved { name: "axum", ours: &["host/server", "sdk/simulators"], in_tests: true },
    Reserved { name: "rusqlite", ours: &["host/store"], in_tests: true },
    Reserved { name: "hyper", ours: &["host/wasm", "sdk/simulators"], in_tests: true },
    Reserved { name: "ureq", ours: &["host/server", "sdk/testkit"], in_tests: true },
    Reserved { name: "cel", ours: &["host/expr"], in_tests: false },
    // The binary's tests read back what it wrote.
    Reserved { name: "parquet", ours: &["host/tables", "host/server", "plugins/destination-s3"], in_tests: true },
    Reserved { name: "wit-bindgen", ours: &["sdk/connector"], in_tests: true },
];

/// Crates that do things. Those that only decide may not import them.
const DOING: &[&str] =
    &["cap-std", "getrandom", "hyper", "rustix", "tempfile", "tokio", "tokio-util", "tracing-subscriber"];
const DECIDING: &[&str] = &["host/core", "host/expr", "host/segments"];

struct Reserved {
    name: &'static str,
    ours: &'static [&'static str],
    in_tests: bool,
}

/// One direct dependency.
#[derive(Debug, Clone)]
struct Edge {
    /// The importing crate's folder.
    from: String,
    to: String,
    kind: DependencyKind,
}

fn edges() -> Vec<Edge> {
    let of = |package: &cargo_metadata::Package| {
        let from = folder(package);
        let edge = |d: &cargo_metadata::Dependency| Edge { from: from.clone(), to: d.name.clone(), kind: d.kind };
        package.dependencies.iter().map(edge).collect::<Vec<_>>()
    };
    crates().iter().flat_map(of).collect()
}

/// The entry of a folder, or else of `<its parent>/*`.
fn entry<'a>(table: &'a [(&str, &[&'a str])], folder: &str) -> Option<&'a [&'a str]> {
    let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
    let any = format!("{parent}/*");
    let exact = table.iter().find(|(name, _)| *name == folder);
    exact.or_else(|| table.iter().find(|(name, _)| *name == any)).map(|(_, allowed)| *allowed)
}

fn problems(edges: &[Edge], ours: &[String]) -> Vec<String> {
    edges.iter().filter_map(|edge| problem(edge, ours)).collect()
}

fn problem(edge: &Edge, ours: &[String]) -> Option<String> {
    let Edge { from, to, kind } = edge;
    if from.starts_with("tests/") {
        let closed = RESERVED.iter().find(|r| r.name == to && !r.in_tests)?;
        return Some(format!("{from} imports {}, which is for {:?} only", closed.name, closed.ours));
    }
    let in_tests = *kind == DependencyKind::Development;
    if ours.contains(to) {
        let Some(allowed) = entry(ALLOWED, from) else {
            return Some(format!("{from} is in no table: say what it may import"));
        };
        let more = entry(ALLOWED_IN_TESTS, from).filter(|_| in_tests).unwrap_or_default();
        let fine = allowed.contains(&to.as_str()) || more.contains(&to.as_str());
        return (!fine).then(|| format!("{from} imports {to}; it may import {allowed:?}"));
    }
    if let Some(reserved) = RESERVED.iter().find(|r| r.name == to)
        && !reserved.ours.contains(&from.as_str())
    {
        return Some(format!("{from} imports {to}, which is for {:?} only", reserved.ours));
    }
    let decides = DECIDING.contains(&from.as_str()) && DOING.contains(&to.as_str()) && !in_tests;
    decides.then(|| format!("{from} imports {to}, but it only decides: no clock, no I/O, no runtime"))
}

#[test]
fn imports_go_one_way() {
    let ours: Vec<String> = crates().iter().map(|p| p.name.to_string()).collect();
    assert!(ours.len() > 10, "the crates were not found: {ours:?}");
    none(problems(&edges(), &ours));
}

#[test]
fn a_wrong_import_is_found() {
    use DependencyKind::{Development, Normal};
    let ours = ["attiva-core", "attiva-wasm", "attiva-store", "attiva-connector"].map(str::to_owned);
    let wrong = [
        ("host/core", "attiva-wasm", Normal),
        ("host/core", "tokio", Normal),
        ("host/core", "wasmtime", Development),
        ("host/store", "attiva-wasm", Development),
        ("host/sync", "attiva-store", Normal),
        ("plugins/source-new", "attiva-core", Normal),
        ("sdk/simulators", "attiva-core", Normal),
        ("host/store", "axum", Normal),
        ("host/new", "attiva-core", Normal),
        ("tests/e2e", "cel", Normal),
    ];
    for (from, to, kind) in wrong {
        let edge = Edge { from: from.into(), to: to.into(), kind };
        found(&problems(&[edge], &ours), from);
    }
    let right = [
        ("host/wasm", "attiva-core", Normal),
        ("host/core", "tokio", Development),
        ("host/sync", "attiva-store", Development),
        ("plugins/source-new", "attiva-core", Development),
        ("plugins/source-new", "attiva-connector", Normal),
        ("tests/e2e", "wasmtime", Normal),
    ];
    for (from, to, kind) in right {
        none(problems(&[Edge { from: from.into(), to: to.into(), kind }], &ours));
    }
}
