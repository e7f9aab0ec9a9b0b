//! Benchmarks by name. Each prints medians, spread, sizes and the machine; with `--json` the last line is one object
//! with a number for each figure. Never a test: machines are shared and noisy, so compare ratios and medians.

mod activation;
mod batch;
mod boundary;
mod cost_lines;
mod difference;
mod export;
mod figures;
mod files;
mod host;
mod http_load;
mod idle;
mod ingest;
mod install;
mod machine;
mod marketo;
mod marketo_latency;
mod neighbour;
mod overload;
mod pace;
mod sandbox;
mod sandbox_tax;
mod segments;
mod startup;
mod streaming;
mod upgrade;
mod vendor;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use figures::Figures;
use std::process::ExitCode;

#[derive(Parser)]
struct Arguments {
    name: Name,
    /// Print one JSON object as the last line.
    #[arg(long)]
    json: bool,
    /// Records, where the benchmark has a size.
    #[arg(long, default_value_t = 100_000)]
    records: u64,
    /// Repeats of what can be repeated cheaply.
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// For `activation`: by this alone.
    #[arg(long)]
    channel: Option<activation::Channel>,
    /// For `marketo-limits`: this limit alone.
    #[arg(long)]
    limit: Option<marketo::Binding>,
    /// Of a benchmark that measures a process of its own: where that finds what it needs.
    #[arg(long, hide = true)]
    place: Option<std::path::PathBuf>,
    #[command(flatten)]
    segments: segments::Options,
    #[command(flatten)]
    lines: cost_lines::Lines,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// The crossing between host and guest.
    Boundary,
    /// The sandbox against the same code native.
    SandboxTax,
    /// Vendor page to committed profile and membership.
    Ingest,
    /// Resident memory, idle and while ingesting.
    Memory,
    /// Component bytes to ready.
    Install,
    /// A plugin that behaves, beside ones that do not.
    Neighbour,
    /// What installed plugins take that are not at work.
    IdlePlugins,
    /// Another version of a plugin is put into use while a run reads.
    Upgrade,
    /// Profile look-ups over HTTP.
    Lookup,
    /// Look-ups and events over HTTP, at a rate, from a second process.
    HttpLoad,
    /// More requests at once than the host works on.
    Overload,
    /// Segment evaluation.
    Segments,
    /// What evaluating takes by persons, by events and by segments.
    CostLines,
    /// A preview, over a real store.
    Preview,
    /// Columns brought up to date from the store after one in a hundred has changed.
    Refresh,
    /// Event accepted to membership committed, at 1,000 events a second.
    Streaming,
    /// Audience to destination.
    Delivery,
    /// A file of very many rows, by format: rows a second and memory.
    Files,
    /// What is wanted against what was acknowledged, by the store alone.
    Difference,
    /// A first activation to a list: calls and time.
    Activation,
    /// From who joins an audience to the list's having taken them.
    ActivationLatency,
    /// What of a limit of Marketo's becomes profiles, by the limit that binds.
    MarketoLimits,
    /// From a change in Marketo to the profile, by dataset.
    MarketoLatency,
    /// Open tables.
    Export,
    /// `serve` on data that is there.
    Startup,
}

fn main() -> ExitCode {
    // A host compiles in a process of its own, which is this program again: what it takes is not the host's.
    if let Some(ended) = attiva_server::compiler::serve_if_asked() {
        return ended;
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Figures::default();
    match arguments.name {
        Name::Boundary => boundary::measure(&mut figures, arguments.rounds)?,
        Name::Install => install::measure(&mut figures, arguments.rounds)?,
        Name::IdlePlugins => match arguments.place {
            Some(place) => return idle::admit_and_tell(&place),
            None => idle::measure(&mut figures, arguments.rounds)?,
        },
        Name::Neighbour => neighbour::measure(&mut figures, arguments.rounds)?,
        Name::Upgrade => upgrade::measure(&mut figures, arguments.records, arguments.rounds)?,
        Name::Ingest => ingest::measure(&mut figures, arguments.records)?,
        Name::Memory => ingest::measure_memory(&mut figures, arguments.records)?,
        Name::Delivery => ingest::measure_delivery(&mut figures, arguments.records)?,
        Name::Files => files::measure(&mut figures, arguments.records)?,
        Name::Difference => difference::measure(&mut figures, arguments.records, arguments.rounds)?,
        Name::Activation => activation::measure(&mut figures, arguments.records, arguments.channel)?,
        Name::ActivationLatency => activation::measure_latency(&mut figures, arguments.rounds)?,
        Name::MarketoLimits => marketo::measure_limits(&mut figures, arguments.records, arguments.limit)?,
        Name::MarketoLatency => marketo_latency::measure(&mut figures, arguments.rounds)?,
        Name::Lookup => ingest::measure_lookup(&mut figures, arguments.records, arguments.rounds)?,
        Name::HttpLoad => match arguments.place {
            Some(orders) => return http_load::make_and_tell(&orders),
            None => http_load::measure(&mut figures, arguments.records)?,
        },
        Name::Overload => match arguments.place {
            Some(orders) => return overload::make_and_tell(&orders),
            None => overload::measure(&mut figures, arguments.records)?,
        },
        Name::Startup => startup::measure(&mut figures, arguments.records, arguments.rounds)?,
        Name::SandboxTax => sandbox_tax::measure(&mut figures, arguments.records.min(20_000), arguments.rounds)?,
        Name::Segments => segments::measure(&mut figures, &arguments.segments, arguments.rounds)?,
        Name::CostLines => cost_lines::measure(&mut figures, &arguments.lines, &arguments.segments, arguments.rounds)?,
        Name::Preview => batch::measure_preview(&mut figures, &arguments.segments, arguments.rounds)?,
        Name::Refresh => batch::measure_refresh(&mut figures, &arguments.segments, arguments.rounds)?,
        Name::Streaming => streaming::measure(&mut figures, &arguments.segments)?,
        Name::Export => export::measure(&mut figures, &arguments.segments, arguments.rounds)?,
    }
    figures.print(arguments.json);
    Ok(())
}
