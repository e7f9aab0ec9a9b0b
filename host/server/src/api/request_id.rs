//! One id for each request, in the answer's header and in every log line about it; and one line
//! and a count when it is answered. Of a client that traces (W3C trace context) the trace's id stands beside it.

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
    let trace = trace_id(&request).map(str::to_owned);
    let span = tracing::info_span!("request", id, trace, %method, %route);
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

/// The trace's id in a `traceparent` header, where that is as the recommendation has it:
/// `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`, and more after that in versions to come.
fn trace_id(request: &Request) -> Option<&str> {
    let mut headers = request.headers().get_all("traceparent").iter();
    let (text, None) = (headers.next()?.to_str().ok()?, headers.next()) else { return None };
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        let part = parts.next()?;
        let is_hex = part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex && part.len() == length).then_some(part)
    };
    let (version, trace, parent, _flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_zero = |text: &str| text.bytes().all(|b| b == b'0');
    let is_whole = version != "ff" && (version != "00" || parts.next().is_none());
    (is_whole && !is_zero(trace) && !is_zero(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn a_trace_is_taken_only_as_the_recommendation_has_it() {
        let trace = |header: &str| {
            let request = Request::builder().header("traceparent", header).body(Body::empty()).unwrap();
            trace_id(&request).map(str::to_owned)
        };
        let (id, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        assert_eq!(trace(&format!("00-{id}-{parent}-01")).as_deref(), Some(id));
        assert_eq!(trace(&format!("cc-{id}-{parent}-01-more")).as_deref(), Some(id));
        let wrong = [
            format!("00-{id}-{parent}-01-more"),
            format!("ff-{id}-{parent}-01"),
            format!("00-{}-{parent}-01", id.to_uppercase()),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{id}-{}-01", "0".repeat(16)),
            format!("00-{id}-{parent}"),
            format!("00-{id}"),
            String::new(),
        ];
        for header in wrong {
            assert_eq!(trace(&header), None, "{header}");
        }
    }
}
