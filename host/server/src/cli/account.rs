//! `attiva account`.

use super::client::encoded;
use super::input::json_file;
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// The rules that match persons to accounts where no source does.
    #[command(subcommand)]
    Matching(Matching),
    /// Tell which account a person belongs to by matching, and why, or why to none.
    Match { person: String },
    /// Show an account's family: the way up, and what is rolled up.
    Hierarchy { account: String },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Matching {
    /// Show the rules that hold.
    Show,
    /// Publish rules: everybody is matched anew.
    Publish {
        /// JSON file with the rules; `-` for standard input.
        file: PathBuf,
    },
}

pub(crate) fn run(command: Account, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Account::Matching(Matching::Show) => output.json(&client.get(&client.scoped("account-matching"))?),
        Account::Matching(Matching::Publish { file }) => {
            let path = client.scoped("account-matching");
            output.json(&client.send_json(Method::PUT, &path, &json_file(&file)?)?.json()?);
        }
        Account::Match { person } => {
            matched(&client.get(&client.scoped(&format!("profiles/{}/account-match", encoded(&person))))?, output);
        }
        Account::Hierarchy { account } => {
            family(&client.get(&client.scoped(&format!("profiles/{}/hierarchy", encoded(&account))))?, output);
        }
    }
    Ok(())
}

fn matched(found: &Value, output: Output) {
    if output.is_json() {
        return output.json(found);
    }
    output.one(found, &[("outcome", "/outcome"), ("why", "/why"), ("account", "/account")]);
    // The one it is matched to, or those that came near.
    let best = match found.get("best") {
        Some(Value::Array(best)) => best.clone(),
        Some(best) => vec![best.clone()],
        None => Vec::new(),
    };
    let evidence = best.iter().flat_map(|scored| {
        let of = scored.get("evidence").and_then(Value::as_array).cloned().unwrap_or_default();
        of.into_iter().map(move |evidence| json!({ "scored": scored, "evidence": evidence }))
    });
    let columns: [Column; 6] = [
        ("account", "/scored/account"),
        ("score", "/scored/score"),
        ("what", "/evidence/what"),
        ("points", "/evidence/points"),
        ("person says", "/evidence/lead"),
        ("account says", "/evidence/account"),
    ];
    output.list(&json!({ "items": evidence.collect::<Vec<_>>() }), &columns);
}

fn family(hierarchy: &Value, output: Output) {
    if output.is_json() {
        return output.json(hierarchy);
    }
    let shown = [
        ("ultimate parent", "/ultimate"),
        ("way up", "/path"),
        ("ends at", "/end"),
        ("accounts", "/accounts"),
        ("cut off", "/cut_off"),
    ];
    output.one(hierarchy, &shown);
    let rolled = json!({ "items": hierarchy.get("roll_ups").cloned().unwrap_or_default() });
    let columns: [Column; 5] = [
        ("roll-up", "/name"),
        ("value", "/value"),
        ("currency", "/currency"),
        ("accounts", "/accounts"),
        ("left out", "/left_out"),
    ];
    output.list(&rolled, &columns);
}
