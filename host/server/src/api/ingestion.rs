//! `/v1/sandboxes/{sandbox}/records`: records that clients send.

use super::body::Body;
use super::routes::Routes;
use super::scope::Scope;
use crate::app::ingestion::Sent;
use crate::app::refusal::Result;
use attiva_core::ports::store::PageCommitted;
use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Routes::of("records", "Records that clients send.")
        .post("/v1/sandboxes/{sandbox}/records", "send", "Send records", send)
        .refuses(&[429])
}

/// What became of the records of a request: all are durable.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeptRecords")]
pub(super) struct Kept {
    received: usize,
    /// New, or with something new.
    changed: u64,
    /// They said what was known.
    unchanged: u64,
    /// Something newer was known of all they said.
    stale: u64,
    /// They name somebody who was erased, and were not taken.
    erased: u64,
}

impl Kept {
    pub(super) fn of(received: usize, kept: PageCommitted) -> Self {
        let PageCommitted { changed, unchanged, stale, rejected: erased, .. } = kept;
        Self { received, changed, unchanged, stale, erased }
    }
}

async fn send(scope: Scope, Body(sent): Body<Sent>) -> Result<Json<Kept>> {
    let kept = scope.sandbox.ingest(&sent).await?;
    Ok(Json(Kept::of(sent.records.len(), kept)))
}
