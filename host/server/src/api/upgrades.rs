//! `/v1/plugins/{plugin}/activate`, `/affected`, `/rollback`: which version of a name is in use, and whom a change of
//! it concerns.

use super::State;
use super::listing::Items;
use super::path::Path;
use super::routes::Routes;
use crate::app::keys::Caller;
use crate::app::refusal::Result;
use crate::app::upgrades::{Affected, Upgrade};
use axum::Json;
use axum::extract;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("plugins", "What is installed, what each may do, and who vouches for it.")
        .get("/v1/plugins/{plugin}/affected", "affected", "List connections that another version concerns", affected)
        .post("/v1/plugins/{plugin}/activate", "activate", "Put a version into use", activate)
        .refuses(&[409])
        .post("/v1/plugins/{plugin}/rollback", "roll_back", "Go back to the version before", roll_back)
        .refuses(&[409])
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Upgrade")]
struct View {
    in_use: String,
    /// Where a rollback leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    affected: Vec<Concerned>,
}

/// A connection that begins with another version from now on. Runs that go on keep theirs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConcernedConnection")]
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
) -> Result<Json<Items<Concerned>>> {
    let affected = state.app.affected(&caller, &plugin)?;
    Ok(Json(Items { items: affected.into_iter().map(Concerned::from).collect() }))
}

async fn activate(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.activate(&caller, &plugin).await?)))
}

async fn roll_back(state: extract::State<State>, caller: Caller, Path(plugin): Path<String>) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.roll_back(&caller, &plugin).await?)))
}
