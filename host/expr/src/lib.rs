//! Expressions: CEL text, checked against what may stand in it, compiled once and run on many rows. One language for
//! mappings and for segments.
//!
//! ```
//! use attiva_core::{DataType, Value};
//! use attiva_expr::{Scope, check};
//!
//! let scope = Scope::new().root("record", [("Title".to_owned(), DataType::Text)]);
//! let program = check("record.Title.trim() == \"CMO\"", &scope).unwrap().compile();
//! assert_eq!(program.evaluate(&[Value::Text(" CMO".into())], 0).unwrap(), Value::Boolean(true));
//! assert_eq!(program.evaluate(&[Value::Null], 0).unwrap(), Value::Null);
//!
//! let problems = check("record.Titel", &scope).unwrap_err();
//! assert_eq!(problems[0].message, "no field `Titel` on record; did you mean `Title`?");
//! ```

mod ast;
mod calendar;
mod check;
mod compile;
mod convert;
mod decimal;
mod fold;
mod limits;
mod model;
mod operate;
mod print;
mod problem;
mod program;
mod relational;
mod scope;

pub use ast::{ArithmeticOp, Case, CompareOp, Expr, Field, Function, Kind, TextMatch, Type};
pub use calendar::anniversary_in;
pub use check::{Checked, check, check_as, closest};
pub use fold::Fold;
pub use limits::{BYTES_MAX, DEPTH_MAX, NESTING_MAX, OPERATORS_MAX, TOKENS_MAX};
pub use model::{Audience, Entity, EntityField, Link, Model, Relation};
pub use problem::{Position, Problem};
pub use program::{EvalFault, Program};
pub use relational::{
    Aggregate, Aggregated, Hop, Lambda, Membership, Quantified, Quantifier, Sequence, SequenceStep, Set, Step,
};
pub use scope::Scope;
