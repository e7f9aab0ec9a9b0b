//! OAuth 2 by client credentials (RFC 6749 4.4) or by a signed assertion (RFC 7523 2.1). Tokens are kept per client until they lapse; one request at a time asks
//! for a new one.
//!
//! `expires_in` is taken as the token's remaining life, which is what vendors that answer with the same token until
//! it lapses mean by it: it may be small or 0, and then a new one exists only after it has lapsed.

use super::jwt::Assertion;
use crate::egress::body;
use crate::egress::policy::Endpoint;
use crate::egress::redact::{Redactor, percent_encoded};
use crate::egress::transport::Transport;
use attiva_core::spec::ParametersIn;
use attiva_core::{Fault, FaultKind};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use zeroize::Zeroize;

const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// A token is not used in its last second: it could lapse on its way.
const MARGIN: Duration = Duration::from_secs(1);
/// Where neither the vendor nor the specification says; the RFC lets it.
pub(super) const LIFE_DEFAULT: Duration = Duration::from_secs(300);
const ATTEMPTS_MAX: u32 = 5;

/// Who asks for tokens, and where.
pub(super) struct Client {
    pub(super) endpoint: Endpoint,
    pub(super) path: String,
    pub(super) id: SecretString,
    pub(super) grant: Grant,
    /// How long a token lives whose reply does not say.
    pub(super) life: Duration,
}

/// What a client shows for a token.
pub(super) enum Grant {
    Secret { secret: SecretString, parameters_in: ParametersIn },
    Assertion(Assertion),
}

impl Grant {
    /// What nobody else may see of it.
    fn secret(&self) -> &SecretString {
        match self {
            Self::Secret { secret, .. } => secret,
            Self::Assertion(assertion) => &assertion.private_key,
        }
    }
}

/// A token, and what came with it.
#[derive(Clone)]
pub(super) struct Issued {
    pub(super) value: SecretString,
    /// The reply, without what authorises.
    pub(super) reply: Arc<Value>,
}

/// All tokens of the host, by client: connections of one client share them, since the vendor gives them the same.
#[derive(Default)]
pub struct TokenCache {
    slots: Mutex<HashMap<[u8; 32], Arc<tokio::sync::Mutex<Slot>>>>,
    pub(super) refreshed: super::refresh::Refreshed,
    pub(super) assumed: super::assume::Assumed,
    pub(crate) corrections: super::correction::Corrections,
}

#[derive(Default)]
struct Slot {
    token: Option<Token>,
    /// The token the vendor last said is no good.
    refused: Option<SecretString>,
}

struct Token {
    value: SecretString,
    reply: Arc<Value>,
    lapses: Instant,
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenCache")
    }
}

impl TokenCache {
    /// A token that is good for now.
    ///
    /// # Errors
    /// `auth.refused` (kind `auth`), `auth.token-lapsing` and `auth.token-refused` (transient, with the time to wait),
    /// `auth.identity` (the identity service is in trouble), and what the transport says.
    pub(super) async fn token(
        &self,
        client: &Client,
        transport: &Transport,
        deadline: Instant,
    ) -> Result<Issued, Fault> {
        let slot = self.slot(client);
        let busy = || Fault::new(FaultKind::Transient, "auth.identity", "the identity service takes too long");
        let mut slot = tokio::time::timeout_at(deadline, slot.lock()).await.map_err(|_| busy())?;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(token) = &slot.token
                && token.lapses > Instant::now() + MARGIN
            {
                return Ok(Issued { value: token.value.clone(), reply: Arc::clone(&token.reply) });
            }
            slot.token = None;
            let asked = tokio::time::timeout_at(deadline, client.ask(transport)).await;
            let token = asked.map_err(|_| busy())??;
            let same = |refused: &SecretString| refused.expose_secret() == token.value.expose_secret();
            let refused = slot.refused.as_ref().is_some_and(same);
            if !refused && token.lapses > Instant::now() + MARGIN {
                slot.refused = None;
                slot.token = Some(token);
                continue;
            }
            // Only when this one has lapsed is there another.
            let again = token.lapses + MARGIN;
            if again > deadline {
                return Err(not_yet(refused, again));
            }
            tokio::time::sleep_until(again).await;
        }
        Err(not_yet(slot.refused.is_some(), Instant::now() + MARGIN))
    }

    /// Forgets a token the vendor refused, unless a newer one has taken its place.
    pub(super) async fn refuse(&self, client: &Client, used: &SecretString) {
        let slot = self.slot(client);
        let mut slot = slot.lock().await;
        if slot.token.as_ref().is_some_and(|token| token.value.expose_secret() == used.expose_secret()) {
            slot.token = None;
            slot.refused = Some(used.clone());
        }
    }

    fn slot(&self, client: &Client) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(client.key()).or_default().clone()
    }
}

fn not_yet(refused: bool, at: Instant) -> Fault {
    let wait_ms = u64::try_from(at.saturating_duration_since(Instant::now()).as_millis()).unwrap_or(u64::MAX);
    let (code, what) = if refused {
        ("auth.token-refused", "the vendor refuses its token, and its identity service still answers with the same one")
    } else {
        ("auth.token-lapsing", "the identity service answers with a token that is about to lapse")
    };
    Fault::new(FaultKind::Transient, code, what).retry_after_ms(wait_ms)
}

impl Client {
    /// Where, who and with which secret: a changed secret must not be served an older one's token.
    fn key(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        let (subject, audience) = match &self.grant {
            Grant::Secret { .. } => ("", ""),
            Grant::Assertion(assertion) => (assertion.subject.as_str(), assertion.audience.as_str()),
        };
        let parts = [
            self.endpoint.scheme.as_str(),
            &self.endpoint.authority(),
            &self.path,
            self.id.expose_secret(),
            self.grant.secret().expose_secret(),
            subject,
            audience,
        ];
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        key
    }

    async fn ask(&self, transport: &Transport) -> Result<Token, Fault> {
        let asked = Instant::now();
        let mut exchange = transport.send(&self.endpoint, self.request()?).await?;
        let status = exchange.response.status().as_u16();
        let read = body::read(exchange.response.body_mut(), ANSWER_BYTES_MAX).await;
        let mut answer = read.map_err(|e| identity(format!("its answer could not be read: {e}")))?;
        transport.give_back(exchange);
        let json: Option<Value> = serde_json::from_slice(&answer).ok();
        answer.zeroize();
        match (status, json) {
            (200..300, Some(json)) => token(json, asked, self.life),
            (200..300, None) => Err(identity("its answer is no JSON".into())),
            (400 | 401 | 403, json) => Err(self.refused(status, json.as_ref())),
            (429, _) => {
                Err(Fault::new(FaultKind::RateLimited, "auth.identity", "the identity service wants fewer requests"))
            }
            (500.., _) => Err(identity(format!("it answered with status {status}"))),
            _ => {
                let what = format!("the identity service answered with status {status}");
                Err(Fault::new(FaultKind::Config, "auth.identity", what)
                    .action("Check the connection's configuration: the token endpoint is not where it should be."))
            }
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, Fault> {
        let (mut parameters, parameters_in) = match &self.grant {
            Grant::Secret { secret, parameters_in } => {
                let (id, secret) = (self.id.expose_secret(), secret.expose_secret());
                let (id, secret) = (percent_encoded(id), percent_encoded(secret));
                (format!("grant_type=client_credentials&client_id={id}&client_secret={secret}"), *parameters_in)
            }
            Grant::Assertion(assertion) => {
                #[expect(clippy::disallowed_methods, reason = "an assertion carries the time it is made")]
                let signed = assertion.sign(SystemTime::now())?;
                let kind = percent_encoded("urn:ietf:params:oauth:grant-type:jwt-bearer");
                (format!("grant_type={kind}&assertion={}", signed.expose_secret()), ParametersIn::Body)
            }
        };
        let builder = Request::builder()
            .header(header::HOST, self.endpoint.authority())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, crate::capability::http::USER_AGENT);
        let built = match parameters_in {
            ParametersIn::Query => {
                let mark = if self.path.contains('?') { '&' } else { '?' };
                builder.method(Method::GET).uri(format!("{}{mark}{parameters}", self.path)).body(Full::default())
            }
            ParametersIn::Body => builder
                .method(Method::POST)
                .uri(&self.path)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::CONTENT_LENGTH, parameters.len())
                .body(Full::from(parameters.clone())),
        };
        parameters.zeroize();
        built.map_err(|e| Fault::new(FaultKind::Internal, "auth.request", format!("no token request can be made: {e}")))
    }

    fn refused(&self, status: u16, json: Option<&Value>) -> Fault {
        let mut redactor = Redactor::default();
        redactor.add(self.grant.secret());
        let word = |key: &str| json.and_then(|j| j.get(key)).and_then(Value::as_str).unwrap_or_default();
        let said = redactor.clean_text(&format!("{} {}", word("error"), word("error_description")));
        let said: String = said.trim().chars().take(200).collect();
        let said = if said.is_empty() { format!("status {status}") } else { said };
        Fault::new(
            FaultKind::Auth,
            "auth.refused",
            format!("the identity service refuses the client's credentials: {said}"),
        )
        .action("Correct the client's id and secret, or its user and key, in the connection's configuration, and see at the vendor whether the client is allowed in.")
    }
}

/// What authorises beside the access token, or vouches for the reply: nobody needs it.
const NOT_KEPT: [&str; 4] = ["access_token", "refresh_token", "id_token", "signature"];

fn token(mut json: Value, asked: Instant, life: Duration) -> Result<Token, Fault> {
    let life = match json.get("expires_in") {
        None => life,
        Some(value) => {
            let seconds = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            // A year is as good as for ever, and fits every clock.
            Duration::from_secs(seconds.unwrap_or(0).min(365 * 86_400))
        }
    };
    match json.get_mut("access_token").map(Value::take) {
        Some(Value::String(value)) if !value.is_empty() => {
            if let Some(reply) = json.as_object_mut() {
                reply.retain(|key, _| !NOT_KEPT.contains(&key.as_str()));
            }
            Ok(Token { value: value.into(), reply: Arc::new(json), lapses: asked + life })
        }
        _ => Err(identity("its answer holds no access_token".into())),
    }
}

fn identity(what: String) -> Fault {
    Fault::new(FaultKind::Transient, "auth.identity", format!("the identity service is in trouble: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Scheme;
    use crate::egress::SystemResolver;

    fn client(secret: &str) -> Client {
        let endpoint = Endpoint { scheme: Scheme::Https, host: "a.example.com".into(), port: 443, addresses: vec![] };
        let grant = Grant::Secret { secret: secret.into(), parameters_in: ParametersIn::Body };
        Client { endpoint, path: "/token".into(), id: "id".into(), grant, life: LIFE_DEFAULT }
    }

    async fn put(cache: &TokenCache, client: &Client, value: &str) {
        let lapses = Instant::now() + Duration::from_secs(3_600);
        cache.slot(client).lock().await.token = Some(Token { value: value.into(), reply: Arc::default(), lapses });
    }

    #[tokio::test]
    async fn only_the_token_that_was_refused_is_forgotten() {
        let cache = TokenCache::default();
        let transport = Transport::new(Arc::new(SystemResolver), &[]).unwrap();
        let client = client("secret");
        put(&cache, &client, "new").await;
        // Another call has renewed it since this one sent `old`.
        cache.refuse(&client, &"old".into()).await;
        let token = cache.token(&client, &transport, Instant::now()).await.unwrap();
        assert_eq!(token.value.expose_secret(), "new");
        cache.refuse(&client, &"new".into()).await;
        assert!(cache.slot(&client).lock().await.token.is_none());
    }

    #[test]
    fn a_reply_is_kept_without_what_authorises() {
        let reply =
            serde_json::json!({"access_token": "t", "refresh_token": "r", "signature": "s", "instance_url": "u"});
        let now = Instant::now();
        let issued = token(reply, now, Duration::from_secs(7_200)).unwrap();
        assert_eq!(*issued.reply, serde_json::json!({"instance_url": "u"}));
        assert_eq!((issued.value.expose_secret(), issued.lapses), ("t", now + Duration::from_secs(7_200)));
    }

    #[test]
    fn every_part_makes_another_client() {
        let base = client("secret");
        let assertion = |subject: &str| {
            let (issuer, audience) = ("id".into(), "a".into());
            let claims = Assertion { issuer, audience, subject: subject.into(), private_key: "secret".into() };
            Client { grant: Grant::Assertion(claims), ..client("secret") }
        };
        assert_ne!(assertion("one").key(), assertion("other").key());
        let mut others = [client("other"), client("secret"), client("secret"), client("secret"), assertion("one")];
        others[1].endpoint.host = "b.example.com".into();
        others[2].path = "/other".into();
        others[3].id = "other".into();
        assert_eq!(base.key(), client("secret").key());
        assert!(others.iter().all(|other| other.key() != base.key()));
    }
}
