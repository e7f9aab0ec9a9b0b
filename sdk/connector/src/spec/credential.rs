//! Credentials that a connector asks the host to hold: what it obtains for them, and how.

use serde::Serialize;
use std::collections::BTreeMap;

/// A credential the host obtains. Its values are templates over the configuration, secrets included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credential {
    /// What requests name.
    pub name: String,
    /// Several may have one name: the first whose configuration keys all have these values is used.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, String>,
    /// How long a token lives whose reply does not say, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_seconds: Option<u32>,
    /// How it is obtained and added.
    #[serde(flatten)]
    pub method: CredentialMethod,
}

impl Credential {
    /// A credential that is always the one of its name.
    #[must_use]
    pub fn new(name: &str, method: CredentialMethod) -> Self {
        Self { name: name.into(), when: BTreeMap::new(), token_seconds: None, method }
    }

    /// Only where a key of the configuration has this value.
    #[must_use]
    pub fn when(mut self, key: &str, value: &str) -> Self {
        self.when.insert(key.into(), value.into());
        self
    }

    /// How long a token lives whose reply does not say.
    #[must_use]
    pub fn token_seconds(mut self, seconds: u32) -> Self {
        self.token_seconds = Some(seconds);
        self
    }
}

/// How a credential is obtained and added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum CredentialMethod {
    /// RFC 6749 4.4: a bearer token.
    #[serde(rename = "oauth2-client-credentials")]
    OAuth2ClientCredentials {
        /// Origin of the token endpoint.
        origin: String,
        /// Path of the token endpoint.
        path: String,
        /// Template.
        client_id: String,
        /// Template.
        client_secret: String,
        /// Where the token request carries its parameters.
        parameters_in: ParametersIn,
    },
    /// RFC 7523 2.1 with RS256: a bearer token for a signed assertion.
    #[serde(rename = "oauth2-jwt-bearer")]
    OAuth2JwtBearer {
        /// Origin of the token endpoint.
        origin: String,
        /// Path of the token endpoint.
        path: String,
        /// Template of the claim `iss`.
        issuer: String,
        /// Template of the claim `sub`.
        subject: String,
        /// Template of the claim `aud`.
        audience: String,
        /// Template of the private key, in PEM.
        private_key: String,
    },
    /// RFC 6749 6: a bearer token for a refresh token that a person's consent brought.
    #[serde(rename = "oauth2-refresh-token")]
    OAuth2RefreshToken {
        /// Origin of the token endpoint.
        origin: String,
        /// Path of the token endpoint.
        path: String,
        /// Template.
        client_id: String,
        /// Template.
        client_secret: String,
        /// `{key}` of a secret: what the vendor gives in its place is kept there.
        refresh_token: String,
        /// How a person consents through the host; absent: somebody brings a refresh token.
        #[serde(skip_serializing_if = "Option::is_none")]
        authorize: Option<Authorize>,
    },
    /// A key that goes with every request as it is: in a header, or else as a parameter of the query.
    ApiKey {
        /// Lower case.
        #[serde(skip_serializing_if = "Option::is_none")]
        header: Option<String>,
        /// A parameter's name.
        #[serde(skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        /// Template: `{api_key}`, `Token {api_key}`.
        value: String,
    },
    /// AWS Signature Version 4.
    AwsSigv4 {
        /// `s3`.
        service: String,
        /// Template.
        region: String,
        /// Template.
        access_key_id: String,
        /// Template.
        secret_access_key: String,
        /// Template; empty once filled: none.
        #[serde(skip_serializing_if = "Option::is_none")]
        session_token: Option<String>,
        /// A role that is assumed with these keys.
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<AssumedRole>,
    },
}

/// Where a person authorises an app (RFC 6749 4.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Authorize {
    /// Origin of the page that the person is sent to.
    pub origin: String,
    /// Its path.
    pub path: String,
    /// What the app asks for.
    pub scopes: Vec<String>,
    /// RFC 7636. `false` only for a vendor that refuses it.
    pub pkce: bool,
    /// Other parameters of the page's address.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// A role of AWS's Security Token Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssumedRole {
    /// Origin of the service.
    pub origin: String,
    /// Template; empty once filled: no role is assumed.
    pub arn: String,
    /// Template: what the role's owner wants to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// Where a token request carries its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParametersIn {
    /// A form-encoded POST body.
    Body,
    /// The query string of a GET.
    Query,
}
