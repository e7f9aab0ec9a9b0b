//! Conditions and values. Every expression is in brackets of its own, so that no engine's order of operators matters.

use super::calendar::{DAY_MS, anniversary};
use super::{Writer, refused};
use attiva_core::Value;
use attiva_expr::{ArithmeticOp, CompareOp, Expr, Field, Function, Kind, Problem, TextMatch, Type};

/// A condition of which nobody knows.
pub(super) const UNKNOWN: &str = "(NULL = 1)";
const TRUE: &str = "(1 = 1)";
const FALSE: &str = "(1 = 0)";

pub(super) fn operator(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::Ne => "<>",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
    }
}

pub(super) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Whether evaluating it can fail, which SQL reads as null.
pub(super) fn may_fail(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |expr| {
        found |= match &expr.kind {
            Kind::InBase { .. } => true,
            Kind::Arithmetic { op: ArithmeticOp::Divide | ArithmeticOp::Remainder, .. } => true,
            Kind::Aggregated(a) => a.value.as_ref().is_some_and(|value| may_fail(&value.body)),
            _ => false,
        };
    });
    found
}

impl Writer<'_> {
    /// A condition, with unknown as null.
    pub(super) fn truth(&mut self, expr: &Expr) -> Result<String, Problem> {
        if let Some(constant) = self.constant(expr) {
            return Ok(match constant {
                Ok(Value::Boolean(true)) => TRUE,
                Ok(Value::Boolean(false)) => FALSE,
                _ => UNKNOWN,
            }
            .to_owned());
        }
        Ok(match &expr.kind {
            Kind::Not(inner) => match &inner.kind {
                Kind::IsNull(tested) => format!("({} IS NOT NULL)", self.tested(tested)?),
                _ => format!("(NOT {})", self.truth(inner)?),
            },
            Kind::And(all) => self.joined(all, " AND ")?,
            Kind::Or(all) => self.joined(all, " OR ")?,
            Kind::Compare { op, left, right } => self.comparison(*op, left, right, expr)?,
            Kind::In { list, .. } if list.is_empty() => FALSE.to_owned(),
            Kind::In { value, list } => {
                let list = list.iter().map(|one| self.value(one)).collect::<Result<Vec<_>, _>>()?;
                format!("({} IN ({}))", self.value(value)?, list.join(", "))
            }
            Kind::InList { value, list } => self.in_list(value, list)?,
            Kind::IsNull(tested) => format!("({} IS NULL)", self.tested(tested)?),
            Kind::Match { how, text, pattern } => self.matched(*how, text, pattern)?,
            Kind::Quantified(quantified) => format!("({})", self.quantified(quantified)?),
            Kind::Sequence(sequence) => format!("({})", self.sequence(sequence)?),
            Kind::InAudience(membership) => self.in_audience(membership),
            Kind::Call { function: Function::AnniversaryIn, args } => self.anniversary(args)?,
            Kind::Call { function, args } if is_of_lists(*function) => self.lists_compared(*function, args)?,
            // A boolean column or case is a condition where it is compared.
            _ => format!("({} = {TRUE})", self.value(expr)?),
        })
    }

    fn joined(&mut self, all: &[Expr], sign: &str) -> Result<String, Problem> {
        let all = all.iter().map(|one| self.truth(one)).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("({})", all.join(sign)))
    }

    fn comparison(&mut self, op: CompareOp, left: &Expr, right: &Expr, whole: &Expr) -> Result<String, Problem> {
        let average = |expr: &Expr| match &expr.kind {
            Kind::Aggregated(a) if a.how == attiva_expr::Aggregate::Average => Some((**a).clone()),
            _ => None,
        };
        match (average(left), average(right)) {
            (Some(average), None) => self.average_against(&average, op, right, whole.at),
            (None, Some(average)) => {
                let turned = match op {
                    CompareOp::Lt => CompareOp::Gt,
                    CompareOp::Le => CompareOp::Ge,
                    CompareOp::Gt => CompareOp::Lt,
                    CompareOp::Ge => CompareOp::Le,
                    same => same,
                };
                self.average_against(&average, turned, left, whole.at)
            }
            _ => Ok(format!("({} {} {})", self.value(left)?, operator(op), self.value(right)?)),
        }
    }

    /// What may fail is unknown in SQL too where it is compared; where null is asked for, it would be taken for null.
    fn absorbing(&mut self, expr: &Expr) -> Result<String, Problem> {
        if may_fail(expr) {
            let why = "a division, or an amount that may have no rate, inside of `has`, `coalesce` or the condition of a \
                       choice has no exact SQL: what fails there would be taken for null";
            return Err(refused(expr.at, why));
        }
        self.value(expr)
    }

    fn tested(&mut self, expr: &Expr) -> Result<String, Problem> {
        if expr.ty == Type::TextList {
            return self.list_size(expr);
        }
        self.absorbing(expr)
    }

    fn matched(&mut self, how: TextMatch, text: &Expr, pattern: &Expr) -> Result<String, Problem> {
        let (text, pattern) = (self.value(text)?, self.value(pattern)?);
        Ok(match how {
            TextMatch::Contains => format!(
                "(CASE WHEN {pattern} = '' THEN {text} = {text} ELSE REPLACE({text}, {pattern}, '') <> {text} END)"
            ),
            TextMatch::StartsWith => format!("(SUBSTR({text}, 1, LENGTH({pattern})) = {pattern})"),
            TextMatch::EndsWith => format!(
                "(CASE WHEN LENGTH({text}) < LENGTH({pattern}) THEN {FALSE} ELSE SUBSTR({text}, LENGTH({text}) - \
                 LENGTH({pattern}) + 1, LENGTH({pattern})) = {pattern} END)"
            ),
        })
    }

    fn in_list(&mut self, value: &Expr, list: &Expr) -> Result<String, Problem> {
        let Kind::Field(field) = &list.kind else {
            return Err(refused(list.at, "a list that is made here has no portable SQL; compare with `in [..]`"));
        };
        let (size, value) = (self.list_size(list)?, self.value(value)?);
        let is_element = self.some_item(field, |item| format!("{item} = {value}"));
        Ok(format!(
            "(CASE WHEN {size} IS NULL THEN NULL WHEN {size} = 0 THEN {FALSE} WHEN {value} IS NULL THEN NULL ELSE \
             {is_element} END)"
        ))
    }

    /// That a list has an element of which this holds.
    fn some_item(&mut self, list: &Field, holds: impl FnOnce(&str) -> String) -> String {
        let (owner, entity) = self.reached(list.var, &list.hops);
        let items = format!("{}_{}", self.options.model.entities[entity].name, list.name);
        let item = self.alias();
        let holds = holds(&format!("{item}.item"));
        format!("EXISTS (SELECT 1 FROM {items} {item} WHERE {item}.id = {owner}._id AND {holds})")
    }

    fn lists_compared(&mut self, how: Function, args: &[Expr]) -> Result<String, Problem> {
        let [list, of] = args else { return Ok(UNKNOWN.to_owned()) };
        let Kind::Field(field) = &list.kind else {
            return Err(refused(list.at, "a list that is made here has no portable SQL; ask a field"));
        };
        let of = match self.constant(of) {
            Some(Ok(Value::TextList(of))) => of,
            Some(Ok(Value::Null)) => return Ok(UNKNOWN.to_owned()),
            _ => return Err(refused(of.at, "a list that is made here has no portable SQL; write its texts out")),
        };
        let size = self.list_size(list)?;
        let all = of.iter().map(|one| text(one)).collect::<Vec<_>>().join(", ");
        let answer = match how {
            Function::SupersetOf => {
                let each = of.iter().map(|one| self.some_item(field, |item| format!("{item} = {}", text(one))));
                let each: Vec<String> = std::iter::once(TRUE.to_owned()).chain(each).collect();
                format!("({})", each.join(" AND "))
            }
            Function::Intersects if of.is_empty() => FALSE.to_owned(),
            Function::Intersects => self.some_item(field, |item| format!("{item} IN ({all})")),
            _ if of.is_empty() => format!("({size} = 0)"),
            _ => format!("(NOT {})", self.some_item(field, |item| format!("{item} NOT IN ({all})"))),
        };
        Ok(format!("(CASE WHEN {size} IS NULL THEN NULL ELSE {answer} END)"))
    }

    fn list_size(&mut self, list: &Expr) -> Result<String, Problem> {
        match &list.kind {
            Kind::Field(field) => {
                let (alias, _) = self.reached(field.var, &field.hops);
                Ok(format!("{alias}._{}_size", field.name))
            }
            _ => Err(refused(list.at, "a list that is made here has no portable SQL")),
        }
    }

    fn field(&mut self, field: &Field) -> String {
        let (alias, _) = self.reached(field.var, &field.hops);
        format!("{alias}.{}", field.name)
    }

    fn anniversary(&mut self, args: &[Expr]) -> Result<String, Problem> {
        let [date, from, until] = args else { return Ok(UNKNOWN.to_owned()) };
        let bound = |expr: &Expr| match self.constant(expr) {
            Some(Ok(Value::Timestamp(at))) => Some(at),
            _ => None,
        };
        let (Some(from), Some(until)) = (bound(from), bound(until)) else { return Ok(UNKNOWN.to_owned()) };
        let date = self.value(date)?;
        Ok(anniversary(&date, from, until))
    }

    pub(super) fn value(&mut self, expr: &Expr) -> Result<String, Problem> {
        if let Some(constant) = self.constant(expr) {
            return match constant {
                Ok(value) => literal(&value, expr),
                Err(_) => Ok("NULL".to_owned()),
            };
        }
        Ok(match &expr.kind {
            Kind::Field(field) => match expr.ty {
                Type::TextList | Type::Json | Type::Bytes => {
                    return Err(refused(expr.at, format!("{} has no portable SQL as a value", field.path())));
                }
                _ => self.field(field),
            },
            Kind::Choose { cases, otherwise } => {
                let mut text = String::from("(CASE");
                for case in cases {
                    if may_fail(&case.when) {
                        self.absorbing(&case.when)?;
                    }
                    text += &format!(" WHEN {} THEN {}", self.truth(&case.when)?, self.result(&case.then)?);
                }
                text + &format!(" ELSE {} END)", self.result(otherwise)?)
            }
            Kind::Coalesce(all) => {
                let last = all.len().saturating_sub(1);
                let mut texts = Vec::new();
                for (i, one) in all.iter().enumerate() {
                    texts.push(if i < last { self.absorbing(one)? } else { self.value(one)? });
                }
                format!("COALESCE({})", texts.join(", "))
            }
            Kind::Negate(inner) => format!("(-{})", self.value(inner)?),
            Kind::Arithmetic { op, left, right } => self.arithmetic(*op, left, right, expr)?,
            Kind::Concat(all) => {
                let all = all.iter().map(|one| self.value(one)).collect::<Result<Vec<_>, _>>()?;
                format!("({})", all.join(" || "))
            }
            Kind::Call { function: Function::AnniversaryIn, .. } => self.truth(expr)?,
            Kind::Call { function, .. } if is_of_lists(*function) => self.truth(expr)?,
            Kind::Call { function, args } => self.call(*function, args, expr)?,
            Kind::Aggregated(aggregated) => self.aggregated(aggregated, expr.at)?,
            Kind::InBase { amount, currency } => self.in_base(amount, currency)?,
            Kind::List(_) => return Err(refused(expr.at, "a list that is made here has no portable SQL")),
            _ => self.truth(expr)?,
        })
    }

    /// What a case comes to; a condition as a condition.
    fn result(&mut self, expr: &Expr) -> Result<String, Problem> {
        if expr.ty == Type::Boolean { self.truth(expr) } else { self.value(expr) }
    }

    fn arithmetic(&mut self, op: ArithmeticOp, left: &Expr, right: &Expr, whole: &Expr) -> Result<String, Problem> {
        if matches!(op, ArithmeticOp::Divide) && whole.ty != Type::Integer {
            let why = "how far a quotient goes is each engine's own; multiply instead: `a > b * 2` for `a / b > 2`";
            return Err(refused(whole.at, why));
        }
        let (left, right) = (self.value(left)?, self.value(right)?);
        Ok(match op {
            ArithmeticOp::Add => format!("({left} + {right})"),
            ArithmeticOp::Subtract => format!("({left} - {right})"),
            ArithmeticOp::Multiply => format!("({left} * {right})"),
            // Engines disagree on `/` of integers, not on exact quotients.
            ArithmeticOp::Divide => {
                format!("CAST(({left} - {left} % NULLIF({right}, 0)) / NULLIF({right}, 0) AS BIGINT)")
            }
            ArithmeticOp::Remainder => format!("({left} % NULLIF({right}, 0))"),
        })
    }

    fn call(&mut self, function: Function, args: &[Expr], whole: &Expr) -> Result<String, Problem> {
        let lengths = |unit: i64| unit.to_string();
        let [arg] = args else { return Err(no_function(whole)) };
        Ok(match (function, arg.ty) {
            (Function::Size, Type::TextList) => self.list_size(arg)?,
            (Function::Size, Type::Text) => format!("LENGTH({})", self.value(arg)?),
            (Function::LowerAscii, _) => self.in_case(arg, 'A'..='Z', 'a'..='z')?,
            (Function::UpperAscii, _) => self.in_case(arg, 'a'..='z', 'A'..='Z')?,
            (Function::ToDecimal, Type::Integer | Type::Decimal) | (Function::ToInteger, Type::Integer) => {
                self.value(arg)?
            }
            (Function::ToTimestamp, Type::Date) => format!("(CAST({} AS BIGINT) * {DAY_MS})", self.value(arg)?),
            (Function::ToTimestamp, Type::Timestamp) | (Function::ToDate, Type::Date) => self.value(arg)?,
            (Function::ToDate, Type::Timestamp) => {
                let at = self.value(arg)?;
                format!("CAST(({at} - ({at} % {DAY_MS} + {DAY_MS}) % {DAY_MS}) / {DAY_MS} AS BIGINT)")
            }
            (Function::Days, _) => format!("({} * {})", self.value(arg)?, lengths(DAY_MS)),
            (Function::Hours, _) => format!("({} * {})", self.value(arg)?, lengths(3_600_000)),
            (Function::Minutes, _) => format!("({} * {})", self.value(arg)?, lengths(60_000)),
            (Function::Seconds, _) => format!("({} * {})", self.value(arg)?, lengths(1_000)),
            (Function::Milliseconds, _) => self.value(arg)?,
            _ => return Err(no_function(whole)),
        })
    }

    /// Engines disagree on letters that are not English; each English one is replaced by name.
    fn in_case(
        &mut self,
        arg: &Expr,
        from: std::ops::RangeInclusive<char>,
        to: std::ops::RangeInclusive<char>,
    ) -> Result<String, Problem> {
        let text = self.value(arg)?;
        Ok(from.zip(to).fold(text, |text, (from, to)| format!("REPLACE({text}, '{from}', '{to}')")))
    }

    /// No currency is the one that amounts are compared in.
    fn in_base(&mut self, amount: &Expr, currency: &Expr) -> Result<String, Problem> {
        let (amount, currency) = (self.value(amount)?, self.value(currency)?);
        let mut text = format!("(CASE WHEN {currency} IS NULL THEN {amount}");
        for code in self.options.rates.currencies() {
            let Some(rate) = self.options.rates.rate(&code) else { continue };
            let product = if rate == "1" { amount.clone() } else { format!("{amount} * {rate}") };
            text += &format!(" WHEN {currency} = {} THEN {product}", self::text(&code));
        }
        Ok(text + " ELSE NULL END)")
    }
}

fn is_of_lists(function: Function) -> bool {
    matches!(function, Function::Intersects | Function::SupersetOf | Function::SubsetOf)
}

fn no_function(whole: &Expr) -> Problem {
    refused(whole.at, format!("`{whole}` has no portable SQL; engines disagree on it"))
}

fn literal(value: &Value, of: &Expr) -> Result<String, Problem> {
    Ok(match value {
        Value::Null => "NULL".to_owned(),
        Value::Boolean(true) => TRUE.to_owned(),
        Value::Boolean(false) => FALSE.to_owned(),
        // A minus sign before it would be two numbers.
        Value::Integer(i) | Value::Timestamp(i) => format!("({i})"),
        Value::Date(days) => format!("({days})"),
        Value::Decimal(number) => format!("({number})"),
        Value::Text(one) => text(one),
        Value::Float(_) | Value::Bytes(_) | Value::TextList(_) | Value::Json(_) => {
            return Err(refused(of.at, format!("`{of}` has no portable SQL")));
        }
    })
}
