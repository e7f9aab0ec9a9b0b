//! Drives a delivery: queues the audience, delivers it batch by batch, settles every member.

use crate::crash;
use crate::engine::{Inner, write};
use crate::export::ExportMapping;
use attiva_core::config::{Activation, Connection, Segment};
use attiva_core::delivery::{Action, Delivery, DeliveryStatus, Event, Phase};
use attiva_core::id::ProfileId;
use attiva_core::page::Outcome;
use attiva_core::ports::connector::{DeliveryRun, Destination, Finished, Target};
use attiva_core::ports::store::{DocumentWrite, ItemOutcome, ItemStatus, Kind, OpenBatch};
use attiva_core::spec::DeliverySpec;
use attiva_core::{Fault, FaultKind};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// All that the calls of one delivery need.
struct Work {
    target: Target,
    destination: Arc<dyn Destination>,
    spec: DeliverySpec,
    mapping: ExportMapping,
}

impl Work {
    async fn of(inner: &Inner, delivery: &Delivery) -> Result<Self, Fault> {
        let activation: Activation = inner.get(Kind::Activation, delivery.activation.as_str())?;
        let connection: Connection = inner.get(Kind::Connection, activation.connection.as_str())?;
        let (destination, spec) = inner.connectors.destination(&connection, &delivery.plugin, &delivery.id).await?;
        let mapping = ExportMapping::compile(&activation.mapping)?;
        Ok(Self { target: activation.target(), destination, spec, mapping })
    }

    fn run(&self, delivery: &Delivery) -> DeliveryRun {
        DeliveryRun {
            id: delivery.id.as_str().to_owned(),
            started_at: delivery.started_at,
            rows_expected: Some(delivery.received),
            columns: self.mapping.columns(),
        }
    }
}

/// Drives a delivery to its end, or to the engine's stop: then it goes on at the next start.
pub(crate) async fn drive(inner: &Inner, mut delivery: Delivery, restarted: bool, cancel: CancellationToken) {
    let mut event = match first_event(inner, &delivery, restarted).await {
        Ok(event) => event,
        Err(fault) => failed(inner, &delivery, fault),
    };
    loop {
        if cancel.is_cancelled() && !delivery.cancel_requested {
            event = Event::CancelRequested;
        }
        let action = delivery.step(event, inner.clock.now());
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
            Action::Prepare | Action::Deliver | Action::Finish | Action::Poll | Action::Abort => {
                // A call that sends is not cut off by a cancellation, only the wait for the audience is.
                let may_cut = delivery.phase == Phase::Preparing && !delivery.cancel_requested;
                tokio::select! {
                    biased;
                    () = inner.stop.cancelled() => return,
                    () = cancel.cancelled(), if may_cut => Event::CancelRequested,
                    done = act(inner, &mut delivery, action) => match done {
                        Ok(event) => event,
                        Err(fault) => failed(inner, &delivery, fault),
                    },
                }
            }
        };
    }
}

/// The end is told with the books closed. The spools go after it is kept: a delivery that a kill makes end once more may
/// need them, and no other one has them.
async fn end(inner: &Inner, delivery: Delivery) {
    while let Err(fault) = store_end(inner, &delivery).await {
        if !inner.may_store_again(delivery.id.as_str(), &fault).await {
            return;
        }
    }
    tracing::info!(delivery = %delivery.id, status = ?delivery.status, "delivery ended");
    inner.forget_cancellation(delivery.id.as_str()).await;
    if let Ok(work) = Work::of(inner, &delivery).await
        && let Err(fault) = work.destination.clear_spool(&work.run(&delivery)).await
    {
        tracing::warn!(delivery = %delivery.id, %fault, "the spool was not cleared");
    }
    inner.delivery_is_over(&delivery);
}

/// A delivery that ends before its time settles whoever is left.
async fn store_end(inner: &Inner, delivery: &Delivery) -> Result<(), Fault> {
    if delivery.status != DeliveryStatus::Succeeded {
        inner.store.settle_rest(&delivery.id, unsettled(delivery), document(delivery)?).await?;
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

fn failed_unsure(inner: &Inner, delivery: &Delivery, fault: Fault, unsure_ms: u64) -> Event {
    tracing::warn!(delivery = %delivery.id, phase = ?delivery.phase, %fault, "a step failed");
    Event::Failed { fault, jitter: inner.jitter(), unsure_ms }
}

fn unsettled(delivery: &Delivery) -> ItemOutcome {
    let (code, message) = match &delivery.fault {
        Some(fault) => (fault.code.clone(), fault.message.clone()),
        None => ("delivery.cancelled".into(), "the delivery was cancelled before this member's turn".into()),
    };
    ItemOutcome { position: 0, status: ItemStatus::Failed, code, field: None, message, member_id: None }
}

/// The document for a transaction of the store: an end is not told in it.
fn document(delivery: &Delivery) -> Result<DocumentWrite, Fault> {
    write(Kind::Delivery, delivery.id.as_str(), &delivery.clone().untold())
}

async fn act(inner: &Inner, delivery: &mut Delivery, action: Action) -> Result<Event, Fault> {
    if action == Action::Prepare {
        queue_audience(inner, delivery).await?;
    }
    let work = Work::of(inner, delivery).await?;
    let run = work.run(delivery);
    let target = &work.target;
    match action {
        Action::Prepare => {
            let prepared = work.destination.prepare(target, &run, false).await?;
            Ok(Event::Prepared { state: prepared.state, notes: prepared.notes, wait_ms: prepared.wait_ms })
        }
        Action::Deliver => deliver(inner, delivery, &work, &run).await,
        Action::Finish => {
            let finished = work.destination.finish(target, &run, &delivery.state).await?;
            settle(inner, delivery, finished).await
        }
        Action::Poll => {
            let finished = work.destination.poll(target, &run, &delivery.state).await?;
            settle(inner, delivery, finished).await
        }
        Action::Abort => {
            work.destination.abort(target, &run, &delivery.state).await?;
            Ok(Event::Aborted)
        }
        Action::WaitUntil(_) | Action::End => Ok(Event::Resumed),
    }
}

/// Waits until what was committed before the delivery began is in the audience, then queues the audience.
async fn queue_audience(inner: &Inner, delivery: &mut Delivery) -> Result<(), Fault> {
    loop {
        let projected = inner.projected.notified();
        let segment: Segment = inner.get(Kind::Segment, delivery.segment.as_str())?;
        let upto = inner.store.projector_cursor(crate::projector::PROFILES)?;
        let newest = inner.store.newest(attiva_core::ports::store::Feed::Profiles)?;
        let records = inner.store.newest(attiva_core::ports::store::Feed::Records)?;
        let segments = inner.store.projector_cursor(crate::projector::SEGMENTS)?;
        if segment.evaluated && upto >= records && segments >= newest {
            break;
        }
        // The pause is for the case that the projector went idle between the look and the wait.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(200), projected).await;
    }
    let doc = document(delivery)?;
    delivery.received =
        inner.store.begin_delivery(&delivery.id, delivery.activation.as_str(), &delivery.segment, doc).await?;
    Ok(())
}

async fn deliver(inner: &Inner, delivery: &Delivery, work: &Work, run: &DeliveryRun) -> Result<Event, Fault> {
    let batch = match inner.store.opened_batch(&delivery.id)? {
        Some(batch) if batch.number == delivery.batch => batch,
        _ => match take(inner, delivery, work).await? {
            Some(batch) => batch,
            None => return Ok(Event::Exhausted),
        },
    };
    crash::point("batch.opened");
    let (state, outcomes) = if batch.rows.is_empty() {
        (delivery.state.clone(), Vec::new())
    } else {
        let sent = ExportMapping::batch(&batch);
        match work.destination.deliver(&work.target, run, &delivery.state, &sent).await {
            Ok(delivered) => (delivered.state, delivered.outcomes),
            Err(fault) => return Ok(failed_unsure(inner, delivery, fault, work.spec.unsure_ms())),
        }
    };
    crash::point("batch.delivered");
    let settled = settled(&batch, outcomes)?;
    let event = Event::Delivered { state, rows: batch.taken };
    let mut after = delivery.clone();
    after.step(event.clone(), inner.clock.now());
    inner.store.close_batch(&delivery.id, settled, document(&after)?).await?;
    crash::point("batch.closed");
    Ok(event)
}

/// Takes the next members, and keeps what will be sent of them before it is sent.
async fn take(inner: &Inner, delivery: &Delivery, work: &Work) -> Result<Option<OpenBatch>, Fault> {
    let limit = usize::try_from(work.spec.batch_rows).unwrap_or(usize::MAX);
    let members = inner.store.queued(&delivery.id, delivery.position, limit)?;
    let Some(last) = members.last() else { return Ok(None) };
    let taken = last.position + 1 - delivery.position;
    let now = inner.clock.now();
    let (rows, excluded) = work.mapping.map(members, now);
    let batch = OpenBatch {
        number: delivery.batch,
        first: delivery.position,
        taken,
        columns: work.mapping.columns(),
        rows,
        opened_at: now,
    };
    inner.store.open_batch(&delivery.id, batch.clone(), excluded).await?;
    Ok(Some(batch))
}

fn settled(batch: &OpenBatch, outcomes: Vec<Outcome>) -> Result<Vec<ItemOutcome>, Fault> {
    if outcomes.len() != batch.rows.len() {
        let said = format!("{} outcomes for {} rows", outcomes.len(), batch.rows.len());
        return Err(Fault::new(FaultKind::Internal, "outcomes.count", said));
    }
    let rows = batch.rows.iter().zip(outcomes);
    Ok(rows.map(|(row, outcome)| item(row.position, outcome)).collect())
}

fn item(position: u64, outcome: Outcome) -> ItemOutcome {
    let Outcome { status, code, field, message, member_id } = outcome;
    ItemOutcome { position, status: status.into(), code, field, message, member_id }
}

async fn settle(inner: &Inner, delivery: &Delivery, finished: Finished) -> Result<Event, Fault> {
    crash::point("finish.answered");
    let mut exceptions = Vec::with_capacity(finished.exceptions.len());
    for (key, outcome) in finished.exceptions {
        let profile = ProfileId::parse(&key)
            .ok_or_else(|| Fault::new(FaultKind::Internal, "outcomes.key", format!("`{key}` was never sent")))?;
        exceptions.push((profile, item(0, outcome)));
    }
    let event = Event::Finished {
        state: finished.state,
        pending_become: finished.pending_become,
        artifacts: finished.artifacts,
        wait_ms: finished.wait_ms,
    };
    let mut after = delivery.clone();
    after.step(event.clone(), inner.clock.now());
    debug_assert_ne!(after.phase, Phase::Preparing);
    let become_status = ItemStatus::from(finished.pending_become);
    inner.store.settle_pending(&delivery.id, become_status, exceptions, document(&after)?).await?;
    crash::point("delivery.finished");
    Ok(event)
}
