//! A condition or value, cut in two: a program over values, and what puts the values into its slots.
//!
//! Expressions know values alone. What a leaf reads of other records, of sets, audiences and rates becomes an input of
//! it, each once; the rest is compiled as it always was.

use attiva_core::Value;
use attiva_expr::{EvalFault, Expr, Field, Function, Kind, Program, Type};

#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    /// Reads slots only.
    pub(crate) expr: Expr,
    pub(crate) program: Program,
    /// What belongs into each slot.
    pub(crate) inputs: Vec<Expr>,
}

impl Scalar {
    pub(crate) fn new(expr: &Expr) -> Self {
        let mut inputs = Vec::new();
        let expr = cut(expr.clone(), &mut inputs);
        Self { program: Program::new(&expr), expr, inputs }
    }

    /// Whether every input is a field of one record, so that its row can be read as it is.
    pub(crate) fn of_one_record(inputs: &[Expr]) -> Option<usize> {
        let var = |input: &Expr| match &input.kind {
            Kind::Field(field) if field.hops.is_empty() => Some(field.var),
            _ => None,
        };
        let first = var(inputs.first()?)?;
        inputs.iter().all(|input| var(input) == Some(first)).then_some(first)
    }
}

fn cut(expr: Expr, inputs: &mut Vec<Expr>) -> Expr {
    let expr = without_currency(expr);
    let is_input = matches!(
        expr.kind,
        Kind::Field(_)
            | Kind::Quantified(_)
            | Kind::Aggregated(_)
            | Kind::Sequence(_)
            | Kind::InAudience(_)
            | Kind::InBase { .. }
    );
    if !is_input {
        return expr.map_operands(&mut |operand| cut(operand, inputs));
    }
    let known = inputs.iter().position(|input| input.kind == expr.kind);
    let slot = known.unwrap_or(inputs.len());
    let field = Field { root: String::new(), name: String::new(), slot, var: 0, hops: Vec::new() };
    let (ty, at) = (expr.ty, expr.at);
    if known.is_none() {
        inputs.push(expr);
    }
    Expr::new(Kind::Field(field), ty, at)
}

/// An amount as a number is read as it is: a column of them is compared in a loop.
fn without_currency(expr: Expr) -> Expr {
    match expr.kind {
        Kind::Call { function: Function::ToDecimal, mut args } if args.iter().all(|arg| arg.ty == Type::Decimal) => {
            args.swap_remove(0)
        }
        kind => Expr { kind, ..expr },
    }
}

/// What stands in a slot whose input has no value for a fault: of another type than the slot's, so that whoever reads it
/// is told, and whoever does not read it is not.
pub(crate) fn poison(ty: Type) -> Value {
    if ty == Type::Text { Value::Boolean(false) } else { Value::Text(String::new()) }
}

/// The program's answer, or the fault of an input if that is why there is none.
pub(crate) fn with_reason<T>(answer: Result<T, EvalFault>, of_input: Option<EvalFault>) -> Result<T, EvalFault> {
    match (answer, of_input) {
        (Err(fault), Some(reason)) if fault.code() == EvalFault::ROW => Err(reason),
        (answer, _) => answer,
    }
}
