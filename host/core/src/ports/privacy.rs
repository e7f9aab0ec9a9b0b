//! What the stores do for requests about personal data.

use super::store::{Result, TargetKey};
use crate::Millis;
use crate::id::{ActivationId, DeliveryId, PrivacyId, ProfileId};
use crate::ledger::Row;
use crate::privacy::{Counts, Left, Mentions, Subject};
use async_trait::async_trait;
use std::collections::BTreeSet;

/// All that hangs together with somebody.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Footprint {
    /// Those that answer to a subject: several persons, where an identity is shared.
    pub profiles: Vec<(i64, ProfileId)>,
    /// Profiles of other entities that are about one of those: memberships, relations, things of their own.
    pub related: Vec<(i64, ProfileId)>,
    /// Numbers of the records of all of these, those that were deleted or merged away at the source among them.
    pub records: Vec<i64>,
    /// What names them, each once, with the entity it is a name of.
    pub names: Vec<Name>,
    /// What targets were sent of them.
    pub sent: Vec<Sent>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub subject: Subject,
    /// Somebody else carries it as well: it stays theirs.
    pub shared: bool,
}

/// What a target was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// `None`: files, which have no ledger; the activation says which.
    pub target: Option<(String, TargetKey)>,
    /// Activations that fill it; none is left, if all were deleted.
    pub activations: Vec<ActivationId>,
    /// What it holds, and what may be on its way.
    pub rows: Vec<Row>,
    /// What its vendor calls them, where it has said so.
    pub member_ids: BTreeSet<String>,
}

/// A sandbox's store, asked by persons. As with the rest of it, a write is one transaction and durable when it returns.
#[async_trait]
pub trait PrivacyStore: Send + Sync + 'static {
    /// What hangs together with whoever carries one of these.
    fn footprint(&self, of: &[Subject]) -> Result<Footprint>;
    /// All that is kept of a footprint, as JSON for people.
    fn export(&self, footprint: &Footprint) -> Result<serde_json::Value>;
    /// Removes a footprint, and notes that the request did. No page may be committed and no step of a projector be under
    /// way. Answers with all that the request has removed, also where it is asked again.
    async fn erase(&self, request: &PrivacyId, footprint: Footprint, now: Millis) -> Result<Counts>;
    /// Takes values out of whatever else says them: others' records, events, rejects, outcomes, runs. Answers with what
    /// was changed, and with what people configured that names them, which stays. Reads every row of the sandbox.
    async fn sweep(&self, of: Mentions) -> Result<(Counts, Vec<Left>)>;
    /// Deliveries that have something of these profiles on its way to a vendor.
    fn on_their_way(&self, request: &PrivacyId) -> Result<Vec<DeliveryId>>;
    /// Requests that have removed something here, or were noted to have.
    fn erased_by(&self) -> Result<Vec<PrivacyId>>;
    async fn note_erased(&self, requests: Vec<PrivacyId>, now: Millis) -> Result<()>;
    /// Everything that names anybody, by place; for a store that is older than some erasures.
    fn everybody(&self, each: &mut dyn FnMut(Subject)) -> Result<()>;
    /// Makes the file hold nothing that was deleted, as far as SQLite overwrites it: the log is emptied into it. False
    /// while a reader keeps some of the log.
    async fn empty_log(&self) -> Result<bool>;
    /// Writes the file anew, without what may be left in its gaps. Nobody writes meanwhile.
    async fn rewrite(&self) -> Result<()>;
}

/// Where keyed hashes are kept of what names somebody who was erased: apart from what it is about, so that a sandbox
/// that is restored from a backup does not forget them.
#[async_trait]
pub trait TombstoneStore: Send + Sync + 'static {
    fn tombstones(&self, sandbox: &str) -> Result<Vec<[u8; 32]>>;
    /// Returns how many are new.
    async fn put_tombstones(&self, sandbox: &str, request: &PrivacyId, hashes: Vec<[u8; 32]>) -> Result<u64>;
    /// The sandbox is no more.
    async fn forget_tombstones(&self, sandbox: &str) -> Result<()>;
    /// Forgets kept answers, not the requests: asked again, each finds what it made. Returns how many.
    async fn forget_answers(&self) -> Result<u64>;
    /// Takes values out of the audit log. Returns how many events had one.
    async fn sweep_audit(&self, of: Mentions) -> Result<u64>;
    /// As [`PrivacyStore::empty_log`].
    async fn empty_log(&self) -> Result<bool>;
    async fn rewrite(&self) -> Result<()>;
}
