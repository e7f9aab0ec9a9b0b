//! `/v1/audit`: what operators and the host did, oldest first.

use super::State;
use super::events::{self, Event, Events, Found, LastEventId};
use super::listing::{Everything, Listing, Paged};
use super::routes::Routes;
use super::time::Instant;
use crate::app::keys::Caller;
use crate::app::refusal::Result;
use attiva_core::ports::store::AuditEvent;
use axum::extract;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub(super) fn routes() -> Routes {
    Routes::of("audit", "What operators and the host did.")
        .get("/v1/audit", "list", "List what was done, oldest first", list)
        .get(
            "/v1/audit/events",
            "follow",
            "Follow what is done, from the oldest or after `Last-Event-ID`, as server-sent events",
            follow,
        )
        .refuses(&[503])
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEvent")]
struct View {
    at: Instant,
    /// A key's id, or `host`.
    actor: String,
    action: String,
    subject: String,
    detail: Value,
}

impl View {
    fn of(event: AuditEvent) -> Self {
        Self {
            at: Instant(event.at),
            actor: event.actor,
            action: event.action,
            subject: event.subject,
            detail: event.detail,
        }
    }
}

async fn list(state: extract::State<State>, caller: Caller, listing: Listing<Everything>) -> Result<Paged<View>> {
    let events = state.app.audit(&caller, listing.after_number()?, listing.wanted())?;
    Ok(listing.answer(events, |(number, _)| number.to_string(), |(_, event)| View::of(event)))
}

/// Events of one look: so many that a long log is sent quickly, so few that they are nothing in memory.
const STRIDE: usize = 200;

async fn follow(state: extract::State<State>, caller: Caller, last: LastEventId) -> Result<Events> {
    let mut after = last.number()?;
    let (app, who) = (state.app.clone(), caller.clone());
    events::follow(&state, caller, move || {
        let found = app.audit(&who, after, STRIDE)?;
        after = found.last().map_or(after, |(number, _)| *number);
        let event = |(number, event): (u64, AuditEvent)| Event::new("audit", &number.to_string(), &View::of(event));
        Ok(Found { new: found.into_iter().map(event).collect::<Result<_>>()?, ended: false })
    })
}
