//! `/v1/sandboxes/{sandbox}/tables`: open tables, the newest cut and how far it is behind.

use super::answer::{Done, Tagged};
use super::body::Body;
use super::etag::IfMatch;
use super::routes::Routes;
use super::scope::Scope;
use super::time::Instant;
use crate::app::refusal::Result;
use crate::app::sandbox::Versioned;
use attiva_core::Fault;
use attiva_core::id::ConnectionId;
use attiva_core::tables::{ManifestTable, TableColumn, TableCut, TableFile, TablesBucket};
use attiva_sync::{BucketState, TablesTaken};
use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("tables", "Open tables: what a sandbox holds, as Parquet files.")
        .get("/v1/sandboxes/{sandbox}/tables", "show", "Show the newest cut of the open tables", show)
        .refuses(&[422])
        .post("/v1/sandboxes/{sandbox}/tables", "take", "Take a cut of the open tables now", take)
        .refuses(&[422])
        .asks_a_vendor()
        .get("/v1/sandboxes/{sandbox}/tables/bucket", "show_bucket", "Show the bucket that open tables go into", bucket)
        .put("/v1/sandboxes/{sandbox}/tables/bucket", "set_bucket", "Have open tables go into a bucket", set_bucket)
        .refuses(&[422])
        .asks_a_vendor()
        .delete(
            "/v1/sandboxes/{sandbox}/tables/bucket",
            "remove_bucket",
            "Have open tables go into no bucket, and leave none there",
            remove_bucket,
        )
        .refuses(&[422])
        .asks_a_vendor()
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
    /// The copy in a bucket. Absent: they go into none.
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<Copied>,
}

/// Where the copy in a bucket stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TablesCopy")]
struct Copied {
    connection: ConnectionId,
    /// What stands before the names of files: `s3://bucket/prefix/`.
    location: String,
    /// The manifest that holds there. Absent: nothing was copied since the host started.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<u64>,
    /// As above.
    #[serde(skip_serializing_if = "Option::is_none")]
    behind_seconds: Option<u64>,
}

/// A bucket that open tables go into.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TablesBucketShown")]
struct BucketView {
    connection: ConnectionId,
    prefix: String,
    /// What stands before the names of files: `s3://bucket/prefix/`.
    location: String,
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
    /// The same in the bucket that they go into; 0 where there is none.
    objects_written: u64,
    objects_removed: u64,
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
        bucket: state.bucket.map(|it| copied(&scope, it)),
    }))
}

async fn take(scope: Scope) -> Result<Json<TakenView>> {
    let TablesTaken { manifest, files_written, files_removed, objects_written, objects_removed, took_ms } =
        scope.sandbox.take_tables(&scope.caller).await?;
    let took_ms = took_ms.try_into().unwrap_or(0);
    Ok(Json(TakenView { manifest, files_written, files_removed, objects_written, objects_removed, took_ms }))
}

fn copied(scope: &Scope, state: BucketState) -> Copied {
    let BucketState { bucket, manifest, behind_ms } = state;
    let location = scope.sandbox.bucket_location(&bucket);
    Copied { connection: bucket.connection, location, manifest, behind_seconds: behind_ms.map(seconds) }
}

fn shown(scope: &Scope, found: Versioned<TablesBucket>) -> Tagged<BucketView> {
    let Versioned { value: bucket, version } = found;
    let location = scope.sandbox.bucket_location(&bucket);
    let TablesBucket { connection, prefix } = bucket;
    Tagged { value: BucketView { connection, prefix, location }, version }
}

async fn bucket(scope: Scope) -> Result<Tagged<BucketView>> {
    Ok(shown(&scope, scope.sandbox.tables_bucket()?))
}

async fn set_bucket(
    scope: Scope,
    IfMatch(expect): IfMatch,
    Body(wanted): Body<TablesBucket>,
) -> Result<Tagged<BucketView>> {
    let set = scope.sandbox.put_tables_bucket(&scope.caller, wanted, expect).await?;
    Ok(shown(&scope, set))
}

async fn remove_bucket(scope: Scope, IfMatch(expect): IfMatch) -> Result<Done> {
    scope.sandbox.remove_tables_bucket(&scope.caller, expect).await?;
    Ok(Done)
}
