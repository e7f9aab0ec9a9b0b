//! Organisations and their sandboxes. A sandbox's name is unique within its organisation, so nobody can name, or find
//! out about, a sandbox of somebody else.

use super::documents;
use super::refusal::{Refusal, Result};
use super::stamp::Stamp;
use attiva_core::id::OrganisationId;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::{AuditEvent, ControlKind, ControlStore, Expect, StoreError};
use attiva_core::{Fault, FaultKind, Millis};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Who owns sandboxes and keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Organisation {
    pub id: OrganisationId,
    pub name: String,
    pub created_at: Millis,
    /// Its removal has begun, and goes on after any stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removing_since: Option<Millis>,
}

/// A place of its own: store, connections, profiles, segments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SandboxEntry {
    pub organisation: OrganisationId,
    /// As it stands in paths.
    pub name: String,
    pub created_at: Millis,
    /// The request that made it: names are given by people, so its id does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<Stamp>,
    /// Its removal has begun, and goes on after any stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removing_since: Option<Millis>,
}

impl SandboxEntry {
    /// What the sandbox is called across organisations: in the control store, and as a directory.
    #[must_use]
    pub fn id(&self) -> String {
        sandbox_id(&self.organisation, &self.name)
    }
}

/// The name of the organisation and of the sandbox that the first start makes.
pub const DEFAULT: &str = "default";

/// Organisations and sandboxes.
#[derive(Clone)]
pub struct Tenancy {
    control: Arc<dyn ControlStore>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
}

/// What a sandbox is called across organisations.
pub(super) fn sandbox_id(organisation: &OrganisationId, name: &str) -> String {
    format!("{organisation}-{name}")
}

impl Tenancy {
    pub fn new(control: Arc<dyn ControlStore>, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self { control, clock, chance }
    }

    /// The organisation that owns what nobody else does; made with its sandbox when there is none yet. Safe to repeat
    /// after a kill in between.
    pub async fn ensure_default(&self) -> Result<Organisation> {
        let first = self.control.documents(ControlKind::Organisation, None, 1)?.into_iter().next();
        let organisation = match first {
            Some(document) => documents::read(document.body)?,
            None => self.create_organisation(DEFAULT, "host", Stamp::fresh(&*self.clock, &*self.chance)).await?,
        };
        if self.sandbox(&organisation.id, DEFAULT).is_err() {
            self.create_sandbox(&organisation.id, DEFAULT, "host", Stamp::fresh(&*self.clock, &*self.chance)).await?;
        }
        Ok(organisation)
    }

    /// Makes an organisation; the same request again finds it made.
    pub async fn create_organisation(&self, name: &str, actor: &str, stamp: Stamp) -> Result<Organisation> {
        let id = stamp.id(OrganisationId::new);
        if let Some(made) = self.control.document(ControlKind::Organisation, id.as_str())? {
            return documents::read(made.body);
        }
        let created_at = self.clock.now();
        let organisation = Organisation { id: id.clone(), name: name.to_owned(), created_at, removing_since: None };
        let told = self.told(
            actor,
            "organisation.created",
            id.as_str(),
            serde_json::json!({ "organisation": id, "name": name }),
        );
        let body = documents::write(&organisation)?;
        self.control.put_document(ControlKind::Organisation, id.as_str(), body, Expect::Absent, Some(told)).await?;
        Ok(organisation)
    }

    /// # Errors
    /// `organisation.missing`.
    pub fn organisation(&self, id: &str) -> Result<Organisation> {
        let found = self.control.document(ControlKind::Organisation, id)?;
        documents::read(found.ok_or_else(|| Refusal::missing("organisation", id))?.body)
    }

    /// In the order they were made, after `after`.
    pub fn organisations(&self, after: Option<&str>, limit: usize) -> Result<Vec<Organisation>> {
        let next = |after: Option<&str>, limit| Ok(self.control.documents(ControlKind::Organisation, after, limit)?);
        documents::filtered(next, after, limit, |_: &Organisation| true)
    }

    /// Puts down that an organisation is being removed. From then on that goes on, whatever happens.
    pub async fn begin_to_remove_organisation(&self, id: &OrganisationId, actor: &str) -> Result<()> {
        let organisation = Organisation { removing_since: Some(self.clock.now()), ..self.organisation(id.as_str())? };
        let detail = serde_json::json!({ "organisation": id, "name": organisation.name });
        let told = self.told(actor, "organisation.removing", id.as_str(), detail);
        let body = documents::write(&organisation)?;
        self.control.put_document(ControlKind::Organisation, id.as_str(), body, Expect::Anything, Some(told)).await?;
        Ok(())
    }

    pub(super) async fn forget_organisation(&self, organisation: &Organisation) -> Result<()> {
        let id = organisation.id.as_str();
        let detail = serde_json::json!({ "organisation": id, "name": organisation.name });
        let told = self.told("host", "organisation.removed", id, detail);
        Ok(self.control.delete_document(ControlKind::Organisation, id, Expect::Anything, Some(told)).await?)
    }

    /// As [`begin_to_remove_organisation`](Self::begin_to_remove_organisation).
    pub async fn begin_to_remove_sandbox(&self, entry: &SandboxEntry, actor: &str) -> Result<SandboxEntry> {
        let entry = SandboxEntry { removing_since: Some(self.clock.now()), ..entry.clone() };
        let told = self.told(actor, "sandbox.removing", &entry.id(), detail(&entry));
        let body = documents::write(&entry)?;
        self.control.put_document(ControlKind::Sandbox, &entry.id(), body, Expect::Anything, Some(told)).await?;
        Ok(entry)
    }

    pub(super) async fn forget_sandbox(&self, entry: &SandboxEntry) -> Result<()> {
        let told = self.told("host", "sandbox.removed", &entry.id(), detail(entry));
        Ok(self.control.delete_document(ControlKind::Sandbox, &entry.id(), Expect::Anything, Some(told)).await?)
    }

    /// Makes a sandbox; the same request again finds it made.
    ///
    /// # Errors
    /// `store.exists` where another request made one of this name; `sandbox.removing` while one is being removed.
    pub async fn create_sandbox(
        &self,
        owner: &OrganisationId,
        name: &str,
        actor: &str,
        stamp: Stamp,
    ) -> Result<SandboxEntry> {
        let (organisation, name) = (owner.clone(), name.to_owned());
        let entry = SandboxEntry {
            organisation,
            name,
            created_at: self.clock.now(),
            made_by: Some(stamp),
            removing_since: None,
        };
        let told = self.told(actor, "sandbox.created", &entry.id(), serde_json::json!({ "organisation": owner }));
        let body = documents::write(&entry)?;
        match self.control.put_document(ControlKind::Sandbox, &entry.id(), body, Expect::Absent, Some(told)).await {
            Ok(_) => Ok(entry),
            Err(StoreError::Exists) => {
                let found = self.sandbox(owner, &entry.name)?;
                if found.removing_since.is_some() {
                    return Err(removing(&found.name));
                }
                if found.made_by == Some(stamp) { Ok(found) } else { Err(StoreError::Exists.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A sandbox of an organisation by its name.
    pub fn sandbox(&self, organisation: &OrganisationId, name: &str) -> Result<SandboxEntry> {
        let found = self.control.document(ControlKind::Sandbox, &sandbox_id(organisation, name))?;
        documents::read(found.ok_or_else(|| Refusal::missing("sandbox", name))?.body)
    }

    /// The organisation's sandboxes by name, after `after`.
    pub fn sandboxes(&self, owner: &OrganisationId, after: Option<&str>, limit: usize) -> Result<Vec<SandboxEntry>> {
        let next = |after: Option<&str>, limit| Ok(self.control.documents(ControlKind::Sandbox, after, limit)?);
        let after = after.map(|name| sandbox_id(owner, name));
        documents::filtered(next, after.as_deref(), limit, |s: &SandboxEntry| s.organisation == *owner)
    }

    /// Every sandbox of the host.
    pub fn all_sandboxes(&self) -> Result<Vec<SandboxEntry>> {
        let next = |after: Option<&str>, limit| Ok(self.control.documents(ControlKind::Sandbox, after, limit)?);
        documents::filtered(next, None, usize::MAX, |_: &SandboxEntry| true)
    }

    fn told(&self, actor: &str, action: &str, subject: &str, detail: serde_json::Value) -> AuditEvent {
        let at = self.clock.now();
        AuditEvent { at, actor: actor.to_owned(), action: action.to_owned(), subject: subject.to_owned(), detail }
    }
}

fn detail(entry: &SandboxEntry) -> serde_json::Value {
    serde_json::json!({ "organisation": entry.organisation, "sandbox": entry.name })
}

pub(super) fn removing(name: &str) -> Refusal {
    Fault::new(FaultKind::Config, "sandbox.removing", format!("the sandbox `{name}` is being removed"))
        .action("Wait until it is gone.")
        .into()
}
