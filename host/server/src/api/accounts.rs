//! `/v1/sandboxes/{sandbox}/account-matching`: the rules that match persons to accounts; `…/profiles/{profile}/account-match`:
//! what became of a person, and why; `…/profiles/{profile}/hierarchy`: an account's family.

use super::State;
use super::body::Body;
use super::etag::{IfMatch, with_version};
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::account::rules::MatchRules;
use attiva_sync::{AccountMatch, Hierarchy};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes/{sandbox}/account-matching", get(rules).put(publish))
        .route("/v1/sandboxes/{sandbox}/profiles/{profile}/account-match", get(account_match))
        .route("/v1/sandboxes/{sandbox}/profiles/{profile}/hierarchy", get(hierarchy))
}

async fn rules(scope: Scope) -> Result<Response> {
    let rules = scope.sandbox.match_rules()?;
    Ok(with_version(Json(rules.value).into_response(), rules.version))
}

async fn publish(scope: Scope, IfMatch(expect): IfMatch, Body(body): Body<MatchRules>) -> Result<Response> {
    let rules = scope.sandbox.publish_match_rules(&scope.caller, body, expect).await?;
    Ok(with_version(Json(rules.value).into_response(), rules.version))
}

async fn account_match(scope: Scope) -> Result<Json<AccountMatch>> {
    Ok(Json(scope.sandbox.account_match(scope.param("profile")).await?))
}

async fn hierarchy(scope: Scope) -> Result<Json<Hierarchy>> {
    Ok(Json(scope.sandbox.hierarchy(scope.param("profile")).await?))
}
