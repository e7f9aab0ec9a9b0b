//! When a condition on the time changes its answer by itself, so that a window can expire without an event.
//!
//! Nearly all such conditions compare two instants or durations of which `now` is a part, plus or minus: their
//! difference is a straight line over time and crosses zero once. Where a calendar has a part in it (`now - months(1)`),
//! the value at least never falls as time goes on, so that the instant is found by halving. Others take the day of such
//! an instant, which changes at a midnight. What is none of these is not computed, and said not to be.

use crate::condition::{Ask, Code, Condition, Input, Inputs, Records};
use crate::evaluate::Vars;
use crate::graph::Surroundings;
use attiva_core::Value;
use attiva_core::time::Millis;
use attiva_expr::{ArithmeticOp, Expr, Function, Kind, Program};
use serde::{Deserialize, Serialize};

const DAY_MS: i64 = 86_400_000;

/// When to look at a row again although nothing happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NextChange {
    /// Not before the row changes.
    Never,
    At(Millis),
    /// The condition uses the time in a way that is not followed: look at every schedule.
    Unpredictable,
}

impl NextChange {
    pub(crate) fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unpredictable, _) | (_, Self::Unpredictable) => Self::Unpredictable,
            (Self::At(a), Self::At(b)) => Self::At(a.min(b)),
            (Self::Never, next) | (next, Self::Never) => next,
        }
    }
}

/// How the value of an expression hangs on the time.
#[derive(Debug)]
pub(crate) enum Clock {
    Never,
    /// A comparison of two values whose difference grows by `rate` a millisecond.
    Crossing {
        left: Program,
        right: Program,
        rate: i64,
    },
    /// A comparison of one that never falls as time goes on, and reads nothing else, with one that does not hang on the
    /// time.
    Rising {
        rising: Program,
        other: Program,
    },
    /// The day of an instant that moves with the time.
    Day(Program),
    Any(Vec<Clock>),
    Unpredictable,
}

impl Clock {
    pub(crate) fn of(expr: &Expr) -> Self {
        if !expr.depends_on_now() {
            return Self::Never;
        }
        match &expr.kind {
            Kind::Compare { left, right, .. } => match (rate(left), rate(right)) {
                (Some(l), Some(r)) if l == r => Self::Never,
                (Some(l), Some(r)) => {
                    Self::Crossing { left: Program::new(left), right: Program::new(right), rate: l - r }
                }
                (None, Some(0)) if rises(left) => {
                    Self::Rising { rising: Program::new(left), other: Program::new(right) }
                }
                (Some(0), None) if rises(right) => {
                    Self::Rising { rising: Program::new(right), other: Program::new(left) }
                }
                _ => Self::of_operands(expr),
            },
            // Whether `now - x` is null is up to `x`.
            Kind::IsNull(inner) if rate(inner).is_some() => Self::Never,
            Kind::Call { function: Function::ToDate, args } => match args.as_slice() {
                [instant] if rate(instant) == Some(1) => Self::Day(Program::new(instant)),
                _ => Self::Unpredictable,
            },
            Kind::Call { function: Function::AnniversaryIn, .. } => Self::Unpredictable,
            _ if rate(expr).is_some() || rises(expr) => Self::Unpredictable,
            _ => Self::of_operands(expr),
        }
    }

    fn of_operands(expr: &Expr) -> Self {
        Self::Any(expr.operands().into_iter().map(Self::of).collect())
    }

    pub(crate) fn next(&self, row: &[Value], now: Millis) -> NextChange {
        match self {
            Self::Never => NextChange::Never,
            Self::Crossing { left, right, rate } => crossing(left, right, *rate, row, now),
            Self::Rising { rising, other } => rising_past(rising, other, row, now),
            Self::Day(instant) => match number(instant, row, now) {
                Some(Some(ms)) => after(i128::from(now) + i128::from(DAY_MS - ms.rem_euclid(DAY_MS))),
                Some(None) => NextChange::Never,
                None => NextChange::Unpredictable,
            },
            Self::Any(all) => all.iter().map(|one| one.next(row, now)).fold(NextChange::Never, NextChange::sooner),
            Self::Unpredictable => NextChange::Unpredictable,
        }
    }
}

/// By how much an instant or duration grows each millisecond; none if that is no constant.
fn rate(expr: &Expr) -> Option<i64> {
    if !expr.depends_on_now() {
        return Some(0);
    }
    match &expr.kind {
        Kind::Now => Some(1),
        Kind::Arithmetic { op: ArithmeticOp::Add, left, right } => Some(rate(left)? + rate(right)?),
        Kind::Arithmetic { op: ArithmeticOp::Subtract, left, right } => Some(rate(left)? - rate(right)?),
        _ => None,
    }
}

/// Whether it is an instant that hangs on the time alone and never falls.
fn rises(expr: &Expr) -> bool {
    use Function::{AddMonths, StartOfDay, StartOfMonth, StartOfQuarter, StartOfWeek, StartOfYear};
    match &expr.kind {
        Kind::Now | Kind::Literal(_) => true,
        Kind::Arithmetic { op: ArithmeticOp::Add, left, right } => {
            (rises(left) && right.is_constant()) || (left.is_constant() && rises(right))
        }
        Kind::Arithmetic { op: ArithmeticOp::Subtract, left, right } => rises(left) && right.is_constant(),
        Kind::Call {
            function: AddMonths | StartOfDay | StartOfWeek | StartOfMonth | StartOfQuarter | StartOfYear,
            args,
        } => args.first().is_some_and(rises) && args[1..].iter().all(Expr::is_constant),
        _ => false,
    }
}

/// How far ahead is looked: longer than any window lasts.
const FAR_MS: i64 = 400 * 366 * DAY_MS;

/// The first instant at which the two stand to each other otherwise than now.
fn rising_past(rising: &Program, other: &Program, row: &[Value], now: Millis) -> NextChange {
    let fixed = match number(other, row, now) {
        Some(Some(fixed)) => fixed,
        Some(None) => return NextChange::Never,
        None => return NextChange::Unpredictable,
    };
    let stands = |at: Millis| number(rising, row, at).flatten().map(|value| value.cmp(&fixed));
    let Some(today) = stands(now) else { return NextChange::Unpredictable };
    let (mut same, mut changed) = (now, now.saturating_add(FAR_MS));
    if stands(changed).is_none_or(|order| order == today) {
        return NextChange::Never;
    }
    while changed - same > 1 {
        let middle = same + (changed - same) / 2;
        match stands(middle) {
            Some(order) if order == today => same = middle,
            _ => changed = middle,
        }
    }
    NextChange::At(changed)
}

impl Condition {
    pub(crate) fn next_change(&self, vars: &Vars, around: &Surroundings) -> NextChange {
        soonest(self.leaves.iter().map(|leaf| leaf.ask.next_change(vars, around)))
    }
}

fn soonest(all: impl Iterator<Item = NextChange>) -> NextChange {
    all.fold(NextChange::Never, NextChange::sooner)
}

impl Ask {
    fn next_change(&self, vars: &Vars, around: &Surroundings) -> NextChange {
        match self {
            Self::Scalar(code, clock) => {
                let own = code.run(vars, around, |_, row| Ok(clock.next(row, around.now)));
                own.unwrap_or(NextChange::Unpredictable).sooner(code.inputs_change(vars, around))
            }
            Self::Quantified { set, condition, .. } => set.change(vars, around, &[condition]),
            Self::Member { .. } => NextChange::Never,
            Self::Sequence { set, steps, .. } => {
                let conditions = steps.iter().map(|moment| &moment.condition);
                let all: Vec<_> =
                    conditions.chain(steps.iter().filter_map(|moment| moment.not_between.as_ref())).collect();
                set.change(vars, around, &all)
            }
        }
    }
}

impl Code {
    fn inputs_change(&self, vars: &Vars, around: &Surroundings) -> NextChange {
        let Inputs::Each(inputs) = &self.inputs else { return NextChange::Never };
        soonest(inputs.iter().map(|read| match &read.input {
            Input::Field { .. } | Input::Base(_) => NextChange::Never,
            Input::Truth(ask) => ask.next_change(vars, around),
            Input::Aggregate { set, value, .. } => {
                let of_set = set.change(vars, around, &[]);
                let Some(value) = value else { return of_set };
                // A value that moves with the time by itself is not followed.
                let moves = set.all(vars, around).iter().any(|id| value.moves(&vars.with(*id), around));
                if moves { NextChange::Unpredictable } else { of_set }
            }
        }))
    }

    fn moves(&self, vars: &Vars, around: &Surroundings) -> bool {
        let later = Surroundings { now: around.now.saturating_add(1), ..*around };
        self.value(vars, around) != self.value(vars, &later) || self.inputs_change(vars, around) != NextChange::Never
    }
}

impl Records {
    /// The next change of a filter or of one of the conditions, for any element.
    fn change(&self, vars: &Vars, around: &Surroundings, conditions: &[&Condition]) -> NextChange {
        let all: Vec<&Condition> = self.filters.iter().chain(conditions.iter().copied()).collect();
        if all.iter().all(|condition| condition.stands_still()) {
            return NextChange::Never;
        }
        let elements = self.all(vars, around);
        soonest(
            elements.iter().flat_map(|id| all.iter().map(|condition| condition.next_change(&vars.with(*id), around))),
        )
    }
}

impl Condition {
    /// Whether nothing in it hangs on the time.
    fn stands_still(&self) -> bool {
        self.leaves.iter().all(|leaf| !leaf.condition.depends_on_now())
    }
}

/// The comparison can change where the difference becomes zero, and in the millisecond after.
fn crossing(left: &Program, right: &Program, rate: i64, row: &[Value], now: Millis) -> NextChange {
    let (left, right) = match (number(left, row, now), number(right, row, now)) {
        (Some(Some(left)), Some(Some(right))) => (i128::from(left), i128::from(right)),
        (Some(_), Some(_)) => return NextChange::Never,
        _ => return NextChange::Unpredictable,
    };
    // The difference d is zero d/rate milliseconds ago; rounded down and up, since that may fall between two.
    let (difference, rate) =
        if rate < 0 { (right - left, -i128::from(rate)) } else { (left - right, i128::from(rate)) };
    let ahead = -difference;
    let (floor, exact) = (ahead.div_euclid(rate), ahead.rem_euclid(rate) == 0);
    let first = if exact { floor } else { floor + 1 };
    match [first, floor + 1].into_iter().find(|ahead| *ahead > 0) {
        Some(ahead) => after(i128::from(now) + ahead),
        None => NextChange::Never,
    }
}

/// An instant later than now; past the end of time is never.
fn after(instant: i128) -> NextChange {
    i64::try_from(instant).map_or(NextChange::Never, NextChange::At)
}

/// The milliseconds of an instant or duration. Outer none: no such value; inner: null.
fn number(program: &Program, row: &[Value], now: Millis) -> Option<Option<i64>> {
    match program.evaluate(row, now) {
        Ok(Value::Timestamp(ms) | Value::Integer(ms)) => Some(Some(ms)),
        Ok(Value::Null) => Some(None),
        _ => None,
    }
}
