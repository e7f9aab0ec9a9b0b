//! Benchmarks by name. Each prints medians, spread, sizes and the machine; with `--json` the last line is one object
//! with a number for each figure. Never a test: machines are shared and noisy, so compare ratios and medians.

mod boundary;
mod figures;
mod guest;
mod host;
mod ingest;
mod install;
mod sandbox_tax;
mod segments;
mod startup;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use figures::Figures;

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
    #[command(flatten)]
    segments: segments::Options,
}

/// What can be measured. Names that other parts of the product will fill are listed, and refuse.
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
    /// Profile look-ups over HTTP.
    Lookup,
    /// Segment evaluation.
    Segments,
    /// Event to membership.
    Streaming,
    /// Audience to destination.
    Delivery,
    /// Open tables.
    Export,
    /// `serve` on data that is there.
    Startup,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Figures::default();
    match arguments.name {
        Name::Boundary => boundary::measure(&mut figures, arguments.rounds)?,
        Name::Install => install::measure(&mut figures, arguments.rounds)?,
        Name::Ingest => ingest::measure(&mut figures, arguments.records)?,
        Name::Memory => ingest::measure_memory(&mut figures, arguments.records)?,
        Name::Delivery => ingest::measure_delivery(&mut figures, arguments.records)?,
        Name::Lookup => ingest::measure_lookup(&mut figures, arguments.records, arguments.rounds)?,
        Name::Startup => startup::measure(&mut figures, arguments.records, arguments.rounds)?,
        Name::SandboxTax => sandbox_tax::measure(&mut figures, arguments.records.min(20_000), arguments.rounds)?,
        Name::Segments => segments::measure(&mut figures, &arguments.segments, arguments.rounds)?,
        Name::Streaming | Name::Export => {
            bail!("not built yet: what it would measure is not there")
        }
    }
    figures.print(arguments.json);
    Ok(())
}
