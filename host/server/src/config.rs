//! The host's configuration: typed, read once, unknown keys refused. A flag beats the environment, the environment
//! beats the file, and what nobody says has a default.

mod egress;
mod layer;
mod limits;
mod tables;
mod telemetry;

pub use layer::{ConfigError, Flags, KEYS, Key};
pub use telemetry::{Export, Headers, Telemetry};

use attiva_core::retention::Kept;
use attiva_core::tables::TableTimes;
use attiva_core::throttle::Throttle;
use layer::Layer;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `serve` runs with.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub data_dir: PathBuf,
    /// Loopback unless somebody says otherwise.
    pub listen: SocketAddr,
    /// Where browsers reach the host: behind a proxy, the proxy's address. `None`: where it listens.
    pub public_url: Option<String>,
    /// What it serves HTTPS with; `None`: plain HTTP, for this machine alone or behind a proxy.
    pub tls: Option<Tls>,
    /// Keys that secrets are sealed with; `None`: the host keeps one of its own.
    pub seal_key_file: Option<PathBuf>,
    pub log: LogConfig,
    /// Where traces and logs are sent; `None`: nowhere.
    pub telemetry: Option<Telemetry>,
    /// The only domains that plugins reach; `None`: those that each declares, as approved.
    pub egress_domains: Option<Vec<String>>,
    /// When open tables are taken; `None`: none are kept.
    pub tables: Option<TableTimes>,
    pub limits: Limits,
    pub pages: Pages,
}

/// Files in PEM form; read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The host's certificate, then those that lead from it to its authority.
    pub certificate_file: PathBuf,
    /// The certificate's private key, without a pass phrase.
    pub key_file: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    /// A level, or a filter such as `info,attiva_sync=debug`.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One readable line for each event.
    Human,
    /// One JSON object for each event.
    Json,
}

/// What one client may ask of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body, plugins aside.
    pub body_bytes: u64,
    /// Bytes of a plugin's component.
    pub plugin_bytes: u64,
    /// Longest time a request may take before the client is told to look again later.
    pub request: Duration,
    /// Requests worked on at the same time; as many more may wait.
    pub requests_at_once: u32,
    /// Clients that are connected at the same time; whoever comes then waits in the system's queue.
    pub clients_at_once: u32,
    /// Longest time that one waits for its turn; then it is answered 503.
    pub queue: Duration,
    /// How often one key may ask; `None`: as often as it likes.
    pub throttle: Option<Throttle>,
    /// Longest time runs and deliveries get to reach a page or batch boundary when the host stops.
    pub drain: Duration,
    /// Nothing more is read from vendors while less than this is left on the data directory's disk. 0: no such mark.
    pub disk_free_bytes: u64,
    /// Memory of all plugins at work together.
    pub plugin_memory_bytes: u64,
    /// Connections to vendors that are open at the same time, of all plugins.
    pub connections: u32,
    /// Of those, as many as one plugin has open for one organisation.
    pub plugin_connections: u32,
    /// Instances of plugins that are kept in a pool. 0: each call makes its own.
    pub plugin_pool: u32,
    /// Memory of all plugins at work for one organisation.
    pub organisation_memory_bytes: u64,
    /// The last exchanges with its vendor that are kept of each connection. 0: none.
    pub exchanges_kept: u32,
    /// How long what has ended is kept.
    pub kept: Kept,
}

/// Listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    pub size_default: u32,
    pub size_max: u32,
}

impl Config {
    /// Joins the layers. `environment` is every variable of the process; `file` is a file's path and text.
    pub fn resolve(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
        file: Option<(&Path, &str)>,
    ) -> Result<Self, ConfigError> {
        let flags = Layer::from_flags(flags)?;
        let environment = Layer::from_environment(environment)?;
        let file = file.map(|(path, text)| Layer::from_file(path, text)).transpose()?.unwrap_or_default();
        flags.or(environment).or(file).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(set: &[&str], environment: &[(&str, &str)], file: &str) -> Result<Config, String> {
        let flags = Flags { set: set.iter().map(|s| (*s).to_owned()).collect(), ..Flags::default() };
        let environment = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Config::resolve(&flags, environment, Some((Path::new("attiva.toml"), file))).map_err(|e| e.to_string())
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file() {
        let file = "listen = \"127.0.0.1:1\"\n[limits]\nbody_bytes = 10000\nrequests_at_once = 5";
        let environment = [("ATTIVA_LISTEN", "127.0.0.1:2"), ("ATTIVA_LIMITS_BODY_BYTES", "20000")];
        let config = resolve(&["listen=127.0.0.1:3"], &environment, file).unwrap();
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.limits.body_bytes, 20_000);
        assert_eq!(config.limits.requests_at_once, 5);
        assert_eq!(resolve(&[], &environment, file).unwrap().listen.port(), 2);
        assert_eq!(resolve(&[], &[], file).unwrap().listen.port(), 1);
        assert_eq!(resolve(&[], &[], "").unwrap().listen.port(), 8480);
    }

    #[test]
    fn a_flag_of_its_own_and_set_are_the_same_key() {
        let flags = Flags { listen: Some("127.0.0.1:9".into()), ..Flags::default() };
        assert_eq!(Config::resolve(&flags, [], None).unwrap().listen.port(), 9);
        let twice = Flags { set: vec!["listen=127.0.0.1:8".into()], ..flags };
        assert!(Config::resolve(&twice, [], None).unwrap_err().to_string().contains("listen"));
    }

    #[test]
    fn every_key_can_be_said_in_every_layer() {
        for key in KEYS {
            let (text, quoted) = match key.name {
                "data_dir" => ("/x", "\"/x\""),
                "listen" => ("127.0.0.1:7", "\"127.0.0.1:7\""),
                "public_url" => ("https://x.example", "\"https://x.example\""),
                "seal_key_file" | "tls.certificate_file" | "tls.key_file" | "telemetry.otlp_ca_file" => {
                    ("/x", "\"/x\"")
                }
                "egress.domains" => ("x.example", "\"x.example\""),
                "log.format" => ("json", "\"json\""),
                "log.level" => ("warn", "\"warn\""),
                "telemetry.otlp_endpoint" => ("http://x:1", "\"http://x:1\""),
                "telemetry.otlp_headers" => ("a=b", "\"a=b\""),
                "telemetry.service_name" => ("x", "\"x\""),
                "telemetry.sample_ratio" => ("0.5", "0.5"),
                "telemetry.export" => ("logs", "\"logs\""),
                _ => ("77", "77"),
            };
            // One of the two alone is refused.
            let beside = match key.name {
                "tls.certificate_file" => Some("tls.key_file=/y"),
                "tls.key_file" => Some("tls.certificate_file=/y"),
                "telemetry.otlp_endpoint" => None,
                "telemetry.otlp_ca_file" => Some("telemetry.otlp_endpoint=https://y"),
                name if name.starts_with("telemetry.") => Some("telemetry.otlp_endpoint=http://y"),
                _ => None,
            };
            let resolve = |set: &[&str], environment: &[(&str, &str)], file: &str| {
                let set: Vec<&str> = set.iter().copied().chain(beside).collect();
                resolve(&set, environment, file).unwrap()
            };
            let beside_alone = Flags { set: beside.iter().map(|s| (*s).to_owned()).collect(), ..Flags::default() };
            // The two files of TLS are refused apart, so that there is nothing to compare with but the default.
            let default = Config::resolve(&beside_alone, [], None)
                .unwrap_or_else(|_| Config::resolve(&Flags::default(), [], None).unwrap());
            let by_flag = resolve(&[&format!("{}={text}", key.name)], &[], "");
            let by_environment = resolve(&[], &[(&key.environment(), text)], "");
            let by_file = resolve(&[], &[], &format!("{} = {quoted}", key.name));
            assert_ne!(by_flag, default, "{}", key.name);
            assert_eq!(by_flag, by_environment, "{}", key.name);
            assert_eq!(by_flag, by_file, "{}", key.name);
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let cases: [(&[&str], &[(&str, &str)], &str, &[&str]); 9] = [
            (&[], &[], "listn = \"x\"", &["attiva.toml", "listn"]),
            (&[], &[], "[limits]\nbody_byte = 1", &["attiva.toml", "body_byte"]),
            (&[], &[], "listen = ", &["attiva.toml"]),
            (&[], &[("ATTIVA_LISTN", "x")], "", &["ATTIVA_LISTN"]),
            (&[], &[("ATTIVA_LISTEN", "localhost")], "", &["ATTIVA_LISTEN", "127.0.0.1:8480"]),
            (&[], &[("ATTIVA_LIMITS_BODY_BYTES", "many")], "", &["ATTIVA_LIMITS_BODY_BYTES", "many"]),
            (&["limits.nothing=1"], &[], "", &["limits.nothing"]),
            (&["listen"], &[], "", &["KEY=VALUE"]),
            (&["pages.size_default=300", "pages.size_max=200"], &[], "", &["pages.size_default", "pages.size_max"]),
        ];
        for (set, environment, file, words) in cases {
            let error = resolve(set, environment, file).unwrap_err();
            for word in words {
                assert!(error.contains(word), "{error}: {word}");
            }
        }
        for bad in ["limits.key_window_seconds=0", "limits.key_window_seconds=86401", "limits.key_requests=10000001"] {
            let error = resolve(&[bad], &[], "").unwrap_err();
            assert!(error.contains(bad.split('=').next().unwrap()), "{error}");
        }
        assert_eq!(resolve(&["limits.key_requests=0"], &[], "").unwrap().limits.throttle, None);
        for name in ["limits.body_bytes", "limits.request_seconds", "limits.requests_at_once", "pages.size_max"] {
            let error = resolve(&[&format!("{name}=0")], &[], "").unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }

    /// Each key that says how long something is kept, what it says, and its default in days.
    #[test]
    fn what_is_kept_is_kept_for_days_or_for_ever() {
        type Of = fn(&Kept) -> Option<i64>;
        let keys: [(&str, Of, i64); 7] = [
            ("outcomes", |kept| kept.outcomes_ms, 90),
            ("deliveries", |kept| kept.deliveries_ms, 365),
            ("rejects", |kept| kept.rejects_ms, 90),
            ("runs", |kept| kept.runs_ms, 365),
            ("removals", |kept| kept.removals_ms, 365),
            ("memberships", |kept| kept.memberships_ms, 0),
            ("audit", |kept| kept.audit_ms, 0),
        ];
        let ms = |days: i64| Some(days * 24 * 60 * 60 * 1000).filter(|ms| *ms > 0);
        for (what, of, default) in keys {
            let name = format!("limits.{what}_kept_days");
            let kept = |set: &[&str]| resolve(set, &[], "").map(|config| of(&config.limits.kept));
            assert_eq!(kept(&[]), Ok(ms(default)), "{name}");
            assert_eq!(kept(&[&format!("{name}=3")]), Ok(ms(3)));
            assert_eq!(kept(&[&format!("{name}=0")]), Ok(None));
            assert!(kept(&[&format!("{name}=36501")]).unwrap_err().contains(&name));
        }
    }

    /// The page for operators has a row for each of them, with its default.
    #[test]
    fn what_is_kept_stands_in_the_table() {
        let page = include_str!("../../../docs/operators.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        for key in KEYS.iter().filter(|key| key.name.contains("_kept")) {
            let of_key = format!("| `{}` |", key.name);
            let row =
                rows.iter().find(|row| row.ends_with(&of_key)).unwrap_or_else(|| panic!("no row of {}", key.name));
            let (_, default) = key.help.split_once("(default: ").unwrap();
            let default = match default.trim_end_matches(')') {
                "0" => "for ever",
                days => days,
            };
            assert!(row.contains(&format!(" {default}")), "{}: {default} is not in: {row}", key.name);
        }
    }

    /// The page on configuration has a row for each key, with its default as `--help` says it, and no other.
    #[test]
    fn every_key_stands_on_the_page_with_its_default() {
        let page = include_str!("../../../docs/configuration.md");
        let rows: Vec<&str> =
            page.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `--")).collect();
        for key in KEYS {
            let of_key = format!("| `{}` | ", key.name);
            let row = rows.iter().find(|row| row.starts_with(&of_key)).unwrap_or_else(|| panic!("no {}", key.name));
            let default = key.help.rsplit_once("(default: ").map_or("none", |(_, rest)| rest.trim_end_matches(')'));
            assert!(row.ends_with(&format!(" | {default} |")), "{}: {default} is not in: {row}", key.name);
        }
        assert_eq!(rows.len(), KEYS.len(), "a row of no key");
    }

    #[test]
    fn variables_of_the_client_and_of_others_are_let_be() {
        let others = [("ATTIVA_URL", "http://x"), ("ATTIVA_KEY", "k"), ("PATH", "/bin"), ("attiva_x", "1")];
        assert_eq!(resolve(&[], &others, ""), resolve(&[], &[], ""));
    }
}
