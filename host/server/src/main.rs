//! The program `attiva`; see the library for what it does.

use attiva_server::cli::{Cli, run};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(ended) = attiva_server::compiler::serve_if_asked() {
        return ended;
    }
    // A pipe that is closed early (`attiva profile list | head`) ends the program's output, not the program with a
    // panic: the output functions take an error of standard output for an end.
    run(Cli::parse()).into()
}
