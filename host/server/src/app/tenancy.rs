//! Organisations and their sandboxes. A sandbox's name is unique within its organisation, so nobody can name, or find
//! out about, a sandbox of somebody else.

use super::documents;
use super::refusal::{Refusal, Result};
use super::stamp::Stamp;
use attiva_core::Millis;
use attiva_core::id::OrganisationId;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::{AuditEvent, ControlKind, ControlStore, Expect, StoreError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Who owns sandboxes and keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Organisation {
    pub id: OrganisationId,
    pub name: String,
    pub created_at: Millis,
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
            None => self.create_organisation(DEFAULT, "host").await?,
        };
        if self.sandbox(&organisation.id, DEFAULT).is_err() {
            self.create_sandbox(&organisation.id, DEFAULT, "host", Stamp::fresh(&*self.clock, &*self.chance)).await?;
        }
        Ok(organisation)
    }

    pub async fn create_organisation(&self, name: &str, actor: &str) -> Result<Organisation> {
        let now = self.clock.now();
        let id = OrganisationId::new(now, self.chance.bytes());
        let organisation = Organisation { id: id.clone(), name: name.to_owned(), created_at: now };
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

    /// Makes a sandbox; the same request again finds it made.
    ///
    /// # Errors
    /// `store.exists` where another request made one of this name.
    pub async fn create_sandbox(
        &self,
        owner: &OrganisationId,
        name: &str,
        actor: &str,
        stamp: Stamp,
    ) -> Result<SandboxEntry> {
        let (organisation, name) = (owner.clone(), name.to_owned());
        let entry = SandboxEntry { organisation, name, created_at: self.clock.now(), made_by: Some(stamp) };
        let told = self.told(actor, "sandbox.created", &entry.id(), serde_json::json!({ "organisation": owner }));
        let body = documents::write(&entry)?;
        match self.control.put_document(ControlKind::Sandbox, &entry.id(), body, Expect::Absent, Some(told)).await {
            Ok(_) => Ok(entry),
            Err(StoreError::Exists) => {
                let found = self.sandbox(owner, &entry.name)?;
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
