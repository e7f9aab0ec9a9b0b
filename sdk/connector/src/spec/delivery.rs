//! How a destination takes its rows, and what it promises of repeats.

use serde::Serialize;
use std::collections::BTreeMap;

/// What a destination promises about repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryClass {
    /// A repeated batch may reach the vendor twice.
    AtLeastOnce,
    /// A repeat, at any time, leaves what one call would have left.
    EffectivelyOnce,
}

/// How a target takes the state that is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It keeps its members: batches are the difference to what it last acknowledged.
    Records,
    /// Each delivery makes one whole of its own (a file): every member comes every time.
    Snapshot,
}

/// What a member of a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Member {
    /// A person.
    Person,
    /// A company.
    Account,
}

/// What may be said of a delivery beyond [`Delivery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivering {
    /// What it promises, and how much it takes at once.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// How a target takes the state that is wanted of it.
    pub mode: Mode,
    /// Most fields that an activation may map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields_max: Option<u32>,
    /// What members of a target may be, by the object's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, Vec<Member>>,
    /// Whether `members` tells who is in a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_back: Option<bool>,
    /// Codes of rejected rows that may pass by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transient_codes: Vec<String>,
    /// How many batches of one delivery may come at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_once: Option<AtOnce>,
}

/// Batches of one delivery that may come at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AtOnce {
    /// As many at most.
    pub batches: u32,
    /// Fields by which the vendor tells members apart.
    pub keys: Vec<String>,
}

/// How a destination takes its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// What it promises about repeats.
    pub class: DeliveryClass,
    /// Rows of a batch at most.
    pub batch_rows: u32,
    /// Longest time a request may still be on its way after a kill, in milliseconds.
    pub request_timeout_ms: u64,
}
