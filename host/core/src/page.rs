//! A page of rows in Arrow's layout, as it comes from a source and as it goes to a destination. A page that exists
//! is sound: `attiva-wasm` has checked offsets, lengths and UTF-8 before it made one.

use crate::value::{DataType, Value};
use crate::{Fault, Millis};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, StringArray,
    TimestampMillisecondArray,
};
use arrow_buffer::BooleanBuffer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The values of one column; nulls are in the array.
#[derive(Debug, Clone)]
pub enum Values {
    Boolean(BooleanArray),
    Integer(Int64Array),
    Decimal(StringArray),
    Float(Float64Array),
    Text(StringArray),
    Bytes(BinaryArray),
    Date(Date32Array),
    Timestamp(TimestampMillisecondArray),
    TextList(ListArray),
    Json(StringArray),
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub values: Values,
    /// Which rows say something about this column; `None`: all.
    pub presence: Option<BooleanBuffer>,
}

impl Column {
    #[must_use]
    pub fn len(&self) -> usize {
        self.array().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn data_type(&self) -> DataType {
        match &self.values {
            Values::Boolean(_) => DataType::Boolean,
            Values::Integer(_) => DataType::Integer,
            Values::Decimal(_) => DataType::Decimal,
            Values::Float(_) => DataType::Float,
            Values::Text(_) => DataType::Text,
            Values::Bytes(_) => DataType::Bytes,
            Values::Date(_) => DataType::Date,
            Values::Timestamp(_) => DataType::Timestamp,
            Values::TextList(_) => DataType::TextList,
            Values::Json(_) => DataType::Json,
        }
    }

    #[must_use]
    pub fn array(&self) -> &dyn Array {
        match &self.values {
            Values::Boolean(a) => a,
            Values::Integer(a) => a,
            Values::Decimal(a) | Values::Text(a) | Values::Json(a) => a,
            Values::Float(a) => a,
            Values::Bytes(a) => a,
            Values::Date(a) => a,
            Values::Timestamp(a) => a,
            Values::TextList(a) => a,
        }
    }

    /// The value in a row: `None` where the row says nothing. Out of range is absent, too.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<Value> {
        if row >= self.len() || self.presence.as_ref().is_some_and(|p| !p.value(row)) {
            return None;
        }
        if self.array().is_null(row) {
            return Some(Value::Null);
        }
        Some(match &self.values {
            Values::Boolean(a) => Value::Boolean(a.value(row)),
            Values::Integer(a) => Value::Integer(a.value(row)),
            Values::Decimal(a) => Value::Decimal(a.value(row).to_owned()),
            Values::Float(a) => Value::Float(a.value(row)),
            Values::Text(a) => Value::Text(a.value(row).to_owned()),
            Values::Bytes(a) => Value::Bytes(a.value(row).to_owned()),
            Values::Date(a) => Value::Date(a.value(row)),
            Values::Timestamp(a) => Value::Timestamp(a.value(row)),
            Values::TextList(a) => {
                let items = a.value(row);
                let items: &StringArray = items.as_string();
                Value::TextList(items.iter().map(|s| s.unwrap_or_default().to_owned()).collect())
            }
            Values::Json(a) => Value::Json(a.value(row).to_owned()),
        })
    }
}

/// Columns of one length.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub len: usize,
    pub columns: Vec<Column>,
}

/// What a row says of its record; the reasons are in `wit/source.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    Full,
    Patch,
    Tombstone,
    Merge,
}

/// Where a source goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub state_version: u32,
    pub bytes: Vec<u8>,
}

/// A record of the vendor's that could not become a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RejectedRow")]
pub struct Reject {
    pub key: Option<String>,
    pub code: String,
    pub field: Option<String>,
    pub message: String,
    pub sample: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    pub records_done: Option<u64>,
    pub records_total: Option<u64>,
    pub phase: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub code: String,
    pub message: String,
}

/// One page of a source, checked.
#[derive(Debug, Clone)]
pub struct Page {
    /// One key per row, never empty.
    pub keys: StringArray,
    pub kinds: Vec<RowKind>,
    /// When each record changed at the vendor; 0 = not known.
    pub source_times: Vec<Millis>,
    pub rows: Rows,
    /// `(row, key that lives on)`, one for each row of kind merge.
    pub merges: Vec<(usize, String)>,
    pub rejects: Vec<Reject>,
    pub next: Cursor,
    pub more: bool,
    pub wait_ms: Option<u64>,
    pub estimate: Option<Estimate>,
    pub warnings: Vec<Warning>,
}

/// What a destination is asked to do with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RowOperation")]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    Upsert,
    Remove,
}

/// One batch for a destination.
#[derive(Debug, Clone)]
pub struct Batch {
    pub number: u32,
    pub keys: StringArray,
    pub operations: Vec<Operation>,
    /// What the vendor calls each member, as last answered; empty: no member has a name there.
    pub member_ids: Vec<Option<String>>,
    pub rows: Rows,
}

/// What became of one row; the reasons are in `wit/destination.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeStatus {
    Created,
    Updated,
    Removed,
    Unchanged,
    Unmatched,
    Rejected,
    Pending,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub status: OutcomeStatus,
    pub code: String,
    pub field: Option<String>,
    pub message: String,
    /// The vendor's own name for the member: handed back with the member's next row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_id: Option<String>,
}

/// One named test of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    pub name: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// Builds a column from values, all null or of one type. For tests, and for batches to destinations.
#[must_use]
pub fn column(name: &str, data_type: DataType, values: &[Value]) -> Column {
    use arrow_array::builder::{ListBuilder, StringBuilder};
    macro_rules! gather {
        ($variant:ident, $map:expr) => {
            values
                .iter()
                .map(|v| match v {
                    Value::$variant(x) => Some($map(x)),
                    _ => None,
                })
                .collect()
        };
    }
    let text = |values: &[Value]| -> StringArray {
        let texts = values.iter().map(|v| match v {
            Value::Text(s) | Value::Decimal(s) | Value::Json(s) => Some(s.as_str()),
            _ => None,
        });
        texts.collect()
    };
    let values = match data_type {
        DataType::Boolean => Values::Boolean(gather!(Boolean, |x: &bool| *x)),
        DataType::Integer => Values::Integer(gather!(Integer, |x: &i64| *x)),
        DataType::Float => Values::Float(gather!(Float, |x: &f64| *x)),
        DataType::Date => Values::Date(gather!(Date, |x: &i32| *x)),
        DataType::Timestamp => Values::Timestamp(gather!(Timestamp, |x: &i64| *x)),
        DataType::Bytes => Values::Bytes(
            values
                .iter()
                .map(|v| match v {
                    Value::Bytes(b) => Some(b.as_slice()),
                    _ => None,
                })
                .collect(),
        ),
        DataType::Text => Values::Text(text(values)),
        DataType::Decimal => Values::Decimal(text(values)),
        DataType::Json => Values::Json(text(values)),
        DataType::TextList => {
            let mut builder = ListBuilder::new(StringBuilder::new());
            for value in values {
                if let Value::TextList(items) = value {
                    items.iter().for_each(|s| builder.values().append_value(s));
                    builder.append(true);
                } else {
                    builder.append(false);
                }
            }
            Values::TextList(builder.finish())
        }
    };
    Column { name: name.to_owned(), values, presence: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_gives_back_what_it_was_built_from() {
        let cases = [
            (DataType::Boolean, vec![Value::Boolean(true), Value::Null]),
            (DataType::Integer, vec![Value::Integer(-1), Value::Null]),
            (DataType::Decimal, vec![Value::Decimal("1.50".into()), Value::Null]),
            (DataType::Float, vec![Value::Float(0.5), Value::Null]),
            (DataType::Text, vec![Value::Text("é".into()), Value::Null]),
            (DataType::Bytes, vec![Value::Bytes(vec![0, 255]), Value::Null]),
            (DataType::Date, vec![Value::Date(-1), Value::Null]),
            (DataType::Timestamp, vec![Value::Timestamp(5), Value::Null]),
            (DataType::TextList, vec![Value::TextList(vec!["a".into(), String::new()]), Value::Null]),
            (DataType::Json, vec![Value::Json("[]".into()), Value::Null]),
        ];
        for (data_type, values) in cases {
            let column = column("c", data_type, &values);
            assert_eq!(column.data_type(), data_type);
            let back: Vec<Value> = (0..2).map(|row| column.get(row).unwrap()).collect();
            assert_eq!(back, values);
            assert_eq!(column.get(2), None);
        }
    }

    #[test]
    fn absent_is_not_null() {
        let mut column = column("c", DataType::Text, &[Value::Null, Value::Null]);
        column.presence = Some(BooleanBuffer::from(vec![true, false]));
        assert_eq!(column.get(0), Some(Value::Null));
        assert_eq!(column.get(1), None);
    }
}
