//! Expressions that people write, checked before they are kept: what is wrong, and where.

use super::refusal::{FieldProblem, Place, Refusal, Result};
use attiva_core::DataType;
use attiva_core::config::ActivationField;
use attiva_expr::{Problem, Scope};

/// Why an expression cannot be a segment; `field`: where it stands in the body.
pub(super) fn refused(field: &str, problems: Vec<Problem>) -> Refusal {
    let fields = problems.into_iter().map(|p| field_problem(field, p)).collect();
    Refusal::invalid("segment.expression", "the expression is not one that a segment can be", fields)
}

/// Checks an activation's mapping: every expression by what it may name, and that no field is mapped twice. The types of
/// what is mapped, in its order.
pub fn check_mapping(field: &str, scope: &Scope, mapping: &[ActivationField]) -> Result<Vec<DataType>> {
    let (mut types, mut problems) = (Vec::new(), Vec::new());
    for (i, mapped) in mapping.iter().enumerate() {
        if mapping.iter().take(i).any(|earlier| earlier.field == mapped.field) {
            problems.push(FieldProblem::new(format!("{field}/{i}/field"), "is mapped twice"));
        }
        if mapped.field.is_empty() || mapped.field.chars().any(char::is_control) {
            problems.push(FieldProblem::new(format!("{field}/{i}/field"), "must be the name of a field"));
        }
        let at = format!("{field}/{i}/expression");
        match attiva_expr::check(&mapped.expression, scope) {
            Ok(checked) => types.push(checked.data_type()),
            Err(found) => problems.extend(found.into_iter().map(|p| field_problem(&at, p))),
        }
    }
    if mapping.is_empty() {
        problems.push(FieldProblem::new(field, "must map at least one field"));
    }
    if problems.is_empty() {
        return Ok(types);
    }
    Err(Refusal::invalid("activation.mapping", "the mapping cannot be used", problems))
}

fn field_problem(field: &str, problem: Problem) -> FieldProblem {
    FieldProblem {
        code: Some(problem.code.to_owned()),
        place: Some(Place { line: problem.line, column: problem.column }),
        suggestion: problem.suggestion,
        ..FieldProblem::new(field, problem.message)
    }
}
