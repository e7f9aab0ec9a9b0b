//! Server-sent events: a client is told what changes, and need not ask again and again.
//!
//! Every event has an id. A client that lost its connection sends the last one it saw as `Last-Event-ID`, as browsers do
//! by themselves, and goes on after it. Where there will never be more, the answer is `204`, after which they stop.

use super::State;
use super::operation::{Answers, Describer, Takes};
use crate::app::keys::Caller;
use crate::app::refusal::{Refusal, Result};
use attiva_core::{Fault, FaultKind};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Serialize;
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// How often it is looked for what is new: soon for a person, and seldom for a host with every place taken.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a silent stream shows that it lives, so that nobody between closes it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// Streams at once, of all clients.
pub(super) const STREAMS_MAX: usize = 256;

/// The last event that the client has seen.
pub(super) struct LastEventId(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let Some(header) = parts.headers.get("last-event-id") else { return Ok(Self(None)) };
        let text = header.to_str().map_err(|_| foreign())?.trim();
        Ok(Self(Some(text.to_owned()).filter(|text| !text.is_empty())))
    }
}

impl LastEventId {
    /// As one of events that are numbered; without one, the number before the first.
    pub(super) fn number(&self) -> Result<u64> {
        self.0.as_deref().map_or(Ok(0), |text| text.parse().map_err(|_| foreign()))
    }

    pub(super) fn into_text(self) -> Option<String> {
        self.0
    }
}

impl Takes for LastEventId {
    fn describe(to: &mut Describer<'_>) {
        to.parameters.push(json!({ "$ref": "#/components/parameters/LastEventId" }));
        to.refuses([400]);
    }
}

fn foreign() -> Refusal {
    Fault::new(FaultKind::Config, "request.header", "Last-Event-ID is not the id of an event of this stream")
        .action("Send the id of the last event of this stream that was seen, or none.")
        .into()
}

/// One event.
pub(super) struct Event(axum::response::sse::Event);

impl Event {
    pub(super) fn new(kind: &str, id: &str, data: &impl Serialize) -> Result<Self> {
        let event = axum::response::sse::Event::default().event(kind).id(id).json_data(data);
        Ok(Self(event.map_err(|e| Refusal::internal(format!("an event cannot be written: {e}")))?))
    }
}

/// What a look finds.
pub(super) struct Found {
    /// What the client has not seen, oldest first.
    pub(super) new: Vec<Event>,
    /// Whether there will never be more.
    pub(super) ended: bool,
}

/// A stream of events, or nothing where there will never be another.
pub(super) struct Events(Response);

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answers for Events {
    fn describe(to: &mut Describer<'_>) {
        let stream = json!({ "type": "string" });
        to.answers_with(StatusCode::OK, "Events, as they come.", &[], &[("text/event-stream", stream)]);
        to.answers_with(StatusCode::NO_CONTENT, "There is nothing after `Last-Event-ID`, and never will be.", &[], &[]);
    }
}

struct Following<L> {
    state: State,
    caller: Caller,
    look: L,
    new: VecDeque<Event>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// Sends what `look` finds, now and again, until there will be no more, the key is revoked or the host stops.
///
/// # Errors
/// What the first look fails with; `request.overloaded`. A later look that fails ends the stream: who connects again
/// is told why.
pub(super) fn follow<L>(state: &State, caller: Caller, mut look: L) -> Result<Events>
where
    L: FnMut() -> Result<Found> + Send + 'static,
{
    let place = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| too_many())?;
    let Found { new, ended } = look()?;
    if new.is_empty() && ended {
        return Ok(Events(StatusCode::NO_CONTENT.into_response()));
    }
    let following = Following { state: state.clone(), caller, look, new: new.into(), ended, _place: place };
    let events = unfold(following, |mut following| async move {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event.0), following))
    });
    let alive = KeepAlive::new().interval(SIGN_OF_LIFE);
    Ok(Events(Sse::new(events).keep_alive(alive).into_response()))
}

impl<L: FnMut() -> Result<Found>> Following<L> {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.new.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.state.closing.cancelled() => return None,
            }
            if !self.state.app.keys().is_good(&self.caller.key).ok()? {
                return None;
            }
            let found = (self.look)().ok()?;
            (self.new, self.ended) = (found.new.into(), found.ended);
        }
    }
}

fn too_many() -> Refusal {
    Fault::new(FaultKind::Transient, "request.overloaded", "too many clients are following events")
        .retry_after_ms(5000)
        .action("Ask for the document itself, or follow later.")
        .into()
}
