//! `Idempotency-Key` on every POST: a repeat gets the answer of the first, and the work is done once.
//!
//! Requests are kept by caller and key, with a fingerprint of what was asked; the same key with something else asked is
//! refused. What failed in a way that passes (5xx, 429) has no answer kept: the repeat is meant to try again. So does the
//! repeat of a request that a kill left without an answer; its stamp leads it to what was done.

use super::State;
use super::body;
use crate::app::answers::{Answer, Asked};
use crate::app::keys::Caller;
use crate::app::refusal::Refusal;
use attiva_core::{Fault, FaultKind};
use attiva_sync::crash;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const LENGTH_MAX: usize = 255;
/// Headers that belong to an answer's meaning and come back with it.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// The layer, with the largest body that its routes take.
#[derive(Clone)]
pub(super) struct Idempotency {
    pub(super) state: State,
    pub(super) body_max: usize,
}

pub(super) async fn layer(
    it: axum::extract::State<Idempotency>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if request.method() != Method::POST {
        return Ok(next.run(request).await);
    }
    let Some(key) = request.headers().get(&KEY) else { return Ok(next.run(request).await) };
    let key = plain(key)?;
    let (mut parts, body) = request.into_parts();
    let bytes = to_bytes(body, it.body_max).await.map_err(|_| body::too_large())?;
    let fingerprint = fingerprint(&parts, &bytes);
    let answers = it.state.app.answers();
    let mine = match answers.ask(&caller, &key, &fingerprint).await? {
        Asked::Before(answer) => return replay(answer),
        Asked::Now(mine) => mine,
    };
    crash::point("request.kept");
    parts.extensions.insert(mine.stamp());
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    crash::point("request.done");
    if passes(response.status()) {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.map_err(|_| Refusal::internal("an answer could not be kept"))?;
    let headers = KEPT_HEADERS.iter().filter_map(|name| Some((name.to_string(), text(parts.headers.get(name)?)?)));
    let answer = Answer { status: parts.status.as_u16(), headers: headers.collect(), body: bytes.to_vec() };
    mine.keep(&answer).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn plain(key: &HeaderValue) -> Result<String, Refusal> {
    // The draft wants a quoted string; most clients send it bare. Both are the same key.
    let text = key.to_str().unwrap_or_default().trim().trim_matches('"').to_owned();
    if text.is_empty() || text.len() > LENGTH_MAX {
        let message = format!("Idempotency-Key must be 1 to {LENGTH_MAX} visible characters");
        return Err(Fault::new(FaultKind::Config, "request.header", message).into());
    }
    Ok(text)
}

fn fingerprint(parts: &axum::http::request::Parts, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    for piece in [parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or_default()] {
        digest.update(piece.as_bytes());
        digest.update([0]);
    }
    digest.update(body);
    hex::encode(digest.finalize())
}

fn passes(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

fn text(value: &HeaderValue) -> Option<String> {
    value.to_str().ok().map(str::to_owned)
}

fn replay(answer: Answer) -> Result<Response, Refusal> {
    let mut response = Response::builder().status(answer.status).header(REPLAYED, "true");
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).map_err(|e| Refusal::internal(format!("a kept answer cannot be given: {e}")))
}
