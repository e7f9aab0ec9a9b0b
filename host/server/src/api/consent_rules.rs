//! `/v1/sandboxes/{sandbox}/consent-rules`: what has to be asked before something is sent.

use super::answer::Tagged;
use super::body::Body;
use super::etag::IfMatch;
use super::routes::Routes;
use super::scope::Scope;
use crate::app::refusal::Result;
use attiva_core::consent::ConsentRules;

pub(super) fn routes() -> Routes {
    Routes::of("consents", "Who may be sent something.")
        .get(
            "/v1/sandboxes/{sandbox}/consent-rules",
            "rules",
            "Show what has to be asked before something is sent",
            show,
        )
        .put(
            "/v1/sandboxes/{sandbox}/consent-rules",
            "publish_rules",
            "Replace what has to be asked before something is sent",
            publish,
        )
}

async fn show(scope: Scope) -> Result<Tagged<ConsentRules>> {
    let found = scope.sandbox.consent_rules()?;
    Ok(Tagged { value: found.value, version: found.version })
}

async fn publish(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(rules): Body<ConsentRules>,
) -> Result<Tagged<ConsentRules>> {
    let published = scope.sandbox.publish_consent_rules(&scope.caller, rules, expect).await?;
    Ok(Tagged { value: published.value, version: published.version })
}
