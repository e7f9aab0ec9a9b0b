//! `/v1/sandboxes/{sandbox}/activations/{activation}/readback`: what the target holds beside what it acknowledged.

use super::activations::View as ActivationView;
use super::answer::Tagged;
use super::body::Body;
use super::etag::IfMatch;
use super::listing::{Listing, Paged};
use super::operations;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::operations::Operation;
use crate::app::refusal::Result;
use crate::app::stamp::Stamp;
use attiva_core::Fault;
use attiva_core::ports::readback::DriftEntry;
use attiva_core::readback::{Counts, DriftKind, OnDrift, Phase, Readback, ReadbackSetting, ReadbackStatus};
use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn routes() -> Routes {
    Routes::of("activations", "Audiences joined to destinations.")
        .get(
            "/v1/sandboxes/{sandbox}/activations/{activation}/readback",
            "readback",
            "Show what the newest reading of the activation's target found",
            show,
        )
        .post(
            "/v1/sandboxes/{sandbox}/activations/{activation}/readback",
            "read_back",
            "Read the activation's target back, and compare it with what was acknowledged",
            start,
        )
        .put(
            "/v1/sandboxes/{sandbox}/activations/{activation}/readback",
            "set_readback",
            "Say how the activation's target is read back; null: when it is asked for, and drift is shown",
            set,
        )
        .post(
            "/v1/sandboxes/{sandbox}/activations/{activation}/readback/cancel",
            "cancel_readback",
            "Ask the reading of the activation's target to end; nothing follows from it",
            cancel,
        )
        .get(
            "/v1/sandboxes/{sandbox}/activations/{activation}/readback/drift",
            "drift",
            "List members that the newest reading that ended well found missing, or back",
            drift,
        )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Readback")]
struct View {
    id: String,
    activation: String,
    plugin: String,
    /// As it was set when the reading began.
    on_drift: OnDrift,
    status: ReadbackStatus,
    phase: Phase,
    started_at: Instant,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_until: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
    attempts: u32,
    cancel_requested: bool,
    /// How often it began from the first page once more.
    restarts: u32,
    pages: u32,
    /// Members on them.
    read: u64,
    /// Of a reading that has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
    /// The first of the members that are missing or back; `…/readback/drift` lists all.
    samples: Vec<DriftView>,
    /// A few of the others' members; of an address the first letter and the domain.
    strangers: Vec<String>,
    /// Why nothing was put right although that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_alone: Option<String>,
}

/// Samples of each kind of drift.
const SAMPLES: usize = 10;

impl View {
    fn of(readback: Readback, samples: Vec<DriftView>) -> Self {
        Self {
            counts: Some(readback.counts).filter(|_| readback.status == ReadbackStatus::Succeeded),
            id: readback.id.to_string(),
            activation: readback.activation.to_string(),
            plugin: readback.plugin,
            on_drift: readback.on_drift,
            status: readback.status,
            phase: readback.phase,
            started_at: Instant(readback.started_at),
            ended_at: readback.ended_at.map(Instant),
            waiting_until: readback.waiting_until.map(Instant),
            fault: readback.fault,
            attempts: readback.attempts,
            cancel_requested: readback.cancel_requested,
            restarts: readback.restarts,
            pages: readback.pages,
            read: readback.read,
            samples,
            strangers: readback.strangers,
            left_alone: readback.left_alone,
        }
    }
}

/// A member that is not as acknowledged.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Drift")]
struct DriftView {
    profile: String,
    /// `missing`: acknowledged, and not there. `returned`: taken out, and there.
    kind: DriftKind,
    /// The next delivery puts it right.
    repaired: bool,
}

impl DriftView {
    fn of((_, entry): (i64, DriftEntry)) -> Self {
        Self { profile: entry.profile.to_string(), kind: entry.kind, repaired: entry.repaired }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    kind: Option<DriftKind>,
}

async fn show(scope: Scope) -> Result<Json<View>> {
    let readback = scope.sandbox.readback_of(scope.param("activation"))?;
    let mut samples = Vec::new();
    for kind in [DriftKind::Missing, DriftKind::Returned] {
        samples.extend(scope.sandbox.drift_of(&readback, Some(kind), 0, SAMPLES)?.into_iter().map(DriftView::of));
    }
    Ok(Json(View::of(readback, samples)))
}

async fn start(scope: Scope, stamp: Stamp) -> Result<operations::Accepted> {
    let readback = scope.sandbox.start_readback(&scope.caller, stamp, scope.param("activation")).await?;
    Ok(operations::accepted(&scope, &Operation::from(&readback)))
}

async fn cancel(scope: Scope) -> Result<operations::Accepted> {
    let readback = scope.sandbox.cancel_readback(&scope.caller, scope.param("activation")).await?;
    Ok(operations::accepted(&scope, &Operation::from(&readback)))
}

async fn set(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(setting): Body<Option<ReadbackSetting>>,
) -> Result<Tagged<ActivationView>> {
    let changed = scope.sandbox.set_readback(&scope.caller, scope.param("activation"), setting, expect).await?;
    Ok(Tagged { value: ActivationView::of(changed.value), version: changed.version })
}

async fn drift(scope: Scope, listing: Listing<Filter>) -> Result<Paged<DriftView>> {
    let (after, kind) = (listing.after_number()?, listing.filter.kind);
    let found = scope.sandbox.drift(scope.param("activation"), kind, after, listing.wanted())?;
    Ok(listing.answer(found, |(number, _)| number.to_string(), DriftView::of))
}
