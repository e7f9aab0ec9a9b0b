//! Which sandbox fills which target that keeps its members, across organisations: two that fill one would take out each
//! other's members.
//!
//! A target is taken before the activation's document is written, and let go after that is removed and nobody of the
//! sandbox is there any more; what a kill leaves over in between is put right at the next start.

use super::connectors::SandboxConnectors;
use super::documents;
use super::refusal::{Refusal, Result};
use super::sandbox::Sandbox;
use super::tenancy::SandboxEntry;
use attiva_core::activation::Export;
use attiva_core::config::{Activation, Connection};
use attiva_core::holding::{Holding, TargetTaken};
use attiva_core::ports::store::{
    ControlKind, ControlStore, Document, Expect, Kind, SandboxStore, StoreError, TargetKey,
};
use attiva_core::spec::DeliveryMode;
use attiva_core::{Fault, FaultKind};
use attiva_sync::Connectors;
use std::collections::HashSet;
use std::sync::Arc;

/// The registry.
#[derive(Clone)]
pub struct Holdings {
    control: Arc<dyn ControlStore>,
}

impl Holdings {
    pub fn new(control: Arc<dyn ControlStore>) -> Self {
        Self { control }
    }

    /// Has a target filled by a sandbox, if no other one fills it.
    ///
    /// # Errors
    /// `activation.target-taken`.
    pub async fn take(&self, entry: &SandboxEntry, target: &TargetKey) -> Result<()> {
        match self.try_take(entry, target).await? {
            Ok(()) => Ok(()),
            Err(taken) => Err(refused(&taken)),
        }
    }

    async fn try_take(&self, entry: &SandboxEntry, target: &TargetKey) -> Result<std::result::Result<(), TargetTaken>> {
        let new = Holding { target: target.clone(), organisation: entry.organisation.clone(), sandbox: entry.id() };
        let id = id(target)?;
        loop {
            if let Some(Document { body, .. }) = self.control.document(ControlKind::Holding, &id)? {
                return Ok(documents::read::<Holding>(body)?.admits(&new));
            }
            match self
                .control
                .put_document(ControlKind::Holding, &id, documents::write(&new)?, Expect::Absent, None)
                .await
            {
                Ok(_) => return Ok(Ok(())),
                // Somebody was faster: the next turn says who.
                Err(StoreError::Exists) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// For an activation that was there before the registry was: what is, is kept account of.
    pub async fn note(&self, entry: &SandboxEntry, activation: &Activation, target: &TargetKey) -> Result<()> {
        if let Err(taken) = self.try_take(entry, target).await? {
            let (activation, sandbox) = (activation.id.as_str(), entry.id());
            tracing::error!(activation, sandbox, "made before the registry was, and left alone: {taken}");
        }
        Ok(())
    }

    /// Lets the targets of a sandbox go for which `gone` holds.
    pub async fn let_go(&self, entry: &SandboxEntry, gone: impl Fn(&TargetKey) -> Result<bool>) -> Result<()> {
        let next = |after: Option<&str>, limit| -> Result<Vec<Document>> {
            Ok(self.control.documents(ControlKind::Holding, after, limit)?)
        };
        let of_sandbox = |held: &Holding| held.sandbox == entry.id();
        for held in documents::filtered(next, None, usize::MAX, of_sandbox)? {
            if gone(&held.target)? {
                self.control.delete_document(ControlKind::Holding, &id(&held.target)?, Expect::Anything, None).await?;
            }
        }
        Ok(())
    }
}

impl Sandbox {
    /// Has the target of an activation, if it keeps its members, filled by this sandbox.
    ///
    /// # Errors
    /// `activation.target-taken`.
    pub(super) async fn take_target(&self, activation: &Activation, connection: &Connection) -> Result<()> {
        if !keeps_members(&self.connectors, activation, connection)? {
            return Ok(());
        }
        self.connectors.holdings.take(&self.entry, &activation.target_key(&connection.instance)).await
    }

    /// Lets a target go, if nothing in the sandbox fills it any more.
    pub(super) async fn let_target_go(&self, target: &TargetKey) -> Result<()> {
        let named = named(&activations(&*self.store)?);
        let gone = |held: &TargetKey| Ok(held == target && !is_filled(&*self.store, &named, held)?);
        self.connectors.holdings.let_go(&self.entry, gone).await
    }
}

/// Puts right what a kill has left over, and notes what was there before the registry was.
pub(super) async fn reconcile(store: &dyn SandboxStore, connectors: &SandboxConnectors) -> Result<()> {
    let SandboxConnectors { holdings, entry, .. } = connectors;
    let activations = activations(store)?;
    let named = named(&activations);
    holdings.let_go(entry, |target| Ok(!is_filled(store, &named, target)?)).await?;
    for (activation, connection) in &activations {
        // What a plugin that is not ready would declare is not known; it was, when the activation was made.
        if keeps_members(connectors, activation, connection).unwrap_or_default() {
            holdings.note(entry, activation, &activation.target_key(&connection.instance)).await?;
        }
    }
    Ok(())
}

/// With the connection of each.
fn activations(store: &dyn SandboxStore) -> Result<Vec<(Activation, Connection)>> {
    let connections: Vec<Connection> = documents::all(store, Kind::Connection)?;
    let of = |activation: &Activation| connections.iter().find(|it| it.id == activation.connection).cloned();
    let all: Vec<Activation> = documents::all(store, Kind::Activation)?;
    Ok(all.into_iter().filter_map(|it| of(&it).map(|connection| (it, connection))).collect())
}

/// Targets that some activation names, retired or not.
fn named(activations: &[(Activation, Connection)]) -> HashSet<TargetKey> {
    activations.iter().map(|(activation, connection)| activation.target_key(&connection.instance)).collect()
}

/// Whether an activation may yet deliver to the target, or somebody who was sent is there: while the ledger says so, it has
/// to stay true.
fn is_filled(store: &dyn SandboxStore, named: &HashSet<TargetKey>, target: &TargetKey) -> Result<bool> {
    let has_members = |id: String| store.has_members(&id);
    Ok(named.contains(target) || store.target(target)?.map(has_members).transpose()?.unwrap_or_default())
}

/// A file of what has changed has a target of its own, which no name of another's can mean.
fn keeps_members(connectors: &SandboxConnectors, activation: &Activation, connection: &Connection) -> Result<bool> {
    let mode = connectors.delivery(&connection.plugin)?.mode;
    Ok(activation.export == Export::Full && mode == DeliveryMode::Records)
}

/// The id of a target: its words as JSON, so that no two have one.
fn id(target: &TargetKey) -> Result<String> {
    let TargetKey { system, instance, object, name } = target;
    Ok(documents::write(&[system, instance, object, name])?.to_string())
}

fn refused(taken: &TargetTaken) -> Refusal {
    let fault = Fault::new(FaultKind::Config, "activation.target-taken", taken.to_string());
    let action = "Name another target, or activate from the sandbox that fills this one. It is free once that sandbox's \
                  activations of it are retired, delivered and deleted, or the sandbox is removed.";
    fault.action(action).field("/target/name").into()
}
