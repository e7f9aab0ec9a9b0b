//! `/v1/sandboxes/{sandbox}/runs`: what was read from sources, and what is being read.

use super::listing::{Everything, Listing, Paged};
use super::operations;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::operations::Operation;
use crate::app::refusal::{FieldProblem, Refusal, Result};
use crate::app::runs::RunFilter;
use attiva_core::Fault;
use attiva_core::backfill::Wish;
use attiva_core::drift::HeldStream;
use attiva_core::id::ConnectionId;
use attiva_core::page::Reject;
use attiva_core::run::{Run, RunStatus, StreamProgress};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("runs", "What was read from sources, and what is being read.")
        .get("/v1/sandboxes/{sandbox}/runs", "list", "List runs", list)
        .refuses(&[422])
        .get("/v1/sandboxes/{sandbox}/runs/{run}", "show", "Show a run", show)
        .post("/v1/sandboxes/{sandbox}/runs/{run}/cancel", "cancel", "Ask a run to stop", cancel)
        .get(
            "/v1/sandboxes/{sandbox}/runs/{run}/rejects",
            "rejects",
            "List rows that could not be taken, and why",
            rejects,
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    connection: Option<String>,
    status: Option<RunStatus>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Run")]
struct View {
    id: String,
    connection: String,
    plugin: String,
    status: RunStatus,
    streams: Vec<StreamProgress>,
    started_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_until: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
    /// Failures in a row; of a run that a schedule could not begin, how often that was tried.
    attempts: u32,
    /// A schedule could not begin it until somebody acts, as `fault` says: when it is tried again, at the latest. It is
    /// tried at once when the connection is changed, authorised, granted something, or passes its check.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_at: Option<Instant>,
    cancel_requested: bool,
    /// Since when what it could not take is not kept any more (`limits.rejects_kept_days`).
    #[serde(skip_serializing_if = "Option::is_none")]
    rejects_forgotten_at: Option<Instant>,
    /// Streams that it does not read, since they have changed at the vendor and nobody has approved of that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held: Vec<HeldStream>,
    /// It reads streams anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    backfill: Option<Wish>,
    /// The id of the trace that it is part of, where it is traced (`telemetry.otlp_endpoint`).
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

impl View {
    fn of(run: Run) -> Self {
        Self {
            id: run.id.to_string(),
            connection: run.connection.to_string(),
            plugin: run.plugin,
            status: run.status,
            streams: run.streams,
            started_at: Instant(run.started_at),
            ended_at: run.ended_at.map(Instant),
            waiting_until: run.waiting_until.map(Instant),
            fault: run.fault,
            attempts: run.attempts,
            next_try_at: run.next_try_at.map(Instant),
            cancel_requested: run.cancel_requested,
            rejects_forgotten_at: run.rejects_forgotten_at.map(Instant),
            held: run.held,
            backfill: run.backfill.map(|anew| anew.wish),
            trace: run.trace.as_deref().and_then(attiva_sync::trace::trace_id),
        }
    }
}

async fn list(scope: Scope, listing: Listing<Filter>) -> Result<Paged<View>> {
    let connection = listing.filter.connection.as_deref();
    let connection = connection.map(|id| ConnectionId::parse(id).ok_or_else(|| not_an_id("connection"))).transpose()?;
    let filter = RunFilter { connection, status: listing.filter.status };
    let runs = scope.sandbox.runs(&filter, listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(runs, |r| r.id.to_string(), View::of))
}

pub(super) fn not_an_id(parameter: &str) -> Refusal {
    let field = FieldProblem::new(parameter, "is not an id");
    Refusal::invalid("request.invalid", format!("`{parameter}` is not an id"), vec![field])
}

async fn show(scope: Scope) -> Result<Json<View>> {
    Ok(Json(View::of(scope.sandbox.run(scope.param("run"))?)))
}

async fn cancel(scope: Scope) -> Result<operations::Accepted> {
    let run = scope.sandbox.cancel_run(&scope.caller, scope.param("run")).await?;
    Ok(operations::accepted(&scope, &Operation::from(&run)))
}

async fn rejects(scope: Scope, listing: Listing<Everything>) -> Result<Paged<Reject>> {
    let after = listing.after_number()?;
    let rejects: Vec<(u64, Reject)> = scope.sandbox.rejects(scope.param("run"), after, listing.wanted())?;
    Ok(listing.answer(rejects, |(number, _)| number.to_string(), |(_, reject)| reject))
}
