//! Removing sandboxes and organisations with all that is in them.
//!
//! That a removal has begun is written down first; from then on nobody gets in, and it goes on after any stop. Then the
//! files go, then what other stores keep of the sandbox, and last the sandbox's own entry: so whatever a kill leaves has an
//! entry that says what to go on with.

use super::connectors::SandboxConnectors;
use super::documents;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use super::tenancy::{Organisation, SandboxEntry};
use super::{App, tenancy};
use attiva_core::access::Scope;
use attiva_core::config::Connection;
use attiva_core::id::OrganisationId;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{ControlKind, Expect, Kind, SandboxStore};
use attiva_core::{Fault, FaultKind, Millis};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What goes with a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "SandboxContents")]
pub struct Contents {
    pub sandbox: String,
    pub connections: u64,
    pub segments: u64,
    pub activations: u64,
    pub runs: u64,
    pub deliveries: u64,
    pub profiles: u64,
    /// Freed on the disk.
    pub disk_bytes: u64,
    /// Runs and deliveries that are going on: nothing is removed until they have ended.
    pub going: Vec<String>,
}

/// What goes with an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OrganisationContents {
    pub organisation: OrganisationId,
    pub keys: u64,
    pub sandboxes: Vec<Contents>,
}

/// Longest time for what goes on in a sandbox to stop: projectors, at their next step.
const STOP: Duration = Duration::from_secs(20);
/// Longest time that requests which are still at work in it are waited for.
const REQUESTS: Duration = Duration::from_secs(10);
/// Longest time that vendors are told of cursors that will not be used again. One that is away must not hold this up.
const GIVE_UP: Duration = Duration::from_secs(30);

impl App {
    /// What would go with a sandbox.
    pub fn sandbox_contents(&self, organisation: &OrganisationId, name: &str) -> Result<Contents> {
        self.contents(&*self.opened(organisation, name)?)
    }

    /// What would go with an organisation.
    pub fn organisation_contents(&self, caller: &Caller, id: &str) -> Result<OrganisationContents> {
        caller.must(Scope::OrganisationsRead)?;
        let organisation = self.tenancy().organisation(id)?.id;
        let sandboxes: Result<Vec<Contents>> = self.open_of(&organisation).iter().map(|s| self.contents(s)).collect();
        let keys = self.keys().list(&organisation, None, usize::MAX)?.len() as u64;
        Ok(OrganisationContents { organisation, keys, sandboxes: sandboxes? })
    }

    fn contents(&self, sandbox: &Sandbox) -> Result<Contents> {
        let store = &*sandbox.store;
        Ok(Contents {
            sandbox: sandbox.entry.name.clone(),
            connections: count(store, Kind::Connection)?,
            segments: count(store, Kind::Segment)?,
            activations: count(store, Kind::Activation)?,
            runs: count(store, Kind::Run)?,
            deliveries: count(store, Kind::Delivery)?,
            profiles: store.count_profiles(&EntityName::PERSON)?,
            disk_bytes: self.inner.data.sandbox_bytes(&sandbox.entry.id())?,
            going: sandbox.engine.going()?,
        })
    }

    /// Removes a sandbox for good; returns when its disk is free again. One whose removal was cut short is removed.
    ///
    /// # Errors
    /// `sandbox.in-use` with what is going on; nothing is removed then.
    pub async fn remove_sandbox(&self, caller: &Caller, organisation: &OrganisationId, name: &str) -> Result<()> {
        let _alone = self.inner.tenancy_change.lock().await;
        let mut entry = self.tenancy().sandbox(organisation, name)?;
        if entry.removing_since.is_none() {
            let sandbox = self.opened(organisation, name)?;
            let going = sandbox.engine.retire().await?;
            if !going.is_empty() {
                return Err(in_use("sandbox", &going));
            }
            match self.tenancy().begin_to_remove_sandbox(&entry, caller.key.as_str()).await {
                Ok(marked) => entry = marked,
                Err(refusal) => {
                    sandbox.engine.reinstate();
                    return Err(refusal);
                }
            }
        }
        self.finish_sandbox(&entry).await
    }

    /// Removes an organisation with its keys and sandboxes.
    ///
    /// # Errors
    /// `key.scope`; `organisation.own`; `organisation.in-use` with what is going on; nothing is removed then.
    pub async fn remove_organisation(&self, caller: &Caller, id: &str) -> Result<()> {
        caller.must(Scope::OrganisationsWrite)?;
        let _alone = self.inner.tenancy_change.lock().await;
        let organisation = self.tenancy().organisation(id)?;
        if organisation.id == caller.organisation {
            let message = "the key that asks is bound to this organisation, and would go with it";
            let action = "Use an operator's key of another organisation.";
            return Err(Fault::new(FaultKind::Config, "organisation.own", message).action(action).into());
        }
        if organisation.removing_since.is_none() {
            let sandboxes = self.open_of(&organisation.id);
            let begun = match retire_all(&sandboxes).await {
                Ok(()) => self.tenancy().begin_to_remove_organisation(&organisation.id, caller.key.as_str()).await,
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = begun {
                sandboxes.iter().for_each(|sandbox| sandbox.engine.reinstate());
                return Err(refusal);
            }
        }
        self.finish_organisation(&organisation).await
    }

    /// Goes on with removals that a stop or a kill left unfinished.
    pub(super) async fn resume_removals(&self) -> Result<()> {
        let unfinished = |since: Option<Millis>| since.is_some();
        let organisations = self.tenancy().organisations(None, usize::MAX)?;
        for organisation in organisations.into_iter().filter(|o| unfinished(o.removing_since)) {
            // Before anybody can ask with one of them.
            self.keys().forget_all(&organisation.id, None).await?;
            let app = self.clone();
            self.inner.removals.spawn(async move {
                let _alone = app.inner.tenancy_change.lock().await;
                left(&organisation.name, app.finish_organisation(&organisation).await);
            });
        }
        for entry in self.tenancy().all_sandboxes()?.into_iter().filter(|e| unfinished(e.removing_since)) {
            let app = self.clone();
            self.inner.removals.spawn(async move {
                let _alone = app.inner.tenancy_change.lock().await;
                // It may have gone with its organisation meanwhile.
                if app.tenancy().sandbox(&entry.organisation, &entry.name).is_ok() {
                    left(&entry.id(), app.finish_sandbox(&entry).await);
                }
            });
        }
        Ok(())
    }

    async fn finish_organisation(&self, organisation: &Organisation) -> Result<()> {
        self.keys().forget_all(&organisation.id, None).await?;
        for mut entry in self.tenancy().sandboxes(&organisation.id, None, usize::MAX)? {
            if entry.removing_since.is_none() {
                entry = self.tenancy().begin_to_remove_sandbox(&entry, "host").await?;
            }
            self.finish_sandbox(&entry).await?;
        }
        self.tenancy().forget_organisation(organisation).await
    }

    /// Repeats nothing that is done, so it can be cut off anywhere.
    async fn finish_sandbox(&self, entry: &SandboxEntry) -> Result<()> {
        let id = entry.id();
        let open = self.inner.sandboxes.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        match open {
            Some(sandbox) => {
                sandbox.engine.drain(STOP).await;
                give_up(&*sandbox.store, &sandbox.connectors).await;
                close(sandbox).await;
            }
            // Not opened, since its removal had begun at the last start. A store that was removed in part tells nothing.
            None => match self.parts(entry) {
                Ok((store, connectors)) => give_up(&*store, &connectors).await,
                Err(refusal) => tracing::warn!(sandbox = id, "its vendors are not told: {refusal}"),
            },
        }
        self.inner.data.remove_sandbox(&id)?;
        self.forget_connections(entry).await?;
        // One of this name that is made later is another.
        self.keys().forget_all(&entry.organisation, Some(&entry.name)).await?;
        self.tenancy().forget_sandbox(entry).await?;
        tracing::info!(sandbox = id, "sandbox removed");
        Ok(())
    }

    /// What the control store keeps of a sandbox's connections.
    async fn forget_connections(&self, entry: &SandboxEntry) -> Result<()> {
        let control = &*self.inner.control;
        let prefix = format!("{}/", entry.id());
        for kind in [ControlKind::Secret, ControlKind::Grant, ControlKind::Erasure] {
            for id in documents::ids(control, kind, &prefix)? {
                control.delete_document(kind, &id, Expect::Anything, None).await?;
            }
        }
        control.forget_tombstones(&entry.id()).await?;
        self.inner.holdings.let_go(entry, |_| Ok(true)).await?;
        self.inner.instances.leave(entry, |_| true).await
    }

    fn open_of(&self, organisation: &OrganisationId) -> Vec<Arc<Sandbox>> {
        let mut of: Vec<_> =
            self.open_sandboxes().into_iter().filter(|s| s.entry.organisation == *organisation).collect();
        of.sort_by(|a, b| a.entry.name.cmp(&b.entry.name));
        of
    }
}

async fn retire_all(sandboxes: &[Arc<Sandbox>]) -> Result<()> {
    let mut all = Vec::new();
    for sandbox in sandboxes {
        let going = sandbox.engine.retire().await?;
        all.extend(going.into_iter().map(|id| format!("{}/{id}", sandbox.entry.name)));
    }
    if all.is_empty() { Ok(()) } else { Err(in_use("organisation", &all)) }
}

fn in_use(what: &str, going: &[String]) -> Refusal {
    let fields = going.iter().map(|id| FieldProblem::new("", format!("{id} is still going"))).collect();
    let message = format!("the {what} is at work: {}", going.join(", "));
    let fault = Fault::new(FaultKind::Config, format!("{what}.in-use"), message);
    Refusal { fault: fault.action("Cancel what is going on, or wait until it has ended, and repeat."), fields }
}

fn left(what: &str, finished: Result<()>) {
    if let Err(refusal) = finished {
        tracing::error!(
            what,
            "a removal was not finished, and goes on at the next start, or when asked again: {refusal}"
        );
    }
}

pub(super) fn count(store: &dyn SandboxStore, kind: Kind) -> Result<u64> {
    let mut count = 0;
    let mut after: Option<String> = None;
    loop {
        let documents = store.documents(kind, after.as_deref(), documents::STRIDE)?;
        count += documents.len() as u64;
        match documents.last() {
            Some(last) if documents.len() == documents::STRIDE => after = Some(last.id.clone()),
            _ => return Ok(count),
        }
    }
}

/// Best effort: tells vendors that cursors will not be used again, so that nothing of ours stays with them.
async fn give_up(store: &dyn SandboxStore, connectors: &SandboxConnectors) {
    let all = async {
        let next = |after: Option<&str>, limit| Ok(store.documents(Kind::Connection, after, limit)?);
        for connection in documents::filtered(next, None, usize::MAX, |_: &Connection| true)? {
            connectors.give_up(&connection, &store.stream_states(&connection.id)?).await;
        }
        Ok(())
    };
    match tokio::time::timeout(GIVE_UP, all).await {
        Ok(Ok(())) => {}
        Ok(Err(refusal)) => left("what connections hold at vendors", Err(refusal)),
        Err(_) => tracing::warn!("vendors did not answer in time: what connections hold there may stay"),
    }
}

/// Waits until nobody is at work in it any more, and closes its store.
async fn close(sandbox: Arc<Sandbox>) {
    let waited = tokio::time::timeout(REQUESTS, async {
        while Arc::strong_count(&sandbox) > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    if waited.await.is_err() {
        tracing::warn!(sandbox = sandbox.entry.id(), "requests are still at work in a sandbox that is removed");
    }
    // Closing waits for the store's threads.
    let closed = tokio::task::spawn_blocking(move || drop(sandbox)).await;
    if closed.is_err() {
        tracing::error!("a store could not be closed in order");
    }
}

/// Why a sandbox of this name cannot be had.
pub(super) fn absent(entry: Result<SandboxEntry>, name: &str) -> Refusal {
    match entry {
        Ok(SandboxEntry { removing_since: Some(_), .. }) => tenancy::removing(name),
        _ => Refusal::missing("sandbox", name),
    }
}
