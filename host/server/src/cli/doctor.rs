//! `attiva doctor`: what is wrong between this machine, the host and its vendors; one line for each look, and the
//! first thing to do where something is.

use super::output::Output;
use super::{Client, Failure, Global};
use crate::exit::Exit;
use serde_json::{Value, json};

/// What one look found: what was looked at, and what is wrong.
type Look = (String, Result<String, String>);

pub(crate) fn run(global: &Global, output: &Output) -> Result<Exit, Failure> {
    let client = Client::new(global)?;
    let mut looks: Vec<Look> = Vec::new();
    examine(&client, &mut looks);
    let is_well = looks.iter().all(|(_, found)| found.is_ok());
    if output.is_json() {
        let look = |(what, found): &Look| json!({ "look": what, "well": found.is_ok(), "detail": detail(found) });
        output.json(&json!({ "well": is_well, "looks": looks.iter().map(look).collect::<Vec<_>>() }));
    } else {
        for (what, found) in &looks {
            let mark = if found.is_ok() { "well " } else { "WRONG" };
            output.line(&format!("{mark}  {what}: {}", detail(found)));
        }
    }
    Ok(if is_well { Exit::Done } else { Exit::Fault })
}

fn detail(found: &Result<String, String>) -> &str {
    match found {
        Ok(text) | Err(text) => text,
    }
}

/// Looks from the near to the far; what depends on something broken is not looked at.
fn examine(client: &Client, looks: &mut Vec<Look>) {
    let told = |failure: Failure| advice(&failure);
    let get = |path: &str| client.send(ureq::http::Method::GET, path, None);
    let health = get("/healthz").map(|_| format!("answers at {}", client.url())).map_err(told);
    let reachable = health.is_ok();
    looks.push(("host".into(), health));
    if !reachable {
        return;
    }
    looks.push(("stores".into(), get("/readyz").map(|_| "answer".into()).map_err(told)));
    let plugins = all(client, "/v1/plugins");
    let known = plugins.is_ok() || plugins.as_ref().is_err_and(is_of_scope);
    let key = if known { Ok("is accepted".into()) } else { plugins.as_ref().map(|_| String::new()).map_err(advice) };
    looks.push(("API key".into(), key));
    if !known {
        return;
    }
    looks.push(("plugins".into(), plugins.map_or_else(|_| Ok(NOT_LOOKED_AT.to_owned()), |all| examine_plugins(&all))));
    let projection = client.get(&client.scoped("projection")).map_err(told).map(|p| match p.get("caught_up") {
        Some(Value::Bool(true)) => "profiles and segments are up to date".to_owned(),
        _ => "profiles and segments are catching up".to_owned(),
    });
    let sandbox = projection.is_ok();
    looks.push(("sandbox".into(), projection));
    if sandbox {
        looks.push(("disk".into(), examine_disk(client)));
        examine_freshness(client, looks);
        examine_connections(client, looks);
    }
}

/// What a key of the role is not shown is not looked at, and nothing is wrong with that.
const NOT_LOOKED_AT: &str = "are not looked at: the key may not read them";

fn is_of_scope(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(problem) if problem.code == "key.scope")
}

fn advice(failure: &Failure) -> String {
    format!("{failure}. {}", failure.action())
}

/// Everything of a listing, page by page.
fn all(client: &Client, path: &str) -> Result<Vec<Value>, Failure> {
    let (mut items, mut place) = (Vec::new(), format!("{path}?limit=100"));
    loop {
        let mut page = client.get(&place)?;
        if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
            items.extend(found);
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(cursor) => place = format!("{path}?limit=100&cursor={cursor}"),
            None => return Ok(items),
        }
    }
}

/// How many may be used, and which of the others somebody should look at.
fn examine_plugins(plugins: &[Value]) -> Result<String, String> {
    let text = |plugin: &Value, name: &str| plugin.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let of =
        |stage: &str| plugins.iter().filter(|p| text(p, "stage") == stage).map(|p| text(p, "id")).collect::<Vec<_>>();
    let (ready, waiting, stopped) = (of("ready").len(), of("awaiting-approval"), of("quarantined"));
    if !stopped.is_empty() {
        let what = stopped.join(", ");
        return Err(format!("in quarantine: {what}. `attiva audit` says why, `attiva plugin release` lets one go on"));
    }
    if ready == 0 {
        return Err("none is ready; the host's log says why".into());
    }
    let waits = if waiting.is_empty() { String::new() } else { format!("; for approval waits {}", waiting.join(", ")) };
    Ok(format!("{ready} ready{waits}"))
}

fn examine_disk(client: &Client) -> Result<String, String> {
    let disk = client.get(&client.scoped("disk")).map_err(|f| format!("{f}. {}", f.action()))?;
    let text = |pointer: &str| disk.pointer(pointer).and_then(Value::as_str);
    let mib = |name: &str| disk.get(name).and_then(Value::as_u64).unwrap_or_default() >> 20;
    match text("/fault/message") {
        Some(message) => Err(format!("{message}. {}", text("/fault/action").unwrap_or_default())),
        None => {
            let warning = text("/warning").map(|warning| format!("; {warning}")).unwrap_or_default();
            Ok(format!("the sandbox takes {} MiB, {} MiB are free{warning}", mib("used_bytes"), mib("free_bytes")))
        }
    }
}

/// What is older than somebody wants it to be; one line for all that is not.
fn examine_freshness(client: &Client, looks: &mut Vec<Look>) {
    let found = match client.get(&client.scoped("freshness")) {
        Ok(found) => found,
        Err(failure) => return looks.push(("freshness".into(), Err(format!("{failure}. {}", failure.action())))),
    };
    let items = found.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut within = 0;
    for item in items {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let what = match (text("connection"), text("stream"), text("activation")) {
            (Some(connection), Some(stream), _) => format!("freshness of {stream} of {connection}"),
            (_, _, activation) => format!("freshness of {}", activation.unwrap_or_default()),
        };
        let seconds = |name: &str| item.get(name).and_then(Value::as_u64);
        match item.get("within").and_then(Value::as_bool) {
            Some(true) => within += 1,
            Some(false) => {
                let target = seconds("target_seconds").unwrap_or_default();
                let age = seconds("age_seconds").map_or("was never fresh".to_owned(), |age| format!("is {age} s old"));
                let action = if text("activation").is_some() {
                    "Look at its last delivery: `attiva delivery list --activation`"
                } else {
                    "Look at its last run: `attiva run list --connection`"
                };
                looks.push((what, Err(format!("it {age}; {target} s at most are wanted. {action}"))));
            }
            None => {}
        }
    }
    if within > 0 {
        looks.push(("freshness".into(), Ok(format!("{within} are within their targets"))));
    }
}

fn examine_connections(client: &Client, looks: &mut Vec<Look>) {
    let connections = match all(client, &client.scoped("connections")) {
        Ok(all) => all,
        Err(failure) if is_of_scope(&failure) => return looks.push(("connections".into(), Ok(NOT_LOOKED_AT.into()))),
        Err(failure) => return looks.push(("connections".into(), Err(advice(&failure)))),
    };
    for connection in &connections {
        let text = |pointer: &str| connection.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let what = format!("connection {} ({})", text("/id"), text("/name"));
        let consent = client.get(&client.scoped(&format!("connections/{}/authorization", text("/id"))));
        if let Some(warning) = consent.ok().as_ref().and_then(|c| c.get("warning")).and_then(Value::as_str) {
            looks.push((format!("consent of {}", text("/id")), Err(warning.to_owned())));
        }
        let schema = client.get(&client.scoped(&format!("connections/{}/schema", text("/id"))));
        if let Some(waits) = schema.ok().as_ref().and_then(waits_for_approval) {
            looks.push((format!("schema of {} ({})", text("/id"), text("/name")), Err(waits)));
        }
        let checked = client.post(&client.scoped(&format!("connections/{}/check", text("/id"))), &json!({}));
        let found = match &checked {
            Ok(checked) => first_failed(checked).map_or_else(|| Ok("all tests passed".to_owned()), Err),
            Err(failure) => Err(format!("{failure}. {}", failure.action())),
        };
        looks.push((what, found));
    }
}

/// Which streams have changed at the vendor, where somebody has to say what becomes of that.
fn waits_for_approval(schema: &Value) -> Option<String> {
    let pending = schema.get("pending").and_then(Value::as_array).filter(|pending| !pending.is_empty())?;
    let told = |one: &Value| {
        let stream = one.get("stream").and_then(Value::as_str).unwrap_or_default();
        format!("{stream}: {}", super::connection_settings::told(one))
    };
    let streams: Vec<String> = pending.iter().map(told).collect();
    Some(format!(
        "changed at the vendor and waiting for approval: {}. Look at it, then `attiva connection approve-schema`",
        streams.join("; ")
    ))
}

fn first_failed(checked: &Value) -> Option<String> {
    let tests = checked.get("tests").and_then(Value::as_array)?;
    let failed = tests.iter().find(|t| t.get("fault").is_some_and(|f| !f.is_null()))?;
    let text = |pointer: &str| failed.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    Some(format!("{}: {} {}", text("/title"), text("/fault/message"), text("/fault/action")))
}
