//! One execution of an activation. Decides; never waits, never reads a clock.
//!
//! ```text
//! Plan ─► Hold? ─► Prepare ─► Take a batch ─► Deliver ─► Close ─┬─► Take … (members left)
//!                                 ▲ (kill: the open batch again)└─► Finish ─┬─► End
//!                                                                   Poll ◄──┘ (still pending)
//! nothing to send: the vendor is not called at all
//! a batch is refused as a whole: a smaller one, down to the row that is to blame
//! any call fails: Wait and repeat, or Abort ─► End
//! ```

use crate::activation::DeliveryCause;
use crate::id::{ActivationId, DeliveryId, EvaluationId, SegmentId};
use crate::page::OutcomeStatus;
use crate::ports::connector::Artifact;
use crate::ports::store::Books;
use crate::retry::{self, Verdict};
use crate::spec::DeliveryMode;
use crate::{Fault, FaultKind, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod at_once;
mod plan;

pub use plan::{Hold, Plan, Sample};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryStatus {
    Running,
    Waiting,
    /// Until somebody lets it go on: [`Delivery::hold`] says who.
    Held,
    Succeeded,
    Failed,
    Cancelled,
}

impl DeliveryStatus {
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Running | Self::Waiting | Self::Held)
    }
}

/// Where a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeliveryPhase")]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Until it is known who is wanted, and what that changes.
    Planning,
    Preparing,
    Delivering,
    Finishing,
    Polling,
    Aborting,
    Done,
}

/// A delivery, as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: DeliveryId,
    pub activation: ActivationId,
    pub segment: SegmentId,
    pub plugin: String,
    /// The target as the destination knows it. One target has one delivery at a time.
    pub target: String,
    pub mode: DeliveryMode,
    /// Why there is one.
    #[serde(default)]
    pub cause: DeliveryCause,
    /// The batch evaluation whose result the audience was; `None` for one that is evaluated in streaming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<EvaluationId>,
    /// It plans, and sends nothing.
    #[serde(default)]
    pub dry_run: bool,
    pub status: DeliveryStatus,
    pub phase: Phase,
    pub started_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_until: Option<Millis>,
    /// Until then a request of a call that never answered may still reach the vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sure_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    #[serde(default)]
    pub attempts: u32,
    /// Members it is about: those that are wanted, and those that are not any more.
    #[serde(default)]
    pub received: u64,
    /// Of them, those that are looked at: of the others is known that nothing has to be done.
    #[serde(default)]
    pub queued: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// There is nothing to send: the vendor is not called.
    #[serde(default)]
    pub quiet: bool,
    #[serde(default)]
    pub paused: bool,
    /// Why somebody has to let it go on.
    #[serde(default)]
    pub needs_approval: bool,
    #[serde(default)]
    pub approved: bool,
    /// Rows of a batch at most, while the one that is refused is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_rows_max: Option<u64>,
    /// The next batch's number, and the position of its first member.
    #[serde(default)]
    pub batch: u32,
    #[serde(default)]
    pub position: u64,
    /// The newest batch left the connector's state as it was: those after it may go at once, where its specification
    /// says so.
    #[serde(default)]
    pub steady: bool,
    /// What the connector wants kept, in hex.
    #[serde(default, with = "hex::serde")]
    pub state: Vec<u8>,
    #[serde(default)]
    pub notes: Vec<String>,
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
    /// How often a batch was driven again without knowing what became of it before.
    #[serde(default)]
    pub resent_batches: u32,
    /// The books when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub books: Option<Books>,
    /// Since when what became of each member is not kept any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_forgotten_at: Option<Millis>,
    #[serde(default)]
    pub cancel_requested: bool,
    /// Where it stands in a trace, as W3C trace context has it (`traceparent`); `None`: it is not traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// It was aborted: what was not visible is no more.
    #[serde(default)]
    pub taken_back: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The delivery begins, or goes on after a wait.
    Resumed,
    /// It goes on after a restart. A request of an open batch may have been on its way when the host stopped;
    /// `unsure_ms` is how long it can stay there ([`DeliverySpec::unsure_ms`](crate::spec::DeliverySpec::unsure_ms)).
    Restarted {
        batch_open: bool,
        unsure_ms: u64,
    },
    /// What is to be sent is counted. `removals_percent`: share of the members held that may go.
    Planned {
        received: u64,
        queued: u64,
        plan: Plan,
        removals_percent: u8,
    },
    /// There is something to send after all.
    Needed,
    /// The activation is paused, or is no more.
    Paused(bool),
    /// Somebody allows the removals.
    Approved,
    /// The batch was refused as a whole, which was this large: nothing of it was applied.
    Refused {
        rows: u64,
        batches: u32,
    },
    Prepared {
        state: Vec<u8>,
        notes: Vec<String>,
        /// What was made is not ready before.
        wait_ms: Option<u64>,
    },
    /// The outcomes of all that was taken are here; `batches`: how many it went in, 0 where nothing was sent.
    Delivered {
        state: Vec<u8>,
        rows: u64,
        batches: u32,
    },
    /// There is nobody left to take.
    Exhausted,
    /// All that was pending is settled, or not yet.
    Finished {
        state: Vec<u8>,
        pending_become: OutcomeStatus,
        artifacts: Vec<Artifact>,
        wait_ms: Option<u64>,
    },
    Aborted,
    /// A call failed. `unsure_ms` as after a restart; 0 where nothing was sent.
    Failed {
        fault: Fault,
        jitter: u8,
        unsure_ms: u64,
    },
    CancelRequested,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Plan,
    /// Until the pause is over, or somebody approves.
    Hold(Hold),
    Prepare,
    /// Take the open batch if there is one, or else the next members, and deliver it.
    Deliver,
    Finish,
    Poll,
    Abort,
    WaitUntil(Millis),
    End,
}

/// Longest time a connector may ask the host to wait after `prepare`.
const WAIT_MS_MAX: u64 = 60 * 60 * 1000;

/// How often an abort is tried: what is left at the vendor after that expires by the vendor's own rules.
const ABORTS_MAX: u32 = 3;

impl Delivery {
    #[must_use]
    pub fn new(id: DeliveryId, activation: ActivationId, segment: SegmentId, plugin: String, now: Millis) -> Self {
        Self {
            id,
            target: activation.as_str().to_owned(),
            activation,
            segment,
            plugin,
            mode: DeliveryMode::Snapshot,
            cause: DeliveryCause::Requested,
            evaluation: None,
            dry_run: false,
            status: DeliveryStatus::Running,
            phase: Phase::Planning,
            started_at: now,
            ended_at: None,
            waiting_until: None,
            sure_at: None,
            fault: None,
            attempts: 0,
            received: 0,
            queued: 0,
            plan: None,
            quiet: false,
            paused: false,
            needs_approval: false,
            approved: false,
            batch_rows_max: None,
            batch: 0,
            position: 0,
            steady: false,
            state: Vec::new(),
            notes: Vec::new(),
            artifacts: Vec::new(),
            resent_batches: 0,
            books: None,
            items_forgotten_at: None,
            cancel_requested: false,
            trace: None,
            taken_back: false,
        }
    }

    /// Takes an event at a time, and says what to do.
    pub fn step(&mut self, event: Event, now: Millis) -> Action {
        if self.status.has_ended() {
            return Action::End;
        }
        match event {
            Event::Resumed => {}
            Event::Restarted { batch_open, unsure_ms } => self.restart(batch_open, unsure_ms, now),
            Event::Planned { received, queued, plan, removals_percent } => {
                (self.received, self.queued) = (received, queued);
                self.planned(plan, removals_percent);
            }
            Event::Needed => (self.quiet, self.phase) = (false, Phase::Preparing),
            Event::Paused(paused) => self.paused = paused,
            Event::Approved => self.approved = true,
            Event::Refused { rows, batches } => {
                let state = std::mem::take(&mut self.state);
                self.succeeded(state, Phase::Delivering);
                self.batch += batches.max(1);
                self.batch_rows_max = Some((rows / 2).max(1));
            }
            Event::Prepared { state, notes, wait_ms } => {
                let next = if self.dry_run { Phase::Done } else { Phase::Delivering };
                self.succeeded(state, next);
                self.notes = notes;
                self.waiting_until = wait_ms.map(|ms| later(now, ms.min(WAIT_MS_MAX)));
            }
            Event::Delivered { state, rows, batches } => {
                if batches > 0 {
                    self.steady = state == self.state;
                }
                self.succeeded(state, Phase::Delivering);
                self.batch += batches.max(1);
                self.position += rows;
                // Whoever is to blame is behind: back to the full size, step by step.
                self.batch_rows_max = self.batch_rows_max.and_then(|max| max.checked_mul(2));
            }
            Event::Exhausted => self.phase = if self.quiet { Phase::Done } else { Phase::Finishing },
            Event::Finished { state, pending_become, artifacts, wait_ms } => {
                let still_pending = pending_become == OutcomeStatus::Pending;
                self.succeeded(state, if still_pending { Phase::Polling } else { Phase::Done });
                self.artifacts.extend(artifacts);
                if still_pending {
                    self.waiting_until = Some(later(now, wait_ms.unwrap_or(1000)));
                }
            }
            Event::Aborted => self.phase = Phase::Done,
            Event::Failed { fault, jitter, unsure_ms } => self.failed(fault, jitter, unsure_ms, now),
            Event::CancelRequested => self.cancel_requested = true,
        }
        self.next(now)
    }

    /// The delivery as it is stored while its end is not told yet: it ends again, in the same way, when it is resumed.
    #[must_use]
    pub fn untold(mut self) -> Self {
        if self.status.has_ended() {
            self.status = DeliveryStatus::Running;
            self.ended_at = None;
        }
        self
    }

    fn planned(&mut self, plan: Plan, removals_percent: u8) {
        self.fault = None;
        self.attempts = 0;
        // A whole is made of nobody as well: an empty file says that there is nobody.
        self.quiet = plan.sends() == 0 && self.mode == DeliveryMode::Records;
        self.needs_approval = plan.needs_approval(removals_percent);
        self.phase = match (self.quiet, self.dry_run) {
            (true, true) => Phase::Done,
            (true, false) => Phase::Delivering,
            (false, _) => Phase::Preparing,
        };
        self.plan = Some(plan);
    }

    /// What keeps it from going on, if anything does.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        if self.dry_run || self.cancel_requested || !matches!(self.phase, Phase::Preparing | Phase::Delivering) {
            return None;
        }
        if self.needs_approval && !self.approved {
            return Some(Hold::Removals);
        }
        self.paused.then_some(Hold::Paused)
    }

    /// A request of before the stop may still reach the vendor, whenever it was sent: it is waited out from now on.
    /// A delivery that was waiting had none on its way.
    fn restart(&mut self, batch_open: bool, unsure_ms: u64, now: Millis) {
        if batch_open && self.phase == Phase::Delivering && self.waiting_until.is_none() {
            self.resent_batches += 1;
            self.waits_until_sure(unsure_ms, now);
        }
    }

    /// Where a late request could undo what comes after it, nothing comes before it is surely gone.
    fn waits_until_sure(&mut self, unsure_ms: u64, now: Millis) {
        if unsure_ms > 0 {
            self.sure_at = Some(later(now, unsure_ms));
            self.waiting_until = self.waiting_until.max(self.sure_at);
        }
    }

    fn succeeded(&mut self, state: Vec<u8>, phase: Phase) {
        self.state = state;
        self.phase = phase;
        self.fault = None;
        self.attempts = 0;
        self.sure_at = None;
    }

    fn failed(&mut self, fault: Fault, jitter: u8, unsure_ms: u64, now: Millis) {
        self.attempts += 1;
        if self.phase == Phase::Aborting {
            if self.attempts >= ABORTS_MAX {
                self.phase = Phase::Done;
            } else {
                self.waiting_until = Some(later(now, 1000));
            }
            return;
        }
        let verdict = self.verdict(&fault, jitter);
        if self.phase == Phase::Delivering && may_be_unanswered(fault.kind) {
            self.resent_batches += u32::from(verdict != Verdict::Stop);
            self.waits_until_sure(unsure_ms, now);
        }
        self.fault = Some(fault);
        match verdict {
            Verdict::Again { wait_ms } => self.waiting_until = self.waiting_until.max(Some(later(now, wait_ms))),
            // A vendor's job that is running is not taken back: what it became is unknown, and said so.
            Verdict::Stop if self.phase == Phase::Polling => self.phase = Phase::Done,
            Verdict::Stop => self.abort(),
        }
    }

    /// A spent budget stops new work, but not the question what became of work that is running.
    fn verdict(&self, fault: &Fault, jitter: u8) -> Verdict {
        const QUOTA_PAUSE_MS: u64 = 15 * 60 * 1000;
        if self.phase == Phase::Polling && fault.kind == FaultKind::Quota {
            return Verdict::Again { wait_ms: fault.retry_after_ms.unwrap_or(QUOTA_PAUSE_MS) };
        }
        retry::decide(fault, self.attempts, jitter)
    }

    /// Also while preparing: `prepare` may have made something although it never answered, and the connector finds it
    /// by the delivery's id. Of an unsure batch a late request would undo the abort, or what the next delivery sends.
    fn abort(&mut self) {
        self.attempts = 0;
        self.waiting_until = self.sure_at;
        let untouched = self.phase == Phase::Planning || self.quiet || self.dry_run;
        self.phase = if untouched { Phase::Done } else { Phase::Aborting };
        self.taken_back = true;
    }

    fn next(&mut self, now: Millis) -> Action {
        // Once `finish` was called the target may be visible: it is too late to take anything back.
        if self.cancel_requested && matches!(self.phase, Phase::Planning | Phase::Preparing | Phase::Delivering) {
            // What it was waiting for would have passed: it is not why the delivery ends.
            self.fault = None;
            self.abort();
        }
        if let Some(until) = self.waiting_until.filter(|until| *until > now) {
            self.status = DeliveryStatus::Waiting;
            return Action::WaitUntil(until);
        }
        self.waiting_until = None;
        if let Some(hold) = self.hold() {
            self.status = DeliveryStatus::Held;
            return Action::Hold(hold);
        }
        self.status = DeliveryStatus::Running;
        match self.phase {
            Phase::Planning => Action::Plan,
            Phase::Preparing => Action::Prepare,
            Phase::Delivering => Action::Deliver,
            Phase::Finishing => Action::Finish,
            Phase::Polling => Action::Poll,
            Phase::Aborting => Action::Abort,
            Phase::Done => self.end(now),
        }
    }

    fn end(&mut self, now: Millis) -> Action {
        self.status = match (&self.fault, self.taken_back) {
            (Some(_), _) => DeliveryStatus::Failed,
            (None, true) => DeliveryStatus::Cancelled,
            (None, false) => DeliveryStatus::Succeeded,
        };
        self.ended_at = Some(now);
        Action::End
    }
}

/// Whether a call that failed so may have sent something that was never answered. A connector says `transient` of a
/// vendor that refused for the moment and of one that was silent; `internal` is also a call that was cut off.
fn may_be_unanswered(kind: FaultKind) -> bool {
    match kind {
        FaultKind::Transient | FaultKind::Internal => true,
        FaultKind::Config
        | FaultKind::Auth
        | FaultKind::Scope
        | FaultKind::RateLimited
        | FaultKind::Quota
        | FaultKind::Data
        | FaultKind::Unsupported => false,
    }
}

fn later(now: Millis, ms: u64) -> Millis {
    now.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
