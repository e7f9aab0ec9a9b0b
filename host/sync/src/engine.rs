//! One sandbox at work: its runs, deliveries, projectors and schedules, and the way they stop.

use crate::accounts::{self, AccountMatch, BasisCache, Hierarchy};
use crate::ahead::Turn;
use crate::deliveries::LastDeliveries;
use crate::explain::{self, Explanation};
use crate::freshness::StreamTimes;
use crate::place::{Active, Lane, Place, lanes};
use crate::policies::PoliciesCache;
use crate::projector;
use crate::readbacks::Reading;
use crate::refused::Refusals;
use crate::schemas::{Describe, ToDescribe};
use crate::segments::{self, ColumnCache, LastEvaluation, SegmentCatalog};
use crate::tables::Tables;
use crate::trace::{self, Trail};
use crate::what_if::{self, WhatIf};
use crate::{Connectors, catalog::Catalogs, feeds, retention, schedule, schemas, source_run};
use attiva_core::config::{Connection, Segment};
use attiva_core::delivery::Delivery;
use attiva_core::id::{ConnectionId, ProfileId, RunId};
use attiva_core::identity::Rules;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::{DocumentWrite, Expect, Feed, Kind, Profile, Reconsider, SandboxStore, StoreError};
use attiva_core::retention::Kept;
use attiva_core::run::Run;
use attiva_core::{Fault, FaultKind, Millis};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

/// What an engine may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineOptions {
    /// Rows of a page at most.
    pub page_rows: u32,
    /// Bytes of a page at most.
    pub page_bytes: u64,
    /// Changes that one step of a projector takes.
    pub projection_rows: usize,
    /// What the evaluation of a segment may cost.
    pub budget: segments::Budget,
    /// How long what has ended is kept.
    pub kept: Kept,
    /// How long what a vendor describes is believed, by a run that goes on and by those that schedules start, in
    /// milliseconds.
    pub described_for_ms: Millis,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            page_rows: 1000,
            page_bytes: 4 * 1024 * 1024,
            projection_rows: 2000,
            budget: segments::Budget::default(),
            kept: Kept::default(),
            described_for_ms: 3_600_000,
        }
    }
}

/// How far the projectors have followed what was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Projection {
    pub newest_record_seq: u64,
    pub profiles_upto: u64,
    pub newest_profile_seq: u64,
    pub segments_upto: u64,
    pub newest_event_seq: u64,
    pub events_upto: u64,
    /// Nothing is left to project.
    pub caught_up: bool,
}

/// A handle to a sandbox at work; clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn SandboxStore>,
    pub(crate) connectors: Arc<dyn Connectors>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<dyn Chance>,
    pub(crate) options: EngineOptions,
    pub(crate) catalogs: Catalogs,
    pub(crate) policies: PoliciesCache,
    pub(crate) segments: SegmentCatalog,
    pub(crate) columns: ColumnCache,
    pub(crate) last_evaluation: LastEvaluation,
    pub(crate) trail: Trail,
    pub(crate) stream_times: StreamTimes,
    pub(crate) accounts: BasisCache,
    /// Held during steps of the profile projector.
    pub(crate) projecting: Turn,
    /// Read while a page is mapped and committed; written while mappings or the model change.
    pub(crate) publishing: tokio::sync::RwLock<()>,
    /// Held while what streams are taken to be is compared and kept.
    pub(crate) schemas: tokio::sync::Mutex<()>,
    pub(crate) to_describe: ToDescribe,
    /// No new page, batch or step is begun once this is cancelled.
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) records_changed: Notify,
    pub(crate) profiles_changed: Notify,
    /// An evaluation was queued, or a segment has no result.
    pub(crate) evaluations_wanted: Notify,
    pub(crate) accounts_changed: Notify,
    pub(crate) projected: Notify,
    /// A pause is over, or somebody approved of something.
    pub(crate) released: Notify,
    /// Held to be read while a delivery begins, written while a batch evaluation does: an audience is never taken in the
    /// middle of an evaluation's commits.
    pub(crate) beginning: tokio::sync::RwLock<()>,
    pub(crate) last_deliveries: LastDeliveries,
    pub(crate) reading: Reading,
    pub(crate) refusals: Refusals,
    pub(crate) tables: Tables,
    /// Something that was going is over, and its place is free.
    pub(crate) place_free: Notify,
    pub(crate) active: Mutex<Active>,
}

/// What came of trying to begin a run.
pub(crate) enum Tried {
    Begun(Run),
    /// Changes of its streams stop it.
    Stopped(Run, Fault),
}

impl Engine {
    /// Begins to work: resumes what a stop or a kill left unfinished, then follows changes and schedules.
    pub async fn start(
        store: Arc<dyn SandboxStore>,
        connectors: Arc<dyn Connectors>,
        clock: Arc<dyn Clock>,
        chance: Arc<dyn Chance>,
        options: EngineOptions,
    ) -> Result<Self, Fault> {
        let engine = Self {
            inner: Arc::new(Inner {
                store,
                connectors,
                clock,
                chance,
                options,
                catalogs: Catalogs::default(),
                policies: PoliciesCache::default(),
                segments: SegmentCatalog::default(),
                columns: ColumnCache::default(),
                last_evaluation: LastEvaluation::default(),
                trail: Trail::default(),
                stream_times: StreamTimes::default(),
                accounts: BasisCache::default(),
                projecting: Turn::default(),
                publishing: tokio::sync::RwLock::default(),
                schemas: tokio::sync::Mutex::default(),
                to_describe: ToDescribe::default(),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
                records_changed: Notify::new(),
                profiles_changed: Notify::new(),
                evaluations_wanted: Notify::new(),
                accounts_changed: Notify::new(),
                projected: Notify::new(),
                released: Notify::new(),
                beginning: tokio::sync::RwLock::default(),
                last_deliveries: LastDeliveries::default(),
                reading: Reading::default(),
                refusals: Refusals::default(),
                tables: Tables::default(),
                place_free: Notify::new(),
                active: Mutex::default(),
            }),
        };
        let inner = &engine.inner;
        inner.tasks.spawn(projector::follow_records(Arc::clone(inner)));
        inner.tasks.spawn(projector::follow_profiles(Arc::clone(inner)));
        inner.tasks.spawn(segments::follow_evaluations(Arc::clone(inner)));
        inner.tasks.spawn(projector::follow_accounts(Arc::clone(inner)));
        inner.tasks.spawn(schedule::follow(engine.clone()));
        inner.tasks.spawn(retention::follow(Arc::clone(inner)));
        inner.tasks.spawn(feeds::follow(Arc::clone(inner)));
        engine.resume()?;
        Ok(engine)
    }

    fn resume(&self) -> Result<(), Fault> {
        self.resume_removals()?;
        for run in self.inner.all::<Run>(Kind::Run)?.into_iter().filter(|r| !r.status.has_ended()) {
            tracing::info!(run = %run.id, "resuming a run");
            let id = run.id.clone();
            let span = trace::resume(trace::of_run(&run, true), run.trace.as_deref());
            self.drive_run(run, span);
            if self.inner.is_cancelled(id.as_str())? {
                self.stop_run(&id);
            }
        }
        for delivery in self.inner.all::<Delivery>(Kind::Delivery)?.into_iter().filter(|d| !d.status.has_ended()) {
            tracing::info!(delivery = %delivery.id, "resuming a delivery");
            let id = delivery.id.clone();
            let span = trace::resume(trace::of_delivery(&delivery, true), delivery.trace.as_deref());
            self.drive_delivery(delivery, true, span);
            if self.inner.is_cancelled(id.as_str())? {
                self.stop_delivery(&id);
            }
        }
        self.resume_readbacks()
    }

    /// Starts a run of a source connection. One connection has one run at a time. A run with this id, if there is one,
    /// was started by the same request before, and is answered. One that its streams' changes stop has ended already.
    pub async fn start_run(&self, connection: &ConnectionId, id: RunId) -> Result<Run, Fault> {
        match self.try_run(connection, id, Describe::Anew).await? {
            Tried::Begun(run) => Ok(run),
            Tried::Stopped(run, fault) => self.refuse_run(run, fault).await,
        }
    }

    /// As `start_run`; a run that its streams' changes stop is not kept yet.
    pub(crate) async fn try_run(
        &self,
        connection: &ConnectionId,
        id: RunId,
        describe: Describe,
    ) -> Result<Tried, Fault> {
        if let Some(started) = self.inner.find(Kind::Run, id.as_str())? {
            return Ok(Tried::Begun(started));
        }
        let connection: Connection = self.inner.get(Kind::Connection, connection.as_str())?;
        let place = self.place_of_run(&connection.id, &id, &[Lane::Own]).await?;
        let plugin = self.inner.connectors.version(&connection)?;
        let opened = schemas::open(&self.inner, &connection, &plugin, &id, describe).await?;
        self.remap(&connection).await;
        let mut run = Run::new(id, connection.id.clone(), plugin, &opened.streams, self.inner.clock.now());
        (run.held, run.keyed) = (opened.held, opened.keyed);
        if let Some(fault) = opened.stopped {
            return Ok(Tried::Stopped(run, fault));
        }
        let run = self.begin_run(run, place).await?;
        self.inner.refusals.forget(&connection.id);
        if let Err(fault) = self.backfill_new_columns(&connection).await {
            tracing::warn!(connection = %connection.id, %fault, "what has new columns is not read anew yet");
        }
        Ok(Tried::Begun(run))
    }

    /// Keeps a run that does not begin, so that whoever looks for it learns why.
    pub(crate) async fn refuse_run(&self, mut run: Run, fault: Fault) -> Result<Run, Fault> {
        tracing::warn!(run = %run.id, connection = %run.connection, %fault, "a run does not begin");
        run.refuse(fault, self.inner.clock.now());
        self.inner.put(Kind::Run, run.id.as_str(), &run).await?;
        Ok(run)
    }

    /// Keeps a run, and sets it going.
    pub(crate) async fn begin_run(&self, mut run: Run, place: Place<'_>) -> Result<Run, Fault> {
        let span = trace::of_run(&run, false);
        run.trace = trace::kept(&span);
        self.inner.put(Kind::Run, run.id.as_str(), &run).await?;
        place.keep();
        self.drive_run(run.clone(), span);
        Ok(run)
    }

    /// An id for a run or delivery that no request asked for.
    pub(crate) fn fresh<T>(&self, id: impl Fn(Millis, [u8; 6]) -> T) -> T {
        id(self.inner.clock.now(), self.inner.chance.bytes())
    }

    /// Ends a run at its next page boundary, also where a kill comes first.
    pub async fn cancel_run(&self, id: &RunId) -> Result<Run, Fault> {
        let run: Run = self.inner.get(Kind::Run, id.as_str())?;
        if !run.status.has_ended() {
            self.inner.put(Kind::Cancellation, id.as_str(), &self.inner.clock.now()).await?;
        }
        self.stop_run(id);
        self.inner.get(Kind::Run, id.as_str())
    }

    fn stop_run(&self, id: &RunId) {
        let going = self.inner.active().runs.values().find(|(run, _)| run == id).map(|(_, cancel)| cancel.clone());
        if let Some(cancel) = going {
            cancel.cancel();
        }
    }

    /// To be called when a segment's document was written or removed, or rates of exchange were: what has no result of its
    /// rule gets one.
    pub fn segments_changed(&self) {
        self.inner.segments.forget();
        self.inner.profiles_changed.notify_one();
        self.inner.evaluations_wanted.notify_one();
    }

    /// Changes documents on which profiles hang, and has records looked at again by what they say now.
    pub async fn reconsider(
        &self,
        writes: Vec<(DocumentWrite, Expect)>,
        deletes: Vec<(Kind, String)>,
        what: Reconsider,
    ) -> Result<(), Fault> {
        let step = self.inner.projecting.lock().await;
        self.inner.store.reconsider(writes, deletes, what, self.inner.clock.now()).await?;
        self.inner.policies.forget();
        self.inner.catalogs.forget_all();
        self.inner.segments.forget();
        self.inner.columns.forget();
        drop(step);
        self.inner.records_changed.notify_one();
        self.inner.accounts_changed.notify_one();
        Ok(())
    }

    /// To be called when rules that match leads, rates of exchange or limits were written: what hangs on them is worked
    /// out anew.
    pub fn accounts_changed(&self) {
        self.inner.accounts_changed.notify_one();
    }

    /// Which account a person belongs to by matching, and why.
    pub async fn match_of(&self, person: Profile) -> Result<AccountMatch, Fault> {
        let inner = Arc::clone(&self.inner);
        projector::blocking(move || accounts::match_of(&inner, &person)).await
    }

    /// An account's place in its family; `None`: it has not been looked at yet.
    pub async fn hierarchy(&self, account: Profile) -> Result<Option<Hierarchy>, Fault> {
        let inner = Arc::clone(&self.inner);
        projector::blocking(move || accounts::hierarchy(&inner, &account)).await
    }

    /// Why a profile is what it is; `None`: it has no record (any more).
    pub async fn explain(&self, profile: &ProfileId) -> Result<Option<Explanation>, Fault> {
        let (inner, profile) = (Arc::clone(&self.inner), profile.clone());
        projector::blocking(move || explain::explain(&inner, &profile)).await
    }

    /// What other rules would make of the first `records_max` records of persons, and what that would do to audiences.
    pub async fn what_if(&self, rules: Rules, records_max: usize) -> Result<WhatIf, Fault> {
        let inner = Arc::clone(&self.inner);
        projector::blocking(move || what_if::what_if(&inner, rules, records_max)).await
    }

    pub fn projection(&self) -> Result<Projection, Fault> {
        let store = &self.inner.store;
        let newest_record_seq = store.newest(Feed::Records)?;
        let profiles_upto = store.projector_cursor(projector::PROFILES)?;
        let newest_profile_seq = store.newest(Feed::Profiles)?;
        let segments_upto = store.projector_cursor(segments::SEGMENTS)?;
        let newest_event_seq = store.newest(Feed::Events)?;
        let events_upto = store.projector_cursor(segments::EVENTS)?;
        let is_due = store.next_due_membership()?.is_some_and(|at| at <= self.inner.clock.now());
        let caught_up = profiles_upto >= newest_record_seq
            && segments_upto >= newest_profile_seq
            && events_upto >= newest_event_seq
            && !is_due
            && accounts::is_caught_up(&self.inner)?
            && self.inner.all::<Segment>(Kind::Segment)?.iter().all(|s| s.evaluated);
        Ok(Projection {
            newest_record_seq,
            profiles_upto,
            newest_profile_seq,
            segments_upto,
            newest_event_seq,
            events_upto,
            caught_up,
        })
    }

    /// Stops at the next page, batch and step boundaries. What is unfinished goes on at the next start.
    pub async fn drain(&self, deadline: Duration) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(deadline, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(
                "drain: the deadline has passed; unfinished calls are cut off and repeated at the next start"
            );
        }
    }

    fn drive_run(&self, run: Run, span: Span) {
        let mut cancel = CancellationToken::new();
        for lane in lanes(&run) {
            let going = (run.id.clone(), cancel);
            cancel = self.inner.active().runs.entry((run.connection.clone(), *lane)).or_insert(going).1.clone();
        }
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(async move { source_run::drive(&inner, run, cancel).await }.instrument(span));
    }
}

impl Inner {
    pub(crate) fn is_cancelled(&self, id: &str) -> Result<bool, Fault> {
        Ok(self.store.document(Kind::Cancellation, id)?.is_some())
    }

    /// To be called when the end is kept. What a kill leaves behind concerns nobody any more.
    pub(crate) async fn forget_cancellation(&self, id: &str) {
        self.forget(Kind::Cancellation, id).await;
    }

    /// As `forget_cancellation`.
    pub(crate) async fn forget_approval(&self, id: &str) {
        self.forget(Kind::Approval, id).await;
    }

    async fn forget(&self, kind: Kind, id: &str) {
        match self.store.delete_document(kind, id, Expect::Anything).await {
            Ok(()) | Err(StoreError::Missing) => {}
            Err(error) => tracing::warn!(id, ?kind, %error, "a word that was followed is still on record"),
        }
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, kind: Kind, id: &str) -> Result<T, Fault> {
        self.find(kind, id)?.ok_or_else(|| {
            Fault::new(FaultKind::Config, "not-found", format!("there is no {id}")).action("Check the id.")
        })
    }

    pub(crate) fn find<T: DeserializeOwned>(&self, kind: Kind, id: &str) -> Result<Option<T>, Fault> {
        self.store.document(kind, id)?.map(|document| read(document.body)).transpose()
    }

    pub(crate) fn all<T: DeserializeOwned>(&self, kind: Kind) -> Result<Vec<T>, Fault> {
        const PAGE: usize = 500;
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.store.documents(kind, after.as_deref(), PAGE)?;
            after = page.last().map(|d| d.id.clone());
            let last = page.len() < PAGE;
            for document in page {
                all.push(read(document.body)?);
            }
            if last {
                return Ok(all);
            }
        }
    }

    pub(crate) async fn put<T: Serialize>(&self, kind: Kind, id: &str, value: &T) -> Result<(), Fault> {
        self.store.put_document(write(kind, id, value)?, Expect::Anything).await?;
        Ok(())
    }

    /// Waits a moment after the store refused to keep how far something is, since that passes when there is space again.
    /// False where it does not, or the engine stops: then the work goes on at the next start.
    pub(crate) async fn may_store_again(&self, id: &str, fault: &Fault) -> bool {
        const PAUSE: Duration = Duration::from_secs(1);
        let passes = fault.kind.is_retried() && !self.stop.is_cancelled();
        if !passes {
            tracing::error!(id, %fault, "progress could not be stored; it goes on at the next start");
            return false;
        }
        tracing::error!(id, %fault, "progress could not be stored; it is tried again");
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// Waits; false if the engine stops or the work is cancelled meanwhile.
    pub(crate) async fn wait_until(&self, until: i64, cancel: &CancellationToken) -> bool {
        let wait = u64::try_from(until.saturating_sub(self.clock.now())).unwrap_or(0);
        let passes = async {
            match self.clock.pass(wait) {
                Some(passes) => passes.await,
                None => tokio::time::sleep(Duration::from_millis(wait)).await,
            }
        };
        tokio::select! {
            () = passes => true,
            () = self.stop.cancelled() => false,
            () = cancel.cancelled() => true,
        }
    }

    pub(crate) fn jitter(&self) -> u8 {
        self.chance.bytes()[0]
    }
}

pub(crate) fn read<T: DeserializeOwned>(body: serde_json::Value) -> Result<T, Fault> {
    serde_json::from_value(body).map_err(|e| Fault::new(FaultKind::Internal, "store.document", e.to_string()))
}

pub(crate) fn write<T: Serialize>(kind: Kind, id: &str, value: &T) -> Result<DocumentWrite, Fault> {
    let body =
        serde_json::to_value(value).map_err(|e| Fault::new(FaultKind::Internal, "store.document", e.to_string()))?;
    Ok(DocumentWrite { kind, id: id.to_owned(), body })
}
