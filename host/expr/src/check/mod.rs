//! Text -> checked expression.
//!
//! The parser recurses, and so does the checker over what it made, so both run on a thread with a stack that is large
//! for what [`limits`] lets through. What they hand back is of bounded depth: it can be walked and dropped anywhere.

mod functions;
mod literals;
mod names;
mod operators;
mod sequences;
mod sets;
mod syntax;
mod time;
mod unify;

pub use names::closest;
pub(crate) use operators::compare_money;

use crate::ast::Expr;
use crate::limits;
use crate::problem::{Position, Problem};
use crate::program::Program;
use crate::scope::Scope;
use attiva_core::DataType;
use cel::IdedExpr;
use cel::common::ast::{self, SourceInfo};
use std::sync::Arc;

/// The parser takes under 2 MiB for the longest chain that [`limits`] admits, the checker less; address space is cheap.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// A checked expression. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    text: Arc<str>,
    root: Arc<Expr>,
    data_type: DataType,
    slots: Arc<[usize]>,
    entity: Option<usize>,
}

/// Parses and checks an expression against what may stand in it. Every problem found is told, in the order of the
/// text, but for syntax, of which only the first is.
pub fn check(text: &str, scope: &Scope) -> Result<Checked, Vec<Problem>> {
    on_large_stack(text, scope, None)
}

/// As [`check`], for the value of a field of type `wanted`: a literal becomes what the field holds, an integer a
/// decimal where one is wanted, and `null` is allowed. Anything else has to be converted in the text.
pub fn check_as(text: &str, scope: &Scope, wanted: DataType) -> Result<Checked, Vec<Problem>> {
    on_large_stack(text, scope, Some(wanted))
}

fn on_large_stack(text: &str, scope: &Scope, wanted: Option<DataType>) -> Result<Checked, Vec<Problem>> {
    limits::scan(text).map_err(|problem| vec![problem])?;
    let internal = |message: String| vec![Problem::new(Problem::INTERNAL, Position::START, message)];
    std::thread::scope(|threads| {
        std::thread::Builder::new()
            .name("expression".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(threads, || parse_and_check(text, scope, wanted))
            .map_err(|error| internal(format!("no thread to read the expression on: {error}")))?
            .join()
            .unwrap_or_else(|_| Err(internal("the parser failed on this expression".to_owned())))
    })
}

fn parse_and_check(text: &str, scope: &Scope, wanted: Option<DataType>) -> Result<Checked, Vec<Problem>> {
    let (parsed, info) = syntax::parse(text).map_err(|problem| vec![problem])?;
    let exact = literals::Exact::default();
    let mut checker = Checker { text, info: &info, scope, problems: Vec::new(), exact, variables: Vec::new() };
    let root = checker.expr(&parsed).and_then(|root| checker.root(root, wanted));
    let mut problems = checker.problems;
    problems.sort_by_key(|p| (p.line, p.column));
    problems.dedup();
    match root {
        Some((root, data_type)) if problems.is_empty() => {
            let own = root.fields().into_iter().filter(|field| field.is_of_root());
            let mut slots: Vec<usize> = own.map(|field| field.slot).collect();
            slots.sort_unstable();
            slots.dedup();
            Ok(Checked {
                text: text.into(),
                root: Arc::new(root),
                data_type,
                slots: slots.into(),
                entity: scope.reach().map(|reach| reach.entity),
            })
        }
        _ => Err(problems),
    }
}

impl Checked {
    /// The text as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The type of its value, which may always be null too.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        self.data_type
    }

    #[must_use]
    pub fn root(&self) -> &Expr {
        &self.root
    }

    /// The slots of the roots' row that it reads, each once, ascending.
    #[must_use]
    pub fn slots(&self) -> &[usize] {
        &self.slots
    }

    /// The entity it is about, if others can be reached from it.
    #[must_use]
    pub fn entity(&self) -> Option<usize> {
        self.entity
    }

    #[must_use]
    pub fn compile(&self) -> Program {
        Program::new(&self.root)
    }
}

/// Checks one parsed expression. A method that answers none has recorded why; going on finds further problems.
struct Checker<'a> {
    text: &'a str,
    info: &'a SourceInfo,
    scope: &'a Scope,
    problems: Vec<Problem>,
    exact: literals::Exact,
    /// Names of elements, outermost first; the roots are outside of these.
    variables: Vec<names::Variable>,
}

impl Checker<'_> {
    fn expr(&mut self, expr: &IdedExpr) -> Option<Expr> {
        let at = self.at(expr.id);
        match &expr.expr {
            ast::Expr::Literal(literal) => self.literal(literal, expr.id),
            ast::Expr::Ident(_) | ast::Expr::Select(_) | ast::Expr::Call(_) => {
                let place = self.place(expr)?;
                self.value_of(place, at)
            }
            ast::Expr::List(list) => self.list(list, at),
            ast::Expr::Comprehension(_) => self.fail(Problem::INTERNAL, at, "the parser expanded a macro"),
            ast::Expr::Map(_) | ast::Expr::Struct(_) => {
                self.unsupported(at, "an expression gives one value; records and maps are not made here")
            }
            ast::Expr::Unspecified => self.fail(Problem::SYNTAX, at, "something is missing here"),
        }
    }

    /// What only the whole expression has to be.
    fn root(&mut self, root: Expr, wanted: Option<DataType>) -> Option<(Expr, DataType)> {
        let root = match wanted {
            Some(wanted) => self.coerce(root, wanted.into(), "put in one field")?,
            None => root,
        };
        let Some(data_type) = root.ty.data_type() else {
            let message = format!("the whole expression is {}, which cannot be the value of a field", root.ty.noun());
            return self.fail(Problem::TYPE, root.at, message);
        };
        let depth = root.depth();
        if depth > limits::DEPTH_MAX {
            let most = limits::DEPTH_MAX;
            let message = format!("the expression is nested {depth} levels deep; at most {most} are allowed");
            return self.fail(Problem::TOO_LARGE, root.at, message);
        }
        Some((root, data_type))
    }

    /// Where a parsed node stands; for an operator or a call that is its sign or bracket.
    fn at(&self, id: u64) -> Position {
        Position::of(self.text, self.offset(id))
    }

    fn offset(&self, id: u64) -> usize {
        self.info.offset_for(id).map_or(0, |(start, _)| start as usize)
    }

    /// The name before the bracket of a call, and where it stands.
    fn called(&self, id: u64) -> (&str, Position) {
        let before = self.text.get(..self.offset(id)).unwrap_or_default().trim_end();
        let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |i| i + 1);
        (&before[start..], Position::of(self.text, start))
    }

    fn fail<T>(&mut self, code: &'static str, at: Position, message: impl Into<String>) -> Option<T> {
        self.problems.push(Problem::new(code, at, message));
        None
    }

    fn unsupported<T>(&mut self, at: Position, message: impl Into<String>) -> Option<T> {
        self.fail(Problem::UNSUPPORTED, at, message)
    }
}
