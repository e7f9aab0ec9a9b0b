//! A connection's configuration: checked against the specification's schema, and parted from its secrets.

use crate::schema;
use attiva_core::spec::Spec;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The secrets of one connection, by configuration key. Wiped from memory when dropped; never printed.
#[derive(Debug, Clone, Default)]
pub struct Secrets(BTreeMap<String, SecretString>);

impl Secrets {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }

    pub fn insert(&mut self, name: impl Into<String>, value: SecretString) {
        self.0.insert(name.into(), value);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// What is wrong with one key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// JSON pointer: `/munchkin_id`; empty for the whole.
    pub path: String,
    /// For people; never holds the value.
    pub problem: String,
}

/// Takes a configuration apart: what the guest may see, and the secrets. Keys that are not text stay where they are;
/// [`validate_configuration`] says what is wrong with them.
#[must_use]
pub fn split_configuration(spec: &Spec, configuration: Value) -> (Value, Secrets) {
    let mut public = configuration;
    let mut secrets = Secrets::default();
    let Some(object) = public.as_object_mut() else {
        return (public, secrets);
    };
    for name in spec.secrets() {
        match object.remove(name) {
            Some(Value::String(secret)) => secrets.insert(name, secret.into()),
            Some(other) => {
                object.insert(name.to_owned(), other);
            }
            None => {}
        }
    }
    (public, secrets)
}

/// Checks a whole configuration, secrets included. A key that the schema does not know is refused, even where the
/// schema forgot to say so.
///
/// # Errors
/// Every problem found, each with the key it is about.
pub fn validate_configuration(spec: &Spec, configuration: &Value) -> Result<(), Vec<FieldProblem>> {
    validate_against(&spec.configuration, configuration)
}

/// Checks an object against a schema, unknown keys refused.
pub fn validate_against(schema: &Value, configuration: &Value) -> Result<(), Vec<FieldProblem>> {
    let whole = |problem: String| vec![FieldProblem { path: String::new(), problem }];
    let validator = compile(schema).map_err(whole)?;
    let Some(object) = configuration.as_object() else {
        return Err(whole("must be an object".into()));
    };
    let mut problems = Vec::new();
    unknown_keys(schema, object, "", &mut problems);
    for error in validator.iter_errors(configuration) {
        let at = error.instance_path().to_string();
        match error.kind() {
            // Already named, one by one.
            ValidationErrorKind::AdditionalProperties { .. } | ValidationErrorKind::UnevaluatedProperties { .. } => {}
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                problems.push(FieldProblem { path: format!("{at}/{name}"), problem: "is required".into() });
            }
            _ => problems.push(FieldProblem { path: at, problem: error.masked().to_string() }),
        }
    }
    // What only the schema's composition could see, such as a key that one of two shapes refuses.
    if problems.is_empty() && !validator.is_valid(configuration) {
        problems = whole("has a key that the schema does not know".into());
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Names keys that no schema knows: at the top always, below where an object says all it may hold by itself.
fn unknown_keys(schema: &Value, object: &Map<String, Value>, at: &str, problems: &mut Vec<FieldProblem>) {
    let none = Map::new();
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (key, value) in object {
        let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        match (known.get(key), value.as_object()) {
            (None, _) => problems.push(FieldProblem { path, problem: "is not a known key".into() }),
            (Some(below), Some(inner)) if says_all_it_holds(below) => unknown_keys(below, inner, &path, problems),
            _ => {}
        }
    }
}

fn says_all_it_holds(schema: &Value) -> bool {
    const OPEN: [&str; 8] =
        ["patternProperties", "allOf", "anyOf", "oneOf", "$ref", "$dynamicRef", "if", "propertyNames"];
    let open = OPEN.iter().any(|keyword| schema.get(keyword).is_some());
    let more = schema.get("additionalProperties").is_some_and(|more| more != &Value::Bool(false));
    schema.get("properties").is_some() && !open && !more
}

/// Compiles a configuration schema. References to other documents are refused before, so nothing is ever fetched, and what
/// would make too much work; patterns run on an engine that cannot backtrack.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    schema::check_work(schema)?;
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .offline()
        .build(schema)
        .map_err(|e| e.to_string())
}

/// Checks what the rest of the host relies on: the configuration is an object, and secrets are text at its top, since
/// only there they are taken out before a guest sees the rest.
pub(crate) fn check_schema(schema: &Value) -> Result<(), String> {
    compile(schema)?;
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("`type` must be `object`".into());
    }
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (name, property) in properties {
        let text = property.get("type").and_then(Value::as_str) == Some("string");
        if is_write_only(property) && !text {
            return Err(format!("the secret `{name}` must have the type `string`"));
        }
    }
    if count_write_only(schema) != properties.values().filter(|p| is_write_only(p)).count() {
        return Err("`writeOnly` may only stand on a property of the configuration itself".into());
    }
    Ok(())
}

fn is_write_only(schema: &Value) -> bool {
    schema.get("writeOnly").is_some_and(|w| w != &Value::Bool(false))
}

fn count_write_only(schema: &Value) -> usize {
    match schema {
        Value::Object(object) => {
            usize::from(is_write_only(schema)) + object.values().map(count_write_only).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(count_write_only).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use serde_json::json;

    fn spec(schema: Value) -> Spec {
        let spec = json!({
            "name": "x", "version": "0.1.0", "publisher": "p", "title": "X", "state_version": 1,
            "configuration": schema, "instance": {"system": "X", "id": "1"}
        });
        Spec::parse(&spec.to_string()).unwrap()
    }

    fn schema() -> Value {
        json!({"type": "object", "required": ["id", "secret"], "properties": {
            "id": {"type": "string", "pattern": "^[0-9]{3}-[A-Z]{3}-[0-9]{3}$"},
            "secret": {"type": "string", "writeOnly": true, "minLength": 8},
            "page": {"type": "integer", "minimum": 1},
            "nested": {"type": "object", "properties": {"a": {"type": "boolean"}}},
            "free": {"type": "object"}
        }})
    }

    #[test]
    fn each_field_is_named_and_no_value_is_shown() {
        let spec = spec(schema());
        let good = json!({"id": "123-ABC-456", "secret": "12345678", "free": {"x": 1}, "nested": {"a": true}});
        assert_eq!(validate_configuration(&spec, &good), Ok(()));
        let bad = json!({"id": "nope", "secret": "hunter2", "page": 0, "typo": 1, "nested": {"b": 1, "a": 3}});
        let problems = validate_configuration(&spec, &bad).unwrap_err();
        let mut paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["/id", "/nested/a", "/nested/b", "/page", "/secret", "/typo"]);
        assert!(problems.iter().all(|p| !p.problem.contains("hunter2") && !p.problem.contains("nope")), "{problems:?}");
        let missing = validate_configuration(&spec, &json!({})).unwrap_err();
        assert_eq!(missing.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["/id", "/secret"]);
        assert_eq!(validate_configuration(&spec, &json!([])).unwrap_err().len(), 1);
    }

    #[test]
    fn a_key_that_only_the_schema_refuses_is_refused() {
        let spec = spec(json!({"type": "object", "properties": {"a": {}, "b": {}}, "oneOf": [
            {"properties": {"a": {}}, "additionalProperties": false}, {"required": ["b"], "properties": {"b": {}}, "additionalProperties": false}
        ]}));
        assert_eq!(validate_configuration(&spec, &json!({"a": 1})), Ok(()));
        assert!(validate_configuration(&spec, &json!({"a": 1, "b": 1})).is_err());
    }

    #[test]
    fn secrets_leave_the_public_part() {
        let (public, secrets) = split_configuration(&spec(schema()), json!({"id": "i", "secret": "12345678"}));
        assert_eq!(public, json!({"id": "i"}));
        assert_eq!(secrets.get("secret").unwrap().expose_secret(), "12345678");
        assert!(!format!("{secrets:?}").contains("1234"));
    }

    #[test]
    fn schemas_that_cannot_be_kept_are_refused() {
        assert_eq!(check_schema(&schema()), Ok(()));
        assert_eq!(
            check_schema(&json!({"type": "object", "$defs": {"a": {}}, "properties": {"x": {"$ref": "#/$defs/a"}}})),
            Ok(())
        );
        let cases = [
            (
                json!({"type": "object", "properties": {"x": {"$ref": "https://evil.example/x.json"}}}),
                "another document",
            ),
            (json!({"type": "object", "properties": {"x": {"$ref": "file:///etc/passwd"}}}), "another document"),
            (json!({"type": "object", "properties": {"x": {"type": "nonsense"}}}), "nonsense"),
            (json!({"type": "object", "properties": {"x": {"type": "string", "pattern": "("}}}), "regex"),
            (json!({"type": "string"}), "`object`"),
            (json!({"type": "object", "properties": {"x": {"type": "object", "writeOnly": true}}}), "`x`"),
            (
                json!({"type": "object", "properties": {"x": {"type": "object", "properties": {"y": {"writeOnly": true}}}}}),
                "writeOnly",
            ),
            (json!({"$schema": "https://evil.example/schema", "type": "object"}), ""),
        ];
        for (schema, expected) in cases {
            let problem = check_schema(&schema).unwrap_err();
            assert!(problem.contains(expected), "{schema}: {problem}");
        }
    }
}
