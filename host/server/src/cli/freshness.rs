//! `attiva freshness`.

use super::output::{Column, Output};
use super::{Client, Failure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Freshness {
    /// List how old streams and acknowledged audiences are, against their targets.
    List,
    /// Show how fresh things should be, as JSON.
    Targets,
    /// Say how fresh a connection's streams, one of them, or an activation's audience should be.
    Set {
        #[command(flatten)]
        of: Of,
        /// Its age at most, in seconds.
        #[arg(long)]
        seconds: u32,
    },
    /// Want nothing of it any more.
    Clear {
        #[command(flatten)]
        of: Of,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Of {
    /// A connection: its id, or its name.
    #[arg(long, required_unless_present = "activation")]
    connection: Option<String>,
    /// One stream of the connection.
    #[arg(long, requires = "connection", conflicts_with = "activation")]
    stream: Option<String>,
    /// An activation's id.
    #[arg(long, conflicts_with = "connection")]
    activation: Option<String>,
}

const COLUMNS: [Column; 7] = [
    ("connection", "/connection"),
    ("stream", "/stream"),
    ("activation", "/activation"),
    ("as of", "/as_of"),
    ("age in s", "/age_seconds"),
    ("target in s", "/target_seconds"),
    ("within", "/within"),
];

pub(crate) fn run(command: Freshness, client: &Client, output: Output) -> Result<(), Failure> {
    let targets = client.scoped("freshness-targets");
    match command {
        Freshness::List => output.list(&client.get(&client.scoped("freshness"))?, &COLUMNS),
        Freshness::Targets => output.json(&client.get(&targets)?),
        Freshness::Set { of, seconds } => output.json(&change(&of, Some(seconds), client)?),
        Freshness::Clear { of } => output.json(&change(&of, None, client)?),
    }
    Ok(())
}

/// Puts a target in the place of the one there was.
fn change(of: &Of, seconds: Option<u32>, client: &Client) -> Result<Value, Failure> {
    let path = client.scoped("freshness-targets");
    let connection = of.connection.as_deref().map(|named| client.id_of("connections", "con_", named)).transpose()?;
    let said = [("connection", connection), ("stream", of.stream.clone()), ("activation", of.activation.clone())];
    let mut target =
        Value::Object(said.into_iter().filter_map(|(name, v)| Some((name.to_owned(), json!(v?)))).collect());
    let (document, version) = client.get_versioned(&path)?;
    let mut targets = document.get("targets").and_then(Value::as_array).cloned().unwrap_or_default();
    let name = |target: &Value, name: &str| target.get(name).cloned();
    targets.retain(|known| ["connection", "stream", "activation"].iter().any(|n| name(known, n) != name(&target, n)));
    if let Some(seconds) = seconds {
        target["seconds"] = json!(seconds);
        targets.push(target);
    }
    client.put_versioned(&path, &json!({ "targets": targets }), version.as_deref())
}
