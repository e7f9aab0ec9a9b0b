//! `/v1/keys`: the organisation's API keys.

use super::State;
use super::body::Body;
use super::listing::{Everything, Listing};
use super::time::Instant;
use crate::app::keys::{ApiKey, Caller, NewKey, NewKeyOf};
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use axum::extract::{self, Path};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Router<State> {
    Router::new().route("/v1/keys", get(list).post(create)).route("/v1/keys/{key}", delete(revoke))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    /// Whether it may do what is for operators of the host: only an operator's key makes such a key.
    #[serde(default)]
    operator: bool,
}

#[derive(Serialize)]
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

async fn list(state: extract::State<State>, caller: Caller, listing: Listing<Everything>) -> Result<Response> {
    let keys = state.app.keys().list(&caller.organisation, listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(keys, |k| k.id.to_string(), View::of))
}

async fn create(state: extract::State<State>, caller: Caller, stamp: Stamp, body: Body<Create>) -> Result<Response> {
    let name = crate::app::name::checked("/name", &body.0.name)?;
    if body.0.operator {
        caller.must_operate()?;
    }
    let new = NewKeyOf { organisation: &caller.organisation, name, operator: body.0.operator };
    let new = state.app.keys().create(new, caller.key.as_str(), stamp).await?;
    let place = format!("/v1/keys/{}", new.key.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(View::shown(new))).into_response())
}

async fn revoke(state: extract::State<State>, caller: Caller, Path(key): Path<String>) -> Result<StatusCode> {
    state.app.keys().revoke(&caller, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
