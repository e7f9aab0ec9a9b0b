//! One value of one field, from its text: the same for a cell of an export and for a value of a JSON answer.

use attiva_connector::{CellProblem, DataType, Reject, Row};
use serde::de::IgnoredAny;
use std::borrow::Cow;

use crate::fields::Field;
use crate::instant;

/// Most bytes a value may have. Marketo's own limit for text is 30,000; what is far beyond is no person's value.
pub(crate) const BYTES_MAX: usize = 1024 * 1024;

/// What a value costs in a page beside its text: offset, bits, number.
pub(crate) const OVERHEAD_BYTES: u64 = 9;

/// The reject of a record with a longer value.
pub(crate) fn too_long(bytes: usize) -> Reject {
    Reject::new("field-too-long", format!("a value of {bytes} bytes; at most {BYTES_MAX}"))
}

/// Sets column `index`, which is `field`'s. Text of nothing is null where nothing is no value of the type.
///
/// # Errors
/// The text is no value of the field's type.
pub(crate) fn set(
    row: &mut Row<'_>,
    index: usize,
    field: &Field,
    data_type: DataType,
    text: &str,
) -> Result<(), CellProblem> {
    let fits = match data_type {
        DataType::Text => {
            row.text(index, text);
            true
        }
        _ if text.trim().is_empty() => {
            row.null(index);
            true
        }
        DataType::Json => {
            row.json(index, &as_json(text));
            true
        }
        DataType::Integer => integer(text).map(|n| row.integer(index, n)).is_some(),
        DataType::Decimal => decimal(text).map(|d| row.decimal(index, &d)).is_some(),
        DataType::Float => float(text).map(|f| row.float(index, f)).is_some(),
        DataType::Timestamp => instant::parse(text).map(|t| row.timestamp(index, t)).is_some(),
        DataType::Date => return row.parse(index, day(text)).map(|_| ()),
        DataType::Boolean | DataType::Bytes | DataType::TextList => return row.parse(index, text).map(|_| ()),
    };
    if fits {
        return Ok(());
    }
    let message = format!("Marketo describes the field as {}; what came is none", field.kind);
    Err(CellProblem { field: field.name.clone(), message })
}

/// A whole number, also as `12.0` or `1.2E7`.
fn integer(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let decimal = decimal(text)?;
    let (whole, fraction) = decimal.split_once('.').unwrap_or((&decimal, ""));
    if fraction.bytes().all(|b| b == b'0') { whole.parse().ok() } else { None }
}

fn float(text: &str) -> Option<f64> {
    text.parse().ok().filter(|f: &f64| f.is_finite())
}

/// A decimal number without an exponent. Marketo writes large ones as Java does: `1.25E7`.
fn decimal(text: &str) -> Option<Cow<'_, str>> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return is_plain_decimal(text).then_some(Cow::Borrowed(text));
    };
    let exponent: i32 = exponent.parse().ok()?;
    if !is_plain_decimal(mantissa) || exponent.abs() > 400 {
        return None;
    }
    let unsigned = mantissa.trim_start_matches(['-', '+']);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let length = i32::try_from(digits.len()).ok()?;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    Some(Cow::Owned(if point <= 0 {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else if point >= length {
        format!("{sign}{digits}{}", zeros(point - length))
    } else {
        let (before, after) = digits.split_at(usize::try_from(point).ok()?);
        format!("{sign}{before}.{after}")
    }))
}

fn is_plain_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(fraction)
}

/// The day of a date that comes with a time.
fn day(text: &str) -> &str {
    match text.split_once(['T', ' ']) {
        Some((day, _)) => day,
        None => text,
    }
}

/// JSON as it is; anything else as a JSON text.
fn as_json(text: &str) -> Cow<'_, str> {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(serde_json::Value::from(text).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::{ColumnValues, Cursor, PageBuilder};

    /// The column that one value makes, and whether the value is there; nothing if it does not fit.
    fn column(kind: &str, text: &str) -> Option<(ColumnValues, bool)> {
        let field = Field { name: "f".into(), kind: kind.into(), label: String::new() };
        let mut page = PageBuilder::new(&[field.column()]);
        let mut row = page.row("1").full();
        set(&mut row, 0, &field, field.data_type(), text).ok()?;
        let mut page = page.finish(Cursor { state_version: 1, bytes: Vec::new() }).unwrap();
        let column = page.columns.remove(0);
        Some((column.values, column.validity.is_none()))
    }

    fn bytes(kind: &str, text: &str) -> Option<String> {
        match column(kind, text)? {
            (ColumnValues::Decimal(v) | ColumnValues::Json(v) | ColumnValues::Text(v), true) => {
                Some(String::from_utf8(v.bytes).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_as_marketo_writes_them() {
        for (text, expected) in [("12", 12), ("-3", -3), ("12.0", 12), ("1.2E7", 12_000_000), ("12.", 0)] {
            let expected = (text != "12.").then_some((ColumnValues::Integer(vec![expected]), true));
            assert_eq!(column("integer", text), expected, "{text}");
        }
        assert_eq!(column("score", "12.5"), None);
        assert_eq!(column("integer", "99999999999999999999"), None);
        let decimals = [
            ("1604.47", "1604.47"),
            ("1.25E7", "12500000"),
            ("-1.25e1", "-12.5"),
            ("1.25E-3", "0.00125"),
            ("12E-1", "1.2"),
            ("1E0", "1"),
        ];
        for (text, expected) in decimals {
            assert_eq!(bytes("currency", text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "1,000", "$5", "1E", "E5", "1E999", "NaN", "1.2.3"] {
            let none = column("percent", text).is_none_or(|(_, there)| !there);
            assert!(none, "{text}");
        }
        assert_eq!(column("float", "0.5"), Some((ColumnValues::Float(vec![0.5]), true)));
        assert_eq!(column("float", "inf"), None);
    }

    #[test]
    fn dates_times_and_truth() {
        assert_eq!(column("date", "1970-01-02"), Some((ColumnValues::Date(vec![1]), true)));
        assert_eq!(column("date", "1970-01-02T00:00:00Z"), Some((ColumnValues::Date(vec![1]), true)));
        assert_eq!(column("date", "yesterday"), None);
        assert_eq!(column("datetime", "1970-01-01T00:00:01+0000"), Some((ColumnValues::Timestamp(vec![1000]), true)));
        assert_eq!(column("datetime", "soon"), None);
        assert_eq!(column("boolean", "true"), Some((ColumnValues::Boolean(vec![1]), true)));
        assert_eq!(column("boolean", "0"), Some((ColumnValues::Boolean(vec![0]), true)));
        assert_eq!(column("boolean", "maybe"), None);
    }

    #[test]
    fn nothing_is_null_but_for_text() {
        for kind in ["boolean", "integer", "currency", "float", "date", "datetime", "array"] {
            assert!(matches!(column(kind, ""), Some((_, false))), "{kind}");
        }
        assert_eq!(bytes("string", "").as_deref(), Some(""));
    }

    #[test]
    fn json_is_kept_and_text_becomes_json() {
        assert_eq!(bytes("array", r#"["a","b"]"#).as_deref(), Some(r#"["a","b"]"#));
        assert_eq!(bytes("array", r#"a "b""#).as_deref(), Some(r#""a \"b\"""#));
    }
}
