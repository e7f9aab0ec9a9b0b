//! API keys. A key is shown once and kept as a hash; it is bound to an organisation and sees nothing of another. Save for
//! an operator's: that may also make and remove organisations, and change what limits them.
//!
//! `atv_<id>_<secret>`: the id finds the key's document, the secret is 256 random bits in hex. A single SHA-256 is
//! enough for a secret that nobody can guess; slow hashes are for passwords.

use super::documents;
use super::refusal::{Refusal, Result};
use super::stamp::Stamp;
use attiva_core::id::{KeyId, OrganisationId};
use attiva_core::ports::clock::Clock;
use attiva_core::ports::store::{AuditEvent, ControlKind, ControlStore, Expect, StoreError};
use attiva_core::{Fault, FaultKind, Millis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub key: KeyId,
    pub organisation: OrganisationId,
    /// Whether it is a key of who operates the host.
    pub operator: bool,
}

impl Caller {
    /// # Errors
    /// `key.scope`: the key is none of an operator.
    pub fn must_operate(&self) -> Result<()> {
        if self.operator {
            return Ok(());
        }
        let message = "this is for operators of the host, and the key is one of an organisation";
        let action =
            "Use an operator's key; `attiva key create --operator` makes one, with an operator's key or --data-dir.";
        Err(Fault::new(FaultKind::Scope, "key.scope", message).action(action).into())
    }
}

/// A key as it is kept and listed: never its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: KeyId,
    pub organisation: OrganisationId,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub operator: bool,
    /// For people: whose it is, what for.
    pub name: String,
    /// SHA-256 of the secret, in hex.
    pub hash: String,
    pub created_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Millis>,
}

/// What a key is made of.
#[derive(Debug, Clone, Copy)]
pub struct NewKeyOf<'a> {
    pub organisation: &'a OrganisationId,
    pub name: &'a str,
    pub operator: bool,
}

/// A key that was just made, with the only copy of its text.
#[derive(Clone)]
pub struct NewKey {
    pub key: ApiKey,
    pub text: String,
}

/// Makes, checks and revokes keys.
#[derive(Clone)]
pub struct Keys {
    control: Arc<dyn ControlStore>,
    clock: Arc<dyn Clock>,
}

const PREFIX: &str = "atv_";

impl Keys {
    pub fn new(control: Arc<dyn ControlStore>, clock: Arc<dyn Clock>) -> Self {
        Self { control, clock }
    }

    /// Makes a key. `actor` is who asked for it: a key's id, or `host`. The same request again gives the same key another
    /// secret: it was not answered before, so nobody has the first one.
    pub async fn create(&self, new: NewKeyOf<'_>, actor: &str, stamp: Stamp) -> Result<NewKey> {
        let NewKeyOf { organisation, name, operator } = new;
        let mut secret = [0u8; 32];
        getrandom::fill(&mut secret).map_err(|e| Refusal::internal(format!("no random numbers: {e}")))?;
        let secret = hex::encode(secret);
        let now = self.clock.now();
        let id = stamp.id(KeyId::new);
        let made = self.control.document(ControlKind::ApiKey, id.as_str())?;
        let expect = made.as_ref().map_or(Expect::Absent, |made| Expect::Version(made.version));
        let is_new = made.is_none();
        let key = match made {
            Some(made) => ApiKey { hash: hash(&secret), ..documents::read(made.body)? },
            None => ApiKey {
                id: id.clone(),
                organisation: organisation.clone(),
                operator,
                name: name.to_owned(),
                hash: hash(&secret),
                created_at: now,
                revoked_at: None,
            },
        };
        let told = AuditEvent {
            at: now,
            actor: actor.to_owned(),
            action: "key.created".into(),
            subject: id.to_string(),
            detail: serde_json::json!({ "organisation": organisation, "name": name, "operator": operator }),
        };
        let body = documents::write(&key)?;
        let told = is_new.then_some(told);
        self.control.put_document(ControlKind::ApiKey, id.as_str(), body, expect, told).await?;
        let text = format!("{PREFIX}{}_{secret}", id.as_str().trim_start_matches(KeyId::PREFIX));
        Ok(NewKey { key, text })
    }

    /// Finds out who a key's text belongs to.
    pub fn authenticate(&self, text: &str) -> Result<Caller> {
        let (id, secret) = parse(text).ok_or_else(refused)?;
        let document = self.control.document(ControlKind::ApiKey, id.as_str())?.ok_or_else(refused)?;
        let key: ApiKey = documents::read(document.body)?;
        let same = bool::from(key.hash.as_bytes().ct_eq(hash(secret).as_bytes()));
        if !same || key.revoked_at.is_some() {
            return Err(refused());
        }
        Ok(Caller { key: key.id, organisation: key.organisation, operator: key.operator })
    }

    /// The organisation's keys, oldest first, after `after`.
    pub fn list(&self, organisation: &OrganisationId, after: Option<&str>, limit: usize) -> Result<Vec<ApiKey>> {
        let next = |after: Option<&str>, limit| Ok(self.control.documents(ControlKind::ApiKey, after, limit)?);
        documents::filtered(next, after, limit, |key: &ApiKey| key.organisation == *organisation)
    }

    /// Whether there is any key at all, of any organisation.
    pub fn any(&self) -> Result<bool> {
        Ok(!self.control.documents(ControlKind::ApiKey, None, 1)?.is_empty())
    }

    /// Forgets all keys of an organisation that is being removed; there may be none.
    pub(super) async fn forget_all(&self, organisation: &OrganisationId) -> Result<()> {
        for key in self.list(organisation, None, usize::MAX)? {
            match self.control.delete_document(ControlKind::ApiKey, key.id.as_str(), Expect::Anything, None).await {
                Ok(()) | Err(StoreError::Missing) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Makes a key useless, at once and for good.
    pub async fn revoke(&self, caller: &Caller, id: &str) -> Result<ApiKey> {
        let found = self.control.document(ControlKind::ApiKey, id)?;
        let document = found.ok_or_else(|| Refusal::missing("api-key", id))?;
        let version = document.version;
        let mut key: ApiKey = documents::read(document.body)?;
        if key.organisation != caller.organisation {
            return Err(Refusal::missing("api-key", id));
        }
        if key.revoked_at.is_some() {
            return Ok(key);
        }
        let now = self.clock.now();
        key.revoked_at = Some(now);
        let told = AuditEvent {
            at: now,
            actor: caller.key.to_string(),
            action: "key.revoked".into(),
            subject: id.to_owned(),
            detail: serde_json::json!({ "organisation": caller.organisation }),
        };
        let body = documents::write(&key)?;
        self.control.put_document(ControlKind::ApiKey, id, body, Expect::Version(version), Some(told)).await?;
        Ok(key)
    }
}

fn parse(text: &str) -> Option<(KeyId, &str)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let id = KeyId::parse(&format!("{}{id}", KeyId::PREFIX))?;
    (secret.len() == 64).then_some((id, secret))
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// The same answer whether the key is unknown, wrong or revoked.
fn refused() -> Refusal {
    Fault::new(FaultKind::Auth, "key.refused", "this API key is not valid")
        .action("Use a key from `attiva key create`; a lost key cannot be shown again.")
        .into()
}
