//! What the tests configure.

use super::bindings::attiva::connector::http::Request;
use super::bindings::attiva::connector::types::Fault;
use super::fault;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) behaviour: String,
    /// How much of it.
    pub(super) count: u64,
    /// What cursors say beside their number.
    pub(super) message: String,
    pub(super) requests: Vec<Ask>,
    /// The spool that is used, and what a fetched file must be.
    pub(super) spool: String,
    pub(super) sha256: Option<String>,
    pub(super) refusals: Vec<String>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ask {
    origin: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    credential: Option<String>,
    timeout_ms: Option<u32>,
    /// Renew this credential after the response.
    pub(super) renew: Option<String>,
}

impl Config {
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        serde_json::from_str(text).map_err(|e| fault("guest.config", &e.to_string()))
    }
}

impl Ask {
    pub(super) fn request(&self) -> Request {
        Request {
            origin: self.origin.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            headers: self.headers.clone(),
            body: self.body.as_ref().map(|body| body.clone().into_bytes()),
            credential: self.credential.clone(),
            timeout_ms: self.timeout_ms,
        }
    }
}
