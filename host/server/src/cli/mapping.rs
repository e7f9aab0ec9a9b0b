//! `attiva mapping`.

use super::client::encoded;
use super::input::json_file;
use super::output::{Column, Output};
use super::{Client, Failure, model};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Mapping {
    /// The streams of a connection, and what each becomes.
    List { connection: String },
    /// The mapping of a stream as it holds, to be edited.
    Show { connection: String, stream: String },
    /// Tell what a mapping would change, and publish nothing.
    Preview {
        connection: String,
        stream: String,
        /// JSON file with `entity` and `fields`; `-` for standard input.
        file: PathBuf,
        /// Records looked at, at most.
        #[arg(long)]
        records_max: Option<u32>,
    },
    /// Publish a mapping: the stream's stored records are mapped anew, and nothing is fetched.
    Publish {
        connection: String,
        stream: String,
        /// JSON file with `entity` and `fields`; `-` for standard input.
        file: PathBuf,
    },
    /// Go back to the mapping that the connector ships.
    Restore { connection: String, stream: String },
    /// Fields that mappings left empty: how often, and a record that shows it.
    Errors { connection: String },
}

const MAPPINGS: [Column; 4] =
    [("stream", "/stream"), ("entity", "/entity"), ("version", "/version"), ("problems", "/problems")];
const ERRORS: [Column; 6] = [
    ("stream", "/stream"),
    ("field", "/field"),
    ("code", "/code"),
    ("count", "/count"),
    ("sample", "/sample"),
    ("last", "/last_at"),
];
const PREVIEW: [Column; 5] = [
    ("records looked at", "/records"),
    ("all of them", "/whole"),
    ("records changed", "/records_changed"),
    ("profiles changed", "/profiles_changed"),
    ("only new events", "/only_new_events"),
];

pub(crate) fn run(command: Mapping, client: &Client, output: Output) -> Result<(), Failure> {
    let of = |connection: &str| client.scoped(&format!("connections/{connection}/mappings"));
    let place = |connection: &str, stream: &str| format!("{}/{}", of(connection), encoded(stream));
    match command {
        Mapping::List { connection } => output.list(&client.get(&of(&connection))?, &MAPPINGS),
        Mapping::Show { connection, stream } => {
            let mapping = client.get(&place(&connection, &stream))?;
            // What can be published again.
            let edited = json!({ "entity": mapping.get("entity"), "fields": mapping.get("fields") });
            model::show(if output.is_json() { &mapping } else { &edited }, output);
        }
        Mapping::Preview { connection, stream, file, records_max } => {
            let body = json!({ "mapping": json_file(&file)?, "records_max": records_max });
            told(&client.post(&format!("{}/preview", place(&connection, &stream)), &body)?, output);
        }
        Mapping::Publish { connection, stream, file } => {
            let path = place(&connection, &stream);
            output.one(&client.send_json(Method::PUT, &path, &json_file(&file)?)?.json()?, &MAPPINGS);
        }
        Mapping::Restore { connection, stream } => {
            output.one(&client.send(Method::DELETE, &place(&connection, &stream), None)?.json()?, &MAPPINGS);
        }
        Mapping::Errors { connection } => {
            let path = client.scoped(&format!("connections/{connection}/mapping-errors"));
            output.list(&client.get(&path)?, &ERRORS);
        }
    }
    Ok(())
}

fn told(preview: &Value, output: Output) {
    output.one(preview, &PREVIEW);
    if output.is_json() {
        return;
    }
    for (name, field) in preview.get("fields").and_then(Value::as_object).into_iter().flatten() {
        let of = |part: &str| field.get(part).cloned().unwrap_or_default();
        output.line(&format!("{name}: {} changed, {} errors {}", of("changed"), of("errors"), of("error_sample")));
        for example in field.get("examples").and_then(Value::as_array).into_iter().flatten() {
            let of = |part: &str| example.get(part).cloned().unwrap_or_default();
            output.line(&format!("  {} {} -> {}", of("source_key"), of("before"), of("after")));
        }
    }
}
