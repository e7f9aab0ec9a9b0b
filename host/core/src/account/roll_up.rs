//! A field of all accounts of a family as one value of its ultimate parent.

use crate::Value;
use crate::number::{Exact, RateProblem, RateTable};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// What is rolled up, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollUp {
    /// What the result is called: `family_employees`.
    pub name: String,
    /// A field of the account.
    pub field: String,
    pub how: How,
    /// The field that holds the currency of `field`; absent: it is no money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency_field: Option<String>,
    /// What the result is in, by the newest rate of each currency (ISO 4217); with `currency_field`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Of integers and decimals.
    Sum,
    /// Of numbers, dates, instants and text. Floats that are not numbers are left out.
    Max,
    /// Of booleans: whether one is true.
    Any,
}

/// What one account of the family contributes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part<'a> {
    pub value: &'a Value,
    /// Where the value is money.
    pub currency: Option<&'a str>,
}

/// The result, and what it says nothing of.
#[derive(Debug, Clone, PartialEq)]
pub struct Rolled {
    /// Null where no account contributes. Money is in the base of the rates.
    pub value: Value,
    /// Accounts that contributed.
    pub accounts: usize,
    /// Why others did not, one line each; accounts without a value are no news.
    pub left_out: Vec<LeftOut>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeftOut {
    #[error("the value is of a type that cannot be added or compared so")]
    Type,
    #[error("the result has more than 38 digits")]
    TooLarge,
    #[error(transparent)]
    Rate(#[from] RateProblem),
}

/// Rolls up. `rates` with the day they are to be of: for money. The order of the parts does not matter.
#[must_use]
pub fn roll_up<'a>(how: How, parts: impl IntoIterator<Item = Part<'a>>, rates: Option<(&RateTable, i32)>) -> Rolled {
    let mut rolled = Rolled { value: Value::Null, accounts: 0, left_out: Vec::new() };
    let mut known = parts.into_iter().filter(|part| !part.value.is_null()).collect::<Vec<_>>();
    // Which values are left out, of those that do not go together, must not depend on the order.
    known.sort_by_cached_key(|part| (format!("{:?}", part.value), part.currency));
    for part in known {
        let value = match rates {
            Some((rates, day)) => in_base(part, rates, day),
            None => Ok(part.value.clone()),
        };
        match value.and_then(|value| joined(how, &rolled.value, value)) {
            Ok(value) => {
                rolled.value = value;
                rolled.accounts += 1;
            }
            Err(why) => rolled.left_out.push(why),
        }
    }
    rolled
}

fn in_base(part: Part<'_>, rates: &RateTable, day: i32) -> Result<Value, LeftOut> {
    let amount = exact(part.value).ok_or(LeftOut::Type)?;
    Ok(Value::Decimal(rates.in_base(amount, part.currency, day)?.to_string()))
}

fn joined(how: How, sum: &Value, next: Value) -> Result<Value, LeftOut> {
    match how {
        How::Sum => added(sum, &next),
        How::Max => larger(sum, next),
        How::Any => match (sum, next) {
            (Value::Boolean(any), Value::Boolean(next)) => Ok(Value::Boolean(*any || next)),
            (_, Value::Boolean(next)) => Ok(Value::Boolean(next)),
            _ => Err(LeftOut::Type),
        },
    }
}

fn exact(value: &Value) -> Option<Exact> {
    match value {
        Value::Integer(i) => Some(Exact::from(*i)),
        Value::Decimal(text) => Exact::parse(text),
        _ => None,
    }
}

fn added(sum: &Value, next: &Value) -> Result<Value, LeftOut> {
    let before = if sum.is_null() { Some(Exact::ZERO) } else { exact(sum) };
    let next_exact = exact(next).ok_or(LeftOut::Type)?;
    let total = before.and_then(|before| before.plus(next_exact)).ok_or(LeftOut::TooLarge)?;
    match (sum, next) {
        // Integers stay integers as long as they fit.
        (Value::Null | Value::Integer(_), Value::Integer(_)) => {
            Ok(total.to_string().parse().map_or_else(|_| Value::Decimal(total.to_string()), Value::Integer))
        }
        _ => Ok(Value::Decimal(total.to_string())),
    }
}

fn larger(best: &Value, next: Value) -> Result<Value, LeftOut> {
    let order = match (best, &next) {
        (_, Value::Float(f)) if f.is_nan() => return Err(LeftOut::Type),
        (Value::Null, Value::Boolean(_) | Value::Bytes(_) | Value::TextList(_) | Value::Json(_)) => {
            return Err(LeftOut::Type);
        }
        (Value::Null, Value::Decimal(_)) if exact(&next).is_none() => return Err(LeftOut::Type),
        (Value::Null, _) => Ordering::Less,
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        _ => match (exact(best), exact(&next)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => return Err(LeftOut::Type),
        },
    };
    Ok(if order == Ordering::Less { next } else { best.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::{Rate, Rates};
    use proptest::prelude::*;

    fn part(value: &Value) -> Part<'_> {
        Part { value, currency: None }
    }

    fn rolled(how: How, values: &[Value]) -> (Value, usize, usize) {
        let rolled = roll_up(how, values.iter().map(part), None);
        (rolled.value, rolled.accounts, rolled.left_out.len())
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.into())
    }

    #[test]
    fn sums_maxima_and_any() {
        let (i, null) = (Value::Integer, Value::Null);
        assert_eq!(rolled(How::Sum, &[i(2), null.clone(), i(3)]), (i(5), 2, 0));
        assert_eq!(rolled(How::Sum, &[i(i64::MAX), i(1)]), (decimal("9223372036854775808"), 2, 0));
        assert_eq!(rolled(How::Sum, &[i(1), decimal("0.50")]), (decimal("1.5"), 2, 0));
        assert_eq!(rolled(How::Sum, &[i(1), Value::Text("2".into())]), (i(1), 1, 1));
        assert_eq!(rolled(How::Sum, std::slice::from_ref(&null)), (Value::Null, 0, 0));
        assert_eq!(rolled(How::Max, &[i(2), i(9), i(3)]), (i(9), 3, 0));
        assert_eq!(rolled(How::Max, &[Value::Date(2), Value::Date(1)]), (Value::Date(2), 2, 0));
        assert_eq!(rolled(How::Max, &[Value::Date(2), Value::Boolean(true)]), (Value::Date(2), 1, 1));
        let b = Value::Boolean;
        assert_eq!(rolled(How::Any, &[b(false), null.clone(), b(true)]), (b(true), 2, 0));
        assert_eq!(rolled(How::Any, &[b(false), null]), (b(false), 1, 0));
    }

    #[test]
    fn money_is_added_in_one_currency_or_not_at_all() {
        let rates =
            Rates { base: "EUR".into(), rates: vec![Rate { currency: "USD".into(), from_day: 0, rate: "0.5".into() }] };
        let table = RateTable::new(&rates).unwrap();
        let amounts = [
            (decimal("10"), Some("EUR")),
            (decimal("10"), Some("USD")),
            (decimal("10"), Some("GBP")),
            (decimal("10"), None),
        ];
        let parts = amounts.iter().map(|(value, currency)| Part { value, currency: *currency });
        let rolled = roll_up(How::Sum, parts, Some((&table, 5)));
        assert_eq!((rolled.value, rolled.accounts), (decimal("15"), 2));
        assert_eq!(rolled.left_out.len(), 2);
        assert!(rolled.left_out.contains(&LeftOut::Rate(RateProblem::NoCurrency)));
    }

    proptest! {
        #[test]
        fn the_order_of_accounts_does_not_matter(
            values in proptest::collection::vec(prop_oneof![
                Just(Value::Null), any::<i64>().prop_map(Value::Integer),
                "-?[0-9]{1,37}\\.[0-9]{1,3}".prop_map(Value::Decimal), Just(Value::Boolean(true)),
            ], 0..8),
            turn in 0..8usize,
        ) {
            let mut turned = values.clone();
            turned.rotate_left(turn % values.len().max(1));
            for how in [How::Sum, How::Max, How::Any] {
                prop_assert_eq!(rolled(how, &values), rolled(how, &turned));
            }
        }
    }
}
