//! `simulate-deliveries`: seeds until a time is over, or one that failed again.

use attiva_simulation::{Failed, run_many};
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
    let is_time_left = |seconds| began.elapsed() < Duration::from_secs(seconds);
    match run_many(seed, |_| seconds.is_some_and(is_time_left)) {
        Ok((seeds, total)) => {
            println!("{seeds} seeds from {seed} on hold: {total:?}");
            ExitCode::SUCCESS
        }
        Err(Failed { seed, problem }) => {
            println!("seed {seed} fails: {problem}\nagain with: simulate-deliveries --seed {seed}");
            ExitCode::FAILURE
        }
    }
}
