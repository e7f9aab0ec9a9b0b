//! Which of those who meet a rule belong: the first of an order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Of those who meet a rule, the first by a value of each. Of equals, who was known to the sandbox first is before the
/// others; who has no value is behind all that have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ranking {
    /// CEL over what the members are: a number, a date or an instant.
    pub by: String,
    #[serde(default)]
    pub order: RankOrder,
    /// How many belong at most.
    pub limit: NonZeroU32,
}

/// Who is before whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RankOrder {
    /// The most, or the latest.
    #[default]
    Descending,
    /// The least, or the earliest.
    Ascending,
}
