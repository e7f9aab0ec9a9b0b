//! Operations: one view of all long work, so that a client can follow any of it in the same way. An operation's id is
//! made of the id of the work, and nothing of it is kept by itself.

use super::backups::{Backup, BackupStatus};
use super::refusal::{Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::delivery::{Delivery, DeliveryStatus, Hold, Phase};
use attiva_core::evaluation::{self, Evaluation, EvaluationStatus};
use attiva_core::id::{
    ActivationId, BackupId, DeliveryId, EvaluationId, OperationId, PrivacyId, ReadbackId, RemovalId, RunId,
};
use attiva_core::privacy::{Erasure, Phase as ErasurePhase};
use attiva_core::readback::{self, Readback};
use attiva_core::removal::Removal;
use attiva_core::run::{Run, RunStatus};
use attiva_core::{Fault, Millis};

/// Long work of any kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    pub id: OperationId,
    pub work: Work,
    pub done: bool,
    /// The work's own word: `running`, `waiting`, `succeeded`.
    pub status: String,
    /// What is going on, for people.
    pub phase: String,
    pub units_done: u64,
    pub units_total: Option<u64>,
    pub started_at: Millis,
    pub ended_at: Option<Millis>,
    pub waiting_until: Option<Millis>,
    pub fault: Option<Fault>,
}

/// What the operation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    Run(RunId),
    Delivery(DeliveryId),
    /// Of the target of an activation.
    Readback(ReadbackId, ActivationId),
    Erasure(PrivacyId),
    Removal(RemovalId),
    Evaluation(EvaluationId),
    /// Of the host, not of a sandbox.
    Backup(BackupId),
}

fn operation_id(work: &str) -> OperationId {
    // The prefix and an id of ours: always one that parses.
    OperationId::parse(&format!("{}{work}", OperationId::PREFIX)).unwrap_or_else(|| OperationId::new(0, [0; 6]))
}

/// A status's word in JSON.
fn word<T: serde::Serialize>(status: T) -> String {
    serde_json::to_value(status).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

impl From<&Run> for Operation {
    fn from(run: &Run) -> Self {
        let current = run.current().and_then(|i| run.streams.get(i));
        let estimate = current.and_then(|s| s.estimate.as_ref());
        let named = |stream: &str| if stream.is_empty() { String::new() } else { format!("reading {stream}") };
        let held_back = run.streams.iter().find_map(|stream| stream.held_back.as_ref());
        let phase = match (run.status, estimate) {
            (RunStatus::Waiting, _) if held_back.is_some() => {
                held_back.map(|fault| fault.message.clone()).unwrap_or_default()
            }
            (RunStatus::Running | RunStatus::Waiting, Some(estimate)) if !estimate.phase.is_empty() => {
                estimate.phase.clone()
            }
            (RunStatus::Running | RunStatus::Waiting, _) => current.map(|s| named(&s.stream)).unwrap_or_default(),
            _ => String::new(),
        };
        let received: u64 = run.streams.iter().map(|s| s.received).sum();
        let total = estimate.and_then(|e| e.records_total).filter(|_| run.streams.len() == 1);
        Self {
            id: operation_id(run.id.as_str()),
            work: Work::Run(run.id.clone()),
            done: run.status.has_ended(),
            status: word(run.status),
            phase,
            units_done: received,
            units_total: total,
            started_at: run.started_at,
            ended_at: run.ended_at,
            waiting_until: run.waiting_until,
            fault: run.fault.clone(),
        }
    }
}

impl From<&Delivery> for Operation {
    fn from(delivery: &Delivery) -> Self {
        let hold = delivery.hold().filter(|_| delivery.status == DeliveryStatus::Held);
        let phase = match (hold, delivery.phase) {
            (Some(Hold::Removals), _) => "waits until somebody approves of what it removes",
            (Some(Hold::Paused), _) => "waits until its activation is resumed",
            (None, Phase::Planning) => "planning",
            (None, Phase::Preparing) => "preparing the target",
            (None, Phase::Delivering) => "delivering",
            (None, Phase::Finishing) => "publishing",
            (None, Phase::Polling) => "waiting for the vendor",
            (None, Phase::Aborting) => "taking back",
            (None, Phase::Done) => "",
        };
        Self {
            id: operation_id(delivery.id.as_str()),
            work: Work::Delivery(delivery.id.clone()),
            done: delivery.status.has_ended(),
            status: word(delivery.status),
            phase: phase.to_owned(),
            units_done: delivery.position,
            units_total: Some(delivery.queued).filter(|_| delivery.phase != Phase::Planning),
            started_at: delivery.started_at,
            ended_at: delivery.ended_at,
            waiting_until: delivery.waiting_until,
            fault: delivery.fault.clone(),
        }
    }
}

impl From<&Readback> for Operation {
    fn from(readback: &Readback) -> Self {
        let phase = match readback.phase {
            readback::Phase::Reading => "reading the target",
            readback::Phase::Comparing => "comparing",
            readback::Phase::Done => "",
        };
        Self {
            id: operation_id(readback.id.as_str()),
            work: Work::Readback(readback.id.clone(), readback.activation.clone()),
            done: readback.status.has_ended(),
            status: word(readback.status),
            phase: phase.to_owned(),
            units_done: readback.read,
            units_total: None,
            started_at: readback.started_at,
            ended_at: readback.ended_at,
            waiting_until: readback.waiting_until,
            fault: readback.fault.clone(),
        }
    }
}

impl From<&Erasure> for Operation {
    fn from(erasure: &Erasure) -> Self {
        let phase = match erasure.phase {
            ErasurePhase::Removing => "removing",
            ErasurePhase::Sweeping => "taking names out of what others say",
            ErasurePhase::Asking => "asking destinations",
            ErasurePhase::Clearing => "clearing files",
            ErasurePhase::Proving => "searching for what is left",
            ErasurePhase::Done => "",
        };
        let status = match (erasure.has_ended(), erasure.waiting_until) {
            (true, _) => "succeeded",
            (false, Some(_)) => "waiting",
            (false, None) => "running",
        };
        let waits = Some(&erasure.waiting_for).filter(|what| !what.is_empty());
        Self {
            id: operation_id(erasure.id.as_str()),
            work: Work::Erasure(erasure.id.clone()),
            done: erasure.has_ended(),
            status: status.to_owned(),
            phase: waits.map_or_else(|| phase.to_owned(), |what| format!("{phase}: {what}")),
            units_done: erasure.destinations.iter().filter(|d| d.receipt.is_some()).count() as u64,
            units_total: Some(erasure.destinations.len() as u64),
            started_at: erasure.started_at,
            ended_at: erasure.ended_at,
            waiting_until: erasure.waiting_until,
            fault: erasure.destinations.iter().find_map(|d| d.fault.clone()),
        }
    }
}

impl From<&Removal> for Operation {
    fn from(removal: &Removal) -> Self {
        let phase = removal.next().map(|(stream, _)| format!("removing {stream}")).unwrap_or_default();
        Self {
            id: operation_id(removal.id.as_str()),
            work: Work::Removal(removal.id.clone()),
            done: removal.has_ended(),
            status: if removal.has_ended() { "succeeded" } else { "running" }.to_owned(),
            phase,
            units_done: removal.records_removed + removal.events_removed,
            units_total: Some(removal.effect.records + removal.effect.events),
            started_at: removal.started_at,
            ended_at: removal.ended_at,
            waiting_until: None,
            fault: None,
        }
    }
}

impl From<&Evaluation> for Operation {
    fn from(evaluation: &Evaluation) -> Self {
        let phase = match (evaluation.status, evaluation.phase) {
            (EvaluationStatus::Queued, _) => "waiting for its turn",
            (EvaluationStatus::Running, evaluation::Phase::Evaluating) => "evaluating",
            (EvaluationStatus::Running, evaluation::Phase::Committing) => "committing",
            (EvaluationStatus::Cancelling, _) => "ending before the next segment",
            (EvaluationStatus::Succeeded | EvaluationStatus::Failed | EvaluationStatus::Cancelled, _) => "",
        };
        let done = evaluation.segments.iter().filter(|it| it.members.is_some() || it.fault.is_some());
        Self {
            id: operation_id(evaluation.id.as_str()),
            work: Work::Evaluation(evaluation.id.clone()),
            done: evaluation.status.has_ended(),
            status: word(evaluation.status),
            phase: phase.to_owned(),
            units_done: done.count() as u64,
            units_total: Some(evaluation.wanted.len() as u64).filter(|wanted| *wanted > 0),
            started_at: evaluation.started_at.unwrap_or(evaluation.queued_at),
            ended_at: evaluation.ended_at,
            waiting_until: None,
            fault: evaluation.fault.clone(),
        }
    }
}

impl From<&Backup> for Operation {
    fn from(backup: &Backup) -> Self {
        Self {
            id: operation_id(backup.id.as_str()),
            work: Work::Backup(backup.id.clone()),
            done: backup.status != BackupStatus::Running,
            status: word(backup.status),
            phase: backup.phase.clone(),
            units_done: backup.files_done,
            units_total: Some(backup.files_total).filter(|total| *total > 0),
            started_at: backup.began_at,
            ended_at: backup.ended_at,
            waiting_until: None,
            fault: backup.fault.clone(),
        }
    }
}

impl Sandbox {
    pub fn operation(&self, id: &str) -> Result<Operation> {
        let work = id.strip_prefix(OperationId::PREFIX).unwrap_or_default();
        if work.starts_with(RunId::PREFIX) {
            return Ok(Operation::from(&self.run(work)?));
        }
        if work.starts_with(DeliveryId::PREFIX) {
            return Ok(Operation::from(&self.delivery(work)?));
        }
        if work.starts_with(ReadbackId::PREFIX) {
            return Ok(Operation::from(&self.readback(work)?));
        }
        if work.starts_with(RemovalId::PREFIX) {
            return Ok(Operation::from(&self.removal(work)?));
        }
        if work.starts_with(PrivacyId::PREFIX) {
            return Ok(Operation::from(&self.erasure(work)?));
        }
        if work.starts_with(EvaluationId::PREFIX) {
            return Ok(Operation::from(&self.evaluation(work)?));
        }
        Err(Refusal::missing("operation", id))
    }
}
