//! Query jobs of the Bulk API 2.0.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use super::schema::Field;
use crate::marketo::clock;

/// A job. What it will have is settled when it is made.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) object: &'static str,
    pub(crate) operation: String,
    pub(crate) state: &'static str,
    pub(crate) error: Option<String>,
    /// Looks until it is complete.
    pub(crate) polls: u32,
    pub(crate) created: String,
    /// Each record as a line.
    lines: Vec<Vec<u8>>,
    header: Vec<u8>,
}

/// One page of results.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) csv: Vec<u8>,
    pub(crate) records: usize,
    /// The word `null` where it is the last.
    pub(crate) locator: String,
}

impl Job {
    #[expect(clippy::too_many_arguments, reason = "a job is made in one place, of everything that was asked")]
    pub(crate) fn new(
        id: String,
        version: String,
        object: &'static str,
        operation: String,
        polls: u32,
        created: String,
        fields: &[Field],
        records: &[&Map<String, Json>],
    ) -> Self {
        // The columns come in an order of the vendor's own.
        let mut fields = fields.to_vec();
        fields.sort_unstable();
        let mut header = Vec::new();
        line(&mut header, fields.iter().map(|(name, _)| (*name).to_owned()));
        let lines = records.iter().map(|record| {
            let mut bytes = Vec::new();
            line(&mut bytes, fields.iter().map(|field| cell(record, *field)));
            bytes
        });
        Self {
            id,
            version,
            object,
            operation,
            state: "UploadComplete",
            error: None,
            polls,
            created,
            lines: lines.collect(),
            header,
        }
    }

    /// Moves on by one look.
    pub(crate) fn look(&mut self) {
        if matches!(self.state, "UploadComplete" | "InProgress") {
            self.state = if self.polls == 0 { "JobComplete" } else { "InProgress" };
            self.polls = self.polls.saturating_sub(1);
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        let mut json = json!({
            "id": self.id, "operation": self.operation, "object": self.object, "createdById": "0055g000001AbCdAAK",
            "createdDate": self.created, "systemModstamp": self.created, "state": self.state, "concurrencyMode": "Parallel",
            "contentType": "CSV", "apiVersion": self.version.parse::<f64>().unwrap_or(0.0), "lineEnding": "LF",
            "columnDelimiter": "COMMA", "jobType": "V2Query",
        });
        if self.state != "UploadComplete" {
            json["numberRecordsProcessed"] = json!(if self.state == "JobComplete" { self.lines.len() } else { 0 });
            json["retries"] = json!(0);
            json["totalProcessingTime"] = json!(11);
            json["isPkChunkingSupported"] = json!(true);
        }
        if let Some(error) = &self.error {
            json["errorMessage"] = json!(error);
        }
        json
    }

    /// A page of the results; `None` for a locator that is none of this job's.
    pub(crate) fn results(&self, locator: Option<&str>, most: usize, short: bool) -> Option<Results> {
        let start = match locator {
            None => 0,
            Some(locator) => {
                let text = String::from_utf8(STANDARD.decode(locator).ok()?).ok()?;
                text.strip_prefix(&format!("{}:", self.id))?.parse().ok()?
            }
        };
        let lines = self.lines.get(start..)?;
        let page = lines.get(..most.min(lines.len())).unwrap_or(lines);
        let mut csv = self.header.clone();
        let sent = if short { page.len().saturating_sub(1) } else { page.len() };
        page.iter().take(sent).for_each(|line| csv.extend_from_slice(line));
        let next = start + page.len();
        let is_last = next >= self.lines.len();
        let locator = if is_last { "null".to_owned() } else { STANDARD.encode(format!("{}:{next}", self.id)) };
        Some(Results { csv, records: page.len(), locator })
    }
}

fn cell(record: &Map<String, Json>, (name, kind): Field) -> String {
    match record.get(name) {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) if kind == "datetime" => clock::parse(text)
            .map(|at| format!("{}.000Z", clock::datetime(at).trim_end_matches('Z')))
            .unwrap_or_default(),
        Some(Json::String(text)) => text.clone(),
        // A file writes large numbers in the notation of engineers.
        Some(Json::Number(number)) if kind != "int" => match number.as_f64() {
            Some(value) if value.abs() >= 1e7 => format!("{value:E}"),
            Some(value) => format!("{value:?}"),
            None => number.to_string(),
        },
        Some(other) => other.to_string(),
    }
}

fn line(out: &mut Vec<u8>, cells: impl Iterator<Item = String>) {
    for (place, cell) in cells.enumerate() {
        // Writing to a vector cannot fail.
        let _ = write!(out, "{}\"{}\"", if place == 0 { "" } else { "," }, cell.replace('"', "\"\""));
    }
    out.push(b'\n');
}
