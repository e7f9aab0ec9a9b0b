//! `/v1/sandboxes/{sandbox}/deliveries`: what went out, with the books and every member's outcome.

use super::listing::{Listing, Paged};
use super::operations;
use super::routes::Routes;
use super::runs::not_an_id;
use super::scope::Scope;
use super::time::Instant;
use crate::app::operations::Operation;
use crate::app::refusal::Result;
use attiva_core::Fault;
use attiva_core::activation::DeliveryCause;
use attiva_core::delivery::{Delivery, DeliveryStatus, Hold, Phase, Plan};
use attiva_core::id::ActivationId;
use attiva_core::page;
use attiva_core::ports::connector::Artifact;
use attiva_core::ports::store::{Books, Item, ItemStatus, Reason};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("deliveries", "What went out, with the books and every member's outcome.")
        .get("/v1/sandboxes/{sandbox}/deliveries", "list", "List deliveries", list)
        .refuses(&[422])
        .get("/v1/sandboxes/{sandbox}/deliveries/{delivery}", "show", "Show a delivery and its books", show)
        .post("/v1/sandboxes/{sandbox}/deliveries/{delivery}/cancel", "cancel", "Ask a delivery to stop", cancel)
        .post(
            "/v1/sandboxes/{sandbox}/deliveries/{delivery}/approve",
            "approve",
            "Approve the removals that a delivery is held for",
            approve,
        )
        .get("/v1/sandboxes/{sandbox}/deliveries/{delivery}/items", "items", "List what became of each member", items)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    activation: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ItemFilter {
    status: Option<ItemStatus>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
struct View {
    id: String,
    activation: String,
    segment: String,
    plugin: String,
    dry_run: bool,
    /// `requested`, or what its activation's schedule follows.
    cause: DeliveryCause,
    /// The batch evaluation whose result the audience was.
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation: Option<String>,
    status: DeliveryStatus,
    /// Why it is held: `paused`, or `removals` until somebody approves them.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    phase: Phase,
    started_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_until: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    notes: Vec<String>,
    artifacts: Vec<Artifact>,
    /// Batches that were driven again after an interruption.
    resent_batches: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    books: Option<Books>,
    /// The books by reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Reason>,
    /// Since when what became of each member is not kept any more (`limits.outcomes_kept_days`).
    #[serde(skip_serializing_if = "Option::is_none")]
    items_forgotten_at: Option<Instant>,
    cancel_requested: bool,
    /// The id of the trace that it is part of, where it is traced (`telemetry.otlp_endpoint`).
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

impl View {
    fn of(delivery: Delivery) -> Self {
        Self {
            hold: delivery.hold().filter(|_| delivery.status == DeliveryStatus::Held),
            dry_run: delivery.dry_run,
            cause: delivery.cause,
            evaluation: delivery.evaluation.map(|id| id.to_string()),
            plan: delivery.plan,
            reasons: Vec::new(),
            items_forgotten_at: delivery.items_forgotten_at.map(Instant),
            id: delivery.id.to_string(),
            activation: delivery.activation.to_string(),
            segment: delivery.segment.to_string(),
            plugin: delivery.plugin,
            status: delivery.status,
            phase: delivery.phase,
            started_at: Instant(delivery.started_at),
            ended_at: delivery.ended_at.map(Instant),
            waiting_until: delivery.waiting_until.map(Instant),
            fault: delivery.fault,
            attempts: delivery.attempts,
            notes: delivery.notes,
            artifacts: delivery.artifacts,
            resent_batches: delivery.resent_batches,
            books: delivery.books,
            cancel_requested: delivery.cancel_requested,
            trace: delivery.trace.as_deref().and_then(attiva_sync::trace::trace_id),
        }
    }
}

/// What became of one member.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeliveryItem")]
struct ItemView {
    profile: String,
    position: u64,
    /// What was asked of the destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<page::Operation>,
    status: ItemStatus,
    /// It was sent again, since nobody knew what became of it before.
    resent: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

impl ItemView {
    fn of(item: Item) -> Self {
        Self {
            profile: item.profile.to_string(),
            position: item.outcome.position,
            operation: item.outcome.operation,
            status: item.outcome.status,
            resent: item.outcome.resent,
            code: item.outcome.code,
            field: item.outcome.field,
            message: item.outcome.message,
        }
    }
}

async fn list(scope: Scope, listing: Listing<Filter>) -> Result<Paged<View>> {
    let activation = listing.filter.activation.as_deref();
    let activation = activation.map(|id| ActivationId::parse(id).ok_or_else(|| not_an_id("activation"))).transpose()?;
    let after = listing.after.as_deref();
    let deliveries = scope.sandbox.deliveries(activation.as_ref(), after, listing.wanted())?;
    Ok(listing.answer(deliveries, |d| d.id.to_string(), View::of))
}

async fn show(scope: Scope) -> Result<Json<View>> {
    let delivery = scope.sandbox.delivery(scope.param("delivery"))?;
    let books = scope.sandbox.books(&delivery)?;
    let reasons = scope.sandbox.reasons(&delivery)?;
    Ok(Json(View { books: Some(books), reasons, ..View::of(delivery) }))
}

async fn approve(scope: Scope) -> Result<operations::Accepted> {
    let delivery = scope.sandbox.approve_delivery(&scope.caller, scope.param("delivery")).await?;
    Ok(operations::accepted(&scope, &Operation::from(&delivery)))
}

async fn cancel(scope: Scope) -> Result<operations::Accepted> {
    let delivery = scope.sandbox.cancel_delivery(&scope.caller, scope.param("delivery")).await?;
    Ok(operations::accepted(&scope, &Operation::from(&delivery)))
}

async fn items(scope: Scope, listing: Listing<ItemFilter>) -> Result<Paged<ItemView>> {
    // Positions count from 0; the page after position n begins at n + 1.
    let first = listing.after.as_ref().map_or(Ok(0), |_| listing.after_number::<u64>().map(|n| n.saturating_add(1)))?;
    let items = scope.sandbox.items(scope.param("delivery"), listing.filter.status, first, listing.wanted())?;
    Ok(listing.answer(items, |i| i.outcome.position.to_string(), ItemView::of))
}
