//! `/v1/keys`: the organisation's API keys.

use super::State;
use super::answer::{Created, Done};
use super::body::Body;
use super::listing::{Everything, Listing, Paged};
use super::path::Path;
use super::routes::Routes;
use super::time::Instant;
use crate::app::keys::{ApiKey, Caller, NewKey, NewKeyOf};
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use axum::extract;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("keys", "API keys of the organisation.")
        .get("/v1/keys", "list", "List API keys", list)
        .post("/v1/keys", "create", "Make an API key; its text is shown this once", create)
        .delete("/v1/keys/{key}", "revoke", "Revoke an API key", revoke)
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewApiKey")]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    /// Whether it may do what is for operators of the host: only an operator's key makes such a key.
    #[serde(default)]
    operator: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub(super) struct View {
    id: String,
    name: String,
    organisation: String,
    operator: bool,
    created_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Instant>,
    /// The key itself: only in the answer to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl View {
    /// The one time that a key is shown.
    pub(super) fn shown(new: NewKey) -> Self {
        Self { key: Some(new.text), ..Self::of(new.key) }
    }

    fn of(key: ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name,
            organisation: key.organisation.to_string(),
            operator: key.operator,
            created_at: Instant(key.created_at),
            revoked_at: key.revoked_at.map(Instant),
            key: None,
        }
    }
}

async fn list(state: extract::State<State>, caller: Caller, listing: Listing<Everything>) -> Result<Paged<View>> {
    let keys = state.app.keys().list(&caller.organisation, listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(keys, |k| k.id.to_string(), View::of))
}

async fn create(
    state: extract::State<State>,
    caller: Caller,
    stamp: Stamp,
    body: Body<Create>,
) -> Result<Created<View>> {
    let name = crate::app::name::checked("/name", &body.0.name)?;
    if body.0.operator {
        caller.must_operate()?;
    }
    let new = NewKeyOf { organisation: &caller.organisation, name, operator: body.0.operator };
    let new = state.app.keys().create(new, caller.key.as_str(), stamp).await?;
    let place = format!("/v1/keys/{}", new.key.id);
    Ok(Created::at(place, View::shown(new)))
}

async fn revoke(state: extract::State<State>, caller: Caller, Path(key): Path<String>) -> Result<Done> {
    state.app.keys().revoke(&caller, &key).await?;
    Ok(Done)
}
