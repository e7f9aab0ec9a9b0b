//! What functions do to their arguments' values. Null in, null out; the compiler sees to that.

use crate::ast::Function;
use crate::calendar::{self, Unit};
use crate::decimal::{self, Number};
use crate::operate::{checked, decimal_fault, mismatch, overflow, quoted};
use crate::problem::Position;
use crate::program::EvalFault;
use attiva_core::key::Instance;
use attiva_core::time::{self, Millis};
use attiva_core::{SourceKey, Value};

const SECOND_MS: i64 = 1_000;
pub(crate) use crate::calendar::DAY_MS;

/// Calls `function` on arguments of which none is null.
pub(crate) fn call(function: Function, args: &[&Value], at: Position) -> Result<Value, EvalFault> {
    match (function, args) {
        (Function::Size, [value]) => size(value, at),
        (Function::LowerAscii, [Value::Text(text)]) => Ok(Value::Text(text.to_ascii_lowercase())),
        (Function::UpperAscii, [Value::Text(text)]) => Ok(Value::Text(text.to_ascii_uppercase())),
        (Function::Trim, [Value::Text(text)]) => Ok(Value::Text(text.trim().to_owned())),
        (Function::Split, [Value::Text(text), Value::Text(separator)]) => Ok(Value::TextList(split(text, separator))),
        (Function::Join, [Value::TextList(list), Value::Text(separator)]) => Ok(Value::Text(list.join(separator))),
        (Function::ToText, [value]) => to_text(value, at),
        (Function::ToInteger, [value]) => to_integer(value, at),
        (Function::ToDecimal, [value]) => to_decimal(value, at),
        (Function::ToFloat, [value]) => to_float(value, at),
        (Function::ToBoolean, [value]) => to_boolean(value, at),
        (Function::ToTimestamp, [value]) => to_timestamp(value, at),
        (Function::ToDate, [value]) => to_date(value, at),
        (Function::Days, [Value::Integer(n)]) => duration(*n, DAY_MS, at),
        (Function::Hours, [Value::Integer(n)]) => duration(*n, 3_600 * SECOND_MS, at),
        (Function::Minutes, [Value::Integer(n)]) => duration(*n, 60 * SECOND_MS, at),
        (Function::Seconds, [Value::Integer(n)]) => duration(*n, SECOND_MS, at),
        (Function::SourceKey, [Value::Integer(id), Value::Text(instance), Value::Text(system)]) => {
            Ok(source_key(&id.to_string(), instance, system))
        }
        (Function::SourceKey, [Value::Text(id), Value::Text(instance), Value::Text(system)]) => {
            Ok(source_key(id, instance, system))
        }
        (Function::Milliseconds, [Value::Integer(n)]) => Ok(Value::Integer(*n)),
        (Function::StartOfDay, [Value::Timestamp(ms)]) => start_of(*ms, Unit::Day, at),
        (Function::StartOfWeek, [Value::Timestamp(ms)]) => start_of(*ms, Unit::Week, at),
        (Function::StartOfMonth, [Value::Timestamp(ms)]) => start_of(*ms, Unit::Month, at),
        (Function::StartOfQuarter, [Value::Timestamp(ms)]) => start_of(*ms, Unit::Quarter, at),
        (Function::StartOfYear, [Value::Timestamp(ms)]) => start_of(*ms, Unit::Year, at),
        (Function::AddMonths, [Value::Timestamp(ms), Value::Integer(months)]) => {
            checked(calendar::add_months(*ms, *months), at).map(Value::Timestamp)
        }
        (Function::AnniversaryIn, [Value::Date(day), Value::Timestamp(from), Value::Timestamp(until)]) => {
            Ok(Value::Boolean(calendar::anniversary_in(i64::from(*day), *from, *until)))
        }
        (
            Function::Intersects | Function::SupersetOf | Function::SubsetOf,
            [Value::TextList(list), Value::TextList(of)],
        ) => Ok(Value::Boolean(compare_lists(function, list, of))),
        _ => Err(mismatch(args, at)),
    }
}

fn compare_lists(how: Function, list: &[String], of: &[String]) -> bool {
    // A rule may have thousands of values, and a list is short.
    let each_in = |some: &[String], all: &[String]| some.iter().all(|one| all.contains(one));
    match how {
        Function::Intersects => list.iter().any(|one| of.contains(one)),
        Function::SupersetOf => each_in(of, list),
        _ => each_in(list, of),
    }
}

/// A record that is not named, or by what stands for none, is no fault: many refer to nothing.
fn source_key(id: &str, instance: &str, system: &str) -> Value {
    let instance = Instance { system: system.to_owned(), id: instance.to_owned() };
    SourceKey::new(id, &instance).map_or(Value::Null, |key| Value::Text(key.to_string()))
}

fn start_of(ms: Millis, unit: Unit, at: Position) -> Result<Value, EvalFault> {
    checked(calendar::start_of(ms, unit), at).map(Value::Timestamp)
}

fn size(value: &Value, at: Position) -> Result<Value, EvalFault> {
    let size = match value {
        Value::Text(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::TextList(list) => list.len(),
        _ => return Err(mismatch(&[value], at)),
    };
    i64::try_from(size).map(Value::Integer).map_err(|_| overflow(at))
}

fn split(text: &str, separator: &str) -> Vec<String> {
    if separator.is_empty() {
        return text.chars().map(String::from).collect();
    }
    text.split(separator).map(str::to_owned).collect()
}

fn duration(n: i64, unit: i64, at: Position) -> Result<Value, EvalFault> {
    checked(n.checked_mul(unit), at).map(Value::Integer)
}

fn to_text(value: &Value, at: Position) -> Result<Value, EvalFault> {
    Ok(Value::Text(match value {
        Value::Text(text) | Value::Decimal(text) | Value::Json(text) => text.clone(),
        Value::Boolean(b) => b.to_string(),
        Value::Integer(i) => i.to_string(),
        Value::Float(f) => f.to_string(),
        Value::Date(days) => time::format_date(*days),
        Value::Timestamp(ms) => time::format_timestamp(*ms),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => return Err(conversion(at, "the bytes are not UTF-8 text")),
        },
        _ => return Err(mismatch(&[value], at)),
    }))
}

fn to_integer(value: &Value, at: Position) -> Result<Value, EvalFault> {
    Ok(Value::Integer(match value {
        Value::Integer(i) => *i,
        Value::Text(text) => text.parse().map_err(|_| conversion(at, format!("{} is no integer", quoted(text))))?,
        Value::Float(f) => float_to_integer(*f).ok_or_else(|| overflow(at))?,
        Value::Decimal(text) => {
            Number::parse(text).and_then(Number::to_integer).map_err(|t| decimal_fault(t, &[text], at))?
        }
        Value::Timestamp(ms) => ms.div_euclid(SECOND_MS),
        _ => return Err(mismatch(&[value], at)),
    }))
}

/// Cut towards zero; none if it is no number or out of range.
fn float_to_integer(f: f64) -> Option<i64> {
    // 2^63 is the first float that is too large; -2^63 still fits.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let whole = f.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (-LIMIT..LIMIT).contains(&whole).then_some(whole as i64)
}

fn to_decimal(value: &Value, at: Position) -> Result<Value, EvalFault> {
    let text = match value {
        Value::Integer(i) => return Ok(Value::Decimal(i.to_string())),
        // The shortest decimal that reads back as the same float: what a person would have typed.
        Value::Float(f) if f.is_finite() => return Ok(Value::Decimal(f.to_string())),
        Value::Float(_) => return Err(conversion(at, "an infinite float, or none, is no decimal")),
        Value::Decimal(text) | Value::Text(text) => text,
        _ => return Err(mismatch(&[value], at)),
    };
    decimal::plain(text).map(Value::Decimal).map_err(|trouble| decimal_fault(trouble, &[text], at))
}

fn to_float(value: &Value, at: Position) -> Result<Value, EvalFault> {
    #[expect(clippy::cast_precision_loss, reason = "what a float is")]
    let float = match value {
        Value::Float(f) => *f,
        Value::Integer(i) => *i as f64,
        Value::Decimal(text) | Value::Text(text) => {
            // Rust's own reading also takes `inf` and `nan`: only what is a decimal number gets there.
            decimal::plain(text).map_err(|trouble| decimal_fault(trouble, &[text], at))?;
            text.parse().map_err(|_| conversion(at, format!("{} is no number", quoted(text))))?
        }
        _ => return Err(mismatch(&[value], at)),
    };
    if float.is_finite() || matches!(value, Value::Float(_)) { Ok(Value::Float(float)) } else { Err(overflow(at)) }
}

fn to_boolean(value: &Value, at: Position) -> Result<Value, EvalFault> {
    match value {
        Value::Boolean(b) => Ok(Value::Boolean(*b)),
        Value::Text(text) => match text.as_str() {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Boolean(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Boolean(false)),
            _ => Err(conversion(at, format!("{} is neither true nor false", quoted(text)))),
        },
        _ => Err(mismatch(&[value], at)),
    }
}

fn to_timestamp(value: &Value, at: Position) -> Result<Value, EvalFault> {
    let ms = match value {
        Value::Timestamp(ms) => Some(*ms),
        Value::Integer(seconds) => seconds.checked_mul(SECOND_MS),
        Value::Date(days) => Some(i64::from(*days) * DAY_MS),
        Value::Text(text) => {
            Some(read_timestamp(text).ok_or_else(|| conversion(at, format!("{} {NO_INSTANT}", quoted(text))))?)
        }
        _ => return Err(mismatch(&[value], at)),
    };
    checked(ms, at).map(Value::Timestamp)
}

pub(crate) const NO_INSTANT: &str = "is no instant; write it like \"2026-11-23T10:00:00Z\"";
pub(crate) const NO_DATE: &str = "is no date; write it like \"2026-11-23\"";

/// An instant with its offset, or a date: its midnight in UTC.
pub(crate) fn read_timestamp(text: &str) -> Option<Millis> {
    time::parse_timestamp(text).or_else(|| read_date(text).map(|days| i64::from(days) * DAY_MS))
}

/// A date and nothing else.
pub(crate) fn read_date(text: &str) -> Option<i32> {
    // The parser would take the date out of an instant too, and drop the time and offset in silence.
    if text.contains(['T', 't', ' ', ':']) { None } else { time::parse_date(text) }
}

fn to_date(value: &Value, at: Position) -> Result<Value, EvalFault> {
    match value {
        Value::Date(days) => Ok(Value::Date(*days)),
        Value::Timestamp(ms) => checked(i32::try_from(ms.div_euclid(DAY_MS)).ok(), at).map(Value::Date),
        Value::Text(text) => {
            let days = read_date(text).ok_or_else(|| conversion(at, format!("{} {NO_DATE}", quoted(text))))?;
            Ok(Value::Date(days))
        }
        _ => Err(mismatch(&[value], at)),
    }
}

fn conversion(at: Position, message: impl Into<String>) -> EvalFault {
    EvalFault::new(EvalFault::CONVERSION, at, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(function: Function, value: Value) -> Result<Value, &'static str> {
        call(function, &[&value], Position::START).map_err(|fault| fault.code())
    }

    #[test]
    fn conversions_at_their_edges() {
        use Function::{ToBoolean, ToDate, ToDecimal, ToFloat, ToInteger, ToText, ToTimestamp};
        let text = |s: &str| Value::Text(s.to_owned());
        for (function, value, expected) in [
            (ToInteger, text("-42"), Ok(Value::Integer(-42))),
            (ToInteger, text("4.2"), Err(EvalFault::CONVERSION)),
            (ToInteger, text(""), Err(EvalFault::CONVERSION)),
            (ToInteger, Value::Float(-1.9), Ok(Value::Integer(-1))),
            (ToInteger, Value::Float(-(2_f64.powi(63))), Ok(Value::Integer(i64::MIN))),
            (ToInteger, Value::Float(2_f64.powi(63)), Err(EvalFault::OVERFLOW)),
            (ToInteger, Value::Float(f64::NAN), Err(EvalFault::OVERFLOW)),
            (ToInteger, Value::Decimal("1e2".into()), Ok(Value::Integer(100))),
            (ToInteger, Value::Decimal("x".into()), Err(EvalFault::CONVERSION)),
            (ToInteger, Value::Timestamp(-1), Ok(Value::Integer(-1))),
            (ToDecimal, Value::Float(0.1), Ok(Value::Decimal("0.1".into()))),
            (ToDecimal, Value::Float(f64::INFINITY), Err(EvalFault::CONVERSION)),
            (ToDecimal, text("1.50"), Ok(Value::Decimal("1.50".into()))),
            (ToFloat, text("1e2"), Ok(Value::Float(100.0))),
            (ToFloat, text("inf"), Err(EvalFault::CONVERSION)),
            (ToFloat, Value::Decimal("1e400".into()), Err(EvalFault::OVERFLOW)),
            (ToBoolean, text("TRUE"), Ok(Value::Boolean(true))),
            (ToBoolean, text("yes"), Err(EvalFault::CONVERSION)),
            (ToText, Value::Float(1.5), Ok(text("1.5"))),
            (ToText, Value::Bytes(vec![0xff]), Err(EvalFault::CONVERSION)),
            (ToTimestamp, text("1970-01-02"), Ok(Value::Timestamp(DAY_MS))),
            (ToTimestamp, text("1970-01-01T01:00:00+0100"), Ok(Value::Timestamp(0))),
            (ToTimestamp, text("1970-01-01T00:00:00.000+0000"), Ok(Value::Timestamp(0))),
            (ToTimestamp, text("1970-01-01T00:00:00"), Err(EvalFault::CONVERSION)),
            (ToTimestamp, Value::Integer(i64::MAX), Err(EvalFault::OVERFLOW)),
            (ToTimestamp, Value::Date(i32::MIN), Ok(Value::Timestamp(i64::from(i32::MIN) * DAY_MS))),
            (ToDate, Value::Timestamp(-1), Ok(Value::Date(-1))),
            (ToDate, Value::Timestamp(i64::MAX), Err(EvalFault::OVERFLOW)),
            (ToDate, text("2026-02-30"), Err(EvalFault::CONVERSION)),
            (ToDate, text("1970-01-02T00:00:00Z"), Err(EvalFault::CONVERSION)),
            (ToDate, Value::Boolean(true), Err(EvalFault::ROW)),
        ] {
            assert_eq!(run(function, value.clone()), expected, "{function:?} of {value:?}");
        }
    }

    #[test]
    fn sizes_are_of_what_people_see() {
        assert_eq!(run(Function::Size, Value::Text("é😀".into())), Ok(Value::Integer(2)));
        assert_eq!(run(Function::Size, Value::Bytes(vec![1, 2, 3])), Ok(Value::Integer(3)));
        assert_eq!(split("a;b", ";"), ["a", "b"]);
        assert_eq!(split("aé", ""), ["a", "é"]);
    }
}
