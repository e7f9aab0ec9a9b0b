//! `simulate-deliveries`: seeds until a time is over, or one that failed again.

use attiva_simulation::Report;
use clap::Parser;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Goes on with the next seeds for so long; without it, one seed.
    #[arg(long)]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    let Arguments { seed, seconds } = Arguments::parse();
    let began = Instant::now();
    let mut total = Report::default();
    let mut seeds = 0;
    for seed in seed.. {
        match attiva_simulation::run(seed) {
            Ok(report) => {
                seeds += 1;
                total.deliveries += report.deliveries;
                total.kills += report.kills;
                total.resent += report.resent;
                total.calls += report.calls;
            }
            Err(problem) => {
                println!("seed {seed} fails: {problem}\nagain with: simulate-deliveries --seed {seed}");
                return ExitCode::FAILURE;
            }
        }
        if seconds.is_none_or(|seconds| began.elapsed() >= Duration::from_secs(seconds)) {
            break;
        }
    }
    println!("{seeds} seeds from {seed} on hold: {total:?}");
    ExitCode::SUCCESS
}
