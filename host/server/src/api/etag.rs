//! `ETag` and `If-Match`: a document's version, so that nobody overwrites what they have not seen (RFC 9110).

use crate::app::refusal::Refusal;
use attiva_core::ports::store::Expect;
use attiva_core::{Fault, FaultKind};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::Response;

/// What the client expects to change. Without the header, whatever is there.
pub(super) struct IfMatch(pub(super) Expect);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let Some(header) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(Expect::Anything)) };
        let text = header.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(Expect::Anything));
        }
        let quoted = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        match quoted.and_then(|t| t.parse().ok()) {
            Some(version) => Ok(Self(Expect::Version(version))),
            None => Err(unreadable()),
        }
    }
}

fn unreadable() -> Refusal {
    Fault::new(FaultKind::Config, "request.header", "If-Match is not an ETag that this host gave")
        .action("Send the ETag of the newest answer, with its quotes.")
        .into()
}

/// Adds a document's version to an answer.
pub(super) fn with_version(mut response: Response, version: u64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
