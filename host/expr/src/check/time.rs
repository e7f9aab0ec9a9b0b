//! Words for time: today, calendar months, windows. All in UTC. What they make are ordinary instants and comparisons,
//! so that nobody who evaluates needs to know them.

use super::Checker;
use super::names::closest;
use crate::ast::{ArithmeticOp, CompareOp, Expr, Function, Kind, Type};
use crate::problem::{Position, Problem};
use attiva_core::Value;
use cel::IdedExpr;
use cel::common::ast::{self, CallExpr};

/// Instants from the first, up to but without the second.
struct Window {
    from: Expr,
    until: Expr,
}

const UNITS: [(&str, Function); 5] = [
    ("Day", Function::StartOfDay),
    ("Week", Function::StartOfWeek),
    ("Month", Function::StartOfMonth),
    ("Quarter", Function::StartOfQuarter),
    ("Year", Function::StartOfYear),
];

const WINDOWS: &str = "thisDay(), lastMonth(), nextYear() and the like with Day, Week, Month, Quarter, Year, or \
                       last(days(30)), next(months(3))";

impl Checker<'_> {
    /// The beginning of this day.
    pub(super) fn today(&self, at: Position) -> Expr {
        call(Function::StartOfDay, vec![now(at)], Type::Timestamp, at)
    }

    /// `weeks(n)`, `months(n)`, `years(n)`.
    pub(super) fn calendar_length(&mut self, name: &str, args: &[Expr], at: Position) -> Option<Expr> {
        let [Expr { kind: Kind::Literal(Value::Integer(n)), ty: Type::Integer, .. }] = args else {
            return self.fail(Problem::LITERAL, at, format!("`{name}` wants a whole number, written out: `{name}(3)`"));
        };
        let (factor, ty) = match name {
            "weeks" => (7 * 86_400_000, Type::Duration),
            "years" => (12, Type::Months),
            _ => (1, Type::Months),
        };
        match n.checked_mul(factor) {
            Some(n) => Some(Expr::new(Kind::Literal(Value::Integer(n)), ty, at)),
            None => self.fail(Problem::LITERAL, at, "there is not that much time"),
        }
    }

    /// An instant plus or minus calendar months. Only of one that hangs on no record: what each evaluator would have to
    /// do with a calendar for every row, is done once.
    pub(super) fn moved_by_months(&mut self, instant: Expr, months: Expr, back: bool, at: Position) -> Option<Expr> {
        if !instant.fields().is_empty() || instant.is_relational() {
            let message = "calendar months move `now`, `today` and instants written out, not a field; turn it round \
                           (`x < now - months(1)`), or count days: `x + days(30)`";
            return self.unsupported(at, message);
        }
        let Kind::Literal(Value::Integer(n)) = months.kind else { return None };
        let Some(n) = (if back { n.checked_neg() } else { Some(n) }) else {
            return self.fail(Problem::LITERAL, months.at, "there is not that much time");
        };
        Some(add_months(instant, n, at))
    }

    /// As with months: the beginning of a field's month is a calendar for every row.
    pub(super) fn calendar_is_of_no_field(&mut self, name: &str, args: &[Expr]) -> Option<()> {
        let bounds = match name {
            "anniversaryBetween" => args.get(1..).unwrap_or_default(),
            name if name.starts_with("startOf") => args,
            _ => return Some(()),
        };
        match bounds.iter().find(|arg| !arg.fields().is_empty() || arg.is_relational()) {
            None => Some(()),
            Some(arg) => {
                let message = format!(
                    "`{name}` is taken of `now` and instants written out, not of a field; ask `x.within(thisMonth())` of the field"
                );
                self.unsupported(arg.at, message)
            }
        }
    }

    /// `x.within(window)` and `x.anniversaryWithin(window)`.
    pub(super) fn within(&mut self, target: Expr, call_: &CallExpr, at: Position) -> Option<Expr> {
        let name = call_.func_name.as_str();
        let [window] = call_.args.as_slice() else {
            return self.fail(Problem::TYPE, at, format!("`{name}` takes one window: {WINDOWS}"));
        };
        let window = self.window(window)?;
        let target = match target.ty {
            Type::Timestamp | Type::Date => target,
            other => {
                return self.fail(
                    Problem::TYPE,
                    at,
                    format!("`{name}` is asked of an instant or a date, not of {}", other.noun()),
                );
            }
        };
        if name == "within" {
            return Some(self.half_open(target, window));
        }
        let day = match target.ty {
            Type::Date => target,
            _ => call(Function::ToDate, vec![target], Type::Date, at),
        };
        Some(call(Function::AnniversaryIn, vec![day, window.from, window.until], Type::Boolean, at))
    }

    /// `x.between(a, b)`: from `a`, up to but without `b`.
    pub(super) fn between(&mut self, target: Expr, args: Vec<Expr>, at: Position) -> Option<Expr> {
        let Ok([from, until]) = <[Expr; 2]>::try_from(args) else {
            return self.fail(
                Problem::TYPE,
                at,
                "`between` takes two instants or dates: from, and until, which is outside",
            );
        };
        if !matches!(target.ty, Type::Timestamp | Type::Date) {
            let message =
                format!("`between` is asked of an instant or a date, not of {}; write `>=` and `<`", target.ty.noun());
            return self.fail(Problem::TYPE, at, message);
        }
        let (from, until) = (self.coerce(from, target.ty, "compared"), self.coerce(until, target.ty, "compared"));
        Some(between(target, from?, until?))
    }

    fn half_open(&self, target: Expr, Window { from, until }: Window) -> Expr {
        let at = target.at;
        let target = match target.ty {
            Type::Date => call(Function::ToTimestamp, vec![target], Type::Timestamp, at),
            _ => target,
        };
        between(target, from, until)
    }

    fn window(&mut self, expr: &IdedExpr) -> Option<Window> {
        let at = self.at(expr.id);
        let ast::Expr::Call(call_) = &expr.expr else {
            return self.fail(Problem::TYPE, at, format!("a window is wanted here: {WINDOWS}"));
        };
        let (name, at) = (call_.func_name.as_str(), self.called(expr.id).1);
        if let ("last" | "next", [length]) = (name, call_.args.as_slice()) {
            return self.rolling(name, length);
        }
        let calendar = ["this", "last", "next"].into_iter().find_map(|which| {
            let unit = name.strip_prefix(which)?;
            UNITS.iter().find(|(known, _)| *known == unit).map(|(_, function)| (which, *function))
        });
        match (calendar, call_.args.as_slice()) {
            (Some((which, unit)), []) => Some(calendar_window(which, unit, at)),
            _ => {
                let names = UNITS.iter().flat_map(|(unit, _)| ["this", "last", "next"].map(|w| format!("{w}{unit}")));
                let names: Vec<String> = names.collect();
                let suggestion = closest(name, names.iter().map(String::as_str)).map(|n| format!("{n}()"));
                self.unknown(at, format!("`{name}` is no window; there are {WINDOWS}"), suggestion.as_deref())
            }
        }
    }

    /// `last(d)`: as far back as `d`, up to now; what is exactly `d` ago has left. `next(d)`: from now on.
    fn rolling(&mut self, which: &str, length: &IdedExpr) -> Option<Window> {
        let length = self.expr(length)?;
        let at = length.at;
        let Kind::Literal(Value::Integer(n)) = length.kind else {
            return self.fail(Problem::LITERAL, at, "the length of a window is written out, like days(30)");
        };
        if n <= 0 {
            return self.fail(
                Problem::LITERAL,
                at,
                "a window is longer than nothing; for the other side of now, there are last(..) and next(..)",
            );
        }
        let back = which == "last";
        let end = match length.ty {
            Type::Duration => {
                let length = Expr::new(Kind::Literal(Value::Integer(n)), Type::Duration, at);
                moved(now(at), if back { ArithmeticOp::Subtract } else { ArithmeticOp::Add }, length, at)
            }
            Type::Months => add_months(now(at), if back { -n } else { n }, at),
            other => {
                let message = format!("the length of a window is like days(30) or months(3); this is {}", other.noun());
                return self.fail(Problem::TYPE, at, message);
            }
        };
        // Instants are whole milliseconds: the one after.
        let after = |instant| {
            let one = Expr::new(Kind::Literal(Value::Integer(1)), Type::Duration, at);
            moved(instant, ArithmeticOp::Add, one, at)
        };
        Some(if back {
            Window { from: after(end), until: after(now(at)) }
        } else {
            Window { from: now(at), until: end }
        })
    }
}

fn calendar_window(which: &str, unit: Function, at: Position) -> Window {
    let start = |instant| call(unit, vec![instant], Type::Timestamp, at);
    let units = |n: i64| {
        let this = start(now(at));
        if n == 0 {
            return this;
        }
        let days = |days: i64| {
            let length = Expr::new(Kind::Literal(Value::Integer(days * 86_400_000)), Type::Duration, at);
            moved(this.clone(), ArithmeticOp::Add, length, at)
        };
        match unit {
            Function::StartOfDay => days(n),
            Function::StartOfWeek => days(7 * n),
            Function::StartOfQuarter => add_months(this, 3 * n, at),
            Function::StartOfYear => add_months(this, 12 * n, at),
            _ => add_months(this, n, at),
        }
    };
    let first = match which {
        "last" => -1,
        "next" => 1,
        _ => 0,
    };
    Window { from: units(first), until: units(first + 1) }
}

fn now(at: Position) -> Expr {
    Expr::new(Kind::Now, Type::Timestamp, at)
}

fn call(function: Function, args: Vec<Expr>, ty: Type, at: Position) -> Expr {
    Expr::new(Kind::Call { function, args }, ty, at)
}

fn add_months(instant: Expr, months: i64, at: Position) -> Expr {
    let months = Expr::new(Kind::Literal(Value::Integer(months)), Type::Integer, at);
    call(Function::AddMonths, vec![instant, months], Type::Timestamp, at)
}

fn moved(instant: Expr, op: ArithmeticOp, by: Expr, at: Position) -> Expr {
    Expr::new(Kind::Arithmetic { op, left: Box::new(instant), right: Box::new(by) }, Type::Timestamp, at)
}

fn between(target: Expr, from: Expr, until: Expr) -> Expr {
    let at = target.at;
    let compare = |op, right: Expr| {
        let kind = Kind::Compare { op, left: Box::new(target.clone()), right: Box::new(right) };
        Expr::new(kind, Type::Boolean, at)
    };
    Expr::new(Kind::And(vec![compare(CompareOp::Ge, from), compare(CompareOp::Lt, until)]), Type::Boolean, at)
}
