//! `attiva connector package`.

use super::build;
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::cli::plugin::{Signer, package};
use crate::exit::Exit;
use std::path::{Path, PathBuf};

pub(super) fn run(project: &Path, signer: &Signer, out: Option<PathBuf>, output: Output) -> Result<Exit, Failure> {
    let built = build::build(project, None)?;
    package(&built.file, None, signer, out, output)
}
