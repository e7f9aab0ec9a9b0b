//! Secrets by reference: files say where a secret is, never what it is.

use super::schema::Problem;
use crate::cli::Failure;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Secret {
    of: Of,
    /// It is left out where there is none.
    is_optional: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Of {
    Variable(String),
    File(String),
}

impl Secret {
    /// The text, from the environment or from a file relative to `directory`, without the line break at its end.
    ///
    /// # Errors
    /// There is none, and it is not optional. What is told names the place and never the text.
    pub(super) fn resolve(&self, directory: &Path) -> Result<Option<String>, Failure> {
        let found = match &self.of {
            Of::Variable(name) => std::env::var(name).map_err(|_| format!("there is no variable `{name}`")),
            Of::File(path) => std::fs::read_to_string(directory.join(path))
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|e| format!("`{path}` cannot be read: {e}")),
        };
        match found {
            Ok(text) => Ok(Some(text)),
            Err(_) if self.is_optional => Ok(None),
            Err(problem) => Err(Failure::Usage(problem)),
        }
    }
}

/// Takes references out of a configuration. Only secrets are refused or taken by them; which keys these are, the plugin
/// says, and is asked later.
pub(super) fn taken(configuration: &mut Map<String, Value>, problems: &mut Vec<Problem>) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    for (key, value) in configuration.iter() {
        let Some(object) = value.as_object() else { continue };
        let names = ["from_env", "from_file", "optional"];
        if !object.contains_key("from_env") && !object.contains_key("from_file") {
            continue;
        }
        let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        let optional = object.get("optional").map_or(Some(false), Value::as_bool);
        let is_known = object.keys().all(|key| names.contains(&key.as_str()));
        let of = match (text("from_env"), text("from_file")) {
            (Some(variable), None) if !object.contains_key("from_file") => Some(Of::Variable(variable)),
            (None, Some(path)) if !object.contains_key("from_env") => Some(Of::File(path)),
            _ => None,
        };
        match (of, optional) {
            (Some(of), Some(is_optional)) if is_known => {
                secrets.insert(key.clone(), Secret { of, is_optional });
            }
            _ => problems.push(Problem::new(
                format!("/configuration/{key}"),
                "a secret is `from_env: VARIABLE` or `from_file: PATH`, and perhaps `optional: true`",
            )),
        }
    }
    configuration.retain(|key, _| !secrets.contains_key(key));
    secrets
}

/// What an export writes in the place of a secret, since nobody can read it: a variable that is called after it.
pub(super) fn reference(connection: &str, key: &str, is_required: bool) -> Value {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let variable: String = format!("{connection}_{key}").chars().map(plain).collect();
    let variable = if variable.starts_with(|c: char| c.is_ascii_digit()) { format!("_{variable}") } else { variable };
    if is_required { json!({ "from_env": variable }) } else { json!({ "from_env": variable, "optional": true }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_taken_out_and_anything_else_stays() {
        let mut configuration = json!({"id": "1", "secret": {"from_env": "X"}, "other": {"from_file": "x", "optional": true},
            "list": {"a": 1}});
        let mut problems = Vec::new();
        let secrets = taken(configuration.as_object_mut().unwrap(), &mut problems);
        assert_eq!(configuration, json!({"id": "1", "list": {"a": 1}}));
        assert_eq!((secrets.len(), problems.len()), (2, 0));
        let refused = |value: Value| {
            let mut problems = Vec::new();
            taken(json!({ "key": value }).as_object_mut().unwrap(), &mut problems);
            problems.into_iter().map(|it| it.at).collect::<Vec<_>>()
        };
        for wrong in [
            json!({"from_env": "X", "from_file": "x"}),
            json!({"from_env": 1}),
            json!({"from_env": "X", "optional": "yes"}),
            json!({"from_env": "X", "value": "hunter2"}),
        ] {
            assert_eq!(refused(wrong), ["/configuration/key"]);
        }
    }

    #[test]
    fn files_stand_beside_the_document_and_lose_their_last_line_break() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("secret"), "hunter2\n").unwrap();
        let of = |path: &str, is_optional| Secret { of: Of::File(path.into()), is_optional }.resolve(place.path());
        assert_eq!(of("secret", false).unwrap().as_deref(), Some("hunter2"));
        assert_eq!(of("none", true).unwrap(), None);
        assert!(of("none", false).unwrap_err().to_string().contains("`none` cannot be read"));
    }

    #[test]
    fn variables_are_called_after_what_they_are_for() {
        let name = reference("3. Büro (EU)", "client_secret", true)["from_env"].as_str().unwrap().to_owned();
        assert_eq!(name, "_3__B_RO__EU__CLIENT_SECRET");
        assert_eq!(reference("a", "b", false), json!({"from_env": "A_B", "optional": true}));
    }
}
