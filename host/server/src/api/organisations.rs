//! `/v1/organisations`: who shares this host, with their keys and sandboxes. For operators.

use super::State;
use super::body::{Body, query};
use super::keys;
use super::listing::{Everything, Listing};
use super::sandboxes::{self, Removal};
use super::scope::Scope;
use super::time::Instant;
use crate::app::keys::Caller;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use crate::app::tenancy::Organisation;
use axum::extract::{self, Path};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/organisations", get(list).post(create))
        .route("/v1/organisations/{organisation}", get(show).delete(remove))
        .route("/v1/organisations/{organisation}/keys", post(create_key))
        .route("/v1/organisations/{organisation}/sandboxes", get(list_sandboxes).post(create_sandbox))
        .route("/v1/organisations/{organisation}/sandboxes/{sandbox}", get(show_sandbox).delete(remove_sandbox))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
}

#[derive(Serialize)]
struct View {
    id: String,
    name: String,
    created_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    removing_since: Option<Instant>,
}

impl View {
    fn of(organisation: Organisation) -> Self {
        Self {
            id: organisation.id.to_string(),
            name: organisation.name,
            created_at: Instant(organisation.created_at),
            removing_since: organisation.removing_since.map(Instant),
        }
    }
}

async fn list(state: extract::State<State>, listing: Listing<Everything>) -> Result<Response> {
    let found = state.app.tenancy().organisations(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(found, |o| o.id.to_string(), View::of))
}

async fn create(state: extract::State<State>, caller: Caller, stamp: Stamp, body: Body<Create>) -> Result<Response> {
    let name = crate::app::name::checked("/name", &body.0.name)?;
    let made = state.app.tenancy().create_organisation(name, caller.key.as_str(), stamp).await?;
    let place = format!("/v1/organisations/{}", made.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(View::of(made))).into_response())
}

async fn show(state: extract::State<State>, Path(id): Path<String>) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.tenancy().organisation(&id)?)))
}

async fn remove(state: extract::State<State>, caller: Caller, Path(id): Path<String>, uri: Uri) -> Result<Response> {
    if query::<Removal>(&uri)?.dry_run {
        return Ok(Json(state.app.organisation_contents(&caller, &id)?).into_response());
    }
    state.app.remove_organisation(&caller, &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A key of the organisation. One that sees other organisations is bound to an operator's own.
async fn create_key(
    state: extract::State<State>,
    caller: Caller,
    Path(id): Path<String>,
    stamp: Stamp,
    body: Body<keys::Create>,
) -> Result<Response> {
    let organisation = state.app.tenancy().organisation(&id)?;
    state.app.must_stay(&organisation)?;
    let new = keys::created(&state, &caller, &organisation.id, body.0, stamp).await?;
    Ok((StatusCode::CREATED, Json(keys::View::shown(new))).into_response())
}

async fn list_sandboxes(
    state: extract::State<State>,
    Path(id): Path<String>,
    listing: Listing<Everything>,
) -> Result<Response> {
    let organisation = state.app.tenancy().organisation(&id)?.id;
    let entries = state.app.tenancy().sandboxes(&organisation, listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(entries, |e| e.name.clone(), |e| sandboxes::View::of(&e)))
}

async fn create_sandbox(
    state: extract::State<State>,
    caller: Caller,
    Path(id): Path<String>,
    stamp: Stamp,
    body: Body<Create>,
) -> Result<Response> {
    let organisation = state.app.tenancy().organisation(&id)?.id;
    let entry = state.app.create_sandbox(&caller, &organisation, stamp, &body.0.name).await?;
    let place = format!("/v1/organisations/{organisation}/sandboxes/{}", entry.name);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(sandboxes::View::of(&entry))).into_response())
}

async fn show_sandbox(scope: Scope) -> Json<sandboxes::View> {
    Json(sandboxes::View::of(scope.sandbox.entry()))
}

async fn remove_sandbox(
    state: extract::State<State>,
    caller: Caller,
    Path((id, sandbox)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response> {
    let organisation = state.app.tenancy().organisation(&id)?.id;
    sandboxes::removed(&state, &caller, &organisation, &sandbox, &uri).await
}
