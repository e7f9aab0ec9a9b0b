//! The column evaluator: a whole sandbox at once. Conditions become bitmaps over the tables they are about; what goes
//! from one table to another is done over precomputed adjacency; what several segments share is computed once.

mod adjacency;
mod bits;
mod build;
mod counted_words;
mod counters;
mod dataset;
mod leaf;
mod reduce;
mod refresh;
mod rows;
mod run;
mod splice;
mod table;

pub use bits::Bits;
pub use build::SegmentSet;
pub use dataset::{Dataset, DatasetBuilder};
pub use refresh::Refresh;
pub use rows::Rows;
pub use run::Evaluation;
pub use table::{Column, ColumnBuilder, Table};
