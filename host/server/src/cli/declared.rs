//! `attiva export`, `plan`, `apply`, `drift`, `schema`: configuration as files. What files may say is what the API takes;
//! what has to be done about it, `attiva_core::declared` decides.

mod apply;
mod document;
mod effect;
mod export;
mod followed;
mod running;
mod schema;
mod secret;
mod show;
mod wanted;

use super::{Client, Failure, Output};
use crate::exit::Exit;
use apply::{Apply, Outcome};
use attiva_core::declared::{Comparison, Kind, Thing, compare};
use clap::Args;
use document::Document;
pub(crate) use export::{Export, run as export};
use running::Running;
use std::path::PathBuf;

/// Files of configuration.
#[derive(Debug, Args)]
struct Files {
    /// YAML files, and folders with all that they have.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    files: Files,
    /// With what `apply --delete` would remove.
    #[arg(long)]
    delete: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    files: Files,
    /// Remove connections, mappings, segments and activations that no file has.
    #[arg(long)]
    delete: bool,
    /// Enter the secrets of connections that there are already, too: nobody can tell whether they are others.
    #[arg(long)]
    secrets: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Drift {
    #[command(flatten)]
    files: Files,
    /// What no file has is no difference.
    #[arg(long)]
    ignore_extra: bool,
}

/// Files and what runs, compared.
struct Compared {
    documents: Vec<Document>,
    running: Running,
    wanted: Vec<Thing>,
    comparison: Comparison,
}

fn compared(files: &Files, client: &Client, delete: bool) -> Result<Compared, Failure> {
    let documents = document::load(&files.files)?;
    let running = Running::read(client)?;
    let wanted = wanted::wanted(&documents, &running, client)?;
    // A policy that nobody published holds nevertheless.
    let is_named = |thing: &Thing| wanted.iter().any(|it| it.kind == thing.kind && it.name == thing.name);
    let found: Vec<Thing> = running
        .entries
        .iter()
        .filter(|it| it.is_configured || is_named(&it.thing))
        .map(|it| it.thing.clone())
        .collect();
    let comparison = compare(&wanted, &found, delete);
    Ok(Compared { documents, running, wanted, comparison })
}

pub(crate) fn plan(plan: &Plan, client: &Client, output: Output) -> Result<Exit, Failure> {
    let found = compared(&plan.files, client, plan.delete)?;
    let effects = effect::effects(&found.comparison, &found.wanted, &found.documents, &found.running, client)?;
    show::plan(&found.comparison, &effects, &found.documents, output);
    show::unreadable(&found.running, output);
    Ok(Exit::Done)
}

pub(crate) fn drift(drift: &Drift, client: &Client, output: Output) -> Result<Exit, Failure> {
    let mut found = compared(&drift.files, client, false)?;
    if drift.ignore_extra {
        found.comparison.extra.clear();
    }
    show::drift(&found.comparison, &found.documents, output);
    show::unreadable(&found.running, output);
    let same = found.comparison.changes.is_empty() && found.comparison.extra.is_empty();
    Ok(if same { Exit::Done } else { Exit::Differs })
}

pub(crate) fn apply(args: &ApplyArgs, client: &Client, output: Output) -> Result<Exit, Failure> {
    let Compared { documents, running, wanted, comparison } = compared(&args.files, client, args.delete)?;
    let there: Vec<&Document> = documents
        .iter()
        .filter(|it| it.kind == Kind::Connection && running.entry(it.kind, &it.name).is_some())
        .collect();
    let mut apply = Apply { client, documents: &documents, wanted: &wanted, running };
    let mut outcomes = apply.all(&comparison.changes, |change, outcome| show::progress(change, outcome, output));
    let failed = outcomes.iter().position(|it| matches!(it, Outcome::Failed(_)));
    let mut entered = Vec::new();
    if args.secrets && failed.is_none() {
        for document in there {
            let keys = apply.secrets(document)?;
            entered.extend(keys.into_iter().map(|key| format!("{}: {key}", document.name)));
        }
    }
    show::applied(&comparison, &outcomes, &entered, output);
    if let Some(Outcome::Failed(failure)) = failed.map(|at| outcomes.swap_remove(at)) {
        return Err(failure);
    }
    let waits = outcomes.iter().any(|it| matches!(it, Outcome::Waits(_)));
    Ok(if waits { Exit::Fault } else { Exit::Done })
}

/// Prints the JSON Schema of configuration files. No host is asked.
pub(crate) fn print_schema(output: Output) {
    output.json(&schema::whole());
}
