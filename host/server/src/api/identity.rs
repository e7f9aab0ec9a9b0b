//! `/v1/sandboxes/{sandbox}/identity`: which records are one, which are never, and which value survives.

use super::answer::{Created, Done, Tagged};
use super::body::{Body, Query};
use super::etag::IfMatch;
use super::listing::{Everything, Listing, Paged};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::{FieldProblem, Refusal, Result};
use attiva_core::identity::overlap::Overlap;
use attiva_core::identity::{NeverLink, Rules};
use attiva_core::merge::MergePolicy;
use attiva_sync::WhatIf;
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("identity", "Which records are one, which are never, and which value survives.")
        .get("/v1/sandboxes/{sandbox}/identity/rules", "rules", "Show the rules by which records are joined", rules)
        .put(
            "/v1/sandboxes/{sandbox}/identity/rules",
            "publish_rules",
            "Replace the rules by which records are joined",
            publish_rules,
        )
        .post(
            "/v1/sandboxes/{sandbox}/identity/rules/what-if",
            "what_if",
            "Tell what other rules would join and divide, and do to audiences",
            what_if,
        )
        .get(
            "/v1/sandboxes/{sandbox}/identity/overlaps",
            "overlaps",
            "Tell which connections bring the same persons",
            overlaps,
        )
        .get(
            "/v1/sandboxes/{sandbox}/identity/merge-policy",
            "merge_policy",
            "Show which record's value survives",
            merge_policy,
        )
        .put(
            "/v1/sandboxes/{sandbox}/identity/merge-policy",
            "publish_merge_policy",
            "Replace the policy by which values survive",
            publish_merge_policy,
        )
        .get(
            "/v1/sandboxes/{sandbox}/identity/never-links",
            "never_links",
            "List records that are never one",
            never_links,
        )
        .post(
            "/v1/sandboxes/{sandbox}/identity/never-links",
            "never_link",
            "Say that two records are never one",
            never_link,
        )
        .delete(
            "/v1/sandboxes/{sandbox}/identity/never-links/{link}",
            "forgive",
            "Take it back that two records are never one",
            forgive,
        )
        .post(
            "/v1/sandboxes/{sandbox}/profiles/{profile}/unmerge",
            "unmerge",
            "Divide a profile into groups of records",
            unmerge,
        )
}

async fn rules(scope: Scope) -> Result<Tagged<Rules>> {
    let rules = scope.sandbox.identity_rules()?;
    Ok(Tagged { value: rules.value, version: rules.version })
}

async fn publish_rules(scope: Scope, IfMatch(expect): IfMatch, Body(body): Body<Rules>) -> Result<Tagged<Rules>> {
    let rules = scope.sandbox.publish_identity_rules(&scope.caller, body, expect).await?;
    Ok(Tagged { value: rules.value, version: rules.version })
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WhatIfRequest")]
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

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Looked {
    /// Records looked at of each stream, at most.
    records_max: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConnectionOverlaps")]
struct Overlaps {
    /// Whether all records were looked at.
    whole: bool,
    items: Vec<OverlapView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConnectionOverlap")]
struct OverlapView {
    #[serde(flatten)]
    overlap: Overlap,
    /// Another connection brings its records, and all it says of them.
    redundant: bool,
}

async fn overlaps(scope: Scope, Query(asked): Query<Looked>) -> Result<Json<Overlaps>> {
    let records_max = asked.records_max.unwrap_or(WHAT_IF_RECORDS).clamp(1, WHAT_IF_RECORDS_MAX);
    let (found, whole) = scope.sandbox.connection_overlaps(records_max).await?;
    let view = |overlap: Overlap| OverlapView { redundant: overlap.is_redundant(), overlap };
    Ok(Json(Overlaps { whole, items: found.into_iter().map(view).collect() }))
}

async fn merge_policy(scope: Scope) -> Result<Tagged<MergePolicy>> {
    let policy = scope.sandbox.merge_policy()?;
    Ok(Tagged { value: policy.value, version: policy.version })
}

async fn publish_merge_policy(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(body): Body<MergePolicy>,
) -> Result<Tagged<MergePolicy>> {
    let policy = scope.sandbox.publish_merge_policy(&scope.caller, body, expect).await?;
    Ok(Tagged { value: policy.value, version: policy.version })
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewNeverLink")]
#[serde(deny_unknown_fields)]
struct Pair {
    /// Source keys.
    a: String,
    b: String,
    reason: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NeverLink")]
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

async fn never_links(scope: Scope, listing: Listing<Everything>) -> Result<Paged<NeverLinkView>> {
    let links = scope.sandbox.never_links(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(links, |link| link.id().to_string(), NeverLinkView::of))
}

async fn never_link(scope: Scope, Body(pair): Body<Pair>) -> Result<Created<NeverLinkView>> {
    let link = scope.sandbox.never_link(&scope.caller, &pair.a, &pair.b, &pair.reason).await?;
    Ok(Created::nowhere(NeverLinkView::of(link)))
}

async fn forgive(scope: Scope) -> Result<Done> {
    scope.sandbox.forgive_never_link(&scope.caller, scope.param("link")).await?;
    Ok(Done)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Unmerge {
    /// Source keys; records that are in none form a group of their own.
    groups: Vec<Vec<String>>,
    reason: String,
}

#[derive(Serialize, JsonSchema)]
struct Unmerged {
    never_links: Vec<NeverLinkView>,
}

async fn unmerge(scope: Scope, Body(body): Body<Unmerge>) -> Result<Json<Unmerged>> {
    let profile = scope.param("profile");
    let links = scope.sandbox.unmerge(&scope.caller, profile, &body.groups, &body.reason).await?;
    Ok(Json(Unmerged { never_links: links.into_iter().map(NeverLinkView::of).collect() }))
}
