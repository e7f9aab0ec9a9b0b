//! The description of the API as tests use it: every answer that any test gets is held against it, and walks are led by it.

use crate::harness::Answer;
use attiva_server::api::document;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use ureq::http::Method;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// An operation of the description.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) it: &'static Value,
}

impl Operation {
    pub(crate) fn id(&self) -> &'static str {
        self.it["operationId"].as_str().unwrap_or_default()
    }

    pub(crate) fn method(&self) -> Method {
        Method::from_bytes(self.method.to_ascii_uppercase().as_bytes()).unwrap()
    }

    pub(crate) fn needs_a_key(&self) -> bool {
        self.it["security"] != json!([])
    }

    /// What it asks of the key.
    pub(crate) fn scope(&self) -> &'static str {
        self.it["security"][0]["key"][0].as_str().unwrap_or_default()
    }

    pub(crate) fn parameters(&self) -> Vec<&'static Value> {
        self.it["parameters"].as_array().into_iter().flatten().map(resolved).collect()
    }

    /// Its path with values in place of names; and those parameters of its query that it cannot do without.
    pub(crate) fn place(&self, value: impl Fn(&str) -> String) -> String {
        let parts = self.path.split('/').map(|part| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(name) => value(name),
            None => part.to_owned(),
        });
        let path = parts.collect::<Vec<_>>().join("/");
        let asked = self.parameters().into_iter().filter(|p| p["in"] == "query" && p["required"] == true);
        let query: Vec<String> =
            asked.map(|p| p["name"].as_str().unwrap()).map(|n| format!("{n}={}", value(n))).collect();
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// A body of the right form that says as little as it may; `None`: it takes none.
    pub(crate) fn body(&self) -> Option<Value> {
        let schema = &self.it.get("requestBody")?["content"]["application/json"]["schema"];
        Some(example(schema))
    }
}

pub(crate) fn operations() -> impl Iterator<Item = Operation> {
    let paths = document()["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, methods)| {
        let of = |method: &&'static str| Some(Operation { method, path, it: methods.get(*method)? });
        METHODS.iter().filter_map(of).collect::<Vec<_>>()
    })
}

/// What a reference leads to.
pub(crate) fn resolved(value: &'static Value) -> &'static Value {
    let place = value["$ref"].as_str().and_then(|text| text.strip_prefix('#'));
    place.map_or(value, |pointer| document().pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere")))
}

fn example(schema: &'static Value) -> Value {
    let schema = resolved(schema);
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    if let Some(value) = schema.get("const").or(schema.get("default")) {
        return value.clone();
    }
    if let Some(first) = schema["anyOf"].get(0).or(schema["oneOf"].get(0)) {
        return example(first);
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str()).unwrap_or("object");
    match kind {
        "object" => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let field = |name: &str| (name.to_owned(), example(&schema["properties"][name]));
            required.map(field).collect::<Map<_, _>>().into()
        }
        "array" => json!([]),
        "integer" | "number" => json!(1),
        "boolean" => json!(false),
        "null" => Value::Null,
        _ => json!("x"),
    }
}

/// The operation that a request is for; a path without parameters goes before one with.
pub(crate) fn asked(method: &Method, path: &str) -> Option<Operation> {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |operation: &Operation| {
        let template: Vec<&str> = operation.path.split('/').collect();
        let same = |(t, p): (&&str, &&str)| t == p || (t.starts_with('{') && !p.is_empty());
        template.len() == parts.len() && template.iter().zip(&parts).all(same)
    };
    let of_method = operations().filter(|operation| operation.method() == *method);
    of_method.filter(fits).min_by_key(|operation| operation.path.matches('{').count())
}

/// Holds an answer against the description: its status, its media type and its body.
#[track_caller]
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    // Those belong to no operation.
    if *method == Method::HEAD || answer.status == 405 || answer.text("/code") == "route.missing" {
        return;
    }
    let Some(operation) = asked(method, path) else { panic!("no description of {method} {path}: {answer:?}") };
    let (id, status) = (operation.id(), answer.status);
    let described = operation.it["responses"].get(status.to_string());
    let described =
        resolved(described.unwrap_or_else(|| panic!("{id} does not say that it may answer {status}: {answer:?}")));
    let content = described["content"].as_object();
    let media = answer.header("content-type").split(';').next().unwrap_or_default().to_owned();
    let Some(schema) = content.and_then(|content| content.get(&media)) else {
        assert!(content.is_none() && answer.text.is_empty(), "{id} does not say that {status} is {media}: {answer:?}");
        return;
    };
    if media.ends_with("json") {
        let place = format!("{id} {status}");
        let validator = validator(&place, &schema["schema"]);
        let wrong: Vec<String> =
            validator.iter_errors(&answer.body).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{id}: what it answers is not what it says: {wrong:#?}\n{answer:?}");
    }
}

/// Compiled once for each answer of each operation.
fn validator(place: &str, schema: &Value) -> Arc<jsonschema::Validator> {
    static KNOWN: OnceLock<Mutex<HashMap<String, Arc<jsonschema::Validator>>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    if let Some(validator) = known.lock().unwrap().get(place) {
        return Arc::clone(validator);
    }
    let whole = json!({ "allOf": [schema], "components": { "schemas": document()["components"]["schemas"] } });
    let validator = Arc::new(jsonschema::draft202012::new(&whole).unwrap_or_else(|e| panic!("{place}: {e}")));
    known.lock().unwrap().insert(place.to_owned(), Arc::clone(&validator));
    validator
}
