//! What the documents show for a shell, run: the blocks that have no transcript, each command with what its page says is
//! there. And a list of those that are not run, each with its reason, so that no new one slips in unseen.

use crate::harness::Harness;
use crate::journey::{caught_up, connect_marketo, run, vendors_of};
use crate::operators::steps;
use attiva_simulators::linkedin::{LinkedIn, LinkedInConfig};
use attiva_simulators::marketo::MarketoConfig;
use attiva_simulators::salesforce::{Salesforce, SalesforceConfig};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const README: &str = include_str!("../../../../README.md");

/// Pages whose blocks a test runs, all of them, and which one.
const RUN: [(&str, &str); 21] = [
    ("docs/operators.md", "operators: the_transcripts_are_true"),
    ("docs/troubleshooting.md", "operators: what_the_page_of_problems_shows_is_true"),
    ("docs/configuration-files.md", "declared: the_page_on_configuration_files_is_true"),
    ("docs/quick-start-marketo.md", "quick_starts"),
    ("docs/quick-start-crm.md", "quick_starts"),
    ("docs/privacy.md", "privacy: the_page_on_privacy_is_true, and here"),
    ("docs/partners.md", "tests/e2e: every_command_of_the_partners_document_works"),
    ("README.md", "here"),
    ("docs/accounts.md", "here"),
    ("docs/identity.md", "here"),
    ("docs/mappings.md", "here"),
    ("docs/profiles.md", "here"),
    ("docs/reading.md", "here"),
    ("docs/open-tables.md", "here"),
    ("plugins/destination-linkedin/README.md", "here"),
    ("plugins/destination-marketo/README.md", "here"),
    ("plugins/destination-s3/README.md", "here"),
    ("plugins/source-marketo/README.md", "here"),
    ("plugins/source-salesforce/README.md", "here"),
    ("sdk/templates/rust/README.md", "tests/e2e: by the same commands of docs/partners.md"),
    ("tests/simulation/README.md", "the first command, by this very run; the others in the deep tier"),
];

/// Blocks that are not run: the page, how the block begins, and why.
const NOT_RUN: [(&str, &str, &str); 12] = [
    ("README.md", "cargo run -- demo ", "the demo has a test of its own (demo); the other command is this one"),
    ("README.md", "cargo run -- simulate marketo ", "both programs are run by the quick starts"),
    ("CONTRIBUTING.md", "cargo test --workspace ", "this is one of its tests, and the tier that runs it"),
    ("docs/open-tables.md", "cd \"$DATA/sandboxes/", "needs DuckDB: the deep tier opens open.sql with it"),
    ("docs/segments.md", "duckdb -c ", "needs DuckDB: the deep tier runs the statements of segments with it"),
    ("tests/bench/README.md", "cargo build --release ", "builds for ten minutes, and measures for longer"),
    ("fuzz/README.md", "cargo install cargo-fuzz", "needs a nightly compiler"),
    ("sdk/connector/README.md", "cargo build --release ", "the bundled connectors are built so by plugins/bundled"),
    ("sdk/javascript/README.md", "npm ci", "needs npm: the deep tier builds the examples"),
    ("sdk/python/README.md", "pip install ", "needs pip: the deep tier builds the examples"),
    ("sdk/templates/javascript/README.md", "npm install", "needs npm: the deep tier builds a project of the template"),
    ("sdk/templates/python/README.md", "pip install ", "needs pip: the deep tier builds a project of the template"),
];

/// And this, which takes minutes.
const SLOW: (&str, &str, &str) = ("tests/instructions/README.md", "RUSTFLAGS=", "the deep tier runs it");

/// Blocks of a page for a shell.
fn blocks(page: &str, kind: &str) -> Vec<String> {
    let begins = format!("\n```{kind}\n");
    page.split(&begins).skip(1).map(|after| after.split("\n```").next().unwrap_or_default().to_owned()).collect()
}

/// The commands of a block, those over several lines as one.
fn statements(block: &str) -> Vec<String> {
    let (mut all, mut open) = (Vec::new(), String::new());
    for line in block.lines() {
        open += line;
        open.push('\n');
        let parsed = Command::new("bash").args(["-n", "-c", &open]).output().unwrap();
        if parsed.status.success() {
            all.push(std::mem::take(&mut open));
        }
    }
    assert!(open.trim().is_empty(), "this does not end: {open}");
    all
}

/// How the first page asks the API; where there is no curl, the program asks in its place.
fn asking(page: &str, url: &str) -> String {
    let line = page.lines().find(|line| line.starts_with("api() {")).unwrap();
    if Command::new("curl").arg("--version").output().is_ok() {
        return page.replace("http://127.0.0.1:8480", url);
    }
    let program = "api() { if [ $# -gt 2 ]; then printf '%s' \"$4\" | attiva api \"$1\" \"/v1$2\" --body -; \
                   else attiva api \"$1\" \"/v1$2\"; fi; }";
    page.replace(line, program)
}

/// A host, a folder, and a shell for each command.
struct Shell {
    harness: Harness,
    place: TempDir,
    /// What a page has said before, and what is put in the place of what it leaves open.
    before: String,
    open: Vec<(String, String)>,
}

impl Shell {
    fn new() -> Self {
        let harness = Harness::start(&[]);
        // As the page on the whole introduces it.
        let function = README.lines().find(|line| line.starts_with("api() {")).unwrap();
        let before = format!("export ATTIVA_KEY={}\n{}\n", harness.key, asking(function, &harness.host.url()));
        Self { harness, place: tempfile::tempdir().unwrap(), before, open: Vec::new() }
    }

    fn newest(&self, collection: &str) -> String {
        let all = self.harness.api("default").get(&format!("{collection}?limit=200"));
        all.is(200).body["items"]
            .as_array()
            .and_then(|all| all.last())
            .map_or("none", |it| it["id"].as_str().unwrap())
            .to_owned()
    }

    /// Nothing is being read: what a command begins does not get in the way of the next.
    fn idle(&self) {
        let api = self.harness.api("default");
        let goes = |it: &Value| it["status"] == "running" || it["status"] == "waiting";
        while api.get("runs?limit=200").body["items"].as_array().unwrap().iter().any(goes) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        caught_up(&api);
    }

    /// Runs a command, which has to succeed, and answers what it said.
    fn run(&self, command: &str) -> String {
        let (succeeded, said) = self.tried(command);
        assert!(succeeded && !said.contains("\"type\":\"/problems/"), "$ {command}{said}");
        said
    }

    fn tried(&self, command: &str) -> (bool, String) {
        self.idle();
        let mut text = command.to_owned();
        for (left_open, value) in &self.open {
            text = text.replace(left_open, value);
        }
        let of = [
            ("con_...", "connections"),
            ("$CONNECTION", "connections"),
            ("seg_...", "segments"),
            ("prf_...", "profiles"),
        ];
        for (left_open, collection) in of {
            if text.contains(left_open) {
                text = text.replace(left_open, &self.newest(collection));
            }
        }
        assert!(!text.contains("...\"") && !text.contains("_..."), "something is left open in {text}");
        let program = Path::new(env!("CARGO_BIN_EXE_attiva")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &format!("{}{text}", self.before)]).current_dir(self.place.path());
        shell.env("PATH", path).env("ATTIVA_URL", self.harness.host.url()).env("ATTIVA_KEY", &self.harness.key);
        let output = shell.env("no_proxy", "127.0.0.1").output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.success(), said)
    }

    fn follow(&self, block: &str) {
        statements(block).iter().for_each(|command| drop(self.run(command)));
    }
}

#[test]
fn the_five_minutes_of_the_first_page_are_true() {
    let mut shell = Shell::new();
    let vendors = vendors_of(MarketoConfig { leads: 30, ..MarketoConfig::default() });
    let config = vendors.config();
    let values = format!(
        "ATTIVA_KEY={} MARKETO_URL={} CLIENT_ID={} CLIENT_SECRET={}",
        shell.harness.key,
        vendors.url(),
        config.client_id,
        vendors.secret()
    );
    let blocks = blocks(README, "sh");
    // What the reader takes from the two programs of the block before.
    let taken = "ATTIVA_KEY=atv_...  MARKETO_URL=http://127.0.0.1:...  CLIENT_ID=...  CLIENT_SECRET=...";
    assert!(blocks[2].contains(taken), "{}", blocks[2]);
    shell.before = asking(&blocks[2].replace(taken, &values), &shell.harness.host.url()) + "\n";
    assert_eq!(blocks.len(), 7);
    blocks[3..].iter().for_each(|block| shell.follow(block));
    let api = shell.harness.api("default");
    assert_eq!(api.get("runs").body["items"][0]["status"], "succeeded");
    let members = shell.run("api GET /sandboxes/default/segments/seg_.../members");
    assert!(members.contains("prf_"), "the segment has members: {members}");
}

#[test]
fn pages_that_show_commands_without_what_they_say_are_true() {
    let mut shell = Shell::new();
    let api = shell.harness.api("default");
    let page = |path: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let follow = |shell: &Shell, path: &str| {
        let blocks = blocks(&page(path), "sh");
        assert!(!blocks.is_empty(), "{path}");
        blocks.iter().for_each(|block| shell.follow(block));
    };
    follow(&shell, "docs/profiles.md");

    // Somebody whom no source puts into an account, a Marketo that was read, and rules to edit.
    let vendors = vendors_of(MarketoConfig { leads: 30, ..MarketoConfig::default() });
    let marketo = connect_marketo(&api, &vendors, &vendors.secret());
    let streams = json!({"name": "marketo", "streams": ["persons", "programs"]});
    crate::connections::patch(&api, &marketo, &[], &streams).is(200);
    assert_eq!(run(&api, &marketo).text("/status"), "succeeded");
    caught_up(&api);
    let lead =
        api.get("profiles?entity=person&limit=200").body["items"].as_array().unwrap().last().unwrap()["id"].clone();
    shell.open = vec![("prf_...".into(), lead.as_str().unwrap().into())];
    shell.run("attiva identity rules show > rules.json");
    follow(&shell, "docs/identity.md");
    follow(&shell, "docs/accounts.md");
    follow(&shell, "docs/mappings.md");

    // Transcripts of what is different on every host.
    let org = SalesforceConfig { people: 20, ..SalesforceConfig::default() };
    let org = Harness::shared().runtime.block_on(Salesforce::start(org)).unwrap();
    let body = json!({"name": "crm", "plugin": "source-salesforce", "grants": {"login": org.base_url(), "api": org.base_url()},
        "configuration": {"my_domain": "acme", "client_id": org.config().client_id, "client_secret": org.config().client_secret}});
    let crm = api.post("connections", &body).is(201).text("/id").to_owned();
    assert_eq!(run(&api, &crm).text("/status"), "succeeded");
    let mut commands = 0;
    for path in ["docs/reading.md", "docs/open-tables.md"] {
        // What goes into a bucket has a test of its own, with a store.
        for step in steps(&page(path)).into_iter().filter(|step| !step.command.contains("table bucket")) {
            commands += 1;
            let (succeeded, said) = shell.tried(&step.command);
            // Nobody has changed anything at the vendor.
            let is_refused = step.command.contains("approve-schema") && said.contains("waits for approval");
            assert!(succeeded != is_refused, "$ {}\n{said}", step.command);
        }
    }
    assert!(commands > 10, "the transcripts were not found");
    let is_follow = |it: &Value| it["status"] == "succeeded" || it["backfill"].is_null();
    shell.idle();
    let runs = api.get("runs?limit=200").body["items"].as_array().unwrap().clone();
    assert!(runs.iter().all(is_follow), "{runs:#?}");

    // What goes is told first; the connection that it goes with is Marketo's.
    shell.open = vec![("con_...".into(), marketo)];
    follow(&shell, "docs/privacy.md");

    let simulated = |shell: &mut Shell, path: &str, open: Vec<(&str, String)>| {
        shell.open = open.into_iter().map(|(left, value)| (left.to_owned(), value)).collect();
        let block = blocks(&page(path), "sh").pop().unwrap();
        // The vendor is in this process, or a store that is there already.
        let (first, rest) = block.split_once('\n').unwrap();
        let commands = if first.starts_with("attiva simulate ") { rest } else { &block };
        statements(commands).iter().for_each(|command| {
            let said = shell.run(command);
            assert!(!command.contains("/check ") || said.contains("\"passed\":true"), "{said}");
        });
    };
    let left_open = |key: &'static str, value: &str| (key, key.replace("...", value));
    let (id, secret, token) = ("\"client_id\": \"...\"", "\"client_secret\": \"...\"", "\"refresh_token\": \"...\"");
    let config = vendors.config();
    let open =
        vec![left_open(id, &config.client_id), left_open(secret, &vendors.secret()), ("$MARKETO_URL", vendors.url())];
    simulated(&mut shell, "plugins/destination-marketo/README.md", open.clone());
    simulated(&mut shell, "plugins/source-marketo/README.md", open);
    let read_to_its_end = |shell: &Shell| {
        shell.idle();
        let runs = api.get(&format!("runs?connection={}", shell.newest("connections"))).body["items"].clone();
        assert_eq!(runs[0]["status"], "succeeded", "{runs}");
    };
    read_to_its_end(&shell);
    let ads = Harness::shared().runtime.block_on(LinkedIn::start(LinkedInConfig::default())).unwrap();
    let config = ads.config();
    let open = vec![
        ("512345678", config.account.to_string()),
        left_open(id, &config.client_id),
        left_open(secret, &config.client_secret),
        left_open(token, &config.refresh_token),
        ("$LINKEDIN_URL", ads.base_url()),
    ];
    simulated(&mut shell, "plugins/destination-linkedin/README.md", open);
    let open = vec![
        ("\"audiences\\\"", "\"bucket\\\"".to_owned()),
        ("$SECRET_ACCESS_KEY", "right".to_owned()),
        ("$STORE_URL", vendors.store_url()),
    ];
    simulated(&mut shell, "plugins/destination-s3/README.md", open);
    let other =
        SalesforceConfig { people: 20, organization_id: "00D5g00000OTHER1EA0".into(), ..SalesforceConfig::default() };
    let org = Harness::shared().runtime.block_on(Salesforce::start(other)).unwrap();
    let open = vec![
        ("$SALESFORCE_URL", org.base_url()),
        ("$CLIENT_ID", org.config().client_id.clone()),
        ("$CLIENT_SECRET", org.config().client_secret.clone()),
    ];
    simulated(&mut shell, "plugins/source-salesforce/README.md", open);
    read_to_its_end(&shell);
}

fn pages(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&&*name) {
            pages(&path, all);
        } else if name.ends_with(".md") {
            all.push(path);
        }
    }
}

#[test]
fn every_block_for_a_shell_is_run_or_has_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = Vec::new();
    pages(&root, &mut all);
    let (mut loose, mut met) = (Vec::new(), BTreeSet::new());
    let excused: Vec<_> = NOT_RUN.iter().chain([&SLOW]).collect();
    for path in all {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for block in ["sh", "bash", "console"].iter().flat_map(|kind| blocks(&text, kind)) {
            let reason = excused.iter().position(|(page, begins, _)| *page == name && block.starts_with(begins));
            met.extend(reason);
            if reason.is_none() && !RUN.iter().any(|(page, _)| *page == name) {
                loose.push(format!("{name}: {}", block.lines().next().unwrap_or_default()));
            }
        }
    }
    assert!(loose.is_empty(), "nothing runs these, and no reason stands here:\n{}", loose.join("\n"));
    assert_eq!(met.len(), excused.len(), "a reason for what is not there: {met:?}");
}

#[test]
fn commands_over_several_lines_are_one() {
    let block = "a 1   # b\nc '{\n  \"d\": 1}'\nexport E=f";
    assert_eq!(statements(block), ["a 1   # b\n", "c '{\n  \"d\": 1}'\n", "export E=f\n"]);
    assert_eq!(blocks("x\n```sh\na\nb\n```\n```console\n$ c\n```\n", "sh"), ["a\nb"]);
}
