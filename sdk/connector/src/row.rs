//! One row of a page under construction, and how a vendor's values are read into it.

use crate::column::{ColumnBuilder, NewValue};
use crate::page::PageBuilder;
use crate::{DataType, Merge, Reject, Result, RowKind, time};
use serde_json::Value;

/// Most bytes of a row's key.
const KEY_BYTES_MAX: usize = 512;

/// A row whose kind is not said yet.
#[must_use = "say what the row is: full, patch, tombstone or merge_into"]
pub struct RowStart<'p, 'k> {
    page: &'p mut PageBuilder,
    key: &'k str,
    source_time: i64,
}

impl<'p, 'k> RowStart<'p, 'k> {
    pub(crate) fn new(page: &'p mut PageBuilder, key: &'k str) -> Self {
        Self { page, key, source_time: 0 }
    }

    /// When the record changed at the vendor, in milliseconds since 1970-01-01T00:00:00Z. Not said: not known.
    pub fn source_time(mut self, ms: i64) -> Self {
        self.source_time = ms;
        self
    }

    /// The whole record: a column that is not set is null.
    pub fn full(self) -> Row<'p> {
        self.begin(RowKind::Full)
    }

    /// Some fields: a column that is not set stays as it was.
    pub fn patch(self) -> Row<'p> {
        self.begin(RowKind::Patch)
    }

    /// The record is gone.
    pub fn tombstone(self) {
        self.begin(RowKind::Tombstone);
    }

    /// The record was merged into another and is gone.
    pub fn merge_into(self, into_key: &str) {
        let row = self.begin(RowKind::Merge);
        if let Some(number) = row.number {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            row.page.merges.push(Merge { row: number, into_key: into_key.to_owned() });
        }
    }

    fn begin(self, kind: RowKind) -> Row<'p> {
        let Self { page, key, source_time } = self;
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            let reject = if key.is_empty() {
                Reject::new("key-missing", "the record has no key")
            } else {
                Reject::new("key-too-long", format!("a key of {} bytes; at most {KEY_BYTES_MAX}", key.len()))
            };
            page.rejects.push(reject.sample(key));
            return Row { page, number: None };
        }
        let number = page.kinds.len();
        page.keys.push(key.as_bytes());
        page.key_bytes += key.len() + 4;
        page.kinds.push(kind);
        page.source_times.push(source_time);
        Row { page, number: Some(number) }
    }
}

/// Names a column: by its index or by its name.
pub trait ColumnRef: Copy {
    /// The column's index in the page.
    fn index_in(self, page: &PageBuilder) -> Option<usize>;
    /// For a message.
    fn shown(self) -> String;
}

impl ColumnRef for usize {
    fn index_in(self, page: &PageBuilder) -> Option<usize> {
        (self < page.columns.len()).then_some(self)
    }
    fn shown(self) -> String {
        self.to_string()
    }
}

impl ColumnRef for &str {
    fn index_in(self, page: &PageBuilder) -> Option<usize> {
        page.column(self)
    }
    fn shown(self) -> String {
        self.to_owned()
    }
}

/// Why a vendor's value does not fit its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellProblem {
    /// The column.
    pub field: String,
    /// What was expected and what came instead, without the value.
    pub message: String,
}

impl From<CellProblem> for Reject {
    fn from(problem: CellProblem) -> Self {
        Self::new("value-invalid", problem.message).field(problem.field)
    }
}

/// A row being filled. A column set twice has the later value.
pub struct Row<'p> {
    page: &'p mut PageBuilder,
    /// Absent: the row was refused for its key.
    number: Option<usize>,
}

impl Row<'_> {
    /// Sets a text.
    pub fn text(&mut self, column: impl ColumnRef, value: &str) -> &mut Self {
        self.set(column, DataType::Text, NewValue::Var(value.as_bytes()))
    }

    /// Sets a 64-bit number.
    pub fn integer(&mut self, column: impl ColumnRef, value: i64) -> &mut Self {
        self.set(column, DataType::Integer, NewValue::Integer(value))
    }

    /// Sets a truth value.
    pub fn boolean(&mut self, column: impl ColumnRef, value: bool) -> &mut Self {
        self.set(column, DataType::Boolean, NewValue::Boolean(value))
    }

    /// Sets a floating-point number.
    pub fn float(&mut self, column: impl ColumnRef, value: f64) -> &mut Self {
        self.set(column, DataType::Float, NewValue::Float(value))
    }

    /// Sets a decimal number, given as text such as `-12.30`. It is not checked: see [`parse`](Self::parse).
    pub fn decimal(&mut self, column: impl ColumnRef, value: &str) -> &mut Self {
        self.set(column, DataType::Decimal, NewValue::Var(value.as_bytes()))
    }

    /// Sets bytes.
    pub fn bytes(&mut self, column: impl ColumnRef, value: &[u8]) -> &mut Self {
        self.set(column, DataType::Bytes, NewValue::Var(value))
    }

    /// Sets a date, in days since 1970-01-01.
    pub fn date(&mut self, column: impl ColumnRef, days: i32) -> &mut Self {
        self.set(column, DataType::Date, NewValue::Date(days))
    }

    /// Sets a time, in milliseconds since 1970-01-01T00:00:00Z.
    pub fn timestamp(&mut self, column: impl ColumnRef, ms: i64) -> &mut Self {
        self.set(column, DataType::Timestamp, NewValue::Timestamp(ms))
    }

    /// Sets a list of texts.
    pub fn text_list(&mut self, column: impl ColumnRef, values: &[&str]) -> &mut Self {
        self.set(column, DataType::TextList, NewValue::TextList(values))
    }

    /// Sets a JSON value, given as text. It is not checked.
    pub fn json(&mut self, column: impl ColumnRef, value: &str) -> &mut Self {
        self.set(column, DataType::Json, NewValue::Var(value.as_bytes()))
    }

    /// Sets null: the record has no value there.
    pub fn null(&mut self, column: impl ColumnRef) -> &mut Self {
        if let Some(index) = self.resolve(column) {
            self.put(index, NewValue::Null);
        }
        self
    }

    /// Sets a value from its text, read as the column's type demands: `true`/`false`/`1`/`0`, numbers, ISO 8601 dates
    /// and times.
    ///
    /// # Errors
    /// The text is not a value of that type; the column stays as it was.
    pub fn parse(&mut self, column: impl ColumnRef, text: &str) -> Result<&mut Self, CellProblem> {
        let Some(index) = self.resolve(column) else {
            return Ok(self);
        };
        let value = match self.data_type(index) {
            DataType::Text | DataType::Json | DataType::Bytes => Some(NewValue::Var(text.as_bytes())),
            DataType::Boolean => boolean(text).map(NewValue::Boolean),
            DataType::Integer => text.parse().ok().map(NewValue::Integer),
            DataType::Float => text.parse().ok().map(NewValue::Float),
            DataType::Decimal => is_decimal(text).then_some(NewValue::Var(text.as_bytes())),
            DataType::Date => time::parse_date(text).map(NewValue::Date),
            DataType::Timestamp => time::parse_timestamp(text).map(NewValue::Timestamp),
            DataType::TextList => None,
        };
        match value {
            Some(value) => self.put(index, value),
            None => return Err(self.problem(index, "text")),
        }
        Ok(self)
    }

    /// Sets a value from JSON, read as the column's type demands. Text is read as [`parse`](Self::parse) does; a
    /// number fits a text column.
    ///
    /// # Errors
    /// The value does not fit the column's type; the column stays as it was.
    pub fn value(&mut self, column: impl ColumnRef, value: &Value) -> Result<&mut Self, CellProblem> {
        let Some(index) = self.resolve(column) else {
            return Ok(self);
        };
        match (self.data_type(index), value) {
            (_, Value::Null) => self.put(index, NewValue::Null),
            (DataType::Json, value) => self.put(index, NewValue::Var(value.to_string().as_bytes())),
            (_, Value::String(text)) => return self.parse(index, text),
            (DataType::Boolean, Value::Bool(b)) => self.put(index, NewValue::Boolean(*b)),
            (DataType::Integer, Value::Number(n)) if n.is_i64() => {
                self.put(index, NewValue::Integer(n.as_i64().unwrap_or_default()));
            }
            (DataType::Float, Value::Number(n)) => self.put(index, NewValue::Float(n.as_f64().unwrap_or_default())),
            (DataType::Text | DataType::Decimal, Value::Number(n)) => {
                return self.parse(index, &n.to_string());
            }
            (DataType::Text, Value::Bool(b)) => self.put(index, NewValue::Var(b.to_string().as_bytes())),
            (DataType::TextList, Value::Array(items)) => {
                let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                match texts {
                    Some(texts) => self.put(index, NewValue::TextList(&texts)),
                    None => return Err(self.problem(index, "a list with other things than text")),
                }
            }
            (_, value) => return Err(self.problem(index, json_type(value))),
        }
        Ok(self)
    }

    /// Takes the row back and makes it a reject, with its key.
    pub fn reject(self, reject: impl Into<Reject>) {
        let Some(number) = self.number else { return };
        let page = self.page;
        let key = page.keys.last_text();
        page.keys.pop();
        page.kinds.truncate(number);
        page.source_times.truncate(number);
        for column in &mut page.columns {
            column.truncate(number);
        }
        let reject = reject.into();
        page.rejects.push(Reject { key: reject.key.or(Some(key)), ..reject });
    }

    fn set(&mut self, column: impl ColumnRef, expected: DataType, value: NewValue<'_>) -> &mut Self {
        if let Some(index) = self.resolve(column) {
            if self.data_type(index) == expected {
                self.put(index, value);
            } else {
                let problem = self.problem(index, &format!("{expected:?}"));
                self.page.remember(format!("{}: {}", problem.field, problem.message));
            }
        }
        self
    }

    fn resolve(&mut self, column: impl ColumnRef) -> Option<usize> {
        let index = column.index_in(self.page);
        if index.is_none() {
            self.page.remember(format!("the page has no column {}", column.shown()));
        }
        index
    }

    fn data_type(&self, index: usize) -> DataType {
        self.page.columns.get(index).map_or(DataType::Text, ColumnBuilder::data_type)
    }

    fn put(&mut self, index: usize, value: NewValue<'_>) {
        let PageBuilder { columns, kinds, .. } = &mut *self.page;
        if let (Some(number), Some(column)) = (self.number, columns.get_mut(index)) {
            column.set(number, kinds, value);
        }
    }

    fn problem(&self, index: usize, came: &str) -> CellProblem {
        let field = self.page.columns.get(index).map_or("", ColumnBuilder::name).to_owned();
        let expected = format!("{:?}", self.data_type(index)).to_lowercase();
        CellProblem { field, message: format!("the column is {expected}; what came is {came} that does not fit") }
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Digits with at most one sign before and one point inside: what the contract calls a decimal.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole) && all_digits(fraction)
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
