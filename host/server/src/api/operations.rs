//! `/v1/sandboxes/{sandbox}/operations/{operation}`: how far any long work is. Answers that begin such work are
//! `202 Accepted` with its place in `Location`.

use super::operation::{Answers, Describer};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::operations::{Operation, Work};
use crate::app::refusal::Result;
use attiva_core::Fault;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("operations", "How far any long work is.").get(
        "/v1/sandboxes/{sandbox}/operations/{operation}",
        "show",
        "Show how far long work is",
        show,
    )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Operation")]
pub(super) struct View {
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
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OperationProgress")]
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
pub(super) struct Accepted {
    place: String,
    view: View,
}

pub(super) fn accepted(scope: &Scope, operation: &Operation) -> Accepted {
    let place = scope.url(&format!("operations/{}", operation.id));
    Accepted { place, view: view(|path| scope.url(path), operation) }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, [(header::LOCATION, self.place)], Json(self.view)).into_response()
    }
}

impl Answers for Accepted {
    fn describe(to: &mut Describer<'_>) {
        to.answers::<View>(StatusCode::ACCEPTED, "It goes on; the operation says how far it is.", &["Location"]);
        to.refuses([409, 422]);
    }
}

fn of_host(path: &str) -> String {
    format!("/v1/{path}")
}

/// As [`accepted`], for work of the whole host.
pub(super) fn accepted_by_host(operation: &Operation) -> Accepted {
    Accepted { place: of_host(&format!("operations/{}", operation.id)), view: view(of_host, operation) }
}

pub(super) fn shown_by_host(operation: &Operation) -> Json<View> {
    Json(view(of_host, operation))
}

async fn show(scope: Scope) -> Result<Json<View>> {
    let operation = scope.sandbox.operation(scope.param("operation"))?;
    Ok(Json(view(|path| scope.url(path), &operation)))
}
