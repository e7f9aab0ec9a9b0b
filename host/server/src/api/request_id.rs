//! One id for each request, in the answer's header and in every log line about it; and one line
//! and a count when it is answered.

use super::State;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::time::Instant;
use tracing::Instrument;

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
    let span = tracing::info_span!("request", id, %method, %route);
    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    response.headers_mut().insert(HEADER, header);
    let (status, took) = (response.status(), began.elapsed());
    state.requests.answered(&method, &route, status, took);
    span.in_scope(|| tracing::info!(status = status.as_u16(), ms = took.as_millis(), "answered"));
    response
}

fn from_client(request: &Request) -> Option<String> {
    let text = request.headers().get(HEADER)?.to_str().ok()?;
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    (plain && !text.is_empty() && text.len() <= LENGTH_MAX).then(|| text.to_owned())
}
