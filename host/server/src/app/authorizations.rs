//! A person's consent that an app works with an account at a vendor (the three-legged flow): asked for by whoever has a
//! key, given in a browser, taken in at the host's callback.
//!
//! What comes back is taken only with the state that went out: random, known by its digest alone, good once and for ten
//! minutes, and bound to the connection and to the key that asked. The key must still be good then. The code is
//! exchanged with a verifier of which only the digest has left the host before. What it brings is sealed like every
//! secret, and shown to nobody.

use super::App;
use super::documents;
use super::keys::{ApiKey, Caller};
use super::refusal::{Refusal, Result, shown};
use super::sandbox::Sandbox;
use attiva_core::access::Scopes;
use attiva_core::config::Connection;
use attiva_core::id::{KeyId, OrganisationId};
use attiva_core::ports::store::{ControlKind, ControlStore, Expect, StoreError};
use attiva_core::time::format_timestamp;
use attiva_core::{Fault, FaultKind, Millis};
use attiva_wasm::Authorization;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

/// How long a person has time.
const ASKED_MS: i64 = 10 * 60_000;
/// A consent that ends sooner is warned of.
const WARN_MS: i64 = 30 * DAY_MS;
const DAY_MS: i64 = 86_400_000;

/// A person was asked. Kept under the digest of the state.
#[derive(Serialize, Deserialize)]
struct Pending {
    organisation: OrganisationId,
    sandbox: String,
    connection: String,
    /// Who asked.
    key: KeyId,
    until: Millis,
    redirect_uri: String,
    /// The verifier.
    sealed: String,
}

/// What a consent is to a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppConsent {
    /// When a person last gave it through this host, and with whose key it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<KeyId>,
    /// When it ends, as the vendor last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Millis>,
    /// Why it was not given when it was last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Fault>,
}

/// A consent as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub consent: AppConsent,
    /// Something to do about it soon.
    pub warning: Option<String>,
}

/// Where a person is to go.
#[derive(Debug, Clone)]
pub struct Begun {
    pub url: String,
    pub until: Millis,
    /// What has to be registered with the app at the vendor.
    pub redirect_uri: String,
}

/// What the vendor sent the person back with.
#[derive(Debug)]
pub struct Returned {
    pub state: SecretString,
    /// The code, or else the vendor's words.
    pub answer: std::result::Result<SecretString, String>,
}

/// Whose connection a person has authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorised {
    pub sandbox: String,
    /// Its name, for people.
    pub connection: String,
}

impl AppConsent {
    /// What to do, and until when.
    fn warning(&self, now: Millis) -> Option<String> {
        let ends_at = self.ends_at?;
        let left = ends_at.saturating_sub(now);
        let at = format_timestamp(ends_at);
        let what = "have a person authorise the app again (`attiva connection authorize`)";
        match left {
            ..0 => Some(format!("the vendor's consent ended at {at}: {what}")),
            0..WARN_MS => Some(format!("the vendor's consent ends in {} days, at {at}: {what} before", left / DAY_MS)),
            _ => None,
        }
    }
}

/// The consent of a connection, by its id in the control store.
fn read(control: &dyn ControlStore, id: &str) -> Result<AppConsent> {
    match control.document(ControlKind::AppConsent, id)? {
        Some(document) => documents::read(document.body),
        None => Ok(AppConsent::default()),
    }
}

async fn write(control: &dyn ControlStore, id: &str, consent: &AppConsent) -> Result<()> {
    let body = documents::write(consent)?;
    control.put_document(ControlKind::AppConsent, id, body, Expect::Anything, None).await?;
    Ok(())
}

/// Notes when a consent ends, as the vendor says with a token.
pub(super) async fn note_end(control: &dyn ControlStore, id: &str, ends_at: Millis, now: Millis) -> Result<()> {
    let before = read(control, id)?;
    // A vendor tells what is left, which is never quite the same.
    const SAME_MS: i64 = 60_000;
    if before.ends_at.is_some_and(|known| (known - ends_at).abs() < SAME_MS) {
        return Ok(());
    }
    let consent = AppConsent { ends_at: Some(ends_at), ..before };
    if let Some(warning) = consent.warning(now) {
        tracing::warn!(connection = id, "{warning}");
    }
    write(control, id, &consent).await
}

/// Forgets the consent of a connection that is gone; there may be none.
pub(super) async fn forget(control: &dyn ControlStore, id: &str) -> Result<()> {
    match control.delete_document(ControlKind::AppConsent, id, Expect::Anything, None).await {
        Ok(()) | Err(StoreError::Missing) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Sandbox {
    /// Asks for a person's consent: tells where the person has to go.
    ///
    /// # Errors
    /// `auth.no-consent`: the connection needs none. `connection.missing`.
    pub async fn ask_for_consent(&self, caller: &Caller, connection: &str, callback: &str) -> Result<Begun> {
        let connection = self.connection(connection)?.value;
        self.forget_old_questions().await?;
        let asked = Authorization { state: random()?, verifier: random()?, redirect_uri: callback.to_owned() };
        let visit = self.connectors.visit(&connection)?;
        let url = visit.plugin.authorization_url(&visit.context, &asked).await?;
        let digest = digest(&asked.state);
        let until = self.now() + ASKED_MS;
        let pending = Pending {
            organisation: self.entry.organisation.clone(),
            sandbox: self.entry.name.clone(),
            connection: connection.id.to_string(),
            key: caller.key.clone(),
            until,
            redirect_uri: callback.to_owned(),
            sealed: self.vault.seal(&asked.verifier, &associated(&digest))?,
        };
        let told = self.event(caller, "connection.consent-asked", connection.id.as_str(), json!({}));
        let body = documents::write(&pending)?;
        self.control.put_document(ControlKind::Authorization, &digest, body, Expect::Absent, Some(told)).await?;
        Ok(Begun { url, until, redirect_uri: callback.to_owned() })
    }

    async fn forget_old_questions(&self) -> Result<()> {
        let now = self.now();
        for id in documents::ids(&*self.control, ControlKind::Authorization, "")? {
            let Some(document) = self.control.document(ControlKind::Authorization, &id)? else { continue };
            let version = document.version;
            let pending: Pending = documents::read(document.body)?;
            if pending.until <= now {
                // Somebody else may be as tidy.
                let _ =
                    self.control.delete_document(ControlKind::Authorization, &id, Expect::Version(version), None).await;
            }
        }
        Ok(())
    }

    /// How a connection's consent stands.
    pub fn consent_standing(&self, connection: &str) -> Result<Standing> {
        let connection = self.connection(connection)?.value;
        let consent = read(&*self.control, &self.control_id(connection.id.as_str()))?;
        let warning = consent.warning(self.now());
        Ok(Standing { consent, warning })
    }

    async fn take_consent(
        &self,
        connection: &Connection,
        asked: &Authorization,
        code: &SecretString,
        by: &KeyId,
    ) -> Result<()> {
        let visit = self.connectors.visit(connection)?;
        let consent = visit.plugin.consented(&visit.context, asked, code).await?;
        let id = self.control_id(connection.id.as_str());
        // Nobody changes the connection's secrets meanwhile.
        let _alone = self.connections_change.lock().await;
        let mut secrets = self.vault.open(&id)?;
        secrets.insert(&consent.key, consent.refresh_token);
        self.vault.keep(&id, &secrets).await?;
        let now = self.now();
        let given =
            AppConsent { given_at: Some(now), asked_by: Some(by.clone()), ends_at: consent.ends_at, refused: None };
        write(&*self.control, &id, &given).await
    }
}

impl App {
    /// Takes in what a vendor sent a person back with. Nobody is logged in here: the state is what is known of the person.
    ///
    /// # Errors
    /// `authorization.unknown`, `authorization.expired`, `authorization.withdrawn`, `authorization.refused`; what the
    /// vendor's login says of the code.
    pub async fn take_authorization(&self, returned: Returned) -> Result<Authorised> {
        let digest = digest(&returned.state);
        let control = &self.inner.control;
        let document = control.document(ControlKind::Authorization, &digest)?.ok_or_else(unknown)?;
        let version = document.version;
        let pending: Pending = documents::read(document.body)?;
        // Once: whoever comes second finds nothing.
        let taken = control.delete_document(ControlKind::Authorization, &digest, Expect::Version(version), None).await;
        match taken {
            Err(StoreError::Missing | StoreError::VersionMismatch { .. }) => return Err(unknown()),
            other => other?,
        }
        if self.inner.clock.now() >= pending.until {
            let what = "the person took longer than ten minutes";
            return Err(Fault::new(FaultKind::Auth, "authorization.expired", what).action("Begin anew.").into());
        }
        if !self.is_good(&pending.key)? {
            let what = "the key that asked for the authorisation has been revoked since";
            return Err(Fault::new(FaultKind::Auth, "authorization.withdrawn", what).action("Begin anew.").into());
        }
        let sandbox = self.opened(&pending.organisation, &pending.sandbox)?;
        let connection = sandbox.connection(&pending.connection)?.value;
        let (key, organisation) = (pending.key.clone(), pending.organisation.clone());
        // Who asked, for the audit log. The browser that comes back may do nothing else.
        let caller = Caller { key, organisation, sandbox: None, scopes: Scopes::default() };
        let verifier = sandbox.vault.unseal(&pending.sealed, &associated(&digest))?;
        let asked = Authorization { state: returned.state, verifier, redirect_uri: pending.redirect_uri };
        let given = match returned.answer {
            Ok(code) => sandbox.take_consent(&connection, &asked, &code, &pending.key).await,
            Err(words) => {
                let what = format!("the vendor says that it was not given: {}", shown(&words));
                let action = "Begin anew, and have somebody consent who may.";
                Err(Fault::new(FaultKind::Auth, "authorization.refused", what).action(action).into())
            }
        };
        let (action, detail) = match &given {
            Ok(()) => ("connection.consent-given", json!({})),
            Err(refusal) => ("connection.consent-refused", json!({ "code": refusal.fault.code })),
        };
        sandbox.tell(&caller, action, connection.id.as_str(), detail).await?;
        if let Err(refusal) = given {
            let id = sandbox.control_id(connection.id.as_str());
            let before = read(&**control, &id)?;
            write(&**control, &id, &AppConsent { refused: Some(refusal.fault.clone()), ..before }).await?;
            return Err(refusal);
        }
        sandbox.engine.connection_mended(&connection.id);
        Ok(Authorised { sandbox: pending.sandbox, connection: connection.name })
    }

    fn is_good(&self, key: &KeyId) -> Result<bool> {
        let Some(document) = self.inner.control.document(ControlKind::ApiKey, key.as_str())? else { return Ok(false) };
        Ok(documents::read::<ApiKey>(document.body)?.revoked_at.is_none())
    }
}

/// 256 bits, as a URL may carry them.
fn random() -> Result<SecretString> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| Refusal::internal(format!("no random numbers: {e}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}

fn digest(state: &SecretString) -> String {
    hex::encode(Sha256::digest(state.expose_secret().as_bytes()))
}

fn associated(digest: &str) -> String {
    format!("verifier of {digest}")
}

/// The same whether it never was, or was taken already.
fn unknown() -> Refusal {
    Fault::new(FaultKind::Auth, "authorization.unknown", "nobody here is waiting for this authorisation")
        .action("Begin anew: `attiva connection authorize`. Each address is good once.")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::connections::NewConnection;
    use crate::app::plugins::Upload;
    use crate::app::settings::Settings;
    use attiva_core::ports::clock::Clock;
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    #[test]
    fn an_end_is_warned_of_a_month_before() {
        let consent = |ends_at| AppConsent { ends_at, ..AppConsent::default() };
        assert_eq!(consent(None).warning(0), None);
        assert_eq!(consent(Some(31 * DAY_MS)).warning(0), None);
        let soon = consent(Some(29 * DAY_MS)).warning(0).unwrap();
        assert!(soon.contains("ends in 29 days, at 1970-01-30T00:00:00Z"), "{soon}");
        assert!(consent(Some(DAY_MS)).warning(2 * DAY_MS).unwrap().contains("ended at"));
    }

    struct Hands(AtomicI64);

    impl Clock for Hands {
        fn now(&self) -> Millis {
            self.0.load(Ordering::SeqCst)
        }
    }

    async fn asked_at_zero(place: &std::path::Path, clock: &Arc<Hands>) -> (App, String) {
        let opened = App::open_at(place, Settings::default(), Arc::clone(clock) as Arc<dyn Clock>).await.unwrap();
        let (app, key) = (opened.app, opened.first_key.unwrap());
        let spec = json!({"name": "asks", "version": "0.1.0", "publisher": "acme", "title": "Asks", "state_version": 1,
            "configuration": {"type": "object", "properties": {"id": {"type": "string"},
                "secret": {"type": "string", "writeOnly": true}, "token": {"type": "string", "writeOnly": true}}},
            "credentials": [{"name": "consent", "method": "oauth2-refresh-token", "origin": "login", "path": "/token",
                "client_id": "{id}", "client_secret": "{secret}", "refresh_token": "{token}",
                "authorize": {"origin": "login", "path": "/authorize"}}],
            "origins": [{"name": "login", "url": "https://login.example.com", "domains": ["example.com"], "rules": []}],
            "instance": {"system": "Asks", "id": "{id}"}, "delivery": {"class": "at-least-once", "batch_rows": 100}});
        let component = attiva_guests::component(&spec.to_string());
        let stamp = app.fresh_stamp();
        let upload = Upload { bytes: &component, by: "test", stamp, allow_unsigned: Some("a test"), approve: true };
        app.plugins().install(upload).await.unwrap();
        let caller = app.keys().authenticate(&key.text).unwrap();
        let sandbox = app.sandbox(&caller, "default").unwrap();
        let new = NewConnection {
            name: "asks".into(),
            plugin: "asks".into(),
            configuration: json!({"id": "a1", "secret": "of-the-app"}),
            streams: vec![],
            schedule: None,
            schema: attiva_core::drift::SchemaPolicy::default(),
            grants: BTreeMap::new(),
        };
        let id = sandbox.create_connection(&caller, app.fresh_stamp(), new).await.unwrap().value.id;
        let begun = sandbox.ask_for_consent(&caller, id.as_str(), "https://a.example/oauth/callback").await.unwrap();
        let state = begun.url.split_once("&state=").unwrap().1.split('&').next().unwrap().to_owned();
        (app, state)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_person_has_ten_minutes() {
        let (place, clock) = (tempfile::tempdir().unwrap(), Arc::new(Hands(AtomicI64::new(1_800_000_000_000))));
        let (app, state) = asked_at_zero(place.path(), &clock).await;
        let back = || Returned { state: state.as_str().into(), answer: Ok("code".into()) };
        clock.0.fetch_add(ASKED_MS, Ordering::SeqCst);
        assert_eq!(app.take_authorization(back()).await.unwrap_err().fault.code, "authorization.expired");
        assert_eq!(app.take_authorization(back()).await.unwrap_err().fault.code, "authorization.unknown");
    }
}
