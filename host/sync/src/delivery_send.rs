//! Takes the next members of a delivery to the vendor: opened, sent, closed. Where the destination takes several batches at
//! once, each is closed as it is answered, while others are on their way.

use crate::batch::{self, Taken};
use crate::crash;
use crate::delivery_run::{Work, document, failed_unsure, item};
use crate::engine::Inner;
use crate::export::ExportMapping;
use crate::trace;
use attiva_core::delivery::{Delivery, Event};
use attiva_core::page::{Operation, Outcome, OutcomeStatus};
use attiva_core::ports::connector::{Delivered, DeliveryRun};
use attiva_core::ports::store::{ItemOutcome, OpenBatch};
use attiva_core::spec::{DeliveryMode, DeliverySpec};
use attiva_core::{Fault, FaultKind};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::task::JoinSet;
use tracing::{Instrument, Span};

pub(crate) async fn deliver(
    inner: &Inner,
    delivery: &Delivery,
    work: &Work,
    run: &DeliveryRun,
) -> Result<Event, Fault> {
    let batch = match inner.store.opened_batch(&delivery.id)? {
        Some(batch) if batch.number == delivery.batch => {
            if is_outdated(inner, delivery, work, &batch)? {
                return take_anew(inner, delivery, work, &batch).await;
            }
            open_again(inner, delivery, batch).await?
        }
        _ => match batch::take(inner, delivery, work).await? {
            Taken::Batch(batch) => batch,
            Taken::Nobody => return Ok(Event::Exhausted),
            Taken::NotPrepared => return Ok(Event::Needed),
        },
    };
    crash::point("batch.opened");
    if batch.rows.is_empty() {
        return close(inner, delivery, &batch, delivery.state.clone(), Vec::new()).await;
    }
    Sending::of(inner, delivery, work, batch).go(run).await
}

/// A batch that is found open was on its way before, and is marked so.
async fn open_again(inner: &Inner, delivery: &Delivery, mut batch: OpenBatch) -> Result<OpenBatch, Fault> {
    if !batch.resent {
        batch.resent = true;
        inner.store.open_batch(&delivery.id, batch.clone(), Vec::new()).await?;
    }
    Ok(batch)
}

/// Whether somebody in a batch of before may not be sent it any more, or is no more: it may have waited for as long as a
/// pause.
fn is_outdated(inner: &Inner, delivery: &Delivery, work: &Work, batch: &OpenBatch) -> Result<bool, Fault> {
    let upserts = batch.rows.iter().filter(|row| row.operation == Operation::Upsert);
    let going: HashSet<u64> = upserts.map(|row| row.position).collect();
    let taken = usize::try_from(batch.taken).unwrap_or(usize::MAX);
    let mut members = inner.store.queued(&delivery.id, batch.first, taken)?;
    members.retain(|member| going.contains(&member.position));
    if members.iter().any(|member| member.profile.is_none()) {
        return Ok(true);
    }
    Ok(work.gate.ask(inner.store.as_ref(), &members)?.iter().any(Option::is_some))
}

/// A repeat has the same rows, so this batch is given up, and its members are decided about once more: who may not be sent
/// it is taken out, since it may be there.
async fn take_anew(inner: &Inner, delivery: &Delivery, work: &Work, batch: &OpenBatch) -> Result<Event, Fault> {
    let rows = usize::try_from(work.spec.batch_rows).unwrap_or(usize::MAX).saturating_mul(2);
    refused_as_a_whole(inner, delivery, rows, batch.parts).await
}

/// What is with the vendor, and what it has said so far.
struct Sending<'a> {
    inner: &'a Inner,
    delivery: &'a Delivery,
    work: &'a Work,
    /// What is not answered yet.
    left: OpenBatch,
    answers: Vec<Outcome>,
    state: Vec<u8>,
    /// Rows of a part that was refused as a whole.
    refused: Option<usize>,
    /// The first thing that went wrong with a call.
    fault: Option<Fault>,
}

impl<'a> Sending<'a> {
    fn of(inner: &'a Inner, delivery: &'a Delivery, work: &'a Work, left: OpenBatch) -> Self {
        let state = delivery.state.clone();
        Self { inner, delivery, work, left, answers: Vec::new(), state, refused: None, fault: None }
    }

    /// Sends all parts, and waits for every one: what is answered is kept, whatever becomes of the others.
    async fn go(mut self, run: &DeliveryRun) -> Result<Event, Fault> {
        let whole = self.left.clone();
        let mut calls = JoinSet::new();
        for part in whole.in_parts() {
            let (destination, target) = (Arc::clone(&self.work.destination), self.work.target.clone());
            let (run, state) = (run.clone(), self.delivery.state.clone());
            let call = async move {
                let sent = ExportMapping::batch(&part);
                let answer = destination.deliver(&target, &run, &state, &sent).await;
                (part, answer)
            };
            calls.spawn(call.instrument(Span::current()));
        }
        while let Some(ended) = calls.join_next().await {
            match ended {
                Ok((part, answer)) => {
                    if let Some(settled) = self.take(&part, answer, whole.parts > 1) {
                        crash::point("batch.delivered");
                        let rest = self.left.clone().without(&part);
                        if rest.rows.is_empty() {
                            trace::outcomes(&whole, &self.answers, &Span::current());
                            return close(self.inner, self.delivery, &whole, self.state, settled).await;
                        }
                        let now = self.inner.clock.now();
                        self.inner.store.close_part(&self.delivery.id, settled, rest.clone(), now).await?;
                        self.left = rest;
                    }
                }
                Err(error) => {
                    let fault =
                        Fault::new(FaultKind::Internal, "delivery.call", format!("a call ended early: {error}"));
                    self.fault.get_or_insert(fault);
                }
            }
        }
        trace::outcomes(&whole, &self.answers, &Span::current());
        match (self.fault, self.refused) {
            (Some(fault), _) => Ok(failed_unsure(self.inner, self.delivery, fault, self.work.spec.unsure_ms())),
            (None, Some(rows)) => refused_as_a_whole(self.inner, self.delivery, rows, whole.parts).await,
            (None, None) => Err(Fault::new(FaultKind::Internal, "delivery.unanswered", "a batch has no answer")),
        }
    }

    /// What a part's rows become, if it was answered row by row.
    fn take(&mut self, part: &OpenBatch, answer: Result<Delivered, Fault>, at_once: bool) -> Option<Vec<ItemOutcome>> {
        let outcomes = match answer {
            Ok(delivered) if at_once && delivered.state != self.delivery.state => Err(moved(self.delivery)),
            Ok(delivered) => {
                self.state = delivered.state;
                Ok(delivered.outcomes)
            }
            Err(fault) if fault.kind == FaultKind::Data && self.delivery.mode == DeliveryMode::Records => {
                if part.rows.len() > 1 {
                    self.refused = Some(part.rows.len());
                    return None;
                }
                Ok(vec![refused(fault)])
            }
            Err(fault) => Err(fault),
        };
        match outcomes.and_then(|outcomes| settled(part, &outcomes, &self.work.spec).map(|rows| (outcomes, rows))) {
            Ok((outcomes, settled)) => {
                self.answers.extend(outcomes);
                Some(settled)
            }
            Err(fault) => {
                self.fault.get_or_insert(fault);
                None
            }
        }
    }
}

/// Two states cannot be kept, and one of them would lose what the other says.
fn moved(delivery: &Delivery) -> Fault {
    let message = format!("{} declares batches at once, and one of them changed the state", delivery.plugin);
    Fault::new(FaultKind::Internal, "delivery.state-moved", message).action(
        "Tell the connector's publisher: `delivery.at_once` is for connectors whose batches leave the state alone.",
    )
}

/// The last answer is here.
async fn close(
    inner: &Inner,
    delivery: &Delivery,
    batch: &OpenBatch,
    state: Vec<u8>,
    settled: Vec<ItemOutcome>,
) -> Result<Event, Fault> {
    let event = Event::Delivered { state, rows: batch.taken, batches: batch.parts };
    close_as(inner, delivery, event, settled).await
}

/// Its members are taken once more, in batches of half as many: the row that is to blame is looked for.
async fn refused_as_a_whole(inner: &Inner, delivery: &Delivery, rows: usize, batches: u32) -> Result<Event, Fault> {
    close_as(inner, delivery, Event::Refused { rows: rows as u64, batches }, Vec::new()).await
}

async fn close_as(inner: &Inner, delivery: &Delivery, event: Event, settled: Vec<ItemOutcome>) -> Result<Event, Fault> {
    let mut after = delivery.clone();
    let now = inner.clock.now();
    after.step(event.clone(), now);
    inner.store.close_batch(&delivery.id, settled, document(&after)?, now).await?;
    crash::point("batch.closed");
    Ok(event)
}

fn refused(fault: Fault) -> Outcome {
    let Fault { code, message, field, .. } = fault;
    Outcome { status: OutcomeStatus::Rejected, code, field, message, member_id: None }
}

fn settled(batch: &OpenBatch, outcomes: &[Outcome], spec: &DeliverySpec) -> Result<Vec<ItemOutcome>, Fault> {
    if outcomes.len() != batch.rows.len() {
        let said = format!("{} outcomes for {} rows", outcomes.len(), batch.rows.len());
        return Err(Fault::new(FaultKind::Internal, "outcomes.count", said));
    }
    let rows = batch.rows.iter().zip(outcomes.iter().cloned());
    let settled = rows.map(|(row, outcome)| ItemOutcome {
        operation: Some(row.operation),
        resent: batch.resent,
        ..item(row.position, outcome, spec)
    });
    Ok(settled.collect())
}
