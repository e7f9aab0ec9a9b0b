//! Plans a delivery: queues whom it is about, and counts what would be sent before anything is.

use crate::batch::{self, Next};
use crate::delivery_run::{Work, document};
use crate::engine::Inner;
use crate::namesakes::Namesakes;
use crate::{accounts, expansion};
use attiva_core::Fault;
use attiva_core::activation::DeliveryCause;
use attiva_core::config::{Activation, Segment};
use attiva_core::delivery::{Delivery, Event, Plan, Sample};
use attiva_core::ledger::REMOVALS_PERCENT;
use attiva_core::page::Operation;
use attiva_core::ports::store::{Begin, Feed, ItemStatus, Kind, Reconcile, Wanted};
use attiva_core::spec::DeliveryMode;
use std::sync::Arc;

/// Rows of each operation that a dry run shows.
const SAMPLES: u64 = 10;
/// Members read at once.
const CHUNK: usize = 2000;

pub(crate) async fn plan(inner: &Arc<Inner>, delivery: &mut Delivery, work: &Work) -> Result<Event, Fault> {
    await_what_was_there(inner, &work.activation).await?;
    let begun = loop {
        let no_evaluation_begins = inner.beginning.read().await;
        let segment: Segment = inner.get(Kind::Segment, delivery.segment.as_str())?;
        if segment.evaluated && !crate::segments::is_at_work(inner, &segment)? {
            delivery.evaluation = segment.result_of;
            // Before the audience is taken: whoever changes it while it is, is marked once more after.
            let marked = inner.trail.number();
            let wanted = expansion::wanted(inner, &work.activation).await?;
            let begun = inner.store.begin_delivery(begin(inner, delivery, work, wanted)?).await?;
            inner.trail.takes(delivery, marked, &tracing::Span::current());
            break begun;
        }
        drop(no_evaluation_begins);
        pause(inner).await;
    };
    let mut plan = Plan { held: begun.held, ..Plan::default() };
    if delivery.cause == DeliveryCause::Change
        && let Some(last) = inner.last_deliveries.get(inner, &delivery.activation)?
    {
        plan.removed_lately = last.removed_lately(inner.clock.now());
    }
    if delivery.mode == DeliveryMode::Snapshot {
        plan.upserts = begun.queued;
    } else {
        for reason in inner.store.reasons(&delivery.id)? {
            count(&mut plan, reason.status, reason.members);
        }
        count_queued(inner, delivery, work, &mut plan)?;
    }
    let removals_percent = work.activation.removals_max_percent.unwrap_or(REMOVALS_PERCENT);
    Ok(Event::Planned { received: begun.queued + begun.carried, queued: begun.queued, plan, removals_percent })
}

/// Waits until what was committed before the delivery began is in the audience. What comes meanwhile is not waited for: it
/// never ends.
async fn await_what_was_there(inner: &Inner, activation: &Activation) -> Result<(), Fault> {
    let is_matched = activation.expansion.as_ref().is_some_and(expansion::is_matched);
    let (records, events) = (inner.store.newest(Feed::Records)?, inner.store.newest(Feed::Events)?);
    while inner.store.projector_cursor(crate::projector::PROFILES)? < records
        || (is_matched && !accounts::is_caught_up(inner)?)
    {
        pause(inner).await;
    }
    let profiles = inner.store.newest(Feed::Profiles)?;
    while inner.store.projector_cursor(crate::segments::SEGMENTS)? < profiles
        || inner.store.projector_cursor(crate::segments::EVENTS)? < events
    {
        pause(inner).await;
    }
    Ok(())
}

/// Until a projector has gone on. The time is for the case that it went idle between the look and the wait.
async fn pause(inner: &Inner) {
    let _ = tokio::time::timeout(std::time::Duration::from_millis(200), inner.projected.notified()).await;
}

fn begin(inner: &Inner, delivery: &Delivery, work: &Work, wanted: Wanted) -> Result<Begin, Fault> {
    let reconcile = (delivery.mode == DeliveryMode::Records).then(|| Reconcile {
        activation: delivery.activation.clone(),
        mapping: work.mapping.fingerprint() + &work.gate.fingerprint(),
        anew: work.mapping.reads_the_clock(),
        dry_run: delivery.dry_run,
        now: inner.clock.now(),
    });
    Ok(Begin {
        delivery: delivery.id.clone(),
        target: delivery.target.clone(),
        wanted,
        reconcile,
        document: document(delivery)?,
    })
}

fn count_queued(inner: &Inner, delivery: &Delivery, work: &Work, plan: &mut Plan) -> Result<(), Fault> {
    let now = inner.clock.now();
    let mut first = 0;
    let mut namesakes = Namesakes::default();
    loop {
        let members = inner.store.queued(&delivery.id, first, CHUNK)?;
        let Some(last) = members.last() else { return Ok(()) };
        first = last.position + 1;
        let decided = batch::decided(inner, work, members, now)?;
        let leaving = decided.iter().filter(|(_, next)| matches!(next, Next::Send(Operation::Remove, _)));
        namesakes.read(inner.store.as_ref(), delivery, leaving.map(|(member, _)| member))?;
        for (member, next) in decided {
            match next {
                Next::Send(Operation::Remove, _) if namesakes.keep(&member) => plan.unchanged += 1,
                Next::Send(operation, row) => {
                    let counted = match operation {
                        Operation::Upsert => &mut plan.upserts,
                        Operation::Remove => &mut plan.removals,
                    };
                    *counted += 1;
                    if delivery.dry_run && *counted <= SAMPLES {
                        plan.samples.push(Sample { profile: member.profile_id, operation, row });
                    }
                }
                Next::Settle(status, ..) => count(plan, status, 1),
            }
        }
    }
}

/// What is queued is counted when it is known what becomes of it.
fn count(plan: &mut Plan, status: ItemStatus, members: u64) {
    match status {
        ItemStatus::Unchanged => plan.unchanged += members,
        ItemStatus::Excluded => plan.excluded += members,
        ItemStatus::Failed => plan.failed += members,
        ItemStatus::Unmatched => plan.unmatched += members,
        ItemStatus::Queued | ItemStatus::Created | ItemStatus::Updated | ItemStatus::Removed | ItemStatus::Pending => {}
    }
}
