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
    /// `run`, `delivery`, `evaluation`, `erasure`, `removal`, `backup`.
    kind: &'static str,
    /// The id of the work.
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

/// Files of a backup, records of a run or a removal, members of a delivery, segments of an evaluation, destinations of an erasure.
#[derive(Serialize)]
struct Progress {
    done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

/// `url` makes a place of a path within the sandbox; a backup is the host's.
fn view(url: impl Fn(&str) -> String, operation: &Operation) -> View {
    let (kind, subject, place) = match &operation.work {
        Work::Run(id) => ("run", id.to_string(), format!("runs/{id}")),
        Work::Delivery(id) => ("delivery", id.to_string(), format!("deliveries/{id}")),
        Work::Removal(id) => ("removal", id.to_string(), format!("removals/{id}")),
        Work::Erasure(id) => ("erasure", id.to_string(), format!("privacy/erasures/{id}")),
        Work::Evaluation(id) => ("evaluation", id.to_string(), format!("evaluations/{id}")),
        Work::Backup(id) => ("backup", id.to_string(), format!("backups/{id}")),
    };
    View {
        id: operation.id.to_string(),
        kind,
        subject,
        subject_url: url(&place),
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
    (StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(view(|path| scope.url(path), operation))).into_response()
}

fn of_host(path: &str) -> String {
    format!("/v1/{path}")
}

/// As [`accepted`], for work of the whole host.
pub(super) fn accepted_by_host(operation: &Operation) -> Response {
    let place = of_host(&format!("operations/{}", operation.id));
    (StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(view(of_host, operation))).into_response()
}

pub(super) fn shown_by_host(operation: &Operation) -> Response {
    Json(view(of_host, operation)).into_response()
}

async fn show(scope: Scope) -> Result<Json<View>> {
    let operation = scope.sandbox.operation(scope.param("operation"))?;
    Ok(Json(view(|path| scope.url(path), &operation)))
}
