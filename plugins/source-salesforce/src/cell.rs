//! One value of one field, from its text: the same for a cell of a bulk file and for a value of a JSON answer, so that a
//! record is the same whichever way it came.

use crate::fields::Field;
use crate::instant;
use attiva_connector::{CellProblem, DataType, Row};
use std::borrow::Cow;

/// What a value costs in a page beside its text: offset, bits, number.
pub(crate) const OVERHEAD_BYTES: u64 = 9;

/// Sets column `index`, which is `field`'s. Salesforce knows no empty text: nothing is null.
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
    if text.is_empty() {
        row.null(index);
        return Ok(());
    }
    let fits = match data_type {
        DataType::Text if field.is_id() => {
            row.text(index, &instant::long_id(text));
            true
        }
        DataType::TextList => {
            row.text_list(index, &text.split(';').collect::<Vec<_>>());
            true
        }
        DataType::Integer => whole(text).map(|n| row.integer(index, n)).is_some(),
        DataType::Decimal => decimal(text).map(|d| row.decimal(index, &d)).is_some(),
        DataType::Timestamp => instant::parse(text).map(|t| row.timestamp(index, t)).is_some(),
        _ => return row.parse(index, text).map(|_| ()),
    };
    if fits {
        return Ok(());
    }
    let message = format!("Salesforce describes the field as {}; what came is none", field.kind);
    Err(CellProblem { field: field.name.clone(), message })
}

/// A whole number, also as `12.0`.
fn whole(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| decimal(text)?.parse().ok())
}

/// A decimal number in its shortest form: REST writes `950000000.0`, a file `9.5E8`, and both are one number.
fn decimal(text: &str) -> Option<Cow<'_, str>> {
    let plain: Cow<'_, str> = match text.contains(['e', 'E']) {
        // Salesforce's numbers are doubles: nothing is lost, and Rust writes them without an exponent.
        true => text.parse::<f64>().ok().filter(|f| f.is_finite()).map(|f| Cow::Owned(f.to_string()))?,
        false => Cow::Borrowed(text),
    };
    let unsigned = plain.strip_prefix('-').unwrap_or(&plain);
    let (before, after) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(before) || !digits(after) {
        return None;
    }
    if !plain.contains('.') {
        return Some(plain);
    }
    Some(Cow::Owned(plain.trim_end_matches('0').trim_end_matches('.').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_connector::{Column, ColumnValues, Cursor, PageBuilder};

    fn column(kind: &str, text: &str) -> Option<Column> {
        let field = Field::new("f", kind);
        let mut page = PageBuilder::new(&[field.column()]);
        let mut row = page.row("1").full();
        set(&mut row, 0, &field, field.data_type(), text).ok()?;
        Some(page.finish(Cursor { state_version: 1, bytes: Vec::new() }).unwrap().columns.remove(0))
    }

    fn text(kind: &str, value: &str) -> Option<String> {
        let column = column(kind, value)?;
        match (column.values, column.validity) {
            (_, Some(_)) => Some("null".into()),
            (ColumnValues::Decimal(v) | ColumnValues::Text(v) | ColumnValues::Json(v), None) => {
                Some(String::from_utf8(v.bytes).unwrap())
            }
            (ColumnValues::TextList(v), None) => {
                Some(format!("{} {}", v.items.offsets.len() - 1, String::from_utf8(v.items.bytes).unwrap()))
            }
            (other, None) => Some(format!("{other:?}")),
        }
    }

    #[test]
    fn numbers_are_the_same_from_both_interfaces() {
        for (one, other, expected) in [
            ("950000000.0", "9.5E8", "950000000"),
            ("1604.470", "1604.47", "1604.47"),
            ("-0.5", "-5E-1", "-0.5"),
            ("0.0", "0", "0"),
            ("100", "1e2", "100"),
        ] {
            assert_eq!(text("currency", one).as_deref(), Some(expected), "{one}");
            assert_eq!(text("double", other).as_deref(), Some(expected), "{other}");
        }
        for bad in ["1,000", "$5", "NaN", "1E999", "-", "1.", ".5", "+1"] {
            assert_eq!(text("percent", bad), None, "{bad}");
        }
        assert_eq!(text("int", "12.0"), text("int", "12"));
        assert_eq!(text("int", "12.5"), None);
    }

    #[test]
    fn words_that_other_readers_take_for_nothing_are_data() {
        for word in ["N/A", "null", "None", "#N/A", " "] {
            assert_eq!(text("string", word).as_deref(), Some(word));
        }
        for kind in ["string", "int", "double", "date", "datetime", "boolean", "multipicklist", "reference"] {
            assert_eq!(text(kind, "").as_deref(), Some("null"), "{kind}");
        }
    }

    #[test]
    fn ids_are_long_times_are_one_and_picks_are_a_list() {
        assert_eq!(text("reference", "003D000000QV9n2").as_deref(), Some("003D000000QV9n2IAD"));
        assert_eq!(text("datetime", "2021-12-02T18:23:39.000+0000"), text("datetime", "2021-12-02T18:23:39.000Z"));
        assert_eq!(text("multipicklist", "Buyer;Decision Maker").as_deref(), Some("2 BuyerDecision Maker"));
        assert_eq!(text("datetime", "soon"), None);
        assert_eq!(text("date", "2020-11-16"), Some("ColumnValues::Date([18582])".into()));
        assert_eq!(text("boolean", "maybe"), None);
    }
}
