//! Names that people give.

use super::refusal::{FieldProblem, Refusal, Result};

const LENGTH_MAX: usize = 200;

/// A name for people: not empty, one line, not too long. `field` is where it stands in the body.
pub(crate) fn checked<'a>(field: &str, name: &'a str) -> Result<&'a str> {
    let trimmed = name.trim();
    let problem = if trimmed.is_empty() {
        "must not be empty"
    } else if trimmed.chars().count() > LENGTH_MAX {
        "must be at most 200 characters"
    } else if trimmed.chars().any(char::is_control) {
        "must be one line without control characters"
    } else {
        return Ok(trimmed);
    };
    Err(Refusal::invalid("request.invalid", format!("{field} {problem}"), vec![FieldProblem::new(field, problem)]))
}

/// A name that stands in paths: lower-case letters, digits and dashes.
pub(crate) fn checked_slug<'a>(field: &str, name: &'a str) -> Result<&'a str> {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain && !name.is_empty() && name.len() <= 32 && !name.starts_with('-') {
        return Ok(name);
    }
    let problem = "must be 1 to 32 lower-case letters, digits or dashes";
    Err(Refusal::invalid("request.invalid", format!("{field} {problem}"), vec![FieldProblem::new(field, problem)]))
}
