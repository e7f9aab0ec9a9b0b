//! The program as a process: what it says, its exit codes, and how it stops.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

pub(crate) fn attiva(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attiva"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ATTIVA_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str]) -> (i32, String) {
    let Output { status, stderr, .. } = attiva(arguments).output().unwrap();
    (status.code().unwrap_or(-1), String::from_utf8(stderr).unwrap())
}

/// A host in a process of its own; ended when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
    pub(crate) key: String,
    rest: Option<std::thread::JoinHandle<String>>,
}

impl Served {
    fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[])
    }

    pub(crate) fn start_with(data_dir: &Path, more: &[&str]) -> Self {
        let data_dir = data_dir.display().to_string();
        let arguments = ["serve", "--data-dir", &data_dir, "--listen", "127.0.0.1:0", "--log-format", "json"];
        let arguments = [&arguments, more].concat();
        Self::spawned(attiva(&arguments))
    }

    /// Starts a host that logs JSON, and reads on until it can be asked.
    pub(crate) fn spawned(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (mut url, mut key) = (None, None);
        for line in lines.by_ref() {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if let Some(listening) = event["url"].as_str() {
                url = Some(listening.to_owned());
            }
            if line.trim().starts_with("atv_") {
                key = Some(line.trim().to_owned());
            }
            // The key comes after the address, and only the first time.
            if url.is_some() && (key.is_some() || event["message"] == "ready") {
                break;
            }
        }
        // Nobody reads on, and a full pipe must not hold up the host.
        let rest = std::thread::spawn(move || lines.collect::<Vec<_>>().join("\n"));
        Self { child, url: url.unwrap(), key: key.unwrap_or_default(), rest: Some(rest) }
    }

    /// What it logs until its end.
    fn log(&mut self) -> std::thread::JoinHandle<String> {
        self.rest.take().unwrap()
    }

    pub(crate) fn terminate(mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_keeps_a_host_from_starting_is_said_and_the_exit_code_tells() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data").display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (code, said) = run(&["serve", "--data-dir", &data, "--listen", &taken]);
    assert!(
        code == 1 && said.contains(&taken) && said.contains("in use") && said.contains("--listen"),
        "{code}: {said}"
    );
    assert!(!Path::new(&data).exists(), "a host that cannot listen leaves no data behind");

    let file = place.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for unusable in [file.display().to_string(), "/proc/attiva".to_owned()] {
        let (code, said) = run(&["serve", "--data-dir", &unusable, "--listen", "127.0.0.1:0"]);
        assert!(code == 1 && said.contains(&unusable), "{code}: {said}");
    }

    let (code, said) = run(&["serve", "--data-dir", &data, "--set", "colour=red"]);
    assert!(code == 2 && said.contains("colour"), "{code}: {said}");
    let (code, said) = run(&["serve", "--config", "/nowhere/attiva.toml"]);
    assert!(code == 2 && said.contains("/nowhere/attiva.toml"), "{code}: {said}");
    assert_eq!(run(&["serve", "--colour"]).0, 2);
}

#[test]
fn one_directory_one_host_and_a_stop_in_order() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let first = Served::start(&data);
    assert!(first.key.starts_with("atv_"));
    let (code, said) = run(&["serve", "--data-dir", &data.display().to_string(), "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && said.contains("in use by another process"), "{code}: {said}");
    let client = |arguments: &[&str], key: &str| {
        let mut command = attiva(arguments);
        command.env("ATTIVA_URL", &first.url).env("ATTIVA_KEY", key);
        let output = command.output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, out, _) = client(&["plugin", "list"], &first.key);
    for name in ["source-marketo@", "destination-linkedin@", "destination-marketo@", "destination-s3@"] {
        assert!(code == 0 && out.contains(name), "{name} is not in {out}");
    }
    let (code, out, _) = client(&["plugin", "list", "--output", "json"], &first.key);
    let listed: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && listed["items"].as_array().unwrap().len() >= 2);
    assert_eq!(client(&["plugin", "list"], "atv_x_y").0, 4);
    assert_eq!(client(&["plugin", "list"], "").0, 4);
    assert_eq!(client(&["connection", "show", "con_x"], &first.key).0, 5);
    assert_eq!(client(&["segment", "check", "person.nothing"], &first.key).0, 1);
    let (code, out, err) = client(&["connection", "show", "con_x", "-o", "json"], &first.key);
    let problem: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert_eq!((code, out.as_str(), problem["code"].as_str()), (5, "", Some("connection.missing")));
    let key = first.key.clone();
    assert_eq!(first.terminate(), 0);

    // What was made is there after the restart, and the first key stays the only one.
    let second = Served::start(&data);
    assert_eq!(second.key, "");
    let mut command = attiva(&["key", "list", "-o", "json", "--url", &second.url, "--key", &key]);
    let listed: serde_json::Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let (code, said) = run(&["key", "create", "--data-dir", &data.display().to_string()]);
    assert!(code == 1 && said.contains("in use"), "{code}: {said}");
    assert_eq!(second.terminate(), 0);
    let offline = attiva(&["key", "create", "--data-dir", &data.display().to_string()]).output().unwrap();
    assert!(offline.status.success() && String::from_utf8(offline.stdout).unwrap().starts_with("atv_"));
}

/// The program, where no file may grow beyond so many KiB: what a full disk is to a test that owns no disk.
fn attiva_within(kib: u32, arguments: &[&str]) -> Command {
    let program = attiva(arguments);
    let mut limited = Command::new("sh");
    // A write beyond the limit is to fail, not to kill. POSIX counts in halves of a KiB.
    limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {} && exec \"$0\" \"$@\"", kib * 2)]);
    limited.arg(program.get_program()).args(program.get_args()).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ATTIVA_")) {
        limited.env_remove(name);
    }
    limited
}

#[test]
fn a_disk_that_takes_no_more_is_told_and_what_was_acknowledged_stays() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let text = data.display().to_string();
    let serve = ["serve", "--data-dir", &text, "--listen", "127.0.0.1:0", "--log-format", "json"];
    let output = attiva_within(4, &serve).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("disk"), "{:?}: {said}", output.status);

    // A whole one first: it leaves the compiled plugins behind, which are larger than what is left to the next one.
    let whole = Served::start(&data);
    let key = whole.key.clone();
    assert_eq!(whole.terminate(), 0);
    let tight = Served::spawned(attiva_within(1024, &serve));
    let api = crate::harness::Api { url: tight.url.clone(), key: key.clone(), sandbox: "default".into() };
    let rule = format!("person.email != \"{}\"", "x".repeat(60_000));
    let mut names = (0..).map(|n| format!("s{n}"));
    let mut stored = Vec::new();
    let refused = loop {
        let name = names.next().unwrap();
        let answer = api.post("segments", &serde_json::json!({"name": name, "expression": rule}));
        if answer.status != 201 {
            break answer;
        }
        stored.push(name);
        assert!(stored.len() < 1000, "the limit was never met");
    };
    assert_eq!((refused.status, refused.text("/kind")), (503, "transient"), "{refused:?}");
    assert!(refused.text("/detail").contains("disk") && refused.text("/action").contains("disk"), "{refused:?}");
    api.get("/healthz").is(200);
    assert_eq!(tight.terminate(), 0);

    let again = Served::start(&data);
    let api = crate::harness::Api { url: again.url.clone(), key, sandbox: "default".into() };
    let mut kept = Vec::new();
    let mut next = "segments?limit=100".to_owned();
    while !next.is_empty() {
        let page = api.get(&next);
        let items = page.is(200).body["items"].as_array().unwrap();
        kept.extend(items.iter().map(|s| s["name"].as_str().unwrap().to_owned()));
        next = page.header("link").trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
    }
    kept.sort();
    stored.sort();
    assert_eq!(kept, stored);
    api.post("segments", &serde_json::json!({"name": "more", "expression": rule})).is(201);
}

#[test]
fn nobody_there_is_an_exit_code_of_its_own() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (code, said) = run(&["plugin", "list", "--url", &format!("http://127.0.0.1:{port}"), "--key", "atv_x_y"]);
    assert!(code == 3 && said.contains("cannot be reached"), "{code}: {said}");
    assert_eq!(run(&["plugin", "list", "--url", "nonsense"]).0, 2);
}

/// The log of a host that was started with these arguments and stopped again once it was ready.
fn log_of(arguments: &[&str]) -> (i32, String) {
    let place = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let data = place.path().join("data").display().to_string();
    let all = [&["serve", "--data-dir", &data, "--listen", &listen], arguments].concat();
    let child = attiva(&all).stderr(Stdio::piped()).spawn().unwrap();
    while std::net::TcpStream::connect(&listen).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // It takes the port before it is ready, and answers when it is.
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    agent.get(format!("http://{listen}/readyz")).call().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_log_is_as_configured() {
    let (code, json) = log_of(&["--log-format", "json", "--set", "limits.drain_seconds=7"]);
    assert_eq!(code, 0);
    let events = json.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let events: Vec<_> = events.filter(|e| e.is_object()).collect();
    assert!(events.iter().any(|e| e["message"] == "answered" && e["span"]["route"] == "/readyz"), "{json}");
    assert!(events.iter().any(|e| e["drain_seconds"] == 7), "{json}");
    let (_, human) = log_of(&[]);
    assert!(human.contains(" INFO ") && human.contains("listening"), "{human}");
    let (_, quiet) = log_of(&["--log-level", "error"]);
    assert!(!quiet.contains("listening") && quiet.contains("atv_"), "{quiet}");
}

/// A vendor that never answers does not keep the host from stopping.
#[test]
fn a_call_that_hangs_is_cut_off_when_the_time_to_drain_is_over() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data").display().to_string();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut host = Served::start_with(Path::new(&data), &["--set", "limits.drain_seconds=1"]);
    let api = crate::harness::Api { url: host.url.clone(), key: host.key.clone(), sandbox: "default".into() };
    let id = api.post("connections", &crate::connections::marketo()).is(201).text("/id").to_owned();
    let url = serde_json::json!({ "url": format!("http://{}", silent.local_addr().unwrap()) });
    api.json(ureq::http::Method::PUT, &format!("connections/{id}/grants/api"), &[], &url).is(200);
    let check =
        std::thread::spawn(move || std::panic::catch_unwind(|| api.post(&format!("connections/{id}/check"), &url)));
    // The call has come as far as the vendor.
    let (_held, _) = silent.accept().unwrap();
    let log = host.log();
    assert_eq!(host.terminate(), 0);
    assert!(log.join().unwrap().contains("some requests were not done in time"));
    drop(check.join());
}
