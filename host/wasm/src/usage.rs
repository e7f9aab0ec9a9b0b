//! What a call cost, and what is left of it as evidence.

use attiva_core::FaultKind;
use serde::{Deserialize, Serialize};

pub use attiva_core::ports::connector::Usage;

/// One line a connector logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    pub message: String,
    pub fields: Vec<(String, String)>,
}

/// Everything known of one finished call, failed or not. Handed to [`crate::CallObserver::finished`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallReport {
    /// `read`, `deliver`, ...
    pub function: &'static str,
    /// Kind and code, if it failed.
    pub fault: Option<(FaultKind, String)>,
    pub usage: Usage,
    /// The last lines the connector logged.
    pub log: Vec<LogLine>,
}
