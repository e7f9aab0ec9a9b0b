//! `/v1/sandboxes/{sandbox}/usage-policy`: what data may not be used for, and whom that stops.

use super::State;
use super::body::Body;
use super::etag::{IfMatch, with_version};
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::usage::{UsagePolicy, Violation};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/usage-policy", get(show).put(publish))
        .route("/v1/sandboxes/{sandbox}/usage-policy/violations", get(violations))
}

/// Activations whose deliveries are refused.
#[derive(Serialize)]
struct Violations {
    items: Vec<View>,
}

#[derive(Serialize)]
struct View {
    activation: String,
    #[serde(flatten)]
    violation: Violation,
}

async fn show(scope: Scope) -> Result<Response> {
    let found = scope.sandbox.usage_policy()?;
    Ok(with_version(Json(found.value).into_response(), found.version))
}

async fn publish(scope: Scope, IfMatch(expect): IfMatch, Body(policy): Body<UsagePolicy>) -> Result<Response> {
    let published = scope.sandbox.publish_usage_policy(&scope.caller, policy, expect).await?;
    Ok(with_version(Json(published.value).into_response(), published.version))
}

async fn violations(scope: Scope) -> Result<Json<Violations>> {
    let items = scope.sandbox.usage_violations()?.into_iter();
    let items = items.map(|(activation, violation)| View { activation: activation.to_string(), violation }).collect();
    Ok(Json(Violations { items }))
}
