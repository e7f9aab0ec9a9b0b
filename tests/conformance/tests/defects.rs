//! Each check finds the connector that has the defect it is there for, and no other check finds it; the sound one passes
//! all of them.

use attiva_conformance::acme::Acme;
use attiva_conformance::component;
use attiva_testkit::report::Report;
use attiva_testkit::suite::Suite;
use attiva_testkit::wire::stand::Upstream;
use attiva_testkit::{Documents, Options, prove};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

fn suite(defect: &str) -> Value {
    let column = |name: &str, kind: &str| json!({"name": name, "type": kind});
    let target = |object: &str, is_job: bool| {
        json!({
            "object": object, "is_job": is_job, "hashed": if is_job { Value::Null } else { json!("email") },
            "columns": [column("email", "text"), column("first_name", "text"), column("country", "text"), column("score", "integer")],
            "row": {"email": "kit-{n}@example.com", "first_name": "Ada {n}", "country": "de", "score": 7},
            "poison": {"country": "xx"},
        })
    };
    let bad_job = |status: u16, body: Value| json!({"status": status, "body": body});
    json!({
        "configuration": {"team": "a1", "client_id": "kit", "client_secret": "acme-secret-4711", "region": "eu", "defect": defect},
        "streams": [
            {
                "name": "persons", "page_rows": 4,
                "expected": {"p2": {"email": "person2@example.com", "name": "Person 2", "amount": "2.50"}},
                "changes": [
                    {"key": "p3", "kind": "changed", "expected": {"email": "changed3@example.com"}},
                    {"key": "p4", "kind": "deleted"}, {"key": "p5", "kind": "merged", "into": "p1"},
                    {"key": "p6", "kind": "undeleted", "expected": {"email": "person6@example.com"}},
                ],
            },
            {"name": "companies", "page_rows": 4},
        ],
        "targets": [target("list", false), target("bulk-list", true)],
        "jobs": [
            {"stream": "companies", "status_path": "/v1/exports/", "failed": [
                bad_job(200, json!({"id": "x1", "status": "failed"})), bad_job(200, json!({"id": "x1", "status": "expired"})),
                bad_job(404, json!({"message": "gone"}))]},
            {"status_path": "/v1/imports/", "failed": [bad_job(200, json!({"status": "failed"}))]},
        ],
    })
}

/// Compiled code, kept for all tests of the process.
fn cache() -> PathBuf {
    static CACHE: OnceLock<tempfile::TempDir> = OnceLock::new();
    CACHE.get_or_init(|| tempfile::tempdir().unwrap()).path().to_owned()
}

/// Proves the connector with a defect in what it does, and one in its specification.
fn report(defect: &str, mark: &str, with: impl FnOnce(&mut Options, &mut Value)) -> Report {
    let acme = Acme::default();
    let mut suite = suite(defect);
    let mut options = Options::new(component(mark), Suite::default(), Upstream::Made(acme.made()));
    let documents =
        "team client_id client_secret region pin defect api_token workspace persons companies list bulk-list";
    options.documents = Documents { readme: Some(documents.into()), changelog: Some("## 0.1.0".into()) };
    options.change = Some(Arc::new(move |_| acme.change()));
    options.previous = Some(component(""));
    options.cache = Some(cache());
    with(&mut options, &mut suite);
    options.suite = Suite::parse(&suite.to_string()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(prove(options, &[])).unwrap().report
}

fn number(name: &str, report: &Report) -> u8 {
    report.rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("there is no check {name}")).number
}

/// The check of this name fails, and no other; if not, what was found instead.
fn differently(name: &str, report: &Report) -> Option<String> {
    let is_so = report.failures() == [number(name, report)];
    (!is_so).then(|| format!("{name}: {:?}\n{}", report.failures(), report.to_text()))
}

fn found(name: &str, report: &Report) {
    assert_eq!(differently(name, report), None);
}

#[test]
fn the_sound_connector_passes_all() {
    let report = report("", "", |_, _| {});
    println!("{}", report.to_text());
    assert_eq!((report.passed, report.failed, report.not_applicable), (53, 0, 0), "{}", report.to_text());
    assert!(report.is_good());
}

/// Mistakes in what it does, each chosen by the configuration: so one component is compiled for all.
const BEHAVIOUR: [&str; 42] = [
    "egress",
    "limits",
    "determinism",
    "optional",
    "canary",
    "check",
    "discover",
    "odd-names",
    "records",
    "expected",
    "coverage",
    "progress",
    "paging",
    "repeatable",
    "resume",
    "caught-up",
    "killed",
    "changes",
    "deletions",
    "values",
    "vendor-faults",
    "restraint",
    "token-expiry",
    "jobs",
    "error-texts",
    "cancel",
    "rows",
    "columns",
    "outcomes",
    "repeat",
    "retryable",
    "dry-run",
    "find-or-create",
    "add-remove",
    "remove-unknown",
    "full-and-delta",
    "hashing",
    "erase",
    "removal-sends-nothing",
    "settled-jobs",
    "clean-up",
    "log-volume",
];

fn behaviour(part: usize) {
    let of_part = BEHAVIOUR.iter().enumerate().filter(|(n, _)| n % 4 == part).map(|(_, defect)| defect);
    let wrong: Vec<String> = of_part.filter_map(|defect| differently(defect, &report(defect, "", |_, _| {}))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mistakes_in_what_it_does_are_found_1() {
    behaviour(0);
}

#[test]
fn mistakes_in_what_it_does_are_found_2() {
    behaviour(1);
}

#[test]
fn mistakes_in_what_it_does_are_found_3() {
    behaviour(2);
}

#[test]
fn mistakes_in_what_it_does_are_found_4() {
    behaviour(3);
}

#[test]
fn mistakes_in_the_specification_are_found() {
    for defect in
        ["world", "schema", "secrets", "required", "catalog-compatibility", "batch-size", "state", "documents"]
    {
        found(defect, &report("", defect, |_, _| {}));
    }
    // That members can be told is seen where they are first asked for.
    assert_eq!(report("", "read-back", |_, _| {}).failures(), [number("add-remove", &report("", "", |_, _| {}))]);
    let compatibility = report("", "config-compatibility", |_, suite| {
        suite["configuration"]["workspace"] = json!("w");
    });
    found("config-compatibility", &compatibility);
}

/// The vendor did what it was asked to in this case: only what the connector was told says otherwise.
#[test]
fn an_import_that_failed_and_is_taken_for_done_is_found() {
    found("jobs", &report("failed-import", "", |_, _| {}));
}

/// What one check looks for beside what its own defect is.
#[test]
fn other_mistakes_of_a_check_are_found() {
    let mistakes = [
        ("vendor-faults", "no-tls"),
        ("vendor-faults", "no-tls-told"),
        ("caught-up", "future"),
        ("paging", "moved"),
        ("paging", "again"),
    ];
    let wrong = mistakes.into_iter().filter_map(|(check, defect)| {
        let what = differently(check, &report(defect, "", |_, _| {}))?;
        Some(format!("{defect}: {what}"))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_found_where_links_are_followed() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in server.incoming().map_while(Result::ok) {
            let mut asked = [0; 1_024];
            let read = stream.read(&mut asked).unwrap_or(0);
            let is_there = asked[..read].starts_with(b"GET /there ");
            let status = if is_there { "200 OK" } else { "404 Not Found" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let with = |paths: &[&str], follows: bool| {
        let links: Vec<String> = paths.iter().map(|path| format!("[it]({url}/{path})")).collect();
        report("", "", move |options, _| {
            options.follows_links = follows;
            let readme = options.documents.readme.as_mut().unwrap();
            readme.push_str(&links.join(" "));
        })
    };
    found("documents", &with(&["there", "gone"], true));
    assert!(with(&["there"], true).is_good());
    assert!(with(&["gone"], false).is_good(), "nobody asked");
}

#[test]
fn what_costs_too_much_is_found() {
    found("cost", &report("cost", "", |_, _| {}));
    let large = report("", "", |options, _| {
        // A section that nobody reads.
        let padding = vec![0_u8; 9 << 20];
        let name = b"padding";
        let mut length = Vec::new();
        let mut left = padding.len() + name.len() + 1;
        while left >= 0x80 {
            length.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        length.push(left as u8);
        options.component.push(0);
        options.component.extend(length);
        options.component.push(name.len() as u8);
        options.component.extend_from_slice(name);
        options.component.extend(padding);
    });
    found("size", &large);
}

#[test]
fn what_is_no_connector_is_refused_by_the_first_check() {
    let report = report("", "", |options, _| options.component = b"\0asm\x0d\0\x01\0".to_vec());
    assert_eq!((report.failures(), report.not_applicable), (vec![1], 52));
    assert!(report.to_text().contains("see check 1"), "{}", report.to_text());
}
