//! The sandbox in a request's path, opened for its caller.

use super::{State, path};
use crate::app::keys::Caller;
use crate::app::refusal::{Refusal, Result};
use crate::app::sandbox::Sandbox;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use std::sync::Arc;

/// Who asks, and the sandbox it is about.
pub(super) struct Scope {
    pub(super) caller: Caller,
    pub(super) sandbox: Arc<Sandbox>,
    params: Vec<(String, String)>,
}

impl FromRequestParts<State> for Scope {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| path::malformed())?;
        let params: Vec<(String, String)> = params.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let param = |name: &str| params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let name = param("sandbox").unwrap_or_default();
        let sandbox = match param("organisation") {
            // For operators.
            Some(organisation) => state.app.sandbox_of(&caller, organisation, name)?,
            None => state.app.sandbox(&caller, name)?,
        };
        Ok(Self { caller, sandbox, params })
    }
}

impl Scope {
    /// A part of the path; the routes decide which there are.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
    }

    /// A place within the sandbox.
    pub(super) fn url(&self, path: &str) -> String {
        format!("/v1/sandboxes/{}/{path}", self.sandbox.entry().name)
    }
}
