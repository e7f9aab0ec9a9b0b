//! `attiva plugin`.

use super::input::{self, PageArgs};
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::Value;
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Install a component.
    Install {
        /// The component; `-` for standard input.
        file: PathBuf,
    },
    /// List what is installed.
    List(PageArgs),
    /// Show what a plugin says of itself, and what that allows it.
    Inspect {
        /// `source-marketo`, or `source-marketo@0.1.0`.
        plugin: String,
    },
}

const COLUMNS: [Column; 6] = [
    ("id", "/id"),
    ("title", "/title"),
    ("publisher", "/publisher"),
    ("source", "/source"),
    ("destination", "/destination"),
    ("bundled", "/bundled"),
];

pub(crate) fn run(command: Plugin, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Plugin::Install { file } => {
            let body = ("application/wasm", input::bytes(&file)?);
            let installed = client.send(Method::POST, "/v1/plugins", Some(body))?;
            output.one(&installed.json()?, &COLUMNS);
            output.note(if installed.status == 201 { "Installed." } else { "It was installed already." });
        }
        Plugin::List(page) => output.list(&client.get(&page.path("/v1/plugins", &[]))?, &COLUMNS),
        Plugin::Inspect { plugin } => inspect(&client.get(&format!("/v1/plugins/{plugin}"))?, *output),
    }
    Ok(())
}

fn inspect(plugin: &Value, output: Output) {
    if output.is_json() {
        return output.json(plugin);
    }
    output.one(plugin, &COLUMNS);
    output.one(plugin, &[("digest", "/digest"), ("bytes", "/bytes"), ("description", "/spec/description")]);
    output.line("\nMay call (everything else is denied):");
    for origin in items(plugin, "/policy/egress") {
        let rules = items(origin, "/rules").iter().map(rule).collect::<Vec<_>>().join("; ");
        output.line(&format!("  {}  {}  {rules}", str_of(origin, "/name"), str_of(origin, "/url")));
    }
    output.line("\nCredentials, used by the host and never shown to it:");
    for credential in items(plugin, "/policy/credentials") {
        output.line(&format!("  {}  {}", str_of(credential, "/name"), str_of(credential, "/how/method")));
    }
    output.line("\nConfiguration:");
    let schema = plugin.pointer("/spec/configuration").cloned().unwrap_or_default();
    let required = items(&schema, "/required");
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let is_required = required.iter().any(|r| r.as_str() == Some(name));
        let secret = property.get("writeOnly").and_then(Value::as_bool).unwrap_or(false);
        let marks = [(is_required, "required"), (secret, "secret")].into_iter().filter_map(|(is, m)| is.then_some(m));
        let marks: Vec<&str> = std::iter::once(str_of(property, "/type")).chain(marks).collect();
        output.line(&format!("  {name} ({})  {}", marks.join(", "), str_of(property, "/title")));
    }
}

fn rule(rule: &Value) -> String {
    let methods: Vec<&str> = items(rule, "/methods").iter().filter_map(Value::as_str).collect();
    format!("{} {} ({})", methods.join(","), str_of(rule, "/path"), str_of(rule, "/access"))
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn str_of<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
