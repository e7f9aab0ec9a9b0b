//! `/v1/organisations`: who shares this host, with their keys and sandboxes. For operators.

use super::State;
use super::answer::{Created, Removed};
use super::body::{Body, Query};
use super::keys;
use super::listing::{Everything, Listing, Paged};
use super::path::Path;
use super::routes::Routes;
use super::sandboxes::{self, Removal};
use super::scope::Scope;
use super::time::Instant;
use crate::app::keys::Caller;
use crate::app::refusal::Result;
use crate::app::removal::{Contents, OrganisationContents};
use crate::app::stamp::Stamp;
use crate::app::tenancy::Organisation;
use axum::Json;
use axum::extract;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("organisations", "Who shares this host; for operators.")
        .get("/v1/organisations", "list", "List organisations", list)
        .post("/v1/organisations", "create", "Make an organisation", create)
        .get("/v1/organisations/{organisation}", "show", "Show an organisation", show)
        .delete(
            "/v1/organisations/{organisation}",
            "remove",
            "Remove an organisation with all it has, or tell with `dry_run` what would go",
            remove,
        )
        .post("/v1/organisations/{organisation}/keys", "create_key", "Make an API key of an organisation", create_key)
        .get(
            "/v1/organisations/{organisation}/sandboxes",
            "sandboxes",
            "List sandboxes of an organisation",
            list_sandboxes,
        )
        .post(
            "/v1/organisations/{organisation}/sandboxes",
            "create_sandbox",
            "Make a sandbox of an organisation",
            create_sandbox,
        )
        .get(
            "/v1/organisations/{organisation}/sandboxes/{sandbox}",
            "sandbox",
            "Show a sandbox of an organisation",
            show_sandbox,
        )
        .delete(
            "/v1/organisations/{organisation}/sandboxes/{sandbox}",
            "remove_sandbox",
            "Remove a sandbox of an organisation, or tell with `dry_run` what would go",
            remove_sandbox,
        )
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewOrganisation")]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Organisation")]
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

async fn list(state: extract::State<State>, listing: Listing<Everything>) -> Result<Paged<View>> {
    let found = state.app.tenancy().organisations(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(found, |o| o.id.to_string(), View::of))
}

async fn create(
    state: extract::State<State>,
    caller: Caller,
    stamp: Stamp,
    body: Body<Create>,
) -> Result<Created<View>> {
    let name = crate::app::name::checked("/name", &body.0.name)?;
    let made = state.app.tenancy().create_organisation(name, caller.key.as_str(), stamp).await?;
    let place = format!("/v1/organisations/{}", made.id);
    Ok(Created::at(place, View::of(made)))
}

async fn show(state: extract::State<State>, Path(id): Path<String>) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.tenancy().organisation(&id)?)))
}

async fn remove(
    state: extract::State<State>,
    caller: Caller,
    Path(id): Path<String>,
    Query(asked): Query<Removal>,
) -> Result<Removed<OrganisationContents>> {
    if asked.dry_run {
        return Ok(Removed::WouldGo(state.app.organisation_contents(&caller, &id)?));
    }
    state.app.remove_organisation(&caller, &id).await?;
    Ok(Removed::Gone)
}

/// A key of the organisation. One that sees other organisations is bound to an operator's own.
async fn create_key(
    state: extract::State<State>,
    caller: Caller,
    Path(id): Path<String>,
    stamp: Stamp,
    body: Body<keys::Create>,
) -> Result<Created<keys::View>> {
    let organisation = state.app.tenancy().organisation(&id)?;
    state.app.must_stay(&organisation)?;
    let new = keys::created(&state, &caller, &organisation.id, body.0, stamp).await?;
    Ok(Created::nowhere(keys::View::shown(new)))
}

async fn list_sandboxes(
    state: extract::State<State>,
    Path(id): Path<String>,
    listing: Listing<Everything>,
) -> Result<Paged<sandboxes::View>> {
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
) -> Result<Created<sandboxes::View>> {
    let organisation = state.app.tenancy().organisation(&id)?.id;
    let entry = state.app.create_sandbox(&caller, &organisation, stamp, &body.0.name).await?;
    let place = format!("/v1/organisations/{organisation}/sandboxes/{}", entry.name);
    Ok(Created::at(place, sandboxes::View::of(&entry)))
}

async fn show_sandbox(scope: Scope) -> Json<sandboxes::View> {
    Json(sandboxes::View::of(scope.sandbox.entry()))
}

async fn remove_sandbox(
    state: extract::State<State>,
    caller: Caller,
    Path((id, sandbox)): Path<(String, String)>,
    Query(asked): Query<Removal>,
) -> Result<Removed<Contents>> {
    let organisation = state.app.tenancy().organisation(&id)?.id;
    sandboxes::removed(&state, &caller, &organisation, &sandbox, &asked).await
}
