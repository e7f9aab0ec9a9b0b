//! Exact decimal numbers and money: sums that do not depend on their order, and amounts that are compared in one
//! currency by a rate that says of which day it is.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// A decimal number: `units` times ten to the power of `-scale`. Two forms of one number are equal.
#[derive(Debug, Clone, Copy)]
pub struct Exact {
    units: i128,
    scale: u32,
}

impl Exact {
    pub const ZERO: Self = Self { units: 0, scale: 0 };

    /// Most digits after the point.
    pub const SCALE_MAX: u32 = 18;

    /// Reads `-1234.50`; `None` for anything else, and for more digits than are kept.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= Self::SCALE_MAX)?;
        if whole.is_empty() || digits.ends_with('.') || !plain(whole) || !plain(fraction) {
            return None;
        }
        let units: i128 = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { units: if negative { -units } else { units }, scale })
    }

    /// `None` where 38 digits do not suffice.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Some(Self { units: self.at_scale(scale)?.checked_add(other.at_scale(scale)?)?, scale })
    }

    /// `None` where 38 digits do not suffice.
    #[must_use]
    pub fn times(self, other: Self) -> Option<Self> {
        Some(Self { units: self.units.checked_mul(other.units)?, scale: self.scale + other.scale }.trimmed())
    }

    /// As a whole number of the units that so many digits after the point make; `None` where it has more of them, or more
    /// than `digits` in all.
    #[must_use]
    pub fn units_at(self, scale: u32, digits: u32) -> Option<i128> {
        let units = self.trimmed().at_scale(scale)?;
        let most = 10u128.checked_pow(digits)?;
        (units.unsigned_abs() < most).then_some(units)
    }

    fn at_scale(self, scale: u32) -> Option<i128> {
        10i128.checked_pow(scale.checked_sub(self.scale)?)?.checked_mul(self.units)
    }

    /// The shortest form: no zeros at the end of the fraction.
    fn trimmed(mut self) -> Self {
        while self.scale > 0 && self.units % 10 == 0 {
            self.units /= 10;
            self.scale -= 1;
        }
        self
    }
}

impl From<i64> for Exact {
    fn from(whole: i64) -> Self {
        Self { units: whole.into(), scale: 0 }
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Exact {}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        match (self.at_scale(scale), other.at_scale(scale)) {
            (Some(a), Some(b)) => a.cmp(&b),
            // One is too large for the other's fraction: the whole parts decide.
            _ => {
                let whole = |x: &Self| x.units / 10i128.checked_pow(x.scale).unwrap_or(i128::MAX);
                whole(self).cmp(&whole(other))
            }
        }
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { units, scale } = self.trimmed();
        let sign = if units < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale as usize + 1);
        match digits.split_at(digits.len() - scale as usize) {
            (whole, "") => write!(f, "{sign}{whole}"),
            (whole, fraction) => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

/// Rates of exchange, as data with dates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// What amounts are compared in: `EUR`.
    pub base: String,
    #[serde(default)]
    pub rates: Vec<Rate>,
}

/// One unit of a currency in the base, from a day on, until a later rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// ISO 4217.
    pub currency: String,
    /// Days since 1970-01-01.
    pub from_day: i32,
    /// A decimal number over 0.
    pub rate: String,
}

/// Why an amount cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RateProblem {
    #[error("no rate of {currency} in {base} on or before day {day}: add one")]
    Missing { currency: String, base: String, day: i32 },
    #[error("an amount without a currency")]
    NoCurrency,
    #[error("`{0}` is no rate: a decimal number over 0")]
    Malformed(String),
    #[error("an amount of too many digits")]
    TooLarge,
}

/// Rates, ready for use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateTable {
    base: String,
    of: BTreeMap<(String, i32), Exact>,
}

impl RateTable {
    /// # Errors
    /// The first rate that is none.
    pub fn new(rates: &Rates) -> Result<Self, RateProblem> {
        let mut of = BTreeMap::new();
        for Rate { currency, from_day, rate } in &rates.rates {
            let exact = Exact::parse(rate).filter(|rate| *rate > Exact::ZERO);
            let exact = exact.ok_or_else(|| RateProblem::Malformed(rate.clone()))?;
            of.insert((currency.to_uppercase(), *from_day), exact);
        }
        Ok(Self { base: rates.base.to_uppercase(), of })
    }

    /// The base and every currency that has a rate, each once.
    #[must_use]
    pub fn currencies(&self) -> Vec<String> {
        let mut all: Vec<String> = self.of.keys().map(|(currency, _)| currency.clone()).collect();
        all.push(self.base.clone());
        all.sort_unstable();
        all.dedup();
        all
    }

    /// An amount in the base, by the rate that held on a day. Exact: nothing is rounded.
    pub fn in_base(&self, amount: Exact, currency: Option<&str>, day: i32) -> Result<Exact, RateProblem> {
        let currency = currency.filter(|c| !c.trim().is_empty()).ok_or(RateProblem::NoCurrency)?;
        let currency = currency.trim().to_uppercase();
        if currency == self.base {
            return Ok(amount);
        }
        let (from, until) = ((currency.clone(), i32::MIN), (currency.clone(), day));
        let Some((_, rate)) = self.of.range(from..=until).next_back() else {
            return Err(RateProblem::Missing { currency, base: self.base.clone(), day });
        };
        amount.times(*rate).ok_or(RateProblem::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(text: &str) -> Exact {
        Exact::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_read_and_written() {
        for (text, shown) in [("1.50", "1.5"), ("-0.05", "-0.05"), ("007", "7"), ("-0", "0"), ("+2.0", "2")] {
            assert_eq!(exact(text).to_string(), shown);
        }
        for bad in ["", "1e5", "1.", ".5", "1,5", "--1", "1.1234567890123456789", &"9".repeat(40)] {
            assert_eq!(Exact::parse(bad), None, "{bad}");
        }
        assert_eq!(exact("1.50"), exact("1.5"));
        assert!(exact(&"9".repeat(38)) > exact("0.000000000000000001"));
        assert_eq!(exact("-1.50").units_at(2, 38), Some(-150));
        assert_eq!(exact("7").units_at(9, 38), Some(7_000_000_000));
        assert_eq!((exact("0.001").units_at(2, 38), exact("100").units_at(0, 2)), (None, None));
        assert_eq!(exact("1.5").times(exact("1.1")).unwrap().to_string(), "1.65");
        assert_eq!(exact(&"9".repeat(38)).plus(exact("0.1")), None);
    }

    proptest! {
        #[test]
        fn sums_and_order_are_those_of_cents(a in -9_999_999i64..9_999_999, b in -9_999_999i64..9_999_999) {
            let of = |cents: i64| {
                let sign = if cents < 0 { "-" } else { "" };
                exact(&format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100))
            };
            prop_assert_eq!(of(a).plus(of(b)).unwrap(), of(a + b));
            prop_assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
            prop_assert_eq!(exact(&of(a).to_string()), of(a));
        }
    }

    #[test]
    fn a_rate_holds_from_its_day_until_the_next() {
        let rate =
            |currency: &str, from_day, rate: &str| Rate { currency: currency.into(), from_day, rate: rate.into() };
        let rates = Rates { base: "eur".into(), rates: vec![rate("USD", 10, "0.9"), rate("usd", 20, "0.8")] };
        let table = RateTable::new(&rates).unwrap();
        let hundred = |currency, day| table.in_base(exact("100"), currency, day).map(|e| e.to_string());
        assert_eq!(hundred(Some("EUR"), 0).unwrap(), "100");
        assert_eq!(hundred(Some("USD"), 19).unwrap(), "90");
        assert_eq!(hundred(Some(" usd "), 20).unwrap(), "80");
        assert!(matches!(hundred(Some("USD"), 9), Err(RateProblem::Missing { day: 9, .. })));
        assert!(matches!(hundred(Some("GBP"), 99), Err(RateProblem::Missing { .. })));
        assert_eq!(hundred(None, 0), Err(RateProblem::NoCurrency));
        for bad in ["0", "-1", "x"] {
            let rates = Rates { base: "EUR".into(), rates: vec![rate("USD", 0, bad)] };
            assert_eq!(RateTable::new(&rates), Err(RateProblem::Malformed(bad.into())));
        }
    }
}
