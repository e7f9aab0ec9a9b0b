//! `limits`: what one client may ask of the host, what plugins may take of the machine, and how long things are kept.

use super::layer::wrong;
use super::{ConfigError, Limits};
use attiva_core::Millis;
use attiva_core::retention::Kept;
use attiva_core::throttle::Throttle;
use serde::Deserialize;
use std::time::Duration;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsLayer {
    body_bytes: Option<u64>,
    plugin_bytes: Option<u64>,
    request_seconds: Option<u64>,
    requests_at_once: Option<u32>,
    clients_at_once: Option<u32>,
    queue_ms: Option<u64>,
    key_requests: Option<u32>,
    key_window_seconds: Option<u32>,
    drain_seconds: Option<u64>,
    disk_free_bytes: Option<u64>,
    plugin_memory_bytes: Option<u64>,
    connections: Option<u32>,
    plugin_connections: Option<u32>,
    plugin_pool: Option<u32>,
    organisation_memory_bytes: Option<u64>,
    exchanges_kept: Option<u32>,
    outcomes_kept_days: Option<u32>,
    deliveries_kept_days: Option<u32>,
    rejects_kept_days: Option<u32>,
    runs_kept_days: Option<u32>,
    removals_kept_days: Option<u32>,
    memberships_kept_days: Option<u32>,
    audit_kept_days: Option<u32>,
}

/// A day is long enough: what a key spent is not known after a restart.
const WINDOW_SECONDS_MAX: u32 = 24 * 60 * 60;

fn throttle(requests: u32, seconds: u32) -> Result<Option<Throttle>, ConfigError> {
    if !(1..=WINDOW_SECONDS_MAX).contains(&seconds) {
        return Err(wrong("limits.key_window_seconds", format!("must be 1 to {WINDOW_SECONDS_MAX}")));
    }
    let throttle = Throttle::new(requests, seconds);
    if requests > 0 && throttle.is_none() {
        return Err(wrong("limits.key_requests", "must be at most a million in a second"));
    }
    Ok(throttle)
}

/// A hundred years: what is meant to be longer is meant to be for ever.
const KEPT_DAYS_MAX: u32 = 36_500;

const DAY_MS: Millis = 24 * 60 * 60 * 1000;

impl LimitsLayer {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            body_bytes: self.body_bytes.or(other.body_bytes),
            plugin_bytes: self.plugin_bytes.or(other.plugin_bytes),
            request_seconds: self.request_seconds.or(other.request_seconds),
            requests_at_once: self.requests_at_once.or(other.requests_at_once),
            clients_at_once: self.clients_at_once.or(other.clients_at_once),
            queue_ms: self.queue_ms.or(other.queue_ms),
            key_requests: self.key_requests.or(other.key_requests),
            key_window_seconds: self.key_window_seconds.or(other.key_window_seconds),
            drain_seconds: self.drain_seconds.or(other.drain_seconds),
            disk_free_bytes: self.disk_free_bytes.or(other.disk_free_bytes),
            plugin_memory_bytes: self.plugin_memory_bytes.or(other.plugin_memory_bytes),
            connections: self.connections.or(other.connections),
            plugin_connections: self.plugin_connections.or(other.plugin_connections),
            plugin_pool: self.plugin_pool.or(other.plugin_pool),
            organisation_memory_bytes: self.organisation_memory_bytes.or(other.organisation_memory_bytes),
            exchanges_kept: self.exchanges_kept.or(other.exchanges_kept),
            outcomes_kept_days: self.outcomes_kept_days.or(other.outcomes_kept_days),
            deliveries_kept_days: self.deliveries_kept_days.or(other.deliveries_kept_days),
            rejects_kept_days: self.rejects_kept_days.or(other.rejects_kept_days),
            runs_kept_days: self.runs_kept_days.or(other.runs_kept_days),
            removals_kept_days: self.removals_kept_days.or(other.removals_kept_days),
            memberships_kept_days: self.memberships_kept_days.or(other.memberships_kept_days),
            audit_kept_days: self.audit_kept_days.or(other.audit_kept_days),
        }
    }

    pub(super) fn finish(self) -> Result<Limits, ConfigError> {
        let connections = small("limits.connections", self.connections.unwrap_or(512))?;
        let plugin_connections = self.plugin_connections.unwrap_or(connections.min(64));
        if small("limits.plugin_connections", plugin_connections)? > connections {
            return Err(wrong("limits.plugin_connections", "is larger than limits.connections"));
        }
        Ok(Limits {
            body_bytes: positive("limits.body_bytes", self.body_bytes.unwrap_or(1 << 20))?,
            plugin_bytes: positive("limits.plugin_bytes", self.plugin_bytes.unwrap_or(32 << 20))?,
            request: Duration::from_secs(positive("limits.request_seconds", self.request_seconds.unwrap_or(60))?),
            requests_at_once: small("limits.requests_at_once", self.requests_at_once.unwrap_or(256))?,
            clients_at_once: small("limits.clients_at_once", self.clients_at_once.unwrap_or(1024))?,
            queue: Duration::from_millis(self.queue_ms.unwrap_or(200)),
            throttle: throttle(self.key_requests.unwrap_or(60_000), self.key_window_seconds.unwrap_or(10))?,
            drain: Duration::from_secs(self.drain_seconds.unwrap_or(20)),
            disk_free_bytes: self.disk_free_bytes.unwrap_or(512 << 20),
            plugin_memory_bytes: positive("limits.plugin_memory_bytes", self.plugin_memory_bytes.unwrap_or(2 << 30))?,
            connections,
            plugin_connections,
            plugin_pool: self.plugin_pool.unwrap_or(0),
            organisation_memory_bytes: positive(
                "limits.organisation_memory_bytes",
                self.organisation_memory_bytes.unwrap_or(1 << 30),
            )?,
            exchanges_kept: self.exchanges_kept.unwrap_or(50),
            kept: self.kept()?,
        })
    }

    fn kept(&self) -> Result<Kept, ConfigError> {
        Ok(Kept {
            outcomes_ms: kept_ms("limits.outcomes_kept_days", self.outcomes_kept_days, 90)?,
            deliveries_ms: kept_ms("limits.deliveries_kept_days", self.deliveries_kept_days, 365)?,
            rejects_ms: kept_ms("limits.rejects_kept_days", self.rejects_kept_days, 90)?,
            runs_ms: kept_ms("limits.runs_kept_days", self.runs_kept_days, 365)?,
            removals_ms: kept_ms("limits.removals_kept_days", self.removals_kept_days, 365)?,
            memberships_ms: kept_ms("limits.memberships_kept_days", self.memberships_kept_days, 0)?,
            audit_ms: kept_ms("limits.audit_kept_days", self.audit_kept_days, 0)?,
        })
    }
}

/// `None`: for ever.
fn kept_ms(name: &str, days: Option<u32>, default: u32) -> Result<Option<Millis>, ConfigError> {
    let days = days.unwrap_or(default);
    if days > KEPT_DAYS_MAX {
        return Err(wrong(name, format!("must be at most {KEPT_DAYS_MAX}; 0 keeps them for ever")));
    }
    Ok(Some(Millis::from(days) * DAY_MS).filter(|ms| *ms > 0))
}

fn positive(name: &str, value: u64) -> Result<u64, ConfigError> {
    if value == 0 { Err(wrong(name, "must be at least 1")) } else { Ok(value) }
}

pub(super) fn small(name: &str, value: u32) -> Result<u32, ConfigError> {
    positive(name, u64::from(value)).map(|_| value)
}
