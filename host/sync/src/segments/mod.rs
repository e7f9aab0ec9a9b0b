//! Segments at work: what their texts mean in this sandbox, who belongs now, and all evaluations there are: of single
//! profiles as they change, and of everybody at once.

mod batch;
mod catalog;
mod columns;
mod columns_changed_events;
mod columns_components;
mod columns_events;
mod columns_load;
mod columns_members;
mod columns_pairs;
mod columns_refresh;
mod definition;
mod edge;
mod effect;
mod first;
mod key_list;
mod links;
mod looks;
mod meter;
mod regrouped;
mod statement;
mod streaming;
mod trigger;
mod world;

pub(crate) use batch::{follow as follow_evaluations, is_at_work};
pub(crate) use catalog::SegmentCatalog;
pub(crate) use columns::ColumnCache;
pub use definition::{Definition, SegmentWish, Unsound};
pub use edge::{EdgeAnswer, EdgeAudience, EdgeBasis, EdgeEvent, EdgeQuestion};
pub use effect::{AudienceChange, AudienceChanges, LeftOut, Moved, MovedExample};
pub(crate) use effect::{cut, effect};
pub(crate) use looks::who;
pub use looks::{AskedAudience, Compared, Cost, Counted, CountedRules, MembershipExplanation, Preview, Ranked};
pub use meter::Budget;
pub use statement::SegmentStatement;
pub(crate) use streaming::{EVENTS, SEGMENTS, step};
pub use trigger::SCHEDULE;
pub(crate) use trigger::{LastEvaluation, start_due};
