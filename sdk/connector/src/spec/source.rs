//! What a source says beside what it reads.

use super::Spec;
use serde::Serialize;
use std::collections::BTreeMap;

/// How a source is told which span of time it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The configuration's key of the first day.
    pub from: String,
    /// The configuration's key of the last day.
    pub to: String,
    /// Streams that go by it; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<String>,
}

/// The shipped mapping of one stream to one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// A stream's name.
    pub stream: String,
    /// `person`.
    pub entity: String,
    /// Target field <- CEL over the native `record`.
    pub fields: BTreeMap<String, String>,
}

impl Spec {
    /// Keys of the configuration that say which days are read, the first and the last, as dates in UTC; and the streams that
    /// go by them, all if none is named. With the last day, a reading ends there and follows no changes.
    #[must_use]
    pub fn window(mut self, from: &str, to: &str, streams: &[&str]) -> Self {
        let streams = streams.iter().map(|stream| (*stream).to_owned()).collect();
        self.window = Some(Window { from: from.into(), to: to.into(), streams });
        self
    }
}
