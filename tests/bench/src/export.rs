//! Open tables of a real store: the first cut, which writes everything, and one after one in a hundred has changed.

use crate::figures::Figures;
use crate::sandbox::Filled;
use crate::segments::Options;
use anyhow::{Context, Result};
use attiva_core::tables::TableTimes;
use attiva_tables::Folder;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::sync::Arc;
use std::time::Instant;

pub fn measure(figures: &mut Figures, options: &Options, rounds: u32) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run(figures, options, rounds))
}

async fn run(figures: &mut Figures, options: &Options, rounds: u32) -> Result<()> {
    let filled = Filled::new(options).await?;
    let place = tempfile::tempdir()?;
    let folder = Folder::open(Dir::open_ambient_dir(place.path(), ambient_authority())?)?;
    // None by itself while it is measured.
    let times = TableTimes { every_ms: TableTimes::EVERY_MS_MAX, kept_ms: 0 };
    filled.engine.keep_tables(Arc::new(folder), times)?;
    let began = Instant::now();
    let first = filled.engine.take_tables().await?;
    figures.one("first_s", began.elapsed().as_secs_f64());
    figures.one("first_files", first.files_written as f64);
    let newest = filled.engine.tables()?.newest.context("a cut")?;
    let bytes: u64 = newest.tables.iter().flat_map(|table| &table.files).map(|file| file.bytes).sum();
    figures.one("tables_mb", bytes as f64 / 1e6);
    let (mut events, mut seconds, mut files) = (options.events as u64, vec![], vec![]);
    for _ in 0..rounds {
        filled.change_one_percent(events).await?;
        events += events / 100;
        let began = Instant::now();
        let taken = filled.engine.take_tables().await?;
        seconds.push(began.elapsed().as_secs_f64());
        files.push(taken.files_written as f64);
    }
    figures.many("after_1pct_s", seconds);
    figures.many("after_1pct_files", files);
    filled.stop().await;
    Ok(())
}
