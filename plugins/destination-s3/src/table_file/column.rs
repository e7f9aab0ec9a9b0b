//! One column of a row group: its type in the schema, its values and levels.

use attiva_connector::{Cell, DataType};
use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;
use parquet::schema::types::Type;
use std::sync::Arc;

/// Every column may be null. A decimal is a text: its digits are known and its scale is not.
pub(super) fn field(name: &str, data_type: DataType) -> Result<Type, ParquetError> {
    let optional = |physical| Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    match data_type {
        DataType::Boolean => optional(Physical::BOOLEAN).build(),
        DataType::Integer => optional(Physical::INT64).build(),
        DataType::Float => optional(Physical::DOUBLE).build(),
        DataType::Bytes => optional(Physical::BYTE_ARRAY).build(),
        DataType::Decimal | DataType::Text => {
            optional(Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String)).build()
        }
        DataType::Json => optional(Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::Json)).build(),
        DataType::Date => optional(Physical::INT32).with_logical_type(Some(LogicalType::Date)).build(),
        DataType::Timestamp => {
            optional(Physical::INT64).with_logical_type(Some(LogicalType::timestamp(true, TimeUnit::MILLIS))).build()
        }
        DataType::TextList => list_of_text(name),
    }
}

/// The three levels that the format wants of a list.
fn list_of_text(name: &str) -> Result<Type, ParquetError> {
    let element = Type::primitive_type_builder("element", Physical::BYTE_ARRAY)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::String))
        .build()?;
    let items = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(element)])
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_converted_type(ConvertedType::LIST)
        .with_fields(vec![Arc::new(items)])
        .build()
}

enum Values {
    Boolean(Vec<bool>),
    Integer(Vec<i64>),
    Day(Vec<i32>),
    Float(Vec<f64>),
    Bytes(Vec<ByteArray>),
    /// Its items, and for each level whether it goes on with the list before it.
    List(Vec<ByteArray>, Vec<i16>),
}

/// Values that are there, and for each row how much of it is.
pub(super) struct Column {
    values: Values,
    /// 0: null. 1: a value, or an empty list. 2: an item of a list.
    levels: Vec<i16>,
}

impl Column {
    pub(super) fn new(data_type: DataType) -> Self {
        let values = match data_type {
            DataType::Boolean => Values::Boolean(Vec::new()),
            DataType::Integer | DataType::Timestamp => Values::Integer(Vec::new()),
            DataType::Date => Values::Day(Vec::new()),
            DataType::Float => Values::Float(Vec::new()),
            DataType::Decimal | DataType::Text | DataType::Bytes | DataType::Json => Values::Bytes(Vec::new()),
            DataType::TextList => Values::List(Vec::new(), Vec::new()),
        };
        Self { values, levels: Vec::new() }
    }

    /// Adds a row's value. A value of another type than the column's would be the host's mistake, and is null.
    pub(super) fn push(&mut self, cell: Cell<'_>) {
        let there = match (&mut self.values, cell) {
            (Values::List(items, repeats), cell) => {
                push_list(items, repeats, &mut self.levels, cell);
                return;
            }
            (Values::Boolean(values), Cell::Boolean(value)) => add(values, value),
            (Values::Integer(values), Cell::Integer(value) | Cell::Timestamp(value)) => add(values, value),
            (Values::Day(values), Cell::Date(value)) => add(values, value),
            (Values::Float(values), Cell::Float(value)) => add(values, value),
            (Values::Bytes(values), Cell::Text(text) | Cell::Decimal(text) | Cell::Json(text)) => {
                add(values, ByteArray::from(text))
            }
            (Values::Bytes(values), Cell::Bytes(bytes)) => add(values, ByteArray::from(bytes.to_vec())),
            _ => false,
        };
        self.levels.push(i16::from(there));
    }

    pub(super) fn write(&self, chunk: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = Some(self.levels.as_slice());
        match &self.values {
            Values::Boolean(values) => chunk.typed::<BoolType>().write_batch(values, levels, None),
            Values::Integer(values) => chunk.typed::<Int64Type>().write_batch(values, levels, None),
            Values::Day(values) => chunk.typed::<Int32Type>().write_batch(values, levels, None),
            Values::Float(values) => chunk.typed::<DoubleType>().write_batch(values, levels, None),
            Values::Bytes(values) => chunk.typed::<ByteArrayType>().write_batch(values, levels, None),
            Values::List(items, repeats) => chunk.typed::<ByteArrayType>().write_batch(items, levels, Some(repeats)),
        }
        .map(|_| ())
    }
}

fn add<T>(values: &mut Vec<T>, value: T) -> bool {
    values.push(value);
    true
}

fn push_list(items: &mut Vec<ByteArray>, repeats: &mut Vec<i16>, levels: &mut Vec<i16>, cell: Cell<'_>) {
    let Cell::TextList(list) = cell else {
        repeats.push(0);
        levels.push(0);
        return;
    };
    let before = items.len();
    for item in list.iter() {
        repeats.push(i16::from(items.len() > before));
        levels.push(2);
        items.push(ByteArray::from(item));
    }
    if items.len() == before {
        repeats.push(0);
        levels.push(1);
    }
}
