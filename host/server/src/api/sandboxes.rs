//! `/v1/sandboxes`: the organisation's sandboxes, and how far their projectors are.

use super::State;
use super::body::{Body, query};
use super::listing::{Everything, Listing};
use super::scope::Scope;
use super::time::Instant;
use crate::app::disk::Room;
use crate::app::keys::Caller;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use crate::app::tenancy::SandboxEntry;
use attiva_core::id::OrganisationId;
use axum::extract::{self, Path};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes", get(list).post(create))
        .route("/v1/sandboxes/{sandbox}", get(show).delete(remove))
        .route("/v1/sandboxes/{sandbox}/projection", get(projection))
        .route("/v1/sandboxes/{sandbox}/disk", get(disk))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
}

/// How a removal is asked for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    /// Only tell what would go.
    #[serde(default)]
    pub(super) dry_run: bool,
}

#[derive(Serialize)]
pub(super) struct View {
    name: String,
    organisation: String,
    created_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    removing_since: Option<Instant>,
}

impl View {
    pub(super) fn of(entry: &SandboxEntry) -> Self {
        Self {
            name: entry.name.clone(),
            organisation: entry.organisation.to_string(),
            created_at: Instant(entry.created_at),
            removing_since: entry.removing_since.map(Instant),
        }
    }
}

async fn list(state: extract::State<State>, caller: Caller, listing: Listing<Everything>) -> Result<Response> {
    let entries = state.app.sandboxes_of(&caller, listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(entries, |e| e.name.clone(), |e| View::of(&e)))
}

async fn create(state: extract::State<State>, caller: Caller, stamp: Stamp, body: Body<Create>) -> Result<Response> {
    let entry = state.app.create_sandbox(&caller, &caller.organisation, stamp, &body.0.name).await?;
    let place = format!("/v1/sandboxes/{}", entry.name);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(View::of(&entry))).into_response())
}

async fn show(scope: Scope) -> Json<View> {
    Json(View::of(scope.sandbox.entry()))
}

async fn projection(scope: Scope) -> Result<Response> {
    Ok(Json(scope.sandbox.engine().projection()?).into_response())
}

async fn disk(scope: Scope) -> Result<Json<Room>> {
    Ok(Json(scope.sandbox.disk()?))
}

async fn remove(
    state: extract::State<State>,
    caller: Caller,
    Path(sandbox): Path<String>,
    uri: Uri,
) -> Result<Response> {
    removed(&state, &caller, &caller.organisation, &sandbox, &uri).await
}

pub(super) async fn removed(
    state: &State,
    caller: &Caller,
    organisation: &OrganisationId,
    sandbox: &str,
    uri: &Uri,
) -> Result<Response> {
    if query::<Removal>(uri)?.dry_run {
        return Ok(Json(state.app.sandbox_contents(organisation, sandbox)?).into_response());
    }
    state.app.remove_sandbox(caller, organisation, sandbox).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
