//! What people hand to commands: files, standard input, settings.

use super::Failure;
use anyhow::Context;
use serde_json::{Map, Value};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A connection's configuration, from a file and from settings. A secret should not stand on a command line, where
/// every process of the machine can read it: it comes from a file or from the environment.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Settings {
    /// JSON file with the configuration; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One key of the configuration.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// One key, its value in an environment variable.
    #[arg(long = "set-env", value_name = "KEY=VARIABLE")]
    set_env: Vec<String>,
    /// One key, its value in a file, without the line break at its end.
    #[arg(long = "set-file", value_name = "KEY=FILE")]
    set_file: Vec<String>,
}

impl Settings {
    /// The configuration. `schema` says which keys are text; what is not is read as JSON.
    pub(crate) fn configuration(&self, schema: &Value) -> Result<Value, Failure> {
        let mut configuration = match &self.config {
            Some(path) => json_file(path)?,
            None => Value::Object(Map::new()),
        };
        let object = configuration
            .as_object_mut()
            .ok_or_else(|| Failure::Usage("--config: the configuration must be a JSON object".into()))?;
        for pair in &self.set {
            let (key, text) = split(pair)?;
            object.insert(key.to_owned(), typed(schema, key, text)?);
        }
        for pair in &self.set_env {
            let (key, variable) = split(pair)?;
            let text = std::env::var(variable)
                .map_err(|_| Failure::Usage(format!("--set-env {pair}: there is no such variable")))?;
            object.insert(key.to_owned(), typed(schema, key, &text)?);
        }
        for pair in &self.set_file {
            let (key, path) = split(pair)?;
            let text = String::from_utf8(bytes(Path::new(path))?)
                .map_err(|_| Failure::Usage(format!("--set-file {pair}: the file is not text")))?;
            object.insert(key.to_owned(), typed(schema, key, text.trim_end_matches(['\r', '\n']))?);
        }
        Ok(configuration)
    }
}

fn split(pair: &str) -> Result<(&str, &str), Failure> {
    pair.split_once('=').ok_or_else(|| Failure::Usage(format!("`{pair}` must be KEY=VALUE")))
}

fn typed(schema: &Value, key: &str, text: &str) -> Result<Value, Failure> {
    let declared = schema.get("properties").and_then(|p| p.get(key)).and_then(|p| p.get("type"));
    match declared.and_then(Value::as_str) {
        // The host names a key that the schema does not know.
        None | Some("string") => Ok(Value::String(text.to_owned())),
        Some(other) => serde_json::from_str(text)
            .map_err(|_| Failure::Usage(format!("`{key}` must be {other}, as JSON writes it"))),
    }
}

/// A JSON file; `-` is standard input.
pub(crate) fn json_file(path: &Path) -> Result<Value, Failure> {
    let bytes = bytes(path)?;
    serde_json::from_slice(&bytes).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))
}

/// A file's bytes; `-` is standard input.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("standard input")?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))
}

/// Where a listing begins and how long a page is.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct PageArgs {
    /// Items at most.
    #[arg(long)]
    limit: Option<u32>,
    /// Go on where an earlier page ended.
    #[arg(long)]
    cursor: Option<String>,
}

impl PageArgs {
    /// A path with the page in its query, and whatever else is asked for.
    pub(crate) fn path(&self, path: &str, filter: &[(&str, Option<&str>)]) -> String {
        let limit = self.limit.map(|l| l.to_string());
        let pairs = [("limit", limit.as_deref()), ("cursor", self.cursor.as_deref())];
        let pairs = pairs.iter().chain(filter).filter_map(|(name, value)| Some((name, (*value)?)));
        let query: Vec<String> =
            pairs.map(|(name, value)| format!("{name}={}", super::client::encoded(value))).collect();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_take_the_types_of_the_schema() {
        let schema =
            json!({"properties": {"id": {"type": "string"}, "gzip": {"type": "boolean"}, "n": {"type": "integer"}}});
        let settings =
            |set: &[&str]| Settings { set: set.iter().map(|s| (*s).into()).collect(), ..Settings::default() };
        let read = settings(&["id=123", "gzip=true", "n=5", "typo=1=2"]).configuration(&schema).unwrap();
        assert_eq!(read, json!({"id": "123", "gzip": true, "n": 5, "typo": "1=2"}));
        for bad in ["gzip=yes", "id"] {
            assert!(matches!(settings(&[bad]).configuration(&schema), Err(Failure::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn a_page_is_asked_for_in_the_query() {
        let page = PageArgs { limit: Some(5), cursor: None };
        assert_eq!(page.path("/x", &[("value", Some("a@b")), ("status", None)]), "/x?limit=5&value=a%40b");
        assert_eq!(PageArgs::default().path("/x", &[]), "/x");
    }
}
