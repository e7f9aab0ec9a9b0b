//! The hundred segments, ours and DuckDB's: `cargo run --release -p attiva-segments-judge --example hundred -- PYTHON [persons] [events]`
#![expect(clippy::print_stdout, reason = "says what it measured")]

use attiva_segments_judge::hundred::data::{Data, Size};
use attiva_segments_judge::hundred::{Parameters, measure, peer};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let python = arguments.next().ok_or("a Python with duckdb and numpy is wanted")?;
    let persons: usize = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let events: usize = arguments.next().map_or(Ok(persons * 20), |text| text.parse())?;
    let size = Size { persons, accounts: persons / 10, opportunities: persons * 3 / 10, events };
    let parameters = Parameters { size, segments: 100, rounds: 5, threads: 2, seed: 1 };
    let data = Data::generate(size, parameters.seed);
    let ours = measure(&data, &parameters)?;
    println!("{ours:?}");
    let folder = tempfile::tempdir()?;
    let theirs = peer(&data, &parameters, folder.path(), Path::new(&python))?;
    println!("{theirs:?}");
    println!("equal: {} {}", ours.members == theirs.members, ours.members == theirs.members_shared);
    Ok(())
}
