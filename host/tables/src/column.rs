//! One column of a row group: its type in the schema, its values, and which rows have one.

use attiva_core::number::Exact;
use attiva_core::tables::{DECIMAL_DIGITS, DECIMAL_SCALE, TableColumn};
use attiva_core::{DataType, Value};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;
use parquet::schema::types::Type;

const DECIMAL_BYTES: i32 = 16;

/// Every column may be null. Instants and dates are plain whole numbers: that is what statements compare.
pub(crate) fn field(column: &TableColumn) -> Result<Type, ParquetError> {
    let optional =
        |physical| Type::primitive_type_builder(&column.name, physical).with_repetition(Repetition::OPTIONAL);
    match column.data_type {
        DataType::Boolean => optional(Physical::BOOLEAN).build(),
        DataType::Integer | DataType::Timestamp => optional(Physical::INT64).build(),
        DataType::Date => optional(Physical::INT32).build(),
        DataType::Float => optional(Physical::DOUBLE).build(),
        DataType::Bytes => optional(Physical::BYTE_ARRAY).build(),
        DataType::Text | DataType::Json | DataType::TextList => {
            optional(Physical::BYTE_ARRAY).with_logical_type(Some(LogicalType::String)).build()
        }
        DataType::Decimal => {
            let (scale, digits) = (DECIMAL_SCALE.cast_signed(), DECIMAL_DIGITS.cast_signed());
            optional(Physical::FIXED_LEN_BYTE_ARRAY)
                .with_length(DECIMAL_BYTES)
                .with_logical_type(Some(LogicalType::decimal(scale, digits)))
                .with_precision(digits)
                .with_scale(scale)
                .build()
        }
    }
}

enum Values {
    Boolean(Vec<bool>),
    Long(Vec<i64>),
    Int(Vec<i32>),
    Float(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Decimal(Vec<FixedLenByteArray>),
}

/// Values that are there, and for each row whether it has one.
pub(crate) struct Column {
    values: Values,
    there: Vec<i16>,
}

impl Column {
    pub(crate) fn new(data_type: DataType) -> Self {
        let values = match data_type {
            DataType::Boolean => Values::Boolean(Vec::new()),
            DataType::Integer | DataType::Timestamp => Values::Long(Vec::new()),
            DataType::Date => Values::Int(Vec::new()),
            DataType::Float => Values::Float(Vec::new()),
            DataType::Decimal => Values::Decimal(Vec::new()),
            DataType::Text | DataType::Json | DataType::TextList | DataType::Bytes => Values::Bytes(Vec::new()),
        };
        Self { values, there: Vec::new() }
    }

    /// Adds a row's value. False: the type does not hold it, and it is null.
    pub(crate) fn push(&mut self, value: &Value) -> bool {
        let is_held = match (&mut self.values, value) {
            (Values::Boolean(values), Value::Boolean(value)) => add(values, *value),
            (Values::Long(values), Value::Integer(value) | Value::Timestamp(value)) => add(values, *value),
            (Values::Int(values), Value::Date(days)) => add(values, *days),
            (Values::Float(values), Value::Float(value)) => add(values, *value),
            (Values::Bytes(values), Value::Text(text) | Value::Json(text)) => {
                add(values, ByteArray::from(text.as_str()))
            }
            (Values::Bytes(values), Value::Bytes(bytes)) => add(values, ByteArray::from(bytes.clone())),
            (Values::Decimal(values), Value::Decimal(text)) => decimal(text).is_some_and(|value| add(values, value)),
            _ => false,
        };
        self.there.push(i16::from(is_held));
        is_held || value.is_null()
    }

    pub(crate) fn write(&self, chunk: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let there = Some(self.there.as_slice());
        match &self.values {
            Values::Boolean(values) => chunk.typed::<BoolType>().write_batch(values, there, None),
            Values::Long(values) => chunk.typed::<Int64Type>().write_batch(values, there, None),
            Values::Int(values) => chunk.typed::<Int32Type>().write_batch(values, there, None),
            Values::Float(values) => chunk.typed::<DoubleType>().write_batch(values, there, None),
            Values::Bytes(values) => chunk.typed::<ByteArrayType>().write_batch(values, there, None),
            Values::Decimal(values) => chunk.typed::<FixedLenByteArrayType>().write_batch(values, there, None),
        }
        .map(|_| ())
    }
}

fn add<T>(values: &mut Vec<T>, value: T) -> bool {
    values.push(value);
    true
}

/// In two's complement, the most significant byte first.
fn decimal(text: &str) -> Option<FixedLenByteArray> {
    let units = Exact::parse(text)?.units_at(DECIMAL_SCALE, DECIMAL_DIGITS)?;
    Some(FixedLenByteArray::from(units.to_be_bytes().to_vec()))
}
