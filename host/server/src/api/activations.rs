//! `/v1/sandboxes/{sandbox}/activations`: audiences joined to destinations.

use super::State;
use super::body::Body;
use super::etag::with_version;
use super::listing::{Everything, Listing};
use super::operations;
use super::scope::Scope;
use super::time::Instant;
use crate::app::activations::NewActivation;
use crate::app::operations::Operation;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use attiva_core::config::{Activation, ActivationField, Schedule, TargetSettings};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/activations", get(list).post(create))
        .route("/v1/sandboxes/{sandbox}/activations/{activation}", get(show))
        .route("/v1/sandboxes/{sandbox}/activations/{activation}/deliveries", post(start_delivery))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    segment: String,
    connection: String,
    target: TargetSettings,
    mapping: Vec<ActivationField>,
    #[serde(default)]
    schedule: Option<Schedule>,
}

#[derive(Serialize)]
struct View {
    id: String,
    name: String,
    segment: String,
    connection: String,
    target: TargetSettings,
    mapping: Vec<ActivationField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Schedule>,
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
            connection: activation.connection.to_string(),
            target: activation.target,
            mapping: activation.mapping,
            schedule: activation.schedule,
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
        connection: body.connection,
        target: body.target,
        mapping: body.mapping,
        schedule: body.schedule,
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

async fn start_delivery(scope: Scope, stamp: Stamp) -> Result<Response> {
    let delivery = scope.sandbox.start_delivery(&scope.caller, stamp, scope.param("activation")).await?;
    Ok(operations::accepted(&scope, &Operation::from(&delivery)))
}
