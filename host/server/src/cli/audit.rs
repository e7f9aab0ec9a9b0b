//! `attiva audit`.

use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    page: PageArgs,
}

const COLUMNS: [Column; 5] =
    [("at", "/at"), ("actor", "/actor"), ("action", "/action"), ("subject", "/subject"), ("detail", "/detail")];

pub(crate) fn run(audit: &Audit, client: &Client, output: Output) -> Result<(), Failure> {
    output.list(&client.get(&audit.page.path("/v1/audit", &[]))?, &COLUMNS);
    Ok(())
}
