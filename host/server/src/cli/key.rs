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
    Create(Create),
    /// List the organisation's keys.
    List(PageArgs),
    /// Show what each role may do.
    Roles,
    /// Give a key another secret; the one before is good for a while more.
    Rotate {
        /// Its id.
        // A name of its own: what the whole program takes as `--key` is the key that asks.
        #[arg(id = "rotated", value_name = "KEY")]
        key: String,
        /// How long the secret before is good as well, in seconds (default: a day); 0: not at all.
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<u32>,
    },
    /// Make a key useless.
    Revoke {
        /// Its id.
        #[arg(id = "revoked", value_name = "KEY")]
        key: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Whose it is, or what for.
    #[arg(long, default_value = "from the command line")]
    name: String,
    /// What it may do: `operator`, `administrator` (unless scopes are named), `analyst`, `partner` or `auditor`.
    #[arg(long, conflicts_with = "data_dir")]
    role: Option<String>,
    /// What it may do beside its role: `records:write`. Can be repeated; `attiva key roles` lists them.
    #[arg(long = "scope", value_name = "SCOPE", conflicts_with = "data_dir")]
    scopes: Vec<String>,
    /// Bind it to one sandbox.
    #[arg(id = "only", long = "only", value_name = "SANDBOX", conflicts_with = "data_dir")]
    sandbox: Option<String>,
    /// The same as `--role operator`.
    #[arg(long, conflicts_with_all = ["role", "organisation", "data_dir"])]
    operator: bool,
    /// For another organisation; for operators.
    #[arg(long, value_name = "ID", conflicts_with = "data_dir")]
    organisation: Option<String>,
    /// Make an operator's key in a data directory that no host has open, for whoever has lost every key.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Create {
    fn run(self, global: &Global, output: Output) -> Result<(), Failure> {
        let Self { name, role, scopes, sandbox, operator, organisation, data_dir } = self;
        if let Some(data_dir) = data_dir {
            show(&create_offline(&data_dir, &name)?, output);
            return Ok(());
        }
        let mut body = json!({ "name": name, "scopes": scopes });
        if let Some(role) = role.or(operator.then(|| "operator".to_owned())) {
            body["role"] = role.into();
        }
        if let Some(sandbox) = sandbox {
            body["sandbox"] = sandbox.into();
        }
        let path = match organisation {
            Some(organisation) => format!("/v1/organisations/{}/keys", encoded(&organisation)),
            None => "/v1/keys".to_owned(),
        };
        show(&Client::new(global)?.post(&path, &body)?, output);
        Ok(())
    }
}

pub(crate) fn run(command: Key, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        Key::Create(create) => create.run(global, *output)?,
        Key::List(page) => {
            let keys = Client::new(global)?.get(&page.path("/v1/keys", &[]))?;
            let columns = [
                ("id", "/id"),
                ("name", "/name"),
                ("role", "/role"),
                ("sandbox", "/sandbox"),
                ("created", "/created_at"),
                ("last used", "/last_used_at"),
                ("rotated", "/rotated_at"),
                ("revoked", "/revoked_at"),
            ];
            output.list(&keys, &columns);
        }
        Key::Roles => {
            let roles = Client::new(global)?.get("/v1/roles")?;
            if output.is_json() {
                output.json(&roles);
            } else {
                roles_shown(&roles, *output);
            }
        }
        Key::Rotate { key, overlap } => {
            let body = overlap.map_or_else(|| json!({}), |seconds| json!({ "overlap_seconds": seconds }));
            let rotated = Client::new(global)?.post(&format!("/v1/keys/{}/rotate", encoded(&key)), &body)?;
            show(&rotated, *output);
            if let Some(until) = rotated.get("before_until").and_then(Value::as_str).filter(|_| overlap != Some(0)) {
                output.note(&format!("The secret before is good until {until}."));
            }
        }
        Key::Revoke { key } => {
            let path = format!("/v1/keys/{}", encoded(&key));
            Client::new(global)?.send(ureq::http::Method::DELETE, &path, None)?;
            output.note(&format!("{key} is revoked."));
        }
    }
    Ok(())
}

/// A line for each scope, with the roles that have it.
fn roles_shown(answer: &Value, output: Output) {
    let items = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let roles = items("roles");
    let rows: Vec<Value> = items("scopes")
        .iter()
        .map(|scope| {
            let name = text(scope, "scope");
            let has = |role: &&Value| {
                let scopes = role.get("scopes").and_then(Value::as_array);
                scopes.is_some_and(|scopes| scopes.iter().any(|each| *each == *name))
            };
            let having: Vec<String> = roles.iter().filter(has).map(|role| text(role, "role")).collect();
            json!({ "scope": name, "roles": having.join(", "), "what": text(scope, "what") })
        })
        .collect();
    output.list(&json!({ "items": rows }), &[("scope", "/scope"), ("roles", "/roles"), ("what", "/what")]);
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
