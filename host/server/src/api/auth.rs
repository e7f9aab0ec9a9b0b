//! Who asks: `Authorization: Bearer atv_...`. Everything under `/v1` passes through here, is
//! counted, and asked whether it may.

use super::{State, permissions};
use crate::app::keys::Caller;
use crate::app::refusal::Refusal;
use attiva_core::{Fault, FaultKind};
use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

pub(super) async fn layer(
    state: axum::extract::State<State>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let caller = state.app.keys().authenticate(bearer(&request)?)?;
    let told = match state.throttles.ask(&caller.key) {
        Ok(told) => told,
        Err(refused) => return Ok(refused),
    };
    if let Some(at) = state.app.keys().news_of_use(&caller.key) {
        let (keys, key) = (state.app.keys().clone(), caller.key.clone());
        // Not waited for: it is no part of the answer.
        state.tasks.spawn(async move { keys.keep_use(&key, at).await });
    }
    // Before anything is read of the request, or kept of it.
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let mut response = match permissions::check(&caller, request.method(), route) {
        Err(refused) => refused,
        Ok(()) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
    };
    if let Some(told) = told {
        told.on(&mut response);
    }
    Ok(response)
}

fn bearer(request: &Request) -> Result<&str, Refusal> {
    let header = request.headers().get(AUTHORIZATION).and_then(|h| h.to_str().ok());
    let (scheme, text) = header.and_then(|h| h.split_once(' ')).ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(text.trim()) } else { Err(missing()) }
}

fn missing() -> Refusal {
    Fault::new(FaultKind::Auth, "key.missing", "the request carries no API key")
        .action("Send `Authorization: Bearer <key>`; `attiva key create` makes one.")
        .into()
}

/// The layer above has put it there.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}
