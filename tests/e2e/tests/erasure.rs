//! Erasures and removals, killed at each of their steps: in the end somebody is forgotten, counted once, and is in no file.

use anyhow::{Context, Result, ensure};
use attiva_core::privacy::Mentions;
use attiva_e2e::Kill;
use attiva_e2e::host::HostProcess;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use ureq::http::Method;

const ANN: &str = "ann.erasable@x.example";
const CONNECT: Duration = Duration::from_secs(120);

struct Client<'a> {
    host: &'a mut HostProcess,
    agent: ureq::Agent,
}

impl Client<'_> {
    /// Asks until it is answered: the host may be dead, or starting.
    fn ask(&mut self, method: &Method, path: &str, body: Option<&Value>, once: &str) -> Result<Value> {
        let deadline = Instant::now() + CONNECT;
        loop {
            let mut request = ureq::http::Request::builder()
                .method(method.clone())
                .uri(self.host.url(&format!("/v1/sandboxes/default/{path}")))
                .header("authorization", format!("Bearer {}", self.host.key()));
            if !once.is_empty() {
                request = request.header("idempotency-key", once);
            }
            let body = body.map(ToString::to_string).unwrap_or_default();
            let sent = self.agent.run(request.header("content-type", "application/json").body(body)?);
            match sent.and_then(|mut answer| Ok((answer.status(), answer.body_mut().read_to_string()?))) {
                Ok((status, text)) if status.is_success() => return Ok(serde_json::from_str(&text)?),
                Ok((status, text)) => anyhow::bail!("{path}: {status} {text}"),
                Err(_) => {
                    self.host.tend()?;
                    ensure!(Instant::now() < deadline, "{path} was not answered");
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    fn get(&mut self, path: &str) -> Result<Value> {
        self.ask(&Method::GET, path, None, "")
    }

    fn post(&mut self, path: &str, body: &Value, once: &str) -> Result<Value> {
        self.ask(&Method::POST, path, Some(body), once)
    }

    fn until(&mut self, path: &str, pointer: &str) -> Result<Value> {
        let deadline = Instant::now() + CONNECT;
        loop {
            self.host.tend()?;
            let now = self.get(path)?;
            if now.pointer(pointer) == Some(&Value::Bool(true)) {
                return Ok(now);
            }
            ensure!(Instant::now() < deadline, "{path}: {now}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Ann and Bob, with events and a word; then a host that is killed, and Ann's erasure. What is on record of it.
fn erase(data: &Path, kill: Kill) -> Result<(Value, Option<String>)> {
    let mut host = HostProcess::prepare(data)?;
    host.start(Kill::Never)?;
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
    let mut client = Client { host: &mut host, agent };
    let source = json!({"system": "Web", "id": "w"});
    let records = json!([
        {"id": "1", "fields": {"email": ANN, "last_name": "Erasable"}},
        {"id": "2", "fields": {"email": "bob@x.example", "last_name": "Stays"}},
        {"id": "3", "fields": {"email": ANN, "job_title": "CEO"}}]);
    client.post("records", &json!({"source": source, "entity": "person", "records": records}), "")?;
    let event =
        json!([{"id": "e", "fields": {"type": "web.formFilledOut", "time": "2026-01-01T00:00:00Z", "email": ANN}}]);
    client.post("records", &json!({"source": source, "entity": "activity", "records": event}), "")?;
    let account = json!([{"id": "a", "fields": {"name": format!("of {ANN}")}}]);
    client.post("records", &json!({"source": source, "entity": "account", "records": account}), "")?;
    client.until("projection", "/caught_up")?;
    client.host.restart(kill)?;
    let body = json!({"identity": {"namespace": "email", "value": ANN}});
    let id = client.post("privacy/erasures", &body, "erase-ann")?["subject"].as_str().context("no id")?.to_owned();
    let mut receipt = client.until(&format!("privacy/erasures/{id}"), "/done")?;
    client.until("projection", "/caught_up")?;
    let profiles = client.get("profiles")?;
    ensure!(profiles["items"].as_array().map(Vec::len) == Some(1), "{profiles}");
    for varies in ["id", "requested_by", "started_at", "ended_at", "bytes_searched"] {
        receipt.as_object_mut().context("no receipt")?.remove(varies);
    }
    let killed = host.killed_in().map(str::to_owned);
    host.stop()?;
    Ok((receipt, killed))
}

fn found(data: &Path) -> Vec<std::path::PathBuf> {
    attiva_store::search(&[data.to_owned()], &Mentions::new([ANN.to_owned()])).unwrap().found
}

#[test]
fn an_erasure_killed_at_any_step_forgets_all_the_same() {
    let _ = env!("CARGO_BIN_EXE_attiva-under-test");
    let directory = tempfile::tempdir().unwrap();
    let (reference, killed) = erase(&directory.path().join("reference"), Kill::Never).unwrap();
    assert_eq!((killed, reference["profiles"].as_u64()), (None, Some(1)), "{reference}");
    assert_eq!(reference["places"]["records"], 3, "two of hers, and one that spoke of her: {reference}");
    let kills = [
        ("erasure.found", 1),
        ("erasure.step", 1),
        ("erasure.kept", 1),
        ("erasure.step", 2),
        ("erasure.step", 3),
        ("erasure.step", 4),
        ("erasure.kept", 3),
    ];
    for (name, count) in kills {
        let data = directory.path().join(format!("{name}-{count}"));
        let (receipt, killed) = erase(&data, Kill::AtPoint { name, count }).unwrap();
        assert!(killed.is_some(), "{name} was not passed {count} times");
        let found = found(&data);
        assert!(found.is_empty(), "killed at {name} {count}: {found:?}");
        // What was taken out before a kill, and not yet noted, is not counted a second time.
        for (place, counted) in reference["places"].as_object().unwrap() {
            assert!(receipt["places"][place].as_u64() <= counted.as_u64(), "{name} {count} {place}: {receipt}");
        }
        for same in ["profiles", "tombstones", "destinations", "left"] {
            assert_eq!(receipt[same], reference[same], "killed at {name} {count}");
        }
    }
}
