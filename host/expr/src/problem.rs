//! What is wrong with an expression's text, and where.

use attiva_core::{Fault, FaultKind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A place in an expression's text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl Position {
    pub const START: Self = Self { line: 1, column: 1 };

    /// The position of a byte of `text`. A byte past the end is the end.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
    }
}

/// One thing that is wrong with an expression. Whoever wrote the expression acts next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable and machine-readable; one of the constants below.
    pub code: &'static str,
    /// What is wrong and what to write instead, in one sentence.
    pub message: String,
    pub line: u32,
    pub column: u32,
    /// What could stand in place of the name at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Problem {
    /// Over one of the limits; refused before it is parsed.
    pub const TOO_LARGE: &'static str = "expr.too-large";
    /// Not an expression.
    pub const SYNTAX: &'static str = "expr.syntax";
    /// A root, field or function that does not exist.
    pub const UNKNOWN_NAME: &'static str = "expr.unknown-name";
    /// Types that do not go together.
    pub const TYPE: &'static str = "expr.type";
    /// A literal that is not what its place asks for: a malformed date, say.
    pub const LITERAL: &'static str = "expr.literal";
    /// Part of the language elsewhere, but not offered here.
    pub const UNSUPPORTED: &'static str = "expr.unsupported";
    /// The machine had no thread left, or the parser failed. Not the author's doing.
    pub const INTERNAL: &'static str = "expr.internal";

    pub fn new(code: &'static str, at: Position, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), line: at.line, column: at.column, suggestion: None }
    }

    pub(crate) fn suggesting(mut self, suggestion: Option<&str>) -> Self {
        if let Some(suggestion) = suggestion {
            self.message = format!("{}; did you mean `{suggestion}`?", self.message);
            self.suggestion = Some(suggestion.to_owned());
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Problem {}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let kind = if problem.code == Problem::INTERNAL { FaultKind::Internal } else { FaultKind::Config };
        Self::new(kind, problem.code, problem.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "é == \"x\"\n && b";
        assert_eq!(Position::of(text, 0), Position { line: 1, column: 1 });
        assert_eq!(Position::of(text, 3), Position { line: 1, column: 3 }, "é has two bytes");
        assert_eq!(Position::of(text, 1), Position { line: 1, column: 1 }, "inside é");
        assert_eq!(Position::of(text, text.find('&').unwrap()), Position { line: 2, column: 2 });
        assert_eq!(Position::of(text, 9999), Position { line: 2, column: 6 });
    }
}
