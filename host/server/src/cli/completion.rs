//! `attiva completion`: what a shell needs to complete commands, flags and their values.

use super::output::Output;
use super::{Cli, Failure};
use anyhow::Context;
use clap::{CommandFactory, ValueEnum};
use clap_complete::shells;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(shell: Shell, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    let (mut cli, name) = (Cli::command(), "attiva");
    match shell {
        Shell::Bash => clap_complete::generate(shells::Bash, &mut cli, name, &mut script),
        Shell::Zsh => clap_complete::generate(shells::Zsh, &mut cli, name, &mut script),
        Shell::Fish => clap_complete::generate(shells::Fish, &mut cli, name, &mut script),
    }
    output.line(String::from_utf8(script).context("the script is no text")?.trim_end());
    Ok(())
}
