//! Segments: a checked condition over a person becomes a plan, the plan is classified and evaluated.
//!
//! ```
//! use attiva_core::{Value, model};
//! use attiva_segments::{Classification, RowEvaluator, Truth, classify, person_scope, plan};
//!
//! let checked = attiva_expr::check("person.department == \"HR\" && person.person_score >= 50", &person_scope()).unwrap();
//! let plan = plan(&checked).unwrap();
//! assert_eq!(classify(&plan, None), Classification::Streaming);
//!
//! let mut row = vec![Value::Null; model::PERSON.len()];
//! row[model::person_slot("department").unwrap()] = Value::Text("Sales".into());
//! let evaluator = RowEvaluator::new(&plan);
//! assert_eq!(evaluator.evaluate(&row, 0).unwrap(), Truth::False);
//! println!("{}", evaluator.explain(&row, 0));
//! ```

mod classify;
pub mod column;
mod concern;
mod condition;
mod dependencies;
mod edge;
mod evaluate;
mod expiry;
mod explain;
mod graph;
mod logic;
mod meter;
mod needs;
mod plan;
mod rank;
mod row;
mod scalar;
mod scope;
mod sql;

pub use classify::{Classification, Reason, StreamingRefused, classify, require_streaming};
pub use concern::Concern;
pub use dependencies::Dependencies;
pub use edge::{EDGE_WINDOW_MS, EdgeLimit, EdgeNeeds, EdgeReason, edge};
pub use expiry::NextChange;
pub use explain::{Explanation, Leaf, Seen};
pub use graph::{Graph, Id, NoRates, Rates, RatesOn, Surroundings};
pub use logic::Truth;
pub use meter::Metered;
pub use needs::Needs;
pub use plan::{Node, NodeKind, Plan, plan};
pub use rank::Rank;
pub use row::{RowEvaluator, Transition};
pub use scope::{person_scope, segment_model, segment_scope};
pub use sql::{SqlOptions, sql, sql_of_first};
