//! Documents of the stores as types, and listings that pass over some of them.

use super::refusal::{Refusal, Result};
use attiva_core::ports::store::{ControlKind, ControlStore, Document, Kind, SandboxStore};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A document's body as what it is.
pub(super) fn read<T: DeserializeOwned>(body: serde_json::Value) -> Result<T> {
    serde_json::from_value(body).map_err(|e| Refusal::internal(format!("a stored document cannot be read: {e}")))
}

/// What it is as a document's body.
pub(super) fn write<T: Serialize>(value: &T) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|e| Refusal::internal(format!("a document cannot be written: {e}")))
}

/// Documents looked at in one go.
pub(super) const STRIDE: usize = 500;

/// The first `limit` documents after `after` that `keep` wants. `next` reads documents in the order of their ids.
pub(super) fn filtered<T: DeserializeOwned>(
    next: impl Fn(Option<&str>, usize) -> Result<Vec<Document>>,
    after: Option<&str>,
    limit: usize,
    keep: impl Fn(&T) -> bool,
) -> Result<Vec<T>> {
    let mut kept = Vec::new();
    let mut after = after.map(str::to_owned);
    loop {
        let documents = next(after.as_deref(), STRIDE)?;
        let last = documents.last().map(|d| d.id.clone());
        let whole = documents.len() == STRIDE;
        for document in documents {
            let value: T = read(document.body)?;
            if keep(&value) {
                kept.push(value);
                if kept.len() == limit {
                    return Ok(kept);
                }
            }
        }
        if !whole {
            return Ok(kept);
        }
        after = last;
    }
}

/// All documents of a kind in a sandbox.
pub(super) fn all<T: DeserializeOwned>(store: &dyn SandboxStore, kind: Kind) -> Result<Vec<T>> {
    let next = |after: Option<&str>, limit| -> Result<Vec<Document>> { Ok(store.documents(kind, after, limit)?) };
    filtered(next, None, usize::MAX, |_: &T| true)
}

/// Ids of control documents that begin with a prefix.
pub(super) fn ids(control: &dyn ControlStore, kind: ControlKind, prefix: &str) -> Result<Vec<String>> {
    let mut ids: Vec<String> = Vec::new();
    // What comes before the first id with the prefix is less than the prefix itself.
    let mut after = prefix.to_owned();
    loop {
        let documents = control.documents(kind, Some(&after), STRIDE)?;
        let whole = documents.len() == STRIDE;
        for document in documents {
            if !document.id.starts_with(prefix) {
                return Ok(ids);
            }
            after.clone_from(&document.id);
            ids.push(document.id);
        }
        if !whole {
            return Ok(ids);
        }
    }
}
