//! Structured logs on standard error: a line for people, or JSON. Where a collector is configured, traces and logs are sent
//! there as well, as OTLP; nobody ever waits for that.

mod otlp;
mod outbox;

use crate::config::{LogConfig, LogFormat, Telemetry};
use attiva_sync::trace::TARGET;
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use otlp::Otlp;
pub use outbox::Counts;
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

/// Of the whole process, as logging is.
static OTLP: OnceLock<Otlp> = OnceLock::new();

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging for the whole process. In tests and in the demo it may have been started before: the first counts.
pub fn start(config: &LogConfig, telemetry: Option<&Telemetry>) -> anyhow::Result<()> {
    let filter = || {
        let filter = EnvFilter::try_new(&config.level)
            .map_err(|e| anyhow::anyhow!("log.level: `{}` is neither a level nor a filter: {e}", config.level))?;
        // What is made for traces is no line of a log.
        Ok::<_, anyhow::Error>(filter.and(filter_fn(|metadata| metadata.target() != TARGET)))
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_timer(SystemTime)
        .with_ansi(is_coloured(std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR").as_deref()));
    let lines: Boxed = match config.format {
        LogFormat::Human => lines.with_target(false).with_filter(filter()?).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter()?).boxed(),
    };
    let mut layers = vec![lines];
    let otlp = telemetry.map(Otlp::start).transpose()?;
    if let Some(provider) = otlp.as_ref().and_then(|otlp| otlp.traces.as_ref()) {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("attiva"));
        let layer = layer.with_location(false).with_target(false).with_threads(false).with_tracked_inactivity(false);
        layers.push(layer.with_filter(filter_fn(|metadata| metadata.target() == TARGET)).boxed());
    }
    if let Some(provider) = otlp.as_ref().and_then(|otlp| otlp.logs.as_ref()) {
        layers.push(OpenTelemetryTracingBridge::new(provider).with_filter(filter()?).boxed());
    }
    let started = tracing_subscriber::registry().with(layers).try_init().is_ok();
    if started && let Some(otlp) = otlp {
        // Nobody else sets it: who starts logging first is the only one.
        let _ = OTLP.set(otlp);
    }
    if !started {
        tracing::debug!("logging was started before");
    }
    Ok(())
}

/// No colours for programs, nor where `NO_COLOR` says anything (<https://no-color.org>).
fn is_coloured(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

/// Sends what is left, at the end of the process.
pub fn stop(longest: Duration) {
    if let Some(otlp) = OTLP.get() {
        otlp.flush(longest);
    }
}

/// By signal: how sending went so far, and how many wait. Empty where nothing is sent.
#[must_use]
pub fn signals() -> Vec<(&'static str, &'static Counts, usize)> {
    OTLP.get().map(Otlp::signals).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_whose_owner_has_nothing_against_them() {
        let no_color = |text: &'static str| Some(OsStr::new(text));
        assert!(is_coloured(true, None) && is_coloured(true, no_color("")));
        assert!(!is_coloured(true, no_color("1")) && !is_coloured(false, None));
    }
}
