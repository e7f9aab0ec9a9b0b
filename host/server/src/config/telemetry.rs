//! Where traces and logs are sent, and how much of them.

use super::layer::{ConfigError, wrong};
use axum::http::{HeaderName, HeaderValue};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;

/// A collector that takes OTLP over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// `http://127.0.0.1:4318`, without the paths of the signals.
    pub endpoint: String,
    pub headers: Headers,
    /// Authorities that its certificate may be of, as PEM; `None`: those that the public trusts.
    pub ca_file: Option<PathBuf>,
    pub service_name: String,
    /// Share of traces that are sent, 0 to 1. Where a client's `traceparent` says whether, that counts.
    pub sample_ratio: f64,
    pub export: Export,
    /// Spans, and lines of the log, that may wait to be sent. One too many is dropped, and counted.
    pub queue: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Export {
    All,
    Traces,
    Logs,
}

/// Sent with every request: a collector's key is among them, so that no value is printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// As it was said, before it is looked at.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Unprinted(Option<String>);

impl fmt::Debug for Unprinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(..)" } else { "None" })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TelemetryLayer {
    otlp_endpoint: Option<String>,
    #[serde(default)]
    otlp_headers: Unprinted,
    otlp_ca_file: Option<PathBuf>,
    service_name: Option<String>,
    sample_ratio: Option<f64>,
    export: Option<Export>,
    queue: Option<u32>,
}

/// Some 100 MB of spans.
const QUEUE_MAX: u32 = 65_536;

impl TelemetryLayer {
    /// Where this layer says nothing, the other one counts.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            otlp_endpoint: self.otlp_endpoint.or(other.otlp_endpoint),
            otlp_headers: Unprinted(self.otlp_headers.0.or(other.otlp_headers.0)),
            otlp_ca_file: self.otlp_ca_file.or(other.otlp_ca_file),
            service_name: self.service_name.or(other.service_name),
            sample_ratio: self.sample_ratio.or(other.sample_ratio),
            export: self.export.or(other.export),
            queue: self.queue.or(other.queue),
        }
    }

    pub(super) fn finish(self) -> Result<Option<Telemetry>, ConfigError> {
        let Some(endpoint) = &self.otlp_endpoint else {
            return match self.said() {
                Some(name) => Err(wrong(name, "counts for nothing without telemetry.otlp_endpoint")),
                None => Ok(None),
            };
        };
        let sample_ratio = self.sample_ratio.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&sample_ratio) {
            return Err(wrong("telemetry.sample_ratio", "must be 0 to 1"));
        }
        let queue = self.queue.unwrap_or(4096);
        if !(1..=QUEUE_MAX).contains(&queue) {
            return Err(wrong("telemetry.queue", format!("must be 1 to {QUEUE_MAX}")));
        }
        let service_name = self.service_name.unwrap_or_else(|| "attiva".to_owned());
        if service_name.is_empty() || service_name.len() > 255 || service_name.chars().any(char::is_control) {
            return Err(wrong("telemetry.service_name", "must be 1 to 255 bytes without control characters"));
        }
        let endpoint = endpoint_of(endpoint)?;
        if self.otlp_ca_file.is_some() && !endpoint.starts_with("https://") {
            return Err(wrong(
                "telemetry.otlp_ca_file",
                "counts for nothing where telemetry.otlp_endpoint is not https",
            ));
        }
        Ok(Some(Telemetry {
            endpoint,
            headers: headers(self.otlp_headers.0.as_deref().unwrap_or_default())?,
            ca_file: self.otlp_ca_file,
            service_name,
            sample_ratio,
            export: self.export.unwrap_or(Export::All),
            queue: queue as usize,
        }))
    }

    /// Something that would count for nothing.
    fn said(&self) -> Option<&'static str> {
        let said = [
            ("telemetry.otlp_headers", self.otlp_headers.0.is_some()),
            ("telemetry.otlp_ca_file", self.otlp_ca_file.is_some()),
            ("telemetry.service_name", self.service_name.is_some()),
            ("telemetry.sample_ratio", self.sample_ratio.is_some()),
            ("telemetry.export", self.export.is_some()),
            ("telemetry.queue", self.queue.is_some()),
        ];
        said.into_iter().find_map(|(name, is_said)| is_said.then_some(name))
    }
}

fn endpoint_of(text: &str) -> Result<String, ConfigError> {
    let plain = text.trim_end_matches('/');
    let rest = plain.strip_prefix("https://").or_else(|| plain.strip_prefix("http://"));
    let is_good = rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with(':') && rest.bytes().all(|b| b.is_ascii_graphic() && !b"?#@".contains(&b))
    });
    if !is_good || plain.ends_with("/v1/traces") || plain.ends_with("/v1/logs") {
        let problem = "is not where a collector takes OTLP over HTTP, such as http://127.0.0.1:4318; /v1/traces and \
                       /v1/logs are added, and keys go into telemetry.otlp_headers";
        return Err(wrong("telemetry.otlp_endpoint", problem));
    }
    Ok(plain.to_owned())
}

/// `authorization=Bearer abc,x-tenant=7`. What is wrong is told without what was said: it is secret.
fn headers(text: &str) -> Result<Headers, ConfigError> {
    let mut headers = Vec::new();
    for (i, pair) in text.split(',').map(str::trim).enumerate().filter(|(_, pair)| !pair.is_empty()) {
        let problem = || wrong("telemetry.otlp_headers", format!("number {} is not a header: NAME=VALUE", i + 1));
        let (name, value) = pair.split_once('=').ok_or_else(problem)?;
        let (name, value) = (name.trim(), value.trim());
        HeaderName::try_from(name).map_err(|_| problem())?;
        HeaderValue::try_from(value).map_err(|_| problem())?;
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Ok(Headers(headers))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Flags};
    use super::*;

    fn resolve(set: &[&str]) -> Result<Option<Telemetry>, String> {
        let set = set.iter().map(|s| format!("telemetry.{s}")).collect();
        let config = Config::resolve(&Flags { set, ..Flags::default() }, [], None);
        config.map(|config| config.telemetry).map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_is_sent_unless_somebody_says_where() {
        assert_eq!(resolve(&[]), Ok(None));
        let said = resolve(&["otlp_endpoint=http://127.0.0.1:4318/"]).unwrap().unwrap();
        assert_eq!(
            (said.endpoint.as_str(), said.sample_ratio, said.export),
            ("http://127.0.0.1:4318", 1.0, Export::All)
        );
        for alone in
            ["otlp_headers=a=b", "otlp_ca_file=/x", "service_name=x", "sample_ratio=1", "export=logs", "queue=7"]
        {
            let error = resolve(&[alone]).unwrap_err();
            assert!(
                error.contains("telemetry.otlp_endpoint") && error.contains(alone.split('=').next().unwrap()),
                "{error}"
            );
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_key_and_no_header_is_printed() {
        let cases = [
            ("otlp_endpoint", "127.0.0.1:4318"),
            ("otlp_endpoint", "http://"),
            ("otlp_endpoint", "http://:4318"),
            ("otlp_endpoint", "http://user:s3cret@host"),
            ("otlp_endpoint", "http://host/v1/traces"),
            ("otlp_headers", "authorization"),
            ("otlp_headers", "a b=s3cret"),
            ("otlp_ca_file", "/of/no/use/in/plain/http"),
            ("service_name", ""),
            ("sample_ratio", "1.5"),
            ("sample_ratio", "often"),
            ("export", "metrics"),
            ("queue", "0"),
            ("queue", "65537"),
        ];
        for (key, value) in cases {
            let beside = (key != "otlp_endpoint").then_some("otlp_endpoint=http://host");
            let said = format!("{key}={value}");
            let set: Vec<&str> = [said.as_str()].into_iter().chain(beside).collect();
            let error = resolve(&set).unwrap_err();
            assert!(error.contains(key) && !error.contains("s3cret"), "{error}");
        }
        let said =
            resolve(&["otlp_endpoint=https://host/otlp", "otlp_headers=Authorization=Bearer s3cret=, x-tenant=7"]);
        let said = said.unwrap().unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(said.headers.0, [pair("authorization", "Bearer s3cret="), pair("x-tenant", "7")]);
        assert!(!format!("{said:?}").contains("s3cret"));
    }
}
