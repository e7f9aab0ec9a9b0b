//! `attiva delivery`.

use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure, follow};
use crate::exit::Exit;
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum Delivery {
    /// Show a delivery and its books.
    Show {
        delivery: String,
        /// Wait for its end; the exit code tells how it went.
        #[arg(long)]
        follow: bool,
    },
    /// List deliveries, oldest first.
    List {
        /// Of one activation.
        #[arg(long)]
        activation: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// List what became of each member.
    Items {
        delivery: String,
        /// created, updated, removed, unchanged, excluded, failed, unmatched, pending, queued
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Let a delivery that is held remove as many members as it wants to.
    Approve { delivery: String },
    /// End a delivery at its next batch, and take back what is not visible yet.
    Cancel { delivery: String },
}

const COLUMNS: [Column; 6] = [
    ("id", "/id"),
    ("activation", "/activation"),
    ("status", "/status"),
    ("phase", "/phase"),
    ("started", "/started_at"),
    ("ended", "/ended_at"),
];
pub(super) const BOOKS: [Column; 9] = [
    ("received", "/books/received"),
    ("created", "/books/created"),
    ("updated", "/books/updated"),
    ("removed", "/books/removed"),
    ("unchanged", "/books/unchanged"),
    ("excluded", "/books/excluded"),
    ("failed", "/books/failed"),
    ("unmatched", "/books/unmatched"),
    ("pending", "/books/pending"),
];

const PLAN: [Column; 4] = [
    ("members held", "/plan/held"),
    ("to add or change", "/plan/upserts"),
    ("to remove", "/plan/removals"),
    ("as they are", "/plan/unchanged"),
];

pub(crate) fn run(command: Delivery, client: &Client, output: &Output) -> Result<Exit, Failure> {
    match command {
        Delivery::Show { delivery, follow } => return show(&delivery, follow, client, output),
        Delivery::List { activation, page } => {
            let path = page.path(&client.scoped("deliveries"), &[("activation", activation.as_deref())]);
            output.list(&client.get(&path)?, &COLUMNS);
        }
        Delivery::Items { delivery, status, page } => {
            let path = client.scoped(&format!("deliveries/{delivery}/items"));
            let path = page.path(&path, &[("status", status.as_deref())]);
            let columns = [("profile", "/profile"), ("status", "/status"), ("code", "/code"), ("message", "/message")];
            output.list(&client.get(&path)?, &columns);
        }
        Delivery::Approve { delivery } => {
            client.post(&client.scoped(&format!("deliveries/{delivery}/approve")), &json!({}))?;
            output.note(&format!("{delivery} goes on."));
        }
        Delivery::Cancel { delivery } => {
            client.post(&client.scoped(&format!("deliveries/{delivery}/cancel")), &json!({}))?;
            output.note(&format!("{delivery} ends at its next batch."));
        }
    }
    Ok(Exit::Done)
}

pub(crate) fn show(delivery: &str, follow: bool, client: &Client, output: &Output) -> Result<Exit, Failure> {
    if follow {
        follow::operation(client, &json!({ "id": format!("op_{delivery}") }), output)?;
    }
    let delivery = client.get(&client.scoped(&format!("deliveries/{delivery}")))?;
    if output.is_json() {
        output.json(&delivery);
    } else {
        output.one(&delivery, &COLUMNS);
        output.one(&delivery, &[("fault", "/fault/message"), ("what to do", "/fault/action"), ("notes", "/notes")]);
        output.one(&delivery, &[("dry run", "/dry_run"), ("held because", "/hold"), ("trace", "/trace")]);
        output.one(&delivery, &PLAN);
        output.one(&delivery, &BOOKS);
        let reasons = json!({ "items": delivery.get("reasons").cloned().unwrap_or_default() });
        output.list(&reasons, &[("status", "/status"), ("reason", "/code"), ("members", "/members")]);
        let samples = json!({ "items": delivery.pointer("/plan/samples").cloned().unwrap_or_default() });
        output.list(&samples, &[("would send", "/operation"), ("profile", "/profile"), ("row", "/row")]);
        let artifacts = json!({ "items": delivery.get("artifacts").cloned().unwrap_or_default() });
        output.list(&artifacts, &[("artifact", "/name"), ("rows", "/rows"), ("bytes", "/bytes")]);
    }
    Ok(if !follow || follow::succeeded(&delivery) { Exit::Done } else { Exit::Fault })
}
