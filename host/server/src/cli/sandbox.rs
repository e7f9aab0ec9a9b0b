//! `attiva sandbox`.

use super::client::encoded;
use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::json;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// List the organisation's sandboxes.
    List(PageArgs),
    /// Make one.
    Create {
        /// Lower-case letters, digits and dashes.
        name: String,
    },
    /// Remove one for good, with all that is in it.
    Remove {
        name: String,
        /// Only tell what would go.
        #[arg(long)]
        dry_run: bool,
    },
}

const COLUMNS: [Column; 4] = [
    ("name", "/name"),
    ("organisation", "/organisation"),
    ("created", "/created_at"),
    ("removing since", "/removing_since"),
];

pub(crate) const CONTENTS: [Column; 9] = [
    ("sandbox", "/sandbox"),
    ("connections", "/connections"),
    ("segments", "/segments"),
    ("activations", "/activations"),
    ("runs", "/runs"),
    ("deliveries", "/deliveries"),
    ("profiles", "/profiles"),
    ("disk bytes", "/disk_bytes"),
    ("going", "/going"),
];

/// A removal that only tells.
pub(crate) fn dry(path: &str) -> String {
    format!("{path}?dry_run=true")
}

pub(crate) fn run(command: Sandbox, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Sandbox::List(page) => output.list(&client.get(&page.path("/v1/sandboxes", &[]))?, &COLUMNS),
        Sandbox::Create { name } => output.one(&client.post("/v1/sandboxes", &json!({ "name": name }))?, &COLUMNS),
        Sandbox::Remove { name, dry_run } => {
            let path = format!("/v1/sandboxes/{}", encoded(&name));
            if dry_run {
                output.one(&client.send(Method::DELETE, &dry(&path), None)?.json()?, &CONTENTS);
            } else {
                client.send(Method::DELETE, &path, None)?;
                output.note(&format!("{name} is removed."));
            }
        }
    }
    Ok(())
}
