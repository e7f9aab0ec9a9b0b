//! Which audiences there are: records with answers that are known by hand, and where each goes. Every scenario has people and
//! companies of its own, told apart by its number.

mod companies;
mod everywhere;
mod people;

use super::sinks::Sink;
use super::{Leaving, Scenario, Stage};
use anyhow::Result;
use attiva_core::time::format_timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) type System = (&'static str, &'static str);

const WEB: System = ("Web", "w");
const CRM: System = ("Salesforce", "00D1");
/// The Marketo that is read and written; what it knows is read by its connector.
const OURS: System = ("Marketo", "123-ABC-456");
/// Two others, without connections.
const NORTH: System = ("Marketo", "111-AAA-111");
const SOUTH: System = ("Marketo", "222-BBB-222");

const DECIDES: &str = "Decision Maker";

struct Connections {
    marketo: String,
    linkedin: String,
    files: String,
}

pub(super) fn all(stage: &mut Stage<'_>) -> Result<Vec<Scenario>> {
    let to = connections(stage)?;
    let mut all = vec![
        people::decision_makers(stage, &to)?,
        people::streaming_on_batch(stage, &to)?,
        people::win_back(stage, &to)?,
    ];
    all.extend(everywhere::bodea(stage, &to)?);
    all.push(companies::buying_group(stage, &to)?);
    all.push(companies::cross_sell(stage, &to)?);
    all.extend(everywhere::high_scores(stage, &to)?);
    Ok(all)
}

fn connections(stage: &mut Stage<'_>) -> Result<Connections> {
    let Stage { vendors, host, journey, .. } = stage;
    let config = vendors.marketo.config();
    let configuration =
        json!({ "munchkin_id": OURS.1, "client_id": config.client_id, "client_secret": config.client_secret });
    let marketo = journey.connect(host, "destination-marketo", &configuration, "api", &vendors.marketo.base_url())?;
    let (linkedin, url) = (&vendors.linkedin, vendors.linkedin.base_url());
    let config = linkedin.config();
    let body = json!({ "name": "ads", "plugin": "destination-linkedin", "grants": { "api": url, "login": url },
        "configuration": { "account_id": config.account.to_string(), "source_platform": config.source_platform,
            "client_id": config.client_id, "client_secret": config.client_secret,
            "refresh_token": linkedin.refresh_token() } });
    let linkedin = journey.made(host, "connections", &body)?;
    let files = journey.connect_s3(host, &json!({ "gzip": true }))?;
    Ok(Connections { marketo, linkedin, files })
}

fn sends(segment: &str, connection: &str, object: &str, mapping: &Value, options: &Value) -> Value {
    json!({ "segment": segment, "connection": connection, "target": { "object": object, "options": options }, "mapping": mapping })
}

/// A file for each row, of what has changed.
fn files(segment: &str, connection: &str, mapping: &Value) -> Value {
    let mut sends =
        sends(segment, connection, "file", mapping, &json!({ "operation_column": "operation", "rows_per_file": 1 }));
    sends["export"] = "incremental".into();
    sends
}

/// What a list of Marketo shows: these, and the one whom others put there.
fn listed(who: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = who.iter().map(|it| (*it).to_owned()).chain(Sink::Marketo.others()).collect();
    all.sort();
    all
}

fn hashed(email: &str) -> String {
    json!([{ "idType": "SHA256_EMAIL", "idValue": hex::encode(Sha256::digest(email)) }]).to_string()
}

fn segment(stage: &mut Stage<'_>, name: &str, entity: &str, expression: &str) -> Result<String> {
    let body = json!({ "name": name, "entity": entity, "expression": expression });
    stage.journey.made(&mut stage.host, "segments", &body)
}

/// A record that is deleted, whenever it was changed.
fn gone(id: &str) -> Value {
    json!([{ "id": id, "kind": "deleted", "at": "2100-01-01T00:00:00Z" }])
}

pub(super) fn send(stage: &mut Stage<'_>, (system, id): System, entity: &str, records: &Value) -> Result<()> {
    let body = json!({ "source": { "system": system, "id": id }, "entity": entity, "records": records });
    stage.post("records", &body)?;
    stage.journey.caught_up(&mut stage.host)
}

fn lead(stage: &Stage<'_>, values: &Value) -> Result<u64> {
    stage.vendors.marketo.create_lead(values.clone()).map_err(|refused| anyhow::anyhow!("{refused:?}"))
}

fn key(id: &str, (system, instance): System) -> String {
    format!("{id}@{instance}.{system}")
}

fn ago(days: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format_timestamp(i64::try_from(now.as_millis()).unwrap_or_default() - days * 86_400_000)
}

fn day(days: i64) -> String {
    ago(days).chars().take(10).collect()
}
