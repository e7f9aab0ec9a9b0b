//! What evaluating takes by how much there is: by persons, by events and by segments, one at a time, the others as said.

use crate::figures::{Figures, median};
use crate::segments::Options;
use anyhow::{Result, anyhow};
use attiva_segments_judge::hundred::data::{Data, Size};
use attiva_segments_judge::hundred::{Parameters, measure as evaluate};

/// Steps of each line. Where a line is not said, it goes up to what `--persons`, `--events` and `--segments` say.
#[derive(clap::Args)]
pub struct Lines {
    /// For `cost-lines`: how many persons at each step, separated by commas.
    #[arg(long, value_delimiter = ',')]
    by_persons: Vec<usize>,
    /// For `cost-lines`: how many events at each step.
    #[arg(long, value_delimiter = ',')]
    by_events: Vec<usize>,
    /// For `cost-lines`: how many segments at each step.
    #[arg(long, value_delimiter = ',')]
    by_segments: Vec<usize>,
}

/// One point of a line.
#[derive(Clone, Copy)]
struct Point {
    persons: usize,
    events: usize,
    segments: usize,
}

pub fn measure(figures: &mut Figures, lines: &Lines, options: &Options, rounds: u32) -> Result<()> {
    let full = Point { persons: options.persons, events: options.events, segments: options.segments };
    let steps = |said: &[usize], parts: [usize; 3], full: usize| match said {
        [] => parts.map(|part| (full / part).max(1)).to_vec(),
        said => said.to_vec(),
    };
    // From 10 k to 1 M, from 1 M to 20 M and from 1 to 400, where nothing else is said.
    for persons in steps(&lines.by_persons, [100, 10, 1], full.persons) {
        let name = format!("persons_{persons}");
        tell(figures, &name, Point { persons, ..full }, options.seed, rounds)?;
    }
    for events in steps(&lines.by_events, [20, 4, 1], full.events) {
        tell(figures, &format!("events_{events}"), Point { events, ..full }, options.seed, rounds)?;
    }
    let segments = match lines.by_segments.as_slice() {
        [] => vec![1, (full.segments / 10).max(1), full.segments, full.segments * 4],
        said => said.to_vec(),
    };
    for segments in segments {
        tell(figures, &format!("segments_{segments}"), Point { segments, ..full }, options.seed, rounds)?;
    }
    Ok(())
}

fn tell(figures: &mut Figures, name: &str, point: Point, seed: u64, rounds: u32) -> Result<()> {
    let Point { persons, events, segments } = point;
    let size = Size { persons, accounts: (persons / 10).max(1), opportunities: (persons * 3 / 10).max(1), events };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let data = Data::generate(size, seed);
    let parameters = Parameters { size, segments, rounds, threads, seed };
    let found = evaluate(&data, &parameters).map_err(|error| anyhow!(error))?;
    let megabytes = (found.column_bytes + found.adjacency_bytes) as f64 / 1e6;
    println!("{name}: {persons} persons, {events} events, {segments} segments");
    figures.one(&format!("{name}_mb"), megabytes);
    figures.one(&format!("{name}_us_a_segment"), median(&found.hundred_ms) * 1e3 / segments.max(1) as f64);
    figures.many(&format!("{name}_ms"), found.hundred_ms);
    Ok(())
}
