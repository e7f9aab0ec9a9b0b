//! Taking back what a connection, or some of its datasets, brought: what its profiles become, and how far it is. Unlike
//! an erasure it leaves nothing that keeps the data out: read again, it comes back.

use crate::Millis;
use crate::id::{ConnectionId, RemovalId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What would become of profiles, audiences and activations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RemovalEffect")]
pub struct Effect {
    pub records: u64,
    pub events: u64,
    /// Records that were looked at; not all of them, if `whole` is false.
    pub looked_at: u64,
    pub whole: bool,
    /// Profiles that are made of nothing else.
    pub disappear: u64,
    /// Profiles that lose records, and have other values then or fall apart.
    pub change: u64,
    /// Profiles that lose records, and stay as they are.
    pub stay: u64,
    /// By segment's id.
    pub audiences: BTreeMap<String, AudienceEffect>,
    /// Activations of those audiences.
    pub activations: Vec<String>,
}

/// What would become of an audience.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AudienceEffect {
    /// Members that disappear.
    pub leave: u64,
    /// Members that change, and may leave.
    pub change: u64,
}

/// A removal as it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    pub id: RemovalId,
    pub connection: ConnectionId,
    /// Datasets whose data goes.
    pub streams: Vec<String>,
    /// The connection goes, too.
    pub whole: bool,
    /// Who asked for it: a key's id.
    pub by: String,
    pub started_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// As it was told when it began.
    pub effect: Effect,
    #[serde(default)]
    pub records_removed: u64,
    #[serde(default)]
    pub events_removed: u64,
    /// Streams that are done.
    #[serde(default)]
    pub done: usize,
    /// Where the one that is next stands.
    #[serde(default)]
    pub place: Place,
}

/// Where the removal of a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Records after this number.
    Records(i64),
    /// Events after this number.
    Events(i64),
}

impl Default for Place {
    fn default() -> Self {
        Self::Records(0)
    }
}

/// What one step removed; `last`: where the next goes on, `None` at the end of the records or events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub rows: u64,
    pub last: Option<i64>,
}

impl Removal {
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended_at.is_some()
    }

    /// The stream that is next, and where it stands; `None`: all data is gone.
    #[must_use]
    pub fn next(&self) -> Option<(&str, Place)> {
        self.streams.get(self.done).map(|stream| (stream.as_str(), self.place))
    }

    /// Notes a step. True where the stream is done with.
    pub fn step(&mut self, removed: Removed) -> bool {
        match self.place {
            Place::Records(_) => self.records_removed += removed.rows,
            Place::Events(_) => self.events_removed += removed.rows,
        }
        let ends = matches!(self.place, Place::Events(_)) && removed.last.is_none();
        self.place = match (self.place, removed.last) {
            (Place::Records(_), Some(last)) => Place::Records(last),
            (Place::Records(_), None) => Place::Events(0),
            (Place::Events(_), Some(last)) => Place::Events(last),
            (Place::Events(_), None) => Place::default(),
        };
        self.done += usize::from(ends);
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_through_records_and_events_of_each_stream() {
        let mut removal = Removal {
            id: RemovalId::new(0, [0; 6]),
            connection: ConnectionId::new(0, [0; 6]),
            streams: vec!["a".into(), "b".into()],
            whole: true,
            by: "key_1".into(),
            started_at: 0,
            ended_at: None,
            effect: Effect::default(),
            records_removed: 0,
            events_removed: 0,
            done: 0,
            place: Place::default(),
        };
        let some = |rows, last| Removed { rows, last };
        assert_eq!(removal.next(), Some(("a", Place::Records(0))));
        assert!(!removal.step(some(2, Some(7))));
        assert_eq!(removal.next(), Some(("a", Place::Records(7))));
        assert!(!removal.step(some(1, None)));
        assert_eq!(removal.next(), Some(("a", Place::Events(0))));
        assert!(!removal.step(some(5, Some(3))) && removal.step(some(0, None)));
        assert_eq!(removal.next(), Some(("b", Place::Records(0))));
        assert!(!removal.step(some(0, None)) && removal.step(some(1, None)));
        assert_eq!((removal.next(), removal.records_removed, removal.events_removed), (None, 3, 6));
    }
}
