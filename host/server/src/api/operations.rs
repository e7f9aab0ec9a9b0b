//! `/v1/sandboxes/{sandbox}/operations/{operation}`: how far any long work is. Answers that begin such work are
//! `202 Accepted` with its place in `Location`.

use super::State;
use super::scope::Scope;
use super::time::Instant;
use crate::app::operations::{Operation, Work};
use crate::app::refusal::Result;
use attiva_core::Fault;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/v1/sandboxes/{sandbox}/operations/{operation}", get(show))
}

#[derive(Serialize)]
struct View {
    id: String,
    /// `run`, `delivery`, `evaluation`.
    kind: &'static str,
    /// The id of the run, delivery or evaluation.
    subject: String,
    /// Where it is, with all its particulars.
    subject_url: String,
    done: bool,
    status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    phase: String,
    progress: Progress,
    started_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_until: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

/// Records of a run, members of a delivery, segments of an evaluation.
#[derive(Serialize)]
struct Progress {
    done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

fn view(scope: &Scope, operation: &Operation) -> View {
    let (kind, subject, place) = match &operation.work {
        Work::Run(id) => ("run", id.to_string(), format!("runs/{id}")),
        Work::Delivery(id) => ("delivery", id.to_string(), format!("deliveries/{id}")),
        Work::Evaluation(id) => ("evaluation", id.to_string(), format!("evaluations/{id}")),
    };
    View {
        id: operation.id.to_string(),
        kind,
        subject,
        subject_url: scope.url(&place),
        done: operation.done,
        status: operation.status.clone(),
        phase: operation.phase.clone(),
        progress: Progress { done: operation.units_done, total: operation.units_total },
        started_at: Instant(operation.started_at),
        ended_at: operation.ended_at.map(Instant),
        waiting_until: operation.waiting_until.map(Instant),
        fault: operation.fault.clone(),
    }
}

/// The answer to a request that began, or changed, long work.
pub(super) fn accepted(scope: &Scope, operation: &Operation) -> Response {
    let place = scope.url(&format!("operations/{}", operation.id));
    (StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(view(scope, operation))).into_response()
}

async fn show(scope: Scope) -> Result<Json<View>> {
    let operation = scope.sandbox.operation(scope.param("operation"))?;
    Ok(Json(view(&scope, &operation)))
}
