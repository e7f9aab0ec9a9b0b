//! What may stand in files, as JSON Schema: that of the API's own requests, with names in the place of ids.

use attiva_core::declared::Kind;
use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What is wrong in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// A JSON pointer.
    pub(super) at: String,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into() }
    }
}

static DEFINITIONS: LazyLock<Map<String, Value>> = LazyLock::new(definitions);
const REFERENCE: &str = "#/$defs/";

/// The schema of any document.
pub(super) fn whole() -> Value {
    let one_of: Vec<Value> =
        Kind::ALL.iter().map(|kind| json!({ "$ref": format!("{REFERENCE}{}", kind.name()) })).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of an Attiva sandbox",
        "description": "One document of a file; a file may have several, with `---` between them.",
        "type": "object",
        "required": ["kind"],
        "oneOf": one_of,
        "$defs": *DEFINITIONS,
    })
}

/// The request that makes one of a kind, below the sandbox.
pub(super) fn request(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Model => ("model", "put"),
        Kind::ExchangeRates => ("exchange-rates/{base}", "put"),
        Kind::Guardrails => ("guardrails", "put"),
        Kind::ConsentRules => ("consent-rules", "put"),
        Kind::IdentityRules => ("identity/rules", "put"),
        Kind::MergePolicy => ("identity/merge-policy", "put"),
        Kind::AccountMatching => ("account-matching", "put"),
        Kind::Connection => ("connections", "post"),
        Kind::Mapping => ("connections/{connection}/mappings/{stream}", "put"),
        Kind::UsagePolicy => ("usage-policy", "put"),
        Kind::Segment => ("segments", "post"),
        Kind::EvaluationSchedule => ("evaluation-schedule", "put"),
        Kind::Activation => ("activations", "post"),
        Kind::FreshnessTargets => ("freshness-targets", "put"),
    }
}

fn definitions() -> Map<String, Value> {
    let api = crate::api::document();
    let none = Map::new();
    let schemas = api.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&none);
    let mut made = Map::new();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for kind in Kind::ALL {
        let (path, method) = request(kind);
        let request = &api["paths"][format!("/v1/sandboxes/{{sandbox}}/{path}")][method]["requestBody"];
        let taken = &request["content"]["application/json"]["schema"]["$ref"];
        let name = taken.as_str().and_then(|it| it.rsplit('/').next()).unwrap_or_default();
        let mut schema = schemas.get(name).cloned().unwrap_or_default();
        adapt(kind, &mut schema);
        collect(&mut schema, &mut wanted);
        made.insert(kind.name().to_owned(), schema);
    }
    while let Some(name) = wanted.pop_first() {
        if made.contains_key(&name) {
            continue;
        }
        let mut schema = schemas.get(&name).cloned().unwrap_or_default();
        if name == "ConnectionId" {
            schema = json!({ "type": "string", "description": "The name of a connection." });
        }
        collect(&mut schema, &mut wanted);
        made.insert(name, schema);
    }
    made
}

/// From what a request takes to what stands in a file.
fn adapt(kind: Kind, schema: &mut Value) {
    if kind == Kind::Guardrails {
        let overrides = std::mem::take(schema);
        *schema = json!({ "type": "object", "additionalProperties": false, "required": ["overrides"],
            "description": "What an operator changed of the limits.", "properties": { "overrides": overrides } });
    }
    let named: &[(&str, Value)] = match kind {
        Kind::Connection => &[(
            "configuration",
            json!({ "type": "object", "default": {}, "description": "By the schema of the plugin. A secret is `{from_env: VARIABLE}` or \
                `{from_file: PATH}`; with `optional: true` it is left out where there is no such variable or file." }),
        )],
        Kind::Mapping => &[
            ("connection", json!({ "type": "string", "description": "The name of a connection." })),
            ("stream", json!({ "type": "string", "description": "A stream of the connection." })),
        ],
        Kind::Activation => &[
            ("connection", json!({ "type": "string", "description": "The name of a connection." })),
            ("segment", json!({ "type": "string", "description": "The name of a segment." })),
            ("paused", json!({ "type": "boolean", "description": "Absent: it is left as it is." })),
        ],
        _ => &[],
    };
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        // Which version a document replaces is found out when it is applied.
        properties.remove("version");
        properties.insert("kind".to_owned(), json!({ "const": kind.name() }));
        if kind == Kind::Connection
            && let Some(grants) = properties.get_mut("grants")
        {
            grants["description"] = json!("URL by origin. Absent: what was granted is left as it is.");
        }
        properties.extend(named.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())));
    }
    let mut required = vec![json!("kind")];
    if let Some(before) = schema.get("required").and_then(Value::as_array) {
        required.extend(before.iter().filter(|name| *name != "version").cloned());
    }
    if kind == Kind::Mapping {
        required.extend([json!("connection"), json!("stream")]);
    }
    schema.insert("required".to_owned(), required.into());
}

/// Has references lead to `$defs`, and notes where.
fn collect(value: &mut Value, wanted: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, below) in object {
                match below {
                    Value::String(place) if key == "$ref" => {
                        if let Some(name) = place.strip_prefix("#/components/schemas/").map(str::to_owned) {
                            *place = format!("{REFERENCE}{name}");
                            wanted.insert(name);
                        }
                    }
                    below => collect(below, wanted),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| collect(item, wanted)),
        _ => {}
    }
}

/// Everything that is wrong with a document of a kind. No value is told: it may be a secret in the wrong place.
pub(super) fn check(kind: Kind, document: &Value) -> Vec<Problem> {
    let Some(schema) = DEFINITIONS.get(kind.name()) else { return Vec::new() };
    let mut problems = Vec::new();
    unknown_keys(schema, document, "", &mut problems);
    let validator = match validator(kind) {
        Ok(validator) => validator,
        Err(problem) => return vec![Problem::new("", problem)],
    };
    for error in validator.iter_errors(document) {
        let at = error.instance_path().to_string();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for key in unexpected {
                    let at = below(&at, key);
                    if !problems.iter().any(|known| known.at == at) {
                        problems.push(Problem::new(at, format!("`{key}` is not a key that may stand here")));
                    }
                }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                problems.push(Problem::new(at, format!("`{name}` is missing")));
            }
            _ => problems.push(Problem::new(at, error.masked().to_string())),
        }
    }
    problems
}

fn validator(kind: Kind) -> Result<Validator, String> {
    let schema = json!({ "$ref": format!("{REFERENCE}{}", kind.name()), "$defs": *DEFINITIONS });
    jsonschema::options().offline().build(&schema).map_err(|e| e.to_string())
}

/// Keys that no schema knows, with the one that was probably meant.
fn unknown_keys(schema: &Value, value: &Value, at: &str, problems: &mut Vec<Problem>) {
    let schema = resolved(schema);
    match value {
        Value::Object(object) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let others = schema.get("additionalProperties");
            for (key, value) in object {
                let at = below(at, key);
                match properties.and_then(|known| known.get(key)).or(others.filter(|it| it.is_object())) {
                    Some(schema) => unknown_keys(schema, value, &at, problems),
                    None if others == Some(&Value::Bool(false)) => {
                        let known = properties.into_iter().flat_map(|known| known.keys()).map(String::as_str);
                        let meant = meant(key, known);
                        let meant = meant.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
                        problems.push(Problem::new(at, format!("`{key}` is not a key that may stand here{meant}")));
                    }
                    None => {}
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for (i, item) in items.iter().enumerate() {
                    unknown_keys(schema, item, &format!("{at}/{i}"), problems);
                }
            }
        }
        _ => {}
    }
}

fn below(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The name that is nearest to what was written, if it is near.
pub(super) fn meant<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &'a str| (strsim::osa_distance(&written.to_lowercase(), &name.to_lowercase()), name);
    let (distance, name) = names.map(distance).min()?;
    (distance <= (written.chars().count() / 3).max(1)).then_some(name)
}

/// A schema behind its reference; of one that may also be null, the other.
fn resolved(schema: &Value) -> &Value {
    let mut schema = schema;
    loop {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix(REFERENCE)) {
            match DEFINITIONS.get(name) {
                Some(next) => schema = next,
                None => return schema,
            }
        } else if let Some(some) = schema.get("anyOf").and_then(Value::as_array) {
            match some.iter().find(|it| it.get("type") != Some(&json!("null"))) {
                Some(next) => schema = next,
                None => return schema,
            }
        } else {
            return schema;
        }
    }
}

/// A body without what says nothing: keys that a document of the kind does not have, nulls, and what is as it would be
/// without it. Of two bodies that mean the same one form.
pub(super) fn canonical(kind: Kind, body: &Map<String, Value>) -> Map<String, Value> {
    let Some(schema) = DEFINITIONS.get(kind.name()) else { return body.clone() };
    let known = |key: &str| key != "kind" && schema["properties"].get(key).is_some();
    let projected =
        body.iter().filter(|(key, _)| known(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    match without_defaults(schema, &Value::Object(projected)) {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn without_defaults(schema: &Value, value: &Value) -> Value {
    let whole = schema;
    let schema = resolved(whole);
    match value {
        Value::Object(object) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                return match schema.get("additionalProperties").filter(|it| it.is_object()) {
                    Some(each) => {
                        object.iter().map(|(key, value)| (key.clone(), without_defaults(each, value))).collect()
                    }
                    // Of somebody else, such as a plugin.
                    None => value.clone(),
                };
            };
            let required = schema.get("required").and_then(Value::as_array);
            let is_required = |key: &str| required.is_some_and(|names| names.iter().any(|name| name == key));
            let mut said = Map::new();
            for (key, value) in object {
                let Some(below) = properties.get(key) else {
                    said.insert(key.clone(), value.clone());
                    continue;
                };
                let value = without_defaults(below, value);
                let empty = match &value {
                    Value::Null => true,
                    Value::Array(items) => items.is_empty(),
                    Value::Object(object) => object.is_empty(),
                    _ => false,
                };
                let usual = below.get("default").or_else(|| resolved(below).get("default"));
                if is_required(key) || !(empty || usual == Some(&value)) {
                    said.insert(key.clone(), value);
                }
            }
            Value::Object(said)
        }
        Value::Array(items) => match schema.get("items") {
            Some(each) => items.iter().map(|item| without_defaults(each, item)).collect(),
            None => value.clone(),
        },
        other => other.clone(),
    }
}
