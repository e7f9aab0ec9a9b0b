//! What files want, brought to the form in which it is compared with what runs.

use super::document::Document;
use super::running::{Running, plain_url, secrets_of};
use super::schema::canonical;
use crate::cli::{Client, Failure};
use attiva_core::declared::{Kind, Thing};
use attiva_core::guardrail::Guardrails;
use attiva_core::identity::Rules;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// # Errors
/// A secret in the files, a reference where none belongs, a name that several things have; each with its place.
pub(super) fn wanted(documents: &[Document], running: &Running, client: &Client) -> Result<Vec<Thing>, Failure> {
    let mut problems = Vec::new();
    let mut secrets: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
    for document in documents {
        if let Some(refusal) = running.unreadable.get(&document.kind) {
            problems.push(format!("{}: {refusal}", document.place("")));
        }
        if running.ambiguous.contains(&(document.kind, document.name.clone())) {
            let message =
                format!("several {}s are called `{}`: rename all but one", document.kind.name(), document.name);
            problems.push(format!("{}: {message}", document.place("/name")));
        }
        for (at, kind, name) in references(document) {
            let in_files = documents.iter().any(|it| it.kind == kind && it.name == name);
            if !in_files && running.id(kind, &name).is_none() {
                let of = kind.name();
                problems.push(format!(
                    "{}: there is no {of} `{name}`, neither in the files nor in the sandbox",
                    document.place(&at)
                ));
            }
        }
        if document.kind == Kind::Connection {
            let plugin = document.body.get("plugin").and_then(Value::as_str).unwrap_or_default();
            if !secrets.contains_key(plugin) {
                let found =
                    secrets_of(client, plugin).map_err(|failure| placed(failure, &document.place("/plugin")))?;
                secrets.insert(plugin.to_owned(), found);
            }
            problems.extend(secret_problems(document, &secrets[plugin]));
        }
    }
    if !problems.is_empty() {
        return Err(Failure::Usage(problems.join("\n")));
    }
    let overrides = documents.iter().find(|it| it.kind == Kind::Guardrails).map(|it| &it.body);
    let overrides = overrides.or(running.entry(Kind::Guardrails, Kind::Guardrails.name()).map(|it| &it.thing.body));
    let overrides = overrides.and_then(|it| it.get("overrides"));
    let limits = overrides.and_then(|it| serde_json::from_value(it.clone()).ok()).unwrap_or_default();
    let limits = Guardrails::new(&limits).unwrap_or_default();
    Ok(documents.iter().map(|document| thing(document, running, &limits)).collect())
}

/// Says where in the files a failure comes from.
pub(super) fn placed(failure: Failure, place: &str) -> Failure {
    match failure {
        Failure::Refused(mut problem) => {
            problem.detail = format!("{place}: {}", problem.detail);
            Failure::Refused(problem)
        }
        Failure::Usage(message) => Failure::Usage(format!("{place}: {message}")),
        other => other,
    }
}

fn secret_problems(document: &Document, secrets: &BTreeMap<String, bool>) -> Vec<String> {
    let none = Map::new();
    let configuration = document.body.get("configuration").and_then(Value::as_object).unwrap_or(&none);
    let at = |key: &str| document.place(&format!("/configuration/{key}"));
    let plain = secrets.keys().filter(|key| configuration.contains_key(*key)).map(|key| {
        format!(
            "{}: `{key}` is a secret, and must not stand here: say `{{from_env: VARIABLE}}` or `{{from_file: PATH}}`",
            at(key)
        )
    });
    let others = document.secrets.keys().filter(|key| !secrets.contains_key(*key));
    let others = others.map(|key| format!("{}: `{key}` is no secret: say it here", at(key)));
    plain.chain(others).collect()
}

/// What a document refers to by name, with the place.
pub(super) fn references(document: &Document) -> Vec<(String, Kind, String)> {
    let body = Value::Object(document.body.clone());
    let named = |(at, kind): (String, Kind)| {
        let name = body.pointer(&at).and_then(Value::as_str)?.to_owned();
        Some((at, kind, name))
    };
    referring(document.kind, &body).into_iter().filter_map(named).collect()
}

/// Where a body may refer to something, by name in files and by id in answers: JSON pointers, with what is there.
pub(super) fn referring(kind: Kind, body: &Value) -> Vec<(String, Kind)> {
    let connection = |at: String| (at, Kind::Connection);
    match kind {
        Kind::Mapping => vec![connection("/connection".into())],
        Kind::Activation => vec![("/segment".into(), Kind::Segment), connection("/connection".into())],
        Kind::UsagePolicy => {
            let len = |key: &str| body[key].as_array().map_or(0, Vec::len);
            let destinations = (0..len("destinations")).map(|i| format!("/destinations/{i}/connection"));
            let labels = (0..len("labels")).map(|i| format!("/labels/{i}/column/connection"));
            destinations.chain(labels).map(connection).collect()
        }
        Kind::FreshnessTargets => {
            let targets = 0..body["targets"].as_array().map_or(0, Vec::len);
            let of = |(key, kind): (&str, Kind), i| (format!("/targets/{i}/{key}"), kind);
            let named = |i| [("connection", Kind::Connection), ("activation", Kind::Activation)].map(|it| of(it, i));
            targets.flat_map(named).filter(|(at, _)| body.pointer(at).is_some_and(Value::is_string)).collect()
        }
        _ => Vec::new(),
    }
}

/// In the form in which it is compared.
fn thing(document: &Document, running: &Running, limits: &Guardrails) -> Thing {
    let Document { kind, name, body, .. } = document;
    let mut whole = Value::Object(body.clone());
    let entry = running.entry(*kind, name);
    running.settle(*kind, &mut whole);
    match kind {
        Kind::Connection => {
            // A name alone is whichever version the connection has.
            let plugin = entry.and_then(|it| it.answered["plugin"].as_str());
            let wanted = body.get("plugin").and_then(Value::as_str).unwrap_or_default();
            if let Some(plugin) = plugin.filter(|it| it.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('@')))
            {
                whole["plugin"] = plugin.into();
            }
            for (_, url) in whole["grants"].as_object_mut().into_iter().flatten() {
                *url = plain_url(url.as_str().unwrap_or_default()).into();
            }
        }
        Kind::IdentityRules => {
            // What holds is within the sandbox's limits, whatever was published; what is refused is told when it is sent.
            whole["version"] = 0.into();
            if let Ok(rules) = serde_json::from_value::<Rules>(whole.clone()) {
                whole = serde_json::to_value(limits.bound(rules)).unwrap_or(whole);
            }
        }
        Kind::Segment => {
            // What is said of its evaluation and holds already is no difference, whether it was said before or not.
            let holds = entry.is_some_and(|it| it.answered["evaluation"] == whole["evaluation"]);
            if holds {
                let said = entry.and_then(|it| it.thing.body.get("evaluation"));
                whole["evaluation"] = said.cloned().unwrap_or(Value::Null);
            }
        }
        _ => {}
    }
    let mut canonical = canonical(*kind, whole.as_object().unwrap_or(body));
    // Said to be empty is not the same as not said, where what is not said is left alone.
    for key in kind.left_alone() {
        if let Some(said) = body.get(*key).filter(|it| !it.is_null()) {
            let value = whole.get(*key).unwrap_or(said).clone();
            canonical.insert((*key).to_owned(), value);
        }
    }
    Thing { kind: *kind, name: name.clone(), body: canonical }
}
