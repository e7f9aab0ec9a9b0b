//! Projectors follow the sequence of accepted changes, each with a cursor of its own. They decide off the runtime's
//! threads and commit what they decided together with their cursor, so a kill anywhere repeats a step and no more.

use crate::accounts;
use crate::ahead::Step;
use crate::crash;
use crate::engine::Inner;
use crate::{profiles, segments, trace};
use attiva_core::id::SegmentId;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Feed, Seq, StoreError};
use attiva_core::{Fault, FaultKind};
use std::sync::Arc;
use std::time::Duration;
use tracing::{Instrument, Span};

/// The cursor of the profile projector.
pub(crate) const PROFILES: &str = "profiles";
/// A step that failed is tried again after this; the cursor has not moved.
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(500);

/// Makes profiles of changed records until the engine stops.
pub(crate) async fn follow_records(inner: Arc<Inner>) {
    while !inner.stop.is_cancelled() {
        let changed = inner.records_changed.notified();
        match project_records(&inner).await {
            Ok(true) => {}
            Ok(false) => idle(&inner, changed).await,
            Err(fault) => pause(&inner, "profiles", &fault).await,
        }
    }
}

/// Keeps memberships up to date until the engine stops.
pub(crate) async fn follow_profiles(inner: Arc<Inner>) {
    while !inner.stop.is_cancelled() {
        let changed = inner.profiles_changed.notified();
        match project_profiles(&inner).await {
            Ok(true) => {}
            Ok(false) => {
                inner.projected.notify_waiters();
                tokio::select! {
                    () = changed => {}
                    () = next_due(&inner) => {}
                    () = inner.stop.cancelled() => {}
                }
            }
            Err(fault) => pause(&inner, "segments", &fault).await,
        }
    }
}

/// Works out accounts until the engine stops.
pub(crate) async fn follow_accounts(inner: Arc<Inner>) {
    while !inner.stop.is_cancelled() {
        let changed = inner.accounts_changed.notified();
        match project_accounts(&inner).await {
            Ok(true) => {}
            Ok(false) => idle(&inner, changed).await,
            Err(fault) => pause(&inner, "accounts", &fault).await,
        }
    }
}

async fn idle(inner: &Inner, changed: tokio::sync::futures::Notified<'_>) {
    inner.projected.notify_waiters();
    tokio::select! {
        () = changed => {}
        () = inner.stop.cancelled() => {}
    }
}

/// Longest wait for a membership that is due later: the clock may be set meanwhile.
const DUE_LATER: Duration = Duration::from_secs(60);

/// Returns when the next membership is to be looked at again.
async fn next_due(inner: &Inner) {
    match inner.store.next_due_membership() {
        Ok(Some(at)) => {
            let wait = u64::try_from(at.saturating_sub(inner.clock.now())).unwrap_or(0);
            match inner.clock.pass(wait) {
                Some(passes) => passes.await,
                None => tokio::time::sleep(Duration::from_millis(wait).min(DUE_LATER)).await,
            }
        }
        Ok(None) => std::future::pending().await,
        Err(error) => {
            tracing::error!(%error, "what is due could not be read");
            tokio::time::sleep(PAUSE_AFTER_FAULT).await;
        }
    }
}

async fn pause(inner: &Inner, projector: &str, fault: &Fault) {
    tracing::error!(projector, %fault, "a projector's step failed and is tried again");
    tokio::select! {
        () = tokio::time::sleep(PAUSE_AFTER_FAULT) => {}
        () = inner.stop.cancelled() => {}
    }
}

/// Steps, as long as nobody else wants the turn; false if there was nothing to do.
async fn project_records(inner: &Arc<Inner>) -> Result<bool, Fault> {
    // Whoever changes what profiles hang on waits for the end of a step, and the next begins with the change.
    let _turn = inner.projecting.lock().await;
    let after = inner.store.projector_cursor(PROFILES)?;
    let Some((mut step, mut span)) = decide(inner, after).await? else { return Ok(false) };
    loop {
        crash::point("profiles.prepared");
        let (commit, changes) = step.into_parts();
        let upto = commit.upto;
        // One core decides while another writes.
        let before = profiles_before(inner, &span)?;
        let commit = inner.store.commit_profiles(commit).instrument(span.clone());
        let (ahead, committed) = tokio::join!(decide(inner, upto), commit);
        profiles_after(inner, before, &span);
        committed?;
        crash::point("profiles.committed");
        inner.profiles_changed.notify_one();
        inner.accounts_changed.notify_one();
        if inner.projecting.is_wanted() || inner.stop.is_cancelled() {
            return Ok(true);
        }
        (step, span) = match ahead {
            // Nothing had come when it looked; something may have since.
            Ok(None) => return Ok(true),
            Ok(Some((ahead, span))) if ahead.holds_after(&changes) => (ahead, span),
            // What was read of some of it was from before the commit.
            Ok(Some(_)) | Err(_) => match decide(inner, upto).await? {
                Some(again) => again,
                None => return Ok(true),
            },
        };
    }
}

/// What the changes after `after` do to profiles; `None`: there are none.
async fn decide(inner: &Arc<Inner>, after: Seq) -> Result<Option<(Step, Span)>, Fault> {
    let worker = Arc::clone(inner);
    blocking(move || {
        let changes = worker.store.changes(Feed::Records, after, worker.options.projection_rows)?;
        let Some(last) = changes.last() else { return Ok(None) };
        let span =
            tracing::info_span!(target: trace::TARGET, "profiles", after, upto = last.seq, changes = changes.len());
        let span = worker.trail.follows(Feed::Records, after, last.seq, span);
        let policies = |entity: &EntityName| worker.policies.get(&worker, entity);
        let find = |connection: &_, stream: &str| worker.catalogs.mapping(&worker, connection, stream);
        let project = || profiles::project(worker.store.as_ref(), &changes, &find, &policies, worker.clock.now());
        Ok(Some((span.in_scope(project)?, span)))
    })
    .await
}

/// A step is about to change profiles, where that is traced; returns up to where they have been changed. Two projectors do:
/// a step's part of the feed may have changes of the other in it.
fn profiles_before(inner: &Inner, span: &Span) -> Result<Seq, Fault> {
    if span.is_disabled() {
        return Ok(0);
    }
    let newest = inner.store.newest(Feed::Profiles)?;
    inner.trail.begins(Feed::Profiles, newest, span);
    Ok(newest)
}

/// It has, or has failed to.
fn profiles_after(inner: &Inner, before: Seq, span: &Span) {
    if !span.is_disabled() {
        let newest = inner.store.newest(Feed::Profiles).unwrap_or(before);
        inner.trail.note(Feed::Profiles, before, newest, span);
    }
}

/// One step; false if there was nothing to do.
async fn project_accounts(inner: &Arc<Inner>) -> Result<bool, Fault> {
    let worker = Arc::clone(inner);
    let Some(commit) = blocking(move || accounts::step(&worker)).await? else { return Ok(false) };
    crash::point("accounts.prepared");
    // It follows what is due, which no feed tells. Whoever changed profiles last is likely to have made it so.
    let span = tracing::info_span!(target: trace::TARGET, "accounts", profiles = commit.done.len());
    let span = inner.trail.follows_newest(inner.store.as_ref(), Feed::Profiles, 1, span)?;
    let before = profiles_before(inner, &span)?;
    let committed = inner.store.commit_accounts(commit).instrument(span.clone()).await;
    profiles_after(inner, before, &span);
    committed?;
    crash::point("accounts.committed");
    inner.profiles_changed.notify_one();
    Ok(true)
}

/// One step; false if there was nothing to do.
async fn project_profiles(inner: &Arc<Inner>) -> Result<bool, Fault> {
    let worker = Arc::clone(inner);
    let decided = blocking(move || segments::step(&worker)).await?;
    let Some((commit, span)) = decided else { return Ok(false) };
    let changed: Vec<SegmentId> = commit.changes.iter().map(|change| change.segment.clone()).collect();
    span.record("entered_or_left", changed.len());
    inner.trail.audiences(&span, changed.iter());
    let has_result = !commit.documents.is_empty();
    crash::point("memberships.prepared");
    match inner.store.commit_memberships(commit).instrument(span.clone()).await {
        // Somebody changed the segment meanwhile: what was decided counts for nothing.
        Err(StoreError::VersionMismatch { .. } | StoreError::Missing) => inner.segments.forget(),
        committed => committed?,
    }
    inner.trail.audiences(&span, changed.iter());
    crash::point("memberships.committed");
    if has_result {
        inner.segments.forget();
        // Who asks for the audience was waiting for it.
        inner.evaluations_wanted.notify_one();
    }
    Ok(true)
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(Fault::new(FaultKind::Internal, "host.panic", e.to_string())))
}
