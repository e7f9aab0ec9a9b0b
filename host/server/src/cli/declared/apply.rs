//! Makes of what runs what files want, one change after the other, by the API's own requests. Each is bound to what was
//! seen (`If-Match`, or an idempotency key made of the request), so a kill at any moment leaves something that the next
//! apply goes on from.

use super::document::Document;
use super::effect::is_same_target;
use super::running::{Entry, Running, granted, plain_url, single, text};
use super::schema::request;
use super::wanted::placed;
use crate::cli::client::{Answer, encoded};
use crate::cli::{Client, Failure};
use attiva_core::declared::{Change, Difference, Kind, Step, Thing, merge_patch};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use ureq::http::Method;

/// What became of a change.
#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    /// Something else has to happen first; what the host says.
    Waits(String),
    /// It is refused, or the host went away. What comes after it is not tried.
    Failed(Failure),
    NotTried,
}

pub(super) struct Apply<'a> {
    pub(super) client: &'a Client,
    pub(super) documents: &'a [Document],
    pub(super) wanted: &'a [Thing],
    pub(super) running: Running,
}

/// Refusals that pass when something else has been done: the connection was read, the last delivery is out.
const WAITS: [&str; 5] =
    ["stream.missing", "segment.in-use", "connection.in-use", "connection.has-data", "activation.in-use"];

/// How long the end of the same request is waited for: a vendor may be asked in it.
const AT_WORK_TRIES: u32 = 150;
const AT_WORK_PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

impl Apply<'_> {
    /// Does all changes, up to the first that fails; `told` hears of each.
    pub(super) fn all(&mut self, changes: &[Change], mut told: impl FnMut(&Change, &Outcome)) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(changes.len());
        let mut has_failed = false;
        for change in changes {
            let outcome = if has_failed { Outcome::NotTried } else { self.one(change) };
            has_failed |= matches!(outcome, Outcome::Failed(_));
            told(change, &outcome);
            outcomes.push(outcome);
        }
        outcomes
    }

    fn one(&mut self, change: &Change) -> Outcome {
        let done = match &change.step {
            Step::Create => self.create(change.kind, &change.name),
            Step::Change(differences) => self.change(change, differences),
            Step::Replace(_) => self.replace(change),
            Step::Remove => self.remove(change),
        };
        match done {
            Ok(()) => Outcome::Done,
            Err(Failure::Refused(problem)) if WAITS.contains(&problem.code.as_str()) => {
                Outcome::Waits(format!("{} {}", problem.detail, problem.action).trim().to_owned())
            }
            Err(failure) => Outcome::Failed(self.in_files(change, failure)),
        }
    }

    /// The fields that the host refuses, by their places in the files.
    fn in_files(&self, change: &Change, failure: Failure) -> Failure {
        let Some(document) = self.documents.iter().find(|it| it.kind == change.kind && it.name == change.name) else {
            return failure;
        };
        match failure {
            Failure::Refused(mut problem) => {
                let field = problem.errors.first().map(|it| it.field.clone()).unwrap_or_default();
                for error in &mut problem.errors {
                    error.field = document.place(&error.field);
                }
                placed(Failure::Refused(problem), &document.place(&field))
            }
            other => placed(other, &document.place("")),
        }
    }

    fn document(&self, kind: Kind, name: &str) -> Result<&Document, Failure> {
        let found = self.documents.iter().find(|it| it.kind == kind && it.name == name);
        found.ok_or_else(|| Failure::Other(anyhow::anyhow!("no file has the {} `{name}`", kind.name())))
    }

    fn entry(&self, change: &Change) -> Result<Entry, Failure> {
        let found = self.running.entry(change.kind, &change.name).cloned();
        found.ok_or_else(|| Failure::Other(anyhow::anyhow!("there is no {} `{}`", change.kind.name(), change.name)))
    }

    fn id(&self, kind: Kind, name: &str) -> Result<String, Failure> {
        let found = self.running.id(kind, name).map(str::to_owned);
        // Only what waits is not there: whatever refers to it waits as well.
        found.ok_or_else(|| Failure::Usage(format!("there is no {} `{name}` yet", kind.name())))
    }

    /// A document's body as a request takes it: ids in the place of names.
    fn body(&self, document: &Document) -> Result<Value, Failure> {
        let mut body = Value::Object(document.body.clone());
        for (at, kind, name) in super::wanted::references(document) {
            let id = self.id(kind, &name)?;
            if let Some(place) = body.pointer_mut(&at) {
                *place = id.into();
            }
        }
        Ok(body)
    }

    fn create(&mut self, kind: Kind, name: &str) -> Result<(), Failure> {
        if single(kind).is_some() || matches!(kind, Kind::Mapping | Kind::ExchangeRates) {
            return self.publish(kind, name);
        }
        let document = self.document(kind, name)?;
        let mut body = self.body(document)?;
        let paused = body.as_object_mut().and_then(|it| it.remove("paused")) == Some(json!(true));
        if kind == Kind::Connection {
            let secrets = resolved(document)?;
            for (key, secret) in secrets {
                body["configuration"][key] = secret.into();
            }
        }
        let made = self.post_once(request(kind).0, &body)?.json()?;
        let id = text(&made, "id");
        self.running.made(kind, name, &id);
        if paused {
            self.client.post(&self.client.scoped(&format!("activations/{id}/pause")), &json!({}))?;
        }
        Ok(())
    }

    /// Makes something once, however often it is asked for: two requests that are the same have one key. A day later, or
    /// when what was made is gone again, the key is a new one.
    fn post_once(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let place = self.client.scoped(path);
        let mut digest = Sha256::new();
        // With the API key in it, nobody who sees it can try what the secrets in the body are.
        for part in [self.client.key().unwrap_or_default(), &place, &body.to_string()] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let key = hex::encode(digest.finalize());
        let answer = self.at_last(|| self.client.post_once(&place, body, &key))?;
        if !answer.is_replayed {
            return Ok(answer);
        }
        let id = text(&answer.json()?, "id");
        match self.client.get(&format!("{place}/{id}")) {
            Ok(_) => Ok(answer),
            Err(Failure::Refused(problem)) if problem.status == 404 => {
                self.client.send_json(Method::POST, &place, body)
            }
            Err(other) => Err(other),
        }
    }

    /// Asks again while the same request is at work: of an apply that was killed a moment ago, or of another one.
    fn at_last(&self, ask: impl Fn() -> Result<Answer, Failure>) -> Result<Answer, Failure> {
        for _ in 0..AT_WORK_TRIES {
            match ask() {
                Err(Failure::Refused(problem)) if problem.code == "idempotency.in-progress" => {
                    std::thread::sleep(AT_WORK_PAUSE);
                }
                other => return other,
            }
        }
        ask()
    }

    fn change(&mut self, change: &Change, differences: &[Difference]) -> Result<(), Failure> {
        match change.kind {
            Kind::Connection => self.change_connection(change, differences),
            Kind::Activation => self.change_activation(change, differences),
            Kind::Segment => {
                let entry = self.entry(change)?;
                let place = self.client.scoped(&format!("segments/{}", entry.id));
                let version = self.unchanged(&entry, &place)?;
                let body = self.body(self.document(change.kind, &change.name)?)?;
                self.client.put_versioned(&place, &body, version.as_deref()).map(|_| ())
            }
            kind => self.publish(kind, &change.name),
        }
    }

    /// The version of what the plan was made of.
    ///
    /// # Errors
    /// Somebody has changed it meanwhile.
    fn unchanged(&self, entry: &Entry, place: &str) -> Result<Option<String>, Failure> {
        if entry.version.is_some() {
            return Ok(entry.version.clone());
        }
        let (now, version) = self.client.get_versioned(place)?;
        let kind = entry.thing.kind;
        let same = |key: &str| now.get(key) == entry.answered.get(key);
        let keys = entry.answered.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        // What a host tells beside what people configured moves by itself.
        let moves =
            |key: &str| matches!(key, "evaluated" | "members" | "result_of" | "problems" | "warnings" | "because");
        if keys.filter(|key| !moves(key)).all(same) {
            return Ok(version);
        }
        let message = format!(
            "{} {} was changed since it was compared; nothing of it was overwritten",
            kind.name(),
            entry.thing.name
        );
        let mut problem = conflict(message);
        problem.action = "Look at the plan again.".to_owned();
        Err(Failure::Refused(Box::new(problem)))
    }

    fn change_connection(&mut self, change: &Change, differences: &[Difference]) -> Result<(), Failure> {
        let entry = self.entry(change)?;
        let document = self.document(change.kind, &change.name)?;
        let place = self.client.scoped(&format!("connections/{}", entry.id));
        let version = self.unchanged(&entry, &place)?;
        let differs = |key: &str| differences.iter().any(|it| it.at.split('/').nth(1) == Some(key));
        let said = |key: &str| document.body.get(key).cloned();
        let mut patch = Map::new();
        let none = [("plugin", Value::Null), ("streams", json!([])), ("schedule", Value::Null), ("schema", json!({}))];
        for (key, none) in none {
            if differs(key) {
                patch.insert(key.to_owned(), said(key).unwrap_or(none));
            }
        }
        if differs("configuration") {
            let none = Map::new();
            let before = entry.thing.body.get("configuration").and_then(Value::as_object).unwrap_or(&none);
            let after = document.body.get("configuration").and_then(Value::as_object).unwrap_or(&none);
            patch.insert("configuration".to_owned(), merge_patch(before, after).into());
        }
        if !patch.is_empty() {
            self.client.change(Method::PATCH, &place, Some(&Value::Object(patch)), version.as_deref())?;
        }
        if differs("grants") {
            self.grant(&place, said("grants").unwrap_or_else(|| json!({})))?;
        }
        Ok(())
    }

    fn grant(&self, connection: &str, wanted: Value) -> Result<(), Failure> {
        let before = granted(&self.client.get(&format!("{connection}/grants"))?);
        let wanted = wanted.as_object().cloned().unwrap_or_default();
        for (origin, url) in &wanted {
            let url = url.as_str().unwrap_or_default();
            if before.get(origin).and_then(Value::as_str) != Some(&plain_url(url)) {
                let place = format!("{connection}/grants/{}", encoded(origin));
                self.client.send_json(Method::PUT, &place, &json!({ "url": url }))?;
            }
        }
        for origin in before.as_object().into_iter().flatten().map(|(origin, _)| origin) {
            if !wanted.contains_key(origin) {
                self.client.send(Method::DELETE, &format!("{connection}/grants/{}", encoded(origin)), None)?;
            }
        }
        Ok(())
    }

    fn change_activation(&mut self, change: &Change, differences: &[Difference]) -> Result<(), Failure> {
        let entry = self.entry(change)?;
        let document = self.document(change.kind, &change.name)?;
        let place = self.client.scoped(&format!("activations/{}", entry.id));
        let version = self.unchanged(&entry, &place)?;
        if differences.iter().any(|it| it.at.starts_with("/schedule")) {
            let schedule = document.body.get("schedule").cloned().unwrap_or(Value::Null);
            self.client.put_versioned(&format!("{place}/schedule"), &schedule, version.as_deref())?;
        }
        if differences.iter().any(|it| it.at.starts_with("/readback")) {
            // Two requests cannot be bound to the same version.
            let version = if differences.iter().any(|it| it.at.starts_with("/schedule")) { None } else { version };
            let setting = document.body.get("readback").cloned().unwrap_or(Value::Null);
            self.client.put_versioned(&format!("{place}/readback"), &setting, version.as_deref())?;
        }
        if differences.iter().any(|it| it.at == "/paused") {
            let turn = if document.body.get("paused") == Some(&json!(true)) { "pause" } else { "resume" };
            self.client.post(&format!("{place}/{turn}"), &json!({}))?;
        }
        Ok(())
    }

    /// Of two activations with one target the later takes over who is there. So where the target stays, the old one goes
    /// first, as it may fill it by another mapping; where it does not, the old one is retired, and its next delivery
    /// removes whom it alone wanted. A kill in between leaves no activation by the name, and the next apply makes it.
    fn replace(&mut self, change: &Change) -> Result<(), Failure> {
        let entry = self.entry(change)?;
        let place = self.client.scoped(&format!("activations/{}", entry.id));
        let version = self.unchanged(&entry, &place)?;
        let after = self.wanted.iter().find(|it| it.kind == change.kind && it.name == change.name);
        // Whatever it refers to is there: else the old one would be gone for nothing.
        self.body(self.document(change.kind, &change.name)?)?;
        if after.is_some_and(|after| is_same_target(&entry.thing, after)) {
            self.client.change(Method::DELETE, &place, None, version.as_deref())?;
        } else {
            self.client.post(&format!("{place}/retire"), &json!({}))?;
        }
        self.create(change.kind, &change.name)?;
        let said = after.is_some_and(|it| it.body.contains_key("paused"));
        let id = self.id(change.kind, &change.name)?;
        if !said && entry.answered["paused"] == true {
            self.client.post(&self.client.scoped(&format!("activations/{id}/pause")), &json!({}))?;
        }
        self.wanted_of_another(&entry.id, &id)
    }

    /// Puts a whole document in the place of the version that was compared.
    fn publish(&mut self, kind: Kind, name: &str) -> Result<(), Failure> {
        let document = self.document(kind, name)?;
        let mut body = self.body(document)?;
        let place = match kind {
            Kind::Mapping => {
                let connection = text(&body, "connection");
                let stream = text(&body, "stream");
                for key in ["connection", "stream"] {
                    body.as_object_mut().and_then(|it| it.remove(key));
                }
                format!("connections/{connection}/mappings/{}", encoded(&stream))
            }
            Kind::ExchangeRates => format!("exchange-rates/{}", encoded(name)),
            kind => single(kind).unwrap_or_default().to_owned(),
        };
        let place = self.client.scoped(&place);
        let version = match (kind, self.running.entry(kind, name)) {
            (Kind::ExchangeRates, None) => None,
            (_, Some(entry)) => self.unchanged(entry, &place)?,
            (_, None) => self.client.get_versioned(&place)?.1,
        };
        if kind == Kind::Guardrails {
            body = body["overrides"].take();
        } else if let Some(edited) = self.running.entry(kind, name).and_then(|it| it.answered.get("version")) {
            // Of a mapping it is told, and not taken.
            if kind != Kind::Mapping {
                body["version"] = edited.clone();
            }
        }
        self.client.put_versioned(&place, &body, version.as_deref()).map(|_| ())
    }

    fn remove(&mut self, change: &Change) -> Result<(), Failure> {
        let entry = self.entry(change)?;
        self.take_away(change.kind, &entry)?;
        match change.kind {
            Kind::Activation | Kind::Connection => self.wanted_no_more(&entry.id),
            _ => Ok(()),
        }
    }

    fn take_away(&self, kind: Kind, entry: &Entry) -> Result<(), Failure> {
        match kind {
            Kind::Activation => {
                let place = self.client.scoped(&format!("activations/{}", entry.id));
                let version = self.unchanged(entry, &place)?;
                let delivered = format!("deliveries?activation={}&limit=1", encoded(&entry.id));
                let delivered = self.client.get(&self.client.scoped(&delivered))?;
                if delivered["items"].as_array().is_some_and(|items| !items.is_empty()) {
                    self.client.post(&format!("{place}/retire"), &json!({})).map(|_| ())
                } else {
                    self.client.change(Method::DELETE, &place, None, version.as_deref()).map(|_| ())
                }
            }
            Kind::Mapping => {
                let stream = encoded(&text(&entry.answered, "stream"));
                let place = self.client.scoped(&format!("connections/{}/mappings/{stream}", entry.id));
                let version = self.unchanged(entry, &place)?;
                self.client.change(Method::DELETE, &place, None, version.as_deref()).map(|_| ())
            }
            kind => {
                let place = self.client.scoped(&format!("{}/{}", request(kind).0, entry.id));
                let version = self.unchanged(entry, &place)?;
                self.client.change(Method::DELETE, &place, None, version.as_deref()).map(|_| ())
            }
        }
    }

    /// Enters the secrets of connections that there are already. Nobody can tell whether they are others.
    pub(super) fn secrets(&self, document: &Document) -> Result<Vec<String>, Failure> {
        let Some(id) = self.running.id(Kind::Connection, &document.name) else { return Ok(Vec::new()) };
        let secrets = resolved(document)?;
        if secrets.is_empty() {
            return Ok(Vec::new());
        }
        let place = self.client.scoped(&format!("connections/{id}"));
        let body = json!({ "configuration": secrets });
        let sent = self.client.send_json(Method::PATCH, &place, &body);
        sent.map_err(|failure| placed(failure, &document.place("/configuration")))?;
        Ok(secrets.into_keys().collect())
    }
}

fn resolved(document: &Document) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for (key, secret) in &document.secrets {
        let place = document.place(&format!("/configuration/{key}"));
        let text = secret.resolve(document.directory()).map_err(|failure| placed(failure, &place))?;
        found.extend(text.map(|text| (key.clone(), text)));
    }
    Ok(found)
}

fn conflict(message: String) -> crate::api::Problem {
    crate::api::Problem {
        type_uri: "/problems/store.version-mismatch".to_owned(),
        title: "Changed meanwhile".to_owned(),
        status: 412,
        detail: message,
        kind: attiva_core::FaultKind::Config,
        code: "store.version-mismatch".to_owned(),
        action: String::new(),
        retry_after_ms: None,
        errors: Vec::new(),
    }
}
