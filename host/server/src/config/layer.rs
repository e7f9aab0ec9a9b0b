//! One source of configuration, and how several join. The table of keys is the single place that knows their names.

use super::egress::EgressLayer;
use super::limits::{LimitsLayer, small};
use super::tables::TablesLayer;
use super::telemetry::TelemetryLayer;
use super::{Config, LogConfig, LogFormat, Pages, Tls};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A configuration key.
#[derive(Debug)]
pub struct Key {
    /// As it stands in the file: `limits.body_bytes`.
    pub name: &'static str,
    kind: Kind,
    /// For `--help` and the documentation.
    pub help: &'static str,
}

/// What a key's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// A whole number.
    Whole,
    Number,
}

const fn key(name: &'static str, number: bool, help: &'static str) -> Key {
    Key { name, kind: if number { Kind::Whole } else { Kind::Text }, help }
}

/// All keys.
pub const KEYS: &[Key] = &[
    key("data_dir", false, "directory of all that is kept (default: ./attiva-data)"),
    key("listen", false, "address and port to listen on (default: 127.0.0.1:8480)"),
    key("public_url", false, "where browsers reach the host: https://attiva.example (default: where it listens)"),
    key("seal_key_file", false, "file of the key that secrets are sealed with (default: one of the host's own)"),
    key("tls.certificate_file", false, "PEM file of the certificate to serve HTTPS with (default: plain HTTP)"),
    key("tls.key_file", false, "PEM file of the certificate's private key"),
    key(
        "egress.domains",
        false,
        "only domains that plugins reach: `mktorest.com,salesforce.com` (default: those that each declares, as approved)",
    ),
    key("log.format", false, "`human` or `json` (default: human)"),
    key("log.level", false, "`error`, `warn`, `info`, `debug`, `trace`, or a filter (default: info)"),
    key(
        "telemetry.otlp_endpoint",
        false,
        "collector of traces and logs, OTLP over HTTP: http://127.0.0.1:4318 (default: none)",
    ),
    key(
        "telemetry.otlp_headers",
        false,
        "headers for it: `authorization=Bearer …,x-tenant=7`; better in the environment",
    ),
    key(
        "telemetry.otlp_ca_file",
        false,
        "PEM file of the authorities of its certificate (default: those that the public trusts)",
    ),
    key("telemetry.service_name", false, "what this host is called there (default: attiva)"),
    Key {
        name: "telemetry.sample_ratio",
        kind: Kind::Number,
        help: "share of traces that are sent, 0 to 1 (default: 1)",
    },
    key("telemetry.export", false, "`all`, `traces` or `logs` (default: all)"),
    key("telemetry.queue", true, "spans, and lines of the log, that may wait to be sent (default: 4096)"),
    key(
        "tables.every_seconds",
        true,
        "seconds from one cut of open tables to the next; 0: none are kept (default: 300)",
    ),
    key("tables.kept_minutes", true, "minutes that a cut of them can be read after the next (default: 60)"),
    key("limits.body_bytes", true, "bytes of a request's body (default: 1 MiB)"),
    key("limits.plugin_bytes", true, "bytes of a plugin (default: 32 MiB)"),
    key("limits.request_seconds", true, "longest time for a request (default: 60)"),
    key("limits.requests_at_once", true, "requests worked on at the same time (default: 256)"),
    key("limits.clients_at_once", true, "clients connected at the same time; others wait (default: 1024)"),
    key(
        "limits.queue_ms",
        true,
        "longest time for a request to wait for its turn where too many are worked on; 0: none (default: 200)",
    ),
    key("limits.key_requests", true, "requests of one API key in a window; 0: no limit (default: 60000)"),
    key("limits.key_window_seconds", true, "length of that window (default: 10)"),
    key("limits.drain_seconds", true, "longest time to reach a page boundary when stopping (default: 20)"),
    key(
        "limits.disk_free_bytes",
        true,
        "bytes left on the disk, under which nothing more is read; 0: none (default: 512 MiB)",
    ),
    key("limits.plugin_memory_bytes", true, "memory of all plugins at work together (default: 2 GiB)"),
    key("limits.connections", true, "connections to vendors open at the same time, of all plugins (default: 512)"),
    key(
        "limits.plugin_connections",
        true,
        "of those, as many as one plugin has open for one organisation (default: 64)",
    ),
    key("limits.plugin_pool", true, "instances kept in a pool; 0: each call makes its own (default: 0)"),
    key("limits.organisation_memory_bytes", true, "memory of one organisation's plugins at work (default: 1 GiB)"),
    key("limits.exchanges_kept", true, "last exchanges with the vendor kept of each connection; 0: none (default: 50)"),
    key(
        "limits.outcomes_kept_days",
        true,
        "days that what became of each member of a delivery is kept after its end; 0: for ever (default: 90)",
    ),
    key(
        "limits.deliveries_kept_days",
        true,
        "days that a delivery is kept after its end; its sums stay; 0: for ever (default: 365)",
    ),
    key(
        "limits.rejects_kept_days",
        true,
        "days that a run's rejects are kept after its end; 0: for ever (default: 90)",
    ),
    key("limits.runs_kept_days", true, "days that a run is kept after its end; 0: for ever (default: 365)"),
    key(
        "limits.removals_kept_days",
        true,
        "days that a removal of data is told after its end; 0: for ever (default: 365)",
    ),
    key(
        "limits.memberships_kept_days",
        true,
        "days that it is kept who entered and left segments; 0: for ever (default: 0)",
    ),
    key("limits.audit_kept_days", true, "days that entries of the audit log are kept; 0: for ever (default: 0)"),
    key("pages.size_default", true, "items of a page where the client does not say (default: 50)"),
    key("pages.size_max", true, "items of a page at most (default: 500)"),
];

/// Variables that begin like ours and belong to the client or to the build.
const NOT_OURS: &[&str] =
    &["ATTIVA_URL", "ATTIVA_KEY", "ATTIVA_SANDBOX", "ATTIVA_CA_FILE", "ATTIVA_CONFIG", "ATTIVA_PLUGINS_DIR"];

impl Key {
    /// `limits.body_bytes` is `ATTIVA_LIMITS_BODY_BYTES`.
    #[must_use]
    pub fn environment(&self) -> String {
        format!("ATTIVA_{}", self.name.replace('.', "_").to_uppercase())
    }

    fn value(&self, text: &str) -> Option<Value> {
        match self.kind {
            Kind::Text => Some(Value::String(text.to_owned())),
            Kind::Whole => text.trim().parse().ok().map(Value::Integer),
            Kind::Number => text.trim().parse().ok().map(Value::Float),
        }
    }
}

/// What the command line says; the most used keys have a flag of their own.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// Directory of all that is kept.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// `human` or `json`.
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter.
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Any other configuration key: `--set limits.body_bytes=2000000`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Why the configuration is not one.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{origin}: {problem}")]
    Wrong { origin: String, problem: String },
    #[error("{origin} is not a configuration key. The keys are: {}", names())]
    Unknown { origin: String },
}

fn names() -> String {
    KEYS.iter().map(|k| k.name).collect::<Vec<_>>().join(", ")
}

pub(super) fn wrong(origin: impl Into<String>, problem: impl Into<String>) -> ConfigError {
    ConfigError::Wrong { origin: origin.into(), problem: problem.into() }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layer {
    data_dir: Option<PathBuf>,
    #[serde(default, deserialize_with = "address")]
    listen: Option<SocketAddr>,
    #[serde(default, deserialize_with = "public_url")]
    public_url: Option<String>,
    seal_key_file: Option<PathBuf>,
    #[serde(default)]
    tls: TlsLayer,
    #[serde(default)]
    log: LogLayer,
    #[serde(default)]
    egress: EgressLayer,
    #[serde(default)]
    telemetry: TelemetryLayer,
    #[serde(default)]
    tables: TablesLayer,
    #[serde(default)]
    limits: LimitsLayer,
    #[serde(default)]
    pages: PagesLayer,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsLayer {
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

impl TlsLayer {
    fn finish(self) -> Result<Option<Tls>, ConfigError> {
        match (self.certificate_file, self.key_file) {
            (Some(certificate_file), Some(key_file)) => Ok(Some(Tls { certificate_file, key_file })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(wrong("tls.key_file", "is missing: the certificate's private key")),
            (None, Some(_)) => Err(wrong("tls.certificate_file", "is missing: the certificate of the key")),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogLayer {
    format: Option<LogFormat>,
    level: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PagesLayer {
    size_default: Option<u32>,
    size_max: Option<u32>,
}

fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let problem = || format!("`{text}` is not an address with a port, such as 127.0.0.1:8480");
    text.parse().map(Some).map_err(|_| serde::de::Error::custom(problem()))
}

fn public_url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let plain = text.trim_end_matches('/');
    let rest = plain.strip_prefix("https://").or_else(|| plain.strip_prefix("http://"));
    let is_good = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['?', '#', '@', ' ']));
    let problem = || format!("`{text}` is not an address that a browser opens, such as https://attiva.example");
    if is_good { Ok(Some(plain.to_owned())) } else { Err(serde::de::Error::custom(problem())) }
}

impl Layer {
    pub(super) fn from_flags(flags: &Flags) -> Result<Self, ConfigError> {
        let data_dir = flags.data_dir.as_ref().map(|d| d.to_string_lossy().into_owned());
        let own = [
            ("data_dir", "--data-dir", &data_dir),
            ("listen", "--listen", &flags.listen),
            ("log.format", "--log-format", &flags.log_format),
            ("log.level", "--log-level", &flags.log_level),
        ];
        let own = own.into_iter().filter_map(|(name, flag, text)| Some((name, flag.to_owned(), text.as_deref()?)));
        let mut said: Vec<(&str, String, &str)> = own.collect();
        for pair in &flags.set {
            let origin = format!("--set {pair}");
            let (name, text) = pair.split_once('=').ok_or_else(|| wrong(&origin, "must be KEY=VALUE"))?;
            said.push((name.trim(), origin, text));
        }
        let mut layer = Self::default();
        for (i, (name, origin, text)) in said.iter().enumerate() {
            // Which of the two was meant?
            if said.iter().take(i).any(|(earlier, ..)| earlier == name) {
                return Err(wrong(origin, format!("{name} is said twice on the command line")));
            }
            layer = layer.or(Self::from_pair(origin, name, text)?);
        }
        Ok(layer)
    }

    pub(super) fn from_environment(all: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for (variable, text) in all {
            if !variable.starts_with("ATTIVA_") || NOT_OURS.contains(&variable.as_str()) {
                continue;
            }
            let Some(key) = KEYS.iter().find(|k| k.environment() == variable) else {
                return Err(ConfigError::Unknown { origin: format!("the environment's {variable}") });
            };
            layer = layer.or(Self::from_pair(&variable, key.name, &text)?);
        }
        Ok(layer)
    }

    pub(super) fn from_file(path: &Path, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|e| wrong(path.display().to_string(), e.to_string()))
    }

    /// A layer of one key.
    fn from_pair(origin: &str, name: &str, text: &str) -> Result<Self, ConfigError> {
        let Some(key) = KEYS.iter().find(|k| k.name == name) else {
            return Err(ConfigError::Unknown { origin: origin.to_owned() });
        };
        let of = if key.kind == Kind::Whole { "whole number" } else { "number" };
        let value = key.value(text).ok_or_else(|| wrong(origin, format!("`{text}` is not a {of}")))?;
        let nested = |name: &str, value: Value| Table::from_iter([(name.to_owned(), value)]);
        let table = match name.split_once('.') {
            Some((group, leaf)) => nested(group, Value::Table(nested(leaf, value))),
            None => nested(name, value),
        };
        Self::deserialize(table).map_err(|e| wrong(origin, e.message()))
    }

    /// Where this layer says nothing, the other one counts.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            listen: self.listen.or(other.listen),
            public_url: self.public_url.or(other.public_url),
            seal_key_file: self.seal_key_file.or(other.seal_key_file),
            tls: TlsLayer {
                certificate_file: self.tls.certificate_file.or(other.tls.certificate_file),
                key_file: self.tls.key_file.or(other.tls.key_file),
            },
            log: LogLayer { format: self.log.format.or(other.log.format), level: self.log.level.or(other.log.level) },
            egress: self.egress.or(other.egress),
            telemetry: self.telemetry.or(other.telemetry),
            tables: self.tables.or(other.tables),
            limits: self.limits.or(other.limits),
            pages: PagesLayer {
                size_default: self.pages.size_default.or(other.pages.size_default),
                size_max: self.pages.size_max.or(other.pages.size_max),
            },
        }
    }

    pub(super) fn finish(self) -> Result<Config, ConfigError> {
        let config = Config {
            data_dir: self.data_dir.unwrap_or_else(|| PathBuf::from("attiva-data")),
            listen: self.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8480))),
            public_url: self.public_url,
            seal_key_file: self.seal_key_file,
            tls: self.tls.finish()?,
            log: LogConfig {
                format: self.log.format.unwrap_or(LogFormat::Human),
                level: self.log.level.unwrap_or_else(|| "info".to_owned()),
            },
            telemetry: self.telemetry.finish()?,
            egress_domains: self.egress.finish()?,
            tables: self.tables.finish()?,
            limits: self.limits.finish()?,
            pages: Pages {
                size_default: small("pages.size_default", self.pages.size_default.unwrap_or(50))?,
                size_max: small("pages.size_max", self.pages.size_max.unwrap_or(500))?,
            },
        };
        if config.pages.size_default > config.pages.size_max {
            return Err(wrong("pages.size_default", "is larger than pages.size_max"));
        }
        Ok(config)
    }
}
