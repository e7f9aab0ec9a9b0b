//! The later stages of a version: disabled, in quarantine, let out, taken out.

use super::{InUse, Plugins, Ready};
use crate::app::documents;
use crate::app::name;
use crate::app::refusal::{Refusal, Result};
use attiva_core::plugin::lifecycle::{Event, Stage};
use attiva_core::plugin::trust::lost;
use attiva_core::ports::store::{ControlKind, Expect, StoreError};
use attiva_core::{Fault, FaultKind};
use serde_json::{Value, json};

impl Plugins {
    /// Lets nothing begin with a version any more; `in_use`: something goes on with it.
    pub(in crate::app) async fn disable(&self, by: &str, id: &str, in_use: bool) -> Result<Ready> {
        let _alone = self.changing.lock().await;
        self.step(id, Event::DisableAsked { in_use }, by, json!({})).await
    }

    /// Nothing goes on any more with a version that drains.
    pub(in crate::app) async fn drained(&self, id: &str) -> Result<Ready> {
        let _alone = self.changing.lock().await;
        self.step(id, Event::LastRunEnded, "host", json!({})).await
    }

    /// Lets a version be used again.
    ///
    /// # Errors
    /// `plugin.missing`, `plugin.stage`.
    pub async fn enable(&self, by: &str, id: &str) -> Result<Ready> {
        let _alone = self.changing.lock().await;
        self.step(id, Event::EnableAsked, by, json!({})).await
    }

    /// Makes no call of a version any more, until somebody lets it out.
    pub(in crate::app) async fn quarantine(&self, by: &str, id: &str, why: Value) -> Result<Ready> {
        let _alone = self.changing.lock().await;
        self.step(id, Event::QuarantineNeeded, by, why).await
    }

    /// As [`quarantine`](Self::quarantine), by a word of an operator: what goes on with it is stopped at its next call, and
    /// is not waited for as it is where a version is disabled.
    ///
    /// # Errors
    /// `plugin.missing`, `plugin.stage`; `request.invalid`: no reason.
    pub async fn isolate(&self, by: &str, id: &str, reason: &str) -> Result<Ready> {
        let reason = name::checked("/reason", reason)?;
        self.quarantine(by, id, json!({ "reason": reason })).await
    }

    /// Lets a version out of quarantine.
    ///
    /// # Errors
    /// `plugin.stage`; `plugin.untrusted` and `plugin.key-revoked` where it is there for that, and nothing has changed.
    pub async fn release(&self, by: &str, id: &str) -> Result<Ready> {
        let _alone = self.changing.lock().await;
        let ready = self.get(id).ok_or_else(|| Refusal::missing("plugin", id))?;
        let publishers = self.publishers()?;
        let trust = self.trust(&publishers);
        if let Some(distrust) = lost(&ready.installed.provenance, &ready.plugin.spec.name, &trust) {
            return Err(distrust.fault().into());
        }
        self.step(id, Event::Released, by, json!({})).await
    }

    /// Takes a version out that nothing needs.
    pub(in crate::app) async fn uninstall(&self, by: &str, id: &str) -> Result<()> {
        let _alone = self.changing.lock().await;
        let ready = self.get(id).ok_or_else(|| Refusal::missing("plugin", id))?;
        if ready.installed.stage.step(Event::Uninstalled).is_err() {
            let what = format!("{id} is {}, and cannot be taken out now", ready.installed.stage.as_str());
            return Err(Fault::new(FaultKind::Config, "plugin.stage", what).into());
        }
        self.forget_in_use(&ready).await?;
        let told = self.told(by, Stage::Removed, id, json!({ "digest": ready.installed.digest }));
        self.control.delete_document(ControlKind::Plugin, id, Expect::Anything, Some(told)).await?;
        self.discard(&ready);
        Ok(())
    }

    /// A version that is gone is in use no more, and nobody rolls back to it. The one before it is not put in its
    /// place: somebody has to say so.
    async fn forget_in_use(&self, gone: &Ready) -> Result<()> {
        let spec = &gone.plugin.spec;
        let Some(InUse { name, version, mut before }) = self.in_use(&spec.name)? else { return Ok(()) };
        if version == spec.version {
            return match self.control.delete_document(ControlKind::PluginInUse, &name, Expect::Anything, None).await {
                Ok(()) | Err(StoreError::Missing) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
        before.retain(|version| *version != spec.version);
        let body = documents::write(&InUse { name: name.clone(), version, before })?;
        self.control.put_document(ControlKind::PluginInUse, &name, body, Expect::Anything, None).await?;
        Ok(())
    }
}
