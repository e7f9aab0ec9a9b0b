//! Calls the parser, and puts what it says about mistakes into words for people.

use crate::limits::OPERATORS_MAX;
use crate::problem::{Position, Problem};
use cel::common::ast::SourceInfo;
use cel::parser::ParseError;
use cel::{Env, IdedExpr};

/// Parses a text that has passed [`crate::limits`], on a stack that is large enough for it.
pub(super) fn parse(text: &str) -> Result<(IdedExpr, SourceInfo), Problem> {
    // The parser's own limit on recursion is replaced by ours, which also bounds what it does not count.
    let recursion = u16::try_from(OPERATORS_MAX + 100).unwrap_or(u16::MAX - 1);
    // Without macros: what is asked of a set is checked as it was written.
    let parser = Env::default().with_optional_support(false).parser();
    let parser = parser.enable_ident_escape_syntax(true).max_recursion_depth(recursion);
    parser.parse_with_source_info(text).map_err(|errors| {
        // What follows the first error is mostly its echo.
        let first = errors.errors.into_iter().min_by_key(|e| e.pos);
        first.map_or_else(|| Problem::new(Problem::SYNTAX, Position::START, "not an expression"), |e| problem(&e, text))
    })
}

fn problem(error: &ParseError, text: &str) -> Problem {
    let number = |n: isize| u32::try_from(n).unwrap_or(1).max(1);
    let at = Position { line: number(error.pos.0), column: number(error.pos.1) };
    let at_end = at == Position::of(text, text.len());
    Problem::new(Problem::SYNTAX, at, wording(error.msg.trim_start_matches("Syntax error: "), at_end))
}

fn wording(message: &str, at_end: bool) -> String {
    let quoted = || message.split('\'').nth(1).unwrap_or_default();
    if at_end || message.contains("<EOF>'") {
        "the expression breaks off here".to_owned()
    } else if message.starts_with("mismatched input") || message.starts_with("extraneous input") {
        format!("`{}` is not expected here", quoted())
    } else if message.starts_with("no viable alternative") {
        format!("no expression reads like this: `{}`", quoted())
    } else if message.starts_with("reserved identifier") {
        format!("{message}; as a field, write it in backquotes")
    } else {
        message.to_owned()
    }
}
