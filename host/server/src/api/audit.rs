//! `/v1/audit`: what operators and the host did, oldest first.

use super::State;
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
    Routes::of("audit", "What operators and the host did.").get(
        "/v1/audit",
        "list",
        "List what was done, oldest first",
        list,
    )
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
