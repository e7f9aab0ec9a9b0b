//! What a call cost, and what is left of it as evidence.

use attiva_core::Fault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use attiva_core::ports::connector::{HostTraffic, Usage};

/// One line a connector logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// After a trap: functions of the component that were at work, the innermost first.
    pub trace: Vec<String>,
    /// The last lines the connector logged.
    pub log: Vec<LogLine>,
}
