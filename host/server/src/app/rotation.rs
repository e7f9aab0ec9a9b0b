//! The key that secrets are sealed with: where it comes from, and another one in its place while the host runs.
//!
//! A new key seals at once, the old one goes on opening; every secret is sealed again; then the old key is forgotten. A
//! kill in between leaves both, and the next start goes on. Answers that are kept for repeats of requests, for a day, are
//! not sealed again: a repeat of a request from before is done anew then, which changes nothing.

use super::App;
use super::keys::Caller;
use super::refusal::{Refusal, Result};
use super::settings::Settings;
use attiva_core::access::Scope;
use attiva_core::ports::store::{AuditEvent, StoreError};
use attiva_store::{DataDir, Sealer};
use serde_json::json;
use zeroize::Zeroizing;

/// The sealer with the host's own key, or with those that an operator supplies.
pub(super) fn sealer(data: &DataDir, settings: &Settings) -> Result<Sealer> {
    let Some(path) = &settings.seal_key_file else { return Ok(Sealer::load(data.keys())?) };
    let shown = path.display().to_string();
    // Anywhere: the operator names it.
    let text = std::fs::read(path).map(Zeroizing::new);
    let unusable = |reason: std::io::Error| StoreError::Unusable { path: shown.clone(), reason: reason.to_string() };
    Ok(Sealer::supplied(&text.map_err(unusable)?, &shown)?)
}

impl App {
    /// Puts a new key in the place of the one that secrets are sealed with. Returns how many were sealed again.
    ///
    /// # Errors
    /// `store.unusable` where the key is the operator's own file; those of the store.
    pub async fn rotate_seal(&self, caller: &Caller) -> Result<usize> {
        caller.must(Scope::HostWrite)?;
        let _alone = self.inner.tenancy_change.lock().await;
        // One that was begun and not ended has two keys already, and there is no third place.
        if !self.inner.sealer.is_rotating() {
            self.inner.sealer.rotate(self.inner.data.keys())?;
        }
        let sealed = self.end_rotation().await?;
        self.tell_rotated(caller.key.as_str(), sealed).await?;
        Ok(sealed)
    }

    /// Goes on with what a kill stopped, or with what an operator began by supplying another key.
    pub(super) async fn finish_rotation(&self) -> Result<()> {
        if !self.inner.sealer.is_rotating() {
            return Ok(());
        }
        let sealed = self.end_rotation().await?;
        if self.inner.sealer.is_supplied() {
            tracing::info!(
                sealed,
                "secrets are sealed with the first key of the supplied file; the others may be taken out"
            );
        }
        self.tell_rotated("host", sealed).await
    }

    async fn end_rotation(&self) -> Result<usize> {
        let sealed = self.inner.vault.seal_again().await?;
        self.inner.sealer.retire(self.inner.data.keys())?;
        Ok(sealed)
    }

    async fn tell_rotated(&self, actor: &str, sealed: usize) -> Result<()> {
        let told = AuditEvent {
            at: self.inner.clock.now(),
            actor: actor.to_owned(),
            action: "secrets.key-rotated".into(),
            subject: "seal".into(),
            detail: json!({ "secrets": sealed }),
        };
        self.inner.control.audit(told).await.map_err(Refusal::from)
    }
}
