//! What a call cost, and what is left of it as evidence.

use attiva_core::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use attiva_core::ports::connector::{HostTraffic, Usage};

/// One line a connector logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    pub message: String,
    pub fields: Vec<(String, String)>,
}

/// A request that was not sent, since nothing declared or granted allows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// `egress.rule`, `egress.address`.
    pub code: String,
    pub message: String,
}

/// A request and its answer as the guest knows them: without credentials, and with secrets taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanged {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub method: String,
    pub host: String,
    pub path: String,
    /// The name of the credential it carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    pub request_headers: Vec<(String, String)>,
    pub request_body: Body,
    /// `None`: no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    pub response_headers: Vec<(String, String)>,
    pub response_body: Body,
}

/// The start of a body, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ExchangeBody")]
pub struct Body {
    /// All of it.
    pub bytes: u64,
    /// What is kept: characters that are no UTF-8 replaced.
    pub text: String,
    pub is_whole: bool,
}

impl Body {
    /// Keeps at most so many bytes of a body.
    #[must_use]
    pub fn of(body: &[u8], most: usize) -> Self {
        let kept = body.get(..most.min(body.len())).unwrap_or_default();
        let text = String::from_utf8_lossy(kept).into_owned();
        Self { bytes: body.len() as u64, text, is_whole: kept.len() == body.len() }
    }
}

/// Everything known of one finished call, failed or not. Handed to [`crate::CallObserver::finished`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallReport {
    /// `read`, `deliver`, ...
    pub function: &'static str,
    /// Why it failed, if it did.
    pub fault: Option<Fault>,
    pub usage: Usage,
    /// Rows of the page that was read or the batch that was delivered.
    pub rows: u64,
    /// The wire, by the host that was called.
    pub hosts: BTreeMap<String, HostTraffic>,
    pub denials: Vec<Denial>,
    /// The last exchanges with the vendor, oldest first.
    #[serde(skip)]
    pub exchanges: Vec<Exchanged>,
    /// After a trap: functions of the component that were at work, the innermost first.
    pub trace: Vec<String>,
    /// The last lines the connector logged.
    pub log: Vec<LogLine>,
}
