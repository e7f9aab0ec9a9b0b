//! `attiva table`.

use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::json;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Table {
    /// Show the newest cut, and how far it is behind.
    Show,
    /// List the tables of the newest cut.
    List,
    /// Take a cut now.
    Take,
    /// The bucket that tables go into, beside the host's disk.
    #[command(subcommand)]
    Bucket(Bucket),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bucket {
    /// Show where they go.
    Show,
    /// Have them go into a bucket, from the next cut on.
    Set {
        /// A connection to the bucket: its id, or its name.
        #[arg(long)]
        connection: String,
        /// Before the sandbox's folder there, and behind the connection's own prefix. Ends in a slash.
        #[arg(long)]
        prefix: Option<String>,
    },
    /// Have them go into none, and remove those that are there.
    Remove,
}

const COLUMNS: [Column; 14] = [
    ("folder", "/folder"),
    ("manifest", "/newest/manifest"),
    ("taken", "/newest/taken_at"),
    ("behind in s", "/behind_seconds"),
    ("every s", "/every_seconds"),
    ("next", "/next_at"),
    ("took ms", "/took_ms"),
    ("files", "/newest/files"),
    ("rows", "/newest/rows"),
    ("bytes", "/newest/bytes"),
    ("fault", "/fault/message"),
    ("bucket", "/bucket/location"),
    ("manifest there", "/bucket/manifest"),
    ("behind there in s", "/bucket/behind_seconds"),
];

const TABLES: [Column; 3] = [("table", "/name"), ("rows", "/rows"), ("left out", "/left_out")];

const BUCKET: [Column; 3] = [("location", "/location"), ("connection", "/connection"), ("prefix", "/prefix")];

const TAKEN: [Column; 6] = [
    ("manifest", "/manifest"),
    ("files written", "/files_written"),
    ("files removed", "/files_removed"),
    ("objects written", "/objects_written"),
    ("objects removed", "/objects_removed"),
    ("took ms", "/took_ms"),
];

pub(crate) fn run(command: Table, client: &Client, output: Output) -> Result<(), Failure> {
    let place = client.scoped("tables");
    match command {
        Table::Show => output.one(&client.get(&place)?, &COLUMNS),
        Table::List => {
            let found = client.get(&place)?;
            output.list(&json!({ "items": found.pointer("/newest/tables").cloned().unwrap_or(json!([])) }), &TABLES);
        }
        Table::Take => output.one(&client.post(&place, &json!({}))?, &TAKEN),
        Table::Bucket(of) => bucket(of, client, output)?,
    }
    Ok(())
}

fn bucket(of: Bucket, client: &Client, output: Output) -> Result<(), Failure> {
    let place = client.scoped("tables/bucket");
    match of {
        Bucket::Show => output.one(&client.get(&place)?, &BUCKET),
        Bucket::Set { connection, prefix } => {
            let mut body = json!({ "connection": client.id_of("connections", "con_", &connection)? });
            if let Some(prefix) = prefix {
                body["prefix"] = json!(prefix);
            }
            output.one(&client.put_versioned(&place, &body, None)?, &BUCKET);
        }
        Bucket::Remove => client.change(Method::DELETE, &place, None, None).map(|_| ())?,
    }
    Ok(())
}
