//! Rows as CSV.
//!
//! Written here because no library decides quoting field by field, and that is what tells NULL from an empty text:
//! NULL is the null text without quotes, an empty text is two quotes. Values are never changed, not even those that a
//! spreadsheet would take for a formula: a file for machines must hold what the profile holds.

use crate::config::{Config, Csv, Options};
use attiva_connector::{BatchView, Cell, DataType, Fault, Operation, Outcome, OutcomeStatus, Result, RowView, time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// A batch as it stands in the file.
pub(crate) struct Rendered {
    pub(crate) bytes: Vec<u8>,
    pub(crate) rows: u64,
    pub(crate) outcomes: Vec<Outcome>,
}

/// The columns of every batch, as the run has them.
type Columns = [(String, DataType)];

/// Renders a batch, with the header before it if it is the file's first bytes.
pub(crate) fn render(
    config: &Config,
    options: &Options,
    columns: &Columns,
    batch: BatchView<'_>,
    first: bool,
) -> Result<Rendered> {
    let mut table = Table::new(&config.csv, options.operation_column.as_deref(), columns);
    if first {
        table.header();
    }
    let places: Vec<Option<usize>> = columns.iter().map(|(name, _)| batch.column(name)).collect();
    let outcomes: Vec<Outcome> = batch.rows().map(|row| table.row(row, &places)).collect();
    let rows = outcomes.iter().filter(|outcome| outcome.status == OutcomeStatus::Pending).count() as u64;
    // A batch of which nothing came leaves no empty gzip member.
    let bytes = if table.bytes.is_empty() { table.bytes } else { compressed(config, table.bytes)? };
    Ok(Rendered { bytes, rows, outcomes })
}

/// A file without a single row: its header, or nothing.
pub(crate) fn render_empty(config: &Config, options: &Options, columns: &Columns) -> Result<Vec<u8>> {
    let mut table = Table::new(&config.csv, options.operation_column.as_deref(), columns);
    table.header();
    compressed(config, table.bytes)
}

/// One gzip member, with no time and no name in it: the same rows are the same bytes.
fn compressed(config: &Config, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !config.gzip {
        return Ok(bytes);
    }
    let mut gzip = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::default());
    gzip.write_all(&bytes)
        .and_then(|()| gzip.finish())
        .map_err(|e| Fault::internal("s3.gzip", format!("the batch cannot be compressed: {e}")))
}

struct Table<'a> {
    csv: &'a Csv,
    operation_column: Option<&'a str>,
    columns: &'a Columns,
    /// One column of all: its empty NULL would be an empty line, which readers skip.
    narrow: bool,
    bytes: Vec<u8>,
}

impl<'a> Table<'a> {
    fn new(csv: &'a Csv, operation_column: Option<&'a str>, columns: &'a Columns) -> Self {
        let narrow = columns.len() + usize::from(operation_column.is_some()) == 1;
        Self { csv, operation_column, columns, narrow, bytes: Vec::new() }
    }

    fn header(&mut self) {
        if !self.csv.header {
            return;
        }
        let names = self.operation_column.into_iter().chain(self.columns.iter().map(|(name, _)| name.as_str()));
        for (i, name) in names.enumerate() {
            self.divide(i);
            self.text(name);
        }
        self.end_line();
    }

    /// Adds a row, or leaves it out and says why.
    fn row(&mut self, row: RowView<'_>, places: &[Option<usize>]) -> Outcome {
        let start = self.bytes.len();
        let removed = row.operation() == Operation::Remove;
        let mut fields = 0;
        if self.operation_column.is_some() {
            self.text(if removed { "remove" } else { "upsert" });
            fields = 1;
        } else if removed {
            return Outcome::removed();
        }
        for (place, (name, _)) in places.iter().zip(self.columns) {
            self.divide(fields);
            fields += 1;
            if !self.cell(place.map_or(Cell::Absent, |place| row.cell(place))) {
                self.bytes.truncate(start);
                let problem = "a date or time outside the years -9999 to 9999 has no ISO 8601 form";
                return Outcome::rejected("value-out-of-range", problem).field(name.as_str());
            }
        }
        self.end_line();
        Outcome::pending()
    }

    /// Adds a value; false if it has no text form.
    fn cell(&mut self, cell: Cell<'_>) -> bool {
        let form = match cell {
            Cell::Absent | Cell::Null => {
                self.null();
                return true;
            }
            Cell::Text(text) | Cell::Decimal(text) | Cell::Json(text) => {
                self.text(text);
                return true;
            }
            Cell::Boolean(value) => Some(value.to_string()),
            Cell::Integer(value) => Some(value.to_string()),
            Cell::Float(value) => Some(value.to_string()),
            Cell::Bytes(bytes) => Some(STANDARD.encode(bytes)),
            Cell::Date(days) => time::format_date(days),
            Cell::Timestamp(ms) => time::format_timestamp(ms),
            Cell::TextList(list) => serde_json::to_string(&list.iter().collect::<Vec<_>>()).ok(),
        };
        if let Some(text) = &form {
            self.text(text);
        }
        form.is_some()
    }

    fn null(&mut self) {
        if self.narrow && self.csv.null_text.is_empty() {
            self.quoted("");
        } else {
            self.bytes.extend_from_slice(self.csv.null_text.as_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        let special = [self.csv.delimiter.0, self.csv.quote.0, b'\r', b'\n'];
        let quote = text == self.csv.null_text || text.is_empty() || text.bytes().any(|b| special.contains(&b));
        if quote {
            self.quoted(text);
        } else {
            self.bytes.extend_from_slice(text.as_bytes());
        }
    }

    /// In quotes, with the quotes inside doubled.
    fn quoted(&mut self, text: &str) {
        let quote = self.csv.quote.0;
        self.bytes.push(quote);
        for &byte in text.as_bytes() {
            if byte == quote {
                self.bytes.push(quote);
            }
            self.bytes.push(byte);
        }
        self.bytes.push(quote);
    }

    fn divide(&mut self, fields: usize) {
        if fields > 0 {
            self.bytes.push(self.csv.delimiter.0);
        }
    }

    fn end_line(&mut self) {
        self.bytes.extend_from_slice(self.csv.line_ending.bytes());
    }
}
