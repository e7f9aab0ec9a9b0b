//! `attiva`, with the points compiled in at which a test may kill it.

use attiva_server::cli::{Cli, run};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(Cli::parse()).into()
}
