//! Why something failed, and who acts next. The same words cross the connector contract, the HTTP API and the CLI.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who acts next. Closed; the reasons are in `wit/types.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    Config,
    Auth,
    Scope,
    RateLimited,
    Quota,
    Transient,
    Data,
    Unsupported,
    Internal,
}

impl FaultKind {
    /// Whether the host repeats the call by itself. Every kind is listed, so that a new one cannot slip through.
    #[must_use]
    pub fn is_retried(self) -> bool {
        match self {
            Self::RateLimited | Self::Transient => true,
            Self::Config | Self::Auth | Self::Scope | Self::Quota | Self::Data | Self::Unsupported | Self::Internal => {
                false
            }
        }
    }

    /// The kind's name as it stands in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Auth => "auth",
            Self::Scope => "scope",
            Self::RateLimited => "rate-limited",
            Self::Quota => "quota",
            Self::Transient => "transient",
            Self::Data => "data",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

/// A failure that a person or the host can act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, JsonSchema)]
#[error("{}: {message} ({code})", kind.as_str())]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub kind: FaultKind,
    /// Stable and machine-readable: `marketo.606`, `egress.denied`.
    pub code: String,
    /// What happened, in one sentence. Never a secret.
    pub message: String,
    /// What to do, in one sentence; empty where waiting is all.
    #[serde(default)]
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The configuration key or column at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Fault {
    pub fn new(kind: FaultKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            action: String::new(),
            retry_after_ms: None,
            field: None,
        }
    }

    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = action.into();
        self
    }

    #[must_use]
    pub fn retry_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.retry_after_ms = Some(retry_after_ms);
        self
    }

    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}
