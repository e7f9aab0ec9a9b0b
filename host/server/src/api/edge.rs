//! `/v1/sandboxes/{sandbox}/edge/evaluations`: which audiences a person is in at this request.

use super::body::Body;
use super::ingestion::Kept;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::edge::EdgeRequest;
use crate::app::refusal::Result;
use attiva_core::Fault;
use attiva_core::access;
use attiva_sync::{EdgeAnswer, EdgeAudience, EdgeBasis};
use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("edge", "Audiences of a person at a request.")
        .post(
            "/v1/sandboxes/{sandbox}/edge/evaluations",
            "evaluate",
            "Tell which audiences a person is in now, by what is known and what the request says",
            evaluate,
        )
        .refuses(&[429])
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EdgeEvaluation")]
struct View {
    /// Who it is; absent: nobody known, and the answer is of the request alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    /// Audiences that the person is in; where some were asked for by name, each of those.
    audiences: Vec<AudienceView>,
    /// Audiences that could not be answered, and why.
    unanswered: Vec<UnansweredView>,
    /// What became of the event where it was to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Kept>,
    /// `now` in the rules.
    as_of: Instant,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EdgeAudience")]
struct AudienceView {
    segment: String,
    name: String,
    member: bool,
    /// What it goes by: this request, or the latest result of an audience that is not decided at a request.
    by: EdgeBasis,
    /// The batch evaluation whose result it is; of a batch audience, absent before there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_of: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EdgeUnanswered")]
struct UnansweredView {
    segment: String,
    fault: Fault,
}

async fn evaluate(scope: Scope, Body(request): Body<EdgeRequest>) -> Result<Json<View>> {
    // To ask is to read; to have an event kept is to write.
    if request.ingests() {
        scope.caller.must(access::Scope::RecordsWrite)?;
    }
    let (answer, kept) = scope.sandbox.ask_edge(&request).await?;
    let EdgeAnswer { profile, audiences, unanswered, as_of } = answer;
    let is_told = |it: &EdgeAudience| it.is_member || !request.segments.is_empty();
    Ok(Json(View {
        profile: profile.map(|id| id.to_string()),
        audiences: audiences.into_iter().filter(is_told).map(audience).collect(),
        unanswered: unanswered
            .into_iter()
            .map(|(segment, fault)| UnansweredView { segment: segment.to_string(), fault })
            .collect(),
        kept: kept.map(|kept| Kept::of(1, kept)),
        as_of: Instant(as_of),
    }))
}

fn audience(it: EdgeAudience) -> AudienceView {
    let EdgeAudience { segment, name, is_member, by, result_of } = it;
    let result_of = result_of.map(|id| id.to_string());
    AudienceView { segment: segment.to_string(), name, member: is_member, by, result_of }
}
