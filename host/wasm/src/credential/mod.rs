//! Credentials: obtained, added and hidden by the host. A guest only ever names one.

mod assume;
mod authorize;
mod correction;
mod jwt;
mod learnt;
mod oauth2;
mod refresh;
mod sigv4;

pub use authorize::{Authorization, Consent};
pub(crate) use correction::{Correction, Kept, Signed};
pub use oauth2::TokenCache;

use crate::configuration::Secrets;
use crate::connection::SecretSource;
use crate::egress::policy::{Policy, denied, placeholders};
use crate::egress::redact::percent_encoded;
use crate::egress::transport::Transport;
use attiva_core::spec::{self, AssumedRole, CredentialMethod, CredentialSpec};
use attiva_core::{Fault, FaultKind};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use zeroize::Zeroize;

/// A credential ready to be added to one request.
pub(crate) enum Credential {
    Bearer(SecretString),
    Sigv4(sigv4::Signer),
    ApiKey { place: KeyPlace, value: SecretString },
}

/// Where a key goes.
pub(crate) enum KeyPlace {
    Header(String),
    Query(String),
}

/// What obtaining a credential needs.
pub(crate) struct Wallet<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) secrets: &'a Secrets,
    pub(crate) tokens: &'a TokenCache,
    pub(crate) transport: &'a Arc<Transport>,
    /// Where a refresh token goes that takes another's place.
    pub(crate) keeper: &'a Arc<dyn SecretSource>,
    /// Until when it may take.
    pub(crate) deadline: Instant,
    /// The vendor instance that tokens must be for, where they tell.
    pub(crate) instance_id: Option<&'a str>,
}

impl Wallet<'_> {
    /// Obtains a credential by the method its specification declares.
    ///
    /// # Errors
    /// `auth.*` as the method's file says; `credential.missing`, kind `config`, where a value is not configured.
    pub(crate) async fn obtain(&self, name: &str) -> Result<Credential, Fault> {
        match &self.find(name)?.method {
            CredentialMethod::OAuth2ClientCredentials { .. } | CredentialMethod::OAuth2JwtBearer { .. } => {
                self.issued(name).await.map(|issued| Credential::Bearer(issued.value))
            }
            CredentialMethod::OAuth2RefreshToken { .. } => {
                let client = self.refresh_client(name)?;
                self.tokens.refreshed.token(client, self.transport, self.deadline).await.map(Credential::Bearer)
            }
            CredentialMethod::ApiKey { header, query, value } => {
                let place = match (header, query) {
                    (Some(name), _) => KeyPlace::Header(name.clone()),
                    (None, name) => KeyPlace::Query(name.clone().unwrap_or_default()),
                };
                Ok(Credential::ApiKey { place, value: self.fill(value)? })
            }
            CredentialMethod::AwsSigv4 { service, region, access_key_id, secret_access_key, session_token, role } => {
                let session =
                    session_token.as_deref().map(|template| self.fill_optional(template)).transpose()?.flatten();
                let own = sigv4::Signer {
                    service: self.fill(service)?.expose_secret().to_owned(),
                    region: self.fill(region)?.expose_secret().to_owned(),
                    access_key_id: self.fill(access_key_id)?,
                    secret_access_key: self.fill(secret_access_key)?,
                    session_token: session,
                };
                let Some(role) = role.as_ref().map(|role| self.role(role)).transpose()?.flatten() else {
                    return Ok(Credential::Sigv4(own));
                };
                self.tokens.assumed.signer(&role, own, self.transport, self.deadline).await.map(Credential::Sigv4)
            }
        }
    }

    /// Forgets a credential that the vendor no longer takes, if it is still the one that was used.
    ///
    /// # Errors
    /// `auth.not-renewable`, kind `auth`: there is nothing to renew.
    pub(crate) async fn renew(&self, name: &str, used: Option<&SecretString>) -> Result<(), Fault> {
        match &self.find(name)?.method {
            CredentialMethod::OAuth2ClientCredentials { .. } | CredentialMethod::OAuth2JwtBearer { .. } => {
                let client = self.client(name)?;
                if let Some(used) = used {
                    self.tokens.refuse(&client, used).await;
                }
                Ok(())
            }
            CredentialMethod::OAuth2RefreshToken { .. } => {
                let client = self.refresh_client(name)?;
                if let Some(used) = used {
                    self.tokens.refreshed.refuse(&client, used).await;
                }
                Ok(())
            }
            CredentialMethod::AwsSigv4 { .. } | CredentialMethod::ApiKey { .. } => Err(Fault::new(
                FaultKind::Auth,
                "auth.not-renewable",
                format!("the vendor refuses the credential {name}"),
            )
            .action("Replace the connection's key.")),
        }
    }

    /// A token with what came beside it.
    async fn issued(&self, name: &str) -> Result<oauth2::Issued, Fault> {
        let client = self.client(name)?;
        let issued = self.tokens.token(&client, self.transport, self.deadline).await?;
        self.same_instance(name, &issued.reply)?;
        Ok(issued)
    }

    fn find(&self, name: &str) -> Result<&CredentialSpec, Fault> {
        let spec = &self.policy.spec;
        if let Some(found) = spec.credential(name, &self.policy.configuration) {
            return Ok(found);
        }
        let mut named = spec.credentials.iter().filter(|credential| credential.name == name);
        Err(match named.find_map(|credential| credential.when.keys().next()) {
            None => denied("egress.credential", format!("the specification declares no credential `{name}`")),
            Some(key) => Fault::new(FaultKind::Config, "credential.missing", format!("`{key}` chooses no credential"))
                .field(key)
                .action("Complete the connection's configuration."),
        })
    }

    fn client(&self, name: &str) -> Result<oauth2::Client, Fault> {
        let credential = self.find(name)?;
        let life = credential.token_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let (origin, path, id, grant) = match &credential.method {
            CredentialMethod::OAuth2ClientCredentials { origin, path, client_id, client_secret, parameters_in } => {
                let secret = self.fill(client_secret)?;
                (origin, path, client_id, oauth2::Grant::Secret { secret, parameters_in: *parameters_in })
            }
            CredentialMethod::OAuth2JwtBearer { origin, path, issuer, subject, audience, private_key } => {
                let assertion = jwt::Assertion {
                    issuer: self.fill(issuer)?.expose_secret().to_owned(),
                    subject: self.fill(subject)?.expose_secret().to_owned(),
                    audience: self.fill(audience)?.expose_secret().to_owned(),
                    private_key: self.fill(private_key)?,
                };
                (origin, path, issuer, oauth2::Grant::Assertion(assertion))
            }
            // A refresh token has a client of its own.
            CredentialMethod::OAuth2RefreshToken { .. }
            | CredentialMethod::AwsSigv4 { .. }
            | CredentialMethod::ApiKey { .. } => {
                let what = format!("{name} is no credential that tokens are issued for by itself");
                return Err(Fault::new(FaultKind::Internal, "credential.method", what));
            }
        };
        Ok(oauth2::Client {
            endpoint: self.policy.endpoint(origin)?,
            path: path.clone(),
            id: self.fill(id)?,
            grant,
            life: life.unwrap_or(oauth2::LIFE_DEFAULT),
        })
    }

    fn refresh_client(&self, name: &str) -> Result<refresh::Client, Fault> {
        let CredentialMethod::OAuth2RefreshToken { origin, path, client_id, client_secret, refresh_token, authorize } =
            &self.find(name)?.method
        else {
            let what = format!("{name} is no refresh token");
            return Err(Fault::new(FaultKind::Internal, "credential.method", what));
        };
        Ok(refresh::Client {
            endpoint: self.policy.endpoint(origin)?,
            path: path.clone(),
            id: self.fill(client_id)?,
            secret: self.fill(client_secret)?,
            key: placeholders(refresh_token).next().unwrap_or_default().to_owned(),
            refresh: match (self.fill_optional(refresh_token)?, authorize) {
                (Some(refresh), _) => refresh,
                (None, Some(_)) => return Err(unauthorised(refresh_token)),
                (None, None) => self.fill(refresh_token)?,
            },
            keeper: self.keeper.clone(),
        })
    }

    /// `None`: the configuration names no role.
    fn role(&self, role: &AssumedRole) -> Result<Option<assume::Role>, Fault> {
        let Some(arn) = self.fill_optional(&role.arn)? else { return Ok(None) };
        let external_id = role.external_id.as_deref().map(|id| self.fill_optional(id)).transpose()?.flatten();
        let shown = |text: SecretString| text.expose_secret().to_owned();
        let endpoint = self.policy.endpoint(&role.origin)?;
        Ok(Some(assume::Role { endpoint, arn: shown(arn), external_id: external_id.map(shown) }))
    }

    fn fill(&self, template: &str) -> Result<SecretString, Fault> {
        self.fill_optional(template)?.ok_or_else(|| {
            let key = placeholders(template).next().unwrap_or_default();
            Fault::new(FaultKind::Config, "credential.missing", format!("`{key}` is not configured"))
                .field(key)
                .action("Complete the connection's configuration.")
        })
    }

    /// Fills a template over configuration and secrets; `None` where a value is missing or the result is empty.
    fn fill_optional(&self, template: &str) -> Result<Option<SecretString>, Fault> {
        let mut values = Map::new();
        for key in placeholders(template) {
            let secret = self.secrets.get(key).map(|secret| Value::String(secret.expose_secret().to_owned()));
            let public = || self.policy.spec.configured(&self.policy.configuration, key).cloned();
            if let Some(value) = secret.or_else(public) {
                values.insert(key.to_owned(), value);
            }
        }
        let mut values = Value::Object(values);
        let filled = spec::fill(template, &values);
        if let Value::Object(object) = &mut values {
            object.values_mut().for_each(wipe);
        }
        match filled {
            Ok(text) if text.is_empty() => Ok(None),
            Ok(text) => Ok(Some(text.into())),
            Err(spec::TemplateError::Missing(_)) => Ok(None),
            Err(unclosed) => Err(Fault::new(FaultKind::Internal, "credential.template", unclosed.to_string())),
        }
    }
}

fn wipe(value: &mut Value) {
    if let Value::String(text) = value {
        text.zeroize();
    }
}

impl Credential {
    /// Adds the credential to a request that is otherwise complete.
    ///
    /// # Errors
    /// `credential.unusable`, kind `config`: it holds what no header may.
    pub(crate) fn apply(&self, request: &mut Signable<'_>, now: SystemTime) -> Result<(), Fault> {
        match self {
            Self::Bearer(token) => {
                let mut text = format!("Bearer {}", token.expose_secret());
                let value = HeaderValue::from_str(&text);
                text.zeroize();
                let mut value = value.map_err(|_| unusable("the token holds characters that no header may"))?;
                value.set_sensitive(true);
                request.headers.insert(header::AUTHORIZATION, value);
                Ok(())
            }
            Self::Sigv4(signer) => signer.sign(request, now),
            Self::ApiKey { place: KeyPlace::Header(name), value } => {
                let name = HeaderName::try_from(name.as_str()).map_err(|_| unusable("the key's header is none"))?;
                let value = HeaderValue::from_str(value.expose_secret());
                let mut value = value.map_err(|_| unusable("the key holds characters that no header may"))?;
                value.set_sensitive(true);
                request.headers.insert(name, value);
                Ok(())
            }
            Self::ApiKey { place: KeyPlace::Query(name), value } => {
                let query = request.path.split_once('?').map(|(_, query)| query).unwrap_or_default();
                if query.split('&').any(|pair| pair.split('=').next() == Some(name)) {
                    return Err(denied("egress.credential", format!("the request has a parameter {name} already")));
                }
                let mark = if request.path.contains('?') { '&' } else { '?' };
                request.path.push(mark);
                request.path.push_str(&format!("{name}={}", percent_encoded(value.expose_secret())));
                Ok(())
            }
        }
    }

    /// What a server might echo of it beyond the configuration's secrets and the token.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        match self {
            Self::Bearer(_) => [None, None, None],
            Self::Sigv4(signer) => {
                [Some(&signer.access_key_id), Some(&signer.secret_access_key), signer.session_token.as_ref()]
            }
            Self::ApiKey { value, .. } => [Some(value), None, None],
        }
        .into_iter()
        .flatten()
    }

    /// The secrets that a server might echo, beyond those of the configuration.
    pub(crate) fn token(&self) -> Option<&SecretString> {
        match self {
            Self::Bearer(token) => Some(token),
            Self::Sigv4(_) | Self::ApiKey { .. } => None,
        }
    }
}

/// The parts of a request that a signature covers.
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a Method,
    /// `scheme://host[:port]`, as it goes out.
    pub(crate) base: &'a str,
    /// As it stands on the wire.
    pub(crate) path: &'a mut String,
    /// `Host` included.
    pub(crate) headers: &'a mut HeaderMap,
    pub(crate) body: &'a [u8],
}

fn unusable(what: &str) -> Fault {
    Fault::new(FaultKind::Config, "credential.unusable", what).action("Correct the connection's secrets.")
}

/// A person has still to consent.
fn unauthorised(refresh_token: &str) -> Fault {
    let key = placeholders(refresh_token).next().unwrap_or_default();
    Fault::new(FaultKind::Auth, "auth.consent", "nobody has authorised the app for this connection yet")
        .field(key)
        .action("Have a person authorise it: `attiva connection authorize` tells where.")
}
