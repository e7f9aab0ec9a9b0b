//! Publishers that operators trust: their keys, and the names they may publish under.

use super::{HOST_PUBLISHER, Plugins};
use crate::app::documents;
use crate::app::name;
use crate::app::refusal::{FieldProblem, Refusal, Result};
use attiva_core::plugin::lifecycle::Event;
use attiva_core::plugin::trust::{Provenance, PublicKey, Publisher, Revocation, TrustedKey, owner};
use attiva_core::ports::store::{AuditEvent, ControlKind, Expect};
use attiva_core::{Fault, FaultKind};
use serde_json::{Value, json};

/// What an operator trusts a publisher with, beside what it is trusted with already.
#[derive(Debug, Clone, Default)]
pub struct NewTrust {
    pub key: Option<PublicKey>,
    pub plugins: Vec<String>,
}

impl Plugins {
    /// All publishers there ever were, by name.
    pub fn publishers(&self) -> Result<Vec<Publisher>> {
        let next = |after: Option<&str>, limit| Ok(self.control.documents(ControlKind::Publisher, after, limit)?);
        documents::filtered(next, None, usize::MAX, |_: &Publisher| true)
    }

    pub fn publisher(&self, name: &str) -> Result<Publisher> {
        let found = self.control.document(ControlKind::Publisher, name)?;
        documents::read(found.ok_or_else(|| Refusal::missing("publisher", name))?.body)
    }

    /// Trusts a publisher with a key and with names of plugins, beside those it has.
    ///
    /// # Errors
    /// `plugin.name-taken` where a name belongs to another one; `plugin.key-revoked`.
    pub async fn trust_publisher(&self, by: &str, name: &str, new: NewTrust) -> Result<Publisher> {
        let name = name::checked_slug("/publisher", name)?;
        let _alone = self.changing.lock().await;
        if name == HOST_PUBLISHER {
            return Err(taken(format!("`{HOST_PUBLISHER}` is who publishes what comes with the host")));
        }
        let publishers = self.publishers()?;
        for (i, plugin) in new.plugins.iter().enumerate() {
            let field = format!("/plugins/{i}");
            name::checked_slug(&field, plugin)?;
            if let Some(owner) = owner(plugin, &self.trust(&publishers)).filter(|owner| *owner != name) {
                return Err(taken(format!("the name `{plugin}` belongs to the publisher `{owner}`")));
            }
        }
        let known = publishers.iter().find(|p| p.name == name).cloned();
        let is_new = known.is_none();
        let mut publisher = known.unwrap_or_else(|| Publisher {
            name: name.to_owned(),
            keys: Vec::new(),
            plugins: [].into(),
            trusted: true,
        });
        publisher.trusted = true;
        publisher.plugins.extend(new.plugins.iter().cloned());
        if let Some(key) = new.key {
            let others = publishers.iter().flat_map(|p| &p.keys);
            if others.into_iter().any(|k| k.key == key && k.revoked.is_some()) {
                let fault = Fault::new(FaultKind::Config, "plugin.key-revoked", format!("{key} was revoked"));
                return Err(fault.action("The publisher needs a new key.").into());
            }
            if !publisher.keys.iter().any(|k| k.key == key) {
                publisher.keys.push(TrustedKey { key, since: self.clock.now(), by: by.to_owned(), revoked: None });
            }
        }
        if publisher.keys.is_empty() {
            let field = FieldProblem::new("/public_key", "is needed: the publisher has none yet");
            return Err(Refusal::invalid("request.invalid", "a publisher is known by its key", vec![field]));
        }
        let detail = json!({ "key": new.key, "plugins": new.plugins, "new": is_new });
        self.keep_publisher(&publisher, by, "publisher.trusted", detail).await?;
        Ok(publisher)
    }

    /// Takes nothing more from a publisher. What is installed stays, and the audit tells of it.
    pub async fn untrust_publisher(&self, by: &str, name: &str) -> Result<Publisher> {
        let _alone = self.changing.lock().await;
        let publisher = Publisher { trusted: false, ..self.publisher(name)? };
        self.keep_publisher(&publisher, by, "publisher.untrusted", json!({})).await?;
        Ok(publisher)
    }

    /// Revokes a key that somebody else may have: nothing is taken that it signed, and what is installed under it is
    /// put into quarantine at once. Returns those versions.
    pub async fn revoke_key(&self, by: &str, name: &str, key: PublicKey, reason: &str) -> Result<Vec<String>> {
        let reason = name::checked("/reason", reason)?;
        let _alone = self.changing.lock().await;
        let mut publisher = self.publisher(name)?;
        let Some(known) = publisher.keys.iter_mut().find(|k| k.key == key) else {
            return Err(Refusal::missing("publisher-key", &key.to_string()));
        };
        let revocation = Revocation { at: self.clock.now(), by: by.to_owned(), reason: reason.to_owned() };
        known.revoked.get_or_insert(revocation);
        self.keep_publisher(&publisher, by, "publisher.key-revoked", json!({ "key": key, "reason": reason })).await?;
        let mut stopped = Vec::new();
        for ready in self.list() {
            let id = ready.installed.id;
            let is_its_work = matches!(&ready.installed.provenance, Provenance::Publisher { key: k, .. } if *k == key);
            if is_its_work && ready.installed.stage.step(Event::QuarantineNeeded).is_ok() {
                let why = json!({ "reason": "its signing key was revoked", "key": key });
                self.step(&id, Event::QuarantineNeeded, by, why).await?;
                stopped.push(id);
            }
        }
        Ok(stopped)
    }

    async fn keep_publisher(&self, publisher: &Publisher, by: &str, action: &str, detail: Value) -> Result<()> {
        let (at, subject) = (self.clock.now(), publisher.name.clone());
        let told = AuditEvent { at, actor: by.to_owned(), action: action.to_owned(), subject, detail };
        let body = documents::write(publisher)?;
        self.control.put_document(ControlKind::Publisher, &publisher.name, body, Expect::Anything, Some(told)).await?;
        Ok(())
    }
}

fn taken(what: String) -> Refusal {
    Fault::new(FaultKind::Config, "plugin.name-taken", what).action("A name has one publisher.").into()
}
