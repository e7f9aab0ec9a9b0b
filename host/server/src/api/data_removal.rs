//! `/v1/sandboxes/{sandbox}/connections/{connection}/removal`: what a connection or a dataset brought, taken back;
//! `/v1/sandboxes/{sandbox}/removals`: how far that is.

use super::body::Body;
use super::listing::{Everything, Listing, Paged};
use super::operations;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::operations::Operation;
use crate::app::refusal::{FieldProblem, Refusal, Result};
use crate::app::stamp::Stamp;
use attiva_core::removal::{Effect, Removal};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("removals", "What a connection or a dataset brought, taken back.")
        .post(
            "/v1/sandboxes/{sandbox}/connections/{connection}/removal",
            "start",
            "Take back what a connection brought",
            remove,
        )
        .post(
            "/v1/sandboxes/{sandbox}/connections/{connection}/removal/preview",
            "preview",
            "Tell what taking it back would do to profiles, audiences and activations",
            preview,
        )
        .get("/v1/sandboxes/{sandbox}/removals", "list", "List removals", list)
        .get("/v1/sandboxes/{sandbox}/removals/{removal}", "show", "Show how far a removal is", show)
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewRemoval")]
#[serde(deny_unknown_fields)]
struct Request {
    /// Datasets; absent: the connection, with all of its.
    streams: Option<Vec<String>>,
    /// Records looked at for the effect, at most.
    records_max: Option<usize>,
}

/// Records looked at unless the request says otherwise, and at most.
const RECORDS: usize = 100_000;
const RECORDS_MAX: usize = 1_000_000;

impl Request {
    fn records_max(&self) -> Result<usize> {
        let records_max = self.records_max.unwrap_or(RECORDS);
        if (1..=RECORDS_MAX).contains(&records_max) {
            return Ok(records_max);
        }
        let problem = format!("must be 1 to {RECORDS_MAX}");
        let field = FieldProblem::new("/records_max", problem.clone());
        Err(Refusal::invalid("request.invalid", format!("`records_max` {problem}"), vec![field]))
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Removal")]
struct View {
    id: String,
    connection: String,
    streams: Vec<String>,
    /// The connection goes, too.
    whole: bool,
    requested_by: String,
    done: bool,
    started_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Instant>,
    /// As it was told when it began.
    effect: Effect,
    records_removed: u64,
    events_removed: u64,
}

impl View {
    fn of(removal: Removal) -> Self {
        Self {
            done: removal.has_ended(),
            id: removal.id.to_string(),
            connection: removal.connection.to_string(),
            streams: removal.streams,
            whole: removal.whole,
            requested_by: removal.by,
            started_at: Instant(removal.started_at),
            ended_at: removal.ended_at.map(Instant),
            effect: removal.effect,
            records_removed: removal.records_removed,
            events_removed: removal.events_removed,
        }
    }
}

async fn preview(scope: Scope, Body(request): Body<Request>) -> Result<Json<Effect>> {
    let (connection, records_max) = (scope.param("connection"), request.records_max()?);
    Ok(Json(scope.sandbox.removal_effect(connection, request.streams.as_deref(), records_max).await?))
}

async fn remove(scope: Scope, stamp: Stamp, Body(request): Body<Request>) -> Result<operations::Accepted> {
    let (connection, records_max) = (scope.param("connection"), request.records_max()?);
    let streams = request.streams.as_deref();
    let removal = scope.sandbox.start_removal(&scope.caller, stamp, connection, streams, records_max).await?;
    Ok(operations::accepted(&scope, &Operation::from(&removal)))
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Paged<View>> {
    let removals = scope.sandbox.removals(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(removals, |removal| removal.id.to_string(), View::of))
}

async fn show(scope: Scope) -> Result<Json<View>> {
    Ok(Json(View::of(scope.sandbox.removal(scope.param("removal"))?)))
}
