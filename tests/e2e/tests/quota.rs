//! A host that is killed when a vendor's budget is spent grants nothing of it anew: the vendor, who counts on, never has to
//! refuse. Kills come at what the vendor or the host has counted, never after a time.

use anyhow::{Context, Result, ensure};
use attiva_e2e::Kill;
use attiva_e2e::host::HostProcess;
use attiva_simulators::marketo::{Limits, Marketo, MarketoConfig};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const MUNCHKIN: &str = "310-QUO-310";
/// For a host that hangs, not for a slow one.
const PATIENCE: Duration = Duration::from_secs(240);

/// What the vendor says when it is asked for more than it sells: too many in the window, in the day, at once.
const PROVOKED: [&str; 3] = ["606", "607", "615"];

/// A Marketo that sells little, and one host that uses it.
struct Setting {
    // Kept for its threads: the simulator lives on it.
    _runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
    vendor: Marketo,
    host: HostProcess,
    connection: String,
}

impl Setting {
    /// `set`: what the operator knows of what was sold.
    fn start(limits: Limits, set: &Value) -> Result<Self> {
        // Cargo builds the program under test for this test, because it is named here.
        let _ = env!("CARGO_BIN_EXE_attiva-under-test");
        let runtime = tokio::runtime::Runtime::new()?;
        let vendor =
            runtime.block_on(Marketo::start(MarketoConfig { leads: 20, limits, ..MarketoConfig::default() }))?;
        let directory = tempfile::tempdir()?;
        let mut host = HostProcess::prepare(&directory.path().join("data"))?;
        host.start(Kill::Never)?;
        let config = vendor.config();
        let body = json!({ "name": "m", "plugin": "source-marketo", "grants": { "api": vendor.base_url() },
            "configuration": { "munchkin_id": MUNCHKIN, "client_id": config.client_id,
                               "client_secret": config.client_secret } });
        let caller = Caller::of(&host);
        let (status, made) = caller.until_answered("POST", "/v1/sandboxes/default/connections", &body)?;
        ensure!(status == 201, "{status}: {made}");
        let connection = made["id"].as_str().context("no id")?.to_owned();
        let path = format!("/v1/quotas/Marketo/{MUNCHKIN}/limits");
        let (status, answer) = caller.until_answered("PUT", &path, &json!({ "limits": set }))?;
        ensure!(status == 200, "{status}: {answer}");
        Ok(Self { _runtime: runtime, _directory: directory, vendor, host, connection })
    }

    /// Calls that count at the vendor, so far. None of them was one too many.
    fn counted(&self) -> u64 {
        let received = self.vendor.received();
        for code in PROVOKED {
            assert_eq!(received.by_code.get(code), None, "the vendor was provoked: {:?}", received.by_code);
        }
        let tokens = received.by_path.iter().filter(|(path, _)| path.contains("/identity/"));
        received.total - tokens.map(|(_, calls)| calls).sum::<u64>()
    }

    fn discovery(&self) -> String {
        format!("/v1/sandboxes/default/connections/{}/discover", self.connection)
    }
}

/// Asks the host.
#[derive(Clone)]
struct Caller {
    agent: ureq::Agent,
    url: String,
    key: String,
}

impl Caller {
    fn of(host: &HostProcess) -> Self {
        let agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
        Self { agent, url: host.url(""), key: host.key().to_owned() }
    }

    fn once(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .body(text)?;
        let mut answer = self.agent.run(request)?;
        let text = answer.body_mut().read_to_string()?;
        Ok((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Asks until it is answered: the host may be starting.
    fn until_answered(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let since = Instant::now();
        loop {
            match self.once(method, path, body) {
                Ok((503, _)) | Err(_) if since.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
                answered => return answered,
            }
        }
    }
}

#[test]
fn a_day_that_is_spent_stays_spent_however_often_the_host_is_killed() {
    const DAY: u64 = 30;
    let limits = Limits { per_20_s: 100, concurrent: 10, daily: DAY };
    let mut at = Setting::start(limits, &json!([{ "kind": "day", "calls": DAY }])).unwrap();
    let (mut kills, mut killed_at) = (0, 0);
    let code = loop {
        let caller = Caller::of(&at.host);
        let (status, answer) = caller.until_answered("POST", &at.discovery(), &json!({})).unwrap();
        let counted = at.counted();
        if status != 200 {
            break answer["code"].as_str().unwrap_or_default().to_owned();
        }
        // Just answered: what is reserved of the next block is lost with the process.
        if counted >= killed_at + 6 {
            at.host.kill_and_restart().unwrap();
            (kills, killed_at) = (kills + 1, counted);
        }
    };
    assert_eq!(code, "quota.day");
    assert!(kills >= 3, "killed {kills} times only");
    let counted = at.counted();
    // A hundredth of a day is reserved at once: of 30 calls that is one.
    assert!(
        counted <= DAY && counted + kills + 2 >= DAY,
        "{counted} calls came of a day of {DAY}, after {kills} kills"
    );

    at.host.kill_and_restart().unwrap();
    let caller = Caller::of(&at.host);
    let (status, answer) = caller.until_answered("POST", &at.discovery(), &json!({})).unwrap();
    assert_eq!((status, answer["code"].as_str()), (429, Some("quota.day")), "{answer}");
    assert_eq!(at.counted(), counted, "nothing more was sent");
}

#[test]
fn a_window_that_is_spent_stays_spent_when_the_host_is_killed() {
    const WINDOW: u64 = 10;
    let limits = Limits { per_20_s: 10, concurrent: 10, daily: 50_000 };
    let mut at = Setting::start(limits, &json!([{ "kind": "window", "seconds": 20, "calls": WINDOW }])).unwrap();
    let waits = |at: &Setting| {
        let caller = Caller::of(&at.host);
        let shown = format!("/v1/quotas/Marketo/{MUNCHKIN}");
        caller.until_answered("GET", &shown, &Value::Null).unwrap();
        // Asks on and on, until one of the questions waits for the window; it ends with the host that it asks.
        let (path, asks) = (at.discovery(), caller.clone());
        std::thread::spawn(move || while let Ok((200, _)) = asks.once("POST", &path, &json!({})) {});
        let since = Instant::now();
        loop {
            let (_, quota) = caller.until_answered("GET", &shown, &Value::Null).unwrap();
            let window = quota["limits"].as_array().and_then(|all| all.iter().find(|limit| limit["kind"] == "window"));
            let is_full = window.is_some_and(|window| window["left"] == 0);
            if is_full && quota["waiting"]["interactive"].as_u64().is_some_and(|waiting| waiting > 0) {
                return quota;
            }
            at.counted();
            assert!(since.elapsed() < PATIENCE, "nobody came to wait: {quota}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    for kill in 0..3 {
        let (quota, counted) = (waits(&at), at.counted());
        // What is reserved and not called goes with the process: an eighth of a window at most, which is one call here.
        assert!(counted + kill + 1 >= WINDOW, "{counted} calls came of a window of {WINDOW}: {quota}");
        at.host.kill_and_restart().unwrap();
    }
    at.counted();
}
