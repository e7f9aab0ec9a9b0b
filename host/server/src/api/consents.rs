//! `/v1/sandboxes/{sandbox}/consents` and `/suppressions`: who may be sent something, in bulk.

use super::body::Body;
use super::listing::{Listing, Paged};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::consents::{GivenConsent, GivenIdentity, GivenSuppression};
use crate::app::refusal::{FieldProblem, Refusal, Result};
use attiva_core::consent::{Consent, Decision, Suppression};
use attiva_core::identity::Identity;
use attiva_core::ports::consent::Put;
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("consents", "Who may be sent something.")
        .get("/v1/sandboxes/{sandbox}/consents", "list", "List what persons said", consents)
        .refuses(&[422])
        .post("/v1/sandboxes/{sandbox}/consents", "put", "Take what persons said", put_consents)
        .post(
            "/v1/sandboxes/{sandbox}/consents/decide",
            "decide",
            "Tell whether a person may be sent something",
            decide,
        )
        .get("/v1/sandboxes/{sandbox}/suppressions", "suppressions", "List who is not sent anything", suppressions)
        .refuses(&[422])
        .post(
            "/v1/sandboxes/{sandbox}/suppressions",
            "suppress",
            "Keep persons from being sent anything",
            put_suppressions,
        )
        .post(
            "/v1/sandboxes/{sandbox}/suppressions/remove",
            "unsuppress",
            "Take suppressions back",
            remove_suppressions,
        )
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PersonIdentity")]
#[serde(deny_unknown_fields)]
struct Who {
    namespace: String,
    value: String,
}

impl From<Who> for GivenIdentity {
    fn from(Who { namespace, value }: Who) -> Self {
        Self { namespace, value }
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewConsents")]
#[serde(deny_unknown_fields)]
struct Consents {
    consents: Vec<ConsentBody>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewConsent")]
#[serde(deny_unknown_fields)]
struct ConsentBody {
    identity: Who,
    channel: String,
    purpose: String,
    given: bool,
    source: String,
    at: String,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewSuppressions")]
#[serde(deny_unknown_fields)]
struct Suppressions {
    suppressions: Vec<SuppressionBody>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewSuppression")]
#[serde(deny_unknown_fields)]
struct SuppressionBody {
    identity: Who,
    #[serde(default = "any")]
    channel: String,
    reason: String,
    source: String,
    at: String,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RemovedSuppressions")]
#[serde(deny_unknown_fields)]
struct Removed {
    suppressions: Vec<RemovedBody>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "RemovedSuppression")]
#[serde(deny_unknown_fields)]
struct RemovedBody {
    identity: Who,
    #[serde(default = "any")]
    channel: String,
}

fn any() -> String {
    attiva_core::consent::ANY.to_owned()
}

/// How many came, and how many of them changed something.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TakenConsents")]
struct Taken {
    received: u64,
    changed: u64,
}

impl From<Put> for Taken {
    fn from(Put { received, changed }: Put) -> Self {
        Self { received, changed }
    }
}

async fn put_consents(scope: Scope, Body(body): Body<Consents>) -> Result<Json<Taken>> {
    let given = body.consents.into_iter().map(|one| GivenConsent {
        identity: one.identity.into(),
        channel: one.channel,
        purpose: one.purpose,
        given: one.given,
        source: one.source,
        at: one.at,
    });
    Ok(Json(scope.sandbox.put_consents(&scope.caller, given.collect()).await?.into()))
}

async fn put_suppressions(scope: Scope, Body(body): Body<Suppressions>) -> Result<Json<Taken>> {
    let given = body.suppressions.into_iter().map(|one| GivenSuppression {
        identity: one.identity.into(),
        channel: one.channel,
        reason: one.reason,
        source: one.source,
        at: one.at,
    });
    Ok(Json(scope.sandbox.put_suppressions(&scope.caller, given.collect()).await?.into()))
}

async fn remove_suppressions(scope: Scope, Body(body): Body<Removed>) -> Result<Json<Taken>> {
    let which = body.suppressions.into_iter().map(|one| (one.identity.into(), one.channel)).collect();
    Ok(Json(scope.sandbox.remove_suppressions(&scope.caller, which).await?.into()))
}

/// Of one identity, or all.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    namespace: Option<String>,
    value: Option<String>,
}

impl Filter {
    fn identity(&self) -> Result<Option<GivenIdentity>> {
        match (&self.namespace, &self.value) {
            (None, None) => Ok(None),
            (Some(namespace), Some(value)) => {
                Ok(Some(GivenIdentity { namespace: namespace.clone(), value: value.clone() }))
            }
            _ => {
                let problem = "`namespace` and `value` belong together";
                Err(Refusal::invalid("request.invalid", problem, vec![FieldProblem::new("namespace", problem)]))
            }
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Consent")]
struct ConsentView {
    identity: Identity,
    channel: String,
    purpose: String,
    given: bool,
    source: String,
    at: Instant,
}

impl ConsentView {
    fn of((_, consent): (i64, Consent)) -> Self {
        let Consent { identity, channel, purpose, given, source, at } = consent;
        Self { identity, channel, purpose, given, source, at: Instant(at) }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Suppression")]
struct SuppressionView {
    identity: Identity,
    channel: String,
    reason: String,
    source: String,
    at: Instant,
}

impl SuppressionView {
    fn of((_, suppression): (i64, Suppression)) -> Self {
        let Suppression { identity, channel, reason, source, at } = suppression;
        Self { identity, channel, reason, source, at: Instant(at) }
    }
}

async fn consents(scope: Scope, listing: Listing<Filter>) -> Result<Paged<ConsentView>> {
    let found = match listing.filter.identity()? {
        Some(identity) => whole(scope.sandbox.consents_of(&identity)?, listing.after_number()?, listing.wanted()),
        None => scope.sandbox.consents(listing.after_number()?, listing.wanted())?,
    };
    Ok(listing.answer(found, |(number, _)| number.to_string(), ConsentView::of))
}

async fn suppressions(scope: Scope, listing: Listing<Filter>) -> Result<Paged<SuppressionView>> {
    let found = match listing.filter.identity()? {
        Some(identity) => whole(scope.sandbox.suppressions_of(&identity)?, listing.after_number()?, listing.wanted()),
        None => scope.sandbox.suppressions(listing.after_number()?, listing.wanted())?,
    };
    Ok(listing.answer(found, |(number, _)| number.to_string(), SuppressionView::of))
}

/// What there is of one identity, in pages.
fn whole<T>(all: Vec<T>, after: i64, wanted: usize) -> Vec<(i64, T)> {
    (1..).zip(all).filter(|(number, _)| *number > after).take(wanted).collect()
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ConsentQuestion")]
#[serde(deny_unknown_fields)]
struct Question {
    channel: String,
    purpose: String,
    /// Of one person.
    identities: Vec<Who>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConsentDecision")]
struct Decided {
    may_send: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

async fn decide(scope: Scope, Body(body): Body<Question>) -> Result<Json<Decided>> {
    let identities: Vec<GivenIdentity> = body.identities.into_iter().map(Into::into).collect();
    Ok(Json(match scope.sandbox.may_send(&body.channel, &body.purpose, &identities)? {
        Decision::Yes => Decided { may_send: true, code: None, reason: None },
        Decision::No { reason } => {
            Decided { may_send: false, code: Some(reason.code()), reason: Some(reason.to_string()) }
        }
    }))
}
