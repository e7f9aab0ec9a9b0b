//! What starts a batch evaluation: a request, the schedule, a segment without a result.

use super::batch;
use crate::engine::{Engine, Inner};
use attiva_core::evaluation::{Evaluation, EvaluationCause, EvaluationSchedule, EvaluationStatus};
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::ports::store::{Expect, Kind, StoreError};
use attiva_core::{Fault, Millis};
use std::sync::{Arc, Mutex, PoisonError};

/// The id of the one schedule.
pub const SCHEDULE: &str = "schedule";

impl Engine {
    /// Queues an evaluation of these segments, or of all that are evaluated in batch. One with this id, if there is one,
    /// was queued by the same request before, and is answered.
    pub async fn start_evaluation(&self, segments: Vec<SegmentId>, id: EvaluationId) -> Result<Evaluation, Fault> {
        if let Some(started) = self.inner.find(Kind::Evaluation, id.as_str())? {
            return Ok(started);
        }
        queue(&self.inner, id, segments, EvaluationCause::Requested).await
    }

    /// Ends an evaluation: one that has not begun at once, one that runs before the next segment's turn, also where a kill
    /// comes first. Segments that have their results keep them.
    pub async fn cancel_evaluation(&self, id: &EvaluationId) -> Result<Evaluation, Fault> {
        let inner = &self.inner;
        let _none_begins = inner.beginning.write().await;
        let mut evaluation: Evaluation = inner.get(Kind::Evaluation, id.as_str())?;
        match evaluation.status {
            EvaluationStatus::Queued => batch::cancelled(inner, &mut evaluation).await?,
            status if status.has_ended() => {}
            _ => {
                inner.put(Kind::Cancellation, id.as_str(), &inner.clock.now()).await?;
                evaluation.status = EvaluationStatus::Cancelling;
            }
        }
        Ok(evaluation)
    }

    /// Whether somebody has asked for its end.
    pub fn is_evaluation_cancelled(&self, id: &EvaluationId) -> Result<bool, Fault> {
        self.inner.is_cancelled(id.as_str())
    }

    /// When batch evaluations start by themselves.
    pub fn evaluation_schedule(&self) -> Result<EvaluationSchedule, Fault> {
        Ok(self.inner.find(Kind::EvaluationSchedule, SCHEDULE)?.unwrap_or_default())
    }
}

async fn queue(
    inner: &Inner,
    id: EvaluationId,
    segments: Vec<SegmentId>,
    cause: EvaluationCause,
) -> Result<Evaluation, Fault> {
    let evaluation = Evaluation::new(id, cause, segments, inner.clock.now());
    if evaluation.wanted.is_empty() {
        inner.last_evaluation.put(evaluation.queued_at);
    }
    inner.put(Kind::Evaluation, evaluation.id.as_str(), &evaluation).await?;
    inner.evaluations_wanted.notify_one();
    Ok(evaluation)
}

/// Queues the first evaluation of segments whose rule has no result yet, and for which none is to come.
pub(super) async fn first_results(inner: &Arc<Inner>) -> Result<(), Fault> {
    let audiences = inner.segments.get(inner)?;
    // What is asked of an audience that streaming has not made yet would be unknown.
    let is_ready =
        |asked: &SegmentId| audiences.is_known(asked) || audiences.get(asked).is_some_and(|it| !it.is_streaming());
    let new: Vec<SegmentId> = audiences
        .batch()
        .filter(|it| !it.segment.evaluated && it.definition.asks_for.iter().all(is_ready))
        .map(|it| it.segment.id.clone())
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let queued = inner.all::<Evaluation>(Kind::Evaluation)?;
    let is_awaited = |id: &SegmentId| queued.iter().any(|it| batch::is_awaited(it, id));
    // One whose newest evaluation gave it up has no result, and does not get one by being asked at once again.
    let was_given_up = |id: &SegmentId| {
        let newest = queued.iter().rev().find_map(|it| it.segments.iter().find(|outcome| outcome.segment == *id));
        let version = audiences.get(id).map_or(0, |it| it.segment.version);
        newest.is_some_and(|outcome| outcome.fault.is_some() && outcome.version == version)
    };
    let new: Vec<SegmentId> = new.into_iter().filter(|id| !is_awaited(id) && !was_given_up(id)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let id = EvaluationId::new(inner.clock.now(), inner.chance.bytes());
    queue(inner, id, new, EvaluationCause::Definition).await?;
    Ok(())
}

/// When the newest evaluation of all segments was queued; read from the store once.
#[derive(Default)]
pub(crate) struct LastEvaluation(Mutex<Option<Option<Millis>>>);

impl LastEvaluation {
    fn put(&self, at: Millis) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Some(at));
    }

    fn get(&self, inner: &Inner) -> Result<Option<Millis>, Fault> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = *known {
            return Ok(last);
        }
        let all = inner.all::<Evaluation>(Kind::Evaluation)?;
        let last = all.iter().filter(|it| it.wanted.is_empty()).map(|it| it.queued_at).max();
        *known = Some(last);
        Ok(last)
    }
}

/// Queues what the schedule says is due.
pub(crate) async fn start_due(engine: &Engine) -> Result<(), Fault> {
    let inner = &engine.inner;
    inner.columns.forget_idle(inner.clock.now());
    if !engine.evaluation_schedule()?.is_due(inner.last_evaluation.get(inner)?, inner.clock.now()) {
        return Ok(());
    }
    // Nobody would learn anything from it.
    if inner.segments.get(inner)?.batch().next().is_none() {
        return Ok(());
    }
    if inner.all::<Evaluation>(Kind::Evaluation)?.iter().any(|it| !it.status.has_ended()) {
        return Ok(());
    }
    queue(inner, engine.fresh(EvaluationId::new), Vec::new(), EvaluationCause::Scheduled).await?;
    Ok(())
}

/// Evaluations that are kept.
const KEPT: usize = 1_000;

/// Forgets the oldest.
pub(super) async fn prune(inner: &Inner) -> Result<(), Fault> {
    let documents = inner.store.documents(Kind::Evaluation, None, KEPT + 100)?;
    let over = documents.len().saturating_sub(KEPT);
    for document in documents.into_iter().take(over) {
        match inner.store.delete_document(Kind::Evaluation, &document.id, Expect::Anything).await {
            Ok(()) | Err(StoreError::Missing) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
