//! Refusals as problem documents (RFC 9457). The status is decided here and nowhere else.

use crate::app::refusal::{FieldProblem, Refusal};
use attiva_core::FaultKind;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem document, as clients get it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `/problems/<code>`: stable, and a page that says what it means and what to do.
    #[serde(rename = "type")]
    pub type_uri: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// Who acts next.
    pub kind: FaultKind,
    pub code: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let Refusal { fault, mut fields } = refusal;
        if let Some(field) = fault.field.filter(|_| fields.is_empty()) {
            fields.push(FieldProblem::new(field, fault.message.clone()));
        }
        Self {
            type_uri: format!("/problems/{}", fault.code),
            title: title(fault.kind).to_owned(),
            status: status(fault.kind, &fault.code).as_u16(),
            detail: fault.message,
            kind: fault.kind,
            code: fault.code,
            action: fault.action,
            retry_after_ms: fault.retry_after_ms,
            errors: fields,
        }
    }
}

/// The status of a fault. Its kind says who acts; where HTTP has a finer word for one of our own codes, that is used.
fn status(kind: FaultKind, code: &str) -> StatusCode {
    if let Some(status) = status_of_code(code) {
        return status;
    }
    match kind {
        FaultKind::Config | FaultKind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
        // The vendor refused us, or sent what cannot be read: the client's own request was in order.
        FaultKind::Auth | FaultKind::Scope | FaultKind::Data => StatusCode::BAD_GATEWAY,
        FaultKind::RateLimited | FaultKind::Quota => StatusCode::TOO_MANY_REQUESTS,
        FaultKind::Transient => StatusCode::SERVICE_UNAVAILABLE,
        FaultKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn status_of_code(code: &str) -> Option<StatusCode> {
    Some(match code {
        "key.missing" | "key.refused" => StatusCode::UNAUTHORIZED,
        "key.scope" => StatusCode::FORBIDDEN,
        "store.version-mismatch" => StatusCode::PRECONDITION_FAILED,
        "store.exists"
        | "run.in-progress"
        | "delivery.in-progress"
        | "idempotency.in-progress"
        | "activation.in-use"
        | "activation.target-taken"
        | "connection.in-use"
        | "organisation.in-use"
        | "organisation.own"
        | "organisation.removing"
        | "sandbox.in-use"
        | "sandbox.removing"
        | "connection.instance-taken"
        | "key.revoked"
        | "backup.in-progress"
        | "backup.not-empty"
        | "plugin.in-use"
        | "plugin.stage"
        | "plugin.upgrade"
        | "plugin.state-too-new"
        | "plugin.quarantined"
        | "plugin.version-taken"
        | "plugin.name-taken"
        | "connection.has-data"
        | "privacy.ambiguous"
        | "privacy.not-asking"
        | "segment.in-use" => StatusCode::CONFLICT,
        "request.method" => StatusCode::METHOD_NOT_ALLOWED,
        "request.too-large" => StatusCode::PAYLOAD_TOO_LARGE,
        "request.media-type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "request.malformed" | "request.cursor" | "request.header" => StatusCode::BAD_REQUEST,
        "request.timed-out" => StatusCode::GATEWAY_TIMEOUT,
        "store.full" => StatusCode::INSUFFICIENT_STORAGE,
        _ if code.ends_with(".missing") => StatusCode::NOT_FOUND,
        _ => return None,
    })
}

/// What a kind of fault is called. The same for every problem of the kind, as the RFC wants.
pub(super) fn title(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Config => "What was asked for, or configured, is not right",
        FaultKind::Auth => "A credential was refused",
        FaultKind::Scope => "A credential lacks a permission",
        FaultKind::RateLimited => "Too many calls for now",
        FaultKind::Quota => "A budget is spent",
        FaultKind::Transient => "Something failed that passes",
        FaultKind::Data => "Data cannot be read as what it should be",
        FaultKind::Unsupported => "This cannot be done here",
        FaultKind::Internal => "Something in the host or in a connector is broken",
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"attiva\""));
        }
        let waits = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if let Some(ms) = self.retry_after_ms.or(waits.then_some(1000)) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if self.fault.kind == FaultKind::Internal {
            tracing::error!(code = self.fault.code, "{}", self.fault.message);
        }
        Problem::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::Fault;

    #[test]
    fn the_status_follows_the_kind_and_our_own_codes() {
        use FaultKind as K;
        let cases = [
            (K::Config, "configuration.invalid", 422),
            (K::Config, "connection.missing", 404),
            (K::Config, "store.version-mismatch", 412),
            (K::Config, "store.exists", 409),
            (K::Auth, "key.missing", 401),
            (K::Auth, "marketo.601", 502),
            (K::Scope, "marketo.603", 502),
            (K::RateLimited, "marketo.606", 429),
            (K::Quota, "marketo.607", 429),
            (K::Transient, "network.refused", 503),
            (K::Transient, "store.full", 507),
            (K::Data, "vendor.html", 502),
            (K::Unsupported, "x", 422),
            (K::Internal, "guest.trap", 500),
        ];
        for (kind, code, expected) in cases {
            let problem = Problem::from(Refusal::from(Fault::new(kind, code, "x")));
            assert_eq!(problem.status, expected, "{code}");
            assert_eq!(problem.type_uri, format!("/problems/{code}"));
        }
    }

    #[test]
    fn a_vendors_wait_becomes_retry_after() {
        let fault = Fault::new(FaultKind::RateLimited, "x", "x").retry_after_ms(1500);
        let response = Refusal::from(fault).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn a_faults_field_is_an_error_of_the_document() {
        let problem = Problem::from(Refusal::from(Fault::new(FaultKind::Config, "x", "is wrong").field("/a")));
        assert_eq!(problem.errors, [FieldProblem::new("/a", "is wrong")]);
    }
}
