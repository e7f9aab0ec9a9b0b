//! Events as they are read: what happened, to whom as far as that is known now, and in which order.

use crate::id::ConnectionId;
use crate::record::Fields;
use crate::{Millis, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// The store's own number of the event.
    pub number: i64,
    pub source_key: String,
    pub connection: ConnectionId,
    pub stream: String,
    pub time: Millis,
    pub event_type: String,
    /// Non-null attributes of the model, but for the time and the type.
    pub attributes: Vec<(String, Value)>,
    /// The row as it came.
    pub native: Fields,
    /// The number of the person's profile; `None`: nobody is known yet by what the event names.
    pub profile: Option<i64>,
}

/// A place in a person's timeline: no two events have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EventPlace {
    pub time: Millis,
    pub number: i64,
}

impl StoredEvent {
    /// Where a page that ends with it goes on.
    #[must_use]
    pub fn place(&self) -> EventPlace {
        EventPlace { time: self.time, number: self.number }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TimelineOrder")]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    OldestFirst,
    NewestFirst,
}
