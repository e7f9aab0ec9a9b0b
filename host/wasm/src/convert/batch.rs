//! A batch for a guest: Arrow's arrays in the contract's lists.

use crate::bindings::destination::{Batch as WitBatch, Operation as WitOperation};
use crate::bindings::types::{BytesArray, Column as WitColumn, ColumnValues, TextListArray};
use arrow_array::cast::AsArray;
use arrow_array::{Array, GenericByteArray, types::ByteArrayType};
use arrow_buffer::{BooleanBuffer, OffsetBuffer};
use attiva_core::page::{Batch, Column, Operation, Values};
use attiva_core::{Fault, FaultKind};

/// Copies a batch into the form that crosses.
///
/// # Errors
/// `batch.malformed`, kind `internal`: the host made a batch whose parts are not of one length.
pub(crate) fn batch(batch: &Batch) -> Result<WitBatch, Fault> {
    let rows = batch.keys.len();
    let unequal = batch.operations.len() != rows
        || batch.rows.len != rows
        || !(batch.member_ids.is_empty() || batch.member_ids.len() == rows)
        || batch.rows.columns.iter().any(|column| column.len() != rows);
    let Some(count) = u32::try_from(rows).ok().filter(|_| !unequal) else {
        return Err(Fault::new(FaultKind::Internal, "batch.malformed", "a batch has parts of several lengths"));
    };
    Ok(WitBatch {
        number: batch.number,
        rows: count,
        keys: bytes_array(&batch.keys),
        operations: batch.operations.iter().map(operation).collect(),
        member_ids: member_ids(&batch.member_ids),
        columns: batch.rows.columns.iter().map(column).collect(),
    })
}

/// Nothing crosses where no member has a name at the vendor.
fn member_ids(ids: &[Option<String>]) -> Option<BytesArray> {
    if ids.iter().all(Option::is_none) {
        return None;
    }
    let mut array = BytesArray { offsets: vec![0], bytes: Vec::new() };
    for id in ids {
        array.bytes.extend_from_slice(id.as_deref().unwrap_or_default().as_bytes());
        array.offsets.push(u32::try_from(array.bytes.len()).unwrap_or(u32::MAX));
    }
    Some(array)
}

fn operation(operation: &Operation) -> WitOperation {
    match operation {
        Operation::Upsert => WitOperation::Upsert,
        Operation::Remove => WitOperation::Remove,
    }
}

fn column(column: &Column) -> WitColumn {
    let values = match &column.values {
        Values::Boolean(a) => ColumnValues::Boolean(bits(a.values())),
        Values::Integer(a) => ColumnValues::Integer(a.values().to_vec()),
        Values::Decimal(a) => ColumnValues::Decimal(bytes_array(a)),
        Values::Float(a) => ColumnValues::Float(a.values().to_vec()),
        Values::Text(a) => ColumnValues::Text(bytes_array(a)),
        Values::Bytes(a) => ColumnValues::Bytes(bytes_array(a)),
        Values::Date(a) => ColumnValues::Date(a.values().to_vec()),
        Values::Timestamp(a) => ColumnValues::Timestamp(a.values().to_vec()),
        Values::TextList(a) => {
            let (first, offsets) = from_zero(a.offsets());
            let last = offsets.last().copied().unwrap_or(0) as usize;
            let items = a.values().slice(first, last);
            ColumnValues::TextList(TextListArray { offsets, items: bytes_array(items.as_string::<i32>()) })
        }
        Values::Json(a) => ColumnValues::Json(bytes_array(a)),
    };
    WitColumn {
        name: column.name.clone(),
        values,
        validity: column.array().nulls().filter(|nulls| nulls.null_count() > 0).map(|nulls| bits(nulls.inner())),
        presence: column.presence.as_ref().map(bits),
    }
}

/// An array may be a slice of a larger one; what crosses is only its part.
fn bytes_array<T: ByteArrayType<Offset = i32>>(array: &GenericByteArray<T>) -> BytesArray {
    let (first, offsets) = from_zero(array.offsets());
    let last = first + offsets.last().copied().unwrap_or(0) as usize;
    let bytes = array.values().as_slice().get(first..last).unwrap_or_default().to_vec();
    BytesArray { offsets, bytes }
}

fn from_zero(offsets: &OffsetBuffer<i32>) -> (usize, Vec<u32>) {
    let first = offsets.first().copied().unwrap_or(0);
    let offsets = offsets.iter().map(|offset| u32::try_from(offset - first).unwrap_or(0)).collect();
    (usize::try_from(first).unwrap_or(0), offsets)
}

/// Least significant first, from the first bit on.
fn bits(buffer: &BooleanBuffer) -> Vec<u8> {
    buffer.sliced().as_slice().to_vec()
}
