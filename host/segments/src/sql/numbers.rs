//! Numbers: arithmetic, quotients, conversions, amounts of money.
//!
//! A quotient of decimals is rounded to eighteen places, half to even, and engines that have decimals divide them as floats
//! or to a length of their own. So it is divided by hand: what a float says is a guess, the remainder of which is exact,
//! and is divided again. In an engine whose decimals are floats there is nothing to be exact with, and it divides.

use super::{Result, Writer, refused};
use attiva_core::Value;
use attiva_core::tables::DECIMAL_SCALE;
use attiva_expr::{Aggregate, ArithmeticOp, Expr, Function, Kind, Position, Type};

/// Digits that decimals have in every engine that has any.
const DIGITS: u32 = 38;
/// Places of a quotient.
const QUOTIENT_SCALE: u32 = 18;
/// Places that leave room enough to divide.
const DIVIDED_SCALE_MAX: u32 = 22;
/// The largest float.
const FLOAT_MAX: &str = "1.7976931348623157e308";

impl Writer<'_> {
    pub(super) fn arithmetic(&mut self, op: ArithmeticOp, left: &Expr, right: &Expr, whole: &Expr) -> Result<String> {
        let scales = (self.scale(left), self.scale(right));
        let values = [self.value(left)?, self.value(right)?];
        match (op, whole.ty) {
            (_, Type::Float) => Ok(self.floats(op, &values)),
            (ArithmeticOp::Divide, Type::Decimal) => {
                let [dividend, divisor] = &values;
                let source = format!("SELECT {dividend} AS x, NULLIF({divisor}, 0) AS y");
                self.quotient(&source, scales.0.max(scales.1), whole.at)
            }
            // Engines disagree on `/` of integers, not on exact quotients; some divide as floats, and what those leave
            // of a number over 2^53 is divided again.
            (ArithmeticOp::Divide, _) => Ok(self.named(&values, |names| {
                let (left, right) = (&names[0], format!("NULLIF({}, 0)", names[1]));
                let exact = format!("({left} - {left} % {right})");
                let guess = format!("CAST({exact} / {right} AS BIGINT)");
                format!("({guess} + CAST(({exact} - {guess} * {right}) / {right} AS BIGINT))")
            })),
            (ArithmeticOp::Remainder, _) => Ok(format!("({} % NULLIF({}, 0))", values[0], values[1])),
            (ArithmeticOp::Multiply, Type::Decimal) => self.product(&values, scales.0 + scales.1, whole.at),
            (ArithmeticOp::Add, _) => Ok(format!("({} + {})", values[0], values[1])),
            (ArithmeticOp::Subtract, _) => Ok(format!("({} - {})", values[0], values[1])),
            (ArithmeticOp::Multiply, _) => Ok(format!("({} * {})", values[0], values[1])),
        }
    }

    /// Of factors with many places an engine has few digits left before the point, and ends the whole statement where they
    /// do not suffice: there, what is too large is unknown.
    fn product(&mut self, factors: &[String], scale: u32, at: Position) -> Result<String> {
        if scale >= DIGITS - 2 {
            let why = "a product of so many decimals, or of quotients, has more digits than engines have; divide last";
            return Err(refused(at, why));
        }
        if scale <= QUOTIENT_SCALE {
            return Ok(format!("({} * {})", factors[0], factors[1]));
        }
        Ok(self.named(factors, |names| {
            let (left, right, most) = (&names[0], &names[1], DIGITS - 1 - scale);
            format!("(CASE WHEN ABS({left} * 1e0 * {right}) < 1e{most} THEN {left} * {right} END)")
        }))
    }

    /// `x / y` of a derived table of one row, where `y` is not 0; null where it has more than fifteen digits before the
    /// point, or one of the two has more than there is room for.
    pub(super) fn quotient(&mut self, source: &str, scale: u32, at: Position) -> Result<String> {
        if scale > DIVIDED_SCALE_MAX {
            let why = "a quotient of products of so many decimals, or of quotients, has more digits than engines have";
            return Err(refused(at, why));
        }
        let (most, most_divisor) = (DIGITS - 1 - scale, DIGITS - 10 - scale);
        let mut table = |select: String, from: &str| format!("SELECT {select} FROM ({from}) {}", self.alias());
        // Nine places at a time: what is left, and how often the divisor is about in it.
        let next = |rest: &str| {
            let rest = format!("({rest}) * 1000000000");
            format!("{rest} AS r, CAST({rest} * 1e0 / y AS DECIMAL({DIGITS}, 0)) AS p")
        };
        let fits = format!("ABS(x) < 1e{most} AND ABS(y) < 1e{most_divisor} AND ABS(x * 1e0 / y) < 1e15");
        let whole = format!("CASE WHEN {fits} THEN CAST(x * 1e0 / y AS DECIMAL({DIGITS}, 0)) END");
        let mut text = table(format!("x, y, {whole} AS q"), source);
        text = table(format!("x, y, q, {}", next("x - q * y")), &text);
        text = table(format!("x, y, q + p * 0.000000001 AS q, {}", next("r - p * y")), &text);
        let rest = "(r - p * y)";
        let away = format!("CASE WHEN ({rest} < 0 AND y < 0) OR ({rest} > 0 AND y > 0) THEN 1 ELSE -1 END");
        let half = format!("ABS{rest} * 2 > ABS(y) OR (ABS{rest} * 2 = ABS(y) AND p % 2 <> 0)");
        let exact = format!("q + (p + CASE WHEN {half} THEN {away} ELSE 0 END) * 0.000000000000000001");
        let as_floats = format!("CAST(x * 1.0 / y AS DECIMAL({DIGITS}, {QUOTIENT_SCALE}))");
        Ok(format!("({})", table(format!("CASE WHEN 0.1 + 0.2 = 0.3 THEN {exact} ELSE {as_floats} END"), &text)))
    }

    /// What is finite makes nothing infinite.
    fn floats(&mut self, op: ArithmeticOp, operands: &[String]) -> String {
        self.named(operands, |names| {
            let (left, right) = (&names[0], &names[1]);
            let result = match op {
                ArithmeticOp::Divide | ArithmeticOp::Remainder => format!("{left} / NULLIF({right}, 0e0)"),
                op => format!("{left} {} {right}", op.as_str()),
            };
            let is_finite = |of: &str| format!("ABS({of}) <= {FLOAT_MAX}");
            format!(
                "(CASE WHEN {} THEN {result} WHEN {} AND {} THEN NULL ELSE {result} END)",
                is_finite(&format!("({result})")),
                is_finite(left),
                is_finite(right)
            )
        })
    }

    /// A float to compare: what is no number is unknown, and to some engines the largest of all.
    pub(super) fn number(&mut self, expr: &Expr) -> Result<String> {
        let value = self.value(expr)?;
        if expr.ty != Type::Float || self.constant(expr).is_some() {
            return Ok(value);
        }
        Ok(self.named(&[value], |names| {
            let it = &names[0];
            format!("(CASE WHEN {it} > {FLOAT_MAX} AND NOT (-{it} < -{FLOAT_MAX}) THEN NULL ELSE {it} END)")
        }))
    }

    /// Cut towards zero. Engines cut or round where they make an integer of a number.
    pub(super) fn integer_of(&mut self, number: String) -> String {
        self.named(&[number], |names| {
            let (it, cast) = (&names[0], format!("CAST({} AS BIGINT)", names[0]));
            format!(
                "(CASE WHEN {it} > -9223372036854775807 AND {it} < 9223372036854775807 THEN CASE WHEN {it} > 0 AND {cast} > {it} \
                 THEN {cast} - 1 WHEN {it} < 0 AND {cast} < {it} THEN {cast} + 1 ELSE {cast} END END)"
            )
        })
    }

    /// No currency is the one that amounts are compared in.
    pub(super) fn in_base(&mut self, amount: &Expr, currency: &Expr) -> Result<String> {
        let values = [self.value(amount)?, self.value(currency)?];
        let rates = self.options.rates;
        Ok(self.named(&values, |names| {
            let (amount, currency) = (&names[0], &names[1]);
            let mut text = format!("(CASE WHEN {currency} IS NULL THEN {amount}");
            for code in rates.currencies() {
                let Some(rate) = rates.rate(&code) else { continue };
                let product = if rate == "1" { amount.clone() } else { format!("{amount} * {rate}") };
                text += &format!(" WHEN {currency} = {} THEN {product}", super::scalar::text(&code));
            }
            text + " ELSE NULL END)"
        }))
    }

    /// The most places that a decimal can have in an engine that counts them by type.
    pub(super) fn scale(&self, expr: &Expr) -> u32 {
        if let Some(constant) = self.constant(expr) {
            return match constant {
                Ok(Value::Decimal(number)) => places(&number),
                _ => 0,
            };
        }
        if expr.ty != Type::Decimal {
            return 0;
        }
        let most = |all: Vec<&Expr>| all.into_iter().map(|one| self.scale(one)).max().unwrap_or(0);
        match &expr.kind {
            Kind::Field(_) => DECIMAL_SCALE,
            Kind::Arithmetic { op: ArithmeticOp::Divide, .. } => QUOTIENT_SCALE,
            Kind::Arithmetic { op: ArithmeticOp::Multiply, left, right } => self.scale(left) + self.scale(right),
            Kind::Aggregated(a) if a.how == Aggregate::Average => QUOTIENT_SCALE,
            Kind::Aggregated(a) => a.value.as_ref().map_or(0, |value| self.scale(&value.body)),
            Kind::InBase { amount, .. } => {
                let rates = self.options.rates;
                let of_rate = |code: String| rates.rate(&code).map_or(0, |rate| places(&rate));
                self.scale(amount) + rates.currencies().into_iter().map(of_rate).max().unwrap_or(0)
            }
            Kind::Choose { cases, otherwise } => {
                most(cases.iter().map(|case| &case.then).chain([&**otherwise]).collect())
            }
            _ => most(expr.operands()),
        }
    }

    /// Conversions to numbers; none where it is none.
    pub(super) fn number_of(&mut self, function: Function, arg: &Expr) -> Result<Option<String>> {
        Ok(Some(match (function, arg.ty) {
            (Function::ToDecimal, Type::Integer | Type::Decimal) | (Function::ToInteger, Type::Integer) => {
                self.value(arg)?
            }
            (Function::ToInteger, Type::Decimal | Type::Float) => {
                let number = self.value(arg)?;
                self.integer_of(number)
            }
            (Function::ToInteger, Type::Timestamp) => {
                let at = self.value(arg)?;
                self.named(&[at], |names| {
                    let at = &names[0];
                    format!("CAST(({at} - ({at} % 1000 + 1000) % 1000) / 1000 AS BIGINT)")
                })
            }
            (Function::ToInteger, Type::Text) => self.read_integer(arg)?,
            (Function::ToFloat, Type::Integer | Type::Decimal) => format!("({} * 1e0)", self.value(arg)?),
            (Function::ToFloat, Type::Float) => self.value(arg)?,
            _ => return Ok(None),
        }))
    }
}

/// Digits after the point.
fn places(number: &str) -> u32 {
    number.split_once('.').map_or(0, |(_, fraction)| u32::try_from(fraction.len()).unwrap_or(u32::MAX))
}
