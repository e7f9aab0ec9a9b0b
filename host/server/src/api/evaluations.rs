//! `/v1/sandboxes/{sandbox}/evaluations`: batch evaluations of segments; `…/evaluation-schedule`: when they start by
//! themselves.

use super::answer::Tagged;
use super::body::Body;
use super::etag::IfMatch;
use super::listing::{Everything, Listing, Paged};
use super::operations;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::operations::Operation;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use attiva_core::Fault;
use attiva_core::evaluation::{
    Evaluation, EvaluationCause, EvaluationSchedule, EvaluationStatus, Phase, Read, SegmentOutcome, Timings,
};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("evaluations", "Batch evaluations of segments.")
        .get("/v1/sandboxes/{sandbox}/evaluations", "list", "List batch evaluations", list)
        .post("/v1/sandboxes/{sandbox}/evaluations", "start", "Evaluate segments for everybody", start)
        .get("/v1/sandboxes/{sandbox}/evaluations/{evaluation}", "show", "Show a batch evaluation", show)
        .post(
            "/v1/sandboxes/{sandbox}/evaluations/{evaluation}/cancel",
            "cancel",
            "End a batch evaluation before the next segment's turn",
            cancel,
        )
        .get(
            "/v1/sandboxes/{sandbox}/evaluation-schedule",
            "schedule",
            "Show when batch evaluations start by themselves",
            schedule,
        )
        .put(
            "/v1/sandboxes/{sandbox}/evaluation-schedule",
            "put_schedule",
            "Say when batch evaluations start by themselves",
            put_schedule,
        )
}

#[derive(Default, Deserialize, JsonSchema)]
#[schemars(rename = "NewEvaluation")]
#[serde(default, deny_unknown_fields)]
struct Start {
    /// Empty: all that are evaluated in batch.
    segments: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Evaluation")]
struct View {
    id: String,
    cause: EvaluationCause,
    status: EvaluationStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<Phase>,
    /// What became of each segment so far.
    segments: Vec<SegmentOutcome>,
    queued_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Instant>,
    /// The instant that it was evaluated for: `now` in the rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Instant>,
    timings: Timings,
    read: Read,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

impl View {
    fn of(it: Evaluation) -> Self {
        Self {
            id: it.id.to_string(),
            cause: it.cause,
            status: it.status,
            phase: Some(it.phase).filter(|_| it.status == EvaluationStatus::Running),
            segments: it.segments,
            queued_at: Instant(it.queued_at),
            started_at: it.started_at.map(Instant),
            ended_at: it.ended_at.map(Instant),
            as_of: it.as_of.map(Instant),
            timings: it.timings,
            read: it.read,
            attempts: it.attempts,
            fault: it.fault,
        }
    }
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Paged<View>> {
    let all = scope.sandbox.evaluations(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(all, |it| it.id.to_string(), View::of))
}

async fn start(scope: Scope, stamp: Stamp, Body(body): Body<Start>) -> Result<operations::Accepted> {
    let evaluation = scope.sandbox.start_evaluation(&scope.caller, stamp, &body.segments).await?;
    Ok(operations::accepted(&scope, &Operation::from(&evaluation)))
}

async fn show(scope: Scope) -> Result<Json<View>> {
    Ok(Json(View::of(scope.sandbox.evaluation(scope.param("evaluation"))?)))
}

async fn cancel(scope: Scope) -> Result<operations::Accepted> {
    let evaluation = scope.sandbox.cancel_evaluation(&scope.caller, scope.param("evaluation")).await?;
    Ok(operations::accepted(&scope, &Operation::from(&evaluation)))
}

async fn schedule(scope: Scope) -> Result<Tagged<EvaluationSchedule>> {
    let found = scope.sandbox.evaluation_schedule()?;
    Ok(Tagged { value: found.value, version: found.version })
}

async fn put_schedule(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(schedule): Body<EvaluationSchedule>,
) -> Result<Tagged<EvaluationSchedule>> {
    let put = scope.sandbox.put_evaluation_schedule(&scope.caller, schedule, expect).await?;
    Ok(Tagged { value: put.value, version: put.version })
}
