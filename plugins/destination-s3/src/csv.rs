//! Rows as CSV.
//!
//! Written here because no library decides quoting field by field, and that is what tells NULL from an empty text:
//! NULL is the null text without quotes, an empty text is two quotes. Values are never changed, not even those that a
//! spreadsheet would take for a formula: a file for machines must hold what the profile holds.

use crate::config::{Csv, EmptyText, Escape, Quoting};
use crate::render::{Columns, Form, Places, Rows, operation_word, out_of_range};
use attiva_connector::{Cell, Outcome, RowView, time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Rows as lines of text.
pub(crate) struct Lines<'a> {
    csv: &'a Csv,
    operation_column: Option<&'a str>,
    columns: &'a Columns,
    places: Places,
    /// One column of all: its empty NULL would be an empty line, which readers skip.
    narrow: bool,
    bytes: Vec<u8>,
}

impl Rows for Lines<'_> {
    fn row(&mut self, row: RowView<'_>) -> Outcome {
        let start = self.bytes.len();
        let mut fields = 0;
        if self.operation_column.is_some() {
            self.text(operation_word(row));
            fields = 1;
        }
        for (column, (name, _)) in self.columns.iter().enumerate() {
            self.divide(fields);
            fields += 1;
            if !self.cell(self.places.cell(row, column)) {
                self.bytes.truncate(start);
                return out_of_range(name, "a date or time outside the years -9999 to 9999 has no ISO 8601 form");
            }
        }
        self.end_line();
        Outcome::pending()
    }
}

impl<'a> Lines<'a> {
    /// With the header before them if they are the file's first bytes.
    pub(crate) fn new(form: &Form<'a>, places: Places, first: bool) -> Self {
        let operation_column = form.options.operation_column.as_deref();
        let narrow = form.columns.len() + usize::from(operation_column.is_some()) == 1;
        let (csv, columns) = (&form.config.csv, form.columns);
        let mut lines = Self { csv, operation_column, columns, places, narrow, bytes: Vec::new() };
        if first && csv.header {
            lines.header();
        }
        lines
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn header(&mut self) {
        let names = self.operation_column.into_iter().chain(self.columns.iter().map(|(name, _)| name.as_str()));
        for (i, name) in names.enumerate() {
            self.divide(i);
            self.text(name);
        }
        self.end_line();
    }

    /// Adds a value; false if it has no text form.
    fn cell(&mut self, cell: Cell<'_>) -> bool {
        let form = match cell {
            Cell::Text("") if self.csv.empty_text == EmptyText::AsNull => {
                self.null();
                return true;
            }
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
        // Where a backslash escapes, readers take one outside of quotes for one too.
        let escapes = |b: u8| b == b'\\' && self.csv.escape == Escape::Backslash;
        let could_be_misread = |text: &str| {
            text == self.csv.null_text || text.is_empty() || text.bytes().any(|b| special.contains(&b) || escapes(b))
        };
        if self.csv.quoting == Quoting::Always || could_be_misread(text) {
            self.quoted(text);
        } else {
            self.bytes.extend_from_slice(text.as_bytes());
        }
    }

    /// In quotes, with the quotes inside escaped.
    fn quoted(&mut self, text: &str) {
        let quote = self.csv.quote.0;
        self.bytes.push(quote);
        for &byte in text.as_bytes() {
            match self.csv.escape {
                Escape::Double if byte == quote => self.bytes.push(quote),
                Escape::Backslash if byte == quote || byte == b'\\' => self.bytes.push(b'\\'),
                _ => {}
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
