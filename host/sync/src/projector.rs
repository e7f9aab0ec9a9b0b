//! Projectors follow the sequence of accepted changes, each with a cursor of its own. They decide off the runtime's
//! threads and commit what they decided together with their cursor, so a kill anywhere repeats a step and no more.

use crate::accounts;
use crate::crash;
use crate::engine::{Inner, write};
use crate::membership::{self, Audience};
use crate::profiles;
use attiva_core::config::Segment;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Feed, Kind, MembershipCommit};
use attiva_core::{Fault, FaultKind};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The cursor of the profile projector.
pub(crate) const PROFILES: &str = "profiles";
/// The cursor of the segment projector.
pub(crate) const SEGMENTS: &str = "segments";

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
            Ok(false) => idle(&inner, changed).await,
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

async fn pause(inner: &Inner, projector: &str, fault: &Fault) {
    tracing::error!(projector, %fault, "a projector's step failed and is tried again");
    tokio::select! {
        () = tokio::time::sleep(PAUSE_AFTER_FAULT) => {}
        () = inner.stop.cancelled() => {}
    }
}

/// One step; false if there was nothing to do.
async fn project_records(inner: &Arc<Inner>) -> Result<bool, Fault> {
    // Whoever changes what profiles hang on waits for the end of the step, and the next begins with the change.
    let _step = inner.projecting.lock().await;
    let worker = Arc::clone(inner);
    let decided = blocking(move || {
        let after = worker.store.projector_cursor(PROFILES)?;
        let changes = worker.store.changes(Feed::Records, after, worker.options.projection_rows)?;
        if changes.is_empty() {
            return Ok(None);
        }
        let policies = |entity: &EntityName| worker.policies.get(&worker, entity);
        let find = |connection: &_, stream: &str| worker.catalogs.mapping(&worker, connection, stream);
        Ok(Some(profiles::project(worker.store.as_ref(), &changes, &find, &policies, worker.clock.now())?))
    })
    .await?;
    let Some(commit) = decided else { return Ok(false) };
    crash::point("profiles.prepared");
    inner.store.commit_profiles(commit).await?;
    crash::point("profiles.committed");
    inner.profiles_changed.notify_one();
    inner.accounts_changed.notify_one();
    Ok(true)
}

/// One step; false if there was nothing to do.
async fn project_accounts(inner: &Arc<Inner>) -> Result<bool, Fault> {
    let worker = Arc::clone(inner);
    let Some(commit) = blocking(move || accounts::step(&worker)).await? else { return Ok(false) };
    crash::point("accounts.prepared");
    inner.store.commit_accounts(commit).await?;
    crash::point("accounts.committed");
    inner.profiles_changed.notify_one();
    Ok(true)
}

/// One step; false if there was nothing to do.
async fn project_profiles(inner: &Arc<Inner>) -> Result<bool, Fault> {
    let worker = Arc::clone(inner);
    let decided = blocking(move || {
        let audiences = audiences(&worker)?;
        match changed_profiles(&worker, &audiences)? {
            Some(commit) => Ok(Some(commit)),
            None => first_evaluation(&worker, &audiences),
        }
    })
    .await?;
    let Some(commit) = decided else { return Ok(false) };
    crash::point("memberships.prepared");
    inner.store.commit_memberships(commit).await?;
    crash::point("memberships.committed");
    Ok(true)
}

/// All segments, compiled. One that no longer compiles is told and left as it is.
fn audiences(inner: &Inner) -> Result<Vec<Audience>, Fault> {
    let mut audiences = Vec::new();
    for segment in inner.all::<Segment>(Kind::Segment)? {
        let id = segment.id.clone();
        match Audience::compile(segment) {
            Ok(audience) => audiences.push(audience),
            Err(fault) => tracing::error!(segment = %id, %fault, "a segment cannot be evaluated"),
        }
    }
    Ok(audiences)
}

fn changed_profiles(inner: &Inner, audiences: &[Audience]) -> Result<Option<MembershipCommit>, Fault> {
    let after = inner.store.projector_cursor(SEGMENTS)?;
    let changes = inner.store.changes(Feed::Profiles, after, inner.options.projection_rows)?;
    let Some(last) = changes.last() else { return Ok(None) };
    let numbers: BTreeSet<i64> = changes.iter().map(|c| c.subject).collect();
    let mut profiles = inner.store.profiles_by_number(&numbers.into_iter().collect::<Vec<_>>())?;
    profiles.retain(|profile| profile.entity == EntityName::PERSON);
    let all: Vec<&Audience> = audiences.iter().collect();
    let now = inner.clock.now();
    let changes = membership::evaluate(inner.store.as_ref(), &all, &profiles, now)?;
    Ok(Some(MembershipCommit {
        projector: SEGMENTS.into(),
        upto: last.seq,
        cause: "change".into(),
        changes,
        document: None,
        now,
    }))
}

/// The next chunk of the first evaluation of a segment that has not been evaluated yet.
fn first_evaluation(inner: &Inner, audiences: &[Audience]) -> Result<Option<MembershipCommit>, Fault> {
    let Some(audience) = audiences.iter().find(|a| !a.segment.evaluated) else { return Ok(None) };
    let id = &audience.segment.id;
    let projector = format!("segment:{id}");
    let after = inner.store.projector_cursor(&projector)?;
    let after_number = i64::try_from(after).unwrap_or(i64::MAX);
    let profiles = inner.store.profiles(&EntityName::PERSON, after_number, inner.options.projection_rows)?;
    let now = inner.clock.now();
    let changes = membership::evaluate(inner.store.as_ref(), &[audience], &profiles, now)?;
    let upto = profiles.last().map_or(after, |p| u64::try_from(p.number).unwrap_or(after));
    let document = if profiles.is_empty() {
        let evaluated = Segment { evaluated: true, ..audience.segment.clone() };
        Some(write(Kind::Segment, id.as_str(), &evaluated)?)
    } else {
        None
    };
    Ok(Some(MembershipCommit { projector, upto, cause: "evaluation".into(), changes, document, now }))
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(Fault::new(FaultKind::Internal, "host.panic", e.to_string())))
}
