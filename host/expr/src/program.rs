//! A compiled expression, and what can go wrong when it meets a row.

use crate::ast::{Expr, Kind};
use crate::compile::{self, Frame, TruthFn, ValueFn};
use crate::problem::Position;
use attiva_core::time::Millis;
use attiva_core::{Fault, FaultKind, Value};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A compiled expression: made once, run on many rows, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Program(Arc<Inner>);

struct Inner {
    constants: Vec<Value>,
    code: Code,
    field: Option<usize>,
}

enum Code {
    Value(ValueFn),
    Truth(TruthFn),
}

impl Program {
    /// Compiles a checked expression, or a part of one.
    #[must_use]
    pub fn new(expr: &Expr) -> Self {
        let mut constants = Vec::new();
        let code = if compile::is_truth(expr) {
            Code::Truth(compile::truth(expr, &mut constants))
        } else {
            Code::Value(compile::value(expr, &mut constants))
        };
        let field = match &expr.kind {
            Kind::Field(field) => Some(field.slot),
            _ => None,
        };
        Self(Arc::new(Inner { constants, code, field }))
    }

    /// The value for one row. `row` holds a value for each slot of the scope, null where there is none; `now` is the
    /// instant that `now` stands for.
    pub fn evaluate(&self, row: &[Value], now: Millis) -> Result<Value, EvalFault> {
        self.evaluate_ref(row, now).map(Cow::into_owned)
    }

    /// As [`Self::evaluate`], without a copy where the value stands in the row or in the expression.
    pub fn evaluate_ref<'a>(&'a self, row: &'a [Value], now: Millis) -> Result<Cow<'a, Value>, EvalFault> {
        let frame = Frame { row, constants: &self.0.constants, now };
        match &self.0.code {
            Code::Value(code) => code(&frame),
            Code::Truth(code) => code(&frame).map(|truth| Cow::Owned(compile::from_truth(truth))),
        }
    }

    /// The answer of a boolean expression; none where it is unknown. Of another type: a fault.
    pub fn truth(&self, row: &[Value], now: Millis) -> Result<Option<bool>, EvalFault> {
        let frame = Frame { row, constants: &self.0.constants, now };
        match &self.0.code {
            Code::Value(code) => compile::to_truth(&*code(&frame)?, Position::START),
            Code::Truth(code) => code(&frame),
        }
    }

    /// The slot, if the expression is a plain field: its value may then be taken from the row without evaluating.
    #[must_use]
    pub fn as_field(&self) -> Option<usize> {
        self.0.field
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("field", &self.0.field).finish_non_exhaustive()
    }
}

/// Why an expression has no value for a row. It concerns this row and this expression only.
#[derive(Clone, PartialEq, Eq)]
pub struct EvalFault(Box<Detail>);

#[derive(Clone, PartialEq, Eq)]
struct Detail {
    code: &'static str,
    message: String,
    at: Position,
}

impl EvalFault {
    /// A number over what its type holds.
    pub const OVERFLOW: &'static str = "expr.overflow";
    pub const DIVISION_BY_ZERO: &'static str = "expr.division-by-zero";
    /// A value that cannot be converted as asked: `int("abc")`, a decimal that is none.
    pub const CONVERSION: &'static str = "expr.conversion";
    /// A value of another type than the scope declared, or a row too short: the host's mistake.
    pub const ROW: &'static str = "expr.row";

    /// An amount of a currency that has no rate.
    pub const NO_RATE: &'static str = "expr.no-rate";

    pub fn new(code: &'static str, at: Position, message: impl Into<String>) -> Self {
        Self(Box::new(Detail { code, message: message.into(), at }))
    }

    /// Stable and machine-readable; one of the constants.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What happened, in one sentence, with the value at fault.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Which part of the expression.
    #[must_use]
    pub fn at(&self) -> Position {
        self.0.at
    }
}

impl fmt::Display for EvalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.0.at.line, self.0.at.column, self.0.message)
    }
}

impl fmt::Debug for EvalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvalFault({}, {self})", self.0.code)
    }
}

impl std::error::Error for EvalFault {}

impl From<EvalFault> for Fault {
    fn from(fault: EvalFault) -> Self {
        let kind = if fault.code() == EvalFault::ROW { FaultKind::Internal } else { FaultKind::Data };
        Self::new(kind, fault.code(), fault.to_string())
    }
}
