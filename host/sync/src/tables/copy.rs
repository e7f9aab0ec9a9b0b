//! The newest cut, copied into a bucket: files, then the manifest that names them, then what nobody reads any more goes.
//! What a kill or a bucket in trouble cuts short leaves the cut that counted before; the next try finds what is there already.

use super::stopping;
use crate::crash;
use crate::engine::Inner;
use crate::projector::blocking;
use attiva_core::config::Connection;
use attiva_core::ports::objects::{ObjectEntry, Objects};
use attiva_core::ports::store::Kind;
use attiva_core::ports::tables::TableFolder;
use attiva_core::tables::{
    MANIFEST, Manifest, SCRIPT, TablesBucket, everything, kept_manifests, manifest_object, missing, outdated, script_at,
};
use attiva_core::{Fault, FaultKind, Millis};
use std::sync::Arc;

const PARQUET: &str = "application/vnd.apache.parquet";
const JSON: &str = "application/json";
const SQL: &str = "application/sql";

/// What a copy did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) written: u64,
    pub(super) removed: u64,
}

/// Where tables go beside the folder.
///
/// # Errors
/// `tables.no-connection`; what the connection's connector says.
pub(super) fn opened(inner: &Inner, bucket: &TablesBucket) -> Result<Arc<dyn Objects>, Fault> {
    let TablesBucket { connection, prefix } = bucket;
    let connection = inner.find::<Connection>(Kind::Connection, connection.as_str())?.ok_or_else(|| {
        Fault::new(FaultKind::Config, "tables.no-connection", format!("there is no connection {connection}"))
            .action("Name a connection that there is.")
            .field("connection")
    })?;
    inner.connectors.objects(&connection, prefix)
}

/// Has the bucket hold a folder's `newest` cut. `kept_ms`: how long older ones can be read there; 0: not at all.
pub(super) async fn copy(
    inner: &Inner,
    folder: &Arc<dyn TableFolder>,
    objects: &dyn Objects,
    newest: &Manifest,
    kept_ms: Millis,
) -> Result<Copied, Fault> {
    let there = objects.list().await?;
    let mut copied = Copied::default();
    let before = published(objects, MANIFEST).await?;
    if before.as_ref().is_some_and(|before| before.cut.is_ahead_of(&newest.cut)) {
        return Err(newer(objects.location()));
    }
    if before.as_ref() != Some(newest) {
        copied.written = publish(inner, folder, objects, newest, &there).await?;
    }
    let mut kept = Vec::new();
    for number in kept_manifests(&there, newest.number, inner.clock.now(), kept_ms) {
        // One that can't be read is nobody's.
        kept.extend(published(objects, &manifest_object(number)).await?);
    }
    for name in outdated(&there, newest, &kept) {
        objects.remove(&name).await?;
        copied.removed += 1;
    }
    Ok(copied)
}

/// A host that was restored from a backup knows less than the one it is of, which may be at work still.
fn newer(location: &str) -> Fault {
    let what = format!("{location} holds a newer state of this sandbox than the sandbox itself");
    Fault::new(FaultKind::Config, "tables.bucket-newer", what).action(
        "Give this host another prefix; or, where it takes the other's place, remove the bucket and set it again.",
    )
}

async fn publish(
    inner: &Inner,
    folder: &Arc<dyn TableFolder>,
    objects: &dyn Objects,
    newest: &Manifest,
    there: &[ObjectEntry],
) -> Result<u64, Fault> {
    let mut written = 0;
    for file in missing(newest, there) {
        if inner.stop.is_cancelled() {
            return Err(stopping().into());
        }
        let bytes = read(folder, &file.path).await?;
        if bytes.len() as u64 != file.bytes {
            let what = format!("{} has {} bytes, where its manifest says {}", file.path, bytes.len(), file.bytes);
            return Err(Fault::new(FaultKind::Internal, "tables.file", what).action("Take the tables anew."));
        }
        objects.put(&file.path, PARQUET, bytes).await?;
        written += 1;
        crash::point("tables.copied-file");
    }
    let text = serde_json::to_vec_pretty(newest)
        .map_err(|error| Fault::new(FaultKind::Internal, "tables.file", error.to_string()))?;
    let script = String::from_utf8_lossy(&read(folder, SCRIPT).await?).into_owned();
    objects.put(&manifest_object(newest.number), JSON, text.clone()).await?;
    objects.put(SCRIPT, SQL, script_at(&script, objects.location()).into_bytes()).await?;
    crash::point("tables.copied");
    objects.put(MANIFEST, JSON, text).await?;
    crash::point("tables.copy-published");
    Ok(written)
}

async fn read(folder: &Arc<dyn TableFolder>, path: &str) -> Result<Vec<u8>, Fault> {
    let (folder, path) = (Arc::clone(folder), path.to_owned());
    blocking(move || Ok(folder.read(&path)?)).await
}

/// A manifest that is there. What cannot be read is none: it is written again.
async fn published(objects: &dyn Objects, name: &str) -> Result<Option<Manifest>, Fault> {
    let bytes = objects.get(name).await?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Leaves nothing of ours there. Returns how many objects that were.
pub(super) async fn clear(objects: &dyn Objects) -> Result<u64, Fault> {
    let mut removed = 0;
    for name in everything(&objects.list().await?) {
        objects.remove(&name).await?;
        removed += 1;
    }
    Ok(removed)
}
