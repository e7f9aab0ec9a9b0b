//! `attiva usage`.

use super::input::json_file;
use super::output::{Column, Output};
use super::{Client, Failure};
use clap::Subcommand;
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Usage {
    /// Show what fields are not for, and what destinations are for.
    Show,
    /// Publish a policy: JSON, made of the one that is shown; `-` for standard input.
    Publish { file: PathBuf },
    /// List activations whose deliveries it refuses, and by which way.
    Violations,
}

const COLUMNS: [Column; 4] =
    [("activation", "/activation"), ("field", "/field"), ("not for", "/not_for"), ("by", "/path")];

pub(crate) fn run(command: Usage, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Usage::Show => output.json(&client.get(&client.scoped("usage-policy"))?),
        Usage::Publish { file } => {
            let path = client.scoped("usage-policy");
            output.json(&client.send_json(Method::PUT, &path, &json_file(&file)?)?.json()?);
            let stopped = client.get(&client.scoped("usage-policy/violations"))?;
            for item in stopped["items"].as_array().into_iter().flatten() {
                let text = |key: &str| item[key].as_str().unwrap_or_default();
                output.note(&format!("warning: {} is stopped: {}", text("activation"), text("path")));
            }
        }
        Usage::Violations => output.list(&client.get(&client.scoped("usage-policy/violations"))?, &COLUMNS),
    }
    Ok(())
}
