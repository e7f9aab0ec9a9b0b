//! `attiva table`.

use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Table {
    /// Show the newest cut, and how far it is behind.
    Show,
    /// List the tables of the newest cut.
    List,
    /// Take a cut now.
    Take,
}

const COLUMNS: [Column; 11] = [
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
];

const TABLES: [Column; 3] = [("table", "/name"), ("rows", "/rows"), ("left out", "/left_out")];

const TAKEN: [Column; 4] = [
    ("manifest", "/manifest"),
    ("files written", "/files_written"),
    ("files removed", "/files_removed"),
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
    }
    Ok(())
}
