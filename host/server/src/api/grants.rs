//! `/v1/sandboxes/{sandbox}/connections/{connection}/grants`: operators' leave to reach an origin somewhere else.

use super::State;
use super::body::Body;
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::config::EndpointGrant;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/connections/{connection}/grants", get(list))
        .route("/v1/sandboxes/{sandbox}/connections/{connection}/grants/{origin}", put(grant).delete(revoke))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    /// Scheme, host and perhaps a port: `http://127.0.0.1:9000`.
    url: String,
}

#[derive(Serialize)]
struct List {
    items: Vec<EndpointGrant>,
}

async fn list(scope: Scope) -> Result<Json<List>> {
    let grants = scope.sandbox.grants(scope.param("connection"))?;
    Ok(Json(List { items: grants.into_values().collect() }))
}

async fn grant(scope: Scope, Body(body): Body<Put>) -> Result<Json<EndpointGrant>> {
    let (connection, origin) = (scope.param("connection"), scope.param("origin"));
    Ok(Json(scope.sandbox.grant(&scope.caller, connection, origin, &body.url).await?))
}

async fn revoke(scope: Scope) -> Result<StatusCode> {
    scope.sandbox.revoke_grant(&scope.caller, scope.param("connection"), scope.param("origin")).await?;
    Ok(StatusCode::NO_CONTENT)
}
