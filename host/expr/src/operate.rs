//! What comparisons and arithmetic do to two values. Null in, null out.

use crate::ast::{ArithmeticOp, Type};
use crate::decimal::{self, Number, Trouble};
use crate::problem::Position;
use crate::program::EvalFault;
use attiva_core::Value;
use std::cmp::Ordering;

/// How two values stand to each other; none where that is unknown: one is null, or not a number.
pub(crate) fn compare(left: &Value, right: &Value, at: Position) -> Result<Option<Ordering>, EvalFault> {
    Ok(Some(match (left, right) {
        (Value::Null, _) | (_, Value::Null) => return Ok(None),
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Decimal(a), Value::Decimal(b)) => {
            decimal::compare(a, b).map_err(|trouble| decimal_fault(trouble, &[a, b], at))?
        }
        (Value::Float(a), Value::Float(b)) => return Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        _ => return Err(mismatch(&[left, right], at)),
    }))
}

/// Durations are integers of milliseconds here.
pub(crate) fn arithmetic(op: ArithmeticOp, left: &Value, right: &Value, at: Position) -> Result<Value, EvalFault> {
    use ArithmeticOp::{Add, Subtract};
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        (Value::Integer(a), Value::Integer(b)) => integers(op, *a, *b, at).map(Value::Integer),
        (Value::Float(a), Value::Float(b)) => floats(op, *a, *b, at).map(Value::Float),
        (Value::Decimal(a), Value::Decimal(b)) => {
            decimals(op, a, b).map(Value::Decimal).map_err(|trouble| decimal_fault(trouble, &[a, b], at))
        }
        (Value::Timestamp(a), Value::Timestamp(b)) if op == Subtract => {
            checked(a.checked_sub(*b), at).map(Value::Integer)
        }
        (Value::Timestamp(a), Value::Integer(b)) if op == Subtract => {
            checked(a.checked_sub(*b), at).map(Value::Timestamp)
        }
        (Value::Timestamp(a), Value::Integer(b)) | (Value::Integer(b), Value::Timestamp(a)) if op == Add => {
            checked(a.checked_add(*b), at).map(Value::Timestamp)
        }
        _ => Err(mismatch(&[left, right], at)),
    }
}

pub(crate) fn negate(value: &Value, at: Position) -> Result<Value, EvalFault> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Integer(i) => checked(i.checked_neg(), at).map(Value::Integer),
        Value::Float(f) => Ok(Value::Float(-f)),
        Value::Decimal(text) => Number::parse(text)
            .and_then(Number::negate)
            .map(|n| Value::Decimal(n.to_string()))
            .map_err(|trouble| decimal_fault(trouble, &[text], at)),
        _ => Err(mismatch(&[value], at)),
    }
}

fn integers(op: ArithmeticOp, a: i64, b: i64, at: Position) -> Result<i64, EvalFault> {
    if b == 0 && matches!(op, ArithmeticOp::Divide | ArithmeticOp::Remainder) {
        return Err(division_by_zero(at));
    }
    let result = match op {
        ArithmeticOp::Add => a.checked_add(b),
        ArithmeticOp::Subtract => a.checked_sub(b),
        ArithmeticOp::Multiply => a.checked_mul(b),
        ArithmeticOp::Divide => a.checked_div(b),
        ArithmeticOp::Remainder => a.checked_rem(b),
    };
    checked(result, at)
}

fn floats(op: ArithmeticOp, a: f64, b: f64, at: Position) -> Result<f64, EvalFault> {
    let result = match op {
        ArithmeticOp::Add => a + b,
        ArithmeticOp::Subtract => a - b,
        ArithmeticOp::Multiply => a * b,
        ArithmeticOp::Divide if b == 0.0 => return Err(division_by_zero(at)),
        ArithmeticOp::Divide => a / b,
        ArithmeticOp::Remainder => return Err(mismatch(&[&Value::Float(a), &Value::Float(b)], at)),
    };
    // What came in infinite or as no number may go on; an operation makes none.
    let made = !result.is_finite() && a.is_finite() && b.is_finite();
    if made { Err(overflow(at)) } else { Ok(result) }
}

fn decimals(op: ArithmeticOp, a: &str, b: &str) -> Result<String, Trouble> {
    let (a, b) = (Number::parse(a)?, Number::parse(b)?);
    let result = match op {
        ArithmeticOp::Add => a.add(b),
        ArithmeticOp::Subtract => a.subtract(b),
        ArithmeticOp::Multiply => a.multiply(b),
        ArithmeticOp::Divide => a.divide(b),
        // The checker gives no remainder of decimals.
        ArithmeticOp::Remainder => Err(Trouble::Malformed),
    };
    result.map(|number| number.to_string())
}

pub(crate) fn checked<T>(result: Option<T>, at: Position) -> Result<T, EvalFault> {
    result.ok_or_else(|| overflow(at))
}

pub(crate) fn overflow(at: Position) -> EvalFault {
    EvalFault::new(EvalFault::OVERFLOW, at, "the result is larger than its type can hold")
}

fn division_by_zero(at: Position) -> EvalFault {
    EvalFault::new(EvalFault::DIVISION_BY_ZERO, at, "a division by zero")
}

pub(crate) fn decimal_fault(trouble: Trouble, operands: &[&str], at: Position) -> EvalFault {
    match trouble {
        Trouble::DivisionByZero => division_by_zero(at),
        Trouble::TooLarge => EvalFault::new(EvalFault::OVERFLOW, at, "a decimal of more than 38 digits"),
        Trouble::Malformed => {
            let bad = operands.iter().find(|text| decimal::plain(text).is_err()).unwrap_or(&"");
            EvalFault::new(EvalFault::CONVERSION, at, format!("{} is no decimal number", quoted(bad)))
        }
    }
}

/// Values of types the scope did not announce.
pub(crate) fn mismatch(values: &[&Value], at: Position) -> EvalFault {
    let noun = |value: &&Value| value.data_type().map_or("null", |data_type| Type::from(data_type).noun());
    let found: Vec<&str> = values.iter().map(noun).collect();
    let message = format!("the row holds {} where another type was declared", found.join(" and "));
    EvalFault::new(EvalFault::ROW, at, message)
}

/// A text for a message: in quotes, and no longer than a line.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{:?}...", &text[..cut]),
        None => format!("{text:?}"),
    }
}
