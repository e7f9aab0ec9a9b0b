//! What spans sandboxes: organisations, keys, plugins, secrets, grants, the audit log and kept answers.

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
    Plugin,
    /// A connection's secrets, sealed.
    Secret,
    /// What an operator allowed a connection beyond its plugin's own origins.
    Grant,
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

/// An answer kept for a repeated request.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptAnswer {
    /// SHA-256 of what was asked, in hex.
    pub fingerprint: String,
    pub status: u16,
    pub body: Vec<u8>,
    pub at: Millis,
}

/// What spans sandboxes.
#[async_trait]
pub trait ControlStore: Send + Sync + 'static {
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
    /// Newest last; `after` is the number returned with the last one.
    fn audit_events(&self, after: u64, limit: usize) -> Result<Vec<(u64, AuditEvent)>>;
    /// The answer kept under a key (scope and the client's own key together).
    fn kept_answer(&self, key: &str) -> Result<Option<KeptAnswer>>;
    /// Keeps an answer, and forgets those from before `forget_before`.
    async fn keep_answer(&self, key: &str, answer: KeptAnswer, forget_before: Millis) -> Result<()>;
}
