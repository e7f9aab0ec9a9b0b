//! `attiva serve`: the host.

use super::Failure;
use crate::config::{Config, Flags};
use crate::exit::Exit;
use crate::host::Host;
use crate::telemetry;
use anyhow::Context;
use std::io::Write;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct Serve {
    /// Configuration file (TOML).
    #[arg(long, env = "ATTIVA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

fn after_help() -> String {
    use crate::config::KEYS;
    let width = KEYS.iter().map(|k| k.name.len()).max().unwrap_or_default();
    let key = |k: &crate::config::Key| format!("  {:width$}  {}", k.name, k.help);
    let keys = KEYS.iter().map(key).collect::<Vec<_>>().join("\n");
    format!(
        "Configuration keys, in the file, as --set KEY=VALUE, or in the environment (limits.body_bytes is \
         ATTIVA_LIMITS_BODY_BYTES); a flag beats the environment, the environment beats the file:\n{keys}"
    )
}

impl Serve {
    fn config(&self) -> Result<Config, Failure> {
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path);
            text.map_err(|e| Failure::Usage(format!("configuration file {}: {e}", path.display())))
        };
        let text = self.config.as_ref().map(read).transpose()?;
        let file = self.config.as_deref().zip(text.as_deref());
        Config::resolve(&self.flags, std::env::vars(), file).map_err(|e| Failure::Usage(e.to_string()))
    }
}

pub(crate) fn run(serve: &Serve) -> Result<Exit, Failure> {
    let config = serve.config()?;
    telemetry::start(&config.log, config.telemetry.as_ref()).map_err(|e| Failure::Usage(e.to_string()))?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let ended = runtime.block_on(serve_until_told(&config));
    telemetry::stop(LAST_WORDS);
    ended
}

/// Longest time to send what is left of traces and logs.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(3);

async fn serve_until_told(config: &Config) -> Result<Exit, Failure> {
    // Before anything is begun: a signal that comes during the start is not lost.
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    let (host, first_key) = Host::start(config).await.map_err(anyhow::Error::from)?;
    if let Some(key) = first_key {
        show_first_key(&key.text);
    }
    tracing::info!("ready");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let drain_seconds = config.limits.drain.as_secs();
    tracing::info!(drain_seconds, "stopping; a second signal stops at once");
    tokio::select! {
        () = host.stop() => Ok(Exit::Done),
        _ = terminate.recv() => Ok(Exit::Fault),
        _ = interrupt.recv() => Ok(Exit::Fault),
    }
}

/// Not through the log, which is kept and shipped elsewhere.
fn show_first_key(key: &str) {
    let _ = writeln!(
        std::io::stderr(),
        "\nThe first API key, shown this once:\n\n    {key}\n\nTo use it: export ATTIVA_KEY={key}\n"
    );
}
