//! Checked expression -> closures. Done once; a row then costs calls, not a walk over the tree.
//!
//! Two kinds of closure: one gives a value, borrowed from the row where it can be; one answers true, false or unknown,
//! without making a value of it. Connectives and comparisons are of the second kind, so a segment allocates nothing.

use crate::ast::{CompareOp, Expr, Function, Kind, TextMatch, Type};
use crate::problem::Position;
use crate::program::EvalFault;
use crate::{convert, operate};
use attiva_core::Value;
use attiva_core::time::Millis;
use std::borrow::Cow;
use std::collections::HashSet;

/// What an evaluation may look at.
pub(crate) struct Frame<'a> {
    pub(crate) row: &'a [Value],
    pub(crate) constants: &'a [Value],
    pub(crate) now: Millis,
}

type ValueResult<'a> = Result<Cow<'a, Value>, EvalFault>;
/// None: unknown.
type TruthResult = Result<Option<bool>, EvalFault>;

pub(crate) type ValueFn = Box<dyn for<'a> Fn(&Frame<'a>) -> ValueResult<'a> + Send + Sync>;
pub(crate) type TruthFn = Box<dyn for<'a> Fn(&Frame<'a>) -> TruthResult + Send + Sync>;

fn value_fn<F>(f: F) -> ValueFn
where
    F: for<'a> Fn(&Frame<'a>) -> ValueResult<'a> + Send + Sync + 'static,
{
    Box::new(f)
}

fn truth_fn<F>(f: F) -> TruthFn
where
    F: for<'a> Fn(&Frame<'a>) -> TruthResult + Send + Sync + 'static,
{
    Box::new(f)
}

/// Whether the expression is best compiled by [`truth`].
pub(crate) fn is_truth(expr: &Expr) -> bool {
    matches!(
        expr.kind,
        Kind::Not(_)
            | Kind::And(_)
            | Kind::Or(_)
            | Kind::Compare { .. }
            | Kind::In { .. }
            | Kind::InList { .. }
            | Kind::IsNull(_)
            | Kind::Match { .. }
    )
}

pub(crate) fn from_truth(truth: Option<bool>) -> Value {
    truth.map_or(Value::Null, Value::Boolean)
}

pub(crate) fn to_truth(value: &Value, at: Position) -> TruthResult {
    match value {
        Value::Boolean(b) => Ok(Some(*b)),
        Value::Null => Ok(None),
        other => Err(operate::mismatch(&[other], at)),
    }
}

pub(crate) fn value(expr: &Expr, constants: &mut Vec<Value>) -> ValueFn {
    let at = expr.at;
    match &expr.kind {
        Kind::Literal(literal) => {
            let index = constants.len();
            constants.push(literal.clone());
            value_fn(move |f| Ok(Cow::Borrowed(&f.constants[index])))
        }
        Kind::Field(field) => {
            let (slot, ty) = (field.slot, expr.ty);
            value_fn(move |f| read(f.row, slot, ty, at).map(Cow::Borrowed))
        }
        Kind::Now => value_fn(|f| Ok(Cow::Owned(Value::Timestamp(f.now)))),
        Kind::Choose { cases, otherwise } => {
            let cases: Vec<_> = cases.iter().map(|c| (truth(&c.when, constants), value(&c.then, constants))).collect();
            let otherwise = value(otherwise, constants);
            value_fn(move |f| {
                for (when, then) in &cases {
                    if when(f)? == Some(true) {
                        return then(f);
                    }
                }
                otherwise(f)
            })
        }
        Kind::Coalesce(all) => {
            let all = values(all, constants);
            value_fn(move |f| {
                for one in &all {
                    let value = one(f)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Cow::Owned(Value::Null))
            })
        }
        Kind::Negate(inner) => {
            let inner = value(inner, constants);
            value_fn(move |f| operate::negate(&*inner(f)?, at).map(Cow::Owned))
        }
        Kind::Arithmetic { op, left, right } => {
            let (op, left, right) = (*op, value(left, constants), value(right, constants));
            value_fn(move |f| {
                let (left, right) = (left(f)?, right(f)?);
                operate::arithmetic(op, &left, &right, at).map(Cow::Owned)
            })
        }
        Kind::Concat(all) => concat(values(all, constants), at),
        Kind::List(all) => list(values(all, constants), at),
        Kind::Call { function, args } => call(*function, values(args, constants), at),
        Kind::Quantified(_) | Kind::Aggregated(_) | Kind::Sequence(_) | Kind::InAudience(_) | Kind::InBase { .. } => {
            // Whoever has the records puts what these come to into slots first.
            value_fn(move |_| Err(EvalFault::new(EvalFault::ROW, at, "this needs other records than the row")))
        }
        _ => {
            let truth = truth(expr, constants);
            value_fn(move |f| truth(f).map(|truth| Cow::Owned(from_truth(truth))))
        }
    }
}

fn values(exprs: &[Expr], constants: &mut Vec<Value>) -> Vec<ValueFn> {
    exprs.iter().map(|e| value(e, constants)).collect()
}

/// A field's value, if it is of its declared type or null.
fn read(row: &[Value], slot: usize, ty: Type, at: Position) -> Result<&Value, EvalFault> {
    match row.get(slot) {
        Some(value) if value.data_type().is_none_or(|t| Type::from(t) == ty) => Ok(value),
        Some(other) => Err(operate::mismatch(&[other], at)),
        None => Err(EvalFault::new(EvalFault::ROW, at, format!("the row has no slot {slot}"))),
    }
}

/// Every part is evaluated, so that a fault in a later one is not hidden by a null in an earlier one.
fn concat(parts: Vec<ValueFn>, at: Position) -> ValueFn {
    value_fn(move |f| {
        let mut text = String::new();
        let mut null = false;
        for part in &parts {
            match &*part(f)? {
                Value::Null => null = true,
                Value::Text(part) => text.push_str(part),
                other => return Err(operate::mismatch(&[other], at)),
            }
        }
        Ok(Cow::Owned(if null { Value::Null } else { Value::Text(text) }))
    })
}

/// A list of text has no room for a null: one that is null makes the list null.
fn list(elements: Vec<ValueFn>, at: Position) -> ValueFn {
    value_fn(move |f| {
        let mut list = Vec::with_capacity(elements.len());
        let mut null = false;
        for element in &elements {
            match element(f)?.into_owned() {
                Value::Null => null = true,
                Value::Text(text) => list.push(text),
                other => return Err(operate::mismatch(&[&other], at)),
            }
        }
        Ok(Cow::Owned(if null { Value::Null } else { Value::TextList(list) }))
    })
}

fn call(function: Function, args: Vec<ValueFn>, at: Position) -> ValueFn {
    value_fn(move |f| {
        let args = args.iter().map(|arg| arg(f)).collect::<Result<Vec<_>, _>>()?;
        if args.iter().any(|arg| arg.is_null()) {
            return Ok(Cow::Owned(Value::Null));
        }
        let args: Vec<&Value> = args.iter().map(|arg| &**arg).collect();
        convert::call(function, &args, at).map(Cow::Owned)
    })
}

pub(crate) fn truth(expr: &Expr, constants: &mut Vec<Value>) -> TruthFn {
    let at = expr.at;
    match &expr.kind {
        Kind::Not(inner) => {
            let inner = truth(inner, constants);
            truth_fn(move |f| Ok(inner(f)?.map(|b| !b)))
        }
        // False decides a conjunction, true a disjunction.
        Kind::And(all) => connective(false, truths(all, constants)),
        Kind::Or(all) => connective(true, truths(all, constants)),
        Kind::Compare { op, left, right } => compare(*op, left, right, at, constants),
        Kind::In { value, list } => one_of(value, list, at, constants),
        Kind::InList { value: element, list } => {
            let (element, list) = (value(element, constants), value(list, constants));
            truth_fn(move |f| in_list(&*element(f)?, &*list(f)?, at))
        }
        Kind::IsNull(inner) => {
            let inner = value(inner, constants);
            truth_fn(move |f| Ok(Some(inner(f)?.is_null())))
        }
        Kind::Match { how, text, pattern } => {
            let (how, text, pattern) = (*how, value(text, constants), value(pattern, constants));
            truth_fn(move |f| {
                let (text, pattern) = (text(f)?, pattern(f)?);
                matches_text(how, &text, &pattern, at)
            })
        }
        Kind::Field(field) => {
            let (slot, ty) = (field.slot, expr.ty);
            truth_fn(move |f| to_truth(read(f.row, slot, ty, at)?, at))
        }
        _ => {
            let value = value(expr, constants);
            truth_fn(move |f| to_truth(&*value(f)?, at))
        }
    }
}

fn truths(exprs: &[Expr], constants: &mut Vec<Value>) -> Vec<TruthFn> {
    exprs.iter().map(|e| truth(e, constants)).collect()
}

/// Kleene's conjunction (`deciding` is false) or disjunction (true). An operand that decides does so whatever the
/// others are, a fault among them included, so that the order of the operands makes no difference to the answer. With
/// none that decides, the first fault is the answer, then unknown.
fn connective(deciding: bool, operands: Vec<TruthFn>) -> TruthFn {
    truth_fn(move |f| {
        let mut unknown = false;
        let mut fault = None;
        for operand in &operands {
            match operand(f) {
                Ok(Some(answer)) if answer == deciding => return Ok(Some(deciding)),
                Ok(Some(_)) => {}
                Ok(None) => unknown = true,
                Err(first) => fault = fault.or(Some(first)),
            }
        }
        match fault {
            Some(fault) => Err(fault),
            None => Ok(if unknown { None } else { Some(!deciding) }),
        }
    })
}

fn compare(op: CompareOp, left: &Expr, right: &Expr, at: Position, constants: &mut Vec<Value>) -> TruthFn {
    if let (Kind::Field(field), Kind::Literal(literal)) = (&left.kind, &right.kind)
        && let Some(fast) = compare_field(op, field.slot, literal, at)
    {
        return fast;
    }
    let (left, right) = (value(left, constants), value(right, constants));
    truth_fn(move |f| {
        let (left, right) = (left(f)?, right(f)?);
        Ok(operate::compare(&left, &right, at)?.map(|order| op.holds(order)))
    })
}

/// The shapes most rules are made of: a field against a text, a whole number or an instant.
fn compare_field(op: CompareOp, slot: usize, literal: &Value, at: Position) -> Option<TruthFn> {
    match literal.clone() {
        Value::Text(text) if op == CompareOp::Eq => Some(truth_fn(move |f| match f.row.get(slot) {
            Some(Value::Text(found)) => Ok(Some(*found == text)),
            other => null_or_mismatch(other, slot, at),
        })),
        Value::Text(text) => Some(truth_fn(move |f| match f.row.get(slot) {
            Some(Value::Text(found)) => Ok(Some(op.holds(found.as_str().cmp(&text)))),
            other => null_or_mismatch(other, slot, at),
        })),
        Value::Integer(number) => Some(truth_fn(move |f| match f.row.get(slot) {
            Some(Value::Integer(found)) => Ok(Some(op.holds(found.cmp(&number)))),
            other => null_or_mismatch(other, slot, at),
        })),
        Value::Timestamp(instant) => Some(truth_fn(move |f| match f.row.get(slot) {
            Some(Value::Timestamp(found)) => Ok(Some(op.holds(found.cmp(&instant)))),
            other => null_or_mismatch(other, slot, at),
        })),
        _ => None,
    }
}

fn null_or_mismatch(found: Option<&Value>, slot: usize, at: Position) -> TruthResult {
    match found {
        Some(Value::Null) => Ok(None),
        Some(other) => Err(operate::mismatch(&[other], at)),
        None => Err(EvalFault::new(EvalFault::ROW, at, format!("the row has no slot {slot}"))),
    }
}

/// `value in [..]`: a disjunction of equalities.
fn one_of(element: &Expr, list: &[Expr], at: Position, constants: &mut Vec<Value>) -> TruthFn {
    let literal_text = |e: &Expr| match &e.kind {
        Kind::Literal(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let element = value(element, constants);
    if let Some(texts) = list.iter().map(literal_text).collect::<Option<HashSet<String>>>()
        && !texts.is_empty()
    {
        return truth_fn(move |f| match &*element(f)? {
            Value::Text(text) => Ok(Some(texts.contains(text))),
            Value::Null => Ok(None),
            other => Err(operate::mismatch(&[other], at)),
        });
    }
    let list = values(list, constants);
    truth_fn(move |f| {
        let element = element(f)?;
        let mut unknown = false;
        let mut fault = None;
        for one in &list {
            let order = one(f).and_then(|one| operate::compare(&element, &one, at));
            match order {
                Ok(Some(order)) if order.is_eq() => return Ok(Some(true)),
                Ok(Some(_)) => {}
                Ok(None) => unknown = true,
                Err(first) => fault = fault.or(Some(first)),
            }
        }
        match fault {
            Some(fault) => Err(fault),
            None => Ok(if unknown { None } else { Some(false) }),
        }
    })
}

fn in_list(element: &Value, list: &Value, at: Position) -> TruthResult {
    match (element, list) {
        (_, Value::Null) => Ok(None),
        (_, Value::TextList(list)) if list.is_empty() => Ok(Some(false)),
        (Value::Null, Value::TextList(_)) => Ok(None),
        (Value::Text(text), Value::TextList(list)) => Ok(Some(list.contains(text))),
        _ => Err(operate::mismatch(&[element, list], at)),
    }
}

fn matches_text(how: TextMatch, text: &Value, pattern: &Value, at: Position) -> TruthResult {
    match (text, pattern) {
        (Value::Null, _) | (_, Value::Null) => Ok(None),
        (Value::Text(text), Value::Text(pattern)) => Ok(Some(match how {
            TextMatch::Contains => text.contains(pattern.as_str()),
            TextMatch::StartsWith => text.starts_with(pattern.as_str()),
            TextMatch::EndsWith => text.ends_with(pattern.as_str()),
        })),
        _ => Err(operate::mismatch(&[text, pattern], at)),
    }
}
