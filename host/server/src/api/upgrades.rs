//! `/v1/plugins/{plugin}/activate`, `/affected`, `/rollback`: which version of a name is in use, and whom a change of
//! it concerns.

use super::State;
use crate::app::keys::Caller;
use crate::app::refusal::Result;
use crate::app::upgrades::{Affected, Upgrade};
use axum::extract::{self, Path};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/v1/plugins/{plugin}/affected", get(affected))
        .route("/v1/plugins/{plugin}/activate", post(activate))
        .route("/v1/plugins/{plugin}/rollback", post(roll_back))
}

#[derive(Serialize)]
struct View {
    in_use: String,
    /// Where a rollback leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    affected: Vec<Concerned>,
}

/// A connection that begins with another version from now on. Runs that go on keep theirs.
#[derive(Serialize)]
struct Concerned {
    sandbox: String,
    connection: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
    /// Why it could not begin with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

#[derive(Serialize)]
struct AllConcerned {
    items: Vec<Concerned>,
}

impl From<Affected> for Concerned {
    fn from(affected: Affected) -> Self {
        let Affected { sandbox, connection, name, from, to, problems } = affected;
        Self { sandbox, connection, name, from, to, problems }
    }
}

impl View {
    /// Sandboxes of other organisations are concerned as well, and are nobody else's business.
    fn of(upgrade: Upgrade) -> Self {
        let before = upgrade.in_use.before.last().map(|before| format!("{}@{before}", upgrade.in_use.name));
        let affected = upgrade.affected.into_iter().map(Concerned::from).collect();
        Self { in_use: upgrade.in_use.id(), before, affected }
    }
}

async fn affected(
    state: extract::State<State>,
    caller: Caller,
    Path(plugin): Path<String>,
) -> Result<Json<AllConcerned>> {
    let affected = state.app.affected(&caller, &plugin)?;
    Ok(Json(AllConcerned { items: affected.into_iter().map(Concerned::from).collect() }))
}

async fn activate(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.activate(&caller, &plugin).await?)))
}

async fn roll_back(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.roll_back(&caller, &plugin).await?)))
}
