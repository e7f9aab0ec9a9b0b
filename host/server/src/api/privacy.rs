//! `/v1/sandboxes/{sandbox}/privacy`: what is kept about somebody, and that they are forgotten. Whom it is about stands in
//! bodies, never in paths: those end up in logs.

use super::body::Body;
use super::listing::{Everything, Listing, Paged};
use super::operations;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::consents::GivenIdentity;
use crate::app::operations::Operation;
use crate::app::privacy::{Asked, Preview};
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use attiva_core::privacy::{Counts, Erasure, Left, Phase, ReceiptStatus};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("privacy", "What is kept about somebody, and that they are forgotten.")
        .post("/v1/sandboxes/{sandbox}/privacy/access", "access", "Show everything that is kept about somebody", access)
        .get("/v1/sandboxes/{sandbox}/privacy/erasures", "erasures", "List requests to forget somebody", list)
        .post("/v1/sandboxes/{sandbox}/privacy/erasures", "erase", "Forget somebody, here and at destinations", erase)
        .post(
            "/v1/sandboxes/{sandbox}/privacy/erasures/preview",
            "preview",
            "Tell what forgetting somebody would remove",
            preview,
        )
        .get(
            "/v1/sandboxes/{sandbox}/privacy/erasures/{erasure}",
            "erasure",
            "Show how far a request to forget somebody is",
            show,
        )
        .post(
            "/v1/sandboxes/{sandbox}/privacy/erasures/{erasure}/give-up",
            "give_up",
            "Wait no longer for destinations that do not answer",
            give_up,
        )
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PrivacyRequest")]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default = "person")]
    entity: String,
    identity: Who,
    /// Everybody who carries it, where it is shared.
    #[serde(default)]
    everybody: bool,
}

fn person() -> String {
    "person".to_owned()
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PrivacySubject")]
#[serde(deny_unknown_fields)]
struct Who {
    /// `email`, `source_key`, `profile`.
    namespace: String,
    value: String,
}

impl From<Request> for Asked {
    fn from(Request { entity, identity: Who { namespace, value }, everybody }: Request) -> Self {
        Self { entity, identity: GivenIdentity { namespace, value }, everybody }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Erasure")]
struct View {
    id: String,
    entity: String,
    /// What they were named by; the value is not kept.
    namespace: String,
    requested_by: String,
    phase: Phase,
    done: bool,
    started_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Instant>,
    #[serde(skip_serializing_if = "String::is_empty")]
    waiting_for: String,
    profiles: u64,
    tombstones: u64,
    places: Counts,
    destinations: Vec<DestinationView>,
    left: Vec<Left>,
    bytes_searched: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ErasureDestination")]
struct DestinationView {
    name: String,
    connection: Option<String>,
    activation: Option<String>,
    /// Null: it has not answered yet.
    status: Option<ReceiptStatus>,
    because: String,
    at: Option<Instant>,
    attempts: u32,
}

impl View {
    fn of(erasure: Erasure) -> Self {
        let destination = |d: attiva_core::privacy::Destination| DestinationView {
            name: d.name,
            connection: d.connection.map(|id| id.to_string()),
            activation: d.activation.map(|id| id.to_string()),
            status: d.receipt.as_ref().map(|receipt| receipt.status),
            at: d.receipt.as_ref().map(|receipt| Instant(receipt.at)),
            because: d.receipt.map(|r| r.because).or(d.fault.map(|f| f.message)).unwrap_or_default(),
            attempts: d.attempts,
        };
        Self {
            done: erasure.has_ended(),
            id: erasure.id.to_string(),
            entity: erasure.entity.to_string(),
            namespace: erasure.namespace,
            requested_by: erasure.by,
            phase: erasure.phase,
            started_at: Instant(erasure.started_at),
            ended_at: erasure.ended_at.map(Instant),
            waiting_for: erasure.waiting_for,
            profiles: erasure.profiles,
            tombstones: erasure.tombstones,
            places: erasure.places,
            destinations: erasure.destinations.into_iter().map(destination).collect(),
            left: erasure.left,
            bytes_searched: erasure.bytes_searched,
        }
    }
}

async fn access(scope: Scope, Body(request): Body<Request>) -> Result<Json<serde_json::Value>> {
    Ok(Json(scope.sandbox.personal_data(&scope.caller, &request.into()).await?))
}

async fn preview(scope: Scope, Body(request): Body<Request>) -> Result<Json<Preview>> {
    Ok(Json(scope.sandbox.preview_erasure(&request.into()).await?))
}

async fn erase(scope: Scope, stamp: Stamp, Body(request): Body<Request>) -> Result<operations::Accepted> {
    let erasure = scope.sandbox.start_erasure(&scope.caller, stamp, &request.into()).await?;
    Ok(operations::accepted(&scope, &Operation::from(&erasure)))
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Paged<View>> {
    let erasures = scope.sandbox.erasures(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(erasures, |erasure| erasure.id.to_string(), View::of))
}

async fn show(scope: Scope) -> Result<Json<View>> {
    Ok(Json(View::of(scope.sandbox.erasure(scope.param("erasure"))?)))
}

async fn give_up(scope: Scope) -> Result<Json<View>> {
    Ok(Json(View::of(scope.sandbox.give_up_erasure(&scope.caller, scope.param("erasure")).await?)))
}
