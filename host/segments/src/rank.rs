//! The first of those who meet a rule, by a value of each: what the column evaluator found, put in an order.

use crate::column::{Bits, Evaluation};
use crate::condition::{Code, Compiler};
use crate::evaluate::Vars;
use crate::graph::{Id, Surroundings};
use crate::meter::Metered;
use crate::plan::Plan;
use attiva_core::Value;
use attiva_core::number::Exact;
use attiva_core::ranking::RankOrder;
use attiva_expr::{Checked, EvalFault, Expr, Problem, Type};
use std::cmp::Ordering;
use std::sync::Arc;

/// An order of records and how many of the first are wanted.
#[derive(Debug, Clone)]
pub struct Rank {
    plan: Plan,
    by: Expr,
    code: Arc<Code>,
    order: RankOrder,
    limit: usize,
}

/// What a record is put in the order by; of one expression, all are of one kind.
#[derive(Debug, Clone, Copy)]
enum Key {
    Missing,
    Whole(i64),
    Decimal(Exact),
    Float(f64),
}

impl Rank {
    /// # Errors
    /// A value that has no order people would expect: only numbers, dates and instants do.
    pub fn new(by: &Checked, order: RankOrder, limit: usize) -> Result<Self, Problem> {
        let root = by.root();
        if !matches!(root.ty, Type::Integer | Type::Decimal | Type::Float | Type::Date | Type::Timestamp) {
            let message = "members are ranked by a number, a date or an instant; count, or convert: `int(x)`";
            return Err(Problem::new(Problem::TYPE, root.at, message));
        }
        let (code, _) = Compiler::new(by.entity().unwrap_or_default()).code(root);
        Ok(Self { plan: Plan::of_value(by), by: root.clone(), code: Arc::new(code), order, limit })
    }

    /// A plan that reads what the order does.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn by(&self) -> &Expr {
        &self.by
    }

    pub(crate) fn order(&self) -> RankOrder {
        self.order
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// What a record is put in the order by. A fault counts as no value.
    ///
    /// # Errors
    /// The fault.
    pub fn value(&self, id: Id, around: &Surroundings) -> Result<Value, EvalFault> {
        self.code.value(&Vars::root(id), around)
    }

    /// The first of these rows. `None`: finding their values looks at more than `looks_max` records.
    #[must_use]
    pub fn first(&self, members: &Bits, of: &Evaluation, threads: usize, looks_max: u64) -> Option<Bits> {
        let rows: Vec<usize> = members.rows().collect();
        if rows.len() <= self.limit {
            return Some(members.clone());
        }
        let share = rows.len().div_ceil(threads.max(1)).max(1);
        let keys = |rows: &[usize]| {
            let metered = Metered::new(of.data, looks_max);
            let around = Surroundings { graph: &metered, rates: of.rates, now: of.now };
            let key = |row: &usize| (self.key(*row, &around), *row);
            let keys: Vec<(Key, usize)> = rows.iter().map(key).collect();
            (!metered.is_spent()).then_some(keys)
        };
        let found: Vec<Option<Vec<(Key, usize)>>> = std::thread::scope(|scope| {
            let parts: Vec<_> = rows.chunks(share).map(|part| scope.spawn(move || keys(part))).collect();
            parts.into_iter().map(|part| part.join().ok().flatten()).collect()
        });
        let mut keys = found.into_iter().collect::<Option<Vec<_>>>()?.concat();
        if let Some(last) = self.limit.checked_sub(1).filter(|last| *last < keys.len()) {
            keys.select_nth_unstable_by(last, |a, b| self.before(a, b));
        }
        let mut first = Bits::none(members.len());
        keys.iter().take(self.limit).for_each(|(_, row)| first.set(*row));
        Some(first)
    }

    fn key(&self, row: usize, around: &Surroundings) -> Key {
        match self.value(Id::try_from(row).unwrap_or(Id::MAX), around) {
            Ok(Value::Integer(n) | Value::Timestamp(n)) => Key::Whole(n),
            Ok(Value::Date(days)) => Key::Whole(days.into()),
            Ok(Value::Decimal(text)) => Exact::parse(&text).map_or(Key::Missing, Key::Decimal),
            Ok(Value::Float(f)) if !f.is_nan() => Key::Float(f),
            _ => Key::Missing,
        }
    }

    /// Rows are numbered in the order in which records became known.
    fn before(&self, a: &(Key, usize), b: &(Key, usize)) -> Ordering {
        let by_value = match (a.0, b.0) {
            (Key::Whole(a), Key::Whole(b)) => a.cmp(&b),
            (Key::Decimal(a), Key::Decimal(b)) => a.cmp(&b),
            (Key::Float(a), Key::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Key::Missing, Key::Missing) => Ordering::Equal,
            // Whichever way the order goes.
            (Key::Missing, _) => return Ordering::Greater,
            (_, Key::Missing) => return Ordering::Less,
            // One expression has one type.
            _ => Ordering::Equal,
        };
        let by_value = match self.order {
            RankOrder::Ascending => by_value,
            RankOrder::Descending => by_value.reverse(),
        };
        by_value.then(a.1.cmp(&b.1))
    }
}
