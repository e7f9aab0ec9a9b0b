//! What an evaluation of single records asks of the world around them.

use attiva_core::Value;
use attiva_core::number::{Exact, RateTable};
use attiva_core::time::Millis;
use attiva_expr::Step;
use std::borrow::Cow;
use std::fmt;

/// A record of an entity, by a number that means something to the graph alone.
pub type Id = u64;

/// Records and how they hang together. Entities and relations are numbered as in the model that the segment was checked
/// against.
pub trait Graph {
    /// A record's values by slot, null where there is none.
    fn row(&self, entity: usize, id: Id) -> Cow<'_, [Value]>;

    /// What one step leads to from a record: the one, or all, in any order, each as often as a relation says so. Only
    /// [`Step::One`] and [`Step::Many`] are asked for.
    fn step(&self, step: Step, id: Id) -> Cow<'_, [Id]>;

    /// Whether a record is a member of an audience, by the latest result there is; none if there is none yet.
    fn is_member(&self, audience: &str, id: Id) -> Option<bool>;
}

/// Rates of exchange on the day of the evaluation.
pub trait Rates {
    /// One unit of a currency (ISO 4217) in the one that amounts are compared in, as a decimal; of that one itself, 1.
    /// None: there is no rate.
    fn rate(&self, currency: &str) -> Option<String>;

    /// The currencies that there is a rate of, for whoever needs all of them at once: SQL.
    fn currencies(&self) -> Vec<String>;
}

/// No rate of any currency: amounts compare only within one.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRates;

impl Rates for NoRates {
    fn rate(&self, _: &str) -> Option<String> {
        None
    }

    fn currencies(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The rates of a table that hold on a day.
#[derive(Debug, Clone, Copy)]
pub struct RatesOn<'a> {
    table: &'a RateTable,
    day: i32,
}

impl<'a> RatesOn<'a> {
    /// On the day of an instant, in UTC.
    #[must_use]
    pub fn at(table: &'a RateTable, now: Millis) -> Self {
        const DAY_MS: i64 = 86_400_000;
        let day = i32::try_from(now.div_euclid(DAY_MS)).unwrap_or(if now < 0 { i32::MIN } else { i32::MAX });
        Self { table, day }
    }
}

impl Rates for RatesOn<'_> {
    fn rate(&self, currency: &str) -> Option<String> {
        self.table.in_base(Exact::from(1), Some(currency), self.day).ok().map(|rate| rate.to_string())
    }

    fn currencies(&self) -> Vec<String> {
        self.table.currencies()
    }
}

/// What surrounds a record when it is evaluated.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub graph: &'a dyn Graph,
    pub rates: &'a dyn Rates,
    pub now: Millis,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("now", &self.now).finish_non_exhaustive()
    }
}

/// One row, and nothing around it.
pub(crate) struct Alone<'a>(pub(crate) &'a [Value]);

impl Graph for Alone<'_> {
    fn row(&self, _: usize, _: Id) -> Cow<'_, [Value]> {
        Cow::Borrowed(self.0)
    }

    fn step(&self, _: Step, _: Id) -> Cow<'_, [Id]> {
        Cow::Borrowed(&[])
    }

    fn is_member(&self, _: &str, _: Id) -> Option<bool> {
        None
    }
}
