//! The bundled connectors, against the simulators, with no exemption.

mod destinations;
mod sources;

use attiva_testkit::report::Verdict;
use attiva_testkit::suite::Suite;
use attiva_testkit::wire::stand::Upstream;
use attiva_testkit::{Documents, Options, Proof, prove};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The options for a bundled connector, whose vendor is at one address for all its origins.
fn options(name: &str, suite: &Value, url: &str, origins: &[&str]) -> Options {
    let bundled = attiva_plugins::bundled().iter().find(|bundled| bundled.name == name).unwrap();
    let suite = Suite::parse(&suite.to_string()).unwrap();
    let at: BTreeMap<String, String> = origins.iter().map(|origin| ((*origin).to_owned(), url.to_owned())).collect();
    let readme = std::fs::read_to_string(format!("{}/../../plugins/{name}/README.md", env!("CARGO_MANIFEST_DIR")));
    Options {
        // None was released before: what holds for any two versions holds for one with itself.
        previous: Some(bundled.component.to_vec()),
        documents: Documents { readme: Some(readme.unwrap()), changelog: None },
        // A simulator's time runs faster than its vendor's: a wait that is asked for is nearly none.
        wait: Some(Arc::new(|ms| Box::pin(tokio::time::sleep(Duration::from_millis(ms.min(2)))))),
        ..Options::new(bundled.component.to_vec(), suite, Upstream::At(at))
    }
}

/// All 53, told; nothing may fail.
fn proved(runtime: &tokio::runtime::Runtime, options: Options) {
    held(runtime, options, &[]);
}

/// As `proved`, these alone; none: all of them.
fn held(runtime: &tokio::runtime::Runtime, options: Options, only: &[u8]) {
    let asked = std::env::var("KIT_ONLY").unwrap_or_default();
    let asked: Vec<u8> = asked.split(',').filter_map(|n| n.parse().ok()).collect();
    let only = if asked.is_empty() { only.to_vec() } else { asked };
    let readme = options.documents.readme.clone().unwrap();
    let Proof { report, .. } = runtime.block_on(prove(options, &only)).unwrap();
    println!("{}", report.to_text());
    let check = report.rows.iter().find(|row| row.name == "check");
    if let Some(Verdict::Passed { notes }) = check.map(|row| &row.verdict) {
        let tests: Vec<&str> = notes[0].split(", ").collect();
        assert_eq!(unlike(&tests, &readme), Vec::<String>::new(), "the table of the check's tests in the README");
    }
    assert_eq!(report.failures(), Vec::<u8>::new(), "{}", report.to_text());
    assert_eq!(report.passed + report.not_applicable, if only.is_empty() { 53 } else { only.len() });
}

/// Marketo says nearly everything with status 200.
fn marketo_answers() -> Value {
    let answer = |code: &str, message: &str| json!({"status": 200, "body": {"requestId": "kit", "success": false, "errors": [{"code": code, "message": message}]}});
    json!({
        "token_expired": answer("602", "Access token expired"), "scope_missing": answer("603", "Access denied"),
        "rate_limited": answer("606", "Max rate limit '100' exceeded with in '20' secs"),
        "quota_spent": answer("607", "Daily API Request Limit Reached"),
    })
}

/// In what a README's table of the check's tests is not what the check has.
fn unlike(tests: &[&str], readme: &str) -> Vec<String> {
    let table = readme
        .split_once("| Test of the check |")
        .map_or("", |(_, rest)| rest.split("\n\n").next().unwrap_or_default());
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let (mut names, mut prefixes) = (Vec::new(), Vec::new());
    for cell in cells.filter_map(|cell| cell.split(" | ").next()) {
        let of_cell: Vec<&str> = cell.split('`').step_by(2).collect();
        // One for each of something: `read-account`, `read-contact`, ...
        if let Some(prefix) = of_cell[0].split_once('-').map(|(prefix, _)| prefix).filter(|_| cell.contains("...")) {
            prefixes.push(format!("{prefix}-"));
        }
        names.extend(of_cell.into_iter().filter(|name| !name.is_empty() && !name.contains([' ', '.'])));
    }
    let is_told = |test: &&str| names.contains(test) || prefixes.iter().any(|prefix| test.starts_with(prefix));
    let untold = tests.iter().filter(|test| !is_told(test)).map(|test| format!("`{test}` is not in it"));
    let unknown = names.iter().filter(|name| !tests.contains(name)).map(|name| format!("there is no test `{name}`"));
    untold.chain(unknown).collect()
}

#[test]
fn a_table_that_is_not_of_the_checks_tests_is_found() {
    let readme = "x\n\n| Test of the check | What it does |\n| --- | --- |\n| `log-in` | Logs `in` |\n| `read-a`, `read-b`, ... one for each | x |\n\n| `other` | y |\n";
    assert_eq!(unlike(&["log-in", "read-a", "read-b", "read-c"], readme), Vec::<String>::new());
    assert_eq!(unlike(&["log-in", "read-a"], readme), ["there is no test `read-b`"]);
    assert_eq!(unlike(&["log-in", "read-a", "read-b", "quota"], readme), ["`quota` is not in it"]);
    assert_eq!(unlike(&["log-in"], "no table"), ["`log-in` is not in it"]);
}
