//! `attiva model`.

use super::input::json_file;
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::Value;
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Entities, their fields with the values they may have, and their relations.
    Schema {
        /// One entity alone: its fields.
        entity: Option<String>,
    },
    /// What was added to the model.
    Show,
    /// Publish what is added to the model: streams that waited for an entity are its, and what is touched is derived
    /// anew.
    Publish {
        /// JSON file with the additions; `-` for standard input.
        file: PathBuf,
    },
}

const ENTITIES: [Column; 3] = [("name", "/name"), ("title", "/title"), ("custom", "/custom")];
const FIELDS: [Column; 5] =
    [("name", "/name"), ("type", "/type"), ("title", "/title"), ("values", "/values"), ("origin", "/origin")];

pub(crate) fn run(command: Model, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Model::Schema { entity } => schema(&client.get(&client.scoped("schema"))?, entity.as_deref(), output),
        Model::Show => {
            show(&client.get(&client.scoped("model"))?, output);
            Ok(())
        }
        Model::Publish { file } => {
            let published = client.send_json(Method::PUT, &client.scoped("model"), &json_file(&file)?)?.json()?;
            if output.is_json() {
                output.json(&published);
                return Ok(());
            }
            let of = |name: &str| published.get(name).cloned().unwrap_or_default();
            output.line(&format!(
                "Version {} holds; the records of {} streams are looked at again.",
                of("version"),
                of("streams_reconsidered")
            ));
            Ok(())
        }
    }
}

fn schema(schema: &Value, entity: Option<&str>, output: Output) -> Result<(), Failure> {
    if output.is_json() {
        output.json(schema);
        return Ok(());
    }
    let entities = schema.get("entities").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(name) = entity else {
        output.list(&serde_json::json!({ "items": entities }), &ENTITIES);
        return Ok(());
    };
    let found = entities.iter().find(|known| known.get("name").and_then(Value::as_str) == Some(name));
    let found = found.ok_or_else(|| Failure::Usage(format!("there is no entity `{name}`")))?;
    output.list(&serde_json::json!({ "items": found.get("fields") }), &FIELDS);
    Ok(())
}

/// A document that people edit, whole.
pub(super) fn show(document: &Value, output: Output) {
    if output.is_json() {
        output.json(document);
    } else {
        output.line(&format!("{document:#}"));
    }
}
