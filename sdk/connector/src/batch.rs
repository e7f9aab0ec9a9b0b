//! Reading a batch row by row. The columns are checked once, so that a cell is read without a doubt.

use crate::bindings::{BytesArray, TextListArray};
use crate::{Batch, Column, ColumnValues, Fault, Operation, Result};

/// A batch whose columns have been checked.
#[derive(Debug, Clone, Copy)]
pub struct BatchView<'b> {
    batch: &'b Batch,
}

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'b> {
    /// The row says nothing about the column.
    Absent,
    /// The row says there is no value.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A 64-bit number.
    Integer(i64),
    /// A decimal number as text.
    Decimal(&'b str),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(&'b str),
    /// Bytes.
    Bytes(&'b [u8]),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// A list of texts.
    TextList(TextListRef<'b>),
    /// A JSON value as text.
    Json(&'b str),
}

/// A list of texts in a batch.
#[derive(Debug, Clone, Copy)]
pub struct TextListRef<'b> {
    items: &'b BytesArray,
    start: usize,
    end: usize,
}

impl PartialEq for TextListRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'b> TextListRef<'b> {
    /// The texts.
    pub fn iter(self) -> impl Iterator<Item = &'b str> {
        let items = self.items;
        (self.start..self.end).map(move |i| text(items, i))
    }
}

/// One row of a batch.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'b> {
    batch: &'b Batch,
    row: usize,
}

impl<'b> BatchView<'b> {
    /// Checks a batch's columns.
    ///
    /// # Errors
    /// `internal` `batch.malformed`: the host sent what the contract forbids.
    pub fn new(batch: &'b Batch) -> Result<Self> {
        let rows = batch.rows as usize;
        let malformed = |what: String| Fault::internal("batch.malformed", what);
        if !is_utf8(&batch.keys, rows) || batch.operations.len() != rows {
            return Err(malformed(format!("keys or operations of batch {} are not {rows} values", batch.number)));
        }
        if !batch.member_ids.as_ref().is_none_or(|ids| is_utf8(ids, rows)) {
            return Err(malformed(format!("the member ids of batch {} are not {rows} values", batch.number)));
        }
        match batch.columns.iter().find(|column| !is_sound(column, rows)) {
            Some(column) => Err(malformed(format!("the column {} does not hold {rows} values", column.name))),
            None => Ok(Self { batch }),
        }
    }

    /// The rows in order.
    pub fn rows(self) -> impl ExactSizeIterator<Item = RowView<'b>> {
        let batch = self.batch;
        (0..batch.rows as usize).map(move |row| RowView { batch, row })
    }

    /// The index of a column.
    #[must_use]
    pub fn column(self, name: &str) -> Option<usize> {
        self.batch.columns.iter().position(|c| c.name == name)
    }

    /// Number of columns.
    #[must_use]
    pub fn width(self) -> usize {
        self.batch.columns.len()
    }
}

impl<'b> RowView<'b> {
    /// The host's key of the member.
    #[must_use]
    pub fn key(self) -> &'b str {
        text(&self.batch.keys, self.row)
    }

    /// The `member_id` last answered for this member, if there was one.
    #[must_use]
    pub fn member_id(self) -> Option<&'b str> {
        self.batch.member_ids.as_ref().map(|ids| text(ids, self.row)).filter(|id| !id.is_empty())
    }

    /// What shall become of the member.
    #[must_use]
    pub fn operation(self) -> Operation {
        self.batch.operations.get(self.row).copied().unwrap_or(Operation::Upsert)
    }

    /// The value of a column; absent where there is no such column.
    #[must_use]
    pub fn cell(self, column: usize) -> Cell<'b> {
        self.batch.columns.get(column).map_or(Cell::Absent, |column| cell(column, self.row))
    }

    /// All values, in the columns' order.
    pub fn cells(self) -> impl Iterator<Item = Cell<'b>> {
        self.batch.columns.iter().map(move |column| cell(column, self.row))
    }
}

fn cell(column: &Column, row: usize) -> Cell<'_> {
    if !bit(column.presence.as_deref(), row) {
        return Cell::Absent;
    }
    if !bit(column.validity.as_deref(), row) {
        return Cell::Null;
    }
    match &column.values {
        ColumnValues::Boolean(bits) => Cell::Boolean(bit(Some(bits), row)),
        ColumnValues::Integer(v) => v.get(row).map_or(Cell::Null, |i| Cell::Integer(*i)),
        ColumnValues::Decimal(v) => Cell::Decimal(text(v, row)),
        ColumnValues::Float(v) => v.get(row).map_or(Cell::Null, |f| Cell::Float(*f)),
        ColumnValues::Text(v) => Cell::Text(text(v, row)),
        ColumnValues::Bytes(v) => Cell::Bytes(slice(v, row)),
        ColumnValues::Date(v) => v.get(row).map_or(Cell::Null, |d| Cell::Date(*d)),
        ColumnValues::Timestamp(v) => v.get(row).map_or(Cell::Null, |t| Cell::Timestamp(*t)),
        ColumnValues::TextList(v) => {
            let at = |i: usize| v.offsets.get(i).map_or(0, |o| *o as usize);
            Cell::TextList(TextListRef { items: &v.items, start: at(row), end: at(row + 1) })
        }
        ColumnValues::Json(v) => Cell::Json(text(v, row)),
    }
}

fn bit(bits: Option<&[u8]>, row: usize) -> bool {
    bits.is_none_or(|bits| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
}

fn slice(array: &BytesArray, i: usize) -> &[u8] {
    let at = |i: usize| array.offsets.get(i).map_or(0, |o| *o as usize);
    array.bytes.get(at(i)..at(i + 1)).unwrap_or_default()
}

/// UTF-8 was checked in [`BatchView::new`].
fn text(array: &BytesArray, i: usize) -> &str {
    std::str::from_utf8(slice(array, i)).unwrap_or_default()
}

fn is_sound(column: &Column, rows: usize) -> bool {
    let bits = |bits: &Option<Vec<u8>>| bits.as_ref().is_none_or(|b| b.len() >= rows.div_ceil(8));
    let values = match &column.values {
        ColumnValues::Boolean(b) => b.len() >= rows.div_ceil(8),
        ColumnValues::Integer(v) | ColumnValues::Timestamp(v) => v.len() == rows,
        ColumnValues::Float(v) => v.len() == rows,
        ColumnValues::Date(v) => v.len() == rows,
        ColumnValues::Bytes(v) => has_offsets(&v.offsets, rows, v.bytes.len()),
        ColumnValues::Decimal(v) | ColumnValues::Text(v) | ColumnValues::Json(v) => is_utf8(v, rows),
        ColumnValues::TextList(TextListArray { offsets, items }) => {
            let count = items.offsets.len().saturating_sub(1);
            has_offsets(offsets, rows, count) && is_utf8(items, count)
        }
    };
    values && bits(&column.validity) && bits(&column.presence)
}

fn has_offsets(offsets: &[u32], values: usize, end: usize) -> bool {
    offsets.len() == values + 1
        && offsets.first() == Some(&0)
        && offsets.last().is_some_and(|last| *last as usize == end)
        && offsets.is_sorted()
}

fn is_utf8(array: &BytesArray, values: usize) -> bool {
    has_offsets(&array.offsets, values, array.bytes.len())
        && std::str::from_utf8(&array.bytes)
            .is_ok_and(|all| array.offsets.iter().all(|offset| all.is_char_boundary(*offset as usize)))
}
