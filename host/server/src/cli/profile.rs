//! `attiva profile`.

use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::Value;

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
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show a profile with its sources and segments.
    Show { profile: String },
}

const COLUMNS: [Column; 6] = [
    ("id", "/id"),
    ("email", "/attributes/email"),
    ("first name", "/attributes/first_name"),
    ("last name", "/attributes/last_name"),
    ("company", "/attributes/company_name"),
    ("records", "/records"),
];

pub(crate) fn run(command: Profile, client: &Client, output: &Output) -> Result<(), Failure> {
    match command {
        Profile::List { email, source_key, page } => {
            let (namespace, value) = match (&email, &source_key) {
                (Some(email), _) => (Some("email"), Some(email.as_str())),
                (None, Some(key)) => (Some("source_key"), Some(key.as_str())),
                (None, None) => (None, None),
            };
            let path = page.path(&client.scoped("profiles"), &[("namespace", namespace), ("value", value)]);
            output.list(&client.get(&path)?, &COLUMNS);
        }
        Profile::Show { profile } => show(&client.get(&client.scoped(&format!("profiles/{profile}")))?, *output),
    }
    Ok(())
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
