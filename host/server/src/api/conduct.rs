//! `/v1/sandboxes/{sandbox}/connections/{connection}/usage`, `/evidence`, `/release`: what a connection's calls cost, what
//! they were denied, whether they crash, and the way out of quarantine. `/v1/plugins/{plugin}/usage`: the same sums of all
//! connections.

use super::State;
use super::path::Path;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::conduct::{DeniedTo, Used};
use crate::app::keys::Caller;
use crate::app::oversight::{CallFault, CallLine, Conduct, Denied, Evidence, Sum};
use crate::app::refusal::Result;
use attiva_core::ports::connector::{HostTraffic, Usage};
use attiva_wasm::LogLine;
use axum::Json;
use axum::extract;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

pub(super) fn routes() -> Routes {
    Routes::of("connections", "Configured connectors.")
        .get(
            "/v1/sandboxes/{sandbox}/connections/{connection}/usage",
            "usage",
            "Tell what the calls of a connection cost",
            usage,
        )
        .get(
            "/v1/sandboxes/{sandbox}/connections/{connection}/evidence",
            "evidence",
            "Tell what a connection was denied, and whether it crashes",
            evidence,
        )
        .post(
            "/v1/sandboxes/{sandbox}/connections/{connection}/release",
            "release",
            "Take a connection out of quarantine",
            release,
        )
        .merge(of_plugin())
}

fn of_plugin() -> Routes {
    Routes::of("plugins", "What is installed, what each may do, and who vouches for it.").get(
        "/v1/plugins/{plugin}/usage",
        "usage",
        "Tell what the calls of a plugin cost, by connection",
        usage_of_plugin,
    )
}

/// Calls, summed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsageSum")]
struct SumView {
    calls: u64,
    failed: u64,
    /// Pages read and batches delivered.
    pages: u64,
    rows: u64,
    cpu_ms: u64,
    wall_ms: u64,
    peak_memory_bytes: u64,
    hosts: BTreeMap<String, HostTraffic>,
    /// How often calls were stopped, by what stopped them: a limit, a trap.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    stops: BTreeMap<String, u64>,
    first_at: Instant,
    last_at: Instant,
}

impl SumView {
    fn of(sum: Sum) -> Self {
        Self {
            calls: sum.calls,
            failed: sum.failed,
            pages: sum.pages,
            rows: sum.rows,
            cpu_ms: sum.cpu_ns / 1_000_000,
            wall_ms: sum.wall_ns / 1_000_000,
            peak_memory_bytes: sum.peak_memory,
            hosts: sum.hosts,
            stops: sum.stops,
            first_at: Instant(sum.first_at),
            last_at: Instant(sum.last_at),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsageOfVersion")]
struct OfVersion {
    plugin: String,
    #[serde(flatten)]
    sum: SumView,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Call")]
struct CallView {
    at: Instant,
    plugin: String,
    function: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<CallFault>,
    rows: u64,
    usage: Usage,
    hosts: BTreeMap<String, HostTraffic>,
}

impl CallView {
    fn of(call: CallLine) -> Self {
        let CallLine { at, plugin, function, fault, usage, rows, hosts } = call;
        Self { at: Instant(at), plugin, function, fault, rows, usage, hosts }
    }
}

/// A request that was not sent, and why.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Denial")]
pub(super) struct DenialView {
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    plugin: String,
    code: String,
    message: String,
    times: u64,
    last_at: Instant,
}

impl DenialView {
    fn of(denied: Denied) -> Self {
        let Denied { at, plugin, code, message, times } = denied;
        Self { sandbox: None, connection: None, plugin, code, message, times, last_at: Instant(at) }
    }

    pub(super) fn to(denied: DeniedTo) -> Self {
        let DeniedTo { sandbox, connection, denied } = denied;
        Self { sandbox: Some(sandbox), connection: Some(connection), ..Self::of(denied) }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConnectionUsage")]
struct UsageView {
    versions: Vec<OfVersion>,
    /// The last calls, oldest first.
    calls: Vec<CallView>,
}

async fn usage(scope: Scope) -> Result<Json<UsageView>> {
    let conduct = scope.sandbox.conduct(scope.param("connection"))?;
    let versions = conduct.sums.into_iter().map(|(plugin, sum)| OfVersion { plugin, sum: SumView::of(sum) });
    let calls = conduct.calls.into_iter().map(CallView::of).collect();
    Ok(Json(UsageView { versions: versions.collect(), calls }))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConnectionEvidence")]
struct EvidenceView {
    quarantined: bool,
    /// No call before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_until: Option<Instant>,
    /// Calls of the last hour that trapped or ran into a limit.
    strikes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_strike: Option<StrikeView>,
    denials: Vec<DenialView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Strike")]
struct StrikeView {
    at: Instant,
    plugin: String,
    function: String,
    fault: CallFault,
    /// Functions of the component that were at work, the innermost first.
    trace: Vec<String>,
    log: Vec<LogLine>,
    calls: Vec<CallView>,
}

impl EvidenceView {
    fn of(conduct: Conduct) -> Self {
        let strike = |evidence: Evidence| {
            let Evidence { at, plugin, function, fault, trace, log, calls } = evidence;
            let calls = calls.into_iter().map(CallView::of).collect();
            StrikeView { at: Instant(at), plugin, function, fault, trace, log, calls }
        };
        Self {
            quarantined: conduct.containment.quarantined,
            waits_until: conduct.containment.until.map(Instant),
            strikes: conduct.containment.strikes(),
            last_strike: conduct.evidence.map(strike),
            denials: conduct.denials.into_iter().map(DenialView::of).collect(),
        }
    }
}

async fn evidence(scope: Scope) -> Result<Json<EvidenceView>> {
    Ok(Json(EvidenceView::of(scope.sandbox.conduct(scope.param("connection"))?)))
}

async fn release(scope: Scope) -> Result<Json<EvidenceView>> {
    let conduct = scope.sandbox.release_connection(&scope.caller, scope.param("connection")).await?;
    Ok(Json(EvidenceView::of(conduct)))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UsageOfConnection")]
struct OfConnection {
    sandbox: String,
    connection: String,
    #[serde(flatten)]
    sum: SumView,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PluginUsage")]
struct OfPlugin {
    plugin: String,
    total: SumView,
    items: Vec<OfConnection>,
}

async fn usage_of_plugin(
    state: extract::State<State>,
    caller: Caller,
    Path(plugin): Path<String>,
) -> Result<Json<OfPlugin>> {
    let id = state.app.plugins().resolve(&plugin)?.installed.id;
    let mut total = Sum::default();
    let mut items = Vec::new();
    for Used { sandbox, connection, sum } in state.app.usage_of(&caller, &id)? {
        total.join(&sum);
        items.push(OfConnection { sandbox, connection, sum: SumView::of(sum) });
    }
    Ok(Json(OfPlugin { plugin: id, total: SumView::of(total), items }))
}
