//! One sandbox, open: its store, its engine, and what is done in it. Each resource is a file beside this one with an
//! `impl Sandbox`.

use super::audit;
use super::connectors::SandboxConnectors;
use super::documents;
use super::files::SpoolOwner;
use super::keys::Caller;
use super::plugins::Plugins;
use super::refusal::{Refusal, Result};
use super::secrets::Vault;
use super::tenancy::SandboxEntry;
use attiva_core::Millis;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::{ControlStore, Document, DocumentWrite, Expect, Kind, SandboxStore};
use attiva_sync::Engine;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// An open sandbox.
pub struct Sandbox {
    pub(super) entry: SandboxEntry,
    pub(super) store: Arc<dyn SandboxStore>,
    pub(super) engine: Engine,
    pub(super) connectors: Arc<SandboxConnectors>,
    pub(super) plugins: Arc<Plugins>,
    pub(super) control: Arc<dyn ControlStore>,
    pub(super) vault: Vault,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) chance: Arc<dyn Chance>,
    /// Held while a connection, or what stands on one, is changed: a connection is several documents in two stores.
    pub(super) connections_change: tokio::sync::Mutex<()>,
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

    /// Removes what a kill has left over: secrets and grants of no connection, spools of what has ended. At the start
    /// only: later, a connection that is being made has its secrets before it has its document.
    pub(super) async fn reconcile(&self) -> Result<()> {
        self.reconcile_connections().await?;
        for (owner, name) in self.connectors.spools.all()? {
            let is_needed = match &owner {
                SpoolOwner::Connection(id) => self.store.document(Kind::Connection, id)?.is_some(),
                SpoolOwner::Delivery(id) => self.delivery(id.as_str()).is_ok_and(|d| !d.status.has_ended()),
            };
            if !is_needed {
                tracing::info!(spool = name, "removing a spool that nothing needs");
                self.connectors.spools.remove(&name)?;
            }
        }
        Ok(())
    }

    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// The control store's id of something of a connection: ids of connections are unique within a sandbox only.
    pub(super) fn control_id(&self, connection: &str) -> String {
        format!("{}/{connection}", self.entry.id())
    }

    pub(super) fn get<T: DeserializeOwned>(&self, kind: Kind, what: &str, id: &str) -> Result<Versioned<T>> {
        let Document { body, version, .. } =
            self.store.document(kind, id)?.ok_or_else(|| Refusal::missing(what, id))?;
        Ok(Versioned { value: documents::read(body)?, version })
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
        let event = audit::event(self.now(), caller, action, subject, Some(&self.entry.name), detail);
        Ok(self.control.audit(event).await?)
    }
}
