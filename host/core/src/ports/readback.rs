//! Where readings of targets are kept: the pages while they are read, and then how the members are not as they should be.

use super::store::{DocumentWrite, Result};
use crate::Millis;
use crate::id::{ProfileId, ReadbackId};
use crate::readback::{DriftKind, Found, ReadMember};
use async_trait::async_trait;

/// A member of a target, or one that was.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownMember {
    /// The profile's number.
    pub profile: i64,
    /// What the vendor last called it.
    pub member_id: Option<String>,
    pub found: Found,
}

/// One member that is not as the ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drift {
    /// The profile's number.
    pub profile: i64,
    pub kind: DriftKind,
}

/// Drift as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftEntry {
    pub profile: ProfileId,
    pub kind: DriftKind,
    /// The next delivery puts it right.
    pub repaired: bool,
}

/// In whose ledger drift is put right. What changed since `began` is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The target as the destination knows it.
    pub target: String,
    pub began: Millis,
    pub now: Millis,
}

/// Readings of targets. As with the sandbox's store, a write is one transaction and durable when it returns.
#[async_trait]
pub trait ReadbackStore: Send + Sync + 'static {
    /// Whom a target holds, whom it is not settled about, and who was taken out of it; in the order of profile numbers,
    /// after `after`.
    fn known_members(&self, target: &str, after: i64, limit: usize) -> Result<Vec<KnownMember>>;
    /// Keeps a page that was read, with the reading's document. The same page again takes its place.
    async fn keep_read_page(
        &self,
        readback: &ReadbackId,
        page: u32,
        members: Vec<ReadMember>,
        document: DocumentWrite,
    ) -> Result<()>;
    /// Pages of a reading in order, from `first` on.
    fn read_pages(&self, readback: &ReadbackId, first: u32, limit: usize) -> Result<Vec<(u32, Vec<ReadMember>)>>;
    /// Writes down drift, what is there already apart; with `repair`, has the next delivery put it right.
    async fn commit_drift(&self, readback: &ReadbackId, drift: Vec<Drift>, repair: Option<Repair>) -> Result<()>;
    /// How many are of a kind, and how many of those are put right.
    fn count_drift(&self, readback: &ReadbackId, kind: DriftKind) -> Result<(u64, u64)>;
    /// In the order of profile numbers, after `after`; with each profile's number.
    fn drift(
        &self,
        readback: &ReadbackId,
        kind: Option<DriftKind>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, DriftEntry)>>;
    /// Forgets the pages of a reading, and writes its document.
    async fn forget_read_pages(&self, readback: &ReadbackId, document: DocumentWrite) -> Result<()>;
    /// Forgets the pages of a reading and what it found, and writes its document.
    async fn forget_reading(&self, readback: &ReadbackId, document: DocumentWrite) -> Result<()>;
}
