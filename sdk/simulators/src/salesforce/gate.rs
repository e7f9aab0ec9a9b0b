//! A call's way in: session, limits, faults; then the endpoint.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::json;

use super::calls;
use super::fault::{self, Fault};
use super::refusal::{Refusal, json_response};
use super::service::Service;
use crate::marketo::body::CutBody;

/// URI and headers together.
const HEAD_BYTES: usize = 16_384;
const BODY_BYTES: usize = 1 << 20;

/// A call, read.
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) batch: Option<usize>,
    pub(crate) body: Vec<u8>,
    authorization: Option<String>,
    head_bytes: usize,
}

impl Call {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    async fn read(request: Request) -> Result<Self, StatusCode> {
        let (parts, body) = request.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let headers: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let query = parts.uri.query().unwrap_or_default();
        let batch = header("sforce-query-options").and_then(|text| text.strip_prefix("batchSize=")?.parse().ok());
        let body = Limited::new(body, BODY_BYTES).collect().await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        Ok(Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            batch,
            authorization: header(AUTHORIZATION.as_str()),
            head_bytes: headers + parts.uri.path().len() + query.len(),
            body: body.to_bytes().to_vec(),
        })
    }
}

/// Answers a call, and notes that it came.
pub(crate) async fn answer(Shared(service): Shared<Arc<Service>>, request: Request) -> Response {
    let call = match Call::read(request).await {
        Ok(call) => call,
        Err(status) => return status.into_response(),
    };
    let mut fault = fault::take(&mut service.state().faults, &call.method, &call.path);
    if let Some(Fault::Delay { ms }) = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        fault = fault::take(&mut service.state().faults, &call.method, &call.path);
    }
    let mut response = handle(&service, &call, fault.as_ref());
    if let Some(Fault::Cut { after_bytes }) = fault {
        response = response.map(|body| Body::new(CutBody::new(body, after_bytes)));
    }
    let line = format!("{} {}", call.method, call.path);
    service.state().received.push((line, response.status().as_u16()));
    response
}

fn handle(service: &Service, call: &Call, fault: Option<&Fault>) -> Response {
    if call.path == "/services/oauth2/token" {
        return token(service, call);
    }
    let early = match fault {
        Some(Fault::Error { status, code, message }) => {
            Some(Refusal::new(*status, code, message.clone()).into_response())
        }
        Some(Fault::RequestLimitExceeded) => Some(limit("TotalRequests Limit exceeded.")),
        Some(Fault::ConcurrentLimitExceeded) => Some(limit("ConcurrentPerOrgLongTxn Limit exceeded.")),
        Some(Fault::HtmlPage { status }) => {
            let page = "<!DOCTYPE html><html><body><h1>Down for maintenance</h1></body></html>";
            Some((status_of(*status), [(CONTENT_TYPE, "text/html; charset=UTF-8")], page).into_response())
        }
        Some(Fault::Bodiless { status }) => Some(status_of(*status).into_response()),
        _ => None,
    };
    if let Some(early) = early {
        return early;
    }
    if call.head_bytes > HEAD_BYTES {
        return StatusCode::URI_TOO_LONG.into_response();
    }
    // The only call that needs no session.
    if call.path == "/services/data/" || call.path == "/services/data" {
        return calls::versions();
    }
    let mut state = service.state();
    if matches!(fault, Some(Fault::SessionExpired)) {
        state.sessions.expire();
    }
    if !state.sessions.is_living(call.authorization.as_deref()) {
        return Refusal::expired().into_response();
    }
    if state.calls_today >= service.config.daily_calls {
        return limit("TotalRequests Limit exceeded.");
    }
    state.calls_today += 1;
    let usage = format!("api-usage={}/{}", state.calls_today, service.config.daily_calls);
    let mut response = calls::route(service, &mut state, call, fault).unwrap_or_else(Refusal::into_response);
    if let Ok(usage) = HeaderValue::try_from(usage) {
        response.headers_mut().insert("sforce-limit-info", usage);
    }
    response
}

fn token(service: &Service, call: &Call) -> Response {
    if call.method != "POST" {
        return json_response(400, &json!({"error": "invalid_request", "error_description": "must use HTTP POST"}));
    }
    let (status, body) =
        service.state().sessions.answer(&service.config, &call.body, &service.base_url, service.clock.now());
    json_response(status, &body)
}

fn limit(message: &str) -> Response {
    Refusal::new(403, "REQUEST_LIMIT_EXCEEDED", message).into_response()
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
