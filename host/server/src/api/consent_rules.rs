//! `/v1/sandboxes/{sandbox}/consent-rules`: what has to be asked before something is sent.

use super::State;
use super::body::Body;
use super::etag::{IfMatch, with_version};
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::consent::ConsentRules;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

pub(super) fn routes() -> Router<State> {
    Router::new().route("/v1/sandboxes/{sandbox}/consent-rules", get(show).put(publish))
}

async fn show(scope: Scope) -> Result<Response> {
    let found = scope.sandbox.consent_rules()?;
    Ok(with_version(Json(found.value).into_response(), found.version))
}

async fn publish(scope: Scope, IfMatch(expect): IfMatch, Body(rules): Body<ConsentRules>) -> Result<Response> {
    let published = scope.sandbox.publish_consent_rules(&scope.caller, rules, expect).await?;
    Ok(with_version(Json(published.value).into_response(), published.version))
}
