//! Connections' secrets: sealed in the control store, opened only when a credential is needed.

use super::authorizations;
use super::documents;
use super::refusal::{Refusal, Result};
use async_trait::async_trait;
use attiva_core::ports::clock::Clock;
use attiva_core::ports::store::{ControlKind, ControlStore, Expect};
use attiva_core::{Fault, FaultKind, Millis};
use attiva_store::Sealer;
use attiva_wasm::{SecretSource, Secrets};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// As they are kept. The seal is bound to the document's id, so that one connection's cannot stand in for another's.
#[derive(Serialize, Deserialize)]
struct Sealed {
    sealed: String,
}

/// The secrets of all connections.
#[derive(Clone)]
pub struct Vault {
    control: Arc<dyn ControlStore>,
    sealer: Arc<Sealer>,
}

impl Vault {
    pub fn new(control: Arc<dyn ControlStore>, sealer: Arc<Sealer>) -> Self {
        Self { control, sealer }
    }

    /// Keeps a connection's secrets, in place of those kept before.
    pub async fn keep(&self, id: &str, secrets: &Secrets) -> Result<()> {
        self.put(id, secrets, Expect::Anything).await
    }

    async fn put(&self, id: &str, secrets: &Secrets, expect: Expect) -> Result<()> {
        let plain: BTreeMap<&str, &str> = secrets.iter().map(|(name, value)| (name, value.expose_secret())).collect();
        let plain = serde_json::to_vec(&plain).map_err(|e| Refusal::internal(e.to_string()))?;
        let plain = Zeroizing::new(plain);
        let sealed = Sealed { sealed: self.sealer.seal(&plain, &associated(id))? };
        let body = documents::write(&sealed)?;
        self.control.put_document(ControlKind::Secret, id, body, expect, None).await?;
        Ok(())
    }

    /// Seals a text for one use.
    pub(super) fn seal(&self, text: &SecretString, associated: &str) -> Result<String> {
        Ok(self.sealer.seal(text.expose_secret().as_bytes(), associated)?)
    }

    /// Opens a text that was sealed for a use.
    pub(super) fn unseal(&self, sealed: &str, associated: &str) -> Result<SecretString> {
        let plain = self.sealer.open(sealed, associated)?;
        let text = std::str::from_utf8(&plain).map_err(|_| Refusal::internal("a sealed text is none"))?;
        Ok(text.to_owned().into())
    }

    /// A connection's secrets, where somebody is about to enter them anew: those that no longer open, since the key
    /// they were sealed with is lost, are none.
    pub(super) fn open_or_lost(&self, id: &str) -> Result<Secrets> {
        match self.open_version(id) {
            Ok(found) => Ok(found.map_or_else(Secrets::default, |(secrets, _)| secrets)),
            Err(refusal) if refusal.fault.code == "store.corrupt" => Ok(Secrets::default()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Seals every secret of the host with the present key. Returns how many.
    ///
    /// # Errors
    /// Those of the store. What no known key opens stays as it is, and is told in the log.
    pub(super) async fn seal_again(&self) -> Result<usize> {
        let mut done = 0;
        for id in documents::ids(&*self.control, ControlKind::Secret, "")? {
            loop {
                let found = match self.open_version(&id) {
                    Ok(found) => found,
                    Err(refusal) => {
                        tracing::error!(
                            connection = id,
                            "its secrets do not open, and have to be entered anew: {refusal}"
                        );
                        break;
                    }
                };
                // Removed meanwhile.
                let Some((secrets, version)) = found else { break };
                match self.put(&id, &secrets, Expect::Version(version)).await {
                    Ok(()) => {
                        done += 1;
                        break;
                    }
                    // Somebody has changed it, and sealed it with the present key.
                    Err(refusal) if refusal.fault.code == "store.version-mismatch" => {}
                    Err(refusal) if refusal.fault.code == "store.missing" => break,
                    Err(refusal) => return Err(refusal),
                }
            }
        }
        Ok(done)
    }

    /// Opens a connection's secrets.
    pub fn open(&self, id: &str) -> Result<Secrets> {
        Ok(self.open_version(id)?.map_or_else(Secrets::default, |(secrets, _)| secrets))
    }

    fn open_version(&self, id: &str) -> Result<Option<(Secrets, u64)>> {
        let Some(document) = self.control.document(ControlKind::Secret, id)? else { return Ok(None) };
        let sealed: Sealed = documents::read(document.body)?;
        let plain = self.sealer.open(&sealed.sealed, &associated(id))?;
        let named: BTreeMap<String, SecretText> =
            serde_json::from_slice(&plain).map_err(|_| Refusal::internal("kept secrets cannot be read"))?;
        let mut secrets = Secrets::default();
        for (name, SecretText(value)) in named {
            secrets.insert(name, value);
        }
        Ok(Some((secrets, document.version)))
    }

    /// Puts what a vendor gave in the place of a secret, unless somebody has entered another one in the meantime.
    async fn replace(&self, id: &str, name: &str, before: &SecretString, now: &SecretString) -> Result<()> {
        let Some((mut secrets, version)) = self.open_version(id)? else { return Ok(()) };
        if secrets.get(name).is_none_or(|kept| kept.expose_secret() != before.expose_secret()) {
            return Ok(());
        }
        secrets.insert(name, now.clone());
        self.put(id, &secrets, Expect::Version(version)).await
    }

    /// Forgets a connection's secrets; there may be none.
    pub async fn forget(&self, id: &str) -> Result<()> {
        use attiva_core::ports::store::StoreError;
        match self.control.delete_document(ControlKind::Secret, id, Expect::Anything, None).await {
            Ok(()) | Err(StoreError::Missing) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A connection's secrets, for the plugin host.
    pub fn source(&self, id: String, clock: Arc<dyn Clock>) -> Arc<dyn SecretSource> {
        Arc::new(OfConnection { vault: self.clone(), id, clock })
    }
}

fn associated(id: &str) -> String {
    format!("secrets of {id}")
}

struct SecretText(SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

struct OfConnection {
    vault: Vault,
    id: String,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl SecretSource for OfConnection {
    async fn secrets(&self) -> std::result::Result<Secrets, Fault> {
        self.vault.open(&self.id).map_err(|refusal| {
            // Whoever reads the run's fault is not the operator who can mend the key file.
            Fault::new(FaultKind::Internal, "secret.unreadable", refusal.fault.message)
                .action("The host's key file has to be the one the secrets were sealed with.")
        })
    }

    async fn replace(&self, name: &str, before: &SecretString, now: &SecretString) -> std::result::Result<(), Fault> {
        // Whatever went wrong, the new value is still in memory and is kept at the next call.
        self.vault.replace(&self.id, name, before, now).await.map_err(|refusal| {
            let what = format!("the vendor gave another {name}, and it could not be kept: {}", refusal.fault.message);
            Fault::new(FaultKind::Transient, "secret.not-kept", what)
        })
    }

    async fn consent_ends(&self, _name: &str, at: Millis) {
        let noted = authorizations::note_end(&*self.vault.control, &self.id, at, self.clock.now()).await;
        if let Err(refusal) = noted {
            tracing::warn!(connection = self.id, "when the vendor's consent ends is not on record yet: {refusal}");
        }
    }
}
