//! Rows as JSON lines: one object a line, in the columns' order.
//!
//! What a row says nothing of is not in its object, and null is null: JSON can tell them apart. A decimal is a text, since
//! readers take JSON's numbers for binary ones. Numbers beyond 53 bits stand as they are.

use crate::render::{Columns, Form, Places, Rows, operation_word, out_of_range};
use attiva_connector::{Cell, Outcome, RowView, time};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Rows as lines of text.
pub(crate) struct Lines<'a> {
    operation_column: Option<&'a str>,
    columns: &'a Columns,
    places: Places,
    bytes: Vec<u8>,
}

impl Rows for Lines<'_> {
    fn row(&mut self, row: RowView<'_>) -> Outcome {
        let start = self.bytes.len();
        self.bytes.push(b'{');
        let mut fields = 0;
        if let Some(name) = self.operation_column {
            self.name(name, &mut fields);
            self.text(operation_word(row));
        }
        for (column, (name, _)) in self.columns.iter().enumerate() {
            let cell = self.places.cell(row, column);
            if cell == Cell::Absent {
                continue;
            }
            self.name(name, &mut fields);
            if let Err(problem) = self.cell(cell) {
                self.bytes.truncate(start);
                return out_of_range(name, problem);
            }
        }
        self.bytes.extend_from_slice(b"}\n");
        Outcome::pending()
    }
}

impl<'a> Lines<'a> {
    pub(crate) fn new(form: &Form<'a>, places: Places) -> Self {
        let operation_column = form.options.operation_column.as_deref();
        Self { operation_column, columns: form.columns, places, bytes: Vec::new() }
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn name(&mut self, name: &str, fields: &mut usize) {
        if *fields > 0 {
            self.bytes.push(b',');
        }
        *fields += 1;
        self.text(name);
        self.bytes.push(b':');
    }

    /// Adds a value, or says why it has no form.
    fn cell(&mut self, cell: Cell<'_>) -> Result<(), &'static str> {
        const NO_DATE: &str = "a date or time outside the years -9999 to 9999 has no ISO 8601 form";
        match cell {
            Cell::Absent | Cell::Null => self.bytes.extend_from_slice(b"null"),
            Cell::Boolean(value) => self.value(&Value::from(value)),
            Cell::Integer(value) => self.value(&Value::from(value)),
            Cell::Float(value) if value.is_finite() => self.value(&Value::from(value)),
            Cell::Float(_) => return Err("JSON has no infinite number and none that is none"),
            Cell::Decimal(text) | Cell::Text(text) => self.text(text),
            Cell::Bytes(bytes) => self.text(&STANDARD.encode(bytes)),
            Cell::Date(days) => self.text(&time::format_date(days).ok_or(NO_DATE)?),
            Cell::Timestamp(ms) => self.text(&time::format_timestamp(ms).ok_or(NO_DATE)?),
            Cell::TextList(list) => self.value(&list.iter().collect()),
            Cell::Json(text) => self.raw(text)?,
        }
        Ok(())
    }

    /// JSON as it came, on one line: between its tokens a line break is a space, and within them there is none.
    fn raw(&mut self, text: &str) -> Result<(), &'static str> {
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| "the value is no JSON")?;
        self.bytes.extend(text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.value(&Value::from(text));
    }

    fn value(&mut self, value: &Value) {
        self.bytes.extend_from_slice(value.to_string().as_bytes());
    }
}
