//! Large fills by files: one import makes or changes people *and* puts them on the list.
//!
//! Rows are written to a spool until a file is nearly 10 MB; then it is sent, and its id noted in a spool before the
//! call answers, so that a repeat finds it. Nobody is settled before the file's failures have been read.

use crate::config::{Config, Mode, Options};
use crate::deliver::{Row, rows};
use crate::fields::{EMAIL, ID};
use crate::person::{email_key, unaskable};
use crate::request;
use crate::state::{Files, State};
use attiva_connector::{
    Batch, BatchView, DataType, Fault, Finished, Operation, Outcome, OutcomeStatus, Result, Run, encode_state,
};
use marketo_api::{Api, read_one};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Marketo takes less than 10 MB; the rest of the request and the last batch have to fit in as well.
const FILE_BYTES_MAX: u64 = 9_000_000;
/// How often an import is asked after.
const POLL_MS: u64 = 30_000;

/// Whether the run goes by files: many rows, none of which must be looked up first.
pub(crate) fn is_cheaper(options: &Options, run: &Run) -> bool {
    let has = |wanted: &str| run.columns.iter().any(|(name, _)| name == wanted);
    let known = match options.mode {
        // Made or changed by address; by id a file changes only.
        Mode::Create => has(EMAIL) && !has(ID),
        Mode::Match => has(ID) && !has(EMAIL),
    };
    let many = run.rows_expected.is_some_and(|rows| rows >= options.import_from_rows);
    options.import_from_rows > 0 && known && many
}

/// About how many files so many rows are.
pub(crate) fn files_of(rows: u64, run: &Run) -> u64 {
    let row_bytes: u64 = run.columns.iter().map(|(name, data_type)| column_bytes(name, *data_type)).sum();
    (rows * row_bytes).div_ceil(FILE_BYTES_MAX).max(1)
}

fn column_bytes(name: &str, data_type: DataType) -> u64 {
    match data_type {
        _ if name == ID => 10,
        DataType::Boolean => 6,
        DataType::Timestamp => 21,
        DataType::Text => 30,
        _ => 12,
    }
}

/// Rows that go in by a file are *pending*; `None` for those that do not.
pub(crate) fn deliver(
    api: &Api<'_>,
    config: &Config,
    options: &Options,
    run: &Run,
    state: &mut State,
    batch: &Batch,
) -> Result<Vec<Option<Outcome>>> {
    let view = BatchView::new(batch)?;
    let keys: Vec<&str> = view.rows().map(|row| row.key()).collect();
    let (rows, settled) = rows(config, run, view);
    let mut outcomes: Vec<Option<Outcome>> = vec![None; keys.len()];
    let mut put = |at: usize, outcome: Outcome| {
        if let Some(place) = outcomes.get_mut(at) {
            *place = Some(outcome);
        }
    };
    for (at, outcome) in settled {
        put(at, outcome);
    }
    let mut files = state.files.clone().unwrap_or_default();
    let (mut csv, mut names) = (String::new(), String::new());
    if files.bytes == 0 {
        csv.push_str(&header(options, run));
    }
    for row in rows.iter().filter(|row| row.operation == Operation::Upsert) {
        // Who was on the list as another lead has to come off it first; that no file can do.
        let moves = row.person.known.is_some();
        match identity(options, row) {
            Err(outcome) => put(row.at, outcome),
            Ok(_) if moves => {}
            Ok(identity) => {
                csv.push_str(&line(&identity, row, run));
                names.push_str(&format!(
                    "{}\t{}\n",
                    email_key(&identity),
                    keys.get(row.at).copied().unwrap_or_default()
                ));
                files.rows += 1;
                // An address names a lead that the file may yet make; an id is the lead.
                let pending = match options.mode {
                    Mode::Match => Outcome::pending().member_id(identity),
                    Mode::Create => Outcome::pending(),
                };
                put(row.at, pending);
            }
        }
    }
    let number = files.batches.len();
    files.bytes = api.host.spool(&spool("file", number)).write(files.bytes, csv.as_bytes())?.size;
    files.key_bytes = api.host.spool(&spool("keys", number)).write(files.key_bytes, names.as_bytes())?.size;
    if files.bytes >= FILE_BYTES_MAX {
        send(api, options, state.list, &mut files)?;
    }
    state.files = Some(files);
    Ok(outcomes)
}

/// What the row is known by in the file.
fn identity(options: &Options, row: &Row) -> std::result::Result<String, Outcome> {
    match options.mode {
        Mode::Match => row.person.id.map(|id| id.to_string()).ok_or_else(Outcome::unmatched),
        Mode::Create => {
            let email = row.person.email.clone().ok_or_else(Outcome::unmatched)?;
            match unaskable(&email) {
                None => Ok(email),
                Some(why) => Err(Outcome::rejected("email-unaskable", why).field(EMAIL)),
            }
        }
    }
}

fn key_column(options: &Options) -> &'static str {
    match options.mode {
        Mode::Match => ID,
        Mode::Create => EMAIL,
    }
}

fn header(options: &Options, run: &Run) -> String {
    let others = run.columns.iter().map(|(name, _)| name.as_str()).filter(|name| ![ID, EMAIL].contains(name));
    let names: Vec<&str> = std::iter::once(key_column(options)).chain(others).collect();
    names.join(",") + "\n"
}

/// No value is an empty cell.
fn line(identity: &str, row: &Row, run: &Run) -> String {
    let mut line = cell(identity);
    for (name, _) in run.columns.iter().filter(|(name, _)| ![ID, EMAIL].contains(&name.as_str())) {
        line.push(',');
        line.push_str(&match row.person.values.get(name) {
            None => String::new(),
            Some(Value::String(text)) => cell(text),
            Some(other) => cell(&other.to_string()),
        });
    }
    line + "\n"
}

/// Quoted where it must be (RFC 4180).
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ') {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

fn spool(what: &str, number: usize) -> String {
    format!("{what}-{number}")
}

#[derive(Debug, Deserialize)]
struct Import {
    #[serde(rename = "batchId")]
    batch: u64,
    #[serde(default)]
    status: String,
    #[serde(default, rename = "numOfRowsFailed")]
    failed: u64,
    #[serde(default, rename = "numOfRowsWithWarning")]
    warned: u64,
    #[serde(default)]
    message: String,
}

/// Sends the file that is full and begins the next. A note says that it was sent, and as what.
fn send(api: &Api<'_>, options: &Options, list: u64, files: &mut Files) -> Result<()> {
    let number = files.batches.len();
    let note_name = spool("sent", number);
    let note = api.host.spool(&note_name);
    let noted = String::from_utf8(note.read(0, 20)?).ok().and_then(|text| text.parse().ok());
    let batch = match noted {
        Some(batch) => batch,
        None => {
            let name = spool("file", number);
            let csv = api.host.spool(&name).read_exact(0, files.bytes)?;
            let request = request::import(options.mode, list, options.partition.as_deref(), &csv);
            let import: Import = read_one(&api.send(&request)?)?;
            note.write(0, import.batch.to_string().as_bytes())?;
            import.batch
        }
    };
    files.batches.push(batch);
    (files.bytes, files.key_bytes) = (0, 0);
    Ok(())
}

/// Sends what is left, and reads what became of one file after the other. Nothing to do: `None`.
pub(crate) fn finish(api: &Api<'_>, options: &Options, state: &mut State) -> Result<Option<Finished>> {
    let Some(mut files) = state.files.clone().filter(|files| files.rows > 0) else { return Ok(None) };
    // A header alone is no file.
    if files.key_bytes > 0 {
        send(api, options, state.list, &mut files)?;
        return waiting(state, files, Vec::new(), POLL_MS).map(Some);
    }
    let number = files.read;
    let Some(batch) = files.batches.get(number).copied() else { return Ok(None) };
    let import: Import = read_one(&api.send(&request::import_status(batch))?)?;
    let exceptions = match import.status.as_str() {
        "Complete" | "Completed" => failures(api, options, number, &import)?,
        "Failed" => {
            let what = format!("Marketo could not import file {number} (batch {batch}): {}", import.message);
            return Err(Fault::data("marketo.import-failed", what).action("Look at the import in Marketo."));
        }
        _ => return waiting(state, files, Vec::new(), POLL_MS).map(Some),
    };
    files.read += 1;
    files.failed += exceptions.len() as u64;
    if files.read < files.batches.len() {
        return waiting(state, files, exceptions, 0).map(Some);
    }
    state.added += files.rows.saturating_sub(files.failed);
    state.files = Some(files);
    Ok(Some(Finished {
        pending_become: OutcomeStatus::Updated,
        exceptions,
        ..Finished::unchanged(encode_state(state)?)
    }))
}

fn waiting(state: &mut State, files: Files, exceptions: Vec<(String, Outcome)>, wait_ms: u64) -> Result<Finished> {
    state.files = Some(files);
    Ok(Finished {
        pending_become: OutcomeStatus::Pending,
        exceptions,
        wait_ms: Some(wait_ms),
        ..Finished::unchanged(encode_state(state)?)
    })
}

/// The rows of a file that were refused, by the host's key. The file of failures has our columns and a reason behind.
fn failures(api: &Api<'_>, options: &Options, number: usize, import: &Import) -> Result<Vec<(String, Outcome)>> {
    if import.warned > 0 {
        // They are in, and on the list: which value was not taken, Marketo's own file of warnings says.
        let (batch, rows) = (import.batch.to_string(), import.warned.to_string());
        api.host.warn("Marketo imported rows with warnings", &[("batch", &batch), ("rows", &rows)]);
    }
    if import.failed == 0 {
        return Ok(Vec::new());
    }
    let response = api.host.send(&request::import_failures(import.batch))?;
    if !response.is_success() {
        return Err(response.status_fault());
    }
    let text = response.text()?.to_owned();
    let mut rows = parse_csv(&text).into_iter();
    let header = rows.next().unwrap_or_default();
    let identity = header.iter().position(|name| name == key_column(options)).unwrap_or(0);
    let told: Vec<(String, String)> =
        rows.filter_map(|row| Some((email_key(row.get(identity)?), row.last()?.clone()))).collect();
    let reasons: BTreeMap<&str, &str> =
        told.iter().map(|(identity, reason)| (identity.as_str(), reason.as_str())).collect();
    let name = spool("keys", number);
    let keys = api.host.spool(&name);
    let size = keys.stat()?.size;
    let keys = String::from_utf8_lossy(&keys.read_exact(0, size)?).into_owned();
    let of_line = |line: &str| {
        let (identity, key) = line.split_once('\t')?;
        let reason = reasons.get(identity)?;
        Some((key.to_owned(), Outcome::rejected("marketo.import-row", *reason)))
    };
    let found: Vec<(String, Outcome)> = keys.lines().filter_map(of_line).collect();
    let ours: BTreeSet<&str> = keys.lines().filter_map(|line| Some(line.split_once('\t')?.0)).collect();
    let known = told.iter().filter(|(identity, _)| ours.contains(identity.as_str())).count() as u64;
    // The rest would be taken for done.
    if known < import.failed {
        let what = format!("Marketo refused {} rows of file {number}, and says of {known} which", import.failed);
        return Err(Fault::transient("marketo.import-failures", what));
    }
    Ok(found)
}

/// A small reader: the file is one of ours with a column more.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            other => cell.push(other),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_read_back() {
        let cells = ["plain", "a,b", "say \"hi\"", "two\nlines", " padded "];
        let text = cells.map(cell).join(",") + "\n";
        assert_eq!(parse_csv(&text), [cells.map(str::to_owned)]);
        assert_eq!(parse_csv("\u{feff}a,b\r\n1,\n2,x"), [["a", "b"], ["1", ""], ["2", "x"]]);
    }
}
