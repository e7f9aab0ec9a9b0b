//! `attiva connector`: a partner's loop. Nothing here needs a host, save where `dev` reloads into one.

mod archive;
mod build;
mod dev;
mod new;
mod package;
mod prove;

use super::{Failure, Global};
use crate::cli::output::Output;
use crate::cli::plugin::Signer;
use crate::exit::Exit;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Connector {
    /// Write a project that builds, passes its checks and installs at once.
    New {
        /// Its name, and its directory: `source-acme`.
        name: String,
        /// The language it is written in.
        #[arg(long, value_enum, default_value_t = Language::Rust)]
        lang: Language,
        /// Where the directory is made.
        #[arg(long, value_name = "DIR", default_value = ".")]
        within: PathBuf,
    },
    /// Build a project to a component: `target/<name>.wasm`.
    Build {
        /// The project.
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Prove a project, or a component, by 53 checks in the sandbox of production.
    Test(prove::Test),
    /// Build a project, and make a package of it.
    Package {
        /// The project.
        #[arg(default_value = ".")]
        path: PathBuf,
        #[command(flatten)]
        signer: Signer,
        /// Where the package goes; else `target/<name>-<version>.plugin`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Build and prove a project again whenever a file of it is saved.
    Dev(dev::Dev),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Rust,
    /// Needs npm to build.
    Javascript,
    /// Needs pip to build.
    Python,
}

pub(super) fn run(connector: Connector, global: &Global, output: Output) -> Result<Exit, Failure> {
    match connector {
        Connector::New { name, lang, within } => new::project(&name, lang, &within, output),
        Connector::Build { path } => {
            let built = build::build(&path, None)?;
            build::shown(&built, output);
            Ok(Exit::Done)
        }
        Connector::Test(test) => prove::run(&test, output),
        Connector::Package { path, signer, out } => package::run(&path, &signer, out, output),
        Connector::Dev(dev) => dev::run(&dev, global, output),
    }
}
