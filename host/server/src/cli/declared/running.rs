//! What runs: read from the API, told by names.

use super::document::mapping_name;
use super::schema::{canonical, request};
use super::secret;
use super::wanted::referring;
use crate::cli::client::encoded;
use crate::cli::{Client, Failure};
use attiva_core::declared::{Kind, Thing};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One thing that runs.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) thing: Thing,
    /// Its id; empty for what a sandbox has one of.
    pub(super) id: String,
    /// Somebody configured it: of a policy, it is not what holds until one is published.
    pub(super) is_configured: bool,
    /// As it was answered.
    pub(super) answered: Value,
    /// The version of that, where it was answered by itself.
    pub(super) version: Option<String>,
}

/// Everything that runs in a sandbox and can stand in files.
#[derive(Debug, Default)]
pub(super) struct Running {
    pub(super) entries: Vec<Entry>,
    /// Names that several things of a kind have.
    pub(super) ambiguous: Vec<(Kind, String)>,
    /// Kinds that the key may not read, each with the refusal.
    pub(super) unreadable: BTreeMap<Kind, String>,
    ids: BTreeMap<(Kind, String), String>,
}

/// Policies and the like, by where they are below the sandbox.
pub(super) fn single(kind: Kind) -> Option<&'static str> {
    kind.is_single().then(|| request(kind).0)
}

impl Running {
    /// # Errors
    /// Those of the requests, save that the key may not read something.
    pub(super) fn read(client: &Client) -> Result<Self, Failure> {
        let mut running = Self::default();
        let connections = running.list(client, Kind::Connection, "connections")?;
        let segments = running.list(client, Kind::Segment, "segments")?;
        let activations = running.list(client, Kind::Activation, "activations")?;
        running.name(Kind::Connection, &connections);
        running.name(Kind::Segment, &segments);
        for it in connections {
            running.connection(client, it)?;
        }
        for it in segments {
            let body = running.segment(&it);
            running.push(Kind::Segment, it, body);
        }
        let live: Vec<Value> = activations.into_iter().filter(|it| it["retired"] != true).collect();
        running.name(Kind::Activation, &live);
        for it in live {
            let body = running.named(Kind::Activation, &it);
            running.push(Kind::Activation, it, body);
        }
        for kind in Kind::ALL {
            if let Some(path) = single(kind) {
                running.single(client, kind, path)?;
            }
        }
        running.rates(client)?;
        Ok(running)
    }

    pub(super) fn entry(&self, kind: Kind, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|it| it.thing.kind == kind && it.thing.name == name)
    }

    pub(super) fn id(&self, kind: Kind, name: &str) -> Option<&str> {
        self.ids.get(&(kind, name.to_owned())).map(String::as_str)
    }

    /// Something that was made meanwhile.
    pub(super) fn made(&mut self, kind: Kind, name: &str, id: &str) {
        self.ids.insert((kind, name.to_owned()), id.to_owned());
    }

    /// What a sandbox has one of was published by this very apply.
    pub(super) fn published(&mut self, kind: Kind, answered: Value, version: Option<String>) {
        if let Some(entry) = self.entries.iter_mut().find(|it| it.thing.kind == kind) {
            (entry.answered, entry.version) = (answered, version);
        }
    }

    /// The name of a thing; its id where another has the same name.
    fn name_of<'a>(&'a self, kind: Kind, id: &'a str) -> &'a str {
        self.ids.iter().find(|((of, _), known)| *of == kind && *known == id).map_or(id, |((_, name), _)| name.as_str())
    }

    fn list(&mut self, client: &Client, kind: Kind, path: &str) -> Result<Vec<Value>, Failure> {
        match client.get_all(&client.scoped(path)) {
            Ok(items) => Ok(items),
            Err(failure) => self.may_not(kind, failure).map(|()| Vec::new()),
        }
    }

    fn may_not(&mut self, kind: Kind, failure: Failure) -> Result<(), Failure> {
        match failure {
            Failure::Refused(problem) if problem.status == 403 => {
                self.unreadable.insert(kind, problem.detail);
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Names things that have a name of their own.
    fn name(&mut self, kind: Kind, items: &[Value]) {
        for item in items {
            let (name, id) = (text(item, "name"), text(item, "id"));
            let others = items.iter().filter(|other| text(other, "name") == name).count();
            if others == 1 {
                self.ids.insert((kind, name), id);
            } else if !self.ambiguous.contains(&(kind, name.clone())) {
                self.ambiguous.push((kind, name));
            }
        }
    }

    fn push(&mut self, kind: Kind, answered: Value, body: Map<String, Value>) {
        let (mut name, id) = (text(&answered, "name"), text(&answered, "id"));
        if self.ambiguous.contains(&(kind, name.clone())) {
            name = format!("{name} ({id})");
            self.ids.insert((kind, name.clone()), id.clone());
        }
        let thing = Thing { kind, name, body };
        self.entries.push(Entry { thing, id, is_configured: true, answered, version: None });
    }

    /// A body as it would stand in a file: ids become names.
    pub(super) fn named(&self, kind: Kind, body: &Value) -> Map<String, Value> {
        let mut body = body.clone();
        // The connection of a mapping is called by its name already.
        if kind != Kind::Mapping {
            for (at, of) in referring(kind, &body) {
                if let Some(id) = body.pointer_mut(&at) {
                    self.rename(id, of);
                }
            }
        }
        self.settle(kind, &mut body);
        if kind == Kind::Guardrails {
            let items = body["items"].as_array().cloned().unwrap_or_default();
            let overridden = items.iter().filter(|it| it["override"].is_object());
            let all: Map<_, _> = overridden.map(|it| (text(it, "id"), it["override"].clone())).collect();
            body = json!({ "overrides": all });
        }
        canonical(kind, body.as_object().unwrap_or(&Map::new()))
    }

    fn rename(&self, id: &mut Value, kind: Kind) {
        let name = id.as_str().map(|id| self.name_of(kind, id).to_owned());
        *id = name.map_or(Value::Null, Value::String);
    }

    /// What files and answers may say in two ways, said in one: audiences by name, and no default aloud.
    pub(super) fn settle(&self, kind: Kind, body: &mut Value) {
        match kind {
            Kind::Activation => {
                if body["export"] == "full" {
                    body["export"] = Value::Null;
                }
                for mapped in body["mapping"].as_array_mut().into_iter().flatten() {
                    self.name_audiences(&mut mapped["expression"]);
                }
                if let Some(only) = body.pointer_mut("/expansion/where") {
                    self.name_audiences(only);
                }
            }
            Kind::Segment => {
                self.name_audiences(&mut body["expression"]);
                if let Some(rank) = body.pointer_mut("/rank").and_then(Value::as_object_mut) {
                    if rank.get("order").is_some_and(|order| order == "descending") {
                        rank.remove("order");
                    }
                    if let Some(by) = rank.get_mut("by") {
                        self.name_audiences(by);
                    }
                }
            }
            _ => {}
        }
    }

    /// Asks for audiences by name where it asks by id: an id means nothing in another sandbox.
    fn name_audiences(&self, expression: &mut Value) {
        let Some(text) = expression.as_str().filter(|text| text.contains("inAudience")) else { return };
        let mut text = text.to_owned();
        for ((kind, name), id) in &self.ids {
            if *kind == Kind::Segment && !name.contains(['"', '\'', '\\']) {
                for quote in ['"', '\''] {
                    text = text.replace(&format!("{quote}{id}{quote}"), &format!("{quote}{name}{quote}"));
                }
            }
        }
        *expression = text.into();
    }

    fn segment(&self, answered: &Value) -> Map<String, Value> {
        let mut body = answered.clone();
        // What its rule comes to by itself is not said.
        if answered["evaluation"] == "streaming" || answered["because"].is_object() {
            body["evaluation"] = Value::Null;
        }
        self.named(Kind::Segment, &body)
    }

    fn connection(&mut self, client: &Client, answered: Value) -> Result<(), Failure> {
        let id = text(&answered, "id");
        let mut body = answered.clone();
        match client.get(&client.scoped(&format!("connections/{id}/grants"))) {
            Ok(grants) => body["grants"] = granted(&grants),
            Err(Failure::Refused(problem)) if problem.status == 403 => {}
            Err(other) => return Err(other),
        }
        let grants = body.get("grants").cloned();
        let mut body = self.named(Kind::Connection, &body);
        // None is something that files can want.
        body.extend(grants.map(|grants| ("grants".to_owned(), grants)));
        let name = self.name_of(Kind::Connection, &id).to_owned();
        self.push(Kind::Connection, answered, body);
        let mappings = match client.get(&client.scoped(&format!("connections/{id}/mappings"))) {
            Ok(mappings) => mappings,
            Err(failure) => return self.may_not(Kind::Mapping, failure),
        };
        for mapping in mappings["items"].as_array().into_iter().flatten().filter(|it| it["shipped"] == false) {
            let stream = text(mapping, "stream");
            let mut body = mapping.clone();
            body["connection"] = name.clone().into();
            let thing = Thing {
                kind: Kind::Mapping,
                name: mapping_name(&name, &stream),
                body: self.named(Kind::Mapping, &body),
            };
            let (id, answered) = (id.clone(), mapping.clone());
            self.entries.push(Entry { thing, id, is_configured: true, answered, version: None });
        }
        Ok(())
    }

    fn single(&mut self, client: &Client, kind: Kind, path: &str) -> Result<(), Failure> {
        let (answered, version) = match client.get_versioned(&client.scoped(path)) {
            Ok(found) => found,
            Err(failure) => return self.may_not(kind, failure),
        };
        let body = self.named(kind, &answered);
        let is_configured = version.as_ref().is_some_and(|version| version != "\"0\"");
        let thing = Thing { kind, name: kind.name().to_owned(), body };
        self.entries.push(Entry { thing, id: String::new(), is_configured, answered, version });
        Ok(())
    }

    fn rates(&mut self, client: &Client) -> Result<(), Failure> {
        for table in self.list(client, Kind::ExchangeRates, "exchange-rates")? {
            let base = text(&table, "base");
            let place = client.scoped(&format!("exchange-rates/{}", encoded(&base)));
            let (answered, version) = client.get_versioned(&place)?;
            let body = self.named(Kind::ExchangeRates, &answered);
            let thing = Thing { kind: Kind::ExchangeRates, name: base.clone(), body };
            self.entries.push(Entry { thing, id: base, is_configured: true, answered, version });
        }
        Ok(())
    }
}

/// Grants as files have them: URL by origin.
pub(super) fn granted(grants: &Value) -> Value {
    let items = grants["items"].as_array().into_iter().flatten();
    let url = |it: &Value| {
        let host = text(it, "host");
        let host = if host.contains(':') { format!("[{}]", host.trim_matches(['[', ']'])) } else { host };
        plain_url(&format!("{}://{host}:{}", text(it, "scheme"), it["port"]))
    };
    Value::Object(items.map(|it| (text(it, "origin"), url(it).into())).collect())
}

/// A URL without what says nothing.
pub(super) fn plain_url(url: &str) -> String {
    let url = url.trim_end_matches('/').to_ascii_lowercase();
    let usual = if url.starts_with("https://") { ":443" } else { ":80" };
    url.strip_suffix(usual).map_or(url.clone(), str::to_owned)
}

/// The secrets of a plugin's configuration: each with whether it must be there.
///
/// # Errors
/// `plugin.missing`, and others of the request.
pub(super) fn secrets_of(client: &Client, plugin: &str) -> Result<BTreeMap<String, bool>, Failure> {
    let inspected = client.get(&format!("/v1/plugins/{}", encoded(plugin)))?;
    let schema = &inspected["spec"]["configuration"];
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let secrets = properties.filter(|(_, schema)| schema["writeOnly"] == true);
    Ok(secrets.map(|(key, _)| (key.clone(), required.iter().any(|name| name == key))).collect())
}

/// A body as an export writes it: with references in the place of secrets.
pub(super) fn exported(entry: &Entry, secrets: &BTreeMap<String, bool>) -> Map<String, Value> {
    let mut body = entry.thing.body.clone();
    // As it is where nobody says anything of it.
    body.retain(|key, value| !(key == "grants" && *value == json!({}) || key == "paused" && *value == json!(false)));
    if !secrets.is_empty() {
        let configuration = body.entry("configuration").or_insert_with(|| json!({}));
        for (key, is_required) in secrets {
            configuration[key] = secret::reference(&entry.thing.name, key, *is_required);
        }
    }
    body
}

pub(super) fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
