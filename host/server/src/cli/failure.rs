//! Why a command did not do it, and the exit code that tells scripts.

use crate::api::Problem;
use crate::exit::Exit;
use attiva_core::FaultKind;
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line, or something it names.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers there.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable { url: String, reason: String },
    /// Somebody answers there who cannot show to be the host.
    #[error("{url} cannot be trusted: {reason}")]
    Untrusted { url: String, reason: String },
    /// The host refused, and said why.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// Whatever else.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable { .. } | Self::Untrusted { .. } => Exit::Unreachable,
            Self::Refused(problem) => exit_of(problem),
            Self::Other(_) => Exit::Fault,
        }
    }

    /// What to do about it; empty where the message says all.
    pub(crate) fn action(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "Is a host running there? `attiva serve` starts one; --url names another.",
            Self::Untrusted { .. } => {
                "Is it the right --url? Where the host's certificate is of an authority of your own, --ca-file names that one."
            }
            Self::Refused(problem) => &problem.action,
            Self::Usage(_) | Self::Other(_) => "",
        }
    }

    /// For programs: the problem document as the host sent it, or one of the same form.
    pub(crate) fn document(&self) -> Value {
        let own = |kind: FaultKind, code: &str| json!({ "kind": kind, "code": code, "detail": self.to_string() });
        match self {
            Self::Refused(problem) => serde_json::to_value(problem).unwrap_or_default(),
            Self::Unreachable { .. } => own(FaultKind::Transient, "host.unreachable"),
            Self::Untrusted { .. } => own(FaultKind::Config, "host.untrusted"),
            Self::Usage(_) => own(FaultKind::Config, "usage"),
            Self::Other(_) => own(FaultKind::Internal, "failed"),
        }
    }
}

fn exit_of(problem: &Problem) -> Exit {
    match problem.status {
        401 | 403 => Exit::Auth,
        404 => Exit::Missing,
        409 | 412 => Exit::Conflict,
        _ => Exit::Fault,
    }
}
