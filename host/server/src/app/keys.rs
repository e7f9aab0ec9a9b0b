//! API keys. A key is shown once and kept as a hash; it is bound to an organisation, perhaps to
//! one of its sandboxes, and sees nothing of others. What it may do, its role and scopes say.
//!
//! `atv_<id>_<secret>`: the id finds the key's document, the secret is 256 random bits in hex. A single SHA-256 is
//! enough for a secret that nobody can guess; slow hashes are for passwords.

pub use super::caller::Caller;
use super::documents;
use super::key_uses::KeyUses;
use super::refusal::{FieldProblem, Refusal, Result};
use super::stamp::Stamp;
use attiva_core::access::{Given, Role, Scope, Unfit};
use attiva_core::id::{KeyId, OrganisationId};
use attiva_core::ports::clock::Clock;
use attiva_core::ports::store::{AuditEvent, ControlKind, ControlStore, Expect, StoreError};
use attiva_core::{Fault, FaultKind, Millis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// A key as it is kept and listed: never its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct ApiKey {
    pub id: KeyId,
    pub organisation: OrganisationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Beside those of the role.
    pub scopes: Vec<Scope>,
    /// For people: whose it is, what for.
    pub name: String,
    /// SHA-256 of the secret, in hex.
    pub hash: String,
    pub created_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Millis>,
}

/// The last time that a key got another secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rotation {
    pub at: Millis,
    /// The request that did it: its repeat does not shorten the life of the secret before.
    pub by: Stamp,
    /// SHA-256 of the secret before, in hex, and how long it is good.
    pub before: String,
    pub before_until: Millis,
}

/// As it is read, from versions without roles too.
#[derive(Deserialize)]
struct Stored {
    id: KeyId,
    organisation: OrganisationId,
    #[serde(default)]
    sandbox: Option<String>,
    #[serde(default)]
    role: Option<Role>,
    scopes: Option<Vec<Scope>>,
    /// Before there were roles: whether it was an operator's.
    #[serde(default)]
    operator: bool,
    name: String,
    hash: String,
    created_at: Millis,
    #[serde(default)]
    rotation: Option<Rotation>,
    #[serde(default)]
    revoked_at: Option<Millis>,
}

impl From<Stored> for ApiKey {
    fn from(stored: Stored) -> Self {
        let Stored { id, organisation, sandbox, role, scopes, operator, name, hash, .. } = stored;
        let Stored { created_at, rotation, revoked_at, .. } = stored;
        let (role, scopes) = match scopes {
            Some(scopes) => (role, scopes),
            None if operator => (Some(Role::Operator), Vec::new()),
            None => (None, before_roles()),
        };
        Self { id, organisation, sandbox, role, scopes, name, hash, created_at, rotation, revoked_at }
    }
}

/// What every key could do before there were roles, save operators', which could do all.
fn before_roles() -> Vec<Scope> {
    Scope::ALL.iter().copied().filter(|scope| !scope.is_across_organisations()).collect()
}

impl ApiKey {
    #[must_use]
    pub fn given(&self) -> Given {
        Given { role: self.role, scopes: self.scopes.clone(), sandbox: self.sandbox.clone() }
    }

    /// Whether this is its secret, or still its secret before.
    fn is_opened_by(&self, secret: &str, now: Millis) -> bool {
        let hash = hash(secret);
        let same = |kept: &str| bool::from(kept.as_bytes().ct_eq(hash.as_bytes()));
        same(&self.hash) || self.rotation.as_ref().is_some_and(|r| now < r.before_until && same(&r.before))
    }
}

/// What a key is made of.
#[derive(Debug, Clone, Copy)]
pub struct NewKeyOf<'a> {
    pub organisation: &'a OrganisationId,
    pub name: &'a str,
    pub given: &'a Given,
}

impl NewKeyOf<'_> {
    /// Whether `caller` may make such a key: it fits, and holds no more than the caller's own.
    ///
    /// # Errors
    /// `request.invalid`; `key.scope`.
    pub fn check(&self, caller: &Caller) -> Result<()> {
        self.given.check().map_err(|unfit| {
            let field = match unfit {
                Unfit::Unbound | Unfit::Bound => "/sandbox",
                Unfit::Reaches(_) => "/scopes",
                Unfit::Nothing => "/role",
            };
            let field = FieldProblem::new(field, unfit.to_string());
            Refusal::invalid("request.invalid", unfit.to_string(), vec![field])
        })?;
        caller.must_cover(self.given)
    }
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
    uses: KeyUses,
}

const PREFIX: &str = "atv_";

impl Keys {
    pub fn new(control: Arc<dyn ControlStore>, clock: Arc<dyn Clock>) -> Self {
        let uses = KeyUses::new(Arc::clone(&control));
        Self { control, clock, uses }
    }

    /// Makes a key. `actor` is who asked for it: a key's id, or `host`. The same request again gives the same key another
    /// secret: it was not answered before, so nobody has the first one.
    pub async fn create(&self, new: NewKeyOf<'_>, actor: &str, stamp: Stamp) -> Result<NewKey> {
        let NewKeyOf { organisation, name, given } = new;
        let secret = secret()?;
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
                sandbox: given.sandbox.clone(),
                role: given.role,
                scopes: given.scopes.clone(),
                name: name.to_owned(),
                hash: hash(&secret),
                created_at: now,
                rotation: None,
                revoked_at: None,
            },
        };
        let mut detail = serde_json::json!({ "organisation": organisation, "name": name, "scopes": given.scopes });
        if let Some(role) = given.role {
            detail["role"] = role.as_str().into();
        }
        if let Some(sandbox) = &given.sandbox {
            detail["sandbox"] = sandbox.as_str().into();
        }
        let told = told(now, actor, "key.created", id.as_str(), detail);
        let body = documents::write(&key)?;
        let told = is_new.then_some(told);
        self.control.put_document(ControlKind::ApiKey, id.as_str(), body, expect, told).await?;
        Ok(NewKey { text: text(&id, &secret), key })
    }

    /// Finds out who a key's text belongs to.
    pub fn authenticate(&self, text: &str) -> Result<Caller> {
        let (id, secret) = parse(text).ok_or_else(refused)?;
        let document = self.control.document(ControlKind::ApiKey, id.as_str())?.ok_or_else(refused)?;
        let key: ApiKey = documents::read(document.body)?;
        if key.revoked_at.is_some() || !key.is_opened_by(secret, self.clock.now()) {
            return Err(refused());
        }
        let scopes = key.given().effective();
        Ok(Caller { key: key.id, organisation: key.organisation, sandbox: key.sandbox, scopes })
    }

    /// Whether a key that was good is good still.
    pub fn is_good(&self, key: &KeyId) -> Result<bool> {
        let Some(document) = self.control.document(ControlKind::ApiKey, key.as_str())? else { return Ok(false) };
        let key: ApiKey = documents::read(document.body)?;
        Ok(key.revoked_at.is_none())
    }

    /// The time to keep as the last use of `key`, if that is worth a write by now; whoever asks hands it to
    /// [`keep_use`](Self::keep_use).
    #[must_use]
    pub fn news_of_use(&self, key: &KeyId) -> Option<Millis> {
        let now = self.clock.now();
        self.uses.is_news(key, now).then_some(now)
    }

    /// Keeps when a key was last used. A failure costs that knowledge alone, so that it is only told to the log.
    pub async fn keep_use(&self, key: &KeyId, at: Millis) {
        if let Err(refusal) = self.uses.keep(key, at).await {
            tracing::warn!(key = key.as_str(), reason = %refusal.fault.message, "the use of a key was not kept");
        }
    }

    /// When a key was last used, to the minute; `None`: never.
    pub fn last_use(&self, key: &KeyId) -> Result<Option<Millis>> {
        self.uses.last(key)
    }

    /// A key of the caller's organisation.
    ///
    /// # Errors
    /// `api-key.missing`.
    pub fn key(&self, caller: &Caller, id: &str) -> Result<ApiKey> {
        Ok(self.found(caller, id)?.0)
    }

    fn found(&self, caller: &Caller, id: &str) -> Result<(ApiKey, u64)> {
        let found = self.control.document(ControlKind::ApiKey, id)?;
        let document = found.ok_or_else(|| Refusal::missing("api-key", id))?;
        let key: ApiKey = documents::read(document.body)?;
        if key.organisation != caller.organisation {
            return Err(Refusal::missing("api-key", id));
        }
        Ok((key, document.version))
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

    /// Forgets all keys of an organisation that is being removed, or of a sandbox of it; there may be none.
    pub(super) async fn forget_all(&self, organisation: &OrganisationId, sandbox: Option<&str>) -> Result<()> {
        for key in self.list(organisation, None, usize::MAX)? {
            if sandbox.is_some() && key.sandbox.as_deref() != sandbox {
                continue;
            }
            match self.control.delete_document(ControlKind::ApiKey, key.id.as_str(), Expect::Anything, None).await {
                Ok(()) | Err(StoreError::Missing) => self.uses.forget(&key.id).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Gives a key another secret. The one before is good for `overlap_ms` more, so that who uses the key can change
    /// over; of an earlier rotation nothing is good any more.
    ///
    /// # Errors
    /// `api-key.missing`; `key.revoked`; `key.scope` for a key that may do more than the caller's: who rotates a key
    /// has it.
    pub async fn rotate(&self, caller: &Caller, id: &str, overlap_ms: Millis, stamp: Stamp) -> Result<NewKey> {
        let (mut key, version) = self.found(caller, id)?;
        caller.must_cover(&key.given())?;
        if key.revoked_at.is_some() {
            let fault = Fault::new(FaultKind::Config, "key.revoked", "the key is revoked, and stays so");
            return Err(fault.action("Make another one: `attiva key create`.").into());
        }
        let (secret, now) = (secret()?, self.clock.now());
        let before = std::mem::replace(&mut key.hash, hash(&secret));
        // Nobody has the secret of a rotation that was not answered.
        let is_repeat = key.rotation.as_ref().is_some_and(|rotation| rotation.by == stamp);
        if !is_repeat {
            key.rotation = Some(Rotation { at: now, by: stamp, before, before_until: now.saturating_add(overlap_ms) });
        }
        let until = key.rotation.as_ref().map(|rotation| rotation.before_until);
        let detail = serde_json::json!({ "organisation": caller.organisation, "before_until": until });
        let told = told(now, caller.key.as_str(), "key.rotated", id, detail);
        let body = documents::write(&key)?;
        let told = (!is_repeat).then_some(told);
        self.control.put_document(ControlKind::ApiKey, id, body, Expect::Version(version), told).await?;
        Ok(NewKey { text: text(&key.id, &secret), key })
    }

    /// Makes a key useless, at once and for good.
    ///
    /// # Errors
    /// `api-key.missing`; `key.scope` for a key that may do more than the caller's.
    pub async fn revoke(&self, caller: &Caller, id: &str) -> Result<ApiKey> {
        let (mut key, version) = self.found(caller, id)?;
        caller.must_cover(&key.given())?;
        if key.revoked_at.is_some() {
            return Ok(key);
        }
        let now = self.clock.now();
        key.revoked_at = Some(now);
        let detail = serde_json::json!({ "organisation": caller.organisation });
        let told = told(now, caller.key.as_str(), "key.revoked", id, detail);
        let body = documents::write(&key)?;
        self.control.put_document(ControlKind::ApiKey, id, body, Expect::Version(version), Some(told)).await?;
        Ok(key)
    }
}

fn told(at: Millis, actor: &str, action: &str, subject: &str, detail: serde_json::Value) -> AuditEvent {
    AuditEvent { at, actor: actor.to_owned(), action: action.into(), subject: subject.to_owned(), detail }
}

fn secret() -> Result<String> {
    let mut secret = [0u8; 32];
    getrandom::fill(&mut secret).map_err(|e| Refusal::internal(format!("no random numbers: {e}")))?;
    Ok(hex::encode(secret))
}

fn text(id: &KeyId, secret: &str) -> String {
    format!("{PREFIX}{}_{secret}", id.as_str().trim_start_matches(KeyId::PREFIX))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_from_before_there_were_roles_may_what_they_could() {
        let key = |more: &str| {
            let text = format!(
                r#"{{"id": "key_1", "organisation": "org_1", "name": "n", "hash": "h", "created_at": 1{more}}}"#
            );
            serde_json::from_str::<ApiKey>(&text).unwrap()
        };
        let operator = key(r#", "operator": true"#);
        assert_eq!((operator.role, operator.scopes.len()), (Some(Role::Operator), 0));
        let other = key("");
        let may = other.given().effective();
        assert!(
            may.contains(Scope::PluginsWrite) && may.contains(Scope::GrantsWrite) && may.contains(Scope::KeysWrite)
        );
        assert!(!may.contains(Scope::HostWrite) && !may.contains(Scope::OrganisationsRead));
        // It stays so when it is written again, whatever scopes there will be.
        let again: ApiKey = serde_json::from_value(serde_json::to_value(&other).unwrap()).unwrap();
        assert_eq!(again, other);
        let none = key(r#", "scopes": [], "role": "analyst""#);
        assert_eq!(none.given().effective(), Role::Analyst.scopes());
    }
}
