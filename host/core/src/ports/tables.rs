//! Open tables: a sandbox told as it is at one moment, part by part; and the folder that files and manifests stand in.

use super::store::{ItemStatus, MembershipStatus, Result, StoredRecord};
use crate::id::{DeliveryId, ProfileId, SegmentId};
use crate::identity::Identity;
use crate::model::EntityName;
use crate::tables::{Manifest, Origin, Stamps, TableCut, TableFile, TableLayout};
use crate::{Millis, Value};
use std::collections::BTreeSet;

/// A sandbox's store, asked for tables.
pub trait TableStore: Send + Sync + 'static {
    /// Has `work` look at one moment, for as long as it likes: nothing that is committed meanwhile is seen.
    fn at_one_moment(&self, work: &mut dyn FnMut(&dyn Moment) -> Result<()>) -> Result<()>;
}

/// What each row is handed to; it ends the reading by an error.
pub type Each<'a, T> = &'a mut dyn FnMut(T) -> Result<()>;

/// A sandbox at one moment. Rows of a part come in an order that is the same each time.
pub trait Moment {
    fn cut(&self) -> Result<TableCut>;
    /// Documents of a kind, in the order of ids, after `after`.
    fn documents(
        &self,
        kind: super::store::Kind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<super::store::Document>>;
    /// Parts of which the sequence tells something after a cut.
    fn told(&self, origin: &Origin, after: &TableCut) -> Result<BTreeSet<i64>>;
    /// Parts that have rows, with what tells this state of them from others where the sequence does not. An empty stamp:
    /// nothing tells.
    fn stamps(&self, origin: &Origin) -> Result<Stamps>;
    fn profiles(&self, entity: &EntityName, part: i64, each: Each<'_, TableProfile>) -> Result<()>;
    fn records(&self, part: i64, each: Each<'_, TableRecord>) -> Result<()>;
    /// By subject, then time: a person's stand together.
    fn events(&self, part: i64, each: Each<'_, TableEvent>) -> Result<()>;
    fn subjects(&self, part: i64, each: Each<'_, TableSubject>) -> Result<()>;
    fn members(&self, part: i64, each: Each<'_, TableMember>) -> Result<()>;
    fn moves(&self, part: i64, each: Each<'_, TableMove>) -> Result<()>;
    fn outcomes(&self, part: i64, each: Each<'_, TableOutcome>) -> Result<()>;
}

#[derive(Debug, Clone, PartialEq)]
pub struct TableProfile {
    pub number: i64,
    pub id: ProfileId,
    /// Records that make it up.
    pub records: u32,
    /// Non-null attributes, worked out ones among them.
    pub attributes: Vec<(String, Value)>,
}

/// A record, what names it and what it was merged into.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRecord {
    pub record: StoredRecord,
    /// The profile it belongs to.
    pub profile: Option<i64>,
    pub identities: Vec<Identity>,
    pub merged_into: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TableEvent {
    pub number: i64,
    pub source_key: String,
    pub time: Millis,
    pub event_type: String,
    /// What it names its person by, the firmest first.
    pub subjects: Vec<i64>,
    pub attributes: Vec<(String, Value)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSubject {
    pub number: i64,
    pub entity: String,
    pub identity: Identity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMember {
    pub segment: SegmentId,
    pub profile: i64,
    pub since: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMove {
    pub number: i64,
    pub segment: SegmentId,
    pub profile: i64,
    pub status: MembershipStatus,
    pub at: Millis,
    pub cause: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOutcome {
    pub delivery: DeliveryId,
    pub position: i64,
    pub profile: i64,
    pub status: ItemStatus,
    pub code: String,
    pub field: Option<String>,
    pub message: String,
    pub operation: Option<crate::page::Operation>,
    pub resent: bool,
}

/// Where the files of one sandbox's tables stand. What is half there is not there: a file counts once a manifest names it.
pub trait TableFolder: Send + Sync + 'static {
    /// The newest manifest; `None`: there is none yet, or none that can be read.
    fn newest(&self) -> Result<Option<Manifest>>;
    /// Begins the file of a part.
    fn begin(&self, layout: &TableLayout, part: i64) -> Box<dyn TableWriter>;
    /// Makes a manifest the newest, with the script that opens it. Returns when it is durable.
    fn publish(&self, manifest: &Manifest, script: &str) -> Result<()>;
    /// A file, or the script, as it stands there; `path`: below the folder.
    fn read(&self, path: &str) -> Result<Vec<u8>>;
    /// Removes manifests that nobody reads any more, and files that none of those left names. `kept_ms`: how long one is
    /// kept after the next; 0: only the newest stays.
    fn tidy(&self, now: Millis, kept_ms: Millis) -> Result<Tidied>;
}

/// Writes the rows of one part.
pub trait TableWriter {
    /// A value for each column.
    fn push(&mut self, row: &[Value]) -> Result<()>;
    /// Makes the file durable under its name. `None`: it has no rows, and there is none.
    fn finish(self: Box<Self>) -> Result<Option<TableFile>>;
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    pub manifests: u64,
    pub files: u64,
}
