//! `/v1/sandboxes/{sandbox}/operations/{operation}`: how far any long work is. Answers that begin such work are
//! `202 Accepted` with its place in `Location`.

use super::State;
use super::events::{self, Event, Events, Found, LastEventId};
use super::operation::{Answers, Describer};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::keys::Caller;
use crate::app::operations::{Operation, Work};
use crate::app::refusal::{Refusal, Result};
use attiva_core::Fault;
use axum::Json;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub(super) fn routes() -> Routes {
    Routes::of("operations", "How far any long work is.")
        .get("/v1/sandboxes/{sandbox}/operations/{operation}", "show", "Show how far long work is", show)
        .get(
            "/v1/sandboxes/{sandbox}/operations/{operation}/events",
            "follow",
            "Follow long work to its end, as server-sent events",
            follow,
        )
        .refuses(&[503])
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Operation")]
pub(super) struct View {
    id: String,
    /// `run`, `delivery`, `readback`, `evaluation`, `erasure`, `removal`, `backup`.
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

/// Files of a backup, records of a run or a removal, members of a delivery or a readback, segments of an evaluation, destinations of an erasure.
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
        Work::Readback(id, activation) => ("readback", id.to_string(), format!("activations/{activation}/readback")),
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

pub(super) fn shown_by_host(operation: &Operation) -> View {
    view(of_host, operation)
}

async fn show(scope: Scope) -> Result<Json<View>> {
    let operation = scope.sandbox.operation(scope.param("operation"))?;
    Ok(Json(view(|path| scope.url(path), &operation)))
}

async fn follow(state: extract::State<State>, scope: Scope, last: LastEventId) -> Result<Events> {
    let caller = scope.caller.clone();
    let look = move || {
        let operation = scope.sandbox.operation(scope.param("operation"))?;
        Ok(view(|path| scope.url(path), &operation))
    };
    states(&state, caller, last, look)
}

/// The operation each time that it is another: whoever missed states in between is told the one that counts.
pub(super) fn states<L>(state: &State, caller: Caller, last: LastEventId, look: L) -> Result<Events>
where
    L: Fn() -> Result<View> + Send + 'static,
{
    let mut seen = last.into_text();
    events::follow(state, caller, move || {
        let view = look()?;
        let id = mark(&view)?;
        let ended = view.done;
        if seen.as_ref() == Some(&id) {
            return Ok(Found { new: Vec::new(), ended });
        }
        let event = Event::new("operation", &id, &view)?;
        seen = Some(id);
        Ok(Found { new: vec![event], ended })
    })
}

/// What tells one state from another, the same on every host and after every start.
fn mark(view: &View) -> Result<String> {
    let text =
        serde_json::to_vec(view).map_err(|e| Refusal::internal(format!("an operation cannot be written: {e}")))?;
    let digest = hex::encode(Sha256::digest(text));
    Ok(digest.get(..16).unwrap_or(&digest).to_owned())
}
