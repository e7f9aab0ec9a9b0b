//! One id for each request, in the answer's header and in every log line about it; and one line
//! and a count when it is answered. Of a client that traces (W3C trace context) the trace's id stands beside it.

use super::State;
use attiva_sync::trace;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// Taken from the client if it sends a plain one, so that its own logs can be joined with ours.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const LENGTH_MAX: usize = 64;

pub(super) async fn layer(state: axum::extract::State<State>, mut request: Request, next: Next) -> Response {
    let id = from_client(&request).unwrap_or_else(|| hex::encode(state.app.chance().bytes()));
    let Ok(header) = HeaderValue::from_str(&id) else { return next.run(request).await };
    let method = request.method().clone();
    // The route, not the path: a path can hold what should stay out of logs, and cannot be counted by.
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    request.headers_mut().insert(HEADER, header.clone());
    let parent = traceparent(&request).and_then(trace::parse);
    let traced = traced(&id, &method, &route);
    if let Some(parent) = &parent {
        trace::set_parent(&traced, parent);
    }
    let trace = trace::id_of(&traced).or_else(|| parent.map(|parent| format!("{:032x}", parent.trace_id())));
    request.extensions_mut().insert(Traced(traced.clone()));
    let span = tracing::info_span!("request", id, trace, %method, %route);
    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).instrument(traced.clone()).await;
    response.headers_mut().insert(HEADER, header);
    let (status, took) = (response.status(), began.elapsed());
    state.requests.answered(&method, &route, status, took);
    traced.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        traced.record("otel.status_code", "ERROR");
    }
    span.in_scope(|| tracing::info!(status = status.as_u16(), ms = took.as_millis(), "answered"));
    response
}

/// A request's span in a trace, for work that goes on in another task: the current span there is that of the log alone.
#[derive(Clone)]
pub(super) struct Traced(pub(super) Span);

/// The request in a trace. Whoever only looks whether the host lives is no part of any.
fn traced(id: &str, method: &Method, route: &str) -> Span {
    if matches!(route, "/healthz" | "/readyz" | "/metrics") {
        return Span::none();
    }
    tracing::info_span!(target: trace::TARGET, "request", otel.name = %format_args!("{method} {route}"),
        otel.kind = "server", request = id, http.request.method = %method, http.route = route,
        http.response.status_code = Empty, otel.status_code = Empty)
}

fn from_client(request: &Request) -> Option<String> {
    let text = request.headers().get(HEADER)?.to_str().ok()?;
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (plain && !text.is_empty() && text.len() <= LENGTH_MAX).then(|| text.to_owned())
}

/// Where a client traces, and says so once.
fn traceparent(request: &Request) -> Option<&str> {
    let mut headers = request.headers().get_all("traceparent").iter();
    match (headers.next(), headers.next()) {
        (Some(only), None) => only.to_str().ok(),
        _ => None,
    }
}
