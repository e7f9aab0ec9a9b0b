//! Columns, well made.

use super::bindings::attiva::connector::types::{BytesArray, Column, ColumnValues, TextListArray};

pub(super) fn bytes_array<T: AsRef<[u8]>>(values: impl IntoIterator<Item = T>) -> BytesArray {
    let mut array = BytesArray { offsets: vec![0], bytes: Vec::new() };
    for value in values {
        array.bytes.extend_from_slice(value.as_ref());
        array.offsets.push(array.bytes.len() as u32);
    }
    array
}

pub(super) fn bits(values: impl IntoIterator<Item = bool>) -> Vec<u8> {
    let mut bits = Vec::new();
    for (i, value) in values.into_iter().enumerate() {
        if i % 8 == 0 {
            bits.push(0);
        }
        if let Some(last) = bits.last_mut().filter(|_| value) {
            *last |= 1 << (i % 8);
        }
    }
    bits
}

pub(super) fn column(name: &str, values: ColumnValues) -> Column {
    Column { name: name.into(), values, validity: None, presence: None }
}

pub(super) fn text(name: &str, values: &[&str]) -> Column {
    column(name, ColumnValues::Text(bytes_array(values)))
}

/// Twelve columns as a person has them: texts, numbers, a time and a truth value.
pub(super) fn twelve(rows: u32) -> Vec<Column> {
    let each = || 0..rows;
    let texts = ["email", "first", "last", "title", "company", "city", "country", "phone"];
    let text = |name: &&str| {
        let mut values = BytesArray { offsets: Vec::with_capacity(rows as usize + 1), bytes: Vec::new() };
        values.offsets.push(0);
        for i in each() {
            values.bytes.extend_from_slice(if i % 2 == 0 { b"value-000012" } else { b"another-12" });
            values.offsets.push(values.bytes.len() as u32);
        }
        column(name, ColumnValues::Text(values))
    };
    let mut columns: Vec<Column> = texts.iter().map(text).collect();
    columns.push(column("score", ColumnValues::Integer(each().map(i64::from).collect())));
    columns.push(column("employees", ColumnValues::Integer(each().map(|i| i64::from(i) * 7).collect())));
    columns.push(column("updated", ColumnValues::Timestamp(each().map(|i| i64::from(i) * 1_000).collect())));
    columns.push(column("unsubscribed", ColumnValues::Boolean(bits(each().map(|i| i % 50 == 0)))));
    columns
}

/// One column of each type; every third value is null, every fifth is absent.
pub(super) fn one_of_each(rows: u32) -> Vec<Column> {
    let each = || 0..rows;
    let values = [
        ("boolean", ColumnValues::Boolean(bits(each().map(|i| i % 2 == 0)))),
        ("integer", ColumnValues::Integer(each().map(|i| i64::from(i) - 1).collect())),
        ("decimal", ColumnValues::Decimal(bytes_array(each().map(|i| format!("-{i}.50"))))),
        ("float", ColumnValues::Float(each().map(|i| f64::from(i) / 4.0).collect())),
        ("text", ColumnValues::Text(bytes_array(each().map(|i| format!("é{i}"))))),
        ("bytes", ColumnValues::Bytes(bytes_array(each().map(|i| [0xff, i as u8])))),
        ("date", ColumnValues::Date(each().map(|i| i as i32).collect())),
        ("timestamp", ColumnValues::Timestamp(each().map(|i| i64::from(i) * 1_000).collect())),
        (
            "text-list",
            ColumnValues::TextList(TextListArray {
                offsets: (0..=rows).map(|i| i * 2).collect(),
                items: bytes_array(each().flat_map(|i| [format!("a{i}"), String::new()])),
            }),
        ),
        ("json", ColumnValues::Json(bytes_array(each().map(|i| format!("{{\"i\":[{i}]}}"))))),
    ];
    let marked = |(name, values)| Column {
        validity: Some(bits(each().map(|i| i % 3 != 2))),
        presence: Some(bits(each().map(|i| i % 5 != 4))),
        ..column(name, values)
    };
    values.into_iter().map(marked).collect()
}
