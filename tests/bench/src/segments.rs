//! A hundred segments at once, on columns that are loaded, beside DuckDB with the same data in the same run.

use crate::figures::{Figures, median};
use anyhow::{Result, anyhow};
use attiva_segments_judge::hundred::data::{Data, Size};
use attiva_segments_judge::hundred::{Parameters, measure as evaluate, peer};
use std::path::PathBuf;

/// How much there is, and who is beside it.
#[derive(clap::Args)]
pub struct Options {
    /// For `segments`, `streaming`, `preview`, `refresh` and `cost-lines`; accounts are a tenth of these, opportunities
    /// three tenths.
    #[arg(long, default_value_t = 1_000_000)]
    pub persons: usize,
    /// For what has persons.
    #[arg(long, default_value_t = 20_000_000)]
    pub events: usize,
    /// How many segments are evaluated together.
    #[arg(long, default_value_t = 100)]
    pub segments: usize,
    /// Another seed is other data.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// For `streaming`: for how long events come.
    #[arg(long, default_value_t = 15)]
    pub seconds: u32,
    /// For `segments`: a Python with `duckdb` and `numpy`; without one nothing is compared.
    #[arg(long)]
    python: Option<PathBuf>,
}

pub fn measure(figures: &mut Figures, options: &Options, rounds: u32) -> Result<()> {
    let Options { persons, events, segments, seed, .. } = *options;
    let size = Size { persons, accounts: persons / 10, opportunities: persons * 3 / 10, events };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let parameters = Parameters { size, segments, rounds, threads, seed };
    let data = Data::generate(size, seed);
    let ours = evaluate(&data, &parameters).map_err(|error| anyhow!(error))?;
    let mb = |bytes: usize| bytes as f64 / 1e6;
    figures.one("columns_mb", mb(ours.column_bytes));
    figures.one("adjacency_mb", mb(ours.adjacency_bytes));
    figures.one("adjacency_ms", ours.load_ms);
    figures.one("first_hundred_ms", ours.first_ms);
    let hundred = median(&ours.hundred_ms);
    figures.many("hundred_ms", ours.hundred_ms);
    figures.many("hundred_person_events_ms", ours.person_and_events_ms);
    figures.many("hundred_multi_entity", ours.multi_entity_ms);
    let alone = median(&ours.alone_ms);
    figures.many("one_segment_ms", ours.alone_ms);
    figures.many("refresh_1pct_ms", ours.refresh_ms);
    let Some(python) = &options.python else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let theirs = peer(&data, &parameters, folder.path(), python).map_err(|error| anyhow!(error))?;
    println!("DuckDB {}", theirs.version);
    let equal = ours.members == theirs.members && ours.members == theirs.members_shared;
    figures.one("answers_equal", f64::from(u8::from(equal)));
    let best = |layouts: [&[f64]; 2]| layouts.into_iter().map(median).fold(f64::INFINITY, f64::min);
    let one_by_one = best([&theirs.one_by_one_ms, &theirs.one_by_one_clustered_ms]);
    let shared = best([&theirs.shared_ms, &theirs.shared_clustered_ms]);
    figures.one("one_by_one_to_hundred", one_by_one / hundred);
    figures.one("shared_to_hundred", shared / hundred);
    figures.one("one_segment_ratio_to_duckdb", alone / median(&theirs.alone_ms));
    figures.many("duckdb_one_by_one_ms", theirs.one_by_one_ms);
    figures.many("duckdb_one_by_one_clustered_ms", theirs.one_by_one_clustered_ms);
    figures.many("duckdb_shared_ms", theirs.shared_ms);
    figures.many("duckdb_shared_clustered_ms", theirs.shared_clustered_ms);
    figures.many("duckdb_one_segment_ms", theirs.alone_ms);
    Ok(())
}
