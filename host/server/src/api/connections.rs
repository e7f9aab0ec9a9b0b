//! `/v1/sandboxes/{sandbox}/connections`: configured connectors, their tests and what they offer.

use super::answer::{Created, Done, Tagged};
use super::body::Body;
use super::etag::IfMatch;
use super::listing::{Everything, Listing, Paged};
use super::operations;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::connections::{ConnectionPatch, NewConnection};
use crate::app::operations::Operation;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use attiva_core::backfill::Wish;
use attiva_core::config::Connection;
use attiva_core::drift::SchemaPolicy;
use attiva_core::key::Instance;
use attiva_core::page::CheckResult;
use attiva_core::ports::connector::{Stream, TargetObject};
use attiva_core::schedule::Schedule;
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn routes() -> Routes {
    Routes::of("connections", "Configured connectors.")
        .get("/v1/sandboxes/{sandbox}/connections", "list", "List connections", list)
        .post("/v1/sandboxes/{sandbox}/connections", "create", "Configure a connector", create)
        .refuses(&[404])
        .asks_a_vendor()
        .get("/v1/sandboxes/{sandbox}/connections/{connection}", "show", "Show a connection, without its secrets", show)
        .patch("/v1/sandboxes/{sandbox}/connections/{connection}", "change", "Change parts of a connection", patch)
        .refuses(&[409])
        .asks_a_vendor()
        .delete(
            "/v1/sandboxes/{sandbox}/connections/{connection}",
            "remove",
            "Remove a connection that brought nothing",
            remove,
        )
        .refuses(&[409])
        .post(
            "/v1/sandboxes/{sandbox}/connections/{connection}/check",
            "check",
            "Test a connection, one named test at a time",
            check,
        )
        .asks_a_vendor()
        .post(
            "/v1/sandboxes/{sandbox}/connections/{connection}/discover",
            "discover",
            "List what the vendor has: streams of a source, objects of a destination",
            discover,
        )
        .asks_a_vendor()
        .post("/v1/sandboxes/{sandbox}/connections/{connection}/runs", "run", "Start reading a source", start_run)
        .asks_a_vendor()
        .post(
            "/v1/sandboxes/{sandbox}/connections/{connection}/backfill",
            "backfill",
            "Read streams anew, beside the runs that follow their changes or in their place",
            backfill,
        )
        .asks_a_vendor()
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewConnection")]
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
    /// What becomes of a stream whose columns are others than they were.
    #[serde(default)]
    schema: SchemaPolicy,
    /// URL by origin.
    #[serde(default)]
    grants: BTreeMap<String, String>,
}

fn empty() -> Value {
    json!({})
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ConnectionChange")]
#[serde(deny_unknown_fields)]
struct Patch {
    name: Option<String>,
    plugin: Option<String>,
    configuration: Option<Value>,
    streams: Option<Vec<String>>,
    /// Null is not absent: it ends the schedule.
    #[serde(default, deserialize_with = "some")]
    schedule: Option<Option<Schedule>>,
    /// In the place of the whole policy.
    schema: Option<SchemaPolicy>,
}

fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Connection")]
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
    /// What becomes of a stream whose columns are others than they were.
    schema: SchemaPolicy,
    created_at: Instant,
    /// Limits that it exceeds: it is made nevertheless.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
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
            schema: connection.schema,
            created_at: Instant(connection.created_at),
            warnings: Vec::new(),
        }
    }
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Paged<View>> {
    let connections = scope.sandbox.connections(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(connections, |c| c.id.to_string(), View::of))
}

async fn create(scope: Scope, stamp: Stamp, Body(body): Body<Create>) -> Result<Created<View>> {
    let new = NewConnection {
        name: body.name,
        plugin: body.plugin,
        configuration: body.configuration,
        streams: body.streams,
        schedule: body.schedule,
        schema: body.schema,
        grants: body.grants,
    };
    let made = scope.sandbox.create_connection(&scope.caller, stamp, new).await?;
    let place = scope.url(&format!("connections/{}", made.value.id));
    let warnings = scope.sandbox.connection_warnings(&made.value)?;
    let view = View { warnings, ..View::of(made.value) };
    Ok(Created::at(place, view).version(made.version))
}

async fn show(scope: Scope) -> Result<Tagged<View>> {
    let found = scope.sandbox.connection(scope.param("connection"))?;
    Ok(Tagged { value: View::of(found.value), version: found.version })
}

async fn patch(scope: Scope, IfMatch(expect): IfMatch, Body(body): Body<Patch>) -> Result<Tagged<View>> {
    let patch = ConnectionPatch {
        name: body.name,
        plugin: body.plugin,
        configuration: body.configuration,
        streams: body.streams,
        schedule: body.schedule,
        schema: body.schema,
    };
    let id = scope.param("connection");
    let changed = scope.sandbox.patch_connection(&scope.caller, id, patch, expect).await?;
    Ok(Tagged { value: View::of(changed.value), version: changed.version })
}

async fn remove(scope: Scope, IfMatch(expect): IfMatch) -> Result<Done> {
    scope.sandbox.delete_connection(&scope.caller, scope.param("connection"), expect).await?;
    Ok(Done)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConnectionCheck")]
struct Checked {
    passed: bool,
    tests: Vec<CheckResult>,
}

async fn check(scope: Scope) -> Result<Json<Checked>> {
    let tests = scope.sandbox.check_connection(scope.param("connection")).await?;
    Ok(Json(Checked { passed: tests.iter().all(|t| t.fault.is_none()), tests }))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Discovered")]
struct Offered {
    /// Of a source.
    streams: Vec<Stream>,
    /// Of a destination.
    objects: Vec<TargetObject>,
}

async fn discover(scope: Scope) -> Result<Json<Offered>> {
    let found = scope.sandbox.discover(scope.param("connection")).await?;
    Ok(Json(Offered { streams: found.streams, objects: found.objects }))
}

async fn start_run(scope: Scope, stamp: Stamp) -> Result<operations::Accepted> {
    let run = scope.sandbox.start_run(&scope.caller, stamp, scope.param("connection")).await?;
    Ok(operations::accepted(&scope, &Operation::from(&run)))
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewBackfill")]
#[serde(deny_unknown_fields)]
struct Anew {
    /// At least one.
    streams: Vec<String>,
    /// The first day, in UTC: `2026-01-31`. Absent: from the beginning.
    from: Option<String>,
    /// The last day, in UTC. Absent: up to now.
    to: Option<String>,
    /// The stream's own place begins anew, too: for one that cannot go on from where it is.
    #[serde(default)]
    reset: bool,
    /// What is not found any more is deleted.
    #[serde(default)]
    infer_deletions: bool,
    /// Share of a stream's records, in percent, that may be deleted so; if more are missing, none is. 20 unless said.
    deletions_max_percent: Option<u8>,
}

async fn backfill(scope: Scope, stamp: Stamp, Body(body): Body<Anew>) -> Result<operations::Accepted> {
    let Anew { streams, from, to, reset, infer_deletions, deletions_max_percent } = body;
    let wish = Wish { from, to, reset, infer_deletions, deletions_max_percent };
    let connection = scope.param("connection");
    let run = scope.sandbox.start_backfill(&scope.caller, stamp, connection, &streams, wish).await?;
    Ok(operations::accepted(&scope, &Operation::from(&run)))
}
