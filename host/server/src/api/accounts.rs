//! `/v1/sandboxes/{sandbox}/account-matching`: the rules that match persons to accounts; `…/profiles/{profile}/account-match`:
//! what became of a person, and why; `…/profiles/{profile}/hierarchy`: an account's family.

use super::answer::Tagged;
use super::body::Body;
use super::etag::IfMatch;
use super::routes::Routes;
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::account::rules::MatchRules;
use attiva_sync::{AccountMatch, Hierarchy};
use axum::Json;

pub(super) fn routes() -> Routes {
    Routes::of("accounts", "Which account a person belongs to that names none, and families of accounts.")
        .get(
            "/v1/sandboxes/{sandbox}/account-matching",
            "rules",
            "Show the rules that match persons to accounts",
            rules,
        )
        .put(
            "/v1/sandboxes/{sandbox}/account-matching",
            "publish_rules",
            "Replace the rules that match persons to accounts",
            publish,
        )
        .get(
            "/v1/sandboxes/{sandbox}/profiles/{profile}/account-match",
            "match",
            "Tell which account a person was matched to, and why",
            account_match,
        )
        .refuses(&[422])
        .get(
            "/v1/sandboxes/{sandbox}/profiles/{profile}/hierarchy",
            "hierarchy",
            "Show the family of an account, with its totals",
            hierarchy,
        )
        .refuses(&[422])
}

async fn rules(scope: Scope) -> Result<Tagged<MatchRules>> {
    let rules = scope.sandbox.match_rules()?;
    Ok(Tagged { value: rules.value, version: rules.version })
}

async fn publish(scope: Scope, IfMatch(expect): IfMatch, Body(body): Body<MatchRules>) -> Result<Tagged<MatchRules>> {
    let rules = scope.sandbox.publish_match_rules(&scope.caller, body, expect).await?;
    Ok(Tagged { value: rules.value, version: rules.version })
}

async fn account_match(scope: Scope) -> Result<Json<AccountMatch>> {
    Ok(Json(scope.sandbox.account_match(scope.param("profile")).await?))
}

async fn hierarchy(scope: Scope) -> Result<Json<Hierarchy>> {
    Ok(Json(scope.sandbox.hierarchy(scope.param("profile")).await?))
}
