//! `attiva edge`.

use super::input::json_file;
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Edge {
    /// Tell which audiences a person is in now: attiva edge evaluate --email a@x.com --page /pricing
    Evaluate {
        /// Who it is, by an e-mail address.
        #[arg(long)]
        email: Option<String>,
        /// Who it is, by a source key: 7@123-ABC-456.Marketo
        #[arg(long)]
        source_key: Option<String>,
        /// Who it is, by a device.
        #[arg(long)]
        ecid: Option<String>,
        /// A field of the person, for this answer alone. Text, or JSON for another type.
        #[arg(long = "attribute", value_name = "FIELD=VALUE")]
        attributes: Vec<String>,
        /// An event that happens now, at this page.
        #[arg(long, conflicts_with = "event")]
        page: Option<String>,
        /// JSON file with an event: {"fields": {"type": "..."}}, and "id", "source" and "ingest" to have it kept.
        #[arg(long, value_name = "FILE")]
        event: Option<PathBuf>,
        /// Segments to tell of, each whether the person is in its audience; all that the person is in, without.
        segments: Vec<String>,
    },
}

const COLUMNS: [Column; 5] =
    [("segment", "/segment"), ("name", "/name"), ("member", "/member"), ("by", "/by"), ("result of", "/result_of")];

pub(crate) fn run(command: Edge, client: &Client, output: Output) -> Result<(), Failure> {
    let Edge::Evaluate { email, source_key, ecid, attributes, page, event, segments } = command;
    // The firmest first.
    let names = [("source_key", source_key), ("ecid", ecid), ("email", email)];
    let identities: Vec<Value> = names
        .into_iter()
        .filter_map(|(namespace, value)| Some(json!({ "namespace": namespace, "value": value? })))
        .collect();
    if identities.is_empty() {
        return Err(Failure::Usage("who is it? --email, --source-key or --ecid".into()));
    }
    let mut body = Map::from_iter([("identities".to_owned(), json!(identities))]);
    let mut fields = Map::new();
    for pair in &attributes {
        let Some((field, text)) = pair.split_once('=') else {
            return Err(Failure::Usage(format!("`{pair}` must be FIELD=VALUE")));
        };
        fields.insert(field.to_owned(), serde_json::from_str(text).unwrap_or_else(|_| json!(text)));
    }
    body.insert("attributes".into(), Value::Object(fields));
    if let Some(page) = page {
        body.insert("event".into(), json!({ "fields": { "type": "web.webpagedetails.pageViews", "page": page } }));
    }
    if let Some(file) = event {
        body.insert("event".into(), json_file(&file)?);
    }
    let ids: Result<Vec<String>, Failure> =
        segments.iter().map(|segment| client.id_of("segments", "seg_", segment)).collect();
    body.insert("segments".into(), json!(ids?));
    let found = client.post(&client.scoped("edge/evaluations"), &Value::Object(body))?;
    if output.is_json() {
        output.json(&found);
        return Ok(());
    }
    output.line(found["profile"].as_str().unwrap_or("nobody known: of the request alone"));
    output.list(&json!({ "items": found["audiences"] }), &COLUMNS);
    if found["unanswered"].as_array().is_some_and(|all| !all.is_empty()) {
        let columns = [("unanswered", "/segment"), ("why", "/fault/message")];
        output.list(&json!({ "items": found["unanswered"] }), &columns);
    }
    Ok(())
}
