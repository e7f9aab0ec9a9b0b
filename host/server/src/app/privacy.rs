//! Requests about personal data: what is kept about somebody, and that they are forgotten. Who is meant is found through
//! the identity graph, by anything that names them.

mod drive;
mod local;

pub(super) use local::replay;

use super::consents::GivenIdentity;
use super::documents;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use super::stamp::Stamp;
use attiva_core::id::{PrivacyId, ProfileId};
use attiva_core::identity::Identity;
use attiva_core::ports::privacy::Footprint;
use attiva_core::ports::store::{ControlKind, Expect};
use attiva_core::privacy::{Erasure, Event, Subject};
use attiva_core::{Fault, FaultKind};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// Who is meant, as somebody wrote it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `person`, `account`.
    pub entity: String,
    /// `profile` for a profile's id.
    pub identity: GivenIdentity,
    /// Everybody who carries it is meant, where it is shared.
    pub everybody: bool,
}

/// What an erasure would be about.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ErasurePreview")]
pub struct Preview {
    pub profiles: Vec<String>,
    /// Things about them: memberships, parts in opportunities, things of their own.
    pub related: usize,
    pub records: usize,
    pub identities: usize,
    /// Identities that others carry as well: they stay theirs, and do not keep anything out.
    pub shared_identities: usize,
    /// Targets that were sent something of them.
    pub targets: usize,
}

/// The namespace of profile ids, which is none of identities.
const PROFILE: &str = "profile";

impl Sandbox {
    /// All that is kept about somebody, as JSON.
    ///
    /// # Errors
    /// `privacy.nobody`; `privacy.ambiguous` where the identity is several profiles' and not all are meant.
    pub async fn personal_data(self: &Arc<Self>, caller: &Caller, asked: &Asked) -> Result<serde_json::Value> {
        let subjects = self.subjects(asked)?;
        let sandbox = Arc::clone(self);
        let everybody = asked.everybody;
        let (export, profiles) = super::blocking(move || {
            let footprint = sandbox.store.footprint(&subjects)?;
            one(&footprint, everybody)?;
            let export = sandbox.store.export(&footprint)?;
            let is_empty = |list: &str| export[list].as_array().is_none_or(Vec::is_empty);
            if ["records", "profiles", "events", "consents", "suppressions"].into_iter().all(is_empty) {
                return Err(nobody());
            }
            Ok((export, footprint.profiles.len()))
        })
        .await?;
        // Told without whom it was about.
        let detail = json!({ "entity": asked.entity, "namespace": asked.identity.namespace, "profiles": profiles });
        self.tell(caller, "privacy.accessed", &self.entry.id(), detail).await?;
        Ok(export)
    }

    /// What an erasure would be about; nothing is changed.
    pub async fn preview_erasure(self: &Arc<Self>, asked: &Asked) -> Result<Preview> {
        let subjects = self.subjects(asked)?;
        let sandbox = Arc::clone(self);
        let footprint = super::blocking(move || Ok(sandbox.store.footprint(&subjects)?)).await?;
        let shared = footprint.names.iter().filter(|name| name.shared).count();
        Ok(Preview {
            profiles: footprint.profiles.iter().map(|(_, id)| id.to_string()).collect(),
            related: footprint.related.len(),
            records: footprint.records.len(),
            identities: footprint.names.len() - shared,
            shared_identities: shared,
            targets: footprint.sent.len(),
        })
    }

    /// Begins to forget somebody; it goes on by itself, after any stop. Also of whom nothing is kept: then nothing of
    /// them is taken in from now on.
    ///
    /// # Errors
    /// `privacy.ambiguous` where the identity is several profiles' and not all are meant.
    pub async fn start_erasure(self: &Arc<Self>, caller: &Caller, stamp: Stamp, asked: &Asked) -> Result<Erasure> {
        let id = stamp.id(PrivacyId::new);
        if let Some(begun) = self.find_erasure(id.as_str())? {
            return Ok(begun);
        }
        let subjects = self.subjects(asked)?;
        let (sandbox, of, everybody) = (Arc::clone(self), subjects.clone(), asked.everybody);
        super::blocking(move || one(&sandbox.store.footprint(&of)?, everybody)).await?;
        let entity = subjects.first().map(|subject| subject.entity.clone()).ok_or_else(nobody)?;
        let namespace = asked.identity.namespace.clone();
        let mut erasure = Erasure::new(id, entity, namespace, caller.key.to_string(), self.now());
        erasure.sealed = Some(self.seal(&erasure.id, &local::Sealed::of(subjects))?);
        let detail = json!({ "entity": erasure.entity, "namespace": erasure.namespace });
        let told = self.event(caller, "privacy.erasure-begun", erasure.id.as_str(), detail);
        let (id, body) = (self.control_id(erasure.id.as_str()), documents::write(&erasure)?);
        self.control.put_document(ControlKind::Erasure, &id, body, Expect::Absent, Some(told)).await?;
        self.go_on(erasure.id.clone());
        Ok(erasure)
    }

    /// # Errors
    /// `erasure.missing`.
    pub fn erasure(&self, id: &str) -> Result<Erasure> {
        self.find_erasure(id)?.ok_or_else(|| Refusal::missing("erasure", id))
    }

    fn find_erasure(&self, id: &str) -> Result<Option<Erasure>> {
        let found = self.control.document(ControlKind::Erasure, &self.control_id(id))?;
        found.map(|document| documents::read(document.body)).transpose()
    }

    /// In the order in which they were begun, after `after`.
    pub fn erasures(&self, after: Option<&str>, limit: usize) -> Result<Vec<Erasure>> {
        let prefix = self.control_id("");
        let mut place = after.map_or_else(|| prefix.clone(), |after| self.control_id(after));
        let mut kept = Vec::new();
        while kept.len() < limit {
            let documents = self.control.documents(ControlKind::Erasure, Some(&place), documents::STRIDE)?;
            let Some(last) = documents.last() else { break };
            place.clone_from(&last.id);
            let goes_on = documents.len() == documents::STRIDE && last.id.starts_with(&prefix);
            for document in documents.into_iter().filter(|d| d.id.starts_with(&prefix)) {
                kept.push(documents::read(document.body)?);
            }
            if !goes_on {
                break;
            }
        }
        kept.truncate(limit);
        Ok(kept)
    }

    /// Waits no longer for destinations that have not answered: each has a receipt that says so.
    ///
    /// # Errors
    /// `privacy.ended`, `privacy.not-asking`.
    pub async fn give_up_erasure(self: &Arc<Self>, caller: &Caller, id: &str) -> Result<Erasure> {
        let _alone = self.erasing.lock().await;
        let mut erasure = self.erasure(id)?;
        if erasure.phase != attiva_core::privacy::Phase::Asking {
            let message = format!("{id} does not wait for a destination");
            return Err(Fault::new(FaultKind::Config, "privacy.not-asking", message)
                .action("Look at its phase.")
                .into());
        }
        erasure.step(Event::GivenUp, self.now());
        self.keep(&erasure).await?;
        self.tell(caller, "privacy.given-up", id, json!({})).await?;
        self.erasing_on.notify_waiters();
        Ok(erasure)
    }

    async fn keep(&self, erasure: &Erasure) -> Result<()> {
        let (id, body) = (self.control_id(erasure.id.as_str()), documents::write(erasure)?);
        self.control.put_document(ControlKind::Erasure, &id, body, Expect::Anything, None).await?;
        Ok(())
    }

    /// A profile's id stands for the keys of its records.
    fn subjects(&self, asked: &Asked) -> Result<Vec<Subject>> {
        let entity = self.entity(&asked.entity)?;
        let GivenIdentity { namespace, value } = &asked.identity;
        if namespace == PROFILE {
            let id = ProfileId::parse(value).ok_or_else(|| Refusal::missing("profile", value))?;
            let profile = self.store.profile(&id)?.filter(|profile| profile.entity == entity);
            let profile = profile.ok_or_else(|| Refusal::missing("profile", value))?;
            let records = self.store.records_by_number(&self.store.records_of(&profile.id)?)?;
            let subject = |key: &str| Subject { entity: entity.clone(), identity: Identity::source_key(key) };
            return Ok(records.iter().map(|record| subject(&record.source_key)).collect());
        }
        let identity = Identity::read(namespace, value).map_err(|problem| {
            let field = FieldProblem::new("/identity/value", problem.clone());
            Refusal::invalid("request.invalid", format!("`value` {problem}"), vec![field])
        })?;
        Ok(vec![Subject { entity, identity }])
    }
}

/// Refuses what would be about several, unless that was meant.
fn one(footprint: &Footprint, everybody: bool) -> Result<()> {
    if everybody || footprint.profiles.len() <= 1 {
        return Ok(());
    }
    let message = format!("{} profiles carry this identity", footprint.profiles.len());
    let fault = Fault::new(FaultKind::Config, "privacy.ambiguous", message)
        .action("Name one by its id (namespace `profile`), or say that everybody who carries it is meant.");
    let fields = footprint.profiles.iter().map(|(_, id)| FieldProblem::new("/identity", id.to_string()));
    Err(Refusal { fault, fields: fields.collect() })
}

fn nobody() -> Refusal {
    Fault::new(FaultKind::Config, "privacy.nobody", "nothing is kept about anybody of this identity")
        .action("Try another identity of theirs: a profile answers to any.")
        .into()
}
