//! The journey of a campaign: everything through the HTTP API, each POST with an idempotency key, each request
//! repeated while the host is dead or coming up.

use crate::count_files;
use crate::host::HostProcess;
use crate::vendors::{BUCKET, Vendors};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What there is in the end.
#[derive(Debug)]
pub struct Landed {
    /// Every profile as JSON, in the order of ids.
    pub profiles: Vec<String>,
    /// The file's bytes.
    pub file: Vec<u8>,
    /// How many objects this delivery left in the bucket.
    pub objects: usize,
    /// Records that were new to the host. Not those received: how many of the newest leads come a second time, as
    /// changes of the last minutes, hangs on the time of day.
    pub changed: u64,
    pub books: Value,
    /// Who belongs to an audience that is evaluated in batch, and what is told of how they came in.
    pub audience: Vec<String>,
    /// How many connections, segments, runs, activations and deliveries there are, and events that tell of them.
    pub made: Vec<usize>,
}

pub struct Journey<'a> {
    vendors: &'a Vendors,
    agent: ureq::Agent,
    doing: &'static str,
    killed_while: Option<String>,
    posts: u32,
}

/// Longest time for anything; for a host that hangs, not for a slow one.
const PATIENCE: Duration = Duration::from_secs(300);

impl<'a> Journey<'a> {
    pub fn new(vendors: &'a Vendors) -> Self {
        let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(30))).build().into();
        Self { vendors, agent, doing: "starting", killed_while: None, posts: 0 }
    }

    /// What was being done when the host was killed.
    pub fn phase_of_kill(&self) -> String {
        self.killed_while.clone().unwrap_or_default()
    }

    /// How many POSTs a journey has.
    #[must_use]
    pub fn posts(&self) -> u32 {
        self.posts
    }

    pub fn travel(&mut self, host: &mut HostProcess) -> Result<Landed> {
        let before = count_files(&self.vendors.s3_root)?;
        self.doing = "connecting";
        let source = self.connect_marketo(host)?;
        let sink = self.connect_s3(host, &json!({}))?;
        let rule = json!({ "name": "scored", "expression": "person.person_score >= 20" });
        let segment = self.made(host, "segments", &rule)?;
        self.doing = "reading";
        let run = self.post(host, &format!("connections/{source}/runs"), &json!({}))?;
        let run = self.follow(host, &run)?;
        self.doing = "projecting";
        self.caught_up(host)?;
        self.doing = "evaluating";
        let rule =
            json!({ "name": "scored records", "expression": "person.components.exists(c, c.person_score >= 20)" });
        let batch = self.made(host, "segments", &rule)?;
        let evaluation = self.post(host, "evaluations", &json!({}))?;
        self.follow(host, &evaluation)?;
        self.caught_up(host)?;
        self.doing = "delivering";
        let activation = self.made(host, "activations", &activation(&segment, &sink))?;
        let delivery = self.post(host, &format!("activations/{activation}/deliveries"), &json!({}))?;
        let delivery = self.follow(host, &delivery)?;
        self.doing = "looking";
        let books = delivery["books"].clone();
        Ok(Landed {
            profiles: self.profiles(host)?,
            file: self.file(&delivery)?,
            objects: count_files(&self.vendors.s3_root)? - before,
            changed: run["streams"][0]["changed"].as_u64().context("no count of changes")?,
            books,
            audience: self.audience(host, &batch)?,
            made: self.counted(host)?,
        })
    }

    /// Each POST made one thing, told once.
    fn counted(&mut self, host: &mut HostProcess) -> Result<Vec<usize>> {
        let mut counts = Vec::new();
        for listed in ["connections", "segments", "runs", "activations", "deliveries"] {
            let found = self.request(host, "GET", &scoped(&format!("{listed}?limit=200")), None)?;
            counts.push(found["items"].as_array().context("no items")?.len());
        }
        let events = self.request(host, "GET", "/v1/audit?limit=200", None)?;
        let told = events["items"].as_array().context("no events")?.iter().filter_map(|e| e["action"].as_str());
        counts.push(told.filter(|action| action.ends_with(".created") || action.ends_with(".started")).count());
        Ok(counts)
    }

    pub(crate) fn connect_marketo(&mut self, host: &mut HostProcess) -> Result<String> {
        let config = self.vendors.marketo.config();
        let configuration = json!({ "munchkin_id": "123-ABC-456", "client_id": config.client_id,
                                    "client_secret": config.client_secret, "start_date": start_date()?, "poll_seconds": 1 });
        self.connect(host, "source-marketo", &configuration, "api", &self.vendors.marketo.base_url())
    }

    /// A connection to the bucket, with more in its configuration than it needs.
    pub(crate) fn connect_s3(&mut self, host: &mut HostProcess, more: &Value) -> Result<String> {
        let config = self.vendors.s3.config();
        let mut configuration = json!({ "bucket": BUCKET, "region": "eu-central-1", "addressing": "path",
                                        "access_key_id": config.access_key, "secret_access_key": config.secret_key });
        for (key, value) in more.as_object().context("no object")? {
            configuration[key] = value.clone();
        }
        self.connect(host, "destination-s3", &configuration, "path", &self.vendors.s3.endpoint())
    }

    pub(crate) fn connect(
        &mut self,
        host: &mut HostProcess,
        plugin: &str,
        configuration: &Value,
        origin: &str,
        url: &str,
    ) -> Result<String> {
        let body = json!({ "name": plugin, "plugin": plugin, "configuration": configuration });
        let id = self.made(host, "connections", &body)?;
        self.request(host, "PUT", &scoped(&format!("connections/{id}/grants/{origin}")), Some(&json!({ "url": url })))?;
        Ok(id)
    }

    pub(crate) fn made(&mut self, host: &mut HostProcess, collection: &str, body: &Value) -> Result<String> {
        let made = self.post(host, collection, body)?;
        Ok(made["id"].as_str().with_context(|| format!("no id in {made}"))?.to_owned())
    }

    pub(crate) fn post(&mut self, host: &mut HostProcess, path: &str, body: &Value) -> Result<Value> {
        self.posts += 1;
        self.request(host, "POST", &scoped(path), Some(body))
    }

    /// Follows an operation to its end, and returns what it was about.
    pub(crate) fn follow(&mut self, host: &mut HostProcess, operation: &Value) -> Result<Value> {
        let id = operation["id"].as_str().with_context(|| format!("no operation in {operation}"))?.to_owned();
        let since = Instant::now();
        loop {
            let operation = self.request(host, "GET", &scoped(&format!("operations/{id}")), None)?;
            if operation["done"].as_bool() == Some(true) {
                ensure!(operation["status"] == "succeeded", "{operation}");
                let subject = operation["subject_url"].as_str().context("no subject")?.to_owned();
                return self.request(host, "GET", &subject, None);
            }
            ensure!(since.elapsed() < PATIENCE, "{id} does not end: {operation}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn caught_up(&mut self, host: &mut HostProcess) -> Result<()> {
        let since = Instant::now();
        loop {
            let projection = self.request(host, "GET", &scoped("projection"), None)?;
            if projection["caught_up"] == true {
                return Ok(());
            }
            ensure!(since.elapsed() < PATIENCE, "projection does not catch up: {projection}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Members, and of the history who entered or left: times and evaluations differ from one journey to another.
    fn audience(&mut self, host: &mut HostProcess, segment: &str) -> Result<Vec<String>> {
        let word = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let members = self.all(host, &format!("segments/{segment}/members"))?;
        let history = self.all(host, &format!("segments/{segment}/history"))?;
        let told = history.iter().map(|it| format!("{} {}", word(it, "status"), word(it, "profile")));
        let mut all: Vec<String> = members.iter().map(|it| word(it, "profile")).chain(told).collect();
        all.sort();
        Ok(all)
    }

    fn profiles(&mut self, host: &mut HostProcess) -> Result<Vec<String>> {
        let mut all: Vec<String> = self.all(host, "profiles")?.iter().map(ToString::to_string).collect();
        all.sort();
        Ok(all)
    }

    /// Everything a collection holds, page by page.
    pub(crate) fn all(&mut self, host: &mut HostProcess, collection: &str) -> Result<Vec<Value>> {
        let first = scoped(&format!("{collection}?limit=200"));
        let (mut all, mut path) = (Vec::new(), first.clone());
        loop {
            let mut page = self.request(host, "GET", &path, None)?;
            all.append(page["items"].as_array_mut().context("no items")?);
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("{first}&cursor={cursor}"),
                None => return Ok(all),
            }
        }
    }

    fn file(&self, delivery: &Value) -> Result<Vec<u8>> {
        let name = delivery["artifacts"][0]["name"].as_str().with_context(|| format!("no artifact in {delivery}"))?;
        let key = name.strip_prefix(&format!("s3://{BUCKET}/")).with_context(|| name.to_owned())?;
        Ok(std::fs::read(self.vendors.s3_root.join(BUCKET).join(key))?)
    }

    /// Sends a request until it is answered; a host that is dead meanwhile is started again.
    pub(crate) fn request(
        &mut self,
        host: &mut HostProcess,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let since = Instant::now();
        loop {
            if host.tend()? {
                self.killed_while = Some(format!("while {}, at {method} {path}", self.doing));
            }
            match self.send(host, method, path, body) {
                Ok(answer) => return Ok(answer),
                Err(Problem::Final(error)) => return Err(error),
                Err(Problem::Unreachable(error)) if since.elapsed() > PATIENCE => bail!("{method} {path}: {error}"),
                Err(Problem::Unreachable(_)) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn send(&self, host: &HostProcess, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Problem> {
        let mut request = ureq::http::Request::builder().method(method).uri(host.url(path));
        request = request.header("authorization", format!("Bearer {}", host.key()));
        if method == "POST" {
            request = request.header("idempotency-key", format!("campaign-{}", self.posts));
        }
        let text = body.map(ToString::to_string).unwrap_or_default();
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(text).map_err(|e| Problem::Final(e.into()))?;
        let mut answer = self.agent.run(request).map_err(|e| Problem::Unreachable(e.to_string()))?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().map_err(|e| Problem::Unreachable(e.to_string()))?;
        match status {
            200..=299 => Ok(serde_json::from_str(&text).unwrap_or(Value::Null)),
            502..=504 => Err(Problem::Unreachable(text)),
            _ => Err(Problem::Final(anyhow::anyhow!("{method} {path}: {status}: {text}"))),
        }
    }
}

enum Problem {
    Unreachable(String),
    Final(anyhow::Error),
}

fn scoped(path: &str) -> String {
    format!("/v1/sandboxes/default/{path}")
}

fn activation(segment: &str, connection: &str) -> Value {
    let field = |name: &str, required: bool| json!({ "field": name, "expression": format!("person.{name}"), "required": required });
    json!({
        "name": "campaign", "segment": segment, "connection": connection,
        "target": { "object": "file", "name": "campaign" },
        "mapping": [field("email", true), field("first_name", false), field("company_name", false),
                    field("person_score", false), field("street", false), field("last_updated_date", false)],
    })
}

/// A little before the simulator's oldest lead: it makes 60 days of history.
fn start_date() -> Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let today = i32::try_from(now / 86_400)?;
    Ok(attiva_core::time::format_date(today - 70))
}
