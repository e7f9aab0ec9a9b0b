//! Exports of one audience, again and again from one host: what each left in the bucket and in the books.

use crate::host::HostProcess;
use crate::journey::Journey;
use crate::vendors::{BUCKET, Vendors};
use crate::{Kill, count_files};
use anyhow::{Context, Result, ensure};
use attiva_simulators::s3::Watch;
use serde_json::{Value, json};
use std::collections::HashMap;
use tempfile::TempDir;

/// Bytes of the text that makes rows wide.
const WIDTH: usize = 2_000;

/// When the host is killed during an export.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    Never,
    /// At a named point, passed for the `count`th time.
    Point(&'static str, u64),
    /// When S3 has done what this asked for, and before the host hears of it: method, and part of path and query.
    Answer(&'static str, &'static str),
}

/// What one export left.
#[derive(Debug)]
pub struct Exported {
    pub file: Vec<u8>,
    /// The file's own name, run and start, which differ from export to export, taken out.
    pub manifest: Value,
    /// Position and status of every member, in order.
    pub outcomes: Vec<(u64, String)>,
    pub books: Value,
    /// Objects in the bucket that were not there before.
    pub objects: usize,
    /// What S3 was asked for.
    pub requests: Vec<String>,
    pub was_killed: bool,
}

/// A host whose profiles are in, and an audience of all with a score.
pub struct Exports<'a> {
    vendors: &'a Vendors,
    host: HostProcess,
    journey: Journey<'a>,
    watch: Watch,
    segment: String,
    // The host's data.
    _directory: TempDir,
}

impl<'a> Exports<'a> {
    /// Reads all leads, once.
    pub fn prepare(vendors: &'a Vendors) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut host = HostProcess::prepare(&directory.path().join("data"))?;
        host.start(Kill::Never)?;
        let mut journey = Journey::new(vendors);
        let source = journey.connect_marketo(&mut host)?;
        let run = journey.post(&mut host, &format!("connections/{source}/runs"), &json!({}))?;
        journey.follow(&mut host, &run)?;
        let rule = json!({ "name": "scored", "expression": "person.person_score >= 0" });
        let segment = journey.made(&mut host, "segments", &rule)?;
        journey.caught_up(&mut host)?;
        Ok(Self { vendors, host, journey, watch: vendors.s3.watch(), segment, _directory: directory })
    }

    /// A segment of nobody.
    pub fn nobody(&mut self) -> Result<String> {
        let rule = json!({ "name": "nobody", "expression": "person.person_score < 0" });
        self.journey.made(&mut self.host, "segments", &rule)
    }

    pub fn everybody(&self) -> String {
        self.segment.clone()
    }

    /// An activation of a segment, its rows wide or not, on a connection of its own with `more` in its configuration.
    pub fn activation(&mut self, name: &str, segment: &str, wide: bool, more: &Value) -> Result<String> {
        let connection = self.journey.connect_s3(&mut self.host, more)?;
        let field = |field: &str, expression: &str| json!({ "field": field, "expression": expression, "required": field == "email" });
        let text = if wide { format!("person.email + \"{}\"", "~".repeat(WIDTH)) } else { "person.email".to_owned() };
        let activation = json!({
            "name": name, "segment": segment, "connection": connection, "target": { "object": "file", "name": name },
            "mapping": [field("email", "person.email"), field("text", &text), field("score", "person.person_score")],
        });
        self.journey.made(&mut self.host, "activations", &activation)
    }

    /// Exports once more, with a kill on the way.
    pub fn export(&mut self, activation: &str, moment: Moment) -> Result<Exported> {
        let before = count_files(&self.vendors.s3_root)?;
        self.watch.clear();
        match moment {
            Moment::Never => self.host.restart(Kill::Never)?,
            Moment::Point(name, count) => self.host.restart(Kill::AtPoint { name, count })?,
            Moment::Answer(method, part) => {
                self.host.restart(Kill::Never)?;
                self.watch.lose_answer(method, part);
                self.host.kill_when_lost(self.watch.clone());
            }
        }
        let path = format!("activations/{activation}/deliveries");
        let begun = self.journey.post(&mut self.host, &path, &json!({}))?;
        let delivery = self.journey.follow(&mut self.host, &begun)?;
        let id = delivery["id"].as_str().context("no id")?.to_owned();
        let items = self.journey.all(&mut self.host, &format!("deliveries/{id}/items"))?;
        let key = self.key(&delivery)?;
        let mut manifest: Value = serde_json::from_slice(&self.object(&format!("{key}.manifest.json"))?)?;
        ensure!(manifest["name"] == key.as_str() && manifest["run_id"] == id.as_str(), "{manifest} is of another run");
        for own in ["name", "run_id", "run_started_at"] {
            manifest[own] = Value::Null;
        }
        Ok(Exported {
            file: self.object(&key)?,
            manifest,
            outcomes: items.iter().map(outcome).collect::<Option<_>>().context("an outcome without position")?,
            books: delivery["books"].clone(),
            objects: count_files(&self.vendors.s3_root)? - before,
            requests: self.watch.requests(),
            was_killed: self.host.killed_in().is_some(),
        })
    }

    /// The rows that an export should have, in order of its members: made from profiles, without the connector.
    pub fn expected(&mut self, activation: &str, wide: bool) -> Result<String> {
        let deliveries = self.journey.all(&mut self.host, "deliveries")?;
        let latest = deliveries.iter().rfind(|d| d["activation"] == activation).context("no delivery")?;
        let id = latest["id"].as_str().context("no id")?.to_owned();
        let profiles = self.journey.all(&mut self.host, "profiles")?;
        let profiles: HashMap<&str, &Value> =
            profiles.iter().filter_map(|p| Some((p["id"].as_str()?, &p["attributes"]))).collect();
        let width = if wide { WIDTH } else { 0 };
        let mut file = "email,text,score\n".to_owned();
        for item in self.journey.all(&mut self.host, &format!("deliveries/{id}/items"))? {
            if item["status"] != "created" {
                continue;
            }
            let person =
                profiles.get(item["profile"].as_str().unwrap_or_default()).context("a member without profile")?;
            let email = person["email"].as_str().context("a row without address")?;
            ensure!(!email.contains([',', '"', '\n']), "{email} would have to be quoted");
            file.push_str(&format!("{email},{email}{},{}\n", "~".repeat(width), person["person_score"]));
        }
        Ok(file)
    }

    /// Ends the host as an operator does.
    pub fn stop(self) -> Result<()> {
        self.host.stop()
    }

    fn key(&self, delivery: &Value) -> Result<String> {
        let artifacts = delivery["artifacts"].as_array().context("no artifacts")?;
        ensure!(artifacts.len() == 2, "a file and its manifest are two artifacts: {delivery}");
        let name = artifacts[0]["name"].as_str().with_context(|| format!("no name in {delivery}"))?;
        Ok(name.strip_prefix(&format!("s3://{BUCKET}/")).with_context(|| name.to_owned())?.to_owned())
    }

    fn object(&self, key: &str) -> Result<Vec<u8>> {
        std::fs::read(self.vendors.s3_root.join(BUCKET).join(key)).with_context(|| key.to_owned())
    }
}

fn outcome(item: &Value) -> Option<(u64, String)> {
    Some((item["position"].as_u64()?, item["status"].as_str()?.to_owned()))
}

/// How many requests have this method and hold this.
pub fn count(requests: &[String], method: &str, part: &str) -> usize {
    requests.iter().filter(|r| r.starts_with(&format!("{method} ")) && r.contains(part)).count()
}
