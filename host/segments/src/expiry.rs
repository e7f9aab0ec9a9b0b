//! When a condition on the time changes its answer by itself, so that a window can expire without an event.
//!
//! Nearly all such conditions compare two instants or durations of which `now` is a part, plus or minus: their
//! difference is a straight line over time and crosses zero once. Others take the day of such an instant, which
//! changes at a midnight. What is neither is not computed, and said not to be.

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
                _ => Self::of_operands(expr),
            },
            // Whether `now - x` is null is up to `x`.
            Kind::IsNull(inner) if rate(inner).is_some() => Self::Never,
            Kind::Call { function: Function::ToDate, args } => match args.as_slice() {
                [instant] if rate(instant) == Some(1) => Self::Day(Program::new(instant)),
                _ => Self::Unpredictable,
            },
            _ if rate(expr).is_some() => Self::Unpredictable,
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
