//! What stands in a request's path.

use crate::app::refusal::Refusal;
use attiva_core::{Fault, FaultKind};
use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// Parts of the path, by position.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|_| malformed())
    }
}

/// Its escapes are no text.
pub(super) fn malformed() -> Refusal {
    Fault::new(FaultKind::Config, "request.malformed", "the path cannot be read").into()
}
