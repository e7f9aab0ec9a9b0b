//! `/v1/sandboxes/{sandbox}/activations`: audiences joined to destinations.

use super::answer::{Created, Done, Tagged};
use super::body::{Body, Query};
use super::etag::IfMatch;
use super::listing::{Everything, Listing, Paged};
use super::operations;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::activations::NewActivation;
use crate::app::operations::Operation;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use crate::app::targets::Turn;
use attiva_core::activation::{ActivationSchedule, Export};
use attiva_core::config::{Activation, ActivationField, TargetSettings};
use attiva_core::consent::Use;
use attiva_core::expansion::Expansion;
use attiva_core::ports::store::Books;
use attiva_core::readback::ReadbackSetting;
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("activations", "Audiences joined to destinations.")
        .get("/v1/sandboxes/{sandbox}/activations", "list", "List activations", list)
        .post("/v1/sandboxes/{sandbox}/activations", "create", "Join an audience to a destination", create)
        .refuses(&[404])
        .asks_a_vendor()
        .get("/v1/sandboxes/{sandbox}/activations/{activation}", "show", "Show an activation", show)
        .delete(
            "/v1/sandboxes/{sandbox}/activations/{activation}",
            "remove",
            "Remove an activation that has delivered nothing",
            remove,
        )
        .refuses(&[409])
        .post(
            "/v1/sandboxes/{sandbox}/activations/{activation}/pause",
            "pause",
            "Hold an activation's deliveries",
            pause,
        )
        .put(
            "/v1/sandboxes/{sandbox}/activations/{activation}/schedule",
            "schedule",
            "Say when an activation delivers by itself; null: when it is asked to",
            schedule,
        )
        .post(
            "/v1/sandboxes/{sandbox}/activations/{activation}/resume",
            "resume",
            "Let a paused activation deliver again",
            resume,
        )
        .post(
            "/v1/sandboxes/{sandbox}/activations/{activation}/retire",
            "retire",
            "End an activation, and have its members removed from the target",
            retire,
        )
        .post(
            "/v1/sandboxes/{sandbox}/activations/{activation}/deliveries",
            "deliver",
            "Start a delivery, or plan one with `dry_run`",
            start_delivery,
        )
        .asks_a_vendor()
        .get(
            "/v1/sandboxes/{sandbox}/activations/{activation}/books",
            "books",
            "Show what all ended deliveries of an activation came to",
            books,
        )
}

/// What the deliveries of an activation that have ended came to together; dry runs are left out.
#[derive(Serialize, JsonSchema)]
struct ActivationBooks {
    deliveries: u64,
    /// Those of them that are not kept any more (`limits.deliveries_kept_days`).
    not_kept: u64,
    /// When the first began.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Instant>,
    /// Each delivery counts every member it received: who was delivered twice counts twice.
    books: Books,
}

async fn books(scope: Scope) -> Result<Json<ActivationBooks>> {
    let all = scope.sandbox.books_of(scope.param("activation"))?;
    Ok(Json(ActivationBooks {
        deliveries: all.deliveries,
        not_kept: all.not_kept,
        since: all.since.map(Instant),
        books: all.books,
    }))
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewActivation")]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    segment: String,
    /// Which people of an audience of accounts are sent; without it, the accounts are.
    #[serde(default)]
    expansion: Option<Expansion>,
    connection: String,
    target: TargetSettings,
    mapping: Vec<ActivationField>,
    #[serde(default)]
    schedule: Option<ActivationSchedule>,
    /// Of a file.
    #[serde(default)]
    export: Option<Export>,
    #[serde(default)]
    removals_max_percent: Option<u8>,
    /// What it sends for.
    #[serde(default)]
    consent: Option<Use>,
    /// How the target is read back.
    #[serde(default)]
    readback: Option<ReadbackSetting>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Start {
    /// Plan it, and send nothing.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Activation")]
pub(super) struct View {
    id: String,
    name: String,
    segment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expansion: Option<Expansion>,
    connection: String,
    target: TargetSettings,
    mapping: Vec<ActivationField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<ActivationSchedule>,
    /// Of a target that makes a whole of each delivery; any other gets the difference.
    export: Export,
    paused: bool,
    retired: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    removals_max_percent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<Use>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readback: Option<ReadbackSetting>,
    created_at: Instant,
    /// What could not be checked when it was made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl View {
    pub(super) fn of(activation: Activation) -> Self {
        Self {
            id: activation.id.to_string(),
            name: activation.name,
            segment: activation.segment.to_string(),
            expansion: activation.expansion,
            connection: activation.connection.to_string(),
            target: activation.target,
            mapping: activation.mapping,
            schedule: activation.schedule,
            export: activation.export,
            paused: activation.paused,
            retired: activation.retired,
            removals_max_percent: activation.removals_max_percent,
            consent: activation.consent,
            readback: activation.readback,
            created_at: Instant(activation.created_at),
            warnings: Vec::new(),
        }
    }
}

async fn list(scope: Scope, listing: Listing<Everything>) -> Result<Paged<View>> {
    let activations = scope.sandbox.activations(listing.after.as_deref(), listing.wanted())?;
    Ok(listing.answer(activations, |a| a.id.to_string(), View::of))
}

async fn create(scope: Scope, stamp: Stamp, Body(body): Body<Create>) -> Result<Created<View>> {
    let new = NewActivation {
        name: body.name,
        segment: body.segment,
        expansion: body.expansion,
        connection: body.connection,
        target: body.target,
        mapping: body.mapping,
        schedule: body.schedule,
        export: body.export,
        removals_max_percent: body.removals_max_percent,
        consent: body.consent,
        readback: body.readback,
    };
    let made = scope.sandbox.create_activation(&scope.caller, stamp, new).await?;
    let place = scope.url(&format!("activations/{}", made.activation.value.id));
    let view = View { warnings: made.warnings, ..View::of(made.activation.value) };
    Ok(Created::at(place, view).version(made.activation.version))
}

async fn show(scope: Scope) -> Result<Tagged<View>> {
    let found = scope.sandbox.activation(scope.param("activation"))?;
    Ok(Tagged { value: View::of(found.value), version: found.version })
}

async fn remove(scope: Scope, IfMatch(expect): IfMatch) -> Result<Done> {
    scope.sandbox.delete_activation(&scope.caller, scope.param("activation"), expect).await?;
    Ok(Done)
}

async fn schedule(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(schedule): Body<Option<ActivationSchedule>>,
) -> Result<Tagged<View>> {
    let activation = scope.param("activation");
    let changed = scope.sandbox.schedule_activation(&scope.caller, activation, schedule, expect).await?;
    Ok(Tagged { value: View::of(changed.value), version: changed.version })
}

async fn pause(scope: Scope) -> Result<Tagged<View>> {
    turn(&scope, Turn::Pause).await
}

async fn resume(scope: Scope) -> Result<Tagged<View>> {
    turn(&scope, Turn::Resume).await
}

async fn retire(scope: Scope) -> Result<Tagged<View>> {
    turn(&scope, Turn::Retire).await
}

async fn turn(scope: &Scope, turn: Turn) -> Result<Tagged<View>> {
    let turned = scope.sandbox.turn_activation(&scope.caller, scope.param("activation"), turn).await?;
    Ok(Tagged { value: View::of(turned.value), version: turned.version })
}

async fn start_delivery(scope: Scope, stamp: Stamp, Query(asked): Query<Start>) -> Result<operations::Accepted> {
    let (activation, dry_run) = (scope.param("activation"), asked.dry_run);
    let delivery = scope.sandbox.start_delivery(&scope.caller, stamp, activation, dry_run).await?;
    Ok(operations::accepted(&scope, &Operation::from(&delivery)))
}
