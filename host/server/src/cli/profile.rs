//! `attiva profile`.

use super::client::encoded;
use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::{Value, json};
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Profile {
    /// List profiles, or find one by what identifies it.
    List {
        /// Find by an e-mail address.
        #[arg(long, conflicts_with = "source_key")]
        email: Option<String>,
        /// Find by a source key: 7@123-ABC-456.Marketo
        #[arg(long)]
        source_key: Option<String>,
        /// Find by the beginning of an e-mail address.
        #[arg(long, conflicts_with_all = ["email", "source_key"])]
        email_prefix: Option<String>,
        /// Find by the beginning of a name: a person's first or last, or what anything else is called.
        #[arg(long, conflicts_with_all = ["email", "source_key", "email_prefix"])]
        name: Option<String>,
        /// Of another entity than persons: account, opportunity.
        #[arg(long)]
        entity: Option<String>,
        /// Only those that a limit keeps records out of.
        #[arg(long)]
        degraded: bool,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show a profile with its sources and segments.
    Show { profile: String },
    /// Show what a profile hangs together with: attiva profile related acc_… opportunities
    Related {
        profile: String,
        /// Absent: the ways there are.
        relation: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Tell why a profile has its values and its records.
    Explain { profile: String },
    /// Choose a field's value: attiva profile pin prf_… job_title CEO
    Pin {
        profile: String,
        field: String,
        /// Absent: none, the field is kept empty. Text, or JSON for another type.
        #[arg(conflicts_with = "record")]
        value: Option<String>,
        /// What this record says, by its source key.
        #[arg(long)]
        record: Option<String>,
    },
    /// Take a choice back: the merge policy decides again.
    Unpin { profile: String, field: String },
    /// List what was chosen for a profile, by whom and when.
    Pins { profile: String },
    /// List what happened to a person, newest first.
    Events {
        profile: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// List the audiences that a profile is in, and was in.
    Memberships {
        profile: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Divide a profile for good: attiva profile unmerge prf_… --reason "two people" 7@123-ABC-456.Marketo
    Unmerge {
        profile: String,
        /// Records to take out together: source keys.
        #[arg(required = true)]
        records: Vec<String>,
        #[arg(long)]
        reason: String,
    },
}

const COLUMNS: [Column; 7] = [
    ("id", "/id"),
    ("name", "/attributes/name"),
    ("email", "/attributes/email"),
    ("first name", "/attributes/first_name"),
    ("last name", "/attributes/last_name"),
    ("company", "/attributes/company_name"),
    ("records", "/records"),
];

pub(crate) fn run(command: Profile, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Profile::List { email, source_key, email_prefix, name, entity, degraded, page } => {
            let (namespace, value) = match (&email, &source_key) {
                (Some(email), _) => (Some("email"), Some(email.as_str())),
                (None, Some(key)) => (Some("source_key"), Some(key.as_str())),
                (None, None) => (email_prefix.as_ref().map(|_| "email"), None),
            };
            let filter = [
                ("entity", entity.as_deref()),
                ("namespace", namespace),
                ("value", value),
                ("prefix", email_prefix.as_deref()),
                ("name", name.as_deref()),
                ("degraded", degraded.then_some("true")),
            ];
            output.list(&client.get(&page.path(&client.scoped("profiles"), &filter))?, &COLUMNS);
        }
        Profile::Related { profile, relation, page } => {
            let place = client.scoped(&format!("profiles/{}/related", encoded(&profile)));
            match relation {
                Some(relation) => {
                    let path = page.path(&format!("{place}/{}", encoded(&relation)), &[]);
                    output.list(&client.get(&path)?, &COLUMNS);
                }
                None => output.list(&client.get(&place)?, &[("relation", "/name"), ("to", "/to"), ("field", "/field")]),
            }
        }
        Profile::Show { profile } => show(&client.get(&client.scoped(&format!("profiles/{profile}")))?, *output),
        Profile::Explain { profile } => {
            explain(&client.get(&client.scoped(&format!("profiles/{profile}/explanation")))?, *output);
        }
        Profile::Pin { profile, field, value, record } => {
            let path = client.scoped(&format!("profiles/{}/pins/{}", encoded(&profile), encoded(&field)));
            let body = match record {
                Some(record) => json!({ "record": record }),
                None => json!({ "value": value.map_or(Value::Null, |text| typed(&text)) }),
            };
            output.one(&client.send_json(Method::PUT, &path, &body)?.json()?, &PINS);
        }
        Profile::Unpin { profile, field } => {
            let path = client.scoped(&format!("profiles/{}/pins/{}", encoded(&profile), encoded(&field)));
            client.send(Method::DELETE, &path, None)?;
        }
        Profile::Pins { profile } => {
            output.list(&client.get(&client.scoped(&format!("profiles/{}/pins", encoded(&profile))))?, &PINS);
        }
        Profile::Events { profile, page } => {
            let path = page.path(&client.scoped(&format!("profiles/{}/events", encoded(&profile))), &[]);
            output.list(&client.get(&path)?, &[("time", "/time"), ("type", "/type"), ("source", "/source_key")]);
        }
        Profile::Memberships { profile, page } => {
            let path = page.path(&client.scoped(&format!("profiles/{}/memberships", encoded(&profile))), &[]);
            let columns = [("segment", "/segment"), ("status", "/status"), ("at", "/at"), ("cause", "/cause")];
            output.list(&client.get(&path)?, &columns);
        }
        Profile::Unmerge { profile, records, reason } => {
            let body = json!({ "groups": [records], "reason": reason });
            let unmerged = client.post(&client.scoped(&format!("profiles/{profile}/unmerge")), &body)?;
            let pairs = json!({ "items": unmerged.get("never_links").cloned().unwrap_or_default() });
            output.list(&pairs, &[("never link", "/id"), ("a", "/a"), ("b", "/b")]);
        }
    }
    Ok(())
}

const PINS: [Column; 5] =
    [("field", "/field"), ("value", "/value"), ("record", "/record"), ("by", "/by"), ("at", "/at")];

/// A list, a number, a truth value or quoted text as JSON; everything else is text.
fn typed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn explain(explanation: &Value, output: Output) {
    if output.is_json() {
        return output.json(explanation);
    }
    output.one(explanation, &[("profile", "/profile"), ("joined by", "/level"), ("degraded", "/degraded")]);
    let part = |name: &str| json!({ "items": explanation.get(name).cloned().unwrap_or_default() });
    let fields: [Column; 5] = [
        ("field", "/field"),
        ("value", "/value"),
        ("why", "/why"),
        ("record", "/from/source_key"),
        ("expression", "/from/expression"),
    ];
    output.list(&part("fields"), &fields);
    let links: [Column; 4] =
        [("joined by", "/identity/namespace"), ("value", "/identity/value"), ("from", "/from"), ("to", "/to")];
    output.list(&part("links"), &links);
    output.list(&part("held"), &[("held back", "/reason"), ("records", "/records")]);
}

fn show(profile: &Value, output: Output) {
    if output.is_json() {
        return output.json(profile);
    }
    output.one(profile, &[("id", "/id"), ("changed", "/changed_at"), ("segments", "/segments")]);
    for (name, value) in profile.get("attributes").and_then(Value::as_object).into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        output.line(&format!("  {name:20} {plain}"));
    }
    let sources = serde_json::json!({ "items": profile.get("sources").cloned().unwrap_or_default() });
    output.list(&sources, &[("source", "/source_key"), ("connection", "/connection"), ("changed", "/changed_at")]);
}
