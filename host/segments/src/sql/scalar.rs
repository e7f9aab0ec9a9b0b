//! Conditions and values. Every expression is in brackets of its own, so that no engine's order of operators matters.

use super::calendar::{DAY_MS, anniversary};
use super::fault::may_fail;
use super::{Result, Writer, refused};
use attiva_core::Value;
use attiva_expr::{CompareOp, Expr, Field, Function, Kind, Problem, Type};

/// A condition of which nobody knows.
pub(super) const UNKNOWN: &str = "(NULL = 1)";
pub(super) const TRUE: &str = "(1 = 1)";
pub(super) const FALSE: &str = "(1 = 0)";

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

impl Writer<'_> {
    /// A condition, with unknown as null.
    pub(super) fn truth(&mut self, expr: &Expr) -> Result<String> {
        if let Some(constant) = self.constant(expr) {
            return Ok(match constant {
                Ok(Value::Boolean(true)) => TRUE,
                Ok(Value::Boolean(false)) => FALSE,
                _ => UNKNOWN,
            }
            .to_owned());
        }
        let text = match &expr.kind {
            Kind::Not(inner) => match &inner.kind {
                Kind::IsNull(tested) => self.null_test(tested, "IS NOT NULL")?,
                _ => format!("(NOT {})", self.truth(inner)?),
            },
            Kind::And(all) => self.joined(all, " AND ")?,
            Kind::Or(all) => self.joined(all, " OR ")?,
            Kind::Compare { op, left, right } => self.comparison(*op, left, right)?,
            Kind::In { list, .. } if list.is_empty() => FALSE.to_owned(),
            Kind::In { value, list } => {
                let list = list.iter().map(|one| self.number(one)).collect::<Result<Vec<_>>>()?;
                format!("({} IN ({}))", self.number(value)?, list.join(", "))
            }
            Kind::InList { value, list } => self.in_list(value, list)?,
            Kind::IsNull(tested) => self.null_test(tested, "IS NULL")?,
            Kind::Match { how, text, pattern } => self.matched(*how, text, pattern)?,
            Kind::Quantified(quantified) => format!("({})", self.quantified(quantified)?),
            Kind::Sequence(sequence) => format!("({})", self.sequence(sequence)?),
            Kind::InAudience(membership) => self.in_audience(membership),
            Kind::Call { function: Function::AnniversaryIn, args } => self.anniversary(args)?,
            Kind::Call { function, args } if is_of_lists(*function) => self.lists_compared(*function, args)?,
            Kind::Call { function: Function::ToBoolean, args } => match args.as_slice() {
                [arg] if arg.ty == Type::Text => self.read_boolean(arg)?,
                [arg] => self.truth(arg)?,
                _ => UNKNOWN.to_owned(),
            },
            // A boolean column or case is a condition where it is compared.
            _ => format!("({} = {TRUE})", self.value(expr)?),
        };
        self.short_enough(text, expr.at)
    }

    fn joined(&mut self, all: &[Expr], sign: &str) -> Result<String> {
        let all = all.iter().map(|one| self.truth(one)).collect::<Result<Vec<_>>>()?;
        Ok(format!("({})", all.join(sign)))
    }

    fn comparison(&mut self, op: CompareOp, left: &Expr, right: &Expr) -> Result<String> {
        let average = |expr: &Expr| match &expr.kind {
            Kind::Aggregated(a) if a.how == attiva_expr::Aggregate::Average => Some((**a).clone()),
            _ => None,
        };
        match (average(left), average(right)) {
            (Some(average), None) => self.average_against(&average, op, (left, right)),
            (None, Some(average)) => {
                let turned = match op {
                    CompareOp::Lt => CompareOp::Gt,
                    CompareOp::Le => CompareOp::Ge,
                    CompareOp::Gt => CompareOp::Lt,
                    CompareOp::Ge => CompareOp::Le,
                    same => same,
                };
                self.average_against(&average, turned, (right, left))
            }
            _ => self.compared(op, left, right),
        }
    }

    pub(super) fn compared(&mut self, op: CompareOp, left: &Expr, right: &Expr) -> Result<String> {
        Ok(format!("({} {} {})", self.number(left)?, operator(op), self.number(right)?))
    }

    /// Whether a value is missing. What fails is not missing, and nobody knows.
    fn null_test(&mut self, expr: &Expr, is: &str) -> Result<String> {
        let test = format!("({} {is})", self.nullable(expr)?);
        Ok(match self.fault(expr)? {
            Some(fails) => format!("(CASE WHEN {fails} THEN NULL ELSE {test} END)"),
            None => test,
        })
    }

    /// That a value is neither missing nor failed; never unknown.
    pub(super) fn presence(&mut self, expr: &Expr) -> Result<String> {
        Ok(format!("({} IS NOT NULL)", self.nullable(expr)?))
    }

    /// What is null where a value is.
    fn nullable(&mut self, expr: &Expr) -> Result<String> {
        if expr.ty == Type::TextList { self.list_size(expr) } else { self.value(expr) }
    }

    fn field(&mut self, field: &Field) -> String {
        let (alias, _) = self.reached(field.var, &field.hops);
        format!("{alias}.{}", field.name)
    }

    fn anniversary(&mut self, args: &[Expr]) -> Result<String> {
        let [date, from, until] = args else { return Ok(UNKNOWN.to_owned()) };
        let bound = |expr: &Expr| match self.constant(expr) {
            Some(Ok(Value::Timestamp(at))) => Some(at),
            _ => None,
        };
        let (Some(from), Some(until)) = (bound(from), bound(until)) else { return Ok(UNKNOWN.to_owned()) };
        let date = self.value(date)?;
        Ok(self.named(&[date], |names| anniversary(&names[0], from, until)))
    }

    pub(super) fn value(&mut self, expr: &Expr) -> Result<String> {
        if let Some(constant) = self.constant(expr) {
            return match constant {
                Ok(value) => literal(&value, expr),
                Err(_) => Ok("NULL".to_owned()),
            };
        }
        let text = match &expr.kind {
            Kind::Field(field) if expr.ty != Type::TextList => self.field(field),
            Kind::Choose { cases, otherwise } => {
                let mut text = String::from("(CASE");
                for case in cases {
                    if let Some(fails) = self.fault(&case.when)? {
                        text += &format!(" WHEN {fails} THEN NULL");
                    }
                    text += &format!(" WHEN {} THEN {}", self.truth(&case.when)?, self.result(&case.then)?);
                }
                text + &format!(" ELSE {} END)", self.result(otherwise)?)
            }
            Kind::Coalesce(all) => self.first_known(all)?,
            Kind::Negate(inner) => format!("(-{})", self.value(inner)?),
            Kind::Arithmetic { op, left, right } => self.arithmetic(*op, left, right, expr)?,
            Kind::Concat(all) => {
                let all = all.iter().map(|one| self.value(one)).collect::<Result<Vec<_>>>()?;
                format!("({})", all.join(" || "))
            }
            Kind::Call { function, args } if expr.ty != Type::Boolean => self.call(*function, args, expr)?,
            Kind::Aggregated(aggregated) => self.aggregated(aggregated, expr.at)?,
            Kind::InBase { amount, currency } => self.in_base(amount, currency)?,
            _ if expr.ty == Type::TextList => return Err(refused(expr.at, NO_LIST)),
            _ => self.truth(expr)?,
        };
        self.short_enough(text, expr.at)
    }

    /// What a case comes to; a condition as a condition.
    fn result(&mut self, expr: &Expr) -> Result<String> {
        if expr.ty == Type::Boolean { self.truth(expr) } else { self.value(expr) }
    }

    fn first_known(&mut self, all: &[Expr]) -> Result<String> {
        let Some((last, before)) = all.split_last() else { return Ok("NULL".to_owned()) };
        if !before.iter().any(may_fail) {
            let all = all.iter().map(|one| self.value(one)).collect::<Result<Vec<_>>>()?;
            return Ok(format!("COALESCE({})", all.join(", ")));
        }
        let mut text = String::from("(CASE");
        for one in before {
            if let Some(fails) = self.fault(one)? {
                text += &format!(" WHEN {fails} THEN NULL");
            }
            text += &format!(" WHEN {} THEN {}", self.presence(one)?, self.value(one)?);
        }
        Ok(text + &format!(" ELSE {} END)", self.value(last)?))
    }

    fn call(&mut self, function: Function, args: &[Expr], whole: &Expr) -> Result<String> {
        let [arg, more @ ..] = args else { return Err(no_function(whole)) };
        if let (Function::Join, [separator]) = (function, more) {
            return self.joined_list(arg, separator);
        }
        if let Some(text) = self.of_text(function, arg)? {
            return Ok(text);
        }
        if let Some(number) = self.number_of(function, arg)? {
            return Ok(number);
        }
        let times = |writer: &mut Self, unit: i64| Ok(format!("({} * {unit})", writer.value(arg)?));
        match (function, arg.ty) {
            (Function::Size, Type::TextList) => self.list_size(arg),
            (Function::ToTimestamp, Type::Date) => Ok(format!("(CAST({} AS BIGINT) * {DAY_MS})", self.value(arg)?)),
            (Function::ToTimestamp, Type::Timestamp) | (Function::ToDate, Type::Date) => self.value(arg),
            (Function::ToTimestamp, Type::Integer) => times(self, 1_000),
            (Function::ToDate, Type::Timestamp) => {
                let at = self.value(arg)?;
                Ok(self.named(&[at], |names| {
                    let at = &names[0];
                    format!("CAST(({at} - ({at} % {DAY_MS} + {DAY_MS}) % {DAY_MS}) / {DAY_MS} AS BIGINT)")
                }))
            }
            (Function::Days, _) => times(self, DAY_MS),
            (Function::Hours, _) => times(self, 3_600_000),
            (Function::Minutes, _) => times(self, 60_000),
            (Function::Seconds, _) => times(self, 1_000),
            (Function::Milliseconds, _) => self.value(arg),
            _ => Err(no_function(whole)),
        }
    }
}

fn is_of_lists(function: Function) -> bool {
    matches!(function, Function::Intersects | Function::SupersetOf | Function::SubsetOf)
}

/// A list has a table of its own, or none.
pub(super) const NO_LIST: &str =
    "a list is no value in SQL; ask `x in list`, its size, or compare it with another list";

fn no_function(whole: &Expr) -> Problem {
    let why = format!("`{whole}` has no portable SQL: what its argument may look like is read nowhere as here; {READ}");
    refused(whole.at, why)
}

const READ: &str = "have the mapping read it, into a field of that type";

fn literal(value: &Value, of: &Expr) -> Result<String> {
    Ok(match value {
        Value::Null => "NULL".to_owned(),
        Value::Boolean(true) => TRUE.to_owned(),
        Value::Boolean(false) => FALSE.to_owned(),
        // A minus sign before it would be two numbers.
        Value::Integer(i) | Value::Timestamp(i) => format!("({i})"),
        Value::Date(days) => format!("({days})"),
        Value::Decimal(number) => format!("({number})"),
        Value::Text(one) => text(one),
        // With an exponent, or it would be a decimal.
        Value::Float(float) if float.is_finite() => format!("({float:e})"),
        Value::Float(_) => "NULL".to_owned(),
        Value::TextList(_) => return Err(refused(of.at, NO_LIST)),
        Value::Bytes(_) | Value::Json(_) => {
            return Err(refused(of.at, format!("`{of}` is written otherwise in every engine; compare two fields")));
        }
    })
}
