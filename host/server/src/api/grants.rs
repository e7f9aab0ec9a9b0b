//! `/v1/sandboxes/{sandbox}/connections/{connection}/grants`: operators' leave to reach an origin somewhere else.

use super::answer::Done;
use super::body::Body;
use super::listing::Items;
use super::routes::Routes;
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::config::EndpointGrant;
use axum::Json;
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::of("connections", "Configured connectors.")
        .get(
            "/v1/sandboxes/{sandbox}/connections/{connection}/grants",
            "grants",
            "List what an operator lets the connection reach elsewhere",
            list,
        )
        .put(
            "/v1/sandboxes/{sandbox}/connections/{connection}/grants/{origin}",
            "grant",
            "Let a connection reach an origin somewhere else",
            grant,
        )
        .delete(
            "/v1/sandboxes/{sandbox}/connections/{connection}/grants/{origin}",
            "revoke_grant",
            "Take such a grant back",
            revoke,
        )
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewGrant")]
#[serde(deny_unknown_fields)]
struct Put {
    /// Scheme, host and perhaps a port: `http://127.0.0.1:9000`.
    url: String,
}

async fn list(scope: Scope) -> Result<Json<Items<EndpointGrant>>> {
    let grants = scope.sandbox.grants(scope.param("connection"))?;
    Ok(Json(Items { items: grants.into_values().collect() }))
}

async fn grant(scope: Scope, Body(body): Body<Put>) -> Result<Json<EndpointGrant>> {
    let (connection, origin) = (scope.param("connection"), scope.param("origin"));
    Ok(Json(scope.sandbox.grant(&scope.caller, connection, origin, &body.url).await?))
}

async fn revoke(scope: Scope) -> Result<Done> {
    scope.sandbox.revoke_grant(&scope.caller, scope.param("connection"), scope.param("origin")).await?;
    Ok(Done)
}
