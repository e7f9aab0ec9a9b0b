//! One sandbox, open: its store, its engine, and what is done in it. Each resource is a file beside this one with an
//! `impl Sandbox`.

use super::audit;
use super::connectors::SandboxConnectors;
use super::documents;
use super::files::SandboxFiles;
use super::keys::Caller;
use super::plugins::Plugins;
use super::refusal::{Refusal, Result};
use super::secrets::Vault;
use super::tenancy::SandboxEntry;
use attiva_core::Millis;
use attiva_core::ports::clock::Clock;
use attiva_core::ports::consent::ConsentStore;
use attiva_core::ports::store::{AuditEvent, ControlStore, Document, DocumentWrite, Expect, Kind, SandboxStore};
use attiva_store::Sealer;
use attiva_sync::Engine;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// An open sandbox.
pub struct Sandbox {
    pub(super) entry: SandboxEntry,
    pub(super) store: Arc<dyn SandboxStore>,
    /// The same, for copies of it.
    pub(super) stored: Arc<attiva_store::Sandbox>,
    pub(super) consents: Arc<dyn ConsentStore>,
    pub(super) engine: Engine,
    pub(super) connectors: Arc<SandboxConnectors>,
    pub(super) plugins: Arc<Plugins>,
    pub(super) control: Arc<dyn ControlStore>,
    pub(super) vault: Vault,
    pub(super) sealer: Arc<Sealer>,
    pub(super) clock: Arc<dyn Clock>,
    /// Held while a connection, or what stands on one, is changed: a connection is several documents in two stores.
    pub(super) connections_change: tokio::sync::Mutex<()>,
    pub(super) files: SandboxFiles,
    /// Held during a step of an erasure, or while a backup is made.
    pub(super) erasing: tokio::sync::Mutex<()>,
    /// Somebody decided something about an erasure that waits.
    pub(super) erasing_on: tokio::sync::Notify,
}

/// A document with its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    pub value: T,
    pub version: u64,
}

impl Sandbox {
    #[must_use]
    pub fn entry(&self) -> &SandboxEntry {
        &self.entry
    }

    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    pub(super) fn control_id(&self, connection: &str) -> String {
        self.connectors.control_id(connection)
    }

    pub(super) fn get<T: DeserializeOwned>(&self, kind: Kind, what: &str, id: &str) -> Result<Versioned<T>> {
        self.find(kind, id)?.ok_or_else(|| Refusal::missing(what, id))
    }

    /// What a request made before it could be answered: its stamp made this id.
    pub(super) fn find<T: DeserializeOwned>(&self, kind: Kind, id: &str) -> Result<Option<Versioned<T>>> {
        let Some(Document { body, version, .. }) = self.store.document(kind, id)? else { return Ok(None) };
        Ok(Some(Versioned { value: documents::read(body)?, version }))
    }

    pub(super) async fn put<T: Serialize>(&self, kind: Kind, id: &str, value: &T, expect: Expect) -> Result<u64> {
        let body = documents::write(value)?;
        Ok(self.store.put_document(DocumentWrite { kind, id: id.to_owned(), body }, expect).await?)
    }

    /// Documents of a kind that `keep` wants, in the order of their ids, after `after`.
    pub(super) fn list<T: DeserializeOwned>(
        &self,
        kind: Kind,
        after: Option<&str>,
        limit: usize,
        keep: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>> {
        let next = |after: Option<&str>, limit| Ok(self.store.documents(kind, after, limit)?);
        documents::filtered(next, after, limit, keep)
    }

    pub(super) async fn tell(
        &self,
        caller: &Caller,
        action: &str,
        subject: &str,
        detail: serde_json::Value,
    ) -> Result<()> {
        let event = self.event(caller, action, subject, detail);
        Ok(self.control.audit(event).await?)
    }

    /// Tells what happens to a subject once. The repeat of a request that a kill stopped before it was told tells it.
    pub(super) async fn tell_once(
        &self,
        caller: &Caller,
        action: &str,
        subject: &str,
        detail: serde_json::Value,
    ) -> Result<()> {
        let event = self.event(caller, action, subject, detail);
        Ok(self.control.audit_once(event).await?)
    }

    /// An operator may be of another organisation than the sandbox: the event is the sandbox's.
    pub(super) fn event(&self, caller: &Caller, action: &str, subject: &str, detail: serde_json::Value) -> AuditEvent {
        let SandboxEntry { organisation, name, .. } = &self.entry;
        audit::event(self.now(), caller, organisation, action, subject, Some(name), detail)
    }
}
