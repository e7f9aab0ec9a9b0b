//! Checks 6 to 11: the specification and the configuration.

use crate::report::{Findings, Verdict, not_applicable};
use crate::subject::Subject;
use attiva_core::spec::{CredentialMethod, Spec};
use attiva_core::{Fault, FaultKind};
use attiva_wasm::{split_configuration, validate_configuration};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Parts of a name that say it is a secret.
const SECRET_WORDS: [&str; 9] = [
    "secret",
    "password",
    "passphrase",
    "private_key",
    "api_key",
    "access_token",
    "refresh_token",
    "session_token",
    "api_token",
];

fn properties(spec: &Spec) -> Map<String, Value> {
    spec.configuration.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

pub(super) async fn schema(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let schema = &s.spec().configuration;
    found.hold(schema.get("type") == Some(&"object".into()), || "the schema's type is not `object`".into());
    found.hold(schema.get("additionalProperties") == Some(&false.into()), || {
        "the schema does not say `additionalProperties: false`".into()
    });
    let properties = properties(s.spec());
    for (name, property) in &properties {
        if let Some(problem) = undrawable(property) {
            found.problem(format!("{name} {problem}"));
        }
        let alone = |value: &Value| {
            let mut spec = s.spec().clone();
            let only: Map<String, Value> = [(name.clone(), property.clone())].into_iter().collect();
            spec.configuration = serde_json::json!({"type": "object", "properties": only});
            let given: Map<String, Value> = [(name.clone(), value.clone())].into_iter().collect();
            validate_configuration(&spec, &Value::Object(given)).is_ok()
        };
        let examples = property.get("examples").and_then(Value::as_array).cloned().unwrap_or_default();
        for value in property.get("default").into_iter().chain(&examples) {
            found.hold(alone(value), || format!("{name}: its default or example {value} is not valid"));
        }
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        found.hold(properties.contains_key(name), || format!("{name} is required, and no property"));
    }
    found.verdict("")
}

/// Why a form cannot show a property.
fn undrawable(property: &Value) -> Option<&'static str> {
    if property.get("$ref").is_some() {
        return Some("refers to another place; a form shows what stands here");
    }
    let kind = property.get("type").and_then(Value::as_str);
    let says = |key: &str| property.get(key).is_some_and(Value::is_array);
    match kind {
        None if says("enum") => None,
        None => Some("has no type"),
        Some("array") if property.get("items").is_none() => Some("is a list of nothing that is known"),
        Some("object") if property.get("properties").is_none() && property.get("additionalProperties").is_none() => {
            Some("is an object of nothing that is known")
        }
        Some("string" | "integer" | "number" | "boolean" | "array" | "object") => None,
        Some(_) => Some("has a type that no form shows"),
    }
}

pub(super) async fn secrets(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    found.looked();
    let hidden = s.spec().secrets();
    for name in properties(s.spec()).keys() {
        let plain = name.to_ascii_lowercase().replace('-', "_");
        let looks = SECRET_WORDS.iter().any(|word| plain.contains(word)) && !plain.ends_with("_id");
        if looks && !hidden.contains(&name.as_str()) {
            found
                .problem(format!("{name} looks like a secret and is not `writeOnly`: the connector would be given it"));
        }
    }
    for credential in &s.spec().credentials {
        let used = match &credential.method {
            CredentialMethod::OAuth2ClientCredentials { client_secret, .. } => vec![client_secret],
            CredentialMethod::OAuth2JwtBearer { private_key, .. } => vec![private_key],
            CredentialMethod::OAuth2RefreshToken { client_secret, refresh_token, .. } => {
                vec![client_secret, refresh_token]
            }
            CredentialMethod::AwsSigv4 { secret_access_key, .. } => vec![secret_access_key],
            CredentialMethod::ApiKey { value, .. } => vec![value],
        };
        for template in used {
            let fills = |secret: &&&str| template.contains(&format!("{{{secret}}}"));
            if !hidden.iter().any(|secret| fills(&secret)) {
                found.problem(format!("the credential {} takes `{template}`, which is no secret", credential.name));
            }
        }
    }
    found.note(format!("secrets: {}", hidden.join(", ")));
    found.verdict("")
}

/// The suite's configuration, whole.
fn example(s: &Subject) -> Map<String, Value> {
    let mut whole = s.public.as_object().cloned().unwrap_or_default();
    whole.extend(s.secrets.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
    whole
}

fn without(whole: &Map<String, Value>, name: &str) -> Value {
    let mut rest = whole.clone();
    rest.remove(name);
    Value::Object(rest)
}

pub(super) async fn required(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let whole = example(s);
    if let Err(problems) = validate_configuration(s.spec(), &Value::Object(whole.clone())) {
        let told: Vec<String> = problems.iter().map(|p| format!("{} {}", p.path, p.problem)).collect();
        found.problem(format!("the suite's configuration is not valid: {}", told.join("; ")));
    }
    let mut needed = Vec::new();
    for name in whole.keys() {
        found.looked();
        if let Err(problems) = validate_configuration(s.spec(), &without(&whole, name)) {
            needed.push(name.as_str());
            let names = problems.iter().any(|p| p.path == format!("/{name}"));
            found
                .hold(names, || format!("without {name} a configuration is refused, and the refusal does not name it"));
        }
    }
    found.note(format!("required: {}", needed.join(", ")));
    found.verdict("")
}

pub(super) async fn optional(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let whole = example(s);
    for name in whole.keys() {
        let left = without(&whole, name);
        if validate_configuration(s.spec(), &left).is_err() {
            continue;
        }
        found.looked();
        let (public, _) = split_configuration(s.spec(), left);
        if let Err(fault) = discovers(s, public).await
            && matches!(fault.kind, FaultKind::Config | FaultKind::Internal)
        {
            found.problem(format!("without {name}, which may be left out, it says: {fault}"));
        }
    }
    found.verdict("the suite's configuration has no key that may be left out")
}

async fn discovers(s: &Subject, public: Value) -> Result<(), Fault> {
    s.enter(if s.plugin.is_source { "discover" } else { "discover-targets" });
    let connection = s.connection_with(public)?;
    if s.plugin.is_source {
        s.plugin.discover_streams(&connection.context).await.map(|_| ())
    } else {
        s.plugin.discover_targets(&connection.context).await.map(|_| ())
    }
}

pub(super) async fn canary(s: &Subject) -> Verdict {
    let mut found = Findings::default();
    let secrets: Vec<(String, String)> =
        s.secrets.iter().cloned().chain(s.stand.tokens()).filter(|(_, value)| value.len() >= 8).collect();
    let texts = s.evidence.texts();
    for (place, text) in &texts {
        found.looked();
        for (name, secret) in &secrets {
            if contains(text, secret) {
                found.problem(format!("the secret {name} stands in {place}"));
            }
        }
    }
    let personal: BTreeSet<&str> = texts
        .iter()
        .filter(|(place, text)| place.starts_with("the column ") && text.len() >= 6)
        .filter_map(|(_, text)| std::str::from_utf8(text).ok())
        .filter(|text| text.contains('@') && !text.contains(char::is_whitespace))
        .collect();
    for (place, said) in spoken(s) {
        found.looked();
        if let Some((name, _)) = secrets.iter().find(|(_, secret)| said.contains(secret.as_str())) {
            found.problem(format!("the secret {name} stands in {place}"));
        }
        if said.contains('@') && personal.iter().any(|value| said.contains(value)) {
            found.problem(format!("a record's value stands in {place}"));
        }
    }
    found.note(format!("{} secrets and {} addresses looked for", secrets.len(), personal.len()));
    found.verdict("it said nothing yet")
}

/// Every text for people: logs, errors, progress.
fn spoken(s: &Subject) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        s.evidence.phases().into_iter().map(|phase| ("its progress".to_owned(), phase)).collect();
    for (scene, report) in s.evidence.reports() {
        let place = |what: &str| format!("{what} of {} (`{scene}`)", report.function);
        for line in &report.log {
            let fields: Vec<String> = line.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            all.push((place("the log"), format!("{} {}", line.message, fields.join(" "))));
        }
        if let Some(fault) = &report.fault {
            all.push((place("an error"), format!("{} {} {}", fault.code, fault.message, fault.action)));
        }
    }
    all
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

pub(super) async fn compatibility(s: &Subject) -> Verdict {
    let Some(previous) = &s.previous else {
        return not_applicable("no version before was given (--previous)");
    };
    let mut found = Findings::default();
    for configuration in generated(&previous.spec, &example(s)) {
        if validate_configuration(&previous.spec, &configuration).is_err() {
            continue;
        }
        found.looked();
        if let Err(problems) = validate_configuration(s.spec(), &configuration) {
            for problem in problems {
                found.problem(format!(
                    "valid in {}, and now {} {}",
                    previous.spec.version, problem.path, problem.problem
                ));
            }
        }
    }
    found.verdict("no configuration of the version before could be made")
}

/// Configurations around an example: each key left out, each with its default, its examples and its choices.
fn generated(spec: &Spec, example: &Map<String, Value>) -> Vec<Value> {
    let known = properties(spec);
    let base: Map<String, Value> =
        example.iter().filter(|(name, _)| known.contains_key(*name)).map(|(n, v)| (n.clone(), v.clone())).collect();
    let mut all = vec![Value::Object(base.clone())];
    for (name, property) in &known {
        all.push(without(&base, name));
        let list = |key: &str| property.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        for value in property.get("default").cloned().into_iter().chain(list("examples")).chain(list("enum")) {
            let mut with = base.clone();
            with.insert(name.clone(), value);
            all.push(Value::Object(with));
        }
    }
    all
}
