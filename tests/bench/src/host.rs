//! A host in this process, spoken to over HTTP, and a Marketo in a process of its own.

use anyhow::{Context, Result, bail, ensure};
use attiva_server::config::{Config, Flags};
use attiva_server::host::Host;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running host and a client of it.
pub struct Served {
    runtime: tokio::runtime::Runtime,
    host: Option<Host>,
    client: Client,
}

/// Asks a host.
#[derive(Clone)]
pub struct Client {
    url: String,
    key: String,
    agent: ureq::Agent,
}

impl Client {
    /// Host and port.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// `path`: from the root.
    pub fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", content_type)
            .body(body)?;
        let mut answer = self.agent.run(request)?;
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_string()?;
        ensure!(answer.status().is_success(), "{method} {url}: {}: {text}", answer.status());
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

impl Served {
    /// Starts on a data directory. `key`: of an earlier start on it.
    pub fn start(data: &Path, key: Option<String>) -> Result<Self> {
        let flags = Flags { data_dir: Some(data.to_owned()), listen: Some("127.0.0.1:0".into()), ..Flags::default() };
        let config = Config::resolve(&flags, [], None)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let (host, first_key) = runtime.block_on(Host::start(&config))?;
        let key = first_key.map(|k| k.text).or(key).context("the data directory has a key already; pass it")?;
        let agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
        let client = Client { url: host.url(), key, agent };
        Ok(Self { host: Some(host), runtime, client })
    }

    pub fn key(&self) -> String {
        self.client.key.clone()
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn stop(mut self) {
        if let Some(host) = self.host.take() {
            self.runtime.block_on(host.stop());
        }
    }

    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        self.client.send(method, &format!("/v1/sandboxes/default/{path}"), "application/json", body.as_bytes())
    }

    pub fn made(&self, collection: &str, body: &Value) -> Result<String> {
        let made = self.call("POST", collection, Some(body))?;
        Ok(made["id"].as_str().with_context(|| format!("no id in {made}"))?.to_owned())
    }

    /// Waits for the end of an operation.
    pub fn follow(&self, operation: &Value) -> Result<Value> {
        let id = operation["id"].as_str().context("no operation")?;
        loop {
            let operation = self.call("GET", &format!("operations/{id}"), None)?;
            if operation["done"] == true {
                if operation["status"] != "succeeded" {
                    bail!("{operation}");
                }
                return Ok(operation);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn caught_up(&self) -> Result<()> {
        while self.call("GET", "projection", None)?["caught_up"] != true {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Connects the simulated Marketo; returns the connection.
    pub fn connect(&self, marketo: &SimulatedMarketo) -> Result<String> {
        let configuration = json!({
            "munchkin_id": "123-ABC-456", "client_id": marketo.client_id, "client_secret": marketo.client_secret,
            "start_date": start_date(25)?, "poll_seconds": 1,
        });
        let body = json!({ "name": "bench", "plugin": "source-marketo", "configuration": configuration });
        let id = self.made("connections", &body)?;
        self.call("PUT", &format!("connections/{id}/grants/api"), Some(&json!({ "url": marketo.url })))?;
        Ok(id)
    }
}

/// A day so many days ago.
pub fn start_date(days_ago: i32) -> Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    Ok(attiva_core::time::format_date(i32::try_from(now / 86_400)? - days_ago))
}

/// The simulator in a process of its own, so that its work is not counted as the host's.
pub struct SimulatedMarketo {
    child: Child,
    url: String,
    client_id: String,
    client_secret: String,
}

impl SimulatedMarketo {
    pub fn start(leads: u64) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("attiva-simulate-marketo");
        ensure!(
            program.exists(),
            "{} is not there: build it with the same profile (cargo build --release -p attiva-simulators)",
            program.display()
        );
        let mut child = Command::new(program)
            .args([
                "--port",
                "0",
                "--leads",
                &leads.to_string(),
                // One export job: its making is the vendor's time, not ours.
                "--history-days",
                "20",
                "--no-limits",
                "--export-mb-per-day",
                "0",
                "--status-interval-ms",
                "50",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let told: Value = serde_json::from_str(&line).with_context(|| format!("`{line}`"))?;
        let url = told["base_url"].as_str().with_context(|| format!("no base_url in {told}"))?.to_owned();
        let defaults = attiva_simulators::marketo::MarketoConfig::default();
        Ok(Self { child, url, client_id: defaults.client_id, client_secret: defaults.client_secret })
    }
}

impl SimulatedMarketo {
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The id and the secret of its custom service.
    pub fn credentials(&self) -> (&str, &str) {
        (&self.client_id, &self.client_secret)
    }

    /// What it tells of itself, beside the vendor's interface.
    pub fn control(&self, of: &str) -> Result<Value> {
        let mut answer = ureq::get(format!("{}/_control/{of}", self.url)).call()?;
        Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
    }
}

impl Drop for SimulatedMarketo {
    fn drop(&mut self) {
        // It ends when its input closes; this is for one that hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
