//! A person's consent (RFC 6749 4.1, RFC 7636): where the person is sent, and what the code they come back with brings.
//! The plugin has no part in it, and never sees a code or a token.

use super::Wallet;
use super::refresh::ends_at;
use crate::capability::http::Gate;
use crate::connection::ConnectionContext;
use crate::egress::body;
use crate::egress::policy::{Mode, placeholders};
use crate::egress::redact::{Redactor, percent_encoded};
use crate::plugin::Plugin;
use crate::surroundings::wall_clock_ms;
use attiva_core::spec::{Authorize, CredentialMethod};
use attiva_core::{Fault, FaultKind, Millis};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::Zeroize;

const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// An authorisation that is being asked for.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// Random, known to the person's browser and to us alone: it comes back with the code.
    pub state: SecretString,
    /// RFC 7636: random; only its digest leaves the host before the code is exchanged.
    pub verifier: SecretString,
    /// Where the person comes back to.
    pub redirect_uri: String,
}

/// What a consent brought.
#[derive(Debug)]
pub struct Consent {
    /// The secret of the connection that is the refresh token.
    pub key: String,
    pub refresh_token: SecretString,
    /// When it ends, where the vendor says.
    pub ends_at: Option<Millis>,
}

impl Plugin {
    /// Where a person authorises the app for a connection.
    ///
    /// # Errors
    /// `auth.no-consent` (kind unsupported): no credential of this connection is a person's consent. `credential.missing`,
    /// `egress.endpoint`: the configuration does not say enough.
    pub async fn authorization_url(&self, context: &ConnectionContext, asked: &Authorization) -> Result<String, Fault> {
        Gate::new(self, context, Mode::ReadOnly).authorization_url(asked).await
    }

    /// Exchanges the code that a person came back with.
    ///
    /// # Errors
    /// As [`Plugin::authorization_url`]; `auth.code` (kind auth): the vendor does not take the code; `auth.identity`.
    pub async fn consented(
        &self,
        context: &ConnectionContext,
        asked: &Authorization,
        code: &SecretString,
    ) -> Result<Consent, Fault> {
        Gate::new(self, context, Mode::ReadOnly).consented(asked, code).await
    }
}

/// The parts of the credential that is a person's consent.
struct Asked<'a> {
    authorize: &'a Authorize,
    origin: &'a str,
    path: &'a str,
    client_id: &'a str,
    client_secret: &'a str,
    refresh_token: &'a str,
}

impl Wallet<'_> {
    fn asked(&self) -> Result<Asked<'_>, Fault> {
        let spec = &self.policy.spec;
        let chosen = spec.credentials.iter().filter_map(|c| spec.credential(&c.name, &self.policy.configuration));
        let mut asked = chosen.filter_map(|credential| match &credential.method {
            CredentialMethod::OAuth2RefreshToken {
                origin,
                path,
                client_id,
                client_secret,
                refresh_token,
                authorize: Some(authorize),
            } => Some(Asked { authorize, origin, path, client_id, client_secret, refresh_token }),
            _ => None,
        });
        asked.next().ok_or_else(|| {
            let what = format!("{} needs nobody's consent, or cannot ask for it", spec.name);
            Fault::new(FaultKind::Unsupported, "auth.no-consent", what)
                .action("Enter the connection's credentials in its configuration.")
        })
    }

    pub(crate) fn authorization_url(&self, asked: &Authorization) -> Result<String, Fault> {
        let Asked { authorize, client_id, .. } = self.asked()?;
        let endpoint = self.policy.endpoint(&authorize.origin)?;
        let mut url = format!("{}://{}{}", endpoint.scheme.as_str(), endpoint.authority(), authorize.path);
        let mut mark = if authorize.path.contains('?') { '&' } else { '?' };
        let mut put = |name: &str, value: &str| {
            url.push(mark);
            url.push_str(&format!("{}={}", percent_encoded(name), percent_encoded(value)));
            mark = '&';
        };
        put("response_type", "code");
        put("client_id", self.fill(client_id)?.expose_secret());
        put("redirect_uri", &asked.redirect_uri);
        put("state", asked.state.expose_secret());
        if !authorize.scopes.is_empty() {
            put("scope", &authorize.scopes.join(" "));
        }
        if authorize.pkce {
            put("code_challenge", &challenge(&asked.verifier));
            put("code_challenge_method", "S256");
        }
        authorize.parameters.iter().for_each(|(name, value)| put(name, value));
        Ok(url)
    }

    pub(crate) async fn consented(&self, given: &Authorization, code: &SecretString) -> Result<Consent, Fault> {
        let asked = self.asked()?;
        let endpoint = self.policy.endpoint(asked.origin)?;
        let (id, secret) = (self.fill(asked.client_id)?, self.fill(asked.client_secret)?);
        let verifier = asked.authorize.pkce.then(|| format!("&code_verifier={}", given.verifier.expose_secret()));
        let mut form = format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&client_id={}&client_secret={}{}",
            percent_encoded(code.expose_secret()),
            percent_encoded(&given.redirect_uri),
            percent_encoded(id.expose_secret()),
            percent_encoded(secret.expose_secret()),
            verifier.unwrap_or_default()
        );
        let request = Request::builder()
            .method(Method::POST)
            .uri(asked.path)
            .header(header::HOST, endpoint.authority())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, crate::capability::http::USER_AGENT)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::CONTENT_LENGTH, form.len())
            .body(Full::from(Bytes::from(form.clone())));
        form.zeroize();
        let request = request.map_err(|e| Fault::new(FaultKind::Internal, "auth.request", e.to_string()))?;
        let sent = tokio::time::timeout_at(self.deadline, self.transport.send(&endpoint, request)).await;
        let mut exchange = sent.map_err(|_| trouble("it takes too long".into()))??;
        let status = exchange.response.status().as_u16();
        let read =
            tokio::time::timeout_at(self.deadline, body::read(exchange.response.body_mut(), ANSWER_BYTES_MAX)).await;
        let read = read.map_err(|_| trouble("it takes too long".into()))?;
        let mut bytes = read.map_err(|e| trouble(format!("its answer could not be read: {e}")))?;
        self.transport.give_back(exchange);
        let json: Option<Value> = serde_json::from_slice(&bytes).ok();
        bytes.zeroize();
        match (status, json) {
            (200..300, Some(json)) => consent(json, placeholders(asked.refresh_token).next().unwrap_or_default()),
            (400 | 401 | 403, json) => {
                let mut redactor = Redactor::default();
                [&secret, code, &given.verifier].into_iter().for_each(|secret| redactor.add(secret));
                let word =
                    |key: &str| json.as_ref().and_then(|j| j.get(key)).and_then(Value::as_str).unwrap_or_default();
                let said = redactor.clean_text(&format!("{status} {} {}", word("error"), word("error_description")));
                let said: String = said.trim().chars().take(200).collect();
                Err(Fault::new(FaultKind::Auth, "auth.code", format!("the vendor does not take the authorisation: {said}"))
                    .action("Begin it anew, and see that the app at the vendor has this host's callback address and the connection its id and secret."))
            }
            _ => Err(trouble(format!("it answered with status {status}, and not with a token"))),
        }
    }
}

/// RFC 7636 4.2.
fn challenge(verifier: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.expose_secret().as_bytes()).as_ref())
}

fn consent(mut json: Value, key: &str) -> Result<Consent, Fault> {
    let seconds = |value: &Value| value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    let life = json.get("refresh_token_expires_in").and_then(seconds).filter(|seconds| *seconds > 0);
    let ends_at = life.map(|life| ends_at(wall_clock_ms(), life));
    match json.get_mut("refresh_token").map(Value::take) {
        Some(Value::String(text)) if !text.is_empty() => {
            Ok(Consent { key: key.to_owned(), refresh_token: text.into(), ends_at })
        }
        _ => {
            let what = "the vendor gave the app no refresh token, so it could work for an hour or so only";
            Err(Fault::new(FaultKind::Scope, "auth.no-refresh-token", what)
                .action("Have the vendor allow the app to have refresh tokens, and authorise it again."))
        }
    }
}

fn trouble(what: String) -> Fault {
    Fault::new(FaultKind::Transient, "auth.identity", format!("the vendor's login is in trouble: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    #[test]
    fn a_challenge_is_the_verifiers_digest() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into();
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_consent_without_a_refresh_token_is_none() {
        let given = consent(serde_json::json!({"access_token": "a", "refresh_token": "r"}), "k").unwrap();
        assert_eq!((given.key.as_str(), given.refresh_token.expose_secret(), given.ends_at), ("k", "r", None));
        for bad in [serde_json::json!({"access_token": "a"}), serde_json::json!({"refresh_token": ""})] {
            assert_eq!(consent(bad, "k").unwrap_err().code, "auth.no-refresh-token");
        }
    }
}
