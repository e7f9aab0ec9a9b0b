//! Drives a delivery: plans it, delivers it batch by batch, settles every member.

use crate::crash;
use crate::engine::{Inner, write};
use crate::export::ExportMapping;
use crate::gate::Gate;
use crate::{delivery_plan, delivery_send};
use crate::{policies, trace, usage};
use attiva_core::config::{Activation, Connection, Segment};
use attiva_core::delivery::{Action, Delivery, DeliveryStatus, Event, Phase};
use attiva_core::id::ProfileId;
use attiva_core::model::EntityName;
use attiva_core::page::Outcome;
use attiva_core::ports::connector::{DeliveryRun, Destination, Finished, Target};
use attiva_core::ports::store::{DocumentWrite, ItemOutcome, ItemStatus, Kind};
use attiva_core::spec::{DeliveryMode, DeliverySpec};
use attiva_core::{Fault, FaultKind};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

/// All that the calls of one delivery need.
pub(crate) struct Work {
    pub(crate) target: Target,
    pub(crate) destination: Arc<dyn Destination>,
    pub(crate) spec: DeliverySpec,
    pub(crate) mapping: ExportMapping,
    pub(crate) gate: Gate,
    pub(crate) activation: Activation,
    pub(crate) segment: Segment,
}

impl Work {
    async fn of(inner: &Inner, delivery: &Delivery) -> Result<Self, Fault> {
        Self::with(inner, delivery, inner.get(Kind::Activation, delivery.activation.as_str())?).await
    }

    /// For an activation that need not be kept yet.
    pub(crate) async fn with(inner: &Inner, delivery: &Delivery, activation: Activation) -> Result<Self, Fault> {
        let connection: Connection = inner.get(Kind::Connection, activation.connection.as_str())?;
        let (destination, spec) = inner.connectors.destination(&connection, &delivery.plugin, &delivery.id).await?;
        let segment: Segment = inner.get(Kind::Segment, activation.segment.as_str())?;
        let sent = EntityName::Model(activation.sends(segment.entity).kind());
        let mapping = ExportMapping::compile(&activation.mapping, policies::layout(inner.store.as_ref(), &sent)?)?;
        let target = Target { id: delivery.target.clone(), ..activation.target() };
        let gate = Gate::of(inner.store.as_ref(), &activation)?;
        Ok(Self { target, destination, spec, mapping, gate, activation, segment })
    }

    pub(crate) fn run(&self, delivery: &Delivery) -> DeliveryRun {
        DeliveryRun {
            id: delivery.id.as_str().to_owned(),
            started_at: delivery.started_at,
            rows_expected: Some(delivery.plan.as_ref().map_or(delivery.received, |plan| plan.sends())),
            columns: self.mapping.columns(),
        }
    }
}

/// Drives a delivery to its end, or to the engine's stop: then it goes on at the next start.
pub(crate) async fn drive(inner: &Arc<Inner>, mut delivery: Delivery, restarted: bool, cancel: CancellationToken) {
    let mut event = match first_event(inner, &delivery, restarted).await {
        Ok(event) => event,
        Err(fault) => failed(inner, &delivery, fault),
    };
    loop {
        if cancel.is_cancelled() && !delivery.cancel_requested {
            event = Event::CancelRequested;
        }
        let mut action = delivery.step(event, inner.clock.now());
        let paused = is_paused(inner, &delivery);
        if paused != delivery.paused {
            action = delivery.step(Event::Paused(paused), inner.clock.now());
        }
        if action == Action::End {
            return end(inner, delivery).await;
        }
        while let Err(fault) = inner.put(Kind::Delivery, delivery.id.as_str(), &delivery).await {
            if !inner.may_store_again(delivery.id.as_str(), &fault).await {
                return;
            }
        }
        event = match action {
            Action::End => return,
            Action::WaitUntil(until) => {
                // A cancellation ends one wait; what it has to wait out itself is not cut short by it.
                let cut_by = if delivery.cancel_requested { &CancellationToken::new() } else { &cancel };
                if !inner.wait_until(until, cut_by).await {
                    return;
                }
                Event::Resumed
            }
            Action::Hold(_) => match held(inner, &delivery, &cancel).await {
                Some(event) => event,
                None => return,
            },
            Action::Plan | Action::Prepare | Action::Deliver | Action::Finish | Action::Poll | Action::Abort => {
                // A call that sends is not cut off by a cancellation, only the wait for the audience is.
                let span = trace::of_action(&delivery, &action);
                let may_cut = delivery.phase == Phase::Planning && !delivery.cancel_requested;
                tokio::select! {
                    biased;
                    () = inner.stop.cancelled() => return,
                    () = cancel.cancelled(), if may_cut => Event::CancelRequested,
                    done = act(inner, &mut delivery, action).instrument(span.clone()) => match done {
                        Ok(event) => event,
                        Err(fault) => {
                            trace::fails(&span, &fault);
                            failed(inner, &delivery, fault)
                        }
                    },
                }
            }
        };
    }
}

/// An activation that is gone is not paused: its delivery fails, and says so.
fn is_paused(inner: &Inner, delivery: &Delivery) -> bool {
    let activation: Result<Activation, Fault> = inner.get(Kind::Activation, delivery.activation.as_str());
    activation.is_ok_and(|activation| activation.paused)
}

/// Waits until what holds the delivery may be over; `None` if the engine stops.
async fn held(inner: &Inner, delivery: &Delivery, cancel: &CancellationToken) -> Option<Event> {
    let released = inner.released.notified();
    if !delivery.approved && matches!(inner.store.document(Kind::Approval, delivery.id.as_str()), Ok(Some(_))) {
        return Some(Event::Approved);
    }
    if is_paused(inner, delivery) != delivery.paused {
        return Some(Event::Resumed);
    }
    tokio::select! {
        // What is written just before the wait begins is seen a little later.
        () = tokio::time::sleep(std::time::Duration::from_secs(1)) => Some(Event::Resumed),
        () = released => Some(Event::Resumed),
        () = cancel.cancelled() => Some(Event::CancelRequested),
        () = inner.stop.cancelled() => None,
    }
}

/// The end is told with the books closed. The spools go after it is kept: a delivery that a kill makes end once more may
/// need them, and no other one has them.
async fn end(inner: &Inner, mut delivery: Delivery) {
    inner.last_deliveries.acknowledged(&delivery);
    while let Err(fault) = store_end(inner, &delivery).await {
        if !inner.may_store_again(delivery.id.as_str(), &fault).await {
            return;
        }
    }
    tracing::info!(delivery = %delivery.id, status = ?delivery.status, "delivery ended");
    Span::current().record("status", tracing::field::debug(delivery.status));
    let books = inner.store.books(&delivery.id).unwrap_or_default();
    inner.trail.delivered(&delivery, books, &Span::current());
    inner.forget_cancellation(delivery.id.as_str()).await;
    if delivery.needs_approval {
        inner.forget_approval(delivery.id.as_str()).await;
    }
    if let Ok(work) = Work::of(inner, &delivery).await
        && let Err(fault) = work.destination.clear_spool(&work.run(&delivery)).await
    {
        tracing::warn!(delivery = %delivery.id, %fault, "the spool was not cleared");
    }
    delivery.books = Some(books);
    inner.last_deliveries.note(&delivery);
    inner.delivery_is_over(&delivery);
}

/// A delivery that ends before its time settles whoever is left.
async fn store_end(inner: &Inner, delivery: &Delivery) -> Result<(), Fault> {
    if delivery.status != DeliveryStatus::Succeeded {
        inner.store.settle_rest(&delivery.id, unsettled(delivery), document(delivery)?).await?;
    }
    if delivery.mode == DeliveryMode::Snapshot {
        inner.store.end_whole(&delivery.id).await?;
    }
    let told = Delivery { books: Some(inner.store.books(&delivery.id)?), ..delivery.clone() };
    inner.put(Kind::Delivery, delivery.id.as_str(), &told).await
}

async fn first_event(inner: &Inner, delivery: &Delivery, restarted: bool) -> Result<Event, Fault> {
    if !restarted || inner.store.opened_batch(&delivery.id)?.is_none() {
        return Ok(Event::Resumed);
    }
    let unsure_ms = Work::of(inner, delivery).await?.spec.unsure_ms();
    Ok(Event::Restarted { batch_open: true, unsure_ms })
}

/// A step failed before anything was sent, or after all of it was answered.
fn failed(inner: &Inner, delivery: &Delivery, fault: Fault) -> Event {
    failed_unsure(inner, delivery, fault, 0)
}

pub(crate) fn failed_unsure(inner: &Inner, delivery: &Delivery, fault: Fault, unsure_ms: u64) -> Event {
    trace::fails(&Span::current(), &fault);
    tracing::warn!(delivery = %delivery.id, phase = ?delivery.phase, %fault, "a step failed");
    Event::Failed { fault, jitter: inner.jitter(), unsure_ms }
}

fn unsettled(delivery: &Delivery) -> ItemOutcome {
    let (code, message) = match &delivery.fault {
        Some(fault) => (fault.code.clone(), fault.message.clone()),
        None => ("delivery.cancelled".into(), "the delivery was cancelled before this member's turn".into()),
    };
    ItemOutcome::unsent(0, ItemStatus::Failed, code, None, message)
}

/// The document for a transaction of the store: an end is not told in it.
pub(crate) fn document(delivery: &Delivery) -> Result<DocumentWrite, Fault> {
    write(Kind::Delivery, delivery.id.as_str(), &delivery.clone().untold())
}

async fn act(inner: &Arc<Inner>, delivery: &mut Delivery, action: Action) -> Result<Event, Fault> {
    let work = Work::of(inner, delivery).await?;
    if matches!(action, Action::Plan | Action::Prepare | Action::Deliver | Action::Finish) {
        usage::allowed(inner, &work.activation)?;
    }
    let run = work.run(delivery);
    let target = &work.target;
    match action {
        Action::Plan => delivery_plan::plan(inner, delivery, &work).await,
        Action::Prepare => {
            let prepared = work.destination.prepare(target, &run, delivery.dry_run).await?;
            Ok(Event::Prepared { state: prepared.state, notes: prepared.notes, wait_ms: prepared.wait_ms })
        }
        Action::Deliver => delivery_send::deliver(inner, delivery, &work, &run).await,
        Action::Finish => {
            let finished = work.destination.finish(target, &run, &delivery.state).await?;
            settle(inner, delivery, &work.spec, finished).await
        }
        Action::Poll => {
            let finished = work.destination.poll(target, &run, &delivery.state).await?;
            settle(inner, delivery, &work.spec, finished).await
        }
        Action::Abort => {
            work.destination.abort(target, &run, &delivery.state).await?;
            Ok(Event::Aborted)
        }
        Action::Hold(_) | Action::WaitUntil(_) | Action::End => Ok(Event::Resumed),
    }
}

pub(crate) fn item(position: u64, outcome: Outcome, spec: &DeliverySpec) -> ItemOutcome {
    let Outcome { status, code, field, message, member_id } = outcome;
    let passes = spec.transient_codes.contains(&code);
    let unsent = ItemOutcome::unsent(position, status.into(), code, field, message);
    ItemOutcome { answer: Some(status), passes, member_id, ..unsent }
}

async fn settle(inner: &Inner, delivery: &Delivery, spec: &DeliverySpec, finished: Finished) -> Result<Event, Fault> {
    crash::point("finish.answered");
    let mut exceptions = Vec::with_capacity(finished.exceptions.len());
    for (key, outcome) in finished.exceptions {
        let profile = ProfileId::parse(&key)
            .ok_or_else(|| Fault::new(FaultKind::Internal, "outcomes.key", format!("`{key}` was never sent")))?;
        exceptions.push((profile, item(0, outcome, spec)));
    }
    let event = Event::Finished {
        state: finished.state,
        pending_become: finished.pending_become,
        artifacts: finished.artifacts,
        wait_ms: finished.wait_ms,
    };
    let mut after = delivery.clone();
    let now = inner.clock.now();
    after.step(event.clone(), now);
    let become_status = finished.pending_become;
    inner.store.settle_pending(&delivery.id, become_status, exceptions, document(&after)?, now).await?;
    crash::point("delivery.finished");
    Ok(event)
}
