//! `/v1/sandboxes/{sandbox}/tables`: open tables, the newest cut and how far it is behind.

use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::Result;
use attiva_core::Fault;
use attiva_core::tables::{ManifestTable, TableColumn, TableCut, TableFile};
use attiva_sync::TablesTaken;
use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("tables", "Open tables: what a sandbox holds, as Parquet files.")
        .get("/v1/sandboxes/{sandbox}/tables", "show", "Show the newest cut of the open tables", show)
        .refuses(&[422])
        .post("/v1/sandboxes/{sandbox}/tables", "take", "Take a cut of the open tables now", take)
        .refuses(&[422])
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OpenTables")]
struct View {
    /// Where they stand, below the host's data directory: `manifest.json`, and `open.sql`, which opens it.
    folder: String,
    /// Seconds that the newest cut is behind the sandbox; 0 while nothing has changed since. Absent: none has been taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    behind_seconds: Option<u64>,
    /// From one cut to the next.
    every_seconds: u64,
    /// How long a cut can be read after the next has taken its place.
    kept_seconds: u64,
    next_at: Instant,
    /// What the last one took.
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u64>,
    /// Why the last try failed; it is repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
    /// Absent: none has been taken yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<Newest>,
}

/// A cut: one moment of the sandbox.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TablesCut")]
struct Newest {
    manifest: u64,
    taken_at: Instant,
    /// How far the sandbox had come.
    cut: TableCut,
    files: u64,
    rows: u64,
    bytes: u64,
    tables: Vec<Table>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OpenTable")]
struct Table {
    /// `model.person`, `attiva.outcome`.
    name: String,
    columns: Vec<TableColumn>,
    rows: u64,
    /// Values that their column's type does not hold, and that are null.
    left_out: u64,
    files: Vec<File>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OpenTableFile")]
struct File {
    /// Below the folder.
    path: String,
    rows: u64,
    bytes: u64,
    sha256: String,
}

impl Table {
    fn of(table: ManifestTable) -> Self {
        let (rows, left_out) = (table.rows(), table.files.iter().map(|file| file.left_out).sum());
        let file = |TableFile { path, rows, bytes, sha256, .. }| File { path, rows, bytes, sha256 };
        let files = table.files.into_iter().map(file).collect();
        Self { name: table.name, columns: table.columns, rows, left_out, files }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TablesTaken")]
struct TakenView {
    /// The manifest that holds now. The one from before, where nothing had changed.
    manifest: u64,
    /// Files that were written; the others are those from before.
    files_written: u64,
    /// Older ones that nobody reads any more.
    files_removed: u64,
    took_ms: u64,
}

fn seconds(ms: i64) -> u64 {
    u64::try_from(ms / 1_000).unwrap_or(0)
}

async fn show(scope: Scope) -> Result<Json<View>> {
    let state = scope.sandbox.tables()?;
    let newest = state.newest.map(|manifest| {
        let tables: Vec<Table> = manifest.tables.into_iter().map(Table::of).collect();
        Newest {
            manifest: manifest.number,
            taken_at: Instant(manifest.taken_at),
            cut: manifest.cut,
            files: tables.iter().map(|table| table.files.len() as u64).sum(),
            rows: tables.iter().map(|table| table.rows).sum(),
            bytes: tables.iter().flat_map(|table| &table.files).map(|file| file.bytes).sum(),
            tables,
        }
    });
    Ok(Json(View {
        folder: scope.sandbox.tables_folder(),
        behind_seconds: state.behind_ms.map(seconds),
        every_seconds: seconds(state.times.every_ms),
        kept_seconds: seconds(state.times.kept_ms),
        next_at: Instant(state.next_at),
        took_ms: state.took_ms.and_then(|ms| ms.try_into().ok()),
        fault: state.fault,
        newest,
    }))
}

async fn take(scope: Scope) -> Result<Json<TakenView>> {
    let TablesTaken { manifest, files_written, files_removed, took_ms } =
        scope.sandbox.take_tables(&scope.caller).await?;
    let took_ms = took_ms.try_into().unwrap_or(0);
    Ok(Json(TakenView { manifest, files_written, files_removed, took_ms }))
}
