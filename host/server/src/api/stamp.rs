//! The stamp of a request: the one that was kept with its idempotency key, or a fresh one.

use super::State;
use crate::app::stamp::Stamp;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;

impl FromRequestParts<State> for Stamp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or_else(|| state.app.fresh_stamp()))
    }
}
