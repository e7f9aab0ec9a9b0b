//! `/v1/quotas`: the budgets of vendors' instances: what is spent, who spent it, what is left, and when it frees up.
//! Operators say what the vendor sold, or how much of it may be used.

use super::State;
use super::body::Body;
use super::listing::Items;
use super::path::Path;
use super::routes::Routes;
use super::time::Instant;
use crate::app::keys::Caller;
use crate::app::quotas::{QuotaOf, Spent};
use crate::app::refusal::Result;
use attiva_core::key::Instance;
use attiva_core::quota::{Foreign, Priority, Setting, Shown, ShownLimit, ShownShare};
use axum::Json;
use axum::extract;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) fn routes() -> Routes {
    Routes::of("quotas", "Budgets of vendors' instances: what is spent, by whom, and when it frees up.")
        .get("/v1/quotas", "list", "List budgets", list)
        .get("/v1/quotas/{system}/{instance}", "show", "Show a budget", show)
        .put(
            "/v1/quotas/{system}/{instance}/limits",
            "limit",
            "Say what the vendor sold, or how much of it may be used",
            limit,
        )
        .delete(
            "/v1/quotas/{system}/{instance}/limits",
            "as_declared",
            "Go back to what the connector declares",
            as_declared,
        )
        .post(
            "/v1/quotas/{system}/{instance}/release",
            "release",
            "Use all that may be used again, after the vendor refused",
            release,
        )
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QuotaLimit")]
struct LimitView {
    /// `window`, `concurrent`, `day`.
    kind: &'static str,
    /// Of a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    declared: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<u64>,
    /// What may be used now; absent: nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<u64>,
    spent: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
    /// When a call may begin again, where none may now.
    #[serde(skip_serializing_if = "Option::is_none")]
    frees_at: Option<Instant>,
    /// When the day ends; of a rolling one, when the first of what is spent frees up.
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<Instant>,
    /// The rule of the day's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    resets: Option<String>,
    /// The vendor refused what there was room for, and less is used than may be.
    held_back: bool,
}

impl LimitView {
    fn of(limit: ShownLimit) -> Self {
        let ShownLimit { kind, seconds, declared, set, calls, spent, left, resets, frees_at, resets_at, held_back } =
            limit;
        let (frees_at, resets_at) = (frees_at.map(Instant), resets_at.map(Instant));
        Self { kind, seconds, declared, set, calls, spent, left, frees_at, resets_at, resets, held_back }
    }
}

/// What somebody else used of the same limits, as far as the vendor's answers show.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ForeignUse")]
struct ForeignView {
    at: Instant,
    code: String,
    kind: String,
    /// What we had counted, and what we might have.
    counted: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    most: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QuotaSpent")]
struct SpentView {
    sandbox: String,
    connection: String,
    calls: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QuotaShare")]
struct ShareView {
    plugin: String,
    /// Absent: calls of no stream (checks, discovery), and of streams without a share of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// Hundredths of what the connector takes of a day.
    percent: u32,
    /// What that comes to.
    calls: u64,
    spent: u64,
}

impl ShareView {
    fn of(share: ShownShare) -> Self {
        let ShownShare { plugin, stream, percent, calls, spent } = share;
        Self { plugin, stream: Some(stream).filter(|stream| !stream.is_empty()), percent, calls, spent }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Quota")]
struct View {
    instance: Instance,
    limits: Vec<LimitView>,
    running: u64,
    /// Calls that wait, by who waits for them.
    waiting: BTreeMap<Priority, usize>,
    /// What each stream has of the day, and has spent of it, where a connector divides it. What one has not needed in the hours
    /// that have passed, all may have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    streams: Vec<ShareView>,
    /// Of today, by connection.
    spent: Vec<SpentView>,
    spent_by_others: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    foreign: Option<ForeignView>,
}

impl View {
    fn of(quota: QuotaOf) -> Self {
        let QuotaOf { instance, shown, spent, spent_by_others } = quota;
        let Shown { limits, waiting, running, foreign, shares, .. } = shown;
        let foreign = foreign.map(|Foreign { at, code, kind, counted, most }| ForeignView {
            at: Instant(at),
            code,
            kind,
            counted,
            most,
        });
        let spent =
            spent.into_iter().map(|Spent { sandbox, connection, calls }| SpentView { sandbox, connection, calls });
        Self {
            instance,
            limits: limits.into_iter().map(LimitView::of).collect(),
            running,
            waiting,
            streams: shares.into_iter().map(ShareView::of).collect(),
            spent: spent.collect(),
            spent_by_others,
            foreign,
        }
    }
}

async fn list(state: extract::State<State>, caller: Caller) -> Result<Json<Items<View>>> {
    Ok(Json(Items { items: state.app.quotas(&caller)?.into_iter().map(View::of).collect() }))
}

type Place = Path<(String, String)>;

fn instance(Path((system, id)): Place) -> Instance {
    Instance { system, id }
}

async fn show(state: extract::State<State>, caller: Caller, place: Place) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.quota(&caller, &instance(place))?)))
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "QuotaLimits")]
#[serde(deny_unknown_fields)]
struct Limits {
    limits: Vec<Setting>,
}

async fn limit(
    state: extract::State<State>,
    caller: Caller,
    place: Place,
    Body(Limits { limits }): Body<Limits>,
) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.limit_quota(&caller, &instance(place), limits).await?)))
}

async fn as_declared(state: extract::State<State>, caller: Caller, place: Place) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.limit_quota(&caller, &instance(place), Vec::new()).await?)))
}

async fn release(state: extract::State<State>, caller: Caller, place: Place) -> Result<Json<View>> {
    Ok(Json(View::of(state.app.release_quota(&caller, &instance(place)).await?)))
}
