//! `/v1/sandboxes/{sandbox}/freshness`: how fresh streams and audiences are, against what is wanted.

use super::answer::Tagged;
use super::body::Body;
use super::etag::IfMatch;
use super::listing::Items;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::freshness::Of;
use crate::app::refusal::Result;
use attiva_core::freshness::{Freshness, FreshnessTargets};
use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("freshness", "How fresh streams and audiences are, against what is wanted.")
        .get("/v1/sandboxes/{sandbox}/freshness", "list", "List how old streams and acknowledged audiences are", list)
        .get("/v1/sandboxes/{sandbox}/freshness-targets", "targets", "Show how fresh things should be", targets)
        .put("/v1/sandboxes/{sandbox}/freshness-targets", "set_targets", "Say how fresh things should be", set_targets)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Freshness")]
struct View {
    /// Of a stream: its connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// Of an audience: the activation that sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    activation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<String>,
    /// A stream: then everything that its vendor had was here. An audience: as it was then, its destination has
    /// acknowledged it. Absent: never yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Instant>,
    /// A stream: when its newest page was committed, of a backlog as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest_page_at: Option<Instant>,
    /// Seconds since `as_of`.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_seconds: Option<u32>,
    /// Whether it is no older than its target; absent: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<bool>,
}

impl View {
    fn of((of, found): (Of, Freshness)) -> Self {
        let Freshness { as_of, age_seconds, target_seconds, within } = found;
        let view = Self {
            connection: None,
            stream: None,
            activation: None,
            segment: None,
            as_of: as_of.map(Instant),
            newest_page_at: None,
            age_seconds,
            target_seconds,
            within,
        };
        match of {
            Of::Stream { connection, stream, committed_at } => Self {
                connection: Some(connection.to_string()),
                stream: Some(stream),
                newest_page_at: committed_at.map(Instant),
                ..view
            },
            Of::Activation { activation, segment } => {
                Self { activation: Some(activation.to_string()), segment: Some(segment.to_string()), ..view }
            }
        }
    }
}

async fn list(scope: Scope) -> Result<Json<Items<View>>> {
    Ok(Json(Items { items: scope.sandbox.freshness()?.into_iter().map(View::of).collect() }))
}

async fn targets(scope: Scope) -> Result<Tagged<FreshnessTargets>> {
    let found = scope.sandbox.freshness_targets()?;
    Ok(Tagged { value: found.value, version: found.version })
}

async fn set_targets(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(targets): Body<FreshnessTargets>,
) -> Result<Tagged<FreshnessTargets>> {
    let set = scope.sandbox.set_freshness_targets(&scope.caller, targets, expect).await?;
    Ok(Tagged { value: set.value, version: set.version })
}
