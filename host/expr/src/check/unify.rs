//! Operands that must be of one type: which, and how each gets there.
//!
//! Literals take the type of what stands beside them: `2026-01-01` in quotes is an instant beside a timestamp, `1.5`
//! a decimal beside a decimal. Between values, only an integer becomes a decimal by itself, since nothing can be lost;
//! everything else is converted when the author says so.

use super::Checker;
use crate::ast::{Case, Expr, Function, Kind, Type};
use crate::convert;
use crate::problem::Problem;
use attiva_core::Value;

impl Checker<'_> {
    /// Brings all to one type; `verb` says what is done to them: `compared`.
    pub(super) fn unify(&mut self, exprs: Vec<Expr>, verb: &str) -> Option<(Vec<Expr>, Type)> {
        let target = self.common_type(&exprs, verb)?;
        Some((self.coerce_all(exprs, target, verb)?, target))
    }

    fn coerce_all(&mut self, exprs: Vec<Expr>, target: Type, verb: &str) -> Option<Vec<Expr>> {
        let coerced: Vec<Option<Expr>> = exprs.into_iter().map(|e| self.coerce(e, target, verb)).collect();
        coerced.into_iter().collect()
    }

    pub(super) fn unify_two(&mut self, left: Expr, right: Expr, verb: &str) -> Option<(Expr, Expr, Type)> {
        let (unified, ty) = self.unify(vec![left, right], verb)?;
        let mut unified = unified.into_iter();
        Some((unified.next()?, unified.next()?, ty))
    }

    fn common_type(&mut self, exprs: &[Expr], verb: &str) -> Option<Type> {
        // What is no literal decides; among literals alone, the one that can hold the others.
        let decide = |literals: bool| {
            let of_kind = exprs.iter().filter(move |e| e.is_literal() == literals && e.ty != Type::Null);
            of_kind.map(|e| (e.ty, e.at))
        };
        let (first, rest): (Vec<_>, Vec<_>) = {
            let values: Vec<_> = decide(false).collect();
            let from = if values.is_empty() { decide(true).collect() } else { values };
            from.into_iter().enumerate().partition(|(i, _)| *i == 0)
        };
        let Some((_, (mut common, _))) = first.into_iter().next() else { return Some(Type::Null) };
        let literals_only = decide(false).next().is_none();
        for (_, (ty, at)) in rest {
            common = match (common, ty) {
                (a, b) if a == b => a,
                (Type::Integer, Type::Decimal) | (Type::Decimal, Type::Integer) => Type::Decimal,
                (Type::Integer, Type::Float) | (Type::Float, Type::Integer) if literals_only => Type::Float,
                (Type::Decimal, Type::Float) | (Type::Float, Type::Decimal) if literals_only => Type::Decimal,
                (a, b) => return self.fail(Problem::TYPE, at, misfit(a, b, verb)),
            };
        }
        Some(common)
    }

    /// Makes a `target` of the expression, or says why it is none.
    pub(super) fn coerce(&mut self, expr: Expr, target: Type, verb: &str) -> Option<Expr> {
        let Expr { kind, ty, at } = expr;
        let literal = |value| Some(Expr::new(Kind::Literal(value), target, at));
        match (kind, target) {
            (kind, _) if ty == target => Some(Expr::new(kind, ty, at)),
            (Kind::Literal(Value::Null), _) => literal(Value::Null),
            (Kind::Literal(Value::Integer(i)), Type::Decimal) if ty == Type::Integer => {
                literal(Value::Decimal(i.to_string()))
            }
            (Kind::Literal(Value::Integer(i)), Type::Float) if ty == Type::Integer => match exact_float(i) {
                Some(float) => literal(Value::Float(float)),
                None => self.fail(Problem::LITERAL, at, "a float cannot hold this integer exactly"),
            },
            (Kind::Literal(Value::Float(f)), Type::Decimal) => literal(Value::Decimal(self.exact.decimal(f, at))),
            (Kind::Literal(Value::Text(text)), Type::Timestamp) => match convert::read_timestamp(&text) {
                Some(instant) => literal(Value::Timestamp(instant)),
                None => self.fail(Problem::LITERAL, at, format!("{text:?} {}", convert::NO_INSTANT)),
            },
            (Kind::Literal(Value::Text(text)), Type::Date) => match convert::read_date(&text) {
                Some(days) => literal(Value::Date(days)),
                None => self.fail(Problem::LITERAL, at, format!("{text:?} {}", convert::NO_DATE)),
            },
            (Kind::Negate(inner), _) if inner.is_literal() => {
                let inner = self.coerce(*inner, target, verb)?;
                Some(Expr::new(Kind::Negate(Box::new(inner)), target, at))
            }
            (Kind::Choose { cases, otherwise }, _) if ty != Type::Integer || target != Type::Decimal => {
                let (conditions, mut results): (Vec<_>, Vec<_>) = cases.into_iter().map(|c| (c.when, c.then)).unzip();
                results.push(*otherwise);
                let mut results = self.coerce_all(results, target, verb)?;
                let otherwise = Box::new(results.pop()?);
                let cases = conditions.into_iter().zip(results).map(|(when, then)| Case { when, then }).collect();
                Some(Expr::new(Kind::Choose { cases, otherwise }, target, at))
            }
            (Kind::Coalesce(all), _) if ty != Type::Integer || target != Type::Decimal => {
                Some(Expr::new(Kind::Coalesce(self.coerce_all(all, target, verb)?), target, at))
            }
            (kind, Type::Decimal) if ty == Type::Integer => {
                let function = Function::ToDecimal;
                let args = vec![Expr::new(kind, ty, at)];
                Some(Expr::new(Kind::Call { function, args }, Type::Decimal, at))
            }
            _ => self.fail(Problem::TYPE, at, misfit(target, ty, verb)),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the way back shows whether any was lost"
)]
fn exact_float(i: i64) -> Option<f64> {
    let float = i as f64;
    (float as i128 == i128::from(i)).then_some(float)
}

fn misfit(a: Type, b: Type, verb: &str) -> String {
    let advice = match (a, b) {
        (Type::Decimal, Type::Float) | (Type::Float, Type::Decimal) => {
            "; decimals are exact, floats are not: say which with decimal(x) or double(x)"
        }
        (Type::Integer, Type::Float) | (Type::Float, Type::Integer) => "; write double(x) for the integer",
        (Type::Date, Type::Timestamp) | (Type::Timestamp, Type::Date) => {
            "; write date(x) for the day of an instant, timestamp(x) for the midnight of a date"
        }
        (Type::Integer, Type::Text) | (Type::Text, Type::Integer) => "; convert with int(x) or string(x)",
        (Type::Text, _) | (_, Type::Text) => "; convert with string(x), or the text with int(x), decimal(x), date(x)",
        (Type::Duration, _) | (_, Type::Duration) => "; a duration is written days(7), hours(12), minutes(5)",
        _ => "",
    };
    format!("{} and {} cannot be {verb}{advice}", a.noun(), b.noun())
}
