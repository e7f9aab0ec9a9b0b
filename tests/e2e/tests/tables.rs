//! Open tables, taken by a host that is killed between their files and their manifest: what counts is whole, and nothing
//! else is left.

use anyhow::{Context, Result, ensure};
use attiva_e2e::Kill;
use attiva_e2e::host::HostProcess;
use attiva_simulators::s3::{S3, S3Config};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(120);

struct Client {
    host: HostProcess,
    agent: ureq::Agent,
}

impl Client {
    fn ask(&mut self, path: &str, body: Option<&Value>) -> Result<Value> {
        self.say(if body.is_some() { "POST" } else { "GET" }, path, body, || Ok(()))
    }

    /// Asks until it is answered: the host may be dead, or starting. `while_dead`: what is looked at before it starts again.
    fn say(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        while_dead: impl Fn() -> Result<()>,
    ) -> Result<Value> {
        let deadline = Instant::now() + LONG;
        loop {
            let request = ureq::http::Request::builder()
                .method(method)
                .uri(self.host.url(&format!("/v1/sandboxes/default/{path}")))
                .header("authorization", format!("Bearer {}", self.host.key()))
                .header("content-type", "application/json");
            let sent = self.agent.run(request.body(body.map(ToString::to_string).unwrap_or_default())?);
            match sent.and_then(|mut answer| Ok((answer.status(), answer.body_mut().read_to_string()?))) {
                Ok((status, text)) if status.is_success() => return Ok(serde_json::from_str(&text)?),
                Ok((status, text)) => anyhow::bail!("{path}: {status} {text}"),
                Err(_) => {
                    while_dead()?;
                    self.host.tend()?;
                    ensure!(Instant::now() < deadline, "{path} was not answered");
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    fn send(&mut self, entity: &str, records: Value) -> Result<()> {
        let source = json!({"system": "Web", "id": "w"});
        self.ask("records", Some(&json!({"source": source, "entity": entity, "records": records})))?;
        let deadline = Instant::now() + LONG;
        while self.ask("projection", None)?["caught_up"] != true {
            ensure!(Instant::now() < deadline, "the projection does not catch up");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// What the newest manifest names, below the folder.
fn named(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let manifest: Value = serde_json::from_slice(&std::fs::read(folder.join("manifest.json"))?)?;
    let tables = manifest["tables"].as_array().context("no tables")?.iter();
    let files = tables.flat_map(|table| table["files"].as_array().into_iter().flatten());
    files.map(|file| Ok(PathBuf::from(file["path"].as_str().context("no path")?))).collect()
}

/// Every file of a table that is there.
fn there(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for table in std::fs::read_dir(folder.join("data"))? {
        for file in std::fs::read_dir(table?.path())? {
            files.insert(file?.path().strip_prefix(folder)?.to_owned());
        }
    }
    Ok(files)
}

/// A cut, then a change, and another cut with a kill on its way. What the tables hold in the end.
fn taken(data: &Path, kill: Kill) -> Result<(BTreeSet<PathBuf>, bool)> {
    let mut host = HostProcess::prepare(data)?;
    host.start(Kill::Never)?;
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
    let mut client = Client { host, agent };
    client.send("account", json!([{"id": "a", "fields": {"name": "Acme"}}]))?;
    client.send("person", json!([{"id": "1", "fields": {"email": "ann@x.example", "account_key": "a@w.Web"}}]))?;
    client.ask("tables", Some(&json!({})))?;
    client.send("person", json!([{"id": "2", "fields": {"email": "bob@x.example", "account_key": "a@w.Web"}}]))?;
    client.host.restart(kill)?;
    client.ask("tables", Some(&json!({})))?;
    let folder = data.join(client.ask("tables", None)?["folder"].as_str().context("no folder")?);
    let killed = client.host.killed_in().is_some();
    client.host.stop()?;
    ensure!(std::fs::read_dir(folder.join("unfinished"))?.count() == 0, "something is unfinished");
    let (named, there) = (named(&folder)?, there(&folder)?);
    ensure!(named.is_subset(&there), "a file is missing: {named:?}, {there:?}");
    let stale = there.difference(&named).count();
    // The first cut can still be read: a file of persons, of their records and of what names them.
    ensure!(stale <= 4, "{stale} files too many: {there:?}");
    Ok((named, killed))
}

/// What a work leaves behind is the same whether it was killed at a point, so many times passed, or never.
fn leaves_the_same(work: impl Fn(&Path, Kill) -> Result<(BTreeSet<PathBuf>, bool)>, points: &[(&'static str, u64)]) {
    let _ = env!("CARGO_BIN_EXE_attiva-under-test");
    let directory = tempfile::tempdir().unwrap();
    let (reference, killed) = work(&directory.path().join("reference"), Kill::Never).unwrap();
    assert!(!killed && reference.len() >= 4, "{reference:?}");
    for &(name, count) in points {
        let data = directory.path().join(format!("{name}-{count}"));
        let (found, killed) = work(&data, Kill::AtPoint { name, count }).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert!(killed, "{name} was not passed {count} times");
        assert_eq!(found, reference, "killed at {name} {count}");
    }
}

#[test]
fn tables_killed_between_files_and_manifest_are_whole() {
    leaves_the_same(taken, &[("tables.part", 3), ("tables.written", 1), ("tables.published", 1)]);
}

/// A bucket on this machine.
struct Bucket {
    runtime: tokio::runtime::Runtime,
    s3: Option<S3>,
    root: tempfile::TempDir,
}

impl Bucket {
    fn start() -> Result<Self> {
        let (runtime, root) = (tokio::runtime::Runtime::new()?, tempfile::tempdir()?);
        let config = S3Config {
            port: 0,
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "right".into(),
            bucket: "bucket".into(),
            root: root.path().to_owned(),
        };
        let s3 = runtime.block_on(S3::start(config))?;
        Ok(Self { runtime, s3: Some(s3), root })
    }

    fn endpoint(&self) -> Result<String> {
        Ok(self.s3.as_ref().context("it was stopped")?.endpoint())
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let Some(s3) = self.s3.take() {
            self.runtime.block_on(s3.shutdown());
        }
    }
}

/// What a bucket's manifest names is all there, whole.
fn whole(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let manifest: Value = serde_json::from_slice(&std::fs::read(folder.join("manifest.json"))?)?;
    for file in manifest["tables"]
        .as_array()
        .context("no tables")?
        .iter()
        .flat_map(|table| table["files"].as_array().into_iter().flatten())
    {
        let path = file["path"].as_str().context("no path")?;
        let bytes = std::fs::metadata(folder.join(path)).with_context(|| format!("{path} is missing"))?.len();
        ensure!(file["bytes"].as_u64() == Some(bytes), "{path} has {bytes} bytes: {file}");
    }
    named(folder)
}

/// A cut in a bucket, then changes, and another cut with a kill on its way. What the bucket holds in the end.
fn copied(data: &Path, kill: Kill) -> Result<(BTreeSet<PathBuf>, bool)> {
    let bucket = Bucket::start()?;
    let mut host = HostProcess::prepare(data)?;
    host.start(Kill::Never)?;
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
    let mut client = Client { host, agent };
    client.send("account", json!([{"id": "a", "fields": {"name": "Acme"}}]))?;
    client.send("person", json!([{"id": "1", "fields": {"email": "ann@x.example", "account_key": "a@w.Web"}}]))?;
    let connection = client.ask(
        "connections",
        Some(&json!({"name": "s3", "plugin": "destination-s3", "configuration": {
        "bucket": "bucket", "region": "eu-central-1", "addressing": "path", "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": "right"}})),
    )?;
    let connection = connection["id"].as_str().context("no id")?.to_owned();
    let grant = json!({ "url": bucket.endpoint()? });
    client.say("PUT", &format!("connections/{connection}/grants/path"), Some(&grant), || Ok(()))?;
    let set = client.say("PUT", "tables/bucket", Some(&json!({ "connection": connection })), || Ok(()))?;
    let location = set["location"].as_str().and_then(|it| it.strip_prefix("s3://")).context("no location")?;
    let folder = bucket.root.path().join(location);
    client.ask("tables", Some(&json!({})))?;
    let before = whole(&folder)?;
    client.send("person", json!([{"id": "2", "fields": {"email": "bob@x.example", "account_key": "a@w.Web"}}]))?;
    client.host.restart(kill)?;
    let published = matches!(kill, Kill::AtPoint { name: "tables.copy-published", .. });
    client.say("POST", "tables", Some(&json!({})), || {
        // Whatever was cut short: a reader has a whole cut, the former one until the next one counts.
        let now = whole(&folder)?;
        ensure!(published || now == before, "{now:?}");
        Ok(())
    })?;
    let killed = client.host.killed_in().is_some();
    client.host.stop()?;
    let (named, there) = (whole(&folder)?, there(&folder)?);
    ensure!(named.is_subset(&there) && named != before, "{named:?}, {there:?}");
    ensure!(before.is_subset(&there), "the former cut can be read for an hour");
    Ok((there, killed))
}

#[test]
fn a_copy_killed_on_its_way_leaves_the_former_cut() {
    let points =
        [("tables.copied-file", 1), ("tables.copied-file", 2), ("tables.copied", 1), ("tables.copy-published", 1)];
    leaves_the_same(copied, &points);
}
