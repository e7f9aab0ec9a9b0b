//! `attiva backup`, and `attiva restore`.

use super::client::encoded;
use super::input::PageArgs;
use super::output::{Column, Output};
use super::{Client, Failure, Global, follow};
use crate::app::App;
use crate::app::backups::{self, Restored};
use crate::app::refusal::Refusal;
use crate::exit::Exit;
use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use ureq::http::Method;

#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Begin a backup of the whole host, which goes on working; it lies in the host's data directory.
    Create {
        /// Take the key along that opens connections' secrets: whoever has the backup can read them then.
        #[arg(long)]
        with_seal_key: bool,
        /// Wait for the end.
        #[arg(long)]
        follow: bool,
    },
    /// List them.
    List(PageArgs),
    /// Show one, with its files.
    Show { backup: String },
    /// Remove one from the host's disk.
    Remove { backup: String },
    /// Compare a backup in a directory of this machine with its manifest, file by file.
    Verify {
        #[arg(value_name = "DIR")]
        place: PathBuf,
    },
}

/// Put a backup into an empty data directory that no host has open.
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// The backup's directory.
    #[arg(value_name = "DIR")]
    backup: PathBuf,
    /// The data directory: empty, or not there yet.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// A newer backup of the same host, whose control database and keys are taken: it knows of erasures since.
    #[arg(long, value_name = "DIR")]
    control_from: Option<PathBuf>,
    /// The key of secrets, where it was kept apart (`keys/seal.key` of the host that made the backup).
    #[arg(long, value_name = "FILE")]
    seal_key: Option<PathBuf>,
}

const COLUMNS: [Column; 6] = [
    ("id", "/id"),
    ("status", "/status"),
    ("began", "/began_at"),
    ("sandboxes", "/sandboxes"),
    ("bytes", "/bytes"),
    ("seal key", "/seal_key"),
];

pub(crate) fn run(command: Backup, global: &Global, output: &Output) -> Result<Exit, Failure> {
    match command {
        Backup::Create { with_seal_key, follow } => return create(global, output, with_seal_key, follow),
        Backup::List(page) => output.list(&Client::new(global)?.get(&page.path("/v1/backups", &[]))?, &COLUMNS),
        Backup::Show { backup } => {
            let shown = Client::new(global)?.get(&format!("/v1/backups/{}", encoded(&backup)))?;
            output.one(&shown, &[&COLUMNS[..], &[("place", "/place"), ("fault", "/fault/message")]].concat());
            if !output.is_json() {
                let files = json!({ "items": shown.get("files").cloned().unwrap_or_default() });
                let columns =
                    [("file", "/path"), ("bytes", "/bytes"), ("sequence", "/database/sequence"), ("sha256", "/sha256")];
                output.list(&files, &columns);
            }
        }
        Backup::Remove { backup } => {
            Client::new(global)?.send(Method::DELETE, &format!("/v1/backups/{}", encoded(&backup)), None)?;
            output.note(&format!("{backup} is removed."));
        }
        Backup::Verify { place } => {
            let manifest = backups::verify(&place).map_err(refused)?;
            let shown = json!({ "id": manifest.id, "attiva": manifest.attiva, "sandboxes": manifest.sandboxes(),
                "files": manifest.files.len(), "bytes": manifest.bytes(), "seal_key": manifest.has_seal_key });
            let fields = [
                ("id", "/id"),
                ("made by", "/attiva"),
                ("sandboxes", "/sandboxes"),
                ("files", "/files"),
                ("seal key", "/seal_key"),
            ];
            output.one(&shown, &fields);
            output.note("Every file is what was backed up.");
        }
    }
    Ok(Exit::Done)
}

fn create(global: &Global, output: &Output, seal_key: bool, wait: bool) -> Result<Exit, Failure> {
    let client = Client::new(global)?;
    let mut operation = client.post("/v1/backups", &json!({ "seal_key": seal_key }))?;
    let fields = [("backup", "/subject"), ("status", "/status"), ("operation", "/id"), ("fault", "/fault/message")];
    if wait {
        operation = follow::operation_of_host(&client, &operation, output)?;
    }
    output.one(&operation, &fields);
    let failed = operation.get("status").and_then(Value::as_str) == Some("failed");
    Ok(if failed { Exit::Fault } else { Exit::Done })
}

pub(crate) fn restore(restore: Restore, output: Output) -> Result<(), Failure> {
    let Restore { backup, data_dir, control_from, seal_key } = restore;
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let wanted = backups::Restore { backup, data_dir: data_dir.clone(), control_from, seal_key };
    let restored = runtime.block_on(App::restore(wanted)).map_err(refused)?;
    shown(&restored, &data_dir, output);
    Ok(())
}

fn shown(restored: &Restored, data_dir: &Path, output: Output) {
    let Restored { manifest, has_seal_key } = restored;
    let said = json!({ "backup": manifest.id, "sandboxes": manifest.sandboxes(), "data_dir": data_dir, "seal_key": has_seal_key });
    output.one(
        &said,
        &[("backup", "/backup"), ("sandboxes", "/sandboxes"), ("in", "/data_dir"), ("seal key", "/seal_key")],
    );
    if !has_seal_key {
        output.note("Without the key of secrets, connections' secrets are to be entered anew: put it into `keys/seal.key` before the host starts, or name it by `seal_key_file`.");
    }
}

/// In the form of a host's refusal: the same words, and exit code.
fn refused(refusal: Refusal) -> Failure {
    Failure::Refused(Box::new(refusal.into()))
}
