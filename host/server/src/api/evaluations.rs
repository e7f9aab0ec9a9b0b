//! `/v1/sandboxes/{sandbox}/evaluations`: batch evaluations of segments; `…/evaluation-schedule`: when they start by
//! themselves.

use super::State;
use super::body::Body;
use super::etag::{IfMatch, with_version};
use super::listing::{Everything, Listing};
use super::operations;
use super::scope::Scope;
use super::time::Instant;
use crate::app::operations::Operation;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use attiva_core::Fault;
use attiva_core::evaluation::{
    Evaluation, EvaluationCause, EvaluationSchedule, EvaluationStatus, Phase, Read, SegmentOutcome, Timings,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/evaluations", get(list).post(start))
        .route("/v1/sandboxes/{sandbox}/evaluations/{evaluation}", get(show))
        .route("/v1/sandboxes/{sandbox}/evaluation-schedule", get(schedule).put(put_schedule))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Start {
    /// Empty: all that are evaluated in batch.
    segments: Vec<String>,
}

#[derive(Serialize)]
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

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Response> {
    let all = scope.sandbox.evaluations(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(all, |it| it.id.to_string(), View::of))
}

async fn start(scope: Scope, stamp: Stamp, Body(body): Body<Start>) -> Result<Response> {
    let evaluation = scope.sandbox.start_evaluation(&scope.caller, stamp, &body.segments).await?;
    Ok(operations::accepted(&scope, &Operation::from(&evaluation)))
}

async fn show(scope: Scope) -> Result<Json<View>> {
    Ok(Json(View::of(scope.sandbox.evaluation(scope.param("evaluation"))?)))
}

async fn schedule(scope: Scope) -> Result<Response> {
    let found = scope.sandbox.evaluation_schedule()?;
    Ok(with_version(Json(found.value).into_response(), found.version))
}

async fn put_schedule(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(schedule): Body<EvaluationSchedule>,
) -> Result<Response> {
    let put = scope.sandbox.put_evaluation_schedule(&scope.caller, schedule, expect).await?;
    Ok(with_version(Json(put.value).into_response(), put.version))
}
