//! `/v1/sandboxes/{sandbox}/usage-policy`: what data may not be used for, and whom that stops.

use super::answer::Tagged;
use super::body::Body;
use super::etag::IfMatch;
use super::listing::Items;
use super::routes::Routes;
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::usage::{UsagePolicy, Violation};
use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("usage_policy", "What data may not be used for, and whom that stops.")
        .get("/v1/sandboxes/{sandbox}/usage-policy", "show", "Show labels, and what destinations are for", show)
        .put(
            "/v1/sandboxes/{sandbox}/usage-policy",
            "publish",
            "Replace labels, and what destinations are for",
            publish,
        )
        .get(
            "/v1/sandboxes/{sandbox}/usage-policy/violations",
            "violations",
            "List activations whose deliveries are refused",
            violations,
        )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsageViolation")]
struct View {
    activation: String,
    #[serde(flatten)]
    violation: Violation,
}

async fn show(scope: Scope) -> Result<Tagged<UsagePolicy>> {
    let found = scope.sandbox.usage_policy()?;
    Ok(Tagged { value: found.value, version: found.version })
}

async fn publish(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(policy): Body<UsagePolicy>,
) -> Result<Tagged<UsagePolicy>> {
    let published = scope.sandbox.publish_usage_policy(&scope.caller, policy, expect).await?;
    Ok(Tagged { value: published.value, version: published.version })
}

async fn violations(scope: Scope) -> Result<Json<Items<View>>> {
    let items = scope.sandbox.usage_violations()?.into_iter();
    let items = items.map(|(activation, violation)| View { activation: activation.to_string(), violation }).collect();
    Ok(Json(Items { items }))
}
