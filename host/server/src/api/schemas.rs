//! `/v1/sandboxes/{sandbox}/connections/{connection}/schema`: how streams have changed at the vendor, and what waits for
//! approval.

use super::body::Body;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::Result;
use attiva_core::config::Connection;
use attiva_core::drift::{Change, OnChange, SchemaPolicy, SchemaState};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("schemas", "How streams have changed at their vendors.")
        .get(
            "/v1/sandboxes/{sandbox}/connections/{connection}/schema",
            "show",
            "Show how a connection's streams have changed, and what waits for approval",
            show,
        )
        .post(
            "/v1/sandboxes/{sandbox}/connections/{connection}/schema/approval",
            "approve",
            "Take over changes that wait for approval",
            approve,
        )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConnectionSchema")]
struct View {
    policy: SchemaPolicy,
    /// What waits for approval.
    pending: Vec<PendingView>,
    /// What was taken over, the newest last; some hundred are kept.
    taken: Vec<TakenView>,
    /// Streams with new columns that will be read anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to_backfill: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PendingSchemaChange")]
struct PendingView {
    stream: String,
    /// What the policy says of this stream.
    on_change: OnChange,
    changes: Vec<Change>,
    noticed_at: Instant,
    /// Whether it is read meanwhile, as it was.
    is_read: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TakenSchemaChange")]
struct TakenView {
    stream: String,
    changes: Vec<Change>,
    at: Instant,
    /// Who approved of it; absent: the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl View {
    fn of((connection, state): (Connection, SchemaState)) -> Self {
        let policy = connection.schema;
        let pending = state.pending.into_iter().map(|(stream, pending)| PendingView {
            on_change: policy.of(&stream),
            is_read: policy.of(&stream) != OnChange::Stop && pending.is_readable(),
            stream,
            changes: pending.changes,
            noticed_at: Instant(pending.noticed_at),
        });
        let taken = state.taken.into_iter().map(|taken| TakenView {
            stream: taken.stream,
            changes: taken.changes,
            at: Instant(taken.at),
            by: taken.by,
        });
        Self {
            pending: pending.collect(),
            taken: taken.collect(),
            to_backfill: state.to_backfill.into_iter().collect(),
            policy,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SchemaApproval")]
#[serde(deny_unknown_fields)]
struct Approval {
    /// Without any, all that wait.
    #[serde(default)]
    streams: Vec<String>,
}

async fn show(scope: Scope) -> Result<Json<View>> {
    Ok(Json(View::of(scope.sandbox.schema_changes(scope.param("connection"))?)))
}

async fn approve(scope: Scope, Body(body): Body<Approval>) -> Result<Json<View>> {
    let connection = scope.param("connection");
    Ok(Json(View::of(scope.sandbox.approve_schema(&scope.caller, connection, &body.streams).await?)))
}
