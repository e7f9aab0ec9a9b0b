//! Counts the instructions of the hot paths under callgrind, and holds them against those that are committed.

mod callgrind;
mod committed;
mod crossing;
mod deciding;
mod paths;

use anyhow::Result;
use clap::{Parser, Subcommand};
use paths::Path;
use std::path::PathBuf;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Counts every path and compares; fails where one takes more than it may.
    Check {
        #[arg(long, default_value = "tests/instructions/counts.json")]
        counts: PathBuf,
        /// Write what is found in the place of what was committed.
        #[arg(long)]
        write: bool,
    },
    /// What callgrind looks at, and perf and strace may: walks a path so many times.
    Walk {
        path: Path,
        times: u64,
        /// The tests' guest, and where its compiled code is kept; laid down if the directory is empty.
        #[arg(long)]
        place: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().what {
        What::Check { counts, write } => committed::check(&counts, write),
        What::Walk { path, times, place } => {
            if !place.join("guest.wasm").exists() {
                crossing::prepare(&place)?;
            }
            path.walk(times, &place)
        }
    }
}
