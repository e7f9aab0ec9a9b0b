//! The journey itself: requests to the host's HTTP API, one after the other, with nothing up its sleeve.

use super::Outcome;
use super::bucket::Bucket;
use super::compare::Comparison;
use super::stage::{REGION, Stage};
use super::truth::{FIELDS, SEGMENT, Truth};
use crate::cli::{Client, Failure, Output, follow};
use anyhow::bail;
use attiva_simulators::marketo::Marketo;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::http::Method;

/// Everything a journey has to know of the stage.
pub(crate) struct Journey {
    client: Client,
    marketo: Arc<Marketo>,
    bucket: Bucket,
    output: Output,
    step: u32,
}

const INSTANCE: &str = "123-ABC-456";
const STEPS: u32 = 8;

impl Journey {
    pub(crate) fn new(stage: &Stage, output: Output) -> Result<Self, Failure> {
        Ok(Self {
            client: Client::at(&stage.host.url(), Some(stage.key.clone()), "default", None)?,
            marketo: Arc::clone(&stage.marketo),
            bucket: stage.bucket(),
            output,
            step: 0,
        })
    }

    /// The whole way, from nothing to a file in the bucket that was compared.
    pub(crate) fn travel(mut self) -> Result<Outcome, Failure> {
        let began = Instant::now();
        self.says("plugins: two sandboxed components came with the host");
        self.plugins()?;
        self.says("connecting Marketo and S3, each granted its simulator's endpoint");
        let source = self.connect_marketo()?;
        let destination = self.connect_s3()?;
        self.says("testing both connections");
        self.check(&source)?;
        self.check(&destination)?;
        self.says("reading leads by bulk extract");
        let received = self.run(&source)?;
        self.says("unifying records into profiles");
        let profiles = self.profiles()?;
        self.says("evaluating a segment");
        let (segment, members) = self.segment()?;
        self.says("activating it to S3 as a CSV file");
        let delivery = self.deliver(&segment, &destination)?;
        self.says("reading the file back from the bucket and comparing every field");
        let artifact = delivery.pointer("/artifacts/0").cloned().unwrap_or_default();
        let object = artifact.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let file = self.bucket.read(&object)?;
        let took = began.elapsed();

        let truth = Truth::of(self.marketo.exported_leads(), INSTANCE);
        let mut comparison = Comparison::default();
        let book = |name: &str| delivery.pointer(&format!("/books/{name}")).and_then(Value::as_u64).unwrap_or(0);
        comparison.expect("leads received", truth.leads, received);
        comparison.expect("profiles", truth.profiles, profiles);
        comparison.expect("members", truth.members, members);
        comparison.expect("members received by the delivery", truth.members, book("received"));
        comparison.expect("members without an address", truth.excluded, book("excluded"));
        comparison.expect("members delivered", truth.rows.len() as u64, book("created") + book("updated"));
        comparison.expect("members still pending", 0, book("pending"));
        if artifact.get("sha256").and_then(Value::as_str).is_some_and(|told| told != sha256(&file)) {
            comparison.differs("the file's checksum is not the one the delivery tells".into());
        }
        comparison.compare_file(&file, &truth)?;
        Ok(Outcome {
            leads_sent: truth.leads,
            profiles,
            members,
            excluded: book("excluded"),
            object,
            object_bytes: file.len() as u64,
            comparison,
            took,
        })
    }

    fn says(&mut self, what: &str) {
        self.step += 1;
        self.output.note(&format!("[{}/{STEPS}] {what}", self.step));
    }

    fn plugins(&self) -> Result<(), Failure> {
        let page = self.client.get("/v1/plugins")?;
        let installed = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        for wanted in ["source-marketo", "destination-s3"] {
            if !installed.iter().any(|p| p.get("name").and_then(Value::as_str) == Some(wanted)) {
                return Err(anyhow::anyhow!("the plugin {wanted} did not come with the host").into());
            }
        }
        Ok(())
    }

    fn connect_marketo(&self) -> Result<String, Failure> {
        let body = json!({
            "name": "Marketo (simulated)",
            "plugin": "source-marketo",
            "configuration": {
                "munchkin_id": INSTANCE,
                "client_id": self.marketo.config().client_id,
                "client_secret": self.marketo.config().client_secret,
                "start_date": start_date(),
                "poll_seconds": 1,
            },
        });
        let id = id(&self.client.post(&self.client.scoped("connections"), &body)?)?;
        self.grant(&id, "api", &self.marketo.base_url())?;
        Ok(id)
    }

    fn connect_s3(&self) -> Result<String, Failure> {
        let body = json!({
            "name": "S3 (s3s-fs)",
            "plugin": "destination-s3",
            "configuration": {
                "bucket": self.bucket.name,
                "region": REGION,
                "addressing": "path",
                "access_key_id": self.bucket.access_key,
                "secret_access_key": self.bucket.secret_key,
            },
        });
        let id = id(&self.client.post(&self.client.scoped("connections"), &body)?)?;
        self.grant(&id, "path", &self.bucket.endpoint)?;
        Ok(id)
    }

    fn grant(&self, connection: &str, origin: &str, url: &str) -> Result<(), Failure> {
        let path = self.client.scoped(&format!("connections/{connection}/grants/{origin}"));
        self.client.send_json(Method::PUT, &path, &json!({ "url": url }))?;
        Ok(())
    }

    fn check(&self, connection: &str) -> Result<(), Failure> {
        let path = self.client.scoped(&format!("connections/{connection}/check"));
        let checked = self.client.post(&path, &json!({}))?;
        if checked.get("passed").and_then(Value::as_bool) == Some(true) {
            return Ok(());
        }
        Err(anyhow::anyhow!("a test of {connection} failed: {checked}").into())
    }

    /// Reads all leads; returns how many came.
    fn run(&self, connection: &str) -> Result<u64, Failure> {
        let path = self.client.scoped(&format!("connections/{connection}/runs"));
        let operation = self.client.post(&path, &json!({}))?;
        let operation = follow::operation(&self.client, &operation, &self.output)?;
        if !follow::succeeded(&operation) {
            return Err(anyhow::anyhow!("the run did not succeed: {operation}").into());
        }
        let run = self.client.get(operation.get("subject_url").and_then(Value::as_str).unwrap_or_default())?;
        let streams = run.get("streams").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(streams.iter().filter_map(|s| s.get("changed").and_then(Value::as_u64)).sum())
    }

    /// Waits until nothing is left to project, and counts.
    fn profiles(&self) -> Result<u64, Failure> {
        self.caught_up()?;
        let mut count = 0;
        let mut path = self.client.scoped("profiles?limit=500");
        loop {
            let page = self.client.get(&path)?;
            count += page.get("items").and_then(Value::as_array).map_or(0, Vec::len) as u64;
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(cursor) => path = self.client.scoped(&format!("profiles?limit=500&cursor={cursor}")),
                None => return Ok(count),
            }
        }
    }

    fn caught_up(&self) -> Result<(), Failure> {
        let path = self.client.scoped("projection");
        let bar = follow::bar(self.output);
        loop {
            let projection = self.client.get(&path)?;
            if projection.get("caught_up").and_then(Value::as_bool) == Some(true) {
                bar.finish_and_clear();
                return Ok(());
            }
            let number = |name: &str| projection.get(name).and_then(Value::as_u64).unwrap_or(0);
            let (newest, upto) = (number("newest_record_seq"), number("profiles_upto"));
            bar.set_length(newest);
            bar.set_position(upto);
            bar.set_message(format!("profiles; {upto} of {newest}"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn segment(&self) -> Result<(String, u64), Failure> {
        let body = json!({ "name": "Marketing people and managers with a score", "expression": SEGMENT });
        let segment = id(&self.client.post(&self.client.scoped("segments"), &body)?)?;
        self.caught_up()?;
        let shown = self.client.get(&self.client.scoped(&format!("segments/{segment}")))?;
        Ok((segment, shown.get("members").and_then(Value::as_u64).unwrap_or(0)))
    }

    fn deliver(&self, segment: &str, connection: &str) -> Result<Value, Failure> {
        let field = |(name, expression, _): &(&str, &str, &str)| json!({ "field": name, "expression": expression, "required": *name == "email" });
        // It is for mail, and for whoever has not said no to that: who names nothing leaves out all who said no to anything.
        let rule = json!({ "channel": "email", "purpose": "*", "needs": "no-refusal" });
        let rules = json!({ "version": 1, "rules": [rule], "unnamed": "no-refusal" });
        self.client.put_versioned(&self.client.scoped("consent-rules"), &rules, None)?;
        let body = json!({
            "consent": { "channel": "email", "purpose": "marketing" },
            "name": "Marketing people to S3",
            "segment": segment,
            "connection": connection,
            "target": { "object": "file", "name": "marketing" },
            "mapping": FIELDS.iter().map(field).collect::<Vec<_>>(),
        });
        let activation = id(&self.client.post(&self.client.scoped("activations"), &body)?)?;
        let path = self.client.scoped(&format!("activations/{activation}/deliveries"));
        let operation = self.client.post(&path, &json!({}))?;
        let operation = follow::operation(&self.client, &operation, &self.output)?;
        if !follow::succeeded(&operation) {
            return Err(anyhow::anyhow!("the delivery did not succeed: {operation}").into());
        }
        self.client.get(operation.get("subject_url").and_then(Value::as_str).unwrap_or_default())
    }
}

fn id(made: &Value) -> anyhow::Result<String> {
    match made.get("id").and_then(Value::as_str) {
        Some(id) => Ok(id.to_owned()),
        None => bail!("the host's answer has no id: {made}"),
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A day before the simulator's first lead.
fn start_date() -> String {
    use attiva_core::ports::clock::Clock;
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let days = crate::app::chance::SystemClock.now() / DAY_MS - 62;
    attiva_core::time::format_date(i32::try_from(days).unwrap_or(0))
}
