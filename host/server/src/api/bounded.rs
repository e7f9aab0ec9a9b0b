//! Bounds of a request: how many are worked on at once, how many wait and how long, and how long one may take.
//!
//! A request's work is a task of its own. A client that goes away, or that waits too long, does not cut a change in
//! half, and a panic in a handler is an answer, not a closed connection.

use super::State;
use super::problem::Problem;
use super::request_id::Traced;
use crate::app::refusal::Refusal;
use attiva_core::{Fault, FaultKind};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument, Span};

pub(super) async fn layer(state: axum::extract::State<State>, request: Request, next: Next) -> Response {
    let Some(permit) = permit(&state).await else { return overloaded() };
    let traced = request.extensions().get::<Traced>().map_or_else(Span::none, |traced| traced.0.clone());
    let work = async move {
        let response = next.run(request).await;
        drop(permit);
        response
    };
    let task = state.tasks.spawn(work.in_current_span().instrument(traced));
    match tokio::time::timeout(state.limits.request, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(join)) => {
            tracing::error!("a handler panicked: {join}");
            Refusal::internal("the host failed to answer").into_response()
        }
        Err(_) => late(),
    }
}

/// A turn, at once or after a short wait in a bounded queue: a burst passes, and an overload is told before clients give up.
async fn permit(state: &State) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(&state.permits).try_acquire_owned() {
        return Some(permit);
    }
    let _place = state.waiting.try_acquire().ok()?;
    let turn = Arc::clone(&state.permits).acquire_owned();
    tokio::time::timeout(state.limits.queue, turn).await.ok()?.ok()
}

fn overloaded() -> Response {
    let fault = Fault::new(FaultKind::Transient, "request.overloaded", "the host is working on too many requests");
    Problem::from(Refusal::from(fault.retry_after_ms(1000).action("Repeat it shortly."))).into_response()
}

fn late() -> Response {
    let message = "the request takes longer than the host waits; the work goes on";
    let fault = Fault::new(FaultKind::Transient, "request.timed-out", message);
    let action = "Look at what was asked for, or repeat it with the same Idempotency-Key.";
    Problem::from(Refusal::from(fault.action(action))).into_response()
}
