//! One column under construction, in Arrow's layout. Rows that say nothing cost nothing until the column is used
//! again: they are filled up in one go.

use crate::bindings::{BytesArray, ColumnValues, TextListArray};
use crate::{Column, DataType, RowKind};

/// One bit per row, least significant first.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
    zeros: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if bit {
            if let Some(last) = self.bytes.last_mut() {
                *last |= 1 << (self.len % 8);
            }
        } else {
            self.zeros += 1;
        }
        self.len += 1;
    }

    fn pop(&mut self) {
        let Some(at) = self.len.checked_sub(1) else {
            return;
        };
        let mask = 1 << (at % 8);
        if let Some(last) = self.bytes.last_mut() {
            if *last & mask == 0 {
                self.zeros -= 1;
            }
            *last &= !mask;
        }
        self.len = at;
        if at.is_multiple_of(8) {
            self.bytes.pop();
        }
    }

    /// Nothing where every bit is set.
    fn unless_all_set(self) -> Option<Vec<u8>> {
        (self.zeros > 0).then_some(self.bytes)
    }
}

/// Values of varying length: offsets and bytes.
#[derive(Debug)]
pub(crate) struct VarBuilder {
    offsets: Vec<u32>,
    bytes: Vec<u8>,
}

impl Default for VarBuilder {
    fn default() -> Self {
        Self { offsets: vec![0], bytes: Vec::new() }
    }
}

impl VarBuilder {
    /// Adds a value. A guest's memory ends at 4 GiB, so an offset always fits.
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.offsets.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    pub(crate) fn pop(&mut self) {
        if self.offsets.len() > 1 {
            self.offsets.pop();
            self.bytes.truncate(self.offsets.last().map_or(0, |end| *end as usize));
        }
    }

    /// The last value as text; empty if there is none.
    pub(crate) fn last_text(&self) -> String {
        let start = self.offsets.iter().rev().nth(1).map_or(0, |start| *start as usize);
        String::from_utf8_lossy(self.bytes.get(start..).unwrap_or_default()).into_owned()
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.offsets.len() * 4
    }

    pub(crate) fn finish(self) -> BytesArray {
        BytesArray { offsets: self.offsets, bytes: self.bytes }
    }
}

#[derive(Debug)]
enum Values {
    Boolean(Bits),
    Integer(Vec<i64>),
    Float(Vec<f64>),
    Date(Vec<i32>),
    Timestamp(Vec<i64>),
    /// Text, decimal, bytes and JSON; the column's type says which.
    Var(VarBuilder),
    TextList {
        offsets: Vec<u32>,
        items: VarBuilder,
    },
}

/// A value as a builder takes it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NewValue<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Date(i32),
    Timestamp(i64),
    Var(&'a [u8]),
    TextList(&'a [&'a str]),
}

/// One column under construction.
#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    name: String,
    data_type: DataType,
    values: Values,
    validity: Bits,
    presence: Bits,
}

impl ColumnBuilder {
    pub(crate) fn new(name: &str, data_type: DataType) -> Self {
        let values = match data_type {
            DataType::Boolean => Values::Boolean(Bits::default()),
            DataType::Integer => Values::Integer(Vec::new()),
            DataType::Float => Values::Float(Vec::new()),
            DataType::Date => Values::Date(Vec::new()),
            DataType::Timestamp => Values::Timestamp(Vec::new()),
            DataType::TextList => Values::TextList { offsets: vec![0], items: VarBuilder::default() },
            DataType::Decimal | DataType::Text | DataType::Bytes | DataType::Json => Values::Var(VarBuilder::default()),
        };
        Self { name: name.to_owned(), data_type, values, validity: Bits::default(), presence: Bits::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn data_type(&self) -> DataType {
        self.data_type
    }

    /// Bytes held so far, nearly.
    pub(crate) fn size(&self) -> usize {
        let values = match &self.values {
            Values::Boolean(bits) => bits.bytes.len(),
            Values::Integer(v) | Values::Timestamp(v) => v.len() * 8,
            Values::Float(v) => v.len() * 8,
            Values::Date(v) => v.len() * 4,
            Values::Var(v) => v.size(),
            Values::TextList { offsets, items } => offsets.len() * 4 + items.size(),
        };
        values + self.validity.bytes.len() + self.presence.bytes.len()
    }

    /// Sets the value of row `row`; the kinds of all rows before it say what their silence means.
    pub(crate) fn set(&mut self, row: usize, kinds: &[RowKind], value: NewValue<'_>) {
        self.truncate(row);
        self.fill(row, kinds);
        self.presence.push(true);
        self.validity.push(!matches!(value, NewValue::Null));
        self.push(value);
    }

    /// Forgets everything from row `row` on.
    pub(crate) fn truncate(&mut self, row: usize) {
        while self.presence.len > row {
            self.presence.pop();
            self.validity.pop();
            self.pop();
        }
    }

    /// Fills up to `rows`. What a patch does not have is absent; what any other row does not have is null.
    fn fill(&mut self, rows: usize, kinds: &[RowKind]) {
        for kind in kinds.iter().take(rows).skip(self.presence.len) {
            self.presence.push(*kind != RowKind::Patch);
            self.validity.push(false);
            self.push(NewValue::Null);
        }
    }

    fn push(&mut self, value: NewValue<'_>) {
        match (&mut self.values, value) {
            (Values::Boolean(bits), NewValue::Boolean(b)) => bits.push(b),
            (Values::Boolean(bits), _) => bits.push(false),
            (Values::Integer(v), NewValue::Integer(i)) | (Values::Timestamp(v), NewValue::Timestamp(i)) => v.push(i),
            (Values::Integer(v) | Values::Timestamp(v), _) => v.push(0),
            (Values::Float(v), NewValue::Float(f)) => v.push(f),
            (Values::Float(v), _) => v.push(0.0),
            (Values::Date(v), NewValue::Date(d)) => v.push(d),
            (Values::Date(v), _) => v.push(0),
            (Values::Var(v), NewValue::Var(bytes)) => v.push(bytes),
            (Values::Var(v), _) => v.push(&[]),
            (Values::TextList { offsets, items }, value) => {
                if let NewValue::TextList(list) = value {
                    list.iter().for_each(|item| items.push(item.as_bytes()));
                }
                offsets.push(u32::try_from(items.len()).unwrap_or(u32::MAX));
            }
        }
    }

    fn pop(&mut self) {
        match &mut self.values {
            Values::Boolean(bits) => bits.pop(),
            Values::Integer(v) | Values::Timestamp(v) => drop(v.pop()),
            Values::Float(v) => drop(v.pop()),
            Values::Date(v) => drop(v.pop()),
            Values::Var(v) => v.pop(),
            Values::TextList { offsets, items } => {
                offsets.pop();
                let keep = offsets.last().map_or(0, |end| *end as usize);
                while items.len() > keep {
                    items.pop();
                }
            }
        }
    }

    pub(crate) fn finish(mut self, kinds: &[RowKind]) -> Column {
        self.fill(kinds.len(), kinds);
        let values = match (self.values, self.data_type) {
            (Values::Boolean(bits), _) => ColumnValues::Boolean(bits.bytes),
            (Values::Integer(v), _) => ColumnValues::Integer(v),
            (Values::Float(v), _) => ColumnValues::Float(v),
            (Values::Date(v), _) => ColumnValues::Date(v),
            (Values::Timestamp(v), _) => ColumnValues::Timestamp(v),
            (Values::Var(v), DataType::Decimal) => ColumnValues::Decimal(v.finish()),
            (Values::Var(v), DataType::Bytes) => ColumnValues::Bytes(v.finish()),
            (Values::Var(v), DataType::Json) => ColumnValues::Json(v.finish()),
            (Values::Var(v), _) => ColumnValues::Text(v.finish()),
            (Values::TextList { offsets, items }, _) => {
                ColumnValues::TextList(TextListArray { offsets, items: items.finish() })
            }
        };
        Column {
            name: self.name,
            values,
            validity: self.validity.unless_all_set(),
            presence: self.presence.unless_all_set(),
        }
    }
}
