//! `attiva secrets`.

use super::output::Output;
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// Put a new key in the place of the one that connections' secrets are sealed with. For operators.
    Rotate,
}

pub(crate) fn run(command: &Secrets, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Secrets::Rotate => {
            let rotated = client.post("/v1/secrets/rotation", &json!({}))?;
            output.one(&rotated, &[("sealed again", "/sealed_again")]);
        }
    }
    Ok(())
}
