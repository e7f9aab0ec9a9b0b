//! Drives a source run: pulls a page, commits it with its cursor and the run's progress, asks the core what is next.

use crate::engine::{Inner, write};
use crate::keyed::{self, Position};
use crate::stream_start::Place;
use crate::{backfill, crash, intake, outlook, policies, schemas, sieve, stream_start, trace};
use attiva_core::backfill::Place as Anew;
use attiva_core::config::Connection;
use attiva_core::disk;
use attiva_core::guardrail::Guardrails;
use attiva_core::page::{Page, Reject};
use attiva_core::ports::connector::{PageLimits, Source};
use attiva_core::ports::store::{Feed, Kind, PageCommit, PageCommitted, PageDocument, StreamState};
use attiva_core::quota::Priority;
use attiva_core::record::RecordChange;
use attiva_core::run::{Action, Counts, Event, Run};
use attiva_core::{Fault, FaultKind};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

/// Drives a run to its end, or to the engine's stop: then it goes on at the next start.
pub(crate) async fn drive(inner: &Inner, mut run: Run, cancel: CancellationToken) {
    let mut event = Event::Resumed;
    let due = inner.due(&run);
    let known = schemas::described_at(inner, &run.connection).unwrap_or_default();
    let mut described_at = known.unwrap_or_else(|| inner.clock.now());
    loop {
        if cancel.is_cancelled() {
            event = Event::CancelRequested;
        }
        let mut action = run.step(event, inner.clock.now());
        if due.take() {
            action = run.step(Event::Due, inner.clock.now());
        }
        let now = inner.clock.now();
        if action != Action::End
            && run.backfill.is_none()
            && now >= described_at.saturating_add(inner.options.described_for_ms)
        {
            described_at = now;
            tokio::select! {
                () = schemas::describe_again(inner, &mut run) => {}
                () = inner.stop.cancelled() => return,
                () = cancel.cancelled() => {}
            }
            action = run.step(Event::Resumed, inner.clock.now());
        }
        inner.stream_times.note(&run);
        if action == Action::End {
            return end(inner, &run).await;
        }
        // A page's commit has written the document already; writing it again is cheap and covers the other events.
        while let Err(fault) = inner.put(Kind::Run, run.id.as_str(), &run).await {
            if !inner.may_store_again(run.id.as_str(), &fault).await {
                return;
            }
        }
        event = match action {
            Action::Pull { stream } => {
                let span = trace::of_page(&run, stream);
                match pull(inner, &run, stream, &cancel).instrument(span.clone()).await {
                    Ok(Some(event)) => event,
                    Ok(None) if inner.stop.is_cancelled() => return,
                    Ok(None) => Event::CancelRequested,
                    Err(fault) => {
                        trace::fails(&span, &fault);
                        failed(inner, &run, fault)
                    }
                }
            }
            Action::WaitUntil(until) => {
                tokio::select! {
                    went = inner.wait_until(until, &cancel) => if !went { return },
                    () = due.waken() => {}
                }
                Event::Resumed
            }
            Action::End => return,
        };
    }
}

/// The spools go after the end is kept: a run that a kill makes end once more may need them. Whoever sees the end and
/// starts the next run waits until they are gone.
async fn end(inner: &Inner, run: &Run) {
    while let Err(fault) = inner.put(Kind::Run, run.id.as_str(), run).await {
        if !inner.may_store_again(run.id.as_str(), &fault).await {
            return;
        }
    }
    Span::current().record("status", tracing::field::debug(run.status));
    tracing::info!(run = %run.id, status = ?run.status, "run ended");
    inner.forget_cancellation(run.id.as_str()).await;
    clear_spools(inner, run).await;
    // What the vendor does not let in is found at the start of the next run, before there is one.
    if run.fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Auth)
        && let Err(fault) = schemas::forget_described(inner, &run.connection).await
    {
        tracing::warn!(run = %run.id, %fault, "the next run may believe what was described before");
    }
    inner.run_is_over(run);
}

fn failed(inner: &Inner, run: &Run, fault: Fault) -> Event {
    tracing::warn!(run = %run.id, %fault, "a page failed");
    Event::Failed { fault, jitter: inner.jitter() }
}

/// How long a run that is held rests before it looks for room again.
const HELD_MS: u64 = 2000;

/// Whether there is room for another page.
fn room(inner: &Inner, limits: &Guardrails) -> Result<Result<(), Fault>, Fault> {
    Ok(disk::may_read(&inner.connectors.disk()?, limits))
}

/// Reads and commits one page; `None` if it was cut off before anything was read.
async fn pull(inner: &Inner, run: &Run, stream: usize, cancel: &CancellationToken) -> Result<Option<Event>, Fault> {
    let guardrails = policies::guardrails(inner.store.as_ref())?;
    run.may_read(&guardrails)?;
    if let Err(fault) = room(inner, &guardrails)? {
        tracing::warn!(run = %run.id, %fault, "held");
        return Ok(Some(Event::Held { fault, wait_ms: HELD_MS }));
    }
    let name = &run.streams[stream].stream;
    let connection: Connection = inner.get(Kind::Connection, run.connection.as_str())?;
    if let Some((wish, Anew::Deleting(after))) = run.backfill.as_ref().map(|anew| (&anew.wish, &anew.place)) {
        return backfill::delete_missing(inner, run, &connection, name, wish, *after).await.map(Some);
    }
    let source = backfill::source(inner, run, &connection).await?;
    let mut place = place(inner, run, stream, &*source)?;
    // A stream that was at its end is kept up to date; all else is work through what has piled up.
    let is_current = run.backfill.is_none()
        && run.keys_still_come_of(name).is_none()
        && inner.store.stream_state(&connection.id, name)?.is_some_and(|s| !s.more);
    let limits = PageLimits {
        max_rows: inner.options.page_rows,
        max_bytes: inner.options.page_bytes,
        priority: if is_current { Priority::Streaming } else { Priority::Backfill },
    };
    if let Some(fault) = source.no_room(name, limits.priority)? {
        tracing::debug!(run = %run.id, stream = name, %fault, "held back");
        return Ok(Some(Event::HeldBack { fault }));
    }
    let keyed = match keyed::keyed_by(inner, &connection, name)? {
        None => None,
        Some(by) => {
            let position = Position::of(place.cursor.as_ref())?;
            let keys = keyed::next(inner, &connection, &by, position.taken, limits.max_rows).await?;
            // The connector's own part is what it is called with, and what another version of it has to migrate.
            place.cursor.clone_from(&position.cursor);
            Some((position, keys))
        }
    };
    let keys = keyed.as_ref().map_or(&[][..], |(_, keys)| &keys.keys[..]);
    let fields = schemas::fields(inner, &connection.id, name)?;
    // Only the call is cut off by a stop, never the commit.
    let (page, usage) = tokio::select! {
        biased;
        () = inner.stop.cancelled() => return Ok(None),
        () = cancel.cancelled() => return Ok(None),
        read = stream_start::read(&*source, (name, &fields), place, keys, limits) => read?,
    };
    let calls = u64::from(usage.requests);
    let (mut page, calls_left) = match &keyed {
        None => {
            let left = outlook::calls_left(&page, &run.streams[stream], calls);
            (page, left)
        }
        Some((position, keys)) => {
            let newest = inner.store.newest(Feed::Records)?;
            let left = keys.calls_left(position, &page, newest, calls);
            let mut page = keys.settle(position, page);
            keys.say(&mut page, newest, run.keys_still_come_of(name));
            (page, left)
        }
    };
    outlook::say(&mut page, &*source, name, calls_left, inner.clock.now())?;
    Span::current().record("rows", page.rows.len);
    tracing::debug!(run = %run.id, stream = name, rows = page.rows.len, cpu_us = usage.cpu_ns / 1000, "page read");
    for warning in &page.warnings {
        tracing::warn!(run = %run.id, stream = name, code = warning.code, message = warning.message, "the connector warns");
    }
    crash::point("page.read");
    let changes = intake::changes(&page, &connection.instance, inner.clock.now())?;
    commit(inner, run, &connection, name, changes, &page.rejects, Told::of(&page, run, usage.requests)).await.map(Some)
}

/// Where the next page of a stream begins.
fn place(inner: &Inner, run: &Run, stream: usize, source: &dyn Source) -> Result<Place, Fault> {
    let progress = &run.streams[stream];
    match &run.backfill {
        Some(anew) if anew.wish.reset && progress.pages == 0 => Ok(Place::at(None)),
        Some(anew) if !anew.wish.reset => match &anew.place {
            Anew::Reading(Some(kept)) => Ok(Place::at(Some(kept.cursor()?))),
            Anew::Reading(None) | Anew::Deleting(_) => Ok(Place::at(None)),
        },
        Some(_) | None => stream_start::place(inner, source, &run.connection, &progress.stream),
    }
}

/// Commits what a page has brought, and tells the run and the others.
pub(crate) async fn commit(
    inner: &Inner,
    run: &Run,
    connection: &Connection,
    stream: &str,
    changes: Vec<RecordChange>,
    rejects: &[Reject],
    told: Told,
) -> Result<Event, Fault> {
    let span = trace::of_commit(stream);
    inner.trail.page_begins(inner.store.as_ref(), &span)?;
    let committed = write_page(inner, run, connection, stream, changes, rejects, &told).instrument(span.clone()).await;
    inner.trail.page(&span, committed.as_ref().ok());
    let committed = committed?;
    crash::point("page.committed");
    inner.records_changed.notify_one();
    // Events need no projection: memberships follow them at once.
    inner.profiles_changed.notify_one();
    Ok(told.event(committed))
}

async fn write_page(
    inner: &Inner,
    run: &Run,
    connection: &Connection,
    stream: &str,
    changes: Vec<RecordChange>,
    said: &[Reject],
    told: &Told,
) -> Result<PageCommitted, Fault> {
    let now = inner.clock.now();
    let _mappings = inner.publishing.read().await;
    let mapping = inner.catalogs.mapping(inner, &connection.id, stream)?;
    let entity = mapping.as_ref().map(|mapping| mapping.entity().clone());
    let from = intake::Origin { connection: &connection.id, stream };
    let limits = policies::guardrails(inner.store.as_ref())?;
    let (changes, erased) = sieve::sift(inner, &connection.id, stream, changes, now)?;
    let intake::Taken { records, events, stages, rejects, errors } =
        intake::take(changes, mapping.as_deref(), from, limits, now);
    // Records that change what they are of are not looked at meanwhile.
    let _step = match inner.store.stream_is_of(&connection.id, stream, entity.as_ref())? {
        true => None,
        false => Some(inner.projecting.lock().await),
    };
    let (before, told) = (run.clone(), told.clone());
    let (state, notes_seen) = (told.state.clone(), told.notes_seen);
    let document = PageDocument(Arc::new(move |committed| {
        let mut after = before.clone();
        after.step(told.event(committed), now);
        write(Kind::Run, before.id.as_str(), &after.untold()).ok()
    }));
    let page = PageCommit {
        connection: connection.id.clone(),
        stream: stream.to_owned(),
        entity,
        run: run.id.clone(),
        records,
        events,
        stages,
        errors,
        rejects: kept_rejects(said, &rejects, erased, inner),
        state,
        notes_seen,
        document,
        now,
    };
    Ok(inner.store.commit_page(page).await?)
}

/// What a page tells the run beside its rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) more: bool,
    pub(crate) wait_ms: Option<u64>,
    pub(crate) estimate: Option<attiva_core::page::Estimate>,
    pub(crate) calls: u64,
    /// Where a reading anew is after it.
    pub(crate) anew: Option<Anew>,
    /// Where the stream is after it; `None`: where it was.
    pub(crate) state: Option<StreamState>,
    pub(crate) notes_seen: bool,
}

impl Told {
    fn of(page: &Page, run: &Run, requests: u32) -> Self {
        let (wait_ms, estimate, calls) = (page.wait_ms, page.estimate.clone(), u64::from(requests));
        let state = Some(StreamState { cursor: page.next.clone(), more: page.more });
        let Some(anew) = &run.backfill else {
            return Self { more: page.more, wait_ms, estimate, calls, state, ..Self::default() };
        };
        let (more, place) = anew.after_page(page.more, &page.next);
        let state = state.filter(|_| anew.wish.reset);
        let notes_seen = anew.wish.infer_deletions;
        Self { more, wait_ms, estimate, calls, anew: Some(place), state, notes_seen }
    }

    fn event(&self, committed: PageCommitted) -> Event {
        let PageCommitted { changed, unchanged, stale, rejected, seq: _ } = committed;
        let counts = Counts { changed, unchanged, stale, rejected };
        let Self { more, wait_ms, estimate, calls, anew, .. } = self.clone();
        Event::Committed { counts, more, wait_ms, estimate, calls, anew }
    }
}

/// Those of the connector, of the host's limits, and of who was erased. A connector's may say a name, too.
fn kept_rejects(said: &[Reject], rejects: &[Reject], erased: Vec<Reject>, inner: &Inner) -> Vec<Reject> {
    let erasures = inner.connectors.erasures();
    let kept = said.iter().chain(rejects).map(cut);
    kept.map(|reject| sieve::take_out_of(&*erasures, reject)).chain(erased).collect()
}

/// A reject as it is kept: its sample is the vendor's, of any length.
fn cut(reject: &Reject) -> Reject {
    const SAMPLE_MAX: usize = 4096;
    let mut kept = reject.clone();
    if kept.sample.len() > SAMPLE_MAX {
        let end = (0..=SAMPLE_MAX).rev().find(|i| kept.sample.is_char_boundary(*i)).unwrap_or(0);
        kept.sample.truncate(end);
    }
    kept
}

async fn clear_spools(inner: &Inner, run: &Run) {
    let Ok(connection) = inner.get::<Connection>(Kind::Connection, run.connection.as_str()) else { return };
    let Ok(source) = backfill::source(inner, run, &connection).await else { return };
    // A stream that is not caught up needs its spool again: the next run goes on in the middle of a file. What was read
    // beside is begun anew.
    let is_beside = run.backfill.as_ref().is_some_and(|anew| !anew.wish.reset);
    if is_beside {
        backfill::let_go(inner, run, &connection).await;
    }
    for stream in run.streams.iter().filter(|s| s.caught_up || is_beside) {
        if let Err(fault) = source.clear_spool(&stream.stream).await {
            tracing::warn!(run = %run.id, %fault, "the spool was not cleared");
        }
    }
}
