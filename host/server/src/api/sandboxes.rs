//! `/v1/sandboxes`: the organisation's sandboxes, and how far their projectors are.

use super::State;
use super::body::Body;
use super::listing::{Everything, Listing};
use super::scope::Scope;
use super::time::Instant;
use crate::app::keys::Caller;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use crate::app::tenancy::SandboxEntry;
use axum::extract;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/sandboxes", get(list).post(create))
        .route("/v1/sandboxes/{sandbox}", get(show))
        .route("/v1/sandboxes/{sandbox}/projection", get(projection))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
}

#[derive(Serialize)]
struct View {
    name: String,
    organisation: String,
    created_at: Instant,
}

impl View {
    fn of(entry: &SandboxEntry) -> Self {
        Self {
            name: entry.name.clone(),
            organisation: entry.organisation.to_string(),
            created_at: Instant(entry.created_at),
        }
    }
}

async fn list(state: extract::State<State>, caller: Caller, listing: Listing<Everything>) -> Result<Response> {
    let entries = state.app.tenancy().sandboxes(&caller.organisation, listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(entries, |e| e.name.clone(), |e| View::of(&e)))
}

async fn create(state: extract::State<State>, caller: Caller, stamp: Stamp, body: Body<Create>) -> Result<Response> {
    let entry = state.app.create_sandbox(&caller, stamp, &body.0.name).await?;
    let place = format!("/v1/sandboxes/{}", entry.name);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(View::of(&entry))).into_response())
}

async fn show(scope: Scope) -> Json<View> {
    Json(View::of(scope.sandbox.entry()))
}

async fn projection(scope: Scope) -> Result<Response> {
    Ok(Json(scope.sandbox.engine().projection()?).into_response())
}
