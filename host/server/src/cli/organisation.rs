//! `attiva organisation`.

use super::client::encoded;
use super::input::PageArgs;
use super::output::{Column, Output};
use super::sandbox::{self, CONTENTS};
use super::{Client, Failure};
use clap::Subcommand;
use serde_json::{Value, json};
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Organisation {
    /// List them.
    List(PageArgs),
    /// Make one; `attiva key create --organisation` then makes its first key.
    Create { name: String },
    /// Remove one for good, with its keys, its sandboxes and all that is in them.
    Remove {
        id: String,
        /// Only tell what would go.
        #[arg(long)]
        dry_run: bool,
    },
}

const COLUMNS: [Column; 4] =
    [("id", "/id"), ("name", "/name"), ("created", "/created_at"), ("removing since", "/removing_since")];

pub(crate) fn run(command: Organisation, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Organisation::List(page) => output.list(&client.get(&page.path("/v1/organisations", &[]))?, &COLUMNS),
        Organisation::Create { name } => {
            output.one(&client.post("/v1/organisations", &json!({ "name": name }))?, &COLUMNS);
        }
        Organisation::Remove { id, dry_run } => {
            let path = format!("/v1/organisations/{}", encoded(&id));
            if dry_run {
                let contents = client.send(Method::DELETE, &sandbox::dry(&path), None)?.json()?;
                output.one(&contents, &[("organisation", "/organisation"), ("keys", "/keys")]);
                if !output.is_json() {
                    let sandboxes = contents.get("sandboxes").cloned().unwrap_or(Value::Array(Vec::new()));
                    output.list(&json!({ "items": sandboxes }), &CONTENTS);
                }
            } else {
                client.send(Method::DELETE, &path, None)?;
                output.note(&format!("{id} is removed."));
            }
        }
    }
    Ok(())
}
