//! `attiva connection`.

use super::client::encoded;
use super::connection_settings::{More, schema};
use super::input::{PageArgs, Settings};
use super::output::{Column, Output};
use super::{Client, Failure};
use crate::exit::Exit;
use clap::Subcommand;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use ureq::http::Method;

/// A connection is named by its id, or by its name.
#[derive(Debug, Subcommand)]
pub(crate) enum Connection {
    /// Connect to a vendor.
    Create {
        /// `source-marketo`, or a version of it: `source-marketo@0.1.0`.
        plugin: String,
        /// For people.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        settings: Settings,
        /// A stream to read; without any, those the connector suggests.
        #[arg(long = "stream", value_name = "STREAM")]
        streams: Vec<String>,
        /// Seconds from the start of one run to the start of the next.
        #[arg(long, value_name = "SECONDS")]
        every_seconds: Option<u32>,
        #[command(flatten)]
        more: More,
        /// Another endpoint for one of the connector's origins, as `grant` gives it: api=http://127.0.0.1:9000
        #[arg(long = "grant", value_name = "ORIGIN=URL", value_parser = granted)]
        grants: Vec<(String, String)>,
    },
    /// Change a connection: what is not named stays, secrets too.
    Change {
        connection: String,
        #[arg(long)]
        name: Option<String>,
        /// Another version of its plugin, or a range of versions.
        #[arg(long)]
        plugin: Option<String>,
        #[command(flatten)]
        settings: Settings,
        /// Streams to read, in the place of those that were.
        #[arg(long = "stream", value_name = "STREAM")]
        streams: Vec<String>,
        /// Seconds from the start of one run to the start of the next; 0: no more runs by themselves.
        #[arg(long, value_name = "SECONDS")]
        every_seconds: Option<u32>,
        #[command(flatten)]
        more: More,
    },
    /// List connections.
    List(PageArgs),
    /// Show a connection, without its secrets.
    Show { connection: String },
    /// Test a connection against its vendor.
    Check { connection: String },
    /// Show what the vendor has to read and to fill.
    Discover { connection: String },
    /// Let a connection reach an origin at another endpoint: a simulator, an S3-compatible server. Audited.
    Grant {
        connection: String,
        /// The origin's name in the plugin's specification.
        origin: String,
        /// Scheme, host and perhaps a port: http://127.0.0.1:9000
        // A name of its own: what the whole program takes as `--url` is the host.
        #[arg(id = "endpoint", value_name = "URL")]
        url: String,
    },
    /// List what a connection reaches at other endpoints than its plugin says.
    Grants { connection: String },
    /// Take a grant back.
    RevokeGrant { connection: String, origin: String },
    /// Have a person authorise the app at the vendor: tells where the person has to go, within ten minutes.
    Authorize { connection: String },
    /// Show how a person's consent stands: since when, and until when.
    Consent { connection: String },
    /// Show the last requests to the vendor and its answers, the newest first, without what is secret.
    Exchanges {
        connection: String,
        /// Only those in which this stands: a record's key.
        #[arg(long, value_name = "TEXT")]
        containing: Option<String>,
    },
    /// Show what a connection's calls cost: sums by plugin version, and the last calls.
    Usage { connection: String },
    /// Show whether a connection's plugin crashes, with evidence, and what it was denied.
    Evidence { connection: String },
    /// Let a connection out of quarantine.
    Release { connection: String },
    /// Show how a connection's streams have changed at the vendor, and what waits for approval.
    Schema { connection: String },
    /// Take over changes of streams that wait for approval.
    ApproveSchema {
        connection: String,
        /// A stream; may be repeated. Without any, all that wait.
        #[arg(long = "stream")]
        streams: Vec<String>,
    },
    /// Remove a connection that brought nothing.
    Delete { connection: String },
    /// Remove a connection, or some of its datasets, with what it brought.
    Remove {
        connection: String,
        /// A dataset; may be repeated. Without any, the connection goes with all of its.
        #[arg(long = "stream")]
        streams: Vec<String>,
        /// Show what would become of profiles, audiences and activations, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Wait for its end.
        #[arg(long)]
        follow: bool,
    },
}

fn effect(effect: &Value, output: Output) {
    output.one(
        effect,
        &[
            ("records", "/records"),
            ("events", "/events"),
            ("all looked at", "/whole"),
            ("profiles that disappear", "/disappear"),
            ("profiles that change", "/change"),
            ("profiles that stay", "/stay"),
            ("activations", "/activations"),
        ],
    );
    if output.is_json() {
        return;
    }
    for (segment, effect) in effect.get("audiences").and_then(Value::as_object).into_iter().flatten() {
        let count = |name: &str| effect.get(name).and_then(Value::as_u64).unwrap_or_default();
        output.line(&format!("AUDIENCE {segment}: {} leave, {} change", count("leave"), count("change")));
    }
}

fn granted(text: &str) -> Result<(String, String), String> {
    let (origin, url) = text.split_once('=').ok_or("write ORIGIN=URL")?;
    Ok((origin.to_owned(), url.to_owned()))
}

const COLUMNS: [Column; 5] = [
    ("id", "/id"),
    ("name", "/name"),
    ("plugin", "/plugin"),
    ("system", "/instance/system"),
    ("instance", "/instance/id"),
];
const DETAIL: [Column; 6] = [
    ("configuration", "/configuration"),
    ("streams", "/streams"),
    ("every_seconds", "/schedule/every_seconds"),
    ("cron", "/schedule/cron"),
    ("on schema change", "/schema/on_change"),
    ("created", "/created_at"),
];

pub(crate) fn run(command: Connection, client: &Client, output: &Output) -> Result<Exit, Failure> {
    let place = |connection: &str| -> Result<String, Failure> {
        Ok(client.scoped(&format!("connections/{}", client.id_of("connections", "con_", connection)?)))
    };
    match command {
        Connection::Create { plugin, name, settings, streams, every_seconds, more, grants } => {
            let inspected = client.get(&format!("/v1/plugins/{}", encoded(&plugin)))?;
            let schema = inspected.pointer("/spec/configuration").cloned().unwrap_or_default();
            let mut body = json!({
                "name": name,
                "plugin": plugin,
                "configuration": settings.configuration(&schema)?,
                "streams": streams,
                "grants": grants.into_iter().collect::<BTreeMap<_, _>>(),
            });
            if let Some(body) = body.as_object_mut() {
                body.extend(more.schedule(every_seconds).map(|schedule| ("schedule".to_owned(), schedule)));
                body.extend(more.schema(None).map(|schema| ("schema".to_owned(), schema)));
            }
            output.one(&client.post(&client.scoped("connections"), &body)?, &COLUMNS);
        }
        Connection::Change { connection, name, plugin, settings, streams, every_seconds, more } => {
            let place = place(&connection)?;
            let (now, version) = client.get_versioned(&place)?;
            let current = now.get("plugin").and_then(Value::as_str).unwrap_or_default();
            let inspected = client.get(&format!("/v1/plugins/{}", encoded(plugin.as_deref().unwrap_or(current))))?;
            let schema = inspected.pointer("/spec/configuration").cloned().unwrap_or_default();
            let configuration = settings.configuration(&schema)?;
            let is_set = configuration.as_object().is_some_and(|keys| !keys.is_empty());
            let schedule = if every_seconds == Some(0) { Some(Value::Null) } else { more.schedule(every_seconds) };
            let schema = more.schema(now.get("schema"));
            let said = [
                ("name", name.map(Value::String)),
                ("plugin", plugin.map(Value::String)),
                ("configuration", is_set.then_some(configuration)),
                ("streams", (!streams.is_empty()).then(|| json!(streams))),
                ("schedule", schedule),
                ("schema", schema),
            ];
            let said = said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            let body = Value::Object(said.collect());
            let changed = client.change(Method::PATCH, &place, Some(&body), version.as_deref())?.json()?;
            output.one(&changed, &[&COLUMNS[..], &DETAIL[..]].concat());
        }
        Connection::List(page) => output.list(&client.get(&page.path(&client.scoped("connections"), &[]))?, &COLUMNS),
        Connection::Show { connection } => {
            output.one(&client.get(&place(&connection)?)?, &[&COLUMNS[..], &DETAIL[..]].concat());
        }
        Connection::Check { connection } => return check(&place(&connection)?, client, *output),
        Connection::Discover { connection } => {
            discovered(&client.post(&format!("{}/discover", place(&connection)?), &json!({}))?, *output);
        }
        Connection::Grant { connection, origin, url } => {
            let path = format!("{}/grants/{origin}", place(&connection)?);
            let granted = client.send_json(Method::PUT, &path, &json!({ "url": url }))?.json()?;
            let columns = [("origin", "/origin"), ("scheme", "/scheme"), ("host", "/host"), ("port", "/port")];
            output.one(&granted, &[&columns[..], &[("addresses", "/addresses")]].concat());
        }
        Connection::Grants { connection } => {
            let columns = [("origin", "/origin"), ("url", "/url"), ("by", "/by"), ("at", "/at")];
            output.list(&client.get(&format!("{}/grants", place(&connection)?))?, &columns);
        }
        Connection::RevokeGrant { connection, origin } => {
            client.send(Method::DELETE, &format!("{}/grants/{origin}", place(&connection)?), None)?;
            output.note(&format!("{connection} may no longer reach {origin} anywhere else."));
        }
        Connection::Authorize { connection } => {
            let begun = client.post(&format!("{}/authorization", place(&connection)?), &json!({}))?;
            output.one(&begun, &[("go to", "/url"), ("until", "/until"), ("callback", "/redirect_uri")]);
            output.note("The callback must be registered with the app at the vendor.");
        }
        Connection::Consent { connection } => {
            let columns = [
                ("given", "/given_at"),
                ("asked by", "/asked_by"),
                ("ends", "/ends_at"),
                ("warning", "/warning"),
                ("not given", "/refused/message"),
            ];
            output.one(&client.get(&format!("{}/authorization", place(&connection)?))?, &columns);
        }
        Connection::Exchanges { connection, containing } => {
            let query = containing.map(|text| format!("?containing={}", encoded(&text))).unwrap_or_default();
            super::conduct::exchanges(&client.get(&format!("{}/exchanges{query}", place(&connection)?))?, *output);
        }
        Connection::Usage { connection } => {
            super::conduct::usage(&client.get(&format!("{}/usage", place(&connection)?))?, *output);
        }
        Connection::Evidence { connection } => {
            super::conduct::evidence(&client.get(&format!("{}/evidence", place(&connection)?))?, *output);
        }
        Connection::Release { connection } => {
            let released = client.post(&format!("{}/release", place(&connection)?), &json!({}))?;
            super::conduct::evidence(&released, *output);
        }
        Connection::Remove { connection, streams, dry_run, follow } => {
            let body = if streams.is_empty() { json!({}) } else { json!({ "streams": streams }) };
            let path = format!("{}/removal", place(&connection)?);
            if dry_run {
                effect(&client.post(&format!("{path}/preview"), &body)?, *output);
                return Ok(Exit::Done);
            }
            let operation = client.post(&path, &body)?;
            if follow {
                super::follow::operation(client, &operation, output)?;
            }
            let id = operation.get("subject").and_then(Value::as_str).unwrap_or_default();
            let removal = client.get(&client.scoped(&format!("removals/{id}")))?;
            let columns = [("id", "/id"), ("done", "/done"), ("records removed", "/records_removed")];
            output.one(&removal, &[&columns[..], &[("events removed", "/events_removed")]].concat());
        }
        Connection::Schema { connection } => {
            schema(&client.get(&format!("{}/schema", place(&connection)?))?, *output);
        }
        Connection::ApproveSchema { connection, streams } => {
            let path = format!("{}/schema/approval", place(&connection)?);
            schema(&client.post(&path, &json!({ "streams": streams }))?, *output);
        }
        Connection::Delete { connection } => {
            client.send(Method::DELETE, &place(&connection)?, None)?;
            output.note(&format!("{connection} is removed."));
        }
    }
    Ok(Exit::Done)
}

fn check(place: &str, client: &Client, output: Output) -> Result<Exit, Failure> {
    let checked = client.post(&format!("{place}/check"), &json!({}))?;
    let passed = checked.get("passed").and_then(Value::as_bool).unwrap_or(false);
    if output.is_json() {
        output.json(&checked);
    } else {
        for test in checked.get("tests").and_then(Value::as_array).into_iter().flatten() {
            show_test(test, output);
        }
    }
    Ok(if passed { Exit::Done } else { Exit::Fault })
}

fn show_test(test: &Value, output: Output) {
    let text = |pointer: &str| test.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let title = text("/title");
    if test.get("fault").is_some_and(|f| !f.is_null()) {
        output.line(&format!("failed   {title}: {} {}", text("/fault/message"), text("/fault/action")));
    } else if !text("/skipped").is_empty() {
        output.line(&format!("skipped  {title}: {}", text("/skipped")));
    } else {
        output.line(&format!("passed   {title}"));
    }
}

fn discovered(found: &Value, output: Output) {
    if output.is_json() {
        return output.json(found);
    }
    let listing = |key: &str| json!({ "items": found.get(key).cloned().unwrap_or_else(|| json!([])) });
    let is_there = |key: &str| found.get(key).and_then(Value::as_array).is_some_and(|items| !items.is_empty());
    if is_there("streams") {
        let columns = [("stream", "/name"), ("title", "/title"), ("key", "/key"), ("suggested", "/suggested")];
        output.list(&listing("streams"), &columns);
    }
    if is_there("objects") {
        output.list(&listing("objects"), &[("object", "/name"), ("title", "/title"), ("open fields", "/open_fields")]);
    }
}
