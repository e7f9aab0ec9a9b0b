//! OAuth 2 refresh tokens (RFC 6749 6): a person consented once, and the host turns what that brought into access tokens.
//!
//! A vendor may answer with another refresh token, and the one used is dead from then on. It is therefore kept before
//! the access token beside it is used for anything, and the exchange is a task of its own, which goes on when the call
//! that wanted the token is cut off: whoever lost that answer would have to ask the person again.

use crate::connection::SecretSource;
use crate::egress::body;
use crate::egress::policy::Endpoint;
use crate::egress::redact::{Redactor, percent_encoded};
use crate::egress::transport::Transport;
use crate::surroundings::wall_clock_ms;
use attiva_core::{Fault, FaultKind, Millis};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroize;

const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Longest time an exchange may take, whoever waits for it.
const EXCHANGE_MAX: Duration = Duration::from_secs(60);
/// An access token is not used in its last seconds.
const MARGIN: Duration = Duration::from_secs(5);
/// Where the vendor does not say.
const LIFE_DEFAULT: Duration = Duration::from_secs(300);

/// Who asks, with what, and where what comes instead is kept.
pub(super) struct Client {
    pub(super) endpoint: Endpoint,
    pub(super) path: String,
    pub(super) id: SecretString,
    pub(super) secret: SecretString,
    /// The secret of the connection that is the refresh token, and its value as last kept.
    pub(super) key: String,
    pub(super) refresh: SecretString,
    pub(super) keeper: Arc<dyn SecretSource>,
}

/// Access tokens by the refresh token they came from, and by the one that took its place.
#[derive(Default, Clone)]
pub(super) struct Refreshed {
    slots: Arc<Mutex<Slots>>,
}

type Slots = HashMap<[u8; 32], Arc<tokio::sync::Mutex<Slot>>>;

#[derive(Default)]
struct Slot {
    access: Option<(SecretString, Instant)>,
    /// What took the place of the refresh token the slot began with.
    rotated: Option<SecretString>,
    /// The value that is kept, as long as it is not `rotated`.
    unkept: Option<SecretString>,
}

impl Refreshed {
    /// An access token that is good for now.
    ///
    /// # Errors
    /// `auth.consent` (kind `auth`): the refresh token is refused, a person has to consent again. `auth.refused`,
    /// `auth.identity`, what the transport and the keeper of secrets say.
    pub(super) async fn token(
        &self,
        client: Client,
        transport: &Arc<Transport>,
        deadline: Instant,
    ) -> Result<SecretString, Fault> {
        let slot = self.slot(&client.slot_key(&client.refresh));
        let (this, transport) = (self.clone(), transport.clone());
        let work = tokio::spawn(async move {
            let mut slot_now = slot.lock().await;
            this.fresh(&mut slot_now, &slot, &client, &transport).await
        });
        let waited = tokio::time::timeout_at(deadline, work).await;
        let ended = waited.map_err(|_| trouble("it takes too long".into()))?;
        ended.map_err(|_| Fault::new(FaultKind::Internal, "auth.stopped", "the exchange of tokens was stopped"))?
    }

    /// Forgets an access token the vendor refused, unless a newer one has taken its place.
    pub(super) async fn refuse(&self, client: &Client, used: &SecretString) {
        let slot = self.slot(&client.slot_key(&client.refresh));
        let mut slot = slot.lock().await;
        if slot.access.as_ref().is_some_and(|(token, _)| token.expose_secret() == used.expose_secret()) {
            slot.access = None;
        }
    }

    async fn fresh(
        &self,
        slot: &mut Slot,
        shared: &Arc<tokio::sync::Mutex<Slot>>,
        client: &Client,
        transport: &Transport,
    ) -> Result<SecretString, Fault> {
        slot.keep(client).await?;
        if let Some((token, lapses)) = &slot.access
            && *lapses > Instant::now() + MARGIN
        {
            return Ok(token.clone());
        }
        let refresh = slot.rotated.clone().unwrap_or_else(|| client.refresh.clone());
        let answer = tokio::time::timeout(EXCHANGE_MAX, client.ask(&refresh, transport)).await;
        let answer = answer.map_err(|_| trouble("it takes too long".into()))??;
        slot.access = Some((answer.access.clone(), answer.lapses));
        let other = answer.refresh.filter(|other| other.expose_secret() != refresh.expose_secret());
        if let Some(other) = other {
            // Calls that begin from now on come with the new one.
            self.share(client.slot_key(&other), shared);
            slot.unkept = Some(refresh);
            slot.rotated = Some(other);
        }
        slot.keep(client).await?;
        if let Some(seconds) = answer.consent_seconds {
            client.keeper.consent_ends(&client.key, ends_at(wall_clock_ms(), seconds)).await;
        }
        Ok(answer.access)
    }

    fn slot(&self, key: &[u8; 32]) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(*key).or_default().clone()
    }

    fn share(&self, key: [u8; 32], slot: &Arc<tokio::sync::Mutex<Slot>>) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).insert(key, slot.clone());
    }
}

impl Slot {
    /// Keeps the refresh token that took another's place, if that has not been done.
    async fn keep(&mut self, client: &Client) -> Result<(), Fault> {
        if let (Some(before), Some(now)) = (&self.unkept, &self.rotated) {
            client.keeper.replace(&client.key, before, now).await?;
            self.unkept = None;
        }
        Ok(())
    }
}

struct Answer {
    access: SecretString,
    lapses: Instant,
    refresh: Option<SecretString>,
    /// How long the refresh token still lives, in seconds, where the vendor says.
    consent_seconds: Option<u64>,
}

impl Client {
    /// Where, who, and by which consent.
    fn slot_key(&self, refresh: &SecretString) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        let authority = self.endpoint.authority();
        let (id, secret) = (self.id.expose_secret(), self.secret.expose_secret());
        for part in [self.endpoint.scheme.as_str(), &authority, &self.path, id, secret, refresh.expose_secret()] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        key
    }

    async fn ask(&self, refresh: &SecretString, transport: &Transport) -> Result<Answer, Fault> {
        let asked = Instant::now();
        let mut exchange = transport.send(&self.endpoint, self.request(refresh)?).await?;
        let status = exchange.response.status().as_u16();
        let read = body::read(exchange.response.body_mut(), ANSWER_BYTES_MAX).await;
        let mut bytes = read.map_err(|e| trouble(format!("its answer could not be read: {e}")))?;
        transport.give_back(exchange);
        let json: Option<Value> = serde_json::from_slice(&bytes).ok();
        bytes.zeroize();
        match (status, json) {
            (200..300, Some(json)) => answer(json, asked),
            (400 | 401 | 403, json) => Err(self.refused(status, json.as_ref(), refresh)),
            (429, _) => {
                Err(Fault::new(FaultKind::RateLimited, "auth.identity", "the vendor's login wants fewer requests"))
            }
            _ => Err(trouble(format!("it answered with status {status}, and not with a token"))),
        }
    }

    fn request(&self, refresh: &SecretString) -> Result<Request<Full<Bytes>>, Fault> {
        let mut form = format!(
            "grant_type=refresh_token&refresh_token={}&client_id={}&client_secret={}",
            percent_encoded(refresh.expose_secret()),
            percent_encoded(self.id.expose_secret()),
            percent_encoded(self.secret.expose_secret())
        );
        let built = Request::builder()
            .method(Method::POST)
            .uri(&self.path)
            .header(header::HOST, self.endpoint.authority())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, crate::capability::http::USER_AGENT)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::CONTENT_LENGTH, form.len())
            .body(Full::from(form.clone()));
        form.zeroize();
        built.map_err(|e| Fault::new(FaultKind::Internal, "auth.request", format!("no token request can be made: {e}")))
    }

    /// What ends a consent is for the person who gave it; anything else is the app's.
    fn refused(&self, status: u16, json: Option<&Value>, refresh: &SecretString) -> Fault {
        let mut redactor = Redactor::default();
        redactor.add(&self.secret);
        redactor.add(refresh);
        let word = |key: &str| json.and_then(|j| j.get(key)).and_then(Value::as_str).unwrap_or_default();
        let said = redactor.clean_text(&format!("{status} {} {}", word("error"), word("error_description")));
        let said: String = said.trim().chars().take(200).collect();
        if word("error") == "invalid_grant" {
            let what = format!("the vendor no longer takes the refresh token: {said}");
            return Fault::new(FaultKind::Auth, "auth.consent", what)
                .field(&self.key)
                .action("Have the person authorise the app again, and put the new refresh token into the connection.");
        }
        let what = format!("the vendor's login refuses the app: {said}");
        Fault::new(FaultKind::Auth, "auth.refused", what)
            .action("Renew the client id and secret in the connection's configuration.")
    }
}

/// When what lives for so many seconds ends.
pub(super) fn ends_at(now_ms: u64, seconds: u64) -> Millis {
    Millis::try_from(now_ms.saturating_add(seconds.saturating_mul(1000))).unwrap_or(Millis::MAX)
}

fn answer(mut json: Value, asked: Instant) -> Result<Answer, Fault> {
    let seconds = |key: &str| {
        json.get(key).and_then(|value| value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())))
    };
    // A year is as good as for ever, and fits every clock.
    let life = seconds("expires_in").map_or(LIFE_DEFAULT, |s| Duration::from_secs(s.min(365 * 86_400)));
    let consent_seconds = seconds("refresh_token_expires_in").filter(|seconds| *seconds > 0);
    let mut text = |key: &str| match json.get_mut(key).map(Value::take) {
        Some(Value::String(text)) if !text.is_empty() => Some(SecretString::from(text)),
        _ => None,
    };
    let access = text("access_token").ok_or_else(|| trouble("its answer holds no access_token".into()))?;
    Ok(Answer { access, lapses: asked + life, refresh: text("refresh_token"), consent_seconds })
}

fn trouble(what: String) -> Fault {
    Fault::new(FaultKind::Transient, "auth.identity", format!("the vendor's login is in trouble: {what}"))
}
