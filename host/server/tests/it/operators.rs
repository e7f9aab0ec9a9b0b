//! `docs/operators.md`, run: every command of its transcripts, in their order, against a host of its own. What a
//! command says must be what stands there, on both streams; `…` stands for anything in a line, a line `...` for any
//! lines.

use crate::harness::Harness;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../../../docs/operators.md");

/// One command and the lines it should say.
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) expected: Vec<String>,
}

pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            steps.push(Step { command: command.to_owned(), expected: Vec::new() });
        } else if let (true, Some(step)) = (inside, steps.last_mut()) {
            step.expected.push(line.to_owned());
        }
    }
    steps
}

/// Whether what was said is what was expected.
pub(crate) fn fits(expected: &[String], said: &[String]) -> bool {
    match expected {
        [] => said.is_empty(),
        [any, rest @ ..] if any == "..." => (0..=said.len()).any(|skipped| fits(rest, &said[skipped..])),
        [line, rest @ ..] => said.first().is_some_and(|first| alike(line, first)) && fits(rest, &said[1..]),
    }
}

fn alike(expected: &str, said: &str) -> bool {
    // Blanks that fill a column up are as wide as what is different each time.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (expected, said) = (words(expected), words(said));
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| said.strip_prefix(first)) else { return false };
    for part in parts {
        let Some((_, after)) = (if part.is_empty() { Some(("", "")) } else { rest.split_once(part) }) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

fn spec(name: &str, title: &str, version: &str, methods: &[&str]) -> Value {
    let rule = |method: &&str| {
        let access = if *method == "GET" { "read" } else { "write" };
        json!({"methods": [method], "path": "/rest/", "access": access, "credential": "token"})
    };
    json!({
        "name": name, "version": version, "publisher": "acme", "title": title, "state_version": 1,
        "configuration": {"type": "object", "additionalProperties": false, "required": ["id", "client_id", "client_secret"],
            "properties": {"id": {"type": "string"}, "client_id": {"type": "string"},
                "client_secret": {"type": "string", "writeOnly": true}}},
        "credentials": [{"name": "token", "method": "oauth2-client-credentials", "origin": "api", "path": "/token",
            "client_id": "{client_id}", "client_secret": "{client_secret}"}],
        "origins": [{"name": "api", "url": "https://{id}.example.com", "domains": ["example.com"],
            "rules": methods.iter().map(rule).collect::<Vec<_>>()}],
        "rates": [{"kind": "window", "calls": 50, "seconds": 20}, {"kind": "concurrent", "calls": 5},
            {"kind": "day", "calls": 50_000, "resets": "UTC0"}],
        "instance": {"system": title, "id": "{id}"},
        "delivery": {"class": "at-least-once", "batch_rows": 100}
    })
}

fn put(place: &Path, name: &str, spec: &Value) {
    std::fs::write(place.join(name), attiva_guests::component(&spec.to_string())).unwrap();
}

#[test]
fn the_transcripts_are_true() {
    let harness = Harness::start(&[]);
    let place = harness.data_dir().parent().unwrap().join("work");
    std::fs::create_dir(&place).unwrap();
    std::os::unix::fs::symlink(harness.data_dir(), place.join("data")).unwrap();
    put(&place, "source-acme-0.1.0.wasm", &spec("source-acme", "Acme", "0.1.0", &["GET"]));
    put(&place, "source-acme-0.1.1.wasm", &spec("source-acme", "Acme", "0.1.1", &["GET"]));
    put(&place, "source-acme-0.2.0.wasm", &spec("source-acme", "Acme", "0.2.0", &["GET", "POST"]));
    put(&place, "odd.wasm", &spec("source-odd", "Odd", "0.1.0", &["GET"]));
    put(&place, "mine.wasm", &spec("source-mine", "Mine", "0.1.0", &["GET"]));
    assert!(steps(PAGE).len() > 25, "the transcripts were not found");
    follow(&harness, &place, PAGE, |command, lines| {
        if command.contains("keygen") {
            // What an operator is told by another way.
            let key = lines[0].split_whitespace().last().unwrap();
            std::fs::write(place.join("acme.public"), key).unwrap();
        }
    });
}

#[test]
fn what_the_page_of_problems_shows_is_true() {
    let page = include_str!("../../../../docs/troubleshooting.md");
    assert!(!steps(page).is_empty(), "the transcripts were not found");
    let place = tempfile::tempdir().unwrap();
    follow(Harness::shared(), place.path(), page, |_, _| {});
}

/// Runs the transcripts of a page in a directory; `then` is told of each command and what it said.
pub(crate) fn follow(harness: &Harness, place: &Path, page: &str, mut then: impl FnMut(&str, &[String])) {
    let program = Path::new(env!("CARGO_BIN_EXE_attiva")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    for Step { command, expected } in steps(page) {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{command} 2>&1")]).current_dir(place);
        shell.env("PATH", &path).env("ATTIVA_URL", harness.host.url()).env("ATTIVA_KEY", &harness.key);
        let output = shell.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        assert!(fits(&expected, &lines), "$ {command}\n{said}\n--- but there stands:\n{}", expected.join("\n"));
        then(&command, &lines);
    }
}

#[test]
fn a_transcript_that_is_not_true_is_found() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (expected, said, good) in [
        ("a\nb", "a\nb", true),
        ("a\nb", "a", false),
        ("a", "a\nb", false),
        ("id  con_…", "id      con_123", true),
        ("id  con_… x", "id      con_123", false),
        ("...\nb", "a\na\nb", true),
        ("...\nb", "a\nb\nc", false),
        ("...", "", true),
        ("", "a", false),
    ] {
        assert_eq!(fits(&lines(expected), &lines(said)), good, "{expected:?} {said:?}");
    }
    assert_eq!(steps("```sh\n$ a\n```\n```console\n$ b\nc\n```\n").len(), 1);
}
