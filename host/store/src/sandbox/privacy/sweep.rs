//! Takes what names somebody out of rows that are not theirs.

use super::super::counter::Counter;
use crate::failure::Outcome;
use attiva_core::privacy::{Counts, Left, Mentions, Place};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// Texts of a table that may say a name.
struct Table {
    place: Place,
    name: &'static str,
    /// What names a row.
    keys: &'static [&'static str],
    texts: &'static [&'static str],
    /// The feed that tells of a change, if any follows from the text.
    feed: Option<&'static str>,
}

const TABLES: [Table; 9] = [
    Table { feed: Some("record_change"), ..table(Place::Records, "record", &["number"], &["body"]) },
    Table { feed: Some("event_change"), ..table(Place::Events, "event_payload", &["number"], &["body"]) },
    table(Place::Rejects, "reject", &["run", "number"], &["key", "message", "sample"]),
    table(Place::MappingErrors, "mapping_error", &["stream", "field", "code"], &["sample"]),
    table(Place::Outcomes, "item", &["delivery", "position"], &["field", "message"]),
    table(Place::Ledger, "refusal", &["target", "profile"], &["message", "row"]),
    table(Place::Ledger, "ledger", &["target", "profile"], &["held", "sent"]),
    table(Place::Consents, "suppression", &["number"], &["reason", "source"]),
    table(Place::Documents, "document", &["kind", "id"], &["body"]),
];

const fn table(
    place: Place,
    name: &'static str,
    keys: &'static [&'static str],
    texts: &'static [&'static str],
) -> Table {
    Table { place, name, keys, texts, feed: None }
}

/// What the host wrote down itself: it says what happened, and may lose whom it happened to.
const OWN_WORDS: [&str; 2] = ["run", "delivery"];
/// What is about two records alone: without one of them it says nothing.
const ABOUT_RECORDS: [&str; 2] = ["never-link", "pin"];

/// Rows that say a name, by table.
pub(super) struct Found {
    rows: Vec<(usize, Vec<Value>)>,
    pub(super) left: Vec<Left>,
}

pub(super) fn find(connection: &Connection, of: &Mentions) -> Outcome<Found> {
    let mut found = Found { rows: Vec::new(), left: Vec::new() };
    if of.is_empty() {
        return Ok(found);
    }
    for (i, table) in TABLES.iter().enumerate() {
        let columns = [table.keys, table.texts].concat().join(", ");
        let mut statement = connection.prepare(&format!("SELECT {columns} FROM {}", table.name))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut says = false;
            for column in table.keys.len()..table.keys.len() + table.texts.len() {
                let text = row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?;
                says |= text.is_some_and(|text| of.are_in(text.as_bytes()));
            }
            if says {
                let keys: Vec<Value> = (0..table.keys.len()).map(|k| row.get(k)).collect::<rusqlite::Result<_>>()?;
                found.note(i, table, keys);
            }
        }
    }
    Ok(found)
}

impl Found {
    fn note(&mut self, i: usize, table: &Table, keys: Vec<Value>) {
        if let (Place::Documents, [Value::Text(kind), Value::Text(id)]) = (table.place, keys.as_slice())
            && !OWN_WORDS.contains(&kind.as_str())
            && !ABOUT_RECORDS.contains(&kind.as_str())
        {
            let because = "somebody configured it so: change it or delete it, and ask again".to_owned();
            self.left.push(Left { what: format!("{kind} {id}"), because });
            return;
        }
        self.rows.push((i, keys));
    }
}

/// Each row is read again: what it says may have changed meanwhile.
pub(super) fn take_out(connection: &Connection, found: &Found, of: &Mentions) -> Outcome<Counts> {
    connection.pragma_update(None, "secure_delete", true)?;
    let mut counts = Counts::new();
    let mut counter = Counter::load(connection)?;
    for (i, keys) in &found.rows {
        let table = &TABLES[*i];
        let done = match (table.place, keys.first()) {
            (Place::Documents, Some(Value::Text(kind))) if ABOUT_RECORDS.contains(&kind.as_str()) => {
                let mut delete = connection.prepare_cached("DELETE FROM document WHERE kind = ?1 AND id = ?2")?;
                delete.execute(params_from_iter(keys))? > 0
            }
            _ => rewrite(connection, table, keys, of)?,
        };
        if !done {
            continue;
        }
        *counts.entry(table.place).or_default() += 1;
        if let (Some(feed), Some(subject)) = (table.feed, keys.first()) {
            connection
                .prepare_cached(&format!("INSERT INTO {feed} (seq, subject) VALUES (?1, ?2)"))?
                .execute((counter.next_seq(), subject))?;
        }
    }
    counter.save(connection)?;
    Ok(counts)
}

fn rewrite(connection: &Connection, table: &Table, keys: &[Value], of: &Mentions) -> Outcome<bool> {
    let first = table.texts.len() + 1;
    let named = |from: usize, columns: &[&str], between: &str| -> String {
        let each = columns.iter().enumerate().map(|(i, column)| format!("{column} = ?{}", from + i));
        each.collect::<Vec<_>>().join(between)
    };
    let read = format!("SELECT {} FROM {} WHERE {}", table.texts.join(", "), table.name, named(1, table.keys, " AND "));
    let mut read = connection.prepare_cached(&read)?;
    let mut rows = read.query(params_from_iter(keys))?;
    let Some(row) = rows.next()? else { return Ok(false) };
    let mut texts: Vec<Value> = Vec::with_capacity(table.texts.len());
    let mut says = false;
    for column in 0..table.texts.len() {
        let text: Option<String> = row.get(column)?;
        let out = text.as_deref().and_then(|text| of.taken_out(text));
        says |= out.is_some();
        texts.push(out.or(text).map_or(Value::Null, Value::Text));
    }
    drop(rows);
    if says {
        let sets = named(1, table.texts, ", ");
        let write = format!("UPDATE {} SET {sets} WHERE {}", table.name, named(first, table.keys, " AND "));
        connection.prepare_cached(&write)?.execute(params_from_iter(texts.iter().chain(keys)))?;
    }
    Ok(says)
}
