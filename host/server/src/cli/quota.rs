//! `attiva quota`.

use super::client::encoded;
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Quota {
    /// List the budgets of the vendors' instances that connections use.
    List,
    /// Show one: what is spent, who spent it, what is left, and when it frees up.
    Show {
        /// `Marketo`.
        system: String,
        /// The instance's id.
        instance: String,
    },
    /// Say what the vendor sold, or how much of it may be used, in the place of what connectors declare. What is not
    /// named is as declared. For operators.
    Limit {
        system: String,
        instance: String,
        /// Calls a day.
        #[arg(long, value_name = "CALLS")]
        day: Option<u32>,
        /// Calls at once.
        #[arg(long, value_name = "CALLS")]
        concurrent: Option<u32>,
        /// Calls in a window: `20=100`. May be given several times.
        #[arg(long = "window", value_name = "SECONDS=CALLS", value_parser = window)]
        windows: Vec<(u32, u32)>,
        /// Hundredths of the day that streams may take together, where their connector divides it.
        #[arg(long, value_name = "PERCENT")]
        streams_percent: Option<u32>,
        /// Hundredths of that for a stream: `persons=40`. May be given several times; those not named have none of their own.
        /// Without any, shares are as declared.
        #[arg(long = "stream", value_name = "STREAM=PERCENT", value_parser = share, requires = "streams_percent")]
        shares: Vec<(String, u32)>,
    },
    /// Have the limits as connectors declare them again. For operators.
    Reset { system: String, instance: String },
    /// Let calls begin that wait because the vendor said that a budget is used up. For operators.
    Release { system: String, instance: String },
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn window(text: &str) -> Result<(u32, u32), String> {
    let (seconds, calls) = text.split_once('=').ok_or("write SECONDS=CALLS")?;
    Ok((number(seconds)?, number(calls)?))
}

fn share(text: &str) -> Result<(String, u32), String> {
    let (stream, percent) = text.split_once('=').ok_or("write STREAM=PERCENT")?;
    Ok((stream.to_owned(), number(percent)?))
}

const SHARES: [Column; 4] =
    [("stream", "/stream"), ("percent", "/percent"), ("calls a day", "/calls"), ("spent", "/spent")];

const LIMITS: [Column; 8] = [
    ("limit", "/limit"),
    ("declared", "/declared"),
    ("set", "/set"),
    ("may be used", "/calls"),
    ("spent", "/spent"),
    ("left", "/left"),
    ("frees at", "/frees_at"),
    ("day ends", "/resets_at"),
];

pub(crate) fn run(command: Quota, client: &Client, output: Output) -> Result<(), Failure> {
    let place = |system: &str, instance: &str| format!("/v1/quotas/{}/{}", encoded(system), encoded(instance));
    let quota = match command {
        Quota::List => {
            let quotas = client.get("/v1/quotas")?;
            if output.is_json() {
                output.json(&quotas);
                return Ok(());
            }
            for quota in items(&quotas, "/items") {
                show(quota, output);
            }
            return Ok(());
        }
        Quota::Show { system, instance } => client.get(&place(&system, &instance))?,
        Quota::Limit { system, instance, day, concurrent, windows, streams_percent, shares } => {
            let day = day.map(|calls| json!({ "kind": "day", "calls": calls }));
            let concurrent = concurrent.map(|calls| json!({ "kind": "concurrent", "calls": calls }));
            let windows = windows
                .into_iter()
                .map(|(seconds, calls)| json!({ "kind": "window", "seconds": seconds, "calls": calls }));
            let shares: BTreeMap<String, u32> = shares.into_iter().collect();
            let shares = Some(shares).filter(|shares| !shares.is_empty());
            let streams =
                streams_percent.map(|percent| json!({ "kind": "streams", "percent": percent, "shares": shares }));
            let limits: Vec<Value> = windows.chain(concurrent).chain(day).chain(streams).collect();
            if limits.is_empty() {
                return Err(Failure::Usage(
                    "say at least one of --day, --concurrent, --window and --streams-percent".into(),
                ));
            }
            let path = format!("{}/limits", place(&system, &instance));
            client.send_json(Method::PUT, &path, &json!({ "limits": limits }))?.json()?
        }
        Quota::Reset { system, instance } => {
            client.send(Method::DELETE, &format!("{}/limits", place(&system, &instance)), None)?.json()?
        }
        Quota::Release { system, instance } => {
            client.post(&format!("{}/release", place(&system, &instance)), &json!({}))?
        }
    };
    if output.is_json() {
        output.json(&quota);
    } else {
        show(&quota, output);
    }
    Ok(())
}

fn show(quota: &Value, output: Output) {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
    output.line(&format!("{} {}", text(quota, "/instance/system"), text(quota, "/instance/id")));
    let limits = items(quota, "/limits").iter().map(|limit| {
        let mut limit = limit.clone();
        let name = match text(&limit, "/kind").as_str() {
            "window" => format!("in {} s", number(&limit, "/seconds")),
            "concurrent" => "at once".to_owned(),
            _ => "a day".to_owned(),
        };
        if let Some(limit) = limit.as_object_mut() {
            limit.insert("limit".into(), name.into());
        }
        limit
    });
    output.list(&json!({ "items": limits.collect::<Vec<_>>() }), &LIMITS);
    let shares = items(quota, "/streams").iter().map(|share| {
        let mut share = share.clone();
        if let Some(share) = share.as_object_mut() {
            share.entry("stream").or_insert_with(|| "(others)".into());
        }
        share
    });
    let shares: Vec<Value> = shares.collect();
    if !shares.is_empty() {
        output.list(&json!({ "items": shares }), &SHARES);
    }
    for spent in items(quota, "/spent") {
        let (sandbox, connection) = (text(spent, "/sandbox"), text(spent, "/connection"));
        output.line(&format!("  {} calls today by {connection} in {sandbox}", number(spent, "/calls")));
    }
    let others = number(quota, "/spent_by_others");
    if others > 0 {
        output.line(&format!("  {others} calls today by others"));
    }
    let waiting = quota.get("waiting").and_then(Value::as_object);
    for (class, count) in waiting.into_iter().flatten().filter(|(_, count)| count.as_u64() != Some(0)) {
        output.line(&format!("  {count} calls wait: {class}"));
    }
    if quota.get("foreign").is_some() {
        output.line(&format!(
            "  somebody else uses it, or its limit is lower: {} at {}, when {} were counted",
            text(quota, "/foreign/code"),
            text(quota, "/foreign/at"),
            number(quota, "/foreign/counted")
        ));
    }
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
