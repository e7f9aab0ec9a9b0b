//! Forgets what is not kept for ever: outcomes and rejects a few at a time, then what they were of. What schedules go by
//! stays, and so does what deliveries came to.

use crate::engine::{Inner, read, write};
use attiva_core::delivery::{Delivery, DeliveryStatus};
use attiva_core::id::{DeliveryId, RunId};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, StoreError};
use attiva_core::removal::Removal;
use attiva_core::retention::{Kept, Past, is_over, may_go};
use attiva_core::run::{Run, RunStatus};
use attiva_core::{Fault, Millis};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Rows of one commit: short, so that nobody waits long for the writer.
const CHUNK: usize = 2_000;
/// Documents looked at together.
const PAGE: usize = 500;
/// How often it is looked, in milliseconds.
const EVERY_MS: Millis = 60 * 60 * 1000;

/// Looks at every start, and then every hour, until the engine stops.
pub(crate) async fn follow(inner: Arc<Inner>) {
    if inner.options.kept == Kept::default() {
        return;
    }
    let never = CancellationToken::new();
    loop {
        if let Err(fault) = forget(&inner).await {
            tracing::error!(%fault, "what is not kept any more could not be forgotten; it is tried again in an hour");
        }
        let next = inner.clock.now().saturating_add(EVERY_MS);
        if !inner.wait_until(next, &never).await {
            return;
        }
    }
}

/// What a stop cuts short goes on at the next start: each step finds what is left.
async fn forget(inner: &Inner) -> Result<(), Fault> {
    let kept = inner.options.kept;
    if let Some(kept_ms) = kept.outcomes_ms {
        outcomes(inner, kept_ms).await?;
    }
    if let Some(kept_ms) = kept.deliveries_ms {
        deliveries(inner, kept_ms).await?;
    }
    if let Some(kept_ms) = kept.rejects_ms {
        rejects(inner, kept_ms).await?;
    }
    if let Some(kept_ms) = kept.runs_ms {
        runs(inner, kept_ms).await?;
    }
    if let Some(kept_ms) = kept.removals_ms {
        removals(inner, kept_ms).await?;
    }
    if let Some(kept_ms) = kept.memberships_ms {
        memberships(inner, kept_ms).await?;
    }
    Ok(())
}

async fn outcomes(inner: &Inner, kept_ms: Millis) -> Result<(), Fault> {
    let now = inner.clock.now();
    let mut after = 0;
    loop {
        let page = inner.store.deliveries_with_items(after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, id) in page {
            let Some(delivery) = inner.find::<Delivery>(Kind::Delivery, id.as_str())? else { continue };
            let is_closed = delivery.status.has_ended() && delivery.books.is_some();
            if is_closed && is_over(delivery.ended_at, kept_ms, now) {
                forget_items(inner, &id).await?;
            }
        }
    }
}

async fn forget_items(inner: &Inner, id: &DeliveryId) -> Result<(), Fault> {
    let noted = |delivery: &mut Delivery, now| {
        delivery.items_forgotten_at.get_or_insert(now);
    };
    while let Some(write) = noting(inner, Kind::Delivery, id.as_str(), noted)? {
        if inner.stop.is_cancelled() || !goes_on(inner.store.forget_items(id, write, CHUNK).await)? {
            return Ok(());
        }
    }
    Ok(())
}

async fn deliveries(inner: &Inner, kept_ms: Millis) -> Result<(), Fault> {
    let past = past(inner, Kind::Delivery, |delivery: Delivery| Past {
        id: delivery.id.to_string(),
        // A dry run is nobody's last delivery.
        of: Some(delivery.activation.to_string()).filter(|_| !delivery.dry_run),
        succeeded: delivery.status == DeliveryStatus::Succeeded,
        ended_at: delivery.ended_at.filter(|_| delivery.status.has_ended()),
    })?;
    for id in may_go(past, kept_ms, inner.clock.now()) {
        let Some(delivery) = inner.find::<Delivery>(Kind::Delivery, &id)? else { continue };
        let Delivery { dry_run, started_at, .. } = delivery;
        let (id, activation) = (delivery.id, delivery.activation);
        forget_items(inner, &id).await?;
        // Else its members would go in one step.
        if inner.stop.is_cancelled() {
            return Ok(());
        }
        inner.store.forget_delivery(&id, &activation, dry_run, started_at).await?;
    }
    Ok(())
}

async fn rejects(inner: &Inner, kept_ms: Millis) -> Result<(), Fault> {
    let now = inner.clock.now();
    let old = |run: Run| {
        let had_some = run.streams.iter().any(|stream| stream.rejected > 0);
        (had_some && run.status.has_ended() && is_over(run.ended_at, kept_ms, now)).then_some(run.id)
    };
    for id in collected(inner, Kind::Run, old)? {
        forget_rejects(inner, &id).await?;
    }
    Ok(())
}

async fn forget_rejects(inner: &Inner, id: &RunId) -> Result<(), Fault> {
    if inner.store.rejects(id, 0, 1)?.is_empty() {
        return Ok(());
    }
    let noted = |run: &mut Run, now| {
        run.rejects_forgotten_at.get_or_insert(now);
    };
    while let Some(write) = noting(inner, Kind::Run, id.as_str(), noted)? {
        if inner.stop.is_cancelled() || !goes_on(inner.store.forget_rejects_of(id, write, CHUNK).await)? {
            return Ok(());
        }
    }
    Ok(())
}

async fn runs(inner: &Inner, kept_ms: Millis) -> Result<(), Fault> {
    let past = past(inner, Kind::Run, |run: Run| Past {
        id: run.id.to_string(),
        of: Some(run.connection.to_string()),
        succeeded: run.status == RunStatus::Succeeded,
        ended_at: run.ended_at.filter(|_| run.status.has_ended()),
    })?;
    for id in may_go(past, kept_ms, inner.clock.now()) {
        let Some(run) = inner.find::<Run>(Kind::Run, &id)? else { continue };
        forget_rejects(inner, &run.id).await?;
        if inner.stop.is_cancelled() {
            return Ok(());
        }
        delete(inner, Kind::Run, &id).await?;
    }
    Ok(())
}

async fn removals(inner: &Inner, kept_ms: Millis) -> Result<(), Fault> {
    let now = inner.clock.now();
    let old = |removal: Removal| is_over(removal.ended_at, kept_ms, now).then(|| removal.id.to_string());
    for id in collected(inner, Kind::Removal, old)? {
        if inner.stop.is_cancelled() {
            return Ok(());
        }
        delete(inner, Kind::Removal, &id).await?;
    }
    Ok(())
}

async fn memberships(inner: &Inner, kept_ms: Millis) -> Result<(), Fault> {
    let before = inner.clock.now().saturating_sub(kept_ms);
    let mut next = Some(0);
    while let Some(after) = next.filter(|_| !inner.stop.is_cancelled()) {
        next = inner.store.forget_memberships(before, after, CHUNK).await?;
    }
    Ok(())
}

/// A document as it is now with a note in it, to be written unless somebody changes it meanwhile: an erasure may take
/// something out of it. `None`: it is gone.
fn noting<T: DeserializeOwned + Serialize>(
    inner: &Inner,
    kind: Kind,
    id: &str,
    note: impl Fn(&mut T, Millis),
) -> Result<Option<(DocumentWrite, Expect)>, Fault> {
    let Some(document) = inner.store.document(kind, id)? else { return Ok(None) };
    let mut value: T = read(document.body)?;
    note(&mut value, inner.clock.now());
    Ok(Some((write(kind, id, &value)?, Expect::Version(document.version))))
}

/// Whether there is more to do; what somebody else changed is read again.
fn goes_on(stepped: Result<bool, StoreError>) -> Result<bool, Fault> {
    match stepped {
        Err(StoreError::VersionMismatch { .. }) => Ok(true),
        stepped => Ok(stepped?),
    }
}

async fn delete(inner: &Inner, kind: Kind, id: &str) -> Result<(), Fault> {
    match inner.store.delete_document(kind, id, Expect::Anything).await {
        Ok(()) | Err(StoreError::Missing) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn past<T: DeserializeOwned>(inner: &Inner, kind: Kind, of: impl Fn(T) -> Past) -> Result<Vec<Past>, Fault> {
    collected(inner, kind, |document| Some(of(document)))
}

/// What is made of all documents of a kind, in the order of their ids; they are not all held at once.
fn collected<T: DeserializeOwned, R>(inner: &Inner, kind: Kind, of: impl Fn(T) -> Option<R>) -> Result<Vec<R>, Fault> {
    let mut made = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = inner.store.documents(kind, after.as_deref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(made) };
        after = Some(last.id.clone());
        for document in page {
            made.extend(of(read(document.body)?));
        }
    }
}
