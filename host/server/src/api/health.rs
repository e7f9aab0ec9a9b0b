//! `/healthz`: the process answers. `/readyz`: it can work, too. Neither wants a key, and neither tells anything.

use super::State;
use crate::app::refusal::Refusal;
use axum::Router;
use axum::extract;
use axum::routing::get;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready))
}

async fn ready(state: extract::State<State>) -> Result<&'static str, Refusal> {
    state.app.ready()?;
    Ok("ready\n")
}
