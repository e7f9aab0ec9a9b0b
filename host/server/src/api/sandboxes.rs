//! `/v1/sandboxes`: the organisation's sandboxes, and how far their projectors are.

use super::State;
use super::answer::{Created, Removed};
use super::body::{Body, Query};
use super::listing::{Everything, Listing, Paged};
use super::path::Path;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::disk::Room;
use crate::app::keys::Caller;
use crate::app::refusal::Result;
use crate::app::removal::Contents;
use crate::app::stamp::Stamp;
use crate::app::tenancy::SandboxEntry;
use attiva_core::id::OrganisationId;
use attiva_sync::Projection;
use axum::Json;
use axum::extract;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("sandboxes", "Places of their own within an organisation.")
        .get("/v1/sandboxes", "list", "List sandboxes", list)
        .post("/v1/sandboxes", "create", "Make a sandbox", create)
        .get("/v1/sandboxes/{sandbox}", "show", "Show a sandbox", show)
        .delete(
            "/v1/sandboxes/{sandbox}",
            "remove",
            "Remove a sandbox with all it has, or tell with `dry_run` what would go",
            remove,
        )
        .get(
            "/v1/sandboxes/{sandbox}/projection",
            "projection",
            "Tell how far projectors have followed what was committed",
            projection,
        )
        .get("/v1/sandboxes/{sandbox}/disk", "disk", "Tell how much of the disk a sandbox takes", disk)
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewSandbox")]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
}

/// How a removal is asked for.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    /// Only tell what would go.
    #[serde(default)]
    pub(super) dry_run: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Sandbox")]
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

async fn list(state: extract::State<State>, caller: Caller, listing: Listing<Everything>) -> Result<Paged<View>> {
    let entries = state.app.sandboxes_of(&caller, listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(entries, |e| e.name.clone(), |e| View::of(&e)))
}

async fn create(
    state: extract::State<State>,
    caller: Caller,
    stamp: Stamp,
    body: Body<Create>,
) -> Result<Created<View>> {
    let entry = state.app.create_sandbox(&caller, &caller.organisation, stamp, &body.0.name).await?;
    let place = format!("/v1/sandboxes/{}", entry.name);
    Ok(Created::at(place, View::of(&entry)))
}

async fn show(scope: Scope) -> Json<View> {
    Json(View::of(scope.sandbox.entry()))
}

async fn projection(scope: Scope) -> Result<Json<Projection>> {
    Ok(Json(scope.sandbox.engine().projection()?))
}

async fn disk(scope: Scope) -> Result<Json<Room>> {
    Ok(Json(scope.sandbox.disk()?))
}

async fn remove(
    state: extract::State<State>,
    caller: Caller,
    Path(sandbox): Path<String>,
    Query(asked): Query<Removal>,
) -> Result<Removed<Contents>> {
    removed(&state, &caller, &caller.organisation, &sandbox, &asked).await
}

pub(super) async fn removed(
    state: &State,
    caller: &Caller,
    organisation: &OrganisationId,
    sandbox: &str,
    asked: &Removal,
) -> Result<Removed<Contents>> {
    if asked.dry_run {
        return Ok(Removed::WouldGo(state.app.sandbox_contents(organisation, sandbox)?));
    }
    state.app.remove_sandbox(caller, organisation, sandbox).await?;
    Ok(Removed::Gone)
}
