//! What caused what. A run's pages, the steps that follow them and the deliveries that take what came of it are apart in
//! time and tied by the store's sequence alone; here is kept whose span committed which part of it, so that a step goes on
//! in the trace of its newest cause and is linked to the others. See `docs/decisions/0060`.
//!
//! In memory and bounded: a span that has been pushed out, or that a restart has forgotten, is no cause any more. Nothing is
//! kept where nobody traces.

use attiva_core::Fault;
use attiva_core::delivery::{Action, Delivery};
use attiva_core::id::{ActivationId, DeliveryId, SegmentId};
use attiva_core::page::{Outcome, OutcomeStatus};
use attiva_core::ports::store::{Books, Feed, OpenBatch, PageCommitted, SandboxStore, Seq, StoreError};
use attiva_core::run::Run;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of spans that are made for traces and for nothing else: logs pass over them.
pub const TARGET: &str = "attiva::trace";

/// Spans that are kept of each feed, and of each audience.
const MARKS_MAX: usize = 256;
/// Audiences of which any are.
const AUDIENCES_MAX: usize = 1024;
/// The feeds that a page may add to: whether its rows are records or events is its stream's matter.
const PAGES: [Feed; 2] = [Feed::Records, Feed::Events];
/// Causes that one span names: a backlog can have thousands.
const CAUSES_MAX: usize = 32;

/// A span that committed what lies in `(after, upto]` of the sequence.
struct Mark {
    after: Seq,
    upto: Seq,
    by: SpanContext,
}

#[derive(Default)]
struct Marks {
    records: VecDeque<Mark>,
    profiles: VecDeque<Mark>,
    events: VecDeque<Mark>,
    /// By audience: spans that let members in or out, numbered.
    audiences: HashMap<SegmentId, VecDeque<(u64, SpanContext)>>,
    numbered: u64,
    /// By activation: up to which number its deliveries have gone.
    taken: HashMap<ActivationId, u64>,
    /// By delivery that is going: what it delivers came of these.
    delivering: HashMap<DeliveryId, Vec<SpanContext>>,
}

impl Marks {
    fn of(&mut self, feed: Feed) -> &mut VecDeque<Mark> {
        match feed {
            Feed::Records => &mut self.records,
            Feed::Profiles => &mut self.profiles,
            Feed::Events => &mut self.events,
        }
    }
}

/// What was committed by whom.
#[derive(Default)]
pub(crate) struct Trail(Mutex<Marks>);

impl Trail {
    /// A page is about to be committed by a span.
    pub(crate) fn page_begins(&self, store: &dyn SandboxStore, span: &Span) -> Result<(), StoreError> {
        if !span.is_disabled() {
            for feed in PAGES {
                self.begins(feed, store.newest(feed)?, span);
            }
        }
        Ok(())
    }

    /// It has been, or `None`: it has not. What it changed has consecutive numbers, the last of which is the newest.
    pub(crate) fn page(&self, span: &Span, committed: Option<&PageCommitted>) {
        let PageCommitted { changed, unchanged, stale, rejected, seq } = committed.copied().unwrap_or_default();
        span.record("seq", seq).record("changed", changed).record("unchanged", unchanged);
        span.record("stale", stale).record("rejected", rejected);
        for feed in PAGES {
            self.note(feed, seq.saturating_sub(changed), seq, span);
        }
    }

    /// A span is about to commit something that comes after this. To be followed by `note`: whoever follows the sequence may
    /// be quicker than that.
    pub(crate) fn begins(&self, feed: Feed, after: Seq, span: &Span) {
        if let Some(by) = context_of(span) {
            push(self.marks().of(feed), Mark { after, upto: Seq::MAX, by });
        }
    }

    /// A span has committed what lies in `(after, upto]`: nothing, where the two are the same.
    pub(crate) fn note(&self, feed: Feed, after: Seq, upto: Seq, span: &Span) {
        let Some(by) = context_of(span) else { return };
        let mut marks = self.marks();
        let marks = marks.of(feed);
        marks.retain(|mark| mark.upto != Seq::MAX || mark.by != by);
        if after < upto {
            push(marks, Mark { after, upto, by });
        }
    }

    /// A step that is about to take what lies in `(after, upto]`.
    pub(crate) fn follows(&self, feed: Feed, after: Seq, upto: Seq, span: Span) -> Span {
        if !span.is_disabled() {
            let is_in = |mark: &&Mark| mark.after < upto && mark.upto > after;
            let mut causes: Vec<(bool, SpanContext)> = self
                .marks()
                .of(feed)
                .iter()
                .filter(is_in)
                .map(|mark| (mark.upto != Seq::MAX, mark.by.clone()))
                .collect();
            // Of what is being committed just now nobody knows whether it is in: it counts where nothing else does.
            causes.sort_by_key(|(is_known, _)| *is_known);
            go_on(&span, causes.into_iter().map(|(_, by)| by).collect());
        }
        span
    }

    /// A step that follows no feed: the newest changes of one are likely what led to it.
    pub(crate) fn follows_newest(
        &self,
        store: &dyn SandboxStore,
        feed: Feed,
        changes: Seq,
        span: Span,
    ) -> Result<Span, StoreError> {
        if span.is_disabled() {
            return Ok(span);
        }
        let newest = store.newest(feed)?;
        Ok(self.follows(feed, newest.saturating_sub(changes), newest, span))
    }

    /// A span lets members of these audiences in or out. To be told before it is committed and after: a delivery that begins
    /// meanwhile has it either way, or the next one.
    pub(crate) fn audiences<'a>(&self, span: &Span, changed: impl Iterator<Item = &'a SegmentId>) {
        let Some(by) = context_of(span) else { return };
        let mut marks = self.marks();
        marks.numbered += 1;
        let number = marks.numbered;
        for segment in changed {
            let is_known = marks.audiences.contains_key(segment);
            if !is_known && marks.audiences.len() >= AUDIENCES_MAX {
                continue;
            }
            let of = marks.audiences.entry(segment.clone()).or_default();
            if of.back().is_none_or(|(last, _)| *last != number) {
                push(of, (number, by.clone()));
            }
        }
    }

    /// Up to where audiences are marked.
    pub(crate) fn number(&self) -> u64 {
        self.marks().numbered
    }

    /// A delivery has taken its audience, which began when marks went up to `upto`: the span of that is linked to whoever
    /// changed the audience since the activation's last one. They are told of its end.
    pub(crate) fn takes(&self, delivery: &Delivery, upto: u64, span: &Span) {
        if delivery.dry_run || span.is_disabled() {
            return;
        }
        let mut marks = self.marks();
        let after = marks.taken.insert(delivery.activation.clone(), upto).unwrap_or(0);
        let mut causes: Vec<SpanContext> = Vec::new();
        for (number, by) in marks.audiences.get(&delivery.segment).into_iter().flatten() {
            if *number > after && *number <= upto && !causes.contains(by) {
                causes.push(by.clone());
            }
        }
        let causes = newest(causes);
        for cause in &causes {
            span.add_link(cause.clone());
        }
        marks.delivering.insert(delivery.id.clone(), causes);
    }

    /// A delivery is over: each trace that led to it gets a span that says how it ended, linked to the delivery's own.
    pub(crate) fn delivered(&self, delivery: &Delivery, books: Books, span: &Span) {
        let causes = self.marks().delivering.remove(&delivery.id).unwrap_or_default();
        for cause in causes {
            let told = tracing::info_span!(target: TARGET, parent: None, "delivered", delivery = %delivery.id,
                activation = %delivery.activation, segment = %delivery.segment, status = ?delivery.status,
                received = books.received, activated = books.activated(), unchanged = books.unchanged,
                excluded = books.excluded, failed = books.failed, unmatched = books.unmatched);
            set_parent(&told, &cause);
            if let Some(delivery) = context_of(span) {
                told.add_link(delivery);
            }
        }
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        // Marks are whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push<T>(marks: &mut VecDeque<T>, mark: T) {
    if marks.len() >= MARKS_MAX {
        marks.pop_front();
    }
    marks.push_back(mark);
}

fn newest(mut causes: Vec<SpanContext>) -> Vec<SpanContext> {
    causes.split_off(causes.len().saturating_sub(CAUSES_MAX))
}

/// Puts a span that has not begun into the trace of its newest cause, and links it to the others.
fn go_on(span: &Span, causes: Vec<SpanContext>) {
    let causes = newest(causes);
    let Some((newest, others)) = causes.split_last() else { return };
    set_parent(span, newest);
    for other in others {
        span.add_link(other.clone());
    }
}

pub(crate) fn of_run(run: &Run, resumed: bool) -> Span {
    let Run { id, connection, plugin, .. } = run;
    tracing::info_span!(target: TARGET, "run", run = %id, %connection, plugin, resumed, status = Empty)
}

pub(crate) fn of_page(run: &Run, stream: usize) -> Span {
    let progress = run.streams.get(stream);
    let (stream, number) = (progress.map(|p| p.stream.as_str()), progress.map(|p| p.pages + 1));
    tracing::info_span!(target: TARGET, "page", run = %run.id, stream, number, rows = Empty, fault = Empty,
        otel.status_code = Empty)
}

pub(crate) fn of_commit(stream: &str) -> Span {
    tracing::info_span!(target: TARGET, "page.commit", stream, seq = Empty, changed = Empty, unchanged = Empty, stale = Empty,
        rejected = Empty)
}

pub(crate) fn of_delivery(delivery: &Delivery, resumed: bool) -> Span {
    let Delivery { id, activation, segment, plugin, dry_run, .. } = delivery;
    tracing::info_span!(target: TARGET, "delivery", delivery = %id, %activation, %segment, plugin, dry_run, resumed,
        status = Empty)
}

/// A delivery's next step; none where it only waits.
pub(crate) fn of_action(delivery: &Delivery, action: &Action) -> Span {
    let id = &delivery.id;
    match action {
        Action::Plan => {
            tracing::info_span!(target: TARGET, "audience", delivery = %id, fault = Empty, otel.status_code = Empty)
        }
        Action::Prepare => {
            tracing::info_span!(target: TARGET, "prepare", delivery = %id, fault = Empty, otel.status_code = Empty)
        }
        Action::Deliver => tracing::info_span!(target: TARGET, "batch", delivery = %id, number = delivery.batch,
            operation = Empty, rows = Empty, resent = Empty, created = Empty, updated = Empty, removed = Empty,
            unchanged = Empty, unmatched = Empty, rejected = Empty, pending = Empty, fault = Empty, otel.status_code = Empty),
        Action::Finish => {
            tracing::info_span!(target: TARGET, "finish", delivery = %id, fault = Empty, otel.status_code = Empty)
        }
        Action::Poll => {
            tracing::info_span!(target: TARGET, "poll", delivery = %id, fault = Empty, otel.status_code = Empty)
        }
        Action::Abort => {
            tracing::info_span!(target: TARGET, "abort", delivery = %id, fault = Empty, otel.status_code = Empty)
        }
        Action::Hold(_) | Action::WaitUntil(_) | Action::End => Span::none(),
    }
}

/// The work of a span failed. Its message may hold what a vendor knows of people, and does not go out.
pub(crate) fn fails(span: &Span, fault: &Fault) {
    span.record("fault", fault.code.as_str()).record("otel.status_code", "ERROR");
}

/// What became of a batch's rows.
pub(crate) fn outcomes(batch: &OpenBatch, outcomes: &[Outcome], span: &Span) {
    if span.is_disabled() {
        return;
    }
    span.record("rows", batch.rows.len()).record("resent", batch.resent);
    if let Some(row) = batch.rows.first() {
        span.record("operation", tracing::field::debug(row.operation));
    }
    let count = |of: OutcomeStatus| outcomes.iter().filter(|outcome| outcome.status == of).count();
    for (name, of) in [
        ("created", OutcomeStatus::Created),
        ("updated", OutcomeStatus::Updated),
        ("removed", OutcomeStatus::Removed),
        ("unchanged", OutcomeStatus::Unchanged),
        ("unmatched", OutcomeStatus::Unmatched),
        ("rejected", OutcomeStatus::Rejected),
        ("pending", OutcomeStatus::Pending),
    ] {
        span.record(name, count(of));
    }
}

/// Makes a span that has not begun the child of one that may be anywhere.
pub fn set_parent(span: &Span, parent: &SpanContext) {
    // It can fail where the span has begun, or where nobody traces: then it is a trace of its own, or none.
    let _ = span.set_parent(Context::new().with_remote_span_context(parent.clone()));
}

/// What others name a span by; `None` where it is not traced.
fn context_of(span: &Span) -> Option<SpanContext> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let of = context.span().span_context().clone();
    (of.is_valid() && of.is_sampled()).then_some(of)
}

/// The id of the trace that a span is part of; `None` where it is not traced.
#[must_use]
pub fn id_of(span: &Span) -> Option<String> {
    context_of(span).map(|of| format!("{:032x}", of.trace_id()))
}

/// A span's place as W3C trace context has it, to be kept with what it is about: work goes on in its trace after a restart.
pub(crate) fn kept(span: &Span) -> Option<String> {
    let of = context_of(span)?;
    Some(format!("00-{:032x}-{:016x}-{:02x}", of.trace_id(), of.span_id(), of.trace_flags().to_u8()))
}

/// Puts a span that has not begun where the kept one was.
pub(crate) fn resume(span: Span, kept: Option<&str>) -> Span {
    if let Some(parent) = kept.and_then(parse) {
        set_parent(&span, &parent);
    }
    span
}

/// The trace's id in what was kept.
#[must_use]
pub fn trace_id(kept: &str) -> Option<String> {
    parse(kept).map(|of| format!("{:032x}", of.trace_id()))
}

/// Reads a `traceparent` as the recommendation has it: `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`, all small, and
/// more after that in versions to come.
#[must_use]
pub fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        let part = parts.next()?;
        let is_hex = part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex && part.len() == length).then_some(part)
    };
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_whole = version != "ff" && (version != "00" || parts.next().is_none());
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let of = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    (is_whole && of.is_valid()).then_some(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_only_as_the_recommendation_has_it() {
        let trace = |header: &str| parse(header).map(|of| format!("{:032x}", of.trace_id()));
        let (id, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        assert_eq!(trace(&format!("00-{id}-{parent}-01")).as_deref(), Some(id));
        assert_eq!(trace(&format!("cc-{id}-{parent}-01-more")).as_deref(), Some(id));
        let wrong = [
            format!("00-{id}-{parent}-01-more"),
            format!("ff-{id}-{parent}-01"),
            format!("00-{}-{parent}-01", id.to_uppercase()),
            format!("00-{}-{parent}-01", "0".repeat(32)),
            format!("00-{id}-{}-01", "0".repeat(16)),
            format!("00-{id}-{parent}"),
            format!("00-{id}"),
            String::new(),
        ];
        for header in wrong {
            assert_eq!(trace(&header), None, "{header}");
        }
    }
}
