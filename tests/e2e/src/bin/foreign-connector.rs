//! Runs components of `sdk/javascript/example` and `sdk/python/example` in a host: installs each, reads all contacts of a
//! made-up CRM, and compares what was committed and what became of it. Prints what each takes.

use anyhow::{Context, Result, bail, ensure};
use attiva_e2e::crm::{CLIENT_SECRET, Crm};
use attiva_server::config::{Config, Flags};
use attiva_server::host::Host;
use clap::Parser;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Two full pages of a thousand, and a part of one.
const CONTACTS: u64 = 2_500;

#[derive(Parser)]
struct Arguments {
    #[arg(required = true)]
    components: Vec<PathBuf>,
}

fn main() -> Result<ExitCode> {
    // Components are compiled in a process of their own, which is this program again.
    if let Some(ended) = attiva_server::compiler::serve_if_asked() {
        return Ok(ended);
    }
    for component in Arguments::parse().components {
        check(&component).with_context(|| component.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A host in this process, and a client of it.
struct Served {
    runtime: tokio::runtime::Runtime,
    host: Host,
    key: String,
    agent: ureq::Agent,
}

impl Served {
    fn start(data: &Path) -> Result<Self> {
        let flags = Flags {
            data_dir: Some(data.to_owned()),
            listen: Some("127.0.0.1:0".into()),
            // An interpreter takes a while to compile, and this may be a debug build on a busy machine.
            set: vec!["limits.request_seconds=280".into()],
            ..Flags::default()
        };
        let config = Config::resolve(&flags, [], None)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let (host, key) = runtime.block_on(Host::start(&config))?;
        let key = key.context("no key was made")?.text;
        let agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
        Ok(Self { runtime, host, key, agent })
    }

    fn call(&self, method: &str, path: &str, media_type: &str, body: Vec<u8>) -> Result<Value> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.host.url()))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", media_type)
            .body(body)?;
        let mut answer = self.agent.run(request)?;
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_string()?;
        ensure!(answer.status().is_success(), "{method} {path}: {}: {text}", answer.status());
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, "application/json", Vec::new())
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        self.call(method, path, "application/json", body.to_string().into_bytes())
    }
}

fn check(path: &Path) -> Result<()> {
    let component = std::fs::read(path)?;
    let (directory, crm) = (tempfile::tempdir()?, Crm::start(CONTACTS)?);
    let served = Served::start(&directory.path().join("data"))?;
    let began = Instant::now();
    let install = "plugins?approve=true&allow_unsigned=built%20here";
    let plugin = served.call("POST", install, "application/wasm", component.clone())?;
    let installed = began.elapsed();
    let name = plugin["name"].as_str().context("the plugin has no name")?.to_owned();

    let configuration = json!({"tenant": "t1", "client_id": "c", "client_secret": CLIENT_SECRET});
    let connection = json!({"name": "contacts", "plugin": name, "configuration": configuration});
    let connection = served.send("POST", "sandboxes/default/connections", &connection)?;
    let at = format!("sandboxes/default/connections/{}", connection["id"].as_str().context("no id")?);
    served.send("PUT", &format!("{at}/grants/api"), &json!({ "url": crm.url }))?;
    let checked = served.send("POST", &format!("{at}/check"), &json!({}))?;
    ensure!(checked["passed"] == true, "the check says {checked}");

    let started = served.send("POST", &format!("{at}/runs"), &json!({}))?;
    let run = format!("sandboxes/default/runs/{}", started["subject"].as_str().context("no run")?);
    let run = until("the run ends", || Ok(Some(served.get(&run)?).filter(|run| !run["ended_at"].is_null())))?;
    let stream = &run["streams"][0];
    ensure!(run["status"] == "succeeded", "the run says {run}");
    let expected = json!([3, CONTACTS, 0]);
    ensure!(json!([stream["pages"], stream["received"], stream["rejected"]]) == expected, "the run says {run}");
    ensure!(crm.pages() == 4, "{} pages were asked for, one of them by the check", crm.pages());

    until("profiles are made", || {
        Ok(Some(()).filter(|()| served.get("sandboxes/default/projection").is_ok_and(|p| p["caught_up"] == true)))
    })?;
    for (id, email) in [(1, Some("c1@example.com")), (2_499, Some("c2499@example.com")), (10, None)] {
        let found = served.get(&format!("sandboxes/default/profiles?namespace=email&value=c{id}%40example.com"))?;
        let found = found["items"][0]["attributes"]["email"].as_str();
        ensure!(found == email, "of contact {id} there is {found:?}");
    }
    report(&served, &at, &name, component.len(), installed)?;
    let Served { runtime, host, .. } = served;
    runtime.block_on(host.stop());
    Ok(())
}

/// What its calls took.
fn report(served: &Served, at: &str, name: &str, bytes: usize, installed: Duration) -> Result<()> {
    let usage = served.get(&format!("{at}/usage"))?;
    let calls = usage["calls"].as_array().context("no calls")?;
    let reads: Vec<&Value> = calls.iter().filter(|call| call["function"] == "read").collect();
    ensure!(reads.len() == 3, "three pages are three calls: {usage}");
    println!("{name}: {bytes} bytes, installed in {installed:?}");
    for call in calls {
        println!("  {call}");
    }
    Ok(())
}

fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(120) {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("waited in vain: {what}")
}
