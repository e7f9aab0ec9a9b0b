//! Credentials that a connector asks for: how the host obtains and adds them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A credential the host obtains and adds. Values are templates over the configuration, secrets included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialSpec {
    pub name: String,
    /// Several credentials may have one name: the first whose keys all have these values is used. A key that is left out
    /// of the configuration has its schema's default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, String>,
    /// How long a token lives whose reply does not say, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_seconds: Option<u32>,
    #[serde(flatten)]
    pub method: CredentialMethod,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CredentialMethod {
    /// RFC 6749 4.4. The token goes into `Authorization: Bearer`.
    #[serde(rename = "oauth2-client-credentials")]
    OAuth2ClientCredentials {
        /// The origin and path of the token endpoint, reachable by the host alone.
        origin: String,
        path: String,
        client_id: String,
        client_secret: String,
        #[serde(default)]
        parameters_in: ParametersIn,
    },
    /// RFC 7523 2.1 with RS256: the host signs an assertion, and gets a bearer token for it.
    #[serde(rename = "oauth2-jwt-bearer")]
    OAuth2JwtBearer {
        /// The origin and path of the token endpoint, reachable by the host alone.
        origin: String,
        path: String,
        /// The claims `iss`, `sub` and `aud`.
        issuer: String,
        subject: String,
        audience: String,
        /// PEM, PKCS#8 or PKCS#1.
        private_key: String,
    },
    /// RFC 6749 6: a person consented, and the host holds the refresh token. What takes its place is kept before the
    /// access token beside it is used.
    #[serde(rename = "oauth2-refresh-token")]
    OAuth2RefreshToken {
        /// The origin and path of the token endpoint, reachable by the host alone.
        origin: String,
        path: String,
        client_id: String,
        client_secret: String,
        /// `{key}` of a secret, and nothing else: it is replaced there.
        refresh_token: String,
    },
    /// AWS Signature Version 4, signed by the host.
    AwsSigv4 {
        service: String,
        region: String,
        access_key_id: String,
        secret_access_key: String,
        /// Empty after templating: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_token: Option<String>,
    },
}

impl CredentialMethod {
    /// The origin and path of the token endpoint, where there is one.
    #[must_use]
    pub fn endpoint(&self) -> Option<(&str, &str)> {
        match self {
            Self::OAuth2ClientCredentials { origin, path, .. }
            | Self::OAuth2JwtBearer { origin, path, .. }
            | Self::OAuth2RefreshToken { origin, path, .. } => Some((origin, path)),
            Self::AwsSigv4 { .. } => None,
        }
    }
}

/// Where a token request carries its parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParametersIn {
    /// A form-encoded POST body, as the RFC says.
    #[default]
    Body,
    /// The query string of a GET.
    Query,
}
