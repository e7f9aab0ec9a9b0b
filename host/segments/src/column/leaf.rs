//! Conditions on values, for all rows of a table.
//!
//! A column of codes is asked once for each code. A column of numbers or instants beside a constant is a loop. The
//! rest is evaluated row by row, by the same program as everywhere.

use super::bits::{Bits, Truths};
use super::table::{Codes, Column, Data};
use crate::scalar::{Scalar, poison};
use attiva_core::Value;
use attiva_core::time::Millis;
use attiva_expr::{CompareOp, Expr, Kind, Program};
use std::sync::Arc;

/// A column as a leaf reads it: of its own table, or of another's by row numbers.
#[derive(Clone)]
pub(crate) struct Read {
    pub(crate) column: Arc<Column>,
    /// For each row of the leaf's table the row of the column; past its end is nobody.
    pub(crate) by: Option<Arc<Vec<u32>>>,
}

impl Read {
    /// None: a fault.
    pub(crate) fn value(&self, row: usize) -> Option<Value> {
        match self.at(row) {
            Some(row) => self.column.value(row),
            None => Some(Value::Null),
        }
    }

    fn at(&self, row: usize) -> Option<usize> {
        match &self.by {
            None => Some(row),
            Some(by) => by.get(row).map(|row| *row as usize).filter(|row| *row < self.column.len()),
        }
    }
}

/// A column of another table is asked as a whole if it is no more than so many times as long as the leaf's own table.
const FAR_MAX: usize = 8;

pub(crate) fn truths(scalar: &Scalar, reads: &[Read], rows: usize, now: Millis) -> Truths {
    if let [read] = reads {
        if let Some(by) = read.by.as_ref().filter(|_| read.column.len() / FAR_MAX <= rows) {
            // Asked where the column is, once for each of its rows, and brought here as a bit.
            let there = Read { column: Arc::clone(&read.column), by: None };
            let of_nobody = scalar.program.truth(&[Value::Null], now).ok().flatten();
            return brought(&truths(scalar, &[there], read.column.len(), now), by, of_nobody);
        }
        if let (None, Data::Coded { codes, values }) = (&read.by, &read.column.data) {
            return by_code(&scalar.program, codes, values, rows, now);
        }
        if read.by.is_none()
            && let Some(truths) = against_constant(&scalar.expr, read, rows, now)
        {
            return truths;
        }
    }
    let mut row = vec![Value::Null; reads.len()];
    let mut unknown = Bits::none(rows);
    let yes = Bits::of(rows, |at| {
        fill(&mut row, scalar, reads, at);
        let answer = scalar.program.truth(&row, now).ok().flatten();
        if answer.is_none() {
            unknown.set(at);
        }
        answer == Some(true)
    });
    Truths::new(yes, unknown)
}

/// A value for each row; rows at fault are marked.
pub(crate) fn values(scalar: &Scalar, reads: &[Read], rows: usize, now: Millis) -> (Vec<Value>, Bits) {
    let mut row = vec![Value::Null; reads.len()];
    let mut faults = Bits::none(rows);
    let one = |at: usize| {
        fill(&mut row, scalar, reads, at);
        scalar.program.evaluate(&row, now).unwrap_or_else(|_| {
            faults.set(at);
            Value::Null
        })
    };
    let values = (0..rows).map(one).collect();
    (values, faults)
}

fn fill(row: &mut [Value], scalar: &Scalar, reads: &[Read], at: usize) {
    for ((slot, read), input) in row.iter_mut().zip(reads).zip(&scalar.inputs) {
        *slot = read.value(at).unwrap_or_else(|| poison(input.ty));
    }
}

/// A fault is unknown: it makes no member.
fn by_code(program: &Program, codes: &Codes, values: &[Value], rows: usize, now: Millis) -> Truths {
    let answers: Vec<Option<bool>> =
        values.iter().map(|value| program.truth(std::slice::from_ref(value), now).ok().flatten()).collect();
    let any_unknown = answers.iter().any(Option::is_none);
    // A table of bytes, so that the loop over narrow codes is one look-up each.
    let yes: Vec<bool> = answers.iter().map(|answer| *answer == Some(true)).collect();
    let is_yes = match codes {
        Codes::Narrow(codes) => mark(codes, &yes),
        Codes::Middle(codes) => mark(codes, &yes),
        Codes::Wide(codes) => Bits::of(rows, |row| yes[codes[row] as usize]),
    };
    if !any_unknown {
        return Truths::known(is_yes);
    }
    let unknown: Vec<bool> = answers.iter().map(Option::is_none).collect();
    let is_unknown = Bits::of(rows, |row| unknown[codes.get(row)]);
    Truths::new(is_yes, is_unknown)
}

fn mark<C: Copy + Into<usize> + PartialEq>(codes: &[C], yes: &[bool]) -> Bits {
    let mut wanted = yes.iter().enumerate().filter(|(_, yes)| **yes);
    // One code is asked for, mostly: then it is a comparison, which goes many at a time.
    match (wanted.next(), wanted.next()) {
        (Some((only, _)), None) => Bits::of(codes.len(), |row| codes[row].into() == only),
        _ => Bits::of(codes.len(), |row| yes[codes[row].into()]),
    }
}

/// What holds of the rows that these name; past the end is nobody.
fn brought(there: &Truths, by: &[u32], of_nobody: Option<bool>) -> Truths {
    let len = there.yes.len();
    let rows = by.len();
    // What is past the end is not set.
    let is_yes = |row: usize| there.yes.get(by[row] as usize);
    let nobody = by.iter().any(|row| *row as usize >= len);
    let yes = match of_nobody {
        Some(true) if nobody => Bits::of(rows, |row| is_yes(row) || by[row] as usize >= len),
        _ => Bits::of(rows, is_yes),
    };
    let of_nobody_is_unknown = nobody && of_nobody.is_none();
    let unknown = match &there.unknown {
        None if !of_nobody_is_unknown => return Truths::known(yes),
        None => Bits::of(rows, |row| by[row] as usize >= len),
        Some(unknown) if of_nobody_is_unknown => {
            Bits::of(rows, |row| by[row] as usize >= len || unknown.get(by[row] as usize))
        }
        Some(unknown) => Bits::of(rows, |row| unknown.get(by[row] as usize)),
    };
    Truths::new(yes, unknown)
}

fn split(rows: usize, answer: impl Fn(usize) -> Option<bool>) -> Truths {
    let yes = Bits::of(rows, |row| answer(row) == Some(true));
    Truths::new(yes, Bits::of(rows, |row| answer(row).is_none()))
}

/// What a condition compares its one column with, either way round: a number, an instant, a text. None: it does something
/// else; no value: it is unknown for every row.
pub(crate) fn against(expr: &Expr, now: Millis) -> Option<(CompareOp, Option<Value>)> {
    let Kind::Compare { op, left, right } = &expr.kind else { return None };
    let (op, constant) = match (&left.kind, &right.kind) {
        (Kind::Field(_), _) if right.fields().is_empty() => (*op, right),
        (_, Kind::Field(_)) if left.fields().is_empty() => (turned(*op), left),
        _ => return None,
    };
    let constant = Program::new(constant).evaluate(&[], now).ok();
    Some((op, constant.filter(|value| !value.is_null())))
}

/// In a loop, if the column and the constant are such.
fn against_constant(expr: &Expr, read: &Read, rows: usize, now: Millis) -> Option<Truths> {
    let (op, constant) = against(expr, now)?;
    let Some(constant) = constant else { return Some(Truths::new(Bits::none(rows), Bits::all(rows))) };
    match (&read.column.data, &constant) {
        (Data::Whole { values, valid, .. }, Value::Integer(n) | Value::Timestamp(n)) => {
            Some(compare(read, values, valid.as_ref(), op, n, rows))
        }
        (Data::Whole { values, valid, .. }, Value::Date(days)) => {
            Some(compare(read, values, valid.as_ref(), op, &i64::from(*days), rows))
        }
        (Data::Decimal { units, scale, valid, .. }, Value::Decimal(text)) => {
            let (op, units_of) = in_units(op, text, *scale)?;
            Some(compare(read, units, valid.as_ref(), op, &units_of, rows))
        }
        _ => None,
    }
}

fn turned(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
        same => same,
    }
}

/// A constant as units of the column's scale. With more digits than the scale has it lies between two units, so that
/// only less and greater are left of it: for the others there is no loop.
fn in_units(op: CompareOp, text: &str, scale: u32) -> Option<(CompareOp, i128)> {
    let (units, own) = super::table::decimal_units(text)?;
    if own <= scale {
        return Some((op, units.checked_mul(10_i128.checked_pow(scale - own)?)?));
    }
    let factor = 10_i128.checked_pow(own - scale)?;
    let floor = units.div_euclid(factor);
    match (units.rem_euclid(factor) == 0, op) {
        (true, op) => Some((op, floor)),
        (false, CompareOp::Lt | CompareOp::Le) => Some((CompareOp::Le, floor)),
        (false, CompareOp::Gt | CompareOp::Ge) => Some((CompareOp::Gt, floor)),
        (false, CompareOp::Eq | CompareOp::Ne) => None,
    }
}

fn compare<T: Ord + Copy>(
    read: &Read,
    values: &[T],
    valid: Option<&Bits>,
    op: CompareOp,
    with: &T,
    rows: usize,
) -> Truths {
    let with = *with;
    let faults = read.column.faults.as_ref();
    if faults.is_some() {
        let answer = |row: usize| {
            let missing = valid.is_some_and(|bits| !bits.get(row)) || faults.is_some_and(|bits| bits.get(row));
            (!missing).then(|| op.holds(values[row].cmp(&with)))
        };
        return split(rows, answer);
    }
    // A loop for each comparison, so that none is decided for each row.
    let mut yes = match op {
        CompareOp::Eq => Bits::of(rows, |row| values[row] == with),
        CompareOp::Ne => Bits::of(rows, |row| values[row] != with),
        CompareOp::Lt => Bits::of(rows, |row| values[row] < with),
        CompareOp::Le => Bits::of(rows, |row| values[row] <= with),
        CompareOp::Gt => Bits::of(rows, |row| values[row] > with),
        CompareOp::Ge => Bits::of(rows, |row| values[row] >= with),
    };
    let Some(valid) = valid else { return Truths::known(yes) };
    yes.and(valid);
    let mut unknown = valid.clone();
    unknown.not();
    Truths::new(yes, unknown)
}
