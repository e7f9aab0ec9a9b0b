//! `/v1/secrets/rotation`: another key in the place of the one that secrets are sealed with. For operators.

use super::State;
use crate::app::keys::Caller;
use crate::app::refusal::Result;
use axum::extract;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

pub(super) fn routes() -> Router<State> {
    Router::new().route("/v1/secrets/rotation", post(rotate))
}

async fn rotate(state: extract::State<State>, caller: Caller) -> Result<Json<Value>> {
    let sealed = state.app.rotate_seal(&caller).await?;
    Ok(Json(json!({ "sealed_again": sealed })))
}
