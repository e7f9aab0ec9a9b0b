//! `/v1/sandboxes/{sandbox}/identity`: which records are one, which are never, and which value survives.

use super::State;
use super::body::Body;
use super::etag::{IfMatch, with_version};
use super::listing::{Everything, Listing};
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::{FieldProblem, Refusal, Result};
use attiva_core::identity::overlap::Overlap;
use attiva_core::identity::{NeverLink, Rules};
use attiva_core::merge::MergePolicy;
use attiva_sync::WhatIf;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/identity/rules", get(rules).put(publish_rules))
        .route("/v1/sandboxes/{sandbox}/identity/rules/what-if", post(what_if))
        .route("/v1/sandboxes/{sandbox}/identity/overlaps", get(overlaps))
        .route("/v1/sandboxes/{sandbox}/identity/merge-policy", get(merge_policy).put(publish_merge_policy))
        .route("/v1/sandboxes/{sandbox}/identity/never-links", get(never_links).post(never_link))
        .route("/v1/sandboxes/{sandbox}/identity/never-links/{link}", delete(forgive))
        .route("/v1/sandboxes/{sandbox}/profiles/{profile}/unmerge", post(unmerge))
}

async fn rules(scope: Scope) -> Result<Response> {
    let rules = scope.sandbox.identity_rules()?;
    Ok(with_version(Json(rules.value).into_response(), rules.version))
}

async fn publish_rules(scope: Scope, IfMatch(expect): IfMatch, Body(body): Body<Rules>) -> Result<Response> {
    let rules = scope.sandbox.publish_identity_rules(&scope.caller, body, expect).await?;
    Ok(with_version(Json(rules.value).into_response(), rules.version))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Try {
    rules: Rules,
    /// Records looked at, at most.
    records_max: Option<usize>,
}

/// Records looked at unless the request says otherwise, and at most.
const WHAT_IF_RECORDS: usize = 20_000;
const WHAT_IF_RECORDS_MAX: usize = 200_000;

async fn what_if(scope: Scope, Body(body): Body<Try>) -> Result<Json<WhatIf>> {
    let records_max = body.records_max.unwrap_or(WHAT_IF_RECORDS);
    if !(1..=WHAT_IF_RECORDS_MAX).contains(&records_max) {
        let problem = format!("must be 1 to {WHAT_IF_RECORDS_MAX}");
        let field = FieldProblem::new("/records_max", problem.clone());
        return Err(Refusal::invalid("request.invalid", format!("`records_max` {problem}"), vec![field]));
    }
    Ok(Json(scope.sandbox.what_if(body.rules, records_max).await?))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Looked {
    /// Records looked at of each stream, at most.
    records_max: Option<usize>,
}

#[derive(Serialize)]
struct Overlaps {
    /// Whether all records were looked at.
    whole: bool,
    items: Vec<OverlapView>,
}

#[derive(Serialize)]
struct OverlapView {
    #[serde(flatten)]
    overlap: Overlap,
    /// Another connection brings its records, and all it says of them.
    redundant: bool,
}

async fn overlaps(scope: Scope, listing: Listing<Looked>) -> Result<Json<Overlaps>> {
    let records_max = listing.filter.records_max.unwrap_or(WHAT_IF_RECORDS).clamp(1, WHAT_IF_RECORDS_MAX);
    let (found, whole) = scope.sandbox.connection_overlaps(records_max).await?;
    let view = |overlap: Overlap| OverlapView { redundant: overlap.is_redundant(), overlap };
    Ok(Json(Overlaps { whole, items: found.into_iter().map(view).collect() }))
}

async fn merge_policy(scope: Scope) -> Result<Response> {
    let policy = scope.sandbox.merge_policy()?;
    Ok(with_version(Json(policy.value).into_response(), policy.version))
}

async fn publish_merge_policy(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(body): Body<MergePolicy>,
) -> Result<Response> {
    let policy = scope.sandbox.publish_merge_policy(&scope.caller, body, expect).await?;
    Ok(with_version(Json(policy.value).into_response(), policy.version))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    /// Source keys.
    a: String,
    b: String,
    reason: String,
}

#[derive(Serialize)]
struct NeverLinkView {
    id: String,
    a: String,
    b: String,
    reason: String,
    /// The API key it was said with.
    by: String,
    at: Instant,
}

impl NeverLinkView {
    fn of(link: NeverLink) -> Self {
        let id = link.id().to_string();
        Self { id, a: link.a, b: link.b, reason: link.reason, by: link.by, at: Instant(link.at) }
    }
}

async fn never_links(scope: Scope, listing: Listing<Everything>) -> Result<Response> {
    let links = scope.sandbox.never_links(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(links, |link| link.id().to_string(), NeverLinkView::of))
}

async fn never_link(scope: Scope, Body(pair): Body<Pair>) -> Result<Response> {
    let link = scope.sandbox.never_link(&scope.caller, &pair.a, &pair.b, &pair.reason).await?;
    Ok((StatusCode::CREATED, Json(NeverLinkView::of(link))).into_response())
}

async fn forgive(scope: Scope) -> Result<StatusCode> {
    scope.sandbox.forgive_never_link(&scope.caller, scope.param("link")).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unmerge {
    /// Source keys; records that are in none form a group of their own.
    groups: Vec<Vec<String>>,
    reason: String,
}

#[derive(Serialize)]
struct Unmerged {
    never_links: Vec<NeverLinkView>,
}

async fn unmerge(scope: Scope, Body(body): Body<Unmerge>) -> Result<Json<Unmerged>> {
    let profile = scope.param("profile");
    let links = scope.sandbox.unmerge(&scope.caller, profile, &body.groups, &body.reason).await?;
    Ok(Json(Unmerged { never_links: links.into_iter().map(NeverLinkView::of).collect() }))
}
