//! Columns: text and other values of few kinds as codes, numbers and instants flat, exact decimals of one scale.

use super::bits::Bits;
use attiva_core::{DataType, Value};
use attiva_expr::Type;
use std::collections::HashMap;
use std::sync::Arc;

/// The values of one field, or of something computed, for all rows of a table.
#[derive(Debug, Clone)]
pub struct Column {
    pub(crate) data: Data,
    /// Rows that have no value for a fault; only of what is computed.
    pub(crate) faults: Option<Bits>,
}

#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// Texts, booleans, lists: a code for each row into the values, of which the first is null.
    Coded { codes: Codes, values: Vec<Value> },
    /// Integers, instants, days.
    Whole { values: Vec<i64>, valid: Option<Bits>, ty: DataType },
    /// Units of ten to the power of `-scale`. The texts may have had fewer digits after the point: `digits` says how
    /// many, where not all had as many as the scale.
    Decimal { units: Vec<i128>, scale: u32, digits: Option<Vec<u8>>, valid: Option<Bits> },
    /// Whatever fits none of these: floats, decimals that are none.
    Values(Vec<Value>),
}

/// Codes as narrow as they can be.
#[derive(Debug, Clone)]
pub(crate) enum Codes {
    Narrow(Vec<u8>),
    Middle(Vec<u16>),
    Wide(Vec<u32>),
}

impl Codes {
    pub(crate) fn get(&self, row: usize) -> usize {
        match self {
            Self::Narrow(codes) => usize::from(codes[row]),
            Self::Middle(codes) => usize::from(codes[row]),
            Self::Wide(codes) => codes[row] as usize,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Narrow(codes) => codes.len(),
            Self::Middle(codes) => codes.len() * 2,
            Self::Wide(codes) => codes.len() * 4,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Narrow(codes) => codes.len(),
            Self::Middle(codes) => codes.len(),
            Self::Wide(codes) => codes.len(),
        }
    }

    pub(super) fn narrowed(codes: Vec<u32>, values: usize) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "no code is as large as the number of values")]
        if values <= 0x100 {
            Self::Narrow(codes.into_iter().map(|code| code as u8).collect())
        } else if values <= 0x1_0000 {
            Self::Middle(codes.into_iter().map(|code| code as u16).collect())
        } else {
            Self::Wide(codes)
        }
    }
}

impl Column {
    pub(crate) fn new(data: Data) -> Self {
        Self { data, faults: None }
    }

    /// Nothing but nulls.
    pub(super) fn nulls(rows: usize) -> Self {
        Self::new(Data::Coded { codes: Codes::Narrow(vec![0; rows]), values: vec![Value::Null] })
    }

    /// How many values there are codes for; 0 where there are no codes.
    pub(super) fn kinds(&self) -> usize {
        if let Data::Coded { values, .. } = &self.data { values.len() } else { 0 }
    }

    /// Integers without nulls.
    #[must_use]
    pub fn integers(values: Vec<i64>) -> Self {
        Self::new(Data::Whole { values, valid: None, ty: DataType::Integer })
    }

    /// Instants without nulls.
    #[must_use]
    pub fn timestamps(values: Vec<i64>) -> Self {
        Self::new(Data::Whole { values, valid: None, ty: DataType::Timestamp })
    }

    /// Codes into values, of which the first stands for null and is. Codes past the values are null.
    #[must_use]
    pub fn coded(mut codes: Vec<u32>, mut values: Vec<Value>) -> Self {
        if values.first() != Some(&Value::Null) {
            values.insert(0, Value::Null);
            codes.iter_mut().for_each(|code| *code = code.saturating_add(1));
        }
        codes.iter_mut().filter(|code| **code as usize >= values.len()).for_each(|code| *code = 0);
        Self::new(Data::Coded { codes: Codes::narrowed(codes, values.len()), values })
    }

    /// Decimals of one scale, without nulls.
    #[must_use]
    pub fn decimals(units: Vec<i128>, scale: u32) -> Self {
        Self::new(Data::Decimal { units, scale, digits: None, valid: None })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Coded { codes, .. } => codes.len(),
            Data::Whole { values, .. } => values.len(),
            Data::Decimal { units, .. } => units.len(),
            Data::Values(values) => values.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bits = |bits: &Option<Bits>| bits.as_ref().map_or(0, |bits| bits.len() / 8);
        match &self.data {
            Data::Coded { codes, values } => codes.bytes() + values.len() * size_of::<Value>(),
            Data::Whole { values, valid, .. } => values.len() * 8 + bits(valid),
            Data::Decimal { units, digits, valid, .. } => {
                units.len() * 16 + digits.as_ref().map_or(0, Vec::len) + bits(valid)
            }
            Data::Values(values) => values.len() * size_of::<Value>(),
        }
    }

    /// None: a fault.
    pub(crate) fn value(&self, row: usize) -> Option<Value> {
        if self.faults.as_ref().is_some_and(|faults| faults.get(row)) {
            return None;
        }
        let is_valid = |valid: &Option<Bits>| valid.as_ref().is_none_or(|bits| bits.get(row));
        Some(match &self.data {
            Data::Coded { codes, values } => values[codes.get(row)].clone(),
            Data::Values(values) => values[row].clone(),
            Data::Whole { valid, .. } | Data::Decimal { valid, .. } if !is_valid(valid) => Value::Null,
            Data::Whole { values, ty: DataType::Timestamp, .. } => Value::Timestamp(values[row]),
            Data::Whole { values, ty: DataType::Date, .. } => match i32::try_from(values[row]) {
                Ok(days) => Value::Date(days),
                Err(_) => Value::Null,
            },
            Data::Whole { values, .. } => Value::Integer(values[row]),
            Data::Decimal { units, scale, digits, .. } => {
                let digits = digits.as_ref().map_or(*scale, |digits| u32::from(digits[row]));
                Value::Decimal(decimal_text(units[row], *scale, digits))
            }
        })
    }
}

/// With exactly `digits` after the point, of which there are at most `scale`.
fn decimal_text(units: i128, scale: u32, digits: u32) -> String {
    let units = units / 10_i128.pow(scale.saturating_sub(digits));
    let (sign, size) = (if units < 0 { "-" } else { "" }, units.unsigned_abs().to_string());
    let digits = digits as usize;
    if digits == 0 {
        return format!("{sign}{size}");
    }
    let padded = format!("{size:0>width$}", width = digits + 1);
    let (whole, fraction) = padded.split_at(padded.len() - digits);
    format!("{sign}{whole}.{fraction}")
}

/// Plain digits with at most 18 after the point and 30 in all; none for anything else.
pub(crate) fn decimal_units(text: &str) -> Option<(i128, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let fits = unsigned.len() + fraction.len() <= 30 && fraction.len() <= 18;
    let canonical = unsigned == "0" || !unsigned.starts_with('0');
    if unsigned.is_empty() || !fits || !canonical || !digits(unsigned) || !digits(fraction) || text.ends_with('.') {
        return None;
    }
    let units: i128 = format!("{whole}{fraction}").parse().ok()?;
    // Minus nothing would lose its sign.
    if units == 0 && whole.starts_with('-') { None } else { Some((units, u32::try_from(fraction.len()).ok()?)) }
}

/// The columns of an entity; those that no segment reads are absent.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub(crate) rows: usize,
    /// Shared by whoever reads them: they are as long as the table.
    pub(crate) columns: Vec<Option<Arc<Column>>>,
}

impl Table {
    /// Of `rows` rows and `fields` fields, of which none is there yet.
    #[must_use]
    pub fn new(rows: usize, fields: usize) -> Self {
        Self { rows, columns: vec![None; fields] }
    }

    /// Nothing happens for a field there is not, or a column of another length.
    pub fn put(&mut self, field: usize, column: Column) {
        if let Some(place) = self.columns.get_mut(field).filter(|_| column.len() == self.rows) {
            *place = Some(Arc::new(column));
        }
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.columns.iter().flatten().map(|column| column.bytes()).sum()
    }
}

/// Makes a column of values, one after the other.
#[derive(Debug)]
pub struct ColumnBuilder {
    ty: Type,
    values: Vec<Value>,
    /// Of a coded column: `values` are the kinds there are.
    codes: Option<Codings>,
}

#[derive(Debug, Default)]
struct Codings {
    codes: Vec<u32>,
    known: HashMap<String, u32>,
}

impl ColumnBuilder {
    #[must_use]
    pub fn new(data_type: DataType) -> Self {
        let ty = Type::from(data_type);
        let is_coded = matches!(ty, Type::Text | Type::TextList | Type::Boolean | Type::Json | Type::Bytes);
        let values = if is_coded { vec![Value::Null] } else { Vec::new() };
        Self { ty, values, codes: is_coded.then(Codings::default) }
    }

    pub fn push(&mut self, value: &Value) {
        let Some(Codings { codes, known }) = &mut self.codes else {
            self.values.push(value.clone());
            return;
        };
        let key = match value {
            Value::Null => {
                codes.push(0);
                return;
            }
            Value::Text(text) => text.clone(),
            other => format!("{other:?}"),
        };
        let next = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let code = *known.entry(key).or_insert(next);
        if code == next {
            self.values.push(value.clone());
        }
        codes.push(code);
    }

    #[must_use]
    pub fn finish(self) -> Column {
        match (self.codes, self.ty) {
            (Some(codings), _) => Column::coded(codings.codes, self.values),
            (None, Type::Integer | Type::Timestamp | Type::Date) => whole(self.values),
            (None, Type::Decimal) => decimals(self.values),
            (None, _) => Column::new(Data::Values(self.values)),
        }
    }
}

fn validity(values: &[Value]) -> Option<Bits> {
    values.iter().any(Value::is_null).then(|| Bits::of(values.len(), |row| !values[row].is_null()))
}

fn whole(values: Vec<Value>) -> Column {
    let number = |value: &Value| match value {
        Value::Integer(i) => Some((*i, DataType::Integer)),
        Value::Timestamp(ms) => Some((*ms, DataType::Timestamp)),
        Value::Date(days) => Some((i64::from(*days), DataType::Date)),
        _ => None,
    };
    let Some(ty) = values.iter().find_map(|value| number(value).map(|(_, ty)| ty)) else {
        return if values.iter().all(Value::is_null) {
            Column::nulls(values.len())
        } else {
            Column::new(Data::Values(values))
        };
    };
    if values.iter().any(|value| !value.is_null() && number(value).is_none_or(|(_, own)| own != ty)) {
        return Column::new(Data::Values(values));
    }
    let numbers = values.iter().map(|value| number(value).map_or(0, |(n, _)| n)).collect();
    Column::new(Data::Whole { values: numbers, valid: validity(&values), ty })
}

fn decimals(values: Vec<Value>) -> Column {
    let read = |value: &Value| match value {
        Value::Null => Some(None),
        Value::Decimal(text) => decimal_units(text).map(Some),
        _ => None,
    };
    let Some(read) = values.iter().map(read).collect::<Option<Vec<_>>>() else {
        return Column::new(Data::Values(values));
    };
    let scale = read.iter().flatten().map(|(_, scale)| *scale).max().unwrap_or(0);
    let at_scale = |(units, own): (i128, u32)| units.checked_mul(10_i128.pow(scale - own));
    let Some(units) = read.iter().map(|one| one.map_or(Some(0), at_scale)).collect::<Option<Vec<_>>>() else {
        return Column::new(Data::Values(values));
    };
    let uneven = read.iter().flatten().any(|(_, own)| *own != scale);
    let digits =
        uneven.then(|| read.iter().map(|one| one.map_or(0, |(_, own)| u8::try_from(own).unwrap_or(0))).collect());
    Column::new(Data::Decimal { units, scale, digits, valid: validity(&values) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_gives_back_what_was_put_in() {
        let text = |s: &str| Value::Text(s.into());
        let dec = |s: &str| Value::Decimal(s.into());
        for (data_type, values) in [
            (DataType::Text, vec![text("a"), Value::Null, text("b"), text("a"), text("")]),
            (DataType::Boolean, vec![Value::Boolean(true), Value::Null, Value::Boolean(false)]),
            (DataType::Integer, vec![Value::Integer(i64::MIN), Value::Null, Value::Integer(7)]),
            (DataType::Timestamp, vec![Value::Timestamp(-1), Value::Timestamp(5)]),
            (DataType::Date, vec![Value::Null, Value::Date(i32::MAX)]),
            (DataType::Date, vec![Value::Null, Value::Null]),
            (DataType::Decimal, vec![dec("1.50"), dec("1.5"), Value::Null, dec("-0.05"), dec("7")]),
            (DataType::Decimal, vec![dec("1e5"), dec("bad"), Value::Null, dec("-0.0")]),
            (DataType::Float, vec![Value::Float(1.5), Value::Null]),
            (DataType::TextList, vec![Value::TextList(vec!["a".into()]), Value::TextList(vec![]), Value::Null]),
            (DataType::Integer, vec![]),
        ] {
            let mut builder = ColumnBuilder::new(data_type);
            values.iter().for_each(|value| builder.push(value));
            let column = builder.finish();
            let back: Vec<Value> = (0..column.len()).map(|row| column.value(row).unwrap()).collect();
            assert_eq!(back, values, "{data_type:?}");
        }
    }

    #[test]
    fn many_texts_get_wider_codes() {
        for (kinds, bytes) in [(255, 1), (256, 2), (65_535, 2), (65_536, 4)] {
            let mut builder = ColumnBuilder::new(DataType::Text);
            (0..kinds).for_each(|n| builder.push(&Value::Text(n.to_string())));
            let column = builder.finish();
            let Data::Coded { codes, .. } = &column.data else { panic!("codes") };
            assert_eq!(codes.bytes(), kinds * bytes, "{kinds}");
            assert_eq!(column.value(kinds - 1), Some(Value::Text((kinds - 1).to_string())));
        }
    }
}
