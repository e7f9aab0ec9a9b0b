//! `/v1/backups`: copies of the whole host, made while it runs. `/v1/operations/{operation}`: how far one is.

use super::State;
use super::answer::Done;
use super::body::Body;
use super::events::{Events, LastEventId};
use super::listing::{Everything, Listing, Paged};
use super::operations;
use super::path::Path;
use super::routes::Routes;
use super::time::Instant;
use crate::app::backups::{Backup, BackupStatus};
use crate::app::keys::Caller;
use crate::app::operations::Operation;
use crate::app::refusal::{Refusal, Result};
use crate::app::stamp::Stamp;
use attiva_core::Fault;
use attiva_core::backup::BackupFile;
use attiva_core::id::OperationId;
use axum::Json;
use axum::extract;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("backups", "Copies of the whole host, made while it runs; for operators.")
        .get("/v1/backups", "list", "List backups", list)
        .post("/v1/backups", "create", "Start a backup of the whole host", create)
        .get("/v1/backups/{backup}", "show", "Show a backup and its files", show)
        .delete("/v1/backups/{backup}", "remove", "Remove a backup", remove)
        .refuses(&[409])
        .get("/v1/operations/{operation}", "operation", "Show how far a backup is", operation)
        .get("/v1/operations/{operation}/events", "follow", "Follow a backup to its end, as server-sent events", follow)
        .refuses(&[503])
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewBackup")]
#[serde(deny_unknown_fields)]
struct Create {
    /// Whether the key that opens connections' secrets goes with it.
    #[serde(default)]
    seal_key: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Backup")]
struct View {
    id: String,
    status: BackupStatus,
    began_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Instant>,
    /// Its folder, on the host's disk.
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandboxes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal_key: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
    /// Of one backup alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<BackupFile>,
}

impl View {
    fn of(backup: Backup) -> Self {
        let manifest = backup.manifest.as_ref();
        Self {
            id: backup.id.to_string(),
            status: backup.status,
            began_at: Instant(backup.began_at),
            ended_at: backup.ended_at.map(Instant),
            place: backup.place,
            sandboxes: manifest.map(attiva_core::backup::Manifest::sandboxes),
            bytes: manifest.map(attiva_core::backup::Manifest::bytes),
            seal_key: manifest.map(|manifest| manifest.has_seal_key),
            fault: backup.fault,
            files: Vec::new(),
        }
    }
}

async fn list(state: extract::State<State>, listing: Listing<Everything>) -> Result<Paged<View>> {
    let found = state.app.backups(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(found, |backup| backup.id.to_string(), View::of))
}

async fn create(
    state: extract::State<State>,
    caller: Caller,
    stamp: Stamp,
    body: Body<Create>,
) -> Result<operations::Accepted> {
    let backup = state.app.start_backup(&caller, stamp, body.0.seal_key)?;
    Ok(operations::accepted_by_host(&Operation::from(&backup)))
}

async fn show(state: extract::State<State>, Path(id): Path<String>) -> Result<Json<View>> {
    let backup = state.app.backup(&id)?;
    let files = backup.manifest.as_ref().map(|manifest| manifest.files.clone()).unwrap_or_default();
    Ok(Json(View { files, ..View::of(backup) }))
}

async fn remove(state: extract::State<State>, caller: Caller, Path(id): Path<String>) -> Result<Done> {
    state.app.remove_backup(&caller, &id).await?;
    Ok(Done)
}

async fn operation(state: extract::State<State>, Path(id): Path<String>) -> Result<Json<operations::View>> {
    Ok(Json(looked_at(&state, &id)?))
}

async fn follow(
    state: extract::State<State>,
    caller: Caller,
    Path(id): Path<String>,
    last: LastEventId,
) -> Result<Events> {
    let host = state.0.clone();
    operations::states(&state, caller, last, move || looked_at(&host, &id))
}

fn looked_at(state: &State, id: &str) -> Result<operations::View> {
    let backup = id.strip_prefix(OperationId::PREFIX).unwrap_or_default();
    let backup = state.app.backup(backup).map_err(|_| Refusal::missing("operation", id))?;
    Ok(operations::shown_by_host(&Operation::from(&backup)))
}
