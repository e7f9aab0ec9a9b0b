//! Batch evaluations of segments: on demand, and by a schedule.

use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use super::stamp::Stamp;
use attiva_core::evaluation::{Evaluation, EvaluationSchedule, EvaluationStatus};
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::ports::store::{Expect, Kind};
use attiva_core::{Fault, FaultKind};
use attiva_sync::EVALUATION_SCHEDULE;

impl Sandbox {
    /// Queues an evaluation of these segments, or of all that are evaluated in batch.
    ///
    /// # Errors
    /// `segment.missing`; `segment.streaming` for one that follows every change by itself.
    pub async fn start_evaluation(&self, caller: &Caller, stamp: Stamp, segments: &[String]) -> Result<Evaluation> {
        let mut wanted: Vec<SegmentId> = Vec::new();
        for id in segments {
            let segment = self.segment(id)?.value;
            if self.segment_definition(&segment.id)?.is_some_and(|it| it.method.is_streaming()) {
                let message = format!("{id} is evaluated in streaming: it follows every change by itself");
                let fault = Fault::new(FaultKind::Config, "segment.streaming", message).field("/segments");
                return Err(fault.action("Leave it out.").into());
            }
            wanted.push(segment.id);
        }
        let evaluation = self.engine.start_evaluation(wanted, stamp.id(EvaluationId::new)).await?;
        let detail = serde_json::json!({ "segments": evaluation.wanted });
        self.tell_once(caller, "evaluation.started", evaluation.id.as_str(), detail).await?;
        Ok(evaluation)
    }

    pub fn evaluation(&self, id: &str) -> Result<Evaluation> {
        self.as_it_stands(self.get(Kind::Evaluation, "evaluation", id)?.value)
    }

    /// Ends an evaluation before the next segment's turn; what has its result keeps it.
    pub async fn cancel_evaluation(&self, caller: &Caller, id: &str) -> Result<Evaluation> {
        let evaluation = self.evaluation(id)?;
        if evaluation.status.has_ended() {
            return Ok(evaluation);
        }
        self.tell(caller, "evaluation.cancelled", evaluation.id.as_str(), serde_json::json!({})).await?;
        Ok(self.engine.cancel_evaluation(&evaluation.id).await?)
    }

    fn as_it_stands(&self, mut evaluation: Evaluation) -> Result<Evaluation> {
        let is_going = evaluation.status == EvaluationStatus::Running;
        if is_going && self.engine.is_evaluation_cancelled(&evaluation.id)? {
            evaluation.status = EvaluationStatus::Cancelling;
        }
        Ok(evaluation)
    }

    /// In the order they were queued, after `after`.
    pub fn evaluations(&self, after: Option<&str>, limit: usize) -> Result<Vec<Evaluation>> {
        let all = self.list(Kind::Evaluation, after, limit, |_| true)?;
        all.into_iter().map(|it| self.as_it_stands(it)).collect()
    }

    /// When evaluations start by themselves; version 0: nobody has said.
    pub fn evaluation_schedule(&self) -> Result<Versioned<EvaluationSchedule>> {
        let found = self.find(Kind::EvaluationSchedule, EVALUATION_SCHEDULE)?;
        Ok(found.unwrap_or(Versioned { value: EvaluationSchedule::default(), version: 0 }))
    }

    /// Puts a schedule in the place of the one before.
    ///
    /// # Errors
    /// `request.invalid` with the field at fault; `store.version-mismatch`.
    pub async fn put_evaluation_schedule(
        &self,
        caller: &Caller,
        schedule: EvaluationSchedule,
        expect: Expect,
    ) -> Result<Versioned<EvaluationSchedule>> {
        schedule.check().map_err(|(field, problem)| {
            let message = format!("`{}` {problem}", field.trim_start_matches('/'));
            Refusal::invalid("request.invalid", message, vec![FieldProblem::new(field, problem)])
        })?;
        // What nobody has said has the version 0, and is not there.
        let expect = if matches!(expect, Expect::Version(0)) { Expect::Absent } else { expect };
        let version = self.put(Kind::EvaluationSchedule, EVALUATION_SCHEDULE, &schedule, expect).await?;
        let detail = super::documents::write(&schedule)?;
        self.tell(caller, "evaluation-schedule.changed", EVALUATION_SCHEDULE, detail).await?;
        Ok(Versioned { value: schedule, version })
    }
}
