//! Building a page row by row. The rows become columns in Arrow's layout as they are set; nothing is allocated per
//! cell.

use crate::bindings::BytesArray;
use crate::column::{ColumnBuilder, VarBuilder};
use crate::row::RowStart;
use crate::{ColumnSpec, Cursor, DataType, Estimate, Fault, Limits, Merge, Page, Reject, Result, RowKind, Warning};
use std::collections::HashMap;

/// Most bytes of a reject's sample.
const SAMPLE_BYTES_MAX: usize = 4096;

/// A page under construction.
///
/// ```
/// use attiva_connector::{ColumnSpec, Cursor, DataType, PageBuilder};
///
/// let columns = [ColumnSpec::new("id", DataType::Integer), ColumnSpec::new("email", DataType::Text)];
/// let mut page = PageBuilder::new(&columns);
/// page.row("7").source_time(1_700_000_000_000).full().integer("id", 7).text("email", "a@example.com");
/// page.row("8").patch().null("email");
/// page.row("9").tombstone();
/// let page = page.finish(Cursor::encode(1, &"after 9")?)?;
/// assert_eq!(page.rows, 3);
/// # Ok::<(), attiva_connector::Fault>(())
/// ```
#[derive(Debug)]
pub struct PageBuilder {
    pub(crate) columns: Vec<ColumnBuilder>,
    by_name: HashMap<String, usize>,
    pub(crate) keys: VarBuilder,
    pub(crate) key_bytes: usize,
    pub(crate) kinds: Vec<RowKind>,
    pub(crate) source_times: Vec<i64>,
    pub(crate) merges: Vec<Merge>,
    pub(crate) rejects: Vec<Reject>,
    warnings: Vec<Warning>,
    defect: Option<Fault>,
}

impl PageBuilder {
    /// A page with these columns and no rows.
    #[must_use]
    pub fn new(columns: &[ColumnSpec]) -> Self {
        Self {
            columns: columns.iter().map(|c| ColumnBuilder::new(&c.name, c.data_type)).collect(),
            by_name: columns.iter().enumerate().map(|(i, c)| (c.name.clone(), i)).collect(),
            keys: VarBuilder::default(),
            key_bytes: 0,
            kinds: Vec::new(),
            source_times: Vec::new(),
            merges: Vec::new(),
            rejects: Vec::new(),
            warnings: Vec::new(),
            defect: None,
        }
    }

    /// Begins a row. Say next what it is: [`RowStart::full`], `patch`, `tombstone` or `merge_into`.
    ///
    /// A key that the contract does not allow (empty, over 512 bytes) makes the row a reject, and what is set on it
    /// is dropped.
    pub fn row<'p, 'k>(&'p mut self, key: &'k str) -> RowStart<'p, 'k> {
        RowStart::new(self, key)
    }

    /// Rows so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.kinds.len()
    }

    /// Bytes so far, nearly: all columns and keys.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let columns: usize = self.columns.iter().map(ColumnBuilder::size).sum();
        (columns + self.key_bytes + self.kinds.len() * 13) as u64
    }

    /// Whether the page has reached a limit: end it before the next row.
    #[must_use]
    pub fn is_full(&self, limits: &Limits) -> bool {
        self.kinds.len() >= limits.max_rows as usize || self.bytes() >= limits.max_bytes
    }

    /// The index of a column, for setting it without looking its name up each time.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Adds a record that cannot become a row.
    pub fn reject(&mut self, reject: Reject) {
        self.rejects.push(reject);
    }

    /// Adds something a person should know.
    pub fn warn(&mut self, code: &str, message: impl Into<String>) {
        self.warnings.push(Warning::new(code, message));
    }

    /// The page, with `more` true. [`Page::caught_up`], [`Page::wait_ms`] and [`Page::estimate`] say more.
    ///
    /// # Errors
    /// `internal` `page.column`: a setter was given a column that is not there, or is of another type.
    pub fn finish(self, next: Cursor) -> Result<Page> {
        if let Some(fault) = self.defect {
            return Err(fault);
        }
        let kinds = self.kinds;
        Ok(Page {
            rows: u32::try_from(kinds.len()).unwrap_or(u32::MAX),
            keys: self.keys.finish(),
            columns: self.columns.into_iter().map(|c| c.finish(&kinds)).collect(),
            kinds,
            source_times: self.source_times,
            merges: self.merges,
            rejects: self.rejects,
            warnings: self.warnings,
            ..Page::moved(next)
        })
    }

    pub(crate) fn remember(&mut self, message: String) {
        self.defect.get_or_insert_with(|| Fault::internal("page.column", message));
    }
}

impl Page {
    /// A page with no rows that moves the cursor: a job was created, or is waited for.
    #[must_use]
    pub fn moved(next: Cursor) -> Self {
        Self {
            rows: 0,
            keys: BytesArray { offsets: vec![0], bytes: Vec::new() },
            kinds: Vec::new(),
            source_times: Vec::new(),
            columns: Vec::new(),
            merges: Vec::new(),
            rejects: Vec::new(),
            next,
            more: true,
            wait_ms: None,
            estimate: None,
            warnings: Vec::new(),
        }
    }

    /// There is no more for now.
    #[must_use]
    pub fn caught_up(mut self) -> Self {
        self.more = false;
        self
    }

    /// Do not call again before this much time has passed. At most an hour.
    #[must_use]
    pub fn wait_ms(mut self, wait: u64) -> Self {
        self.wait_ms = Some(wait);
        self
    }

    /// How far the stream is.
    #[must_use]
    pub fn estimate(mut self, phase: impl Into<String>, done: Option<u64>, total: Option<u64>) -> Self {
        self.estimate = Some(Estimate { records_done: done, records_total: total, phase: phase.into() });
        self
    }

    /// Adds something a person should know.
    #[must_use]
    pub fn warn(mut self, code: &str, message: impl Into<String>) -> Self {
        self.warnings.push(Warning::new(code, message));
        self
    }
}

impl ColumnSpec {
    /// A column that may be null, with no label.
    #[must_use]
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, nullable: true, label: String::new() }
    }

    /// The vendor's own words for it.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Never null.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.nullable = false;
        self
    }
}

impl Reject {
    /// A reject with a stable code: `key-missing`, `field-too-long`, `not-utf8`.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: None, code: code.into(), field: None, message: message.into(), sample: String::new() }
    }

    /// The vendor's key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The column at fault.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// What the vendor sent; cut to 4 KiB.
    #[must_use]
    pub fn sample(mut self, sample: &str) -> Self {
        self.sample = cut(sample, SAMPLE_BYTES_MAX).to_owned();
        self
    }
}

/// At most `max` bytes of a text, at a character's end.
fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
