//! The table of `docs/hostile-guests.md` is the list of guests; only the times are those of one machine on one day.

use crate::guests::GUESTS;
use crate::suite::{Guest, prove};
use std::path::PathBuf;

const BEGIN: &str =
    "| Guest | What it does | What stops it | Fault code | After, ms |\n| --- | --- | --- | --- | --- |\n";

fn page() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hostile-guests.md"))
}

/// A row, all but the time.
fn row(guest: &Guest) -> String {
    let Guest { name, does, stopped_by, code, .. } = guest;
    let code = if code.is_empty() { "none".to_owned() } else { format!("`{code}`") };
    format!("| `{name}` | {does} | {stopped_by} | {code} |")
}

/// The rows that stand there, each without its time; `None` if a time is none.
fn rows(text: &str) -> Option<Vec<String>> {
    let (_, table) = text.split_once(BEGIN)?;
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let (row, time) = line.strip_suffix(" |")?.rsplit_once(" | ")?;
        time.parse::<u64>().ok()?;
        Some(format!("{row} |"))
    })
    .collect()
}

#[test]
fn the_table_is_true() {
    if std::env::var_os("ATTIVA_HOSTILE_TABLE").is_some() {
        write();
    }
    let text = std::fs::read_to_string(page()).unwrap();
    let expected: Vec<String> = GUESTS.iter().map(row).collect();
    assert_eq!(rows(&text).unwrap(), expected, "write it anew: ATTIVA_HOSTILE_TABLE=1, this test alone");
    assert!(GUESTS.len() >= 40);
}

#[test]
fn a_table_that_is_not_true_is_found() {
    let table = |row: &str| format!("{BEGIN}{row}\n\nmore");
    assert_eq!(rows(&table("| `a` | b | c | `d` | 12 |")).unwrap(), ["| `a` | b | c | `d` |"]);
    assert_eq!(rows(&table("| `a` | b | c | `d` | soon |")), None);
    assert_eq!(rows("no table"), None);
}

/// Lets them all have their way, one after the other, and writes how long each took.
fn write() {
    // Compiled components and the one that behaves are there when the first is timed.
    GUESTS.iter().for_each(|guest| drop(prove(guest.name)));
    let timed = |guest: &Guest| format!("{} {} |\n", row(guest), prove(guest.name).after.as_millis());
    let table: String = GUESTS.iter().map(timed).collect();
    let text = std::fs::read_to_string(page()).unwrap();
    let (before, after) = text.split_once(BEGIN).unwrap();
    let rest = after.split_once("\n\n").map_or("", |(_, rest)| rest);
    std::fs::write(page(), format!("{before}{BEGIN}{table}\n{rest}")).unwrap();
}
