//! `/v1/sandboxes/{sandbox}/connections`: configured connectors, their tests and what they offer.

use super::State;
use super::body::Body;
use super::etag::{IfMatch, with_version};
use super::listing::{Everything, Listing};
use super::operations;
use super::scope::Scope;
use super::time::Instant;
use crate::app::connections::{ConnectionPatch, NewConnection};
use crate::app::operations::Operation;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use attiva_core::config::{Connection, Schedule};
use attiva_core::key::Instance;
use attiva_core::page::CheckResult;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/connections", get(list).post(create))
        .route("/v1/sandboxes/{sandbox}/connections/{connection}", get(show).patch(patch).delete(remove))
        .route("/v1/sandboxes/{sandbox}/connections/{connection}/check", post(check))
        .route("/v1/sandboxes/{sandbox}/connections/{connection}/discover", post(discover))
        .route("/v1/sandboxes/{sandbox}/connections/{connection}/runs", post(start_run))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    plugin: String,
    #[serde(default = "empty")]
    configuration: Value,
    #[serde(default)]
    streams: Vec<String>,
    #[serde(default)]
    schedule: Option<Schedule>,
    /// URL by origin.
    #[serde(default)]
    grants: BTreeMap<String, String>,
}

fn empty() -> Value {
    json!({})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    name: Option<String>,
    plugin: Option<String>,
    configuration: Option<Value>,
    streams: Option<Vec<String>>,
    /// Null is not absent: it ends the schedule.
    #[serde(default, deserialize_with = "some")]
    schedule: Option<Option<Schedule>>,
}

fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Serialize)]
struct View {
    id: String,
    name: String,
    plugin: String,
    /// Without secrets.
    configuration: Value,
    instance: Instance,
    streams: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Schedule>,
    created_at: Instant,
}

impl View {
    fn of(connection: Connection) -> Self {
        Self {
            id: connection.id.to_string(),
            name: connection.name,
            plugin: connection.plugin,
            configuration: connection.configuration,
            instance: connection.instance,
            streams: connection.streams,
            schedule: connection.schedule,
            created_at: Instant(connection.created_at),
        }
    }
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Response> {
    let connections = scope.sandbox.connections(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(connections, |c| c.id.to_string(), View::of))
}

async fn create(scope: Scope, stamp: Stamp, Body(body): Body<Create>) -> Result<Response> {
    let new = NewConnection {
        name: body.name,
        plugin: body.plugin,
        configuration: body.configuration,
        streams: body.streams,
        schedule: body.schedule,
        grants: body.grants,
    };
    let made = scope.sandbox.create_connection(&scope.caller, stamp, new).await?;
    let place = scope.url(&format!("connections/{}", made.value.id));
    let answer = (StatusCode::CREATED, [(header::LOCATION, place)], Json(View::of(made.value)));
    Ok(with_version(answer.into_response(), made.version))
}

async fn show(scope: Scope) -> Result<Response> {
    let found = scope.sandbox.connection(scope.param("connection"))?;
    Ok(with_version(Json(View::of(found.value)).into_response(), found.version))
}

async fn patch(scope: Scope, IfMatch(expect): IfMatch, Body(body): Body<Patch>) -> Result<Response> {
    let patch = ConnectionPatch {
        name: body.name,
        plugin: body.plugin,
        configuration: body.configuration,
        streams: body.streams,
        schedule: body.schedule,
    };
    let id = scope.param("connection");
    let changed = scope.sandbox.patch_connection(&scope.caller, id, patch, expect).await?;
    Ok(with_version(Json(View::of(changed.value)).into_response(), changed.version))
}

async fn remove(scope: Scope, IfMatch(expect): IfMatch) -> Result<StatusCode> {
    scope.sandbox.delete_connection(&scope.caller, scope.param("connection"), expect).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
struct Checked {
    passed: bool,
    tests: Vec<CheckResult>,
}

async fn check(scope: Scope) -> Result<Json<Checked>> {
    let tests = scope.sandbox.check_connection(scope.param("connection")).await?;
    Ok(Json(Checked { passed: tests.iter().all(|t| t.fault.is_none()), tests }))
}

async fn discover(scope: Scope) -> Result<Json<Value>> {
    let found = scope.sandbox.discover(scope.param("connection")).await?;
    Ok(Json(json!({ "streams": found.streams, "objects": found.objects })))
}

async fn start_run(scope: Scope, stamp: Stamp) -> Result<Response> {
    let run = scope.sandbox.start_run(&scope.caller, stamp, scope.param("connection")).await?;
    Ok(operations::accepted(&scope, &Operation::from(&run)))
}
