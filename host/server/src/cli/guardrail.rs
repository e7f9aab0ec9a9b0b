//! `attiva guardrail`.

use super::input::json_file;
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Guardrail {
    /// List the limits, and how much there is.
    List,
    /// Override one limit; for operators.
    Set {
        /// `person.identities`.
        id: String,
        /// The most there may be; 0: no bound.
        #[arg(long, required_unless_present = "warn_at")]
        max: Option<u64>,
        /// From here on it is warned of; 0: not.
        #[arg(long)]
        warn_at: Option<u64>,
    },
    /// Take the override of one limit back; for operators.
    Reset { id: String },
    /// Put all overrides at once; for operators.
    Put {
        /// JSON file: {"person.identities": {"max": 100}}; `-` for standard input.
        file: PathBuf,
    },
}

const COLUMNS: [Column; 7] = [
    ("id", "/id"),
    ("title", "/title"),
    ("unit", "/unit"),
    ("used", "/used"),
    ("warn at", "/warn_at"),
    ("max", "/max"),
    ("beyond", "/beyond"),
];

pub(crate) fn run(command: Guardrail, client: &Client, output: Output) -> Result<(), Failure> {
    let path = client.scoped("guardrails");
    match command {
        Guardrail::List => output.list(&client.get(&path)?, &COLUMNS),
        Guardrail::Put { file } => {
            output.list(&client.send_json(Method::PUT, &path, &json_file(&file)?)?.json()?, &COLUMNS);
        }
        Guardrail::Set { id, max, warn_at } => {
            let bounds = [("max", max), ("warn_at", warn_at)];
            let bounds = bounds.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
            let bounds: Map<String, Value> = bounds.collect();
            changed(client, output, &path, |overrides| drop(overrides.insert(id, Value::Object(bounds))))?;
        }
        Guardrail::Reset { id } => changed(client, output, &path, |overrides| drop(overrides.remove(&id)))?,
    }
    Ok(())
}

/// Changes one of the overrides that there are, and puts all; nobody's change in between is overwritten.
fn changed(
    client: &Client,
    output: Output,
    path: &str,
    change: impl FnOnce(&mut Map<String, Value>),
) -> Result<(), Failure> {
    let (limits, version) = client.get_versioned(path)?;
    let mut overrides = Map::new();
    for limit in limits.get("items").and_then(Value::as_array).into_iter().flatten() {
        if let (Some(id), Some(held)) = (limit.get("id").and_then(Value::as_str), limit.get("override")) {
            overrides.insert(id.to_owned(), held.clone());
        }
    }
    change(&mut overrides);
    let put = client.put_versioned(path, &Value::Object(overrides), version.as_deref())?;
    output.list(&put, &COLUMNS);
    Ok(())
}
