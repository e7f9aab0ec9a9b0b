//! Tables of exchange rates as people publish them: one for each base, checked whole, with days written out.

use crate::number::{Exact, Rate, RateProblem, RateTable, Rates};
use crate::time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A table, as it is published and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RatesTable {
    /// What amounts are compared in: `EUR`.
    pub base: String,
    pub rates: Vec<DatedRate>,
}

/// One unit of a currency in the base, from a day on, until a later rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatedRate {
    /// ISO 4217: `USD`.
    pub currency: String,
    /// `2026-11-23`.
    pub from: String,
    /// A decimal number over 0, as text: `0.92`.
    pub rate: String,
}

/// Most rates of a table: thirty years of days in a few currencies, or all currencies by the month.
pub const RATES_MAX: usize = 50_000;

/// Something wrong with a table; `path` is a JSON pointer into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableProblem {
    pub path: String,
    pub problem: String,
}

/// Whether it is a currency's code, in the form in which it is kept.
#[must_use]
pub fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase())
}

impl RatesTable {
    /// The table, ready for use.
    ///
    /// # Errors
    /// All that is wrong with it, up to a hundred.
    pub fn checked(&self) -> Result<RateTable, Vec<TableProblem>> {
        const PROBLEMS_MAX: usize = 100;
        const CODE: &str = "must be a currency's code of ISO 4217: three capitals";
        let mut problems = Vec::new();
        let mut wrong = |path: String, problem: &str| {
            if problems.len() < PROBLEMS_MAX {
                problems.push(TableProblem { path, problem: problem.to_owned() });
            }
        };
        if !is_currency(&self.base) {
            wrong("/base".into(), CODE);
        }
        if self.rates.len() > RATES_MAX {
            wrong("/rates".into(), &format!("must be at most {RATES_MAX}"));
        }
        let mut seen = BTreeSet::new();
        let mut rates = Vec::with_capacity(self.rates.len());
        for (i, DatedRate { currency, from, rate }) in self.rates.iter().enumerate() {
            let at = |name: &str| format!("/rates/{i}/{name}");
            if !is_currency(currency) {
                wrong(at("currency"), CODE);
            } else if *currency == self.base {
                wrong(at("currency"), "is the base, which is worth itself");
            }
            if Exact::parse(rate).is_none_or(|rate| rate <= Exact::ZERO) {
                wrong(at("rate"), "must be a decimal number over 0, with at most 18 digits after the point");
            }
            let Some(from_day) = time::parse_date(from) else {
                wrong(at("from"), "must be a day: 2026-11-23");
                continue;
            };
            if !seen.insert((currency.as_str(), from_day)) {
                wrong(at("from"), "has a rate of this currency already");
            }
            rates.push(Rate { currency: currency.clone(), from_day, rate: rate.clone() });
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let rates = Rates { base: self.base.clone(), rates };
        RateTable::new(&rates).map_err(|e| vec![TableProblem { path: "/rates".into(), problem: e.to_string() }])
    }
}

/// An amount in a table's base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Converted {
    Known(Exact),
    /// It is not known, and never taken for anything else.
    Unknown(RateProblem),
}

/// An amount in the base, by the rate of the newest day on or before `day`.
#[must_use]
pub fn convert(table: &RateTable, amount: Exact, currency: Option<&str>, day: i32) -> Converted {
    match table.in_base(amount, currency, day) {
        Ok(amount) => Converted::Known(amount),
        Err(problem) => Converted::Unknown(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(base: &str, rates: &[(&str, &str, &str)]) -> RatesTable {
        let rate = |(currency, from, rate): &(&str, &str, &str)| DatedRate {
            currency: (*currency).into(),
            from: (*from).into(),
            rate: (*rate).into(),
        };
        RatesTable { base: base.into(), rates: rates.iter().map(rate).collect() }
    }

    #[test]
    fn the_newest_rate_on_or_before_the_day_counts_and_none_is_unknown() {
        let rates = table(
            "EUR",
            &[("USD", "2026-02-01", "0.8"), ("USD", "2026-01-01", "0.9"), ("JPY", "2026-01-01", "0.0061")],
        );
        let table = rates.checked().unwrap();
        let day = |text| time::parse_date(text).unwrap();
        let of = |amount, currency, on| match convert(&table, Exact::parse(amount).unwrap(), currency, day(on)) {
            Converted::Known(amount) => amount.to_string(),
            Converted::Unknown(problem) => problem.to_string(),
        };
        assert_eq!(of("100", Some("USD"), "2026-01-31"), "90");
        assert_eq!(of("100", Some("USD"), "2026-02-01"), "80");
        assert_eq!(of("1000000.01", Some("JPY"), "2030-01-01"), "6100.000061");
        assert_eq!(of("5", Some("EUR"), "1999-01-01"), "5");
        assert!(of("1", Some("USD"), "2025-12-31").contains("no rate of USD in EUR"));
        assert!(of("1", Some("GBP"), "2026-02-01").contains("no rate of GBP in EUR"));
        assert_eq!(of("1", None, "2026-02-01"), "an amount without a currency");
    }

    #[test]
    fn what_is_wrong_with_a_table_is_named() {
        let wrong = table(
            "Euro",
            &[
                ("usd", "2026-01-01", "1"),
                ("USD", "2026-13-01", "1"),
                ("USD", "2026-01-01", "0"),
                ("USD", "2026-01-01", "1e2"),
            ],
        );
        let paths: Vec<String> = wrong.checked().unwrap_err().into_iter().map(|p| p.path).collect();
        let expected =
            ["/base", "/rates/0/currency", "/rates/1/from", "/rates/2/rate", "/rates/3/rate", "/rates/3/from"];
        assert_eq!(paths, expected);
        let own = table("EUR", &[("EUR", "2026-01-01", "1")]);
        assert_eq!(own.checked().unwrap_err()[0].path, "/rates/0/currency");
        let many = vec![("USD", "2026-01-01", "x"); 300];
        assert_eq!(table("EUR", &many).checked().unwrap_err().len(), 100);
    }
}
