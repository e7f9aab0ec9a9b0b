//! `/metrics`: OpenMetrics text for a monitor, with an operator's key as its bearer token.
//!
//! Requests are counted as they are answered, from the start of the process. All else is read when it is asked for
//! (`app::metrics`), with labels for organisation, sandbox and connection; sums of connections go on over a restart.

use super::State;
use super::operation::{Answers, Describer};
use super::routes::Routes;
use crate::app::freshness::Of;
use crate::app::keys::Caller;
use crate::app::metrics::{HostFigures, SandboxFigures};
use crate::app::oversight::{Conduct, Sum};
use crate::app::refusal::{Refusal, Result};
use crate::telemetry;
use attiva_core::freshness::Freshness;
use attiva_core::quota::ShownLimit;
use axum::extract;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Seconds. Most answers take a millisecond, an install takes seconds.
const BUCKETS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.2, 1.0, 5.0, 30.0];

type Labels = Vec<(&'static str, String)>;
type Count = Family<Labels, Counter>;
type Seconds = Family<Labels, Counter<f64, AtomicU64>>;
type Level = Family<Labels, Gauge>;

pub(super) fn routes() -> Routes {
    Routes::of("health", "Whether the host works.").get(
        "/metrics",
        "metrics",
        "Read figures for a monitor, as OpenMetrics",
        metrics,
    )
}

async fn metrics(state: extract::State<State>, caller: Caller) -> Result<Text> {
    let figures = state.app.figures(&caller)?;
    let mut registry = Registry::with_prefix("attiva");
    state.requests.register(&mut registry);
    register_telemetry(&mut registry);
    Figures::of(&figures).register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| Refusal::internal("the metrics could not be written"))?;
    Ok(Text(text))
}

struct Text(String);

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, MEDIA_TYPE)], self.0).into_response()
    }
}

impl Answers for Text {
    fn describe(to: &mut Describer<'_>) {
        let text = [("application/openmetrics-text", json!({ "type": "string" }))];
        to.answers_with(StatusCode::OK, "Figures.", &[], &text);
    }
}

/// Requests as they were answered.
#[derive(Clone)]
pub(super) struct Requests {
    answered: Count,
    duration: Family<Labels, Histogram, fn() -> Histogram>,
}

impl Default for Requests {
    fn default() -> Self {
        Self { answered: Count::default(), duration: Family::new_with_constructor(histogram) }
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Requests {
    /// `route`, not the path: routes are few.
    pub(super) fn answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let of = vec![("method", counted(method).to_owned()), ("route", route.to_owned())];
        self.duration.get_or_create(&of).observe(took.as_secs_f64());
        let mut labels = of;
        labels.push(("status", status.as_u16().to_string()));
        self.answered.get_or_create(&labels).inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests that were answered", self.answered.clone());
        let help = "Time from a request's head to the answer's";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.duration.clone());
    }
}

/// Everything that is read when it is asked for.
#[derive(Default)]
struct Figures {
    waiting: Level,
    disk: Level,
    drift: Level,
    calls: Count,
    pages: Count,
    rows: Count,
    cpu: Seconds,
    wall: Seconds,
    peak_memory: Level,
    last_call: Level,
    requests: Count,
    bytes: Count,
    denials: Count,
    stops: Count,
    quarantined: Level,
    tables_behind: Level,
    tables_size: Level,
    tables_failed: Level,
    streams: Ages,
    audiences: Ages,
    quota_spent: Level,
    quota_left: Level,
    quota_held_back: Level,
    quota_waiting: Level,
    memory_held: Level,
    connections_open: Level,
}

/// How old something is, and how old it may be.
#[derive(Default)]
struct Ages {
    age: Level,
    target: Level,
    within: Level,
}

impl Ages {
    fn add(&self, labels: &Labels, found: &Freshness) {
        if let Some(age) = found.age_seconds {
            level(&self.age, labels, age);
        }
        if let Some(target) = found.target_seconds {
            level(&self.target, labels, u64::from(target));
        }
        if let Some(within) = found.within {
            level(&self.within, labels, u64::from(within));
        }
    }

    fn register(self, name: &str, age: &str, registry: &mut Registry) {
        registry.register_with_unit(format!("{name}_age"), age, Unit::Seconds, self.age);
        let help = "The age that it may have, where somebody has said so";
        registry.register_with_unit(format!("{name}_target"), help, Unit::Seconds, self.target);
        let help = "1: it is no older than its target; 0: it is, or was never fresh";
        registry.register(format!("{name}_within_target"), help, self.within);
    }
}

impl Figures {
    fn of(host: &HostFigures) -> Self {
        let figures = Self::default();
        level(&figures.memory_held, &Labels::new(), host.held.memory_bytes as u64);
        level(&figures.connections_open, &Labels::new(), host.held.connections as u64);
        for (instance, shown) in &host.quotas {
            let labels = vec![("system", instance.system.clone()), ("instance", instance.id.clone())];
            shown.limits.iter().for_each(|limit| figures.quota(&labels, limit));
            level(&figures.quota_waiting, &labels, shown.waiting.values().sum::<usize>() as u64);
        }
        host.sandboxes.iter().for_each(|sandbox| figures.sandbox(sandbox));
        figures
    }

    fn quota(&self, labels: &Labels, limit: &ShownLimit) {
        let seconds = limit.seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
        let labels = with(labels, [("limit", limit.kind), ("seconds", &seconds)]);
        level(&self.quota_spent, &labels, limit.spent);
        if let Some(left) = limit.left {
            level(&self.quota_left, &labels, left);
        }
        level(&self.quota_held_back, &labels, u64::from(limit.held_back));
    }

    fn sandbox(&self, sandbox: &SandboxFigures) {
        let labels = vec![("organisation", sandbox.organisation.clone()), ("sandbox", sandbox.sandbox.clone())];
        for (projector, changes) in sandbox.waiting {
            level(&self.waiting, &with(&labels, [("projector", projector)]), changes);
        }
        level(&self.disk, &labels, sandbox.disk_bytes);
        if let Some(tables) = &sandbox.tables {
            if let Some(ms) = tables.behind_ms {
                level(&self.tables_behind, &labels, ms.unsigned_abs() / 1000);
            }
            level(&self.tables_size, &labels, tables.bytes);
            level(&self.tables_failed, &labels, u64::from(tables.has_failed));
        }
        for (of, found) in &sandbox.freshness {
            match of {
                Of::Stream { connection, stream, .. } => {
                    let more = [("connection", connection.as_str()), ("stream", stream)];
                    self.streams.add(&with(&labels, more), found);
                }
                Of::Activation { activation, segment } => {
                    let more = [("activation", activation.as_str()), ("segment", segment.as_str())];
                    self.audiences.add(&with(&labels, more), found);
                }
            }
        }
        for (activation, counts) in &sandbox.drift {
            let labels = with(&labels, [("activation", activation)]);
            for (kind, members) in [("missing", counts.missing), ("returned", counts.returned)] {
                level(&self.drift, &with(&labels, [("kind", kind)]), members);
            }
        }
        for (connection, conduct) in &sandbox.connections {
            self.connection(&with(&labels, [("connection", connection)]), conduct);
        }
    }

    fn connection(&self, labels: &Labels, conduct: &Conduct) {
        level(&self.quarantined, labels, u64::from(conduct.containment.quarantined));
        for denied in &conduct.denials {
            self.denials.get_or_create(&with(labels, [("code", &denied.code)])).inc_by(denied.times);
        }
        for (plugin, sum) in &conduct.sums {
            self.plugin(&with(labels, [("plugin", plugin)]), sum);
        }
    }

    fn plugin(&self, labels: &Labels, sum: &Sum) {
        self.calls.get_or_create(&with(labels, [("result", "ok")])).inc_by(sum.calls.saturating_sub(sum.failed));
        self.calls.get_or_create(&with(labels, [("result", "failed")])).inc_by(sum.failed);
        self.pages.get_or_create(labels).inc_by(sum.pages);
        self.rows.get_or_create(labels).inc_by(sum.rows);
        self.cpu.get_or_create(labels).inc_by(Duration::from_nanos(sum.cpu_ns).as_secs_f64());
        self.wall.get_or_create(labels).inc_by(Duration::from_nanos(sum.wall_ns).as_secs_f64());
        level(&self.peak_memory, labels, sum.peak_memory);
        self.last_call.get_or_create(labels).set(sum.last_at / 1000);
        for (code, times) in &sum.stops {
            self.stops.get_or_create(&with(labels, [("code", code)])).inc_by(*times);
        }
        for (host, traffic) in &sum.hosts {
            let labels = with(labels, [("host", host)]);
            self.requests.get_or_create(&labels).inc_by(traffic.requests);
            self.bytes.get_or_create(&with(&labels, [("direction", "out")])).inc_by(traffic.bytes_out);
            self.bytes.get_or_create(&with(&labels, [("direction", "in")])).inc_by(traffic.bytes_in);
        }
    }

    fn register(self, registry: &mut Registry) {
        let changes = "Accepted changes that the projector has still to follow";
        registry.register("projection_waiting_changes", changes, self.waiting);
        registry.register_with_unit("sandbox_disk", "Data of the sandbox", Unit::Bytes, self.disk);
        let behind = "How far the newest cut of the open tables is behind the sandbox";
        registry.register_with_unit("tables_behind", behind, Unit::Seconds, self.tables_behind);
        registry.register_with_unit("tables_size", "Files of that cut", Unit::Bytes, self.tables_size);
        registry.register("tables_failed", "1: the last cut could not be taken", self.tables_failed);
        let drift =
            "Members of a target that are not as acknowledged, as of the newest reading; by activation and kind";
        registry.register("target_drift_members", drift, self.drift);
        registry.register("plugin_calls", "Finished calls of a connection's plugin", self.calls);
        let stops = "Calls that were stopped, by what stopped them: a limit, or a trap";
        registry.register("plugin_stops", stops, self.stops);
        registry.register("plugin_pages", "Pages read and batches delivered", self.pages);
        registry.register("plugin_rows", "Rows of those", self.rows);
        registry.register_with_unit("plugin_cpu", "CPU time of calls", Unit::Seconds, self.cpu);
        registry.register_with_unit("plugin_wall", "Time of calls, waiting included", Unit::Seconds, self.wall);
        let peak = "The most memory that one call held at once";
        registry.register_with_unit("plugin_peak_memory", peak, Unit::Bytes, self.peak_memory);
        let last = "When the last call ended, in seconds since 1970";
        registry.register_with_unit("plugin_last_call_timestamp", last, Unit::Seconds, self.last_call);
        registry.register("egress_requests", "Requests that were sent, by host", self.requests);
        registry.register_with_unit("egress", "Bytes on the wire, by host and direction", Unit::Bytes, self.bytes);
        let denials = "Requests that nothing declared or granted allows; the last 50 different ones of a connection";
        registry.register("egress_denials", denials, self.denials);
        let age = "Time since everything was here that the stream's vendor had";
        self.streams.register("stream", age, registry);
        self.audiences.register("audience", "Time since the audience was as its destination has it", registry);
        registry.register(
            "quota_calls_spent",
            "Calls of a vendor's instance that a limit counts now",
            self.quota_spent,
        );
        registry.register("quota_calls_left", "Calls that the limit leaves now", self.quota_left);
        let help = "1: the vendor refused what there was room for, and less is used than may be";
        registry.register("quota_held_back", help, self.quota_held_back);
        registry.register("quota_waiting_calls", "Calls that wait for their turn", self.quota_waiting);
        let help = "Memory of all plugins at work";
        registry.register_with_unit("plugin_memory_held", help, Unit::Bytes, self.memory_held);
        let help = "Connections to vendors, open at this moment";
        registry.register("egress_connections_open", help, self.connections_open);
        registry.register(
            "connection_quarantined",
            "1: no call is made until an operator releases it",
            self.quarantined,
        );
    }
}

/// What became of traces and logs on their way to a collector, from the start of the process; nothing where none is sent.
fn register_telemetry(registry: &mut Registry) {
    let signals = telemetry::signals();
    if signals.is_empty() {
        return;
    }
    let (items, waiting) = (Count::default(), Level::default());
    for (signal, counts, many) in signals {
        let labels = vec![("signal", signal.to_owned())];
        level(&waiting, &labels, many as u64);
        for (result, count) in [("sent", &counts.sent), ("dropped", &counts.dropped), ("failed", &counts.failed)] {
            items.get_or_create(&with(&labels, [("result", result)])).inc_by(count.load(Ordering::Relaxed));
        }
    }
    let help = "Spans and lines of the log: sent, dropped for want of room, not taken by the collector";
    registry.register("telemetry_items", help, items);
    registry.register("telemetry_waiting", "Spans and lines of the log that wait to be sent", waiting);
}

/// What a method is counted as. A client may make up as many as it likes, and each would be kept for ever.
fn counted(method: &Method) -> &str {
    const KNOWN: [Method; 7] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    if KNOWN.contains(method) { method.as_str() } else { "other" }
}

fn level(family: &Level, labels: &Labels, value: u64) {
    family.get_or_create(labels).set(i64::try_from(value).unwrap_or(i64::MAX));
}

fn with<const N: usize>(labels: &Labels, more: [(&'static str, &str); N]) -> Labels {
    let more = more.into_iter().map(|(name, value)| (name, value.to_owned()));
    labels.iter().cloned().chain(more).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// Each metric that is registered above has a row on the page, and each row is of one.
    #[test]
    fn every_metric_stands_on_the_page() {
        let source = include_str!("metrics.rs").split("#[cfg(test)]").next().unwrap();
        let literals = |maker: &str| {
            let after = source.split(maker).skip(1).map(str::trim_start);
            let named = after.filter_map(|rest| rest.strip_prefix('"')?.split_once('"'));
            named.map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>()
        };
        let mut known = literals("registry.register(");
        known.extend(literals("registry.register_with_unit("));
        for of in ["stream", "audience"] {
            known.extend(["age", "target", "within_target"].map(|what| format!("{of}_{what}")));
        }
        assert!(known.len() > 30, "{known:?}");
        let page = include_str!("../../../../docs/metrics.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `attiva_")?.split_once('`'));
        // As a monitor reads them: with their unit, and `_total` where they are counted.
        let plain = |name: &str| {
            let name = name.strip_suffix("_total").unwrap_or(name);
            let units = ["_seconds", "_bytes"].iter().find_map(|unit| name.strip_suffix(unit));
            [Some(name), units].into_iter().flatten().find(|name| known.contains(*name)).map(str::to_owned)
        };
        let mut told = BTreeSet::new();
        for (name, _) in rows {
            told.insert(plain(name).unwrap_or_else(|| panic!("nothing is called attiva_{name}")));
        }
        let untold: Vec<_> = known.difference(&told).collect();
        assert!(untold.is_empty(), "these have no row: {untold:?}");
    }
}
