//! `/v1/secrets/rotation`: another key in the place of the one that secrets are sealed with. For operators.

use super::State;
use super::routes::Routes;
use crate::app::keys::Caller;
use crate::app::refusal::Result;
use axum::Json;
use axum::extract;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("secrets", "The key that connections' secrets are sealed with; for operators.").post(
        "/v1/secrets/rotation",
        "rotate",
        "Seal all secrets again, with a new key",
        rotate,
    )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SealRotation")]
struct Rotated {
    /// How many secrets are sealed with the new key.
    sealed_again: usize,
}

async fn rotate(state: extract::State<State>, caller: Caller) -> Result<Json<Rotated>> {
    let sealed_again = state.app.rotate_seal(&caller).await?;
    Ok(Json(Rotated { sealed_again }))
}
