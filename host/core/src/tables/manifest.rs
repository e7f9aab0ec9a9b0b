//! What names one cut.

use super::layout::TableColumn;
use crate::Millis;
use crate::ports::store::Seq;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the manifest and of what the tables say. Whoever reads a higher one than it knows should stop.
pub const FORMAT: u32 = 1;

/// How far the sandbox had come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableCut {
    /// Newest sequence numbers of records, profiles and events.
    pub records: Seq,
    pub profiles: Seq,
    pub events: Seq,
    /// The number of the newest change of a membership.
    pub moves: i64,
    /// How many erasures had been done.
    pub erasures: u64,
}

impl TableCut {
    /// Whether something that this one has is not in the other: that one is of an older state of the store.
    #[must_use]
    pub fn is_ahead_of(&self, other: &Self) -> bool {
        self.records > other.records || self.profiles > other.profiles || self.events > other.events
    }
}

/// What tells a state of a part from others, by part. An empty one is equal to none.
pub type Stamps = BTreeMap<i64, String>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Rises by one with every manifest.
    pub number: u64,
    /// The moment, in milliseconds since 1970.
    pub taken_at: Millis,
    pub cut: TableCut,
    /// Versions of the model: built in, and of what was added.
    pub model_version: u32,
    pub custom_model_version: u32,
    pub tables: Vec<ManifestTable>,
    /// By origin: for whoever writes the next one.
    #[serde(default)]
    pub stamps: BTreeMap<String, Stamps>,
    /// Segments there were: for whoever writes the next one.
    #[serde(default)]
    pub audiences: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ManifestTable {
    pub name: String,
    pub columns: Vec<TableColumn>,
    pub files: Vec<TableFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    /// Below the manifest's folder.
    pub path: String,
    pub part: i64,
    pub rows: u64,
    pub bytes: u64,
    /// Of the whole file, in hex.
    pub sha256: String,
    /// Values that their column's type does not hold, and that are null: a decimal of more digits.
    #[serde(default)]
    pub left_out: u64,
}

impl Manifest {
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&ManifestTable> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Paths of all files.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().flat_map(|table| &table.files).map(|file| file.path.as_str())
    }

    /// Whether it says of the sandbox what another says.
    #[must_use]
    pub fn holds_the_same(&self, other: &Self) -> bool {
        self.format == other.format && self.tables == other.tables
    }
}

impl ManifestTable {
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}
