//! `/v1/sandboxes/{sandbox}/activations`: audiences joined to destinations.

use super::State;
use super::body::Body;
use super::etag::{IfMatch, with_version};
use super::listing::{Everything, Listing};
use super::operations;
use super::scope::Scope;
use super::time::Instant;
use crate::app::activations::NewActivation;
use crate::app::operations::Operation;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use crate::app::targets::Turn;
use attiva_core::activation::{ActivationSchedule, Export};
use attiva_core::config::{Activation, ActivationField, TargetSettings};
use attiva_core::consent::Use;
use attiva_core::expansion::Expansion;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/activations", get(list).post(create))
        .route("/v1/sandboxes/{sandbox}/activations/{activation}", get(show).delete(remove))
        .route("/v1/sandboxes/{sandbox}/activations/{activation}/pause", post(pause))
        .route("/v1/sandboxes/{sandbox}/activations/{activation}/schedule", put(schedule))
        .route("/v1/sandboxes/{sandbox}/activations/{activation}/resume", post(resume))
        .route("/v1/sandboxes/{sandbox}/activations/{activation}/retire", post(retire))
        .route("/v1/sandboxes/{sandbox}/activations/{activation}/deliveries", post(start_delivery))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    segment: String,
    /// Which people of an audience of accounts are sent; without it, the accounts are.
    #[serde(default)]
    expansion: Option<Expansion>,
    connection: String,
    target: TargetSettings,
    mapping: Vec<ActivationField>,
    #[serde(default)]
    schedule: Option<ActivationSchedule>,
    /// Of a file.
    #[serde(default)]
    export: Option<Export>,
    #[serde(default)]
    removals_max_percent: Option<u8>,
    /// What it sends for.
    #[serde(default)]
    consent: Option<Use>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    /// Plan it, and send nothing.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize)]
struct View {
    id: String,
    name: String,
    segment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expansion: Option<Expansion>,
    connection: String,
    target: TargetSettings,
    mapping: Vec<ActivationField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<ActivationSchedule>,
    /// Of a target that makes a whole of each delivery; any other gets the difference.
    export: Export,
    paused: bool,
    retired: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    removals_max_percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<Use>,
    created_at: Instant,
    /// What could not be checked when it was made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl View {
    fn of(activation: Activation) -> Self {
        Self {
            id: activation.id.to_string(),
            name: activation.name,
            segment: activation.segment.to_string(),
            expansion: activation.expansion,
            connection: activation.connection.to_string(),
            target: activation.target,
            mapping: activation.mapping,
            schedule: activation.schedule,
            export: activation.export,
            paused: activation.paused,
            retired: activation.retired,
            removals_max_percent: activation.removals_max_percent,
            consent: activation.consent,
            created_at: Instant(activation.created_at),
            warnings: Vec::new(),
        }
    }
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Response> {
    let activations = scope.sandbox.activations(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(activations, |a| a.id.to_string(), View::of))
}

async fn create(scope: Scope, stamp: Stamp, Body(body): Body<Create>) -> Result<Response> {
    let new = NewActivation {
        name: body.name,
        segment: body.segment,
        expansion: body.expansion,
        connection: body.connection,
        target: body.target,
        mapping: body.mapping,
        schedule: body.schedule,
        export: body.export,
        removals_max_percent: body.removals_max_percent,
        consent: body.consent,
    };
    let made = scope.sandbox.create_activation(&scope.caller, stamp, new).await?;
    let place = scope.url(&format!("activations/{}", made.activation.value.id));
    let view = View { warnings: made.warnings, ..View::of(made.activation.value) };
    let answer = (StatusCode::CREATED, [(header::LOCATION, place)], Json(view));
    Ok(with_version(answer.into_response(), made.activation.version))
}

async fn show(scope: Scope) -> Result<Response> {
    let found = scope.sandbox.activation(scope.param("activation"))?;
    Ok(with_version(Json(View::of(found.value)).into_response(), found.version))
}

async fn remove(scope: Scope, IfMatch(expect): IfMatch) -> Result<StatusCode> {
    scope.sandbox.delete_activation(&scope.caller, scope.param("activation"), expect).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn schedule(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(schedule): Body<Option<ActivationSchedule>>,
) -> Result<Response> {
    let activation = scope.param("activation");
    let changed = scope.sandbox.schedule_activation(&scope.caller, activation, schedule, expect).await?;
    Ok(with_version(Json(View::of(changed.value)).into_response(), changed.version))
}

async fn pause(scope: Scope) -> Result<Response> {
    turn(&scope, Turn::Pause).await
}

async fn resume(scope: Scope) -> Result<Response> {
    turn(&scope, Turn::Resume).await
}

async fn retire(scope: Scope) -> Result<Response> {
    turn(&scope, Turn::Retire).await
}

async fn turn(scope: &Scope, turn: Turn) -> Result<Response> {
    let turned = scope.sandbox.turn_activation(&scope.caller, scope.param("activation"), turn).await?;
    Ok(with_version(Json(View::of(turned.value)).into_response(), turned.version))
}

async fn start_delivery(scope: Scope, stamp: Stamp, asked: Listing<Start>) -> Result<Response> {
    let (activation, dry_run) = (scope.param("activation"), asked.filter.dry_run);
    let delivery = scope.sandbox.start_delivery(&scope.caller, stamp, activation, dry_run).await?;
    Ok(operations::accepted(&scope, &Operation::from(&delivery)))
}
