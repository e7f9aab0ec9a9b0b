//! One record of an export, made a row or a reject.

use crate::cell;
use crate::csv::{Record, Value};
use crate::event::{self, Attributes};
use crate::export_file::{Column, Header};
use crate::fields::Field;
use attiva_connector::{Limits, PageBuilder, Reject, Row};
use std::ops::Range;

/// What a reject costs beside its sample.
const REJECT_BYTES: u64 = 256;
/// Most bytes of a reject's sample.
const SAMPLE_BYTES_MAX: usize = 4096;

/// The rows of a page, and what was not made a row.
pub(crate) struct Rows<'h> {
    header: &'h Header<'h>,
    page: PageBuilder,
    /// Whether columns are made of an activity's attributes.
    makes: bool,
    /// Rows and rejects.
    records: u64,
    reject_bytes: u64,
}

impl<'h> Rows<'h> {
    /// `fields` are those of the page: the columns of the file, and behind them what is made of them.
    pub(crate) fn new(header: &'h Header<'h>, fields: &[Field]) -> Self {
        let columns: Vec<_> = fields.iter().map(Field::column).collect();
        let makes = fields.iter().any(Field::is_made);
        Self { header, page: PageBuilder::new(&columns), makes, records: 0, reject_bytes: 0 }
    }

    /// The page, and how many records it took.
    pub(crate) fn into_page(self) -> (PageBuilder, u64) {
        (self.page, self.records)
    }

    /// Whether a record of so many bytes has to wait for the next page.
    pub(crate) fn is_full(&self, record_bytes: usize, limits: &Limits) -> bool {
        let bytes = self.page.bytes() + self.reject_bytes + self.row_bytes(record_bytes);
        self.records >= u64::from(limits.max_rows) || (self.records > 0 && bytes > limits.max_bytes)
    }

    /// Takes the record that stands at `place` of `input`.
    pub(crate) fn take(&mut self, record: &Record, input: &[u8], place: Range<usize>, limits: &Limits) {
        let whole = input.get(place).unwrap_or_default();
        let key = self.header.key(record, input);
        let result = if self.row_bytes(whole.len()) > limits.max_bytes {
            let message = format!("a record of {} bytes fits no page", whole.len());
            Err(Reject::new("record-too-long", message))
        } else {
            self.row(key.as_deref(), record, input, whole)
        };
        match result {
            Ok(()) => self.records += 1,
            Err(reject) => self.reject(key.as_deref(), reject, whole),
        }
    }

    /// Takes a record that is no row; `sample` is its beginning.
    pub(crate) fn reject(&mut self, key: Option<&str>, reject: Reject, sample: &[u8]) {
        self.records += 1;
        let reject = Reject { key: key.map(str::to_owned), ..reject.sample(&text_of(sample)) };
        self.reject_bytes += REJECT_BYTES + reject.sample.len() as u64;
        self.page.reject(reject);
    }

    fn row(&mut self, key: Option<&str>, record: &Record, input: &[u8], whole: &[u8]) -> Result<(), Reject> {
        let (header, width) = (self.header, self.header.width());
        if record.unclosed() {
            return Err(Reject::new("quote-unclosed", "the file ends inside a quoted cell"));
        }
        if record.len() != width {
            let message = format!("{} cells where the header has {width}", record.len());
            return Err(Reject::new("cell-count", message));
        }
        let Some(key) = key else {
            let (field, message) = (header.key_field(), format!("the record has no {}", header.key_field()));
            return Err(Reject::new("key-missing", message).field(field));
        };
        let mut row = self.page.row(key).source_time(header.time(record, input)).full();
        let set = |(index, column)| set(&mut row, index, column, record, input).err();
        if let Some(reject) = header.columns.iter().enumerate().find_map(set) {
            let reject = reject.sample(&text_of(whole));
            self.reject_bytes += REJECT_BYTES + reject.sample.len() as u64;
            row.reject(reject);
        } else if self.makes {
            let kind = header.text(record, input, event::TYPE).and_then(|text| text.parse().ok()).unwrap_or(0);
            event::make(&mut row, kind, &Attributes::of_text(header.text(record, input, event::ATTRIBUTES)));
        }
        Ok(())
    }

    fn row_bytes(&self, record_bytes: usize) -> u64 {
        record_bytes as u64 + cell::OVERHEAD_BYTES * self.header.columns.len() as u64
    }
}

fn set(row: &mut Row<'_>, index: usize, column: &Column<'_>, record: &Record, input: &[u8]) -> Result<(), Reject> {
    let Value::Bytes(bytes) = record.value(input, column.position) else { return Ok(()) };
    let name = column.field.name.as_str();
    if bytes.len() > cell::BYTES_MAX {
        return Err(cell::too_long(bytes.len()).field(name));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Reject::new("not-utf8", format!("not UTF-8 from byte {} on", e.valid_up_to())).field(name))?;
    Ok(cell::set(row, index, column.field, column.data_type, text)?)
}

/// As much of it as a sample holds, as text.
fn text_of(whole: &[u8]) -> String {
    String::from_utf8_lossy(whole.get(..SAMPLE_BYTES_MAX).unwrap_or(whole)).into_owned()
}
