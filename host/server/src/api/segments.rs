//! `/v1/sandboxes/{sandbox}/segments`: rules, and who belongs.

use super::State;
use super::body::Body;
use super::etag::with_version;
use super::listing::{Everything, Listing};
use super::scope::Scope;
use super::time::Instant;
use crate::app::expressions;
use crate::app::refusal::{FieldProblem, Result};
use crate::app::sandbox::Sandbox;
use crate::app::stamp::Stamp;
use attiva_core::config::Segment;
use attiva_core::ports::store::MembershipStatus;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/segments", get(list).post(create))
        .route("/v1/sandboxes/{sandbox}/segments/check", post(check))
        .route("/v1/sandboxes/{sandbox}/segments/{segment}", get(show))
        .route("/v1/sandboxes/{sandbox}/segments/{segment}/members", get(members))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    expression: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    expression: String,
}

#[derive(Serialize)]
struct Checked {
    valid: bool,
    problems: Vec<FieldProblem>,
}

#[derive(Serialize)]
struct View {
    id: String,
    name: String,
    expression: String,
    /// Whether every profile has been looked at since the rule was made.
    evaluated: bool,
    created_at: Instant,
    /// Members now.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<u64>,
    /// Limits that it exceeds: it is made nevertheless.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl View {
    fn of(segment: Segment) -> Self {
        Self {
            id: segment.id.to_string(),
            name: segment.name,
            expression: segment.expression,
            evaluated: segment.evaluated,
            created_at: Instant(segment.created_at),
            members: None,
            warnings: Vec::new(),
        }
    }

    fn counted(sandbox: &Sandbox, segment: Segment) -> Result<Self> {
        let members = sandbox.count_members(&segment.id)?;
        Ok(Self { members: Some(members), ..Self::of(segment) })
    }
}

#[derive(Serialize)]
struct MemberView {
    profile: String,
    status: MembershipStatus,
    since: Instant,
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Response> {
    let segments = scope.sandbox.segments(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(segments, |s| s.id.to_string(), View::of))
}

async fn create(scope: Scope, stamp: Stamp, Body(body): Body<Create>) -> Result<Response> {
    let made = scope.sandbox.create_segment(&scope.caller, stamp, &body.name, &body.expression).await?;
    let place = scope.url(&format!("segments/{}", made.value.id));
    let view = View { warnings: scope.sandbox.segment_warnings()?, ..View::of(made.value) };
    let answer = (StatusCode::CREATED, [(header::LOCATION, place)], Json(view));
    Ok(with_version(answer.into_response(), made.version))
}

/// Answers what is wrong with an expression; that something is wrong is no problem of the request.
async fn check(_: Scope, Body(body): Body<Check>) -> Json<Checked> {
    let problems = expressions::check_segment("/expression", &body.expression).err().map(|r| r.fields);
    Json(Checked { valid: problems.is_none(), problems: problems.unwrap_or_default() })
}

async fn show(scope: Scope) -> Result<Response> {
    let found = scope.sandbox.segment(scope.param("segment"))?;
    let view = View::counted(&scope.sandbox, found.value)?;
    Ok(with_version(Json(view).into_response(), found.version))
}

async fn members(scope: Scope, listing: Listing<Everything>) -> Result<Response> {
    let members = scope.sandbox.members(scope.param("segment"), listing.after_number()?, listing.wanted())?;
    Ok(listing.answer(
        members,
        |(number, _)| number.to_string(),
        |(_, m)| MemberView { profile: m.profile.to_string(), status: m.status, since: Instant(m.since) },
    ))
}
