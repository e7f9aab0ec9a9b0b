//! What spans sandboxes: organisations, keys, plugins, secrets, grants, vendors' instances, the audit log and kept requests.

use super::privacy::TombstoneStore;
use super::store::{Document, Expect, Result};
use crate::Millis;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Kinds of documents of the control database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlKind {
    Organisation,
    Sandbox,
    ApiKey,
    /// When a key was last used, under its id.
    KeyUse,
    Plugin,
    /// Which version of a plugin's name is in use.
    PluginInUse,
    /// Whose plugins are taken.
    Publisher,
    /// How a connection gets along with its plugin: sums, denials, evidence.
    Conduct,
    /// A connection's secrets, sealed.
    Secret,
    /// What an operator allowed a connection beyond its plugin's own origins.
    Grant,
    /// Which connections use an instance of a vendor's system, in one role.
    Instance,
    /// Which sandbox fills a target that keeps its members.
    Holding,
    /// An erasure, with its receipts; the id is `<sandbox>/<its own>`.
    Erasure,
    /// What is spent of an instance's budget.
    Quota,
    /// What an operator says of an instance's limits.
    QuotaLimits,
    /// An authorisation that a person was asked for, under the digest of its state.
    Authorization,
    /// What a person's consent is to a connection: since when, until when.
    AppConsent,
}

/// Something an operator or the host did that must be told later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent {
    pub at: Millis,
    /// A key's id, or `host`.
    pub actor: String,
    /// `plugin.installed`, `grant.added`.
    pub action: String,
    pub subject: String,
    pub detail: serde_json::Value,
}

/// A request that can be repeated, kept before it is dealt with. Time and chance make the ids of what it makes: so a
/// repeat finds what was made by a request that was never answered.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptRequest {
    /// SHA-256 of what was asked, in hex.
    pub fingerprint: String,
    /// When it was first asked.
    pub at: Millis,
    pub chance: [u8; 6],
    /// `None` until it was answered.
    pub answer: Option<KeptAnswer>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptAnswer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// What spans sandboxes.
#[async_trait]
pub trait ControlStore: TombstoneStore {
    fn document(&self, kind: ControlKind, id: &str) -> Result<Option<Document>>;
    fn documents(&self, kind: ControlKind, after: Option<&str>, limit: usize) -> Result<Vec<Document>>;
    /// Writes a document and what is to be told of it, together.
    async fn put_document(
        &self,
        kind: ControlKind,
        id: &str,
        body: serde_json::Value,
        expect: Expect,
        audit: Option<AuditEvent>,
    ) -> Result<u64>;
    async fn delete_document(
        &self,
        kind: ControlKind,
        id: &str,
        expect: Expect,
        audit: Option<AuditEvent>,
    ) -> Result<()>;
    async fn audit(&self, event: AuditEvent) -> Result<()>;
    /// Tells it unless this action on this subject was told before: for what happens to a subject once.
    async fn audit_once(&self, event: AuditEvent) -> Result<()>;
    /// Newest last; `after` is the number returned with the last one.
    fn audit_events(&self, after: u64, limit: usize) -> Result<Vec<(u64, AuditEvent)>>;
    /// Looks at the oldest events, at most so many, and forgets those from before `before`, up to the first that is
    /// younger, but never the newest of all: numbers go on. Where there were some, tells so, with their number in `detail`
    /// as `entries`. True: there may be more.
    async fn forget_audit(&self, before: Millis, limit: usize, told: AuditEvent) -> Result<bool>;
    /// The request kept under a key (scope and the client's own key together).
    fn kept_request(&self, key: &str) -> Result<Option<KeptRequest>>;
    /// Keeps a request in the place of the one before, and forgets those from before `forget_before`.
    async fn keep_request(&self, key: &str, request: KeptRequest, forget_before: Millis) -> Result<()>;
}
