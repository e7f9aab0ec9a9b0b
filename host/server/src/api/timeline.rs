//! `/v1/sandboxes/{sandbox}/profiles/{profile}/events`: what happened to a person, newest first; `…/stages`: the stages an
//! opportunity went through.

use super::listing::{Items, Listing, Paged};
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::Result;
use attiva_core::ports::store::{EventPlace, Order, StoredEvent};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) fn routes() -> Routes {
    Routes::of("profiles", "Persons, accounts, opportunities and the rest, unified.")
        .get(
            "/v1/sandboxes/{sandbox}/profiles/{profile}/events",
            "events",
            "List what happened to a person, newest first",
            events,
        )
        .get(
            "/v1/sandboxes/{sandbox}/profiles/{profile}/events/count",
            "count_events",
            "Count what happened to a person",
            count,
        )
        .get(
            "/v1/sandboxes/{sandbox}/profiles/{profile}/stages",
            "stages",
            "List the stages that an opportunity went through",
            stages,
        )
        .refuses(&[422])
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `newest-first`, unless said otherwise.
    order: Option<Order>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ProfileEvent")]
struct EventView {
    source_key: String,
    time: Instant,
    #[serde(rename = "type")]
    event_type: String,
    connection: String,
    stream: String,
    attributes: Map<String, Value>,
    /// The row as it came.
    native: Map<String, Value>,
}

impl EventView {
    fn of(event: StoredEvent) -> Self {
        let native = event.native.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect();
        Self {
            source_key: event.source_key,
            time: Instant(event.time),
            event_type: event.event_type,
            connection: event.connection.to_string(),
            stream: event.stream,
            attributes: event.attributes.into_iter().map(|(name, value)| (name, value.to_json())).collect(),
            native,
        }
    }
}

async fn events(scope: Scope, listing: Listing<Filter>) -> Result<Paged<EventView>> {
    let order = listing.filter.order.unwrap_or(Order::NewestFirst);
    let after = listing.after.as_deref().map(place).transpose()?;
    let events = scope.sandbox.events(scope.param("profile"), after, order, listing.wanted())?;
    Ok(listing.answer(events, |event| format!("{}.{}", event.time, event.number), EventView::of))
}

/// A place that an earlier page ended at.
fn place(text: &str) -> Result<EventPlace> {
    let parts = text.split_once('.').and_then(|(time, number)| Some((time.parse().ok()?, number.parse().ok()?)));
    parts.map(|(time, number)| EventPlace { time, number }).ok_or_else(super::listing::foreign_cursor)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventCount")]
struct Count {
    count: u64,
}

async fn count(scope: Scope) -> Result<Json<Count>> {
    Ok(Json(Count { count: scope.sandbox.count_events(scope.param("profile"))? }))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StageStay")]
struct StayView {
    stage: String,
    from: Instant,
    /// Null: it is there still.
    until: Option<Instant>,
}

async fn stages(scope: Scope) -> Result<Json<Items<StayView>>> {
    let stays = scope.sandbox.stages(scope.param("profile"))?.into_iter();
    let view = |stay: attiva_core::stages::Stay| StayView {
        stage: stay.stage,
        from: Instant(stay.from),
        until: stay.until.map(Instant),
    };
    Ok(Json(Items { items: stays.map(view).collect() }))
}
