//! Credentials that a connector asks for: how the host obtains and adds them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A credential the host obtains and adds. Values are templates over the configuration, secrets included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
        /// How a person consents through the host (RFC 6749 4.1); absent: somebody brings a refresh token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authorize: Option<Authorize>,
    },
    /// A key that goes with every request as it is.
    ApiKey {
        /// The header that carries it, or else the parameter of the query.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        /// Template: `{api_key}`, `Token {api_key}`.
        value: String,
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
        /// A role that is assumed with these keys; it signs then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<AssumedRole>,
    },
}

/// Where a person authorises an app (RFC 6749 4.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authorize {
    /// The origin and path of the page that the person is sent to.
    pub origin: String,
    pub path: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// RFC 7636 with S256. `false` only for a vendor that refuses it.
    #[serde(default = "yes")]
    pub pkce: bool,
    /// Other parameters of the page's address: `access_type=offline`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// A role of AWS's Security Token Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssumedRole {
    /// The origin of the service, reachable by the host alone.
    pub origin: String,
    /// Template; empty once filled: no role is assumed.
    pub arn: String,
    /// Template: what the role's owner wants to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

impl CredentialMethod {
    /// The origin and path of the token endpoint, where there is one.
    #[must_use]
    pub fn endpoint(&self) -> Option<(&str, &str)> {
        match self {
            Self::OAuth2ClientCredentials { origin, path, .. }
            | Self::OAuth2JwtBearer { origin, path, .. }
            | Self::OAuth2RefreshToken { origin, path, .. } => Some((origin, path)),
            Self::AwsSigv4 { role, .. } => role.as_ref().map(|role| (role.origin.as_str(), "/")),
            Self::ApiKey { .. } => None,
        }
    }

    /// How a person consents through the host, where one can.
    #[must_use]
    pub fn authorize(&self) -> Option<&Authorize> {
        match self {
            Self::OAuth2RefreshToken { authorize, .. } => authorize.as_ref(),
            _ => None,
        }
    }

    /// What is wrong with it in itself.
    pub(super) fn problem(&self) -> Option<&'static str> {
        match self {
            Self::ApiKey { header: Some(_), query: Some(_), .. } | Self::ApiKey { header: None, query: None, .. } => {
                Some("goes either into a header or into the query")
            }
            Self::ApiKey { header: Some(name), .. } if !is_header(name) => {
                Some("names a header that is the host's own")
            }
            Self::ApiKey { query: Some(name), .. } if !is_parameter(name) => Some("names no parameter of a query"),
            Self::OAuth2RefreshToken { authorize: Some(authorize), .. } if !authorize.path.starts_with('/') => {
                Some("authorize.path must begin with /")
            }
            Self::OAuth2RefreshToken { authorize: Some(authorize), .. } => {
                let ours = |name: &&String| RESERVED.contains(&name.as_str());
                authorize.parameters.keys().find(ours).map(|_| "authorize.parameters names one that the host fills in")
            }
            _ => None,
        }
    }
}

/// Parameters of an authorisation that are the host's.
const RESERVED: [&str; 7] =
    ["response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"];

/// Headers that make a message are nobody's but the host's.
fn is_header(name: &str) -> bool {
    const FRAMING: [&str; 8] =
        ["host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade", "cookie"];
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    !name.is_empty() && plain && !FRAMING.contains(&name)
}

fn is_parameter(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

/// Where a token request carries its parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ParametersIn {
    /// A form-encoded POST body, as the RFC says.
    #[default]
    Body,
    /// The query string of a GET.
    Query,
}
