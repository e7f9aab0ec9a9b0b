//! Every cell of `docs/fault-matrix.md` names a test that there is, or says why there is none to be had.

use crate::repository::{found, none, text, texts};
use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = "docs/fault-matrix.md";
const CHECKS: &str = "sdk/testkit/src/checks/mod.rs";
/// Where the kit is run over the connectors: a test for each, with the connector's name.
const BUNDLED: &str = "tests/conformance/tests/bundled/";
const NOT_APPLICABLE: &str = "not applicable: ";
const CONNECTORS: usize = 5;
const FAULTS: usize = 14;

/// Names of tests, and the files they stand in.
type Tests = BTreeMap<String, Vec<String>>;

fn tests(sources: &[(String, String)]) -> Tests {
    let mut tests = Tests::new();
    for (path, source) in sources.iter().filter(|(path, _)| path.ends_with(".rs")) {
        let mut is_test = false;
        for line in source.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
                let name = rest.split('(').next().unwrap_or_default().to_owned();
                tests.entry(name).or_default().push(path.clone());
                is_test = false;
            }
        }
    }
    tests
}

/// Numbers of the kit's checks.
fn checks(source: &str) -> BTreeSet<u8> {
    source.lines().filter_map(|line| line.trim().split_once(" \"")?.0.parse().ok()).collect()
}

/// The table's rows, by cell.
fn rows(page: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).map(cells).collect()
}

/// Whether a test says something of a connector: it is not another one's own.
fn is_of(path: &str, connector: &str) -> bool {
    let Some(plugin) = path.strip_prefix("plugins/").and_then(|rest| rest.split('/').next()) else { return true };
    plugin == connector || (plugin == "marketo-api" && connector.ends_with("-marketo"))
}

fn cell_problems(cell: &str, connector: &str, tests: &Tests, checks: &BTreeSet<u8>) -> Vec<String> {
    let mut problems = Vec::new();
    let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    for name in &names {
        if !tests.get(*name).is_some_and(|paths| paths.iter().any(|path| is_of(path, connector))) {
            problems.push(format!("there is no test `{name}` that is of {connector}"));
        }
    }
    let kit: Vec<&str> =
        cell.split("kit ").skip(1).map(|rest| rest.split([',', ' ']).next().unwrap_or_default()).collect();
    for number in &kit {
        if !number.parse().is_ok_and(|number: u8| checks.contains(&number)) {
            problems.push(format!("the kit has no check {number}"));
        }
    }
    let run = connector.replace('-', "_");
    if !kit.is_empty() && !tests.get(&run).is_some_and(|paths| paths.iter().any(|path| path.starts_with(BUNDLED))) {
        problems.push(format!("the kit is not run over {connector}"));
    }
    let says_why = cell.strip_prefix(NOT_APPLICABLE).is_some_and(|why| why.len() > 10);
    if names.is_empty() && kit.is_empty() && !says_why {
        problems.push(format!("`{cell}` names no test and no reason"));
    }
    problems
}

fn problems(page: &str, tests: &Tests, checks: &BTreeSet<u8>) -> Vec<String> {
    let rows = rows(page);
    let Some((head, faults)) = rows.split_first() else { return vec![format!("{PAGE} has no table")] };
    let mut problems = Vec::new();
    for row in faults {
        let fault = row.first().cloned().unwrap_or_default();
        if row.len() != head.len() {
            problems.push(format!("{fault}: {} cells under {} heads", row.len(), head.len()));
        }
        for (connector, cell) in head.iter().zip(row).skip(1) {
            let of_cell = cell_problems(cell, connector, tests, checks);
            problems.extend(of_cell.into_iter().map(|problem| format!("{PAGE}, {fault}, {connector}: {problem}")));
        }
    }
    // What stands outside of the table names tests as well.
    for line in page.lines().filter(|line| !line.starts_with('|')) {
        let names = line.split('`').skip(1).step_by(2);
        let is_name = |name: &&str| name.contains('_') && !name.contains(['/', ' ']);
        problems.extend(
            names
                .filter(is_name)
                .filter(|name| !tests.contains_key(*name))
                .map(|name| format!("{PAGE}: no test `{name}`")),
        );
    }
    problems
}

#[test]
fn every_cell_of_the_fault_matrix_is_shown_by_a_test() {
    let page = text(PAGE);
    let rows = rows(&page);
    assert_eq!(rows.first().map(Vec::len), Some(CONNECTORS + 1), "a column for each connector");
    assert!(rows.len() > FAULTS, "only {} faults", rows.len() - 1);
    none(problems(&page, &tests(&texts()), &checks(&text(CHECKS))));
}

#[test]
fn a_cell_without_a_test_is_found() {
    let sources = |text: &str| vec![("plugins/source-x/src/a.rs".to_owned(), text.to_owned())];
    let mut tests = tests(&sources("#[test]\nfn it_is_there() {}\nfn helper() {}\n"));
    tests.insert("source_x".into(), vec![format!("{BUNDLED}sources.rs")]);
    let checks = checks("        28 \"vendor-faults\" \"x\" => x;\n");
    let with = |cell: &str| problems(&format!("| F | source-x |\n| --- | --- |\n| cut | {cell} |\n"), &tests, &checks);
    none(with("kit 28, `it_is_there`"));
    none(with("not applicable: it never happens there"));
    found(&with("`helper`"), "no test `helper`");
    found(&with("kit 29"), "no check 29");
    found(&with("later"), "names no test");
    found(&with("not applicable: no"), "names no test");
    found(&with("`it_is_there` | more"), "cells under");
    found(&problems("| F | source-y |\n| cut | `it_is_there` |\n| b | kit 28 |", &tests, &checks), "of source-y");
    found(&problems("| F | source-y |\n| b | kit 28 |", &tests, &checks), "not run over source-y");
    found(
        &problems("| F | source-x |\n| b | kit 28 |\n\nSee `no_such_test`.", &tests, &checks),
        "no test `no_such_test`",
    );
}
