//! What a checked expression means, read off the tree in the plainest way. It is slow, allocates at will, and shares
//! none of the evaluator's code: where the two differ, one of them is wrong.

use attiva_core::{Value, time};
use attiva_expr::{ArithmeticOp, CompareOp, EvalFault, Expr, Function, Kind, TextMatch};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Why there is no value: the code of the fault, or that this reading's own numbers are too small to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Fault(&'static str),
    CannotTell,
}

const OVERFLOW: Wrong = Wrong::Fault(EvalFault::OVERFLOW);
const CONVERSION: Wrong = Wrong::Fault(EvalFault::CONVERSION);
const ZERO: Wrong = Wrong::Fault(EvalFault::DIVISION_BY_ZERO);

pub type Answer = Result<Value, Wrong>;

pub fn evaluate(expr: &Expr, row: &[Value], now: i64) -> Answer {
    let field = |e: &Expr| match &e.kind {
        Kind::Field(field) => Some(Ok(row[field.slot].clone())),
        _ => None,
    };
    evaluate_with(expr, &field, now)
}

/// As [`evaluate`], with fields, and whatever else it wants to, read by `other`.
pub fn evaluate_with(expr: &Expr, other: &dyn Fn(&Expr) -> Option<Answer>, now: i64) -> Answer {
    if let Some(answer) = other(expr) {
        return answer;
    }
    let eval = |e: &Expr| evaluate_with(e, other, now);
    match &expr.kind {
        Kind::Literal(value) => Ok(value.clone()),
        Kind::Now => Ok(Value::Timestamp(now)),
        Kind::Not(e) => Ok(match eval(e)? {
            Value::Boolean(b) => Value::Boolean(!b),
            _ => Value::Null,
        }),
        Kind::And(all) => kleene(false, all.iter().map(eval).collect()),
        Kind::Or(all) => kleene(true, all.iter().map(eval).collect()),
        Kind::Compare { op, left, right } => {
            let (left, right) = (eval(left)?, eval(right)?);
            Ok(order(&left, &right)?.map_or(Value::Null, |order| Value::Boolean(satisfies(*op, order))))
        }
        Kind::In { value, list } => {
            let value = eval(value)?;
            let equal = |e: &Expr| Ok(order(&value, &eval(e)?)?.map_or(Value::Null, |o| Value::Boolean(o.is_eq())));
            kleene(true, list.iter().map(equal).collect())
        }
        Kind::InList { value, list } => {
            let value = eval(value)?;
            let Value::TextList(list) = eval(list)? else { return Ok(Value::Null) };
            let equal =
                |one: String| Ok(order(&value, &Value::Text(one))?.map_or(Value::Null, |o| Value::Boolean(o.is_eq())));
            kleene(true, list.into_iter().map(equal).collect())
        }
        Kind::IsNull(e) => Ok(Value::Boolean(eval(e)? == Value::Null)),
        Kind::Match { how, text, pattern } => match (eval(text)?, eval(pattern)?) {
            (Value::Text(text), Value::Text(pattern)) => Ok(Value::Boolean(match how {
                TextMatch::Contains => text.contains(&pattern),
                TextMatch::StartsWith => text.starts_with(&pattern),
                TextMatch::EndsWith => text.ends_with(&pattern),
            })),
            _ => Ok(Value::Null),
        },
        Kind::Choose { cases, otherwise } => {
            for case in cases {
                if eval(&case.when)? == Value::Boolean(true) {
                    return eval(&case.then);
                }
            }
            eval(otherwise)
        }
        Kind::Coalesce(all) => {
            for one in all {
                let value = eval(one)?;
                if value != Value::Null {
                    return Ok(value);
                }
            }
            Ok(Value::Null)
        }
        Kind::Negate(e) => match eval(e)? {
            Value::Integer(i) => i.checked_neg().map(Value::Integer).ok_or(OVERFLOW),
            Value::Float(f) => Ok(Value::Float(-f)),
            Value::Decimal(d) => ratio(&d).and_then(|(n, d)| write_ratio((-n, d))),
            _ => Ok(Value::Null),
        },
        Kind::Arithmetic { op, left, right } => arithmetic(*op, eval(left)?, eval(right)?),
        Kind::Concat(all) => {
            let parts = all.iter().map(eval).collect::<Result<Vec<_>, _>>()?;
            Ok(texts(&parts).map_or(Value::Null, |texts| Value::Text(texts.concat())))
        }
        Kind::List(all) => {
            let parts = all.iter().map(eval).collect::<Result<Vec<_>, _>>()?;
            Ok(texts(&parts).map_or(Value::Null, Value::TextList))
        }
        Kind::Call { function, args } => {
            let args = args.iter().map(eval).collect::<Result<Vec<_>, _>>()?;
            if args.contains(&Value::Null) { Ok(Value::Null) } else { call(*function, &args) }
        }
        unread => panic!("nobody reads {unread:?}"),
    }
}

/// None if one is null.
fn texts(values: &[Value]) -> Option<Vec<String>> {
    values.iter().map(|v| v.as_text().map(str::to_owned)).collect()
}

/// What decides, decides; else a fault is told; else one unknown makes all unknown.
fn kleene(deciding: bool, answers: Vec<Answer>) -> Answer {
    if answers.contains(&Err(Wrong::CannotTell)) {
        return Err(Wrong::CannotTell);
    }
    if answers.contains(&Ok(Value::Boolean(deciding))) {
        return Ok(Value::Boolean(deciding));
    }
    let values = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(if values.contains(&Value::Null) { Value::Null } else { Value::Boolean(!deciding) })
}

fn satisfies(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq => order == Ordering::Equal,
        CompareOp::Ne => order != Ordering::Equal,
        CompareOp::Lt => order == Ordering::Less,
        CompareOp::Le => order != Ordering::Greater,
        CompareOp::Gt => order == Ordering::Greater,
        CompareOp::Ge => order != Ordering::Less,
    }
}

fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, Wrong> {
    Ok(match (left, right) {
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.chars().cmp(b.chars())),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Decimal(a), Value::Decimal(b)) => {
            let ((an, ad), (bn, bd)) = (ratio(a)?, ratio(b)?);
            let cross = (an.checked_mul(bd), bn.checked_mul(ad));
            let (Some(a), Some(b)) = cross else { return Err(Wrong::CannotTell) };
            Some(a.cmp(&b))
        }
        _ => None,
    })
}

fn arithmetic(op: ArithmeticOp, left: Value, right: Value) -> Answer {
    use ArithmeticOp::{Add, Divide, Multiply, Remainder, Subtract};
    match (left, op, right) {
        (Value::Integer(_), Divide | Remainder, Value::Integer(0)) => Err(ZERO),
        (Value::Integer(a), _, Value::Integer(b)) => {
            let (a, b) = (i128::from(a), i128::from(b));
            let result = match op {
                Add => a + b,
                Subtract => a - b,
                Multiply => a * b,
                Divide => a / b,
                Remainder if b == -1 && a == i128::from(i64::MIN) => return Err(OVERFLOW),
                Remainder => a % b,
            };
            i64::try_from(result).map(Value::Integer).map_err(|_| OVERFLOW)
        }
        (Value::Float(_), Divide, Value::Float(0.0)) => Err(ZERO),
        (Value::Float(a), _, Value::Float(b)) => {
            let result = match op {
                Add => a + b,
                Subtract => a - b,
                Multiply => a * b,
                Divide | Remainder => a / b,
            };
            let made = a.is_finite() && b.is_finite() && !result.is_finite();
            if made { Err(OVERFLOW) } else { Ok(Value::Float(result)) }
        }
        (Value::Decimal(a), _, Value::Decimal(b)) => decimals(op, ratio(&a)?, ratio(&b)?),
        (Value::Timestamp(a), Add, Value::Integer(b)) | (Value::Integer(b), Add, Value::Timestamp(a)) => {
            a.checked_add(b).map(Value::Timestamp).ok_or(OVERFLOW)
        }
        (Value::Timestamp(a), Subtract, Value::Integer(b)) => a.checked_sub(b).map(Value::Timestamp).ok_or(OVERFLOW),
        (Value::Timestamp(a), Subtract, Value::Timestamp(b)) => a.checked_sub(b).map(Value::Integer).ok_or(OVERFLOW),
        _ => Ok(Value::Null),
    }
}

/// A decimal as a fraction.
type Ratio = (i128, i128);

pub fn ratio(text: &str) -> Result<Ratio, Wrong> {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: String = [whole, fraction].concat();
    if !digits.bytes().any(|b| b.is_ascii_digit()) || fraction.contains(['+', '-']) {
        return Err(CONVERSION);
    }
    let numerator: i128 = match digits.parse() {
        Ok(n) => n,
        Err(_) if digits.trim_start_matches(['-', '+']).bytes().all(|b| b.is_ascii_digit()) => {
            return Err(Wrong::CannotTell);
        }
        Err(_) => return Err(CONVERSION),
    };
    let exponent: i64 = exponent.parse().map_err(|_| CONVERSION)?;
    let places = exponent - i64::try_from(fraction.len()).expect("short");
    let power =
        u32::try_from(places.unsigned_abs()).ok().and_then(|p| 10_i128.checked_pow(p)).ok_or(Wrong::CannotTell)?;
    if places < 0 {
        Ok(reduce((numerator, power)))
    } else {
        Ok((numerator.checked_mul(power).ok_or(Wrong::CannotTell)?, 1))
    }
}

fn reduce((n, d): Ratio) -> Ratio {
    let (mut a, mut b) = (n.unsigned_abs(), d.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let common = i128::try_from(a.max(1)).expect("no larger than what it divides");
    if d < 0 { (-n / common, -d / common) } else { (n / common, d / common) }
}

/// The fraction as text. Every one that occurs has some power of ten as a multiple of its denominator.
fn write_ratio(value: Ratio) -> Answer {
    let (n, d) = reduce(value);
    let scale = (0..38).find(|s| 10_i128.pow(*s) % d == 0).ok_or(Wrong::CannotTell)?;
    let n = n.checked_mul(10_i128.pow(scale) / d).ok_or(Wrong::CannotTell)?;
    Ok(Value::Decimal(format!("{n}e-{scale}")))
}

fn decimals(op: ArithmeticOp, (an, ad): Ratio, (bn, bd): Ratio) -> Answer {
    const SCALE: i128 = 1_000_000_000_000_000_000;
    // Far from the evaluator's limit of 38 digits, since this reading counts digits otherwise.
    if [an, ad, bn, bd].iter().any(|part| part.abs() > 1_000_000_000_000) {
        return Err(Wrong::CannotTell);
    }
    let product = |a: i128, b: i128| a.checked_mul(b).ok_or(Wrong::CannotTell);
    let sum = |a: i128, b: i128| a.checked_add(b).ok_or(Wrong::CannotTell);
    let result = match op {
        ArithmeticOp::Add => (sum(product(an, bd)?, product(bn, ad)?)?, product(ad, bd)?),
        ArithmeticOp::Subtract => (sum(product(an, bd)?, -product(bn, ad)?)?, product(ad, bd)?),
        ArithmeticOp::Multiply => (product(an, bn)?, product(ad, bd)?),
        ArithmeticOp::Divide if bn == 0 => return Err(ZERO),
        ArithmeticOp::Divide => {
            // To eighteen places, half to even.
            let (n, d) = reduce((product(an, bd)?, product(ad, bn)?));
            let n = product(n, SCALE)?;
            let (quotient, rest) = (n.div_euclid(d), n.rem_euclid(d));
            let up = match product(rest, 2)?.cmp(&d) {
                Ordering::Less => 0,
                Ordering::Equal => quotient.rem_euclid(2),
                Ordering::Greater => 1,
            };
            (quotient + up, SCALE)
        }
        ArithmeticOp::Remainder => return Err(CONVERSION),
    };
    write_ratio(result)
}

fn call(function: Function, args: &[Value]) -> Answer {
    let seconds = |n: i64, unit: i64| n.checked_mul(unit * 1000).map(Value::Integer).ok_or(OVERFLOW);
    let text = |s: String| Ok(Value::Text(s));
    match (function, args) {
        (Function::Size, [Value::Text(t)]) => Ok(Value::Integer(t.chars().fold(0, |n, _| n + 1))),
        (Function::Size, [Value::Bytes(b)]) => Ok(Value::Integer(b.iter().fold(0, |n, _| n + 1))),
        (Function::Size, [Value::TextList(l)]) => Ok(Value::Integer(l.iter().fold(0, |n, _| n + 1))),
        (Function::LowerAscii, [Value::Text(t)]) => text(t.chars().map(|c| c.to_ascii_lowercase()).collect()),
        (Function::UpperAscii, [Value::Text(t)]) => text(t.chars().map(|c| c.to_ascii_uppercase()).collect()),
        (Function::Trim, [Value::Text(t)]) => text(t.trim_start().trim_end().to_owned()),
        (Function::Split, [Value::Text(t), Value::Text(by)]) => Ok(Value::TextList(if by.is_empty() {
            t.chars().map(|c| c.to_string()).collect()
        } else {
            t.split(by.as_str()).map(str::to_owned).collect()
        })),
        (Function::Join, [Value::TextList(list), Value::Text(by)]) => text(list.join(by)),
        (
            how @ (Function::Intersects | Function::SupersetOf | Function::SubsetOf),
            [Value::TextList(a), Value::TextList(b)],
        ) => {
            let (a, b): (BTreeSet<&String>, BTreeSet<&String>) = (a.iter().collect(), b.iter().collect());
            Ok(Value::Boolean(match how {
                Function::Intersects => !a.is_disjoint(&b),
                Function::SupersetOf => a.is_superset(&b),
                _ => a.is_subset(&b),
            }))
        }
        (Function::ToText, [value]) => match value {
            Value::Bytes(b) => String::from_utf8(b.clone()).map(Value::Text).map_err(|_| CONVERSION),
            Value::Text(t) | Value::Decimal(t) | Value::Json(t) => text(t.clone()),
            Value::Boolean(b) => text(if *b { "true" } else { "false" }.to_owned()),
            Value::Integer(i) => text(i.to_string()),
            Value::Float(f) => text(f.to_string()),
            Value::Date(d) => text(time::format_date(*d)),
            Value::Timestamp(t) => text(time::format_timestamp(*t)),
            other => panic!("string of {other:?}"),
        },
        (Function::ToInteger, [value]) => match value {
            Value::Integer(i) => Ok(Value::Integer(*i)),
            Value::Text(t) => t.parse().map(Value::Integer).map_err(|_| CONVERSION),
            Value::Float(f) => format!("{:.0}", f.trunc()).parse().map(Value::Integer).map_err(|_| OVERFLOW),
            Value::Decimal(d) => {
                let (n, d) = ratio(d)?;
                i64::try_from(n / d).map(Value::Integer).map_err(|_| OVERFLOW)
            }
            Value::Timestamp(ms) => {
                let whole = i128::from(*ms) - i128::from(ms.rem_euclid(1000));
                Ok(Value::Integer(i64::try_from(whole / 1000).expect("smaller")))
            }
            other => panic!("int of {other:?}"),
        },
        (Function::ToDecimal, [value]) => match value {
            Value::Integer(i) => Ok(Value::Decimal(i.to_string())),
            Value::Text(t) | Value::Decimal(t) => ratio(t).map(|_| Value::Decimal(t.clone())),
            other => panic!("decimal of {other:?}"),
        },
        (Function::ToFloat, [value]) => match value {
            Value::Float(f) => Ok(Value::Float(*f)),
            Value::Integer(i) => Ok(Value::Float(i.to_string().parse().expect("a number"))),
            Value::Decimal(t) => ratio(t).map(|_| Value::Float(t.parse().expect("a number"))),
            other => panic!("double of {other:?}"),
        },
        (Function::ToBoolean, [Value::Boolean(b)]) => Ok(Value::Boolean(*b)),
        (Function::ToBoolean, [Value::Text(t)]) => match t.as_str() {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Boolean(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Boolean(false)),
            _ => Err(CONVERSION),
        },
        (Function::ToTimestamp, [value]) => match value {
            Value::Timestamp(ms) => Ok(Value::Timestamp(*ms)),
            Value::Integer(s) => s.checked_mul(1000).map(Value::Timestamp).ok_or(OVERFLOW),
            Value::Date(d) => Ok(Value::Timestamp(i64::from(*d) * 24 * 60 * 60 * 1000)),
            other => panic!("timestamp of {other:?}"),
        },
        (Function::ToDate, [value]) => match value {
            Value::Date(d) => Ok(Value::Date(*d)),
            Value::Timestamp(ms) => {
                let day = 24 * 60 * 60 * 1000;
                i32::try_from((i128::from(*ms) - i128::from(ms.rem_euclid(day))) / i128::from(day))
                    .map(Value::Date)
                    .map_err(|_| OVERFLOW)
            }
            other => panic!("date of {other:?}"),
        },
        (Function::Days, [Value::Integer(n)]) => seconds(*n, 24 * 60 * 60),
        (Function::Hours, [Value::Integer(n)]) => seconds(*n, 60 * 60),
        (Function::Minutes, [Value::Integer(n)]) => seconds(*n, 60),
        (Function::Seconds, [Value::Integer(n)]) => seconds(*n, 1),
        (Function::SourceKey, [id, Value::Text(instance), Value::Text(system)]) => {
            let id = match id {
                Value::Integer(n) => n.to_string(),
                Value::Text(t) => t.clone(),
                _ => return Ok(Value::Null),
            };
            let written = format!("{id}@{instance}.{system}");
            let read = attiva_core::SourceKey::parse(&written);
            let same = read.filter(|k| k.id == id && k.instance.id == *instance && k.instance.system == *system);
            Ok(same.map_or(Value::Null, |_| Value::Text(written)))
        }
        (Function::Milliseconds, [Value::Integer(n)]) => Ok(Value::Integer(*n)),
        (Function::AnniversaryIn, [Value::Date(day), Value::Timestamp(from), Value::Timestamp(until)]) => {
            let (born, day_ms) = (civil(i64::from(*day) * 86_400_000), 86_400_000);
            let mut midnight = (*from).div_euclid(day_ms) * day_ms;
            while midnight < *until {
                let date = civil(midnight).date();
                let leap_day = (born.month(), born.day()) == (2, 29) && !date.in_leap_year();
                let wanted = if leap_day { 28 } else { born.day() };
                if midnight >= *from && (date.month(), date.day()) == (born.month(), wanted) {
                    return Ok(Value::Boolean(true));
                }
                midnight += day_ms;
            }
            Ok(Value::Boolean(false))
        }
        (Function::AddMonths, [Value::Timestamp(at), Value::Integer(months)]) => {
            Ok(Value::Timestamp(instant(civil(*at).checked_add(jiff::Span::new().months(*months)).expect("in range"))))
        }
        (start, [Value::Timestamp(at)]) => {
            let date = civil(*at).date();
            let first = match start {
                Function::StartOfDay => date,
                Function::StartOfWeek => {
                    let back = i64::from(date.weekday().to_monday_zero_offset());
                    date.checked_sub(jiff::Span::new().days(back)).expect("in range")
                }
                Function::StartOfMonth => date.first_of_month(),
                Function::StartOfQuarter => jiff::civil::date(
                    date.year(),
                    [1, 4, 7, 10][usize::try_from((date.month() - 1) / 3).expect("a quarter")],
                    1,
                ),
                Function::StartOfYear => date.first_of_year(),
                other => panic!("the checker let this through: {other:?}"),
            };
            Ok(Value::Timestamp(instant(first.to_datetime(jiff::civil::Time::midnight()))))
        }
        other => panic!("the checker let this through: {other:?}"),
    }
}

fn civil(at: i64) -> jiff::civil::DateTime {
    jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_millisecond(at).expect("in range"))
}

fn instant(at: jiff::civil::DateTime) -> i64 {
    jiff::tz::Offset::UTC.to_timestamp(at).expect("in range").as_millisecond()
}
