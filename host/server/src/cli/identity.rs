//! `attiva identity`.

use super::input::{PageArgs, json_file};
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// The rules that say which records are one.
    #[command(subcommand)]
    Rules(Rules),
    /// Which record's value survives, field by field.
    #[command(subcommand)]
    MergePolicy(Published),
    /// Tell what several connections bring of the same things, and what each alone brings.
    Overlaps,
    /// Records that are never one.
    #[command(subcommand)]
    NeverLink(NeverLink),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// Show the rules that hold.
    Show,
    /// Tell what rules would merge and split, and do to audiences, and publish nothing.
    WhatIf {
        /// JSON file with the rules; `-` for standard input.
        file: PathBuf,
        /// Records looked at, at most.
        #[arg(long)]
        records_max: Option<u32>,
    },
    /// Publish rules: every record is looked at again.
    Publish {
        /// JSON file with the rules; `-` for standard input.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Published {
    /// Show the policy that holds.
    Show,
    /// Publish a policy: every record is looked at again.
    Publish {
        /// JSON file with the policy; `-` for standard input.
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NeverLink {
    /// List them.
    List(PageArgs),
    /// Say that two records are never one.
    Add {
        /// Source keys: 7@123-ABC-456.Marketo
        a: String,
        b: String,
        #[arg(long)]
        reason: String,
    },
    /// Take it back.
    Remove { id: String },
}

const LINKS: [Column; 5] = [("id", "/id"), ("a", "/a"), ("b", "/b"), ("reason", "/reason"), ("at", "/at")];

pub(crate) fn run(command: Identity, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Identity::Rules(Rules::Show) => show(client, output, "identity/rules"),
        Identity::Rules(Rules::Publish { file }) => publish(client, output, "identity/rules", &json_file(&file)?),
        Identity::Rules(Rules::WhatIf { file, records_max }) => {
            let mut body = json!({ "rules": json_file(&file)? });
            if let (Some(body), Some(most)) = (body.as_object_mut(), records_max) {
                body.insert("records_max".into(), most.into());
            }
            told(&client.post(&client.scoped("identity/rules/what-if"), &body)?, output);
            Ok(())
        }
        Identity::MergePolicy(Published::Show) => show(client, output, "identity/merge-policy"),
        Identity::MergePolicy(Published::Publish { file }) => {
            publish(client, output, "identity/merge-policy", &json_file(&file)?)
        }
        Identity::Overlaps => {
            let columns = [("connection", "/connection"), ("entity", "/entity"), ("records", "/records")];
            let more = [("also through", "/through"), ("own fields", "/own_fields"), ("redundant", "/redundant")];
            let found = client.get(&client.scoped("identity/overlaps"))?;
            output.list(&found, &[columns, more].concat());
            if found.pointer("/whole") == Some(&Value::Bool(false)) {
                output.note("Not all records were looked at: the first 20,000 of each stream.");
            }
            Ok(())
        }
        Identity::NeverLink(NeverLink::List(page)) => {
            output.list(&client.get(&page.path(&client.scoped("identity/never-links"), &[]))?, &LINKS);
            Ok(())
        }
        Identity::NeverLink(NeverLink::Add { a, b, reason }) => {
            let body = json!({ "a": a, "b": b, "reason": reason });
            output.one(&client.post(&client.scoped("identity/never-links"), &body)?, &LINKS);
            Ok(())
        }
        Identity::NeverLink(NeverLink::Remove { id }) => {
            client.send(Method::DELETE, &client.scoped(&format!("identity/never-links/{id}")), None)?;
            Ok(())
        }
    }
}

/// A document that people edit, whole.
fn show(client: &Client, output: Output, path: &str) -> Result<(), Failure> {
    let document = client.get(&client.scoped(path))?;
    if output.is_json() {
        output.json(&document);
    } else {
        output.line(&format!("{document:#}"));
    }
    Ok(())
}

fn publish(client: &Client, output: Output, path: &str, document: &Value) -> Result<(), Failure> {
    let published = client.send_json(Method::PUT, &client.scoped(path), document)?.json()?;
    if output.is_json() {
        output.json(&published);
    } else {
        let version = published.get("version").cloned().unwrap_or_default();
        output
            .line(&format!("Version {version} holds; `attiva profile list` follows while every record is looked at."));
    }
    Ok(())
}

fn told(what_if: &Value, output: Output) {
    output.one(
        what_if,
        &[
            ("records looked at", "/records"),
            ("records stored", "/records_stored"),
            ("profiles now", "/difference/profiles_before"),
            ("profiles then", "/difference/profiles_after"),
            ("merges", "/difference/merges"),
            ("splits", "/difference/splits"),
            ("degraded", "/collapse/degraded_profiles"),
            ("segments evaluated", "/audiences/evaluated"),
        ],
    );
    if output.is_json() {
        return;
    }
    if what_if.pointer("/whole") == Some(&Value::Bool(false)) {
        let number = |pointer: &str| what_if.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
        output.line(&format!(
            "NOT ALL: of the first {} of {} records; all else would stay as it is, which it may not. --records-max looks at more, up to 200,000.",
            number("/records"),
            number("/records_stored"),
        ));
    }
    for (title, pointer) in [("MERGE", "/difference/merge_examples"), ("SPLIT", "/difference/split_examples")] {
        for example in what_if.pointer(pointer).and_then(Value::as_array).into_iter().flatten() {
            let list = |name: &str| example.get(name).cloned().unwrap_or_default();
            output.line(&format!("{title} {} because {}", list("parts"), list("because")));
        }
    }
    told_audiences(what_if, output);
}

fn told_audiences(what_if: &Value, output: Output) {
    let each = |pointer: &str| what_if.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    for change in each("/audiences/changed") {
        let number = |pointer: &str| change.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
        let name = change.get("name").and_then(Value::as_str).unwrap_or_default();
        output.line(&format!(
            "AUDIENCE {name:?} {} to {}: {} enter, {} leave, {} fewer by merges, {} more by splits",
            number("/members_before"),
            number("/members_after"),
            number("/entering/count"),
            number("/leaving/count"),
            number("/joined"),
            number("/divided"),
        ));
        for (verb, pointer) in [("enters", "/entering/examples"), ("leaves", "/leaving/examples")] {
            for example in change.pointer(pointer).and_then(Value::as_array).into_iter().flatten() {
                let profile = example.get("profile").and_then(Value::as_str).unwrap_or_default();
                output.line(&format!("  {verb} {profile} {}", example.get("records").cloned().unwrap_or_default()));
            }
        }
    }
    for left_out in each("/audiences/left_out") {
        let said = |name: &str| left_out.get(name).and_then(Value::as_str).unwrap_or_default();
        output.line(&format!("LEFT OUT {:?}: {}", said("name"), said("why")));
    }
    if what_if.pointer("/audiences/steady") == Some(&Value::Bool(false)) {
        output.line("Records or profiles changed meanwhile: audiences may be of a moment ago.");
    }
}
