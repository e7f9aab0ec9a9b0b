//! Columns of rows as they are to be, made of what there was and what is told. What stays is copied in runs, so that it
//! costs memory's speed, and the loops over columns stay flat.

use super::bits::Bits;
use super::rows::{Rows, Run};
use super::table::{Codes, Column, ColumnBuilder, Data};
use attiva_core::{DataType, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// `told`: as many rows as are told; none where nobody has a value.
pub(super) fn column(before: Column, rows: &Rows, told: Option<&Column>, data_type: DataType) -> Column {
    let nulls = Column::nulls(rows.told());
    let told = told.filter(|told| told.len() == rows.told()).unwrap_or(&nulls);
    let is_null = |data: &Data| matches!(data, Data::Coded { values, .. } if values.len() == 1);
    match (before.data, &told.data) {
        (Data::Coded { codes, values }, Data::Coded { codes: told, values: kinds }) => {
            coded(&codes, values, rows, told, kinds)
        }
        (Data::Whole { values, valid, ty }, Data::Whole { values: told, valid: told_valid, ty: of }) if ty == *of => {
            let valid = validity(valid.as_ref(), values.len(), rows, told_valid.as_ref());
            Column::new(Data::Whole { values: rows.spliced(&values, told), valid, ty })
        }
        // Nobody's value is of any type.
        (Data::Whole { values, valid, ty }, other) if is_null(other) => {
            let valid = validity(valid.as_ref(), values.len(), rows, Some(&Bits::none(rows.told())));
            Column::new(Data::Whole { values: rows.spliced(&values, &vec![0; rows.told()]), valid, ty })
        }
        (other, Data::Whole { values: told, valid, ty }) if is_null(&other) => {
            let before = Column::new(other).len();
            let valid = validity(Some(&Bits::none(before)), before, rows, valid.as_ref());
            Column::new(Data::Whole { values: rows.spliced(&vec![0; before], told), valid, ty: *ty })
        }
        (Data::Decimal { units, scale, digits, valid }, Data::Decimal { .. }) => {
            let spliced = decimals((&units, scale, digits.as_deref(), valid.as_ref()), rows, &told.data);
            let apart = || Column::new(Data::Decimal { units, scale, digits, valid });
            spliced.unwrap_or_else(|| one_by_one(&apart(), rows, told, data_type))
        }
        (data, _) => one_by_one(&Column::new(data), rows, told, data_type),
    }
}

/// Whatever fits nothing faster.
fn one_by_one(before: &Column, rows: &Rows, told: &Column, data_type: DataType) -> Column {
    let mut builder = ColumnBuilder::new(data_type);
    let mut next = 0;
    for run in rows.runs() {
        let (of, from, len) = match *run {
            Run::Kept { from, len } => (before, from, len),
            Run::Told { len } => (told, next, len),
            Run::Changed { .. } => (told, next, 1),
        };
        if !matches!(run, Run::Kept { .. }) {
            next += len;
        }
        (from..from + len).for_each(|row| builder.push(&of.value(row).unwrap_or(Value::Null)));
    }
    builder.finish()
}

/// None: nothing is missing.
fn validity(before: Option<&Bits>, len: usize, rows: &Rows, told: Option<&Bits>) -> Option<Bits> {
    if before.is_none() && told.is_none() {
        return None;
    }
    let all = |bits: Option<&Bits>, len| bits.cloned().unwrap_or_else(|| Bits::all(len));
    let spliced = bits(&all(before, len), rows, &all(told, rows.told()));
    (spliced.count() < spliced.len()).then_some(spliced)
}

fn bits(before: &Bits, rows: &Rows, told: &Bits) -> Bits {
    let mut spliced = Bits::with_capacity(rows.len());
    let mut next = 0;
    for run in rows.runs() {
        match *run {
            Run::Kept { from, len } => spliced.append(before, from, len),
            Run::Told { len } => {
                spliced.append(told, next, len);
                next += len;
            }
            Run::Changed { .. } => {
                spliced.append(told, next, 1);
                next += 1;
            }
        }
    }
    spliced
}

/// A value's own name among those of a column.
fn name(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) => Cow::Borrowed(text),
        other => Cow::Owned(format!("{other:?}")),
    }
}

fn coded(codes: &Codes, mut values: Vec<Value>, rows: &Rows, told: &Codes, kinds: &[Value]) -> Column {
    // By the names that are told, which are fewer.
    let wanted: HashMap<Cow<'_, str>, usize> =
        kinds.iter().enumerate().skip(1).map(|(kind, value)| (name(value), kind)).collect();
    let mut code_of: Vec<Option<u32>> = vec![None; kinds.len()];
    if let Some(null) = code_of.first_mut() {
        *null = Some(0);
    }
    if !wanted.is_empty() {
        for (code, value) in (0..).zip(&values).skip(1) {
            if let Some(kind) = wanted.get(&name(value)) {
                code_of[*kind] = Some(code);
            }
        }
    }
    let mut own = |kind: usize| {
        code_of[kind].unwrap_or_else(|| {
            let code = u32::try_from(values.len()).unwrap_or(0);
            values.push(kinds[kind].clone());
            code_of[kind] = Some(code);
            code
        })
    };
    let told: Vec<u32> = (0..rows.told()).map(|row| own(told.get(row))).collect();
    #[expect(clippy::cast_possible_truncation, reason = "no code is as large as the number of values")]
    let spliced = match codes {
        Codes::Narrow(codes) if values.len() <= 0x100 => {
            Codes::Narrow(rows.spliced(codes, &told.iter().map(|code| *code as u8).collect::<Vec<_>>()))
        }
        Codes::Middle(codes) if values.len() <= 0x1_0000 => {
            Codes::Middle(rows.spliced(codes, &told.iter().map(|code| *code as u16).collect::<Vec<_>>()))
        }
        Codes::Wide(codes) => Codes::Wide(rows.spliced(codes, &told)),
        narrower => {
            let wide: Vec<u32> = (0..narrower.len()).map(|row| narrower.get(row) as u32).collect();
            Codes::narrowed(rows.spliced(&wide, &told), values.len())
        }
    };
    let column = Column::new(Data::Coded { codes: spliced, values });
    // Values that nobody has any more are not gathered for ever.
    if column.kinds() > 2 * rows.len() + SPARE { pruned(column) } else { column }
}

/// So many values that nobody has disturb nobody.
const SPARE: usize = 256;

fn pruned(column: Column) -> Column {
    let Data::Coded { codes, values } = column.data else { return column };
    let mut code_of: Vec<u32> = vec![0; values.len()];
    let mut kept = vec![Value::Null];
    let mut own = |code: usize| {
        if code > 0 && code_of[code] == 0 {
            code_of[code] = u32::try_from(kept.len()).unwrap_or(0);
            kept.push(values[code].clone());
        }
        code_of[code]
    };
    let codes = (0..codes.len()).map(|row| own(codes.get(row))).collect();
    Column::new(Data::Coded { codes: Codes::narrowed(codes, kept.len()), values: kept })
}

type Decimals<'a> = (&'a [i128], u32, Option<&'a [u8]>, Option<&'a Bits>);

/// None: they do not fit one scale.
fn decimals(before: Decimals<'_>, rows: &Rows, told: &Data) -> Option<Column> {
    let Data::Decimal { units, scale, digits, valid } = told else { return None };
    let told: Decimals<'_> = (units, *scale, digits.as_deref(), valid.as_ref());
    let scale = before.1.max(told.1);
    let at_scale = |(units, own, ..): Decimals<'_>| -> Option<Vec<i128>> {
        let factor = 10_i128.checked_pow(scale - own)?;
        units.iter().map(|units| units.checked_mul(factor)).collect()
    };
    let digits_of = |(units, own, digits, _): Decimals<'_>| -> Vec<u8> {
        digits.map_or_else(|| vec![u8::try_from(own).unwrap_or(0); units.len()], <[u8]>::to_vec)
    };
    let is_even = before.1 == told.1 && before.2.is_none() && told.2.is_none();
    let digits = (!is_even).then(|| rows.spliced(&digits_of(before), &digits_of(told)));
    let units = match before.1 == scale {
        true => rows.spliced(before.0, &at_scale(told)?),
        false => rows.spliced(&at_scale(before)?, &at_scale(told)?),
    };
    let valid = validity(before.3, before.0.len(), rows, told.3);
    Some(Column::new(Data::Decimal { units, scale, digits, valid }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn build(data_type: DataType, values: &[Value]) -> Column {
        let mut builder = ColumnBuilder::new(data_type);
        values.iter().for_each(|value| builder.push(value));
        builder.finish()
    }

    fn read(column: &Column) -> Vec<Value> {
        (0..column.len()).map(|row| column.value(row).unwrap()).collect()
    }

    /// What a value of a type may be, by a number.
    fn value(data_type: DataType, number: u16) -> Value {
        if number.is_multiple_of(5) {
            return Value::Null;
        }
        match data_type {
            DataType::Text => Value::Text(number.to_string()),
            DataType::Boolean => Value::Boolean(number.is_multiple_of(2)),
            DataType::Integer => Value::Integer(i64::from(number)),
            DataType::Timestamp => Value::Timestamp(-i64::from(number)),
            DataType::Date => Value::Date(i32::from(number)),
            DataType::Float => Value::Float(f64::from(number) / 4.0),
            DataType::Decimal if number.is_multiple_of(97) => Value::Decimal("no number".into()),
            DataType::Decimal => {
                let digits = usize::from(number % 4);
                Value::Decimal(format!("{:.digits$}", f64::from(number) / 8.0))
            }
            _ => Value::TextList(vec![number.to_string()]),
        }
    }

    const TYPES: [DataType; 8] = [
        DataType::Text,
        DataType::Boolean,
        DataType::Integer,
        DataType::Timestamp,
        DataType::Date,
        DataType::Float,
        DataType::Decimal,
        DataType::TextList,
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_spliced_column_is_as_one_made_of_its_values(
            ty in 0..TYPES.len(),
            before in proptest::collection::vec(0_u16..400, 0..200),
            told in proptest::collection::vec(0_u16..400, 0..60),
            cuts in proptest::collection::vec((0_usize..200, 0_usize..90, 0_usize..20), 0..12),
        ) {
            let data_type = TYPES[ty];
            let values = |of: &[u16]| of.iter().map(|n| value(data_type, *n)).collect::<Vec<_>>();
            let (before, told) = (values(&before), values(&told));
            let (mut rows, mut expected, mut next) = (Rows::new(), Vec::new(), 0);
            for (from, len, more) in cuts {
                let from = from.min(before.len());
                let until = (from + len).min(before.len());
                rows.keep(from, until);
                expected.extend_from_slice(&before[from..until]);
                let more = more.min(told.len() - next);
                expected.extend_from_slice(&told[next..next + more]);
                next += more;
                match (more, from < before.len()) {
                    (1, true) => rows.change(from),
                    _ => rows.add(more),
                }
            }
            let told = &told[..next];
            let spliced = column(build(data_type, &before), &rows, Some(&build(data_type, told)), data_type);
            prop_assert_eq!(read(&spliced), expected);
        }
    }

    #[test]
    fn values_that_nobody_has_are_forgotten_in_time() {
        let texts = |from: usize| (from..from + 10).map(|n| Value::Text(n.to_string())).collect::<Vec<_>>();
        let mut so_far = build(DataType::Text, &texts(0));
        for round in 1..200 {
            let mut rows = Rows::new();
            (0..10).for_each(|row| rows.change(row));
            let told = build(DataType::Text, &texts(round * 10));
            so_far = column(so_far, &rows, Some(&told), DataType::Text);
            assert_eq!(read(&so_far), texts(round * 10));
        }
        assert!(so_far.kinds() <= 2 * 10 + SPARE, "{}", so_far.kinds());
    }

    #[test]
    fn a_column_that_is_not_told_is_null_there() {
        let mut rows = Rows::new();
        rows.keep(0, 1);
        rows.add(2);
        let spliced = column(build(DataType::Integer, &[Value::Integer(7)]), &rows, None, DataType::Integer);
        assert_eq!(read(&spliced), [Value::Integer(7), Value::Null, Value::Null]);
    }
}
