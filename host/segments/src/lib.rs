//! Segments: a checked condition over a person becomes a plan, the plan is classified and evaluated.
//!
//! ```
//! use attiva_core::{Value, model};
//! use attiva_segments::{Classification, RowEvaluator, Truth, classify, person_scope, plan};
//!
//! let checked = attiva_expr::check("person.department == \"HR\" && person.person_score >= 50", &person_scope()).unwrap();
//! let plan = plan(&checked).unwrap();
//! assert_eq!(classify(&plan), Classification::Streaming);
//!
//! let mut row = vec![Value::Null; model::PERSON.len()];
//! row[model::person_slot("department").unwrap()] = Value::Text("Sales".into());
//! let evaluator = RowEvaluator::new(&plan);
//! assert_eq!(evaluator.evaluate(&row, 0).unwrap(), Truth::False);
//! println!("{}", evaluator.explain(&row, 0));
//! ```

mod classify;
mod expiry;
mod explain;
mod logic;
mod plan;
mod row;
mod scope;

pub use classify::{Classification, classify};
pub use expiry::NextChange;
pub use explain::{Explanation, Leaf, Seen};
pub use logic::Truth;
pub use plan::{Node, NodeKind, Plan, plan};
pub use row::{RowEvaluator, Transition};
pub use scope::person_scope;
