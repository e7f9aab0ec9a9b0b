//! `/healthz`: the process answers. `/readyz`: it can work, too. Neither wants a key, and neither tells anything.

use super::State;
use super::routes::Routes;
use crate::app::refusal::Refusal;
use axum::extract;

pub(super) fn routes() -> Routes {
    Routes::of("health", "Whether the host works.")
        .get("/healthz", "alive", "Tell that the process answers", alive)
        .get("/readyz", "ready", "Tell whether the host can work", ready)
        .refuses(&[500, 503])
}

async fn alive() -> &'static str {
    "ok\n"
}

async fn ready(state: extract::State<State>) -> Result<&'static str, Refusal> {
    state.app.ready()?;
    Ok("ready\n")
}
