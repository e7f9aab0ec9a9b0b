//! A page from a guest: checked once, held as Arrow without a copy.

use super::{CODE_CHARS_MAX, TEXT_CHARS_MAX, cut, warning};
use crate::bindings::source::{Limits, Page as WitPage, Reject as WitReject, RowKind as WitRowKind};
use crate::bindings::types::{BytesArray, Column as WitColumn, ColumnValues, TextListArray};
use crate::limits::exceeded;
use arrow_array::{
    Array, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, StringArray,
    TimestampMillisecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType as ArrowType, Field};
use attiva_core::page::{Column, Cursor, Estimate, Page, Reject, RowKind, Rows, Values};
use attiva_core::{Fault, FaultKind};
use serde::de::IgnoredAny;
use std::collections::HashSet;
use std::sync::Arc;

const KEY_BYTES_MAX: usize = 512;
const SAMPLE_BYTES_MAX: usize = 4 << 10;
const WAIT_MS_MAX: u64 = 3_600_000;

/// Checks a page and takes it over.
///
/// # Errors
/// `limit.page-rows`, `limit.page-bytes`; `page.*`, kind `internal`, naming the column.
pub(crate) fn page(page: WitPage, limits: Limits) -> Result<Page, Fault> {
    let rows = page.rows as usize;
    if page.rows > limits.max_rows {
        return Err(exceeded(
            "limit.page-rows",
            format!("the page has {rows} rows; at most {} were asked for", limits.max_rows),
        ));
    }
    let bytes = bytes_of(&page);
    if bytes > limits.max_bytes {
        return Err(exceeded(
            "limit.page-bytes",
            format!("the page has {bytes} bytes; at most {} were asked for", limits.max_bytes),
        ));
    }
    counted("kinds", page.kinds.len(), rows)?;
    counted("source-times", page.source_times.len(), rows)?;
    let keys = keys(page.keys, rows)?;
    let kinds: Vec<RowKind> = page.kinds.into_iter().map(row_kind).collect();
    let merges = merges(page.merges.into_iter().map(|m| (m.row as usize, m.into_key)).collect(), &kinds, &keys)?;
    let mut names = HashSet::new();
    let mut columns = Vec::with_capacity(page.columns.len());
    for column in page.columns {
        if column.name.is_empty() || !names.insert(column.name.clone()) {
            return Err(broken("page.columns", &column.name, "has no name, or one that is there twice"));
        }
        columns.push(take_column(column, rows)?);
    }
    if page.wait_ms.is_some_and(|wait| wait > WAIT_MS_MAX) {
        return Err(broken("page.wait", "wait-ms", "is more than an hour"));
    }
    Ok(Page {
        keys,
        kinds,
        source_times: page.source_times,
        rows: Rows { len: rows, columns },
        merges,
        rejects: page.rejects.into_iter().map(reject).collect(),
        next: Cursor { state_version: page.next.state_version, bytes: page.next.bytes },
        more: page.more,
        wait_ms: page.wait_ms,
        estimate: page.estimate.map(|estimate| Estimate {
            records_done: estimate.records_done,
            records_total: estimate.records_total,
            phase: cut(estimate.phase, TEXT_CHARS_MAX),
        }),
        warnings: page.warnings.into_iter().map(warning).collect(),
    })
}

fn keys(keys: BytesArray, rows: usize) -> Result<StringArray, Fault> {
    let keys = texts("keys", keys, rows, None)?;
    let bad = (0..rows).find(|row| !(1..=KEY_BYTES_MAX).contains(&keys.value(*row).len()));
    match bad {
        Some(row) => Err(broken("page.key", "keys", &format!("row {row} has a key that is not 1 to 512 bytes long"))),
        None => Ok(keys),
    }
}

/// Each row of kind merge is named once, and no other.
fn merges(merges: Vec<(usize, String)>, kinds: &[RowKind], keys: &StringArray) -> Result<Vec<(usize, String)>, Fault> {
    let wrong = |row: usize, what: &str| broken("page.merges", "merges", &format!("row {row} {what}"));
    let mut named = HashSet::with_capacity(merges.len());
    for (row, into) in &merges {
        if kinds.get(*row) != Some(&RowKind::Merge) {
            return Err(wrong(*row, "is no row of kind merge"));
        }
        if !(1..=KEY_BYTES_MAX).contains(&into.len()) || keys.value(*row) == into {
            return Err(wrong(*row, "is merged into no other key"));
        }
        if !named.insert(*row) {
            return Err(wrong(*row, "is merged twice"));
        }
    }
    match kinds.iter().enumerate().find(|(row, kind)| **kind == RowKind::Merge && !named.contains(row)) {
        Some((row, _)) => Err(wrong(row, "is merged, but not said into what")),
        None => Ok(merges),
    }
}

fn take_column(column: WitColumn, rows: usize) -> Result<Column, Fault> {
    let name = column.name;
    let presence = column.presence.map(|bits| bitmap(&name, "presence", bits, rows)).transpose()?;
    let nulls = column.validity.map(|bits| bitmap(&name, "validity", bits, rows)).transpose()?.map(NullBuffer::new);
    let values = match column.values {
        ColumnValues::Boolean(bits) => Values::Boolean(BooleanArray::new(bitmap(&name, "values", bits, rows)?, nulls)),
        ColumnValues::Integer(v) => Values::Integer(Int64Array::new(flat(&name, v, rows)?, nulls)),
        ColumnValues::Float(v) => Values::Float(Float64Array::new(flat(&name, v, rows)?, nulls)),
        ColumnValues::Date(v) => Values::Date(Date32Array::new(flat(&name, v, rows)?, nulls)),
        ColumnValues::Timestamp(v) => Values::Timestamp(TimestampMillisecondArray::new(flat(&name, v, rows)?, nulls)),
        ColumnValues::Text(v) => Values::Text(texts(&name, v, rows, nulls)?),
        ColumnValues::Decimal(v) => {
            Values::Decimal(checked(&name, texts(&name, v, rows, nulls)?, is_decimal, "decimal number")?)
        }
        ColumnValues::Json(v) => Values::Json(checked(&name, texts(&name, v, rows, nulls)?, is_json, "JSON")?),
        ColumnValues::Bytes(v) => {
            let offsets = offsets(&name, v.offsets, rows, v.bytes.len())?;
            Values::Bytes(BinaryArray::new(offsets, Buffer::from_vec(v.bytes), nulls))
        }
        ColumnValues::TextList(v) => Values::TextList(text_lists(&name, v, rows, nulls)?),
    };
    Ok(Column { name, values, presence })
}

fn text_lists(name: &str, lists: TextListArray, rows: usize, nulls: Option<NullBuffer>) -> Result<ListArray, Fault> {
    let count = lists.items.offsets.len().saturating_sub(1);
    let offsets = offsets(name, lists.offsets, rows, count)?;
    let items = texts(name, lists.items, count, None)?;
    // As Arrow's own builders name it.
    let field = Arc::new(Field::new_list_field(ArrowType::Utf8, true));
    ListArray::try_new(field, offsets, Arc::new(items), nulls).map_err(|e| broken("page.column", name, &e.to_string()))
}

fn texts(name: &str, array: BytesArray, values: usize, nulls: Option<NullBuffer>) -> Result<StringArray, Fault> {
    let offsets = offsets(name, array.offsets, values, array.bytes.len())?;
    let problem = match std::str::from_utf8(&array.bytes) {
        // The whole is UTF-8; a value must not begin inside a character.
        Ok(text) => offsets.iter().find(|at| !text.is_char_boundary(index(**at))).map(|at| index(*at)),
        Err(error) => Some(error.valid_up_to()),
    };
    if let Some(at) = problem {
        let row = offsets.partition_point(|offset| index(*offset) <= at).saturating_sub(1);
        return Err(broken("page.utf8", name, &format!("row {row} is not UTF-8")));
    }
    StringArray::try_new(offsets, Buffer::from_vec(array.bytes), nulls)
        .map_err(|e| broken("page.column", name, &e.to_string()))
}

/// Arrow counts in 32 bits with a sign. The list is taken over in place.
fn offsets(name: &str, offsets: Vec<u32>, values: usize, end: usize) -> Result<OffsetBuffer<i32>, Fault> {
    let wrong = |what: &str| broken("page.offsets", name, what);
    if offsets.len() != values.saturating_add(1) {
        return Err(wrong(&format!("has {} offsets for {values} values", offsets.len())));
    }
    if offsets.first() != Some(&0) {
        return Err(wrong("has offsets that do not start at 0"));
    }
    if !offsets.is_sorted() {
        return Err(wrong("has offsets that fall"));
    }
    if offsets.last().map(|last| *last as usize) != Some(end) || i32::try_from(end).is_err() {
        return Err(wrong("has offsets that do not end where its values do"));
    }
    let signed: Vec<i32> = offsets.into_iter().map(u32::cast_signed).collect();
    Ok(OffsetBuffer::new(ScalarBuffer::from(signed)))
}

fn flat<T: arrow_buffer::ArrowNativeType>(name: &str, values: Vec<T>, rows: usize) -> Result<ScalarBuffer<T>, Fault> {
    counted(name, values.len(), rows)?;
    Ok(ScalarBuffer::from(values))
}

fn bitmap(name: &str, what: &str, bits: Vec<u8>, rows: usize) -> Result<BooleanBuffer, Fault> {
    let expected = rows.div_ceil(8);
    if bits.len() != expected {
        let problem = format!("has a {what} bitmap of {} bytes; {rows} rows take {expected}", bits.len());
        return Err(broken("page.bitmap", name, &problem));
    }
    Ok(BooleanBuffer::new(Buffer::from_vec(bits), 0, rows))
}

fn checked(name: &str, array: StringArray, is_right: fn(&str) -> bool, what: &str) -> Result<StringArray, Fault> {
    let bad = (0..array.len()).find(|row| array.is_valid(*row) && !is_right(array.value(*row)));
    match bad {
        Some(row) => Err(broken("page.value", name, &format!("row {row} is no {what}"))),
        None => Ok(array),
    }
}

/// `-12.30`: a sign, digits, perhaps a point and digits.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(fraction)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn counted(name: &str, values: usize, rows: usize) -> Result<(), Fault> {
    if values == rows {
        Ok(())
    } else {
        Err(broken("page.length", name, &format!("has {values} values for {rows} rows")))
    }
}

/// An offset that has been checked not to be negative.
fn index(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

fn broken(code: &str, column: &str, problem: &str) -> Fault {
    Fault::new(FaultKind::Internal, code, format!("the column `{column}` {problem}"))
        .field(column)
        .action("Report this to the connector's publisher.")
}

fn row_kind(kind: WitRowKind) -> RowKind {
    match kind {
        WitRowKind::Full => RowKind::Full,
        WitRowKind::Patch => RowKind::Patch,
        WitRowKind::Tombstone => RowKind::Tombstone,
        WitRowKind::Merge => RowKind::Merge,
    }
}

fn reject(reject: WitReject) -> Reject {
    let mut sample = reject.sample;
    if sample.len() > SAMPLE_BYTES_MAX {
        let at = (0..=SAMPLE_BYTES_MAX).rev().find(|at| sample.is_char_boundary(*at)).unwrap_or(0);
        sample.truncate(at);
    }
    Reject {
        key: reject.key.map(|key| cut(key, KEY_BYTES_MAX)),
        code: cut(reject.code, CODE_CHARS_MAX),
        field: reject.field,
        message: cut(reject.message, TEXT_CHARS_MAX),
        sample,
    }
}

/// What the page holds in its columns, as the guest was asked to count.
fn bytes_of(page: &WitPage) -> u64 {
    let columns = page.columns.iter().map(bytes_of_column).sum::<usize>();
    (columns + bytes_of_array(&page.keys)) as u64
}

fn bytes_of_column(column: &WitColumn) -> usize {
    let values = match &column.values {
        ColumnValues::Boolean(bits) => bits.len(),
        ColumnValues::Integer(v) | ColumnValues::Timestamp(v) => v.len() * 8,
        ColumnValues::Float(v) => v.len() * 8,
        ColumnValues::Date(v) => v.len() * 4,
        ColumnValues::Decimal(v) | ColumnValues::Text(v) | ColumnValues::Bytes(v) | ColumnValues::Json(v) => {
            bytes_of_array(v)
        }
        ColumnValues::TextList(v) => v.offsets.len() * 4 + bytes_of_array(&v.items),
    };
    let bits = |bits: &Option<Vec<u8>>| bits.as_ref().map_or(0, Vec::len);
    values + bits(&column.validity) + bits(&column.presence)
}

fn bytes_of_array(array: &BytesArray) -> usize {
    array.offsets.len() * 4 + array.bytes.len()
}
