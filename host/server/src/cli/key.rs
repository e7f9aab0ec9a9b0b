//! `attiva key`.

use super::client::encoded;
use super::input::PageArgs;
use super::output::Output;
use super::{Client, Failure, Global};
use crate::app::App;
use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make an API key; it is shown once.
    Create {
        /// Whose it is, or what for.
        #[arg(long, default_value = "from the command line")]
        name: String,
        /// A key that may do what is for operators of the host. Only an operator's key makes one.
        #[arg(long, conflicts_with_all = ["organisation", "data_dir"])]
        operator: bool,
        /// For another organisation; for operators.
        #[arg(long, value_name = "ID", conflicts_with = "data_dir")]
        organisation: Option<String>,
        /// Make an operator's key in a data directory that no host has open, for whoever has lost every key.
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// List the organisation's keys.
    List(PageArgs),
    /// Make a key useless.
    Revoke { key: String },
}

pub(crate) fn run(command: Key, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        Key::Create { name, data_dir: Some(data_dir), .. } => show(&create_offline(&data_dir, &name)?, *output),
        Key::Create { name, organisation: Some(organisation), .. } => {
            let path = format!("/v1/organisations/{}/keys", encoded(&organisation));
            show(&Client::new(global)?.post(&path, &json!({ "name": name }))?, *output);
        }
        Key::Create { name, operator, .. } => {
            show(&Client::new(global)?.post("/v1/keys", &json!({ "name": name, "operator": operator }))?, *output);
        }
        Key::List(page) => {
            let keys = Client::new(global)?.get(&page.path("/v1/keys", &[]))?;
            let columns = [
                ("id", "/id"),
                ("name", "/name"),
                ("operator", "/operator"),
                ("created", "/created_at"),
                ("revoked", "/revoked_at"),
            ];
            output.list(&keys, &columns);
        }
        Key::Revoke { key } => {
            Client::new(global)?.send(ureq::http::Method::DELETE, &format!("/v1/keys/{key}"), None)?;
            output.note(&format!("{key} is revoked."));
        }
    }
    Ok(())
}

fn show(key: &Value, output: Output) {
    if output.is_json() {
        return output.json(key);
    }
    output.line(key.get("key").and_then(Value::as_str).unwrap_or_default());
    output.note("Shown this once. To use it: export ATTIVA_KEY=<key>");
}

/// Opens the data directory as a host would, so that it is locked, and migrated, and nothing else is done in it.
fn create_offline(data_dir: &Path, name: &str) -> Result<Value, Failure> {
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let made = runtime.block_on(App::create_key_offline(data_dir, name));
    let new = made.map_err(|refusal| anyhow::anyhow!("{}: {}", data_dir.display(), refusal.fault.message))?;
    Ok(json!({ "id": new.key.id, "name": new.key.name, "key": new.text }))
}
