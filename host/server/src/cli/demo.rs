//! `attiva demo`.

use super::Failure;
use super::output::Output;
use crate::config::{LogConfig, LogFormat};
use crate::demo::{Journey, Outcome, Stage, StageOptions};
use crate::exit::Exit;
use crate::telemetry;
use anyhow::Context;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// How many leads the simulated Marketo has.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    leads: u64,
    /// The same seed makes the same leads.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stay up when done, to look around; the data directory is kept.
    #[arg(long)]
    keep: bool,
    /// What the host logs: `error`, `warn`, `info`, `debug`, `trace`, or a filter.
    #[arg(long, default_value = "warn")]
    log_level: String,
}

pub(crate) fn run(demo: &Demo, output: &Output) -> Result<Exit, Failure> {
    let log = LogConfig { format: LogFormat::Human, level: without_the_vendors(&demo.log_level) };
    telemetry::start(&log, None).map_err(|e| Failure::Usage(e.to_string()))?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let ended = runtime.block_on(perform(demo, *output));
    // A request that is still waiting for its answer does not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

/// A vendor's log is not the host's, although the demo has both in one process: the S3 endpoint calls it an error to be
/// asked for what it does not implement, which its client is told and knows how to do without. Whoever names it hears it.
fn without_the_vendors(level: &str) -> String {
    if level.contains("s3s") { level.to_owned() } else { format!("{level},s3s=off,s3s_fs=off") }
}

async fn perform(demo: &Demo, output: Output) -> Result<Exit, Failure> {
    let mut stopped = Stopped::watch()?;
    output.note(&format!("Setting the stage: a Marketo with {} leads, an S3 endpoint, a host.", demo.leads));
    let options = StageOptions { leads: demo.leads, seed: demo.seed };
    let stage = tokio::select! {
        stage = Stage::set(&options) => stage?,
        () = stopped.wait() => return Ok(Exit::Fault),
    };
    let journey = Journey::new(&stage, output)?;
    let mut travelling = tokio::task::spawn_blocking(move || journey.travel());
    let outcome = tokio::select! {
        outcome = &mut travelling => outcome.context("the demo panicked")?,
        () = stopped.wait() => {
            output.note("Stopped.");
            stage.strike(false).await;
            return Ok(Exit::Fault);
        }
    };
    let exit = match &outcome {
        Ok(outcome) if outcome.agrees() => Exit::Done,
        Ok(_) | Err(_) => Exit::Fault,
    };
    if let Ok(outcome) = &outcome {
        summarize(outcome, output);
    }
    if demo.keep && outcome.is_ok() {
        invite(&stage, output);
        stopped.wait().await;
    }
    if let Some(directory) = stage.strike(demo.keep).await {
        output.note(&format!("Kept: {}", directory.display()));
    }
    outcome.map(|_| exit)
}

/// Ctrl-C, or SIGTERM.
struct Stopped {
    interrupt: Signal,
    terminate: Signal,
}

impl Stopped {
    fn watch() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("signals")?,
            terminate: signal(SignalKind::terminate()).context("signals")?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn summarize(outcome: &Outcome, output: Output) {
    if output.is_json() {
        return output.json(&outcome.to_json());
    }
    let compared = &outcome.comparison;
    output.line("");
    output.line(&format!("  {:>9} leads left Marketo", outcome.leads_sent));
    output.line(&format!("  {:>9} profiles were unified from them", outcome.profiles));
    output.line(&format!("  {:>9} of them belong to the segment", outcome.members));
    output.line(&format!("  {:>9} rows are in {} ({} bytes)", compared.rows, outcome.object, outcome.object_bytes));
    output.line(&format!("  {:>9} members were left out: they have no e-mail address", outcome.excluded));
    output.line(&format!("  {:>9} fields were compared, {} differ", compared.fields_compared, compared.count));
    output.line(&format!("  {:>9.1} seconds", outcome.took.as_secs_f64()));
    for difference in &compared.differences {
        output.line(&format!("            {difference}"));
    }
}

fn invite(stage: &Stage, output: Output) {
    let (url, key) = (stage.host.url(), &stage.key);
    output
        .note(&format!("\nStaying up until Ctrl-C.\n\n  address  {url}\n  key      {key}\n\nThree requests to try:\n"));
    let requests = [
        ("-s", "/v1/sandboxes/default/profiles?limit=2"),
        ("-s", "/v1/sandboxes/default/segments"),
        ("-s", "/v1/sandboxes/default/deliveries"),
    ];
    for (flags, path) in requests {
        output.note(&format!("  curl {flags} -H 'Authorization: Bearer {key}' '{url}{path}'"));
    }
    output.note("");
}
