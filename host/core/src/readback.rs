//! Reading back what a target holds, and comparing it with what the ledger says it acknowledged. Decides; never waits,
//! never reads a clock.
//!
//! ```text
//! Read a page, keep it with its cursor ─► … ─► Compare ─► End
//!   the vendor takes a place to go on from no more: Anew, from the first page
//!   any call fails: Wait and repeat, or End
//!   somebody cancels it: End, as long as nothing follows from it yet
//! ```
//!
//! What is not ours is counted and never touched: only who was acknowledged once can be missing, and only who was taken out
//! can have come back.

use crate::id::{ActivationId, ReadbackId};
use crate::retry::{self, Verdict};
use crate::{Fault, FaultKind, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

mod compare;
mod names;

pub use compare::{Found, Index, Judged, judge, judge_taken_out, may_repair};
pub use names::{ReadMember, known_by, read_member};

/// What follows from drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnDrift {
    /// It is shown.
    #[default]
    Report,
    /// Besides, the next delivery sends who is missing once more, and takes out once more who was taken out and is there.
    Repair,
}

/// How the target of an activation is read back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadbackSetting {
    #[serde(default)]
    pub on_drift: OnDrift,
    /// Seconds from the start of one to the start of the next, at least 3600; without it, it is read when it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<u32>,
}

impl ReadbackSetting {
    /// A large list takes thousands of calls: more often than this nobody wants it.
    pub const EVERY_SECONDS_MIN: u32 = 3600;

    /// # Errors
    /// A field, and its problem.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        match self.every_seconds {
            Some(every) if every < Self::EVERY_SECONDS_MIN => {
                Err(("/every_seconds", format!("must be at least {}", Self::EVERY_SECONDS_MIN)))
            }
            _ => Ok(()),
        }
    }

    /// Whether one is to start by itself. `last`: when the newest was started.
    #[must_use]
    pub fn is_due(&self, last: Option<Millis>, now: Millis) -> bool {
        let Some(every) = self.every_seconds else { return false };
        last.is_none_or(|last| now.saturating_sub(last) >= i64::from(every) * 1000)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadbackStatus {
    Running,
    Waiting,
    Succeeded,
    Failed,
    /// Somebody ended it; nothing follows from what was read.
    Cancelled,
}

impl ReadbackStatus {
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReadbackPhase")]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Page after page of the target's members.
    Reading,
    Comparing,
    Done,
}

/// How a member of a target is not as the ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// Acknowledged, and not there.
    Missing,
    /// Taken out, and there.
    Returned,
}

/// What a target was found to hold. Members that changed while it was read are not judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReadbackCounts")]
pub struct Counts {
    /// Members that the vendor told, each once.
    pub there: u64,
    /// Acknowledged, and there.
    pub as_known: u64,
    /// Acknowledged, and not there.
    pub missing: u64,
    /// Taken out, and there.
    pub returned: u64,
    /// There, and never ours: others' members. They are left alone.
    pub foreign: u64,
    /// There, with nothing to know them by.
    pub unnamed: u64,
    /// Not judged: sent or taken out while the target was read, or not settled with it.
    pub unsettled: u64,
    /// Those of the missing and the returned that the next delivery puts right.
    pub repaired: u64,
}

/// One reading of a target, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Readback {
    pub id: ReadbackId,
    pub activation: ActivationId,
    /// The target as the destination knows it.
    pub target: String,
    pub plugin: String,
    pub on_drift: OnDrift,
    pub status: ReadbackStatus,
    pub phase: Phase,
    pub started_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_until: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub cancel_requested: bool,
    /// How often it began from the first page once more.
    #[serde(default)]
    pub restarts: u32,
    /// Where the connector goes on, in hex; empty: at the first page.
    #[serde(default, with = "hex::serde")]
    pub cursor: Vec<u8>,
    /// Pages that are kept.
    #[serde(default)]
    pub pages: u32,
    /// Members on them.
    #[serde(default)]
    pub read: u64,
    /// The fields that the vendor tells members by.
    #[serde(default)]
    pub fields: BTreeSet<String>,
    #[serde(default)]
    pub counts: Counts,
    /// A few of the others' members, as they may be shown.
    #[serde(default)]
    pub strangers: Vec<String>,
    /// Why nothing was repaired although that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_alone: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It begins, or goes on.
    Resumed,
    /// A page was read; `next`: where to go on, if there is more.
    Page {
        members: u64,
        fields: BTreeSet<String>,
        next: Option<Vec<u8>>,
    },
    /// The pages so far are forgotten.
    Forgotten,
    Compared {
        counts: Counts,
        strangers: Vec<String>,
        left_alone: Option<String>,
    },
    Failed {
        fault: Fault,
        jitter: u8,
    },
    CancelRequested,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Read,
    /// Forget the pages that are kept.
    Forget,
    Compare,
    WaitUntil(Millis),
    End,
}

/// Fields that members may be told by; more is a connector that tells values as names.
const FIELDS_MAX: usize = 32;
/// How often a reading begins anew before it gives up.
const RESTARTS_MAX: u32 = 2;
/// Pause after a spent budget that does not say when it frees up, in milliseconds.
const QUOTA_PAUSE_MS: u64 = 15 * 60 * 1000;

impl Readback {
    #[must_use]
    pub fn new(
        id: ReadbackId,
        activation: ActivationId,
        target: String,
        plugin: String,
        on_drift: OnDrift,
        now: Millis,
    ) -> Self {
        Self {
            id,
            activation,
            target,
            plugin,
            on_drift,
            status: ReadbackStatus::Running,
            phase: Phase::Reading,
            started_at: now,
            ended_at: None,
            waiting_until: None,
            fault: None,
            attempts: 0,
            cancel_requested: false,
            restarts: 0,
            cursor: Vec::new(),
            pages: 0,
            read: 0,
            fields: BTreeSet::new(),
            counts: Counts::default(),
            strangers: Vec::new(),
            left_alone: None,
        }
    }

    /// Takes an event at a time, and says what to do.
    pub fn step(&mut self, event: Event, now: Millis) -> Action {
        if self.status.has_ended() {
            return Action::End;
        }
        let mut forgets = false;
        match event {
            Event::Resumed => {}
            Event::Page { members, fields, next } => {
                self.succeeded();
                self.pages = self.pages.saturating_add(1);
                self.read = self.read.saturating_add(members);
                let room = FIELDS_MAX.saturating_sub(self.fields.len());
                self.fields.extend(fields.into_iter().take(room));
                match next {
                    Some(cursor) => self.cursor = cursor,
                    None => self.phase = Phase::Comparing,
                }
            }
            Event::Forgotten => (self.cursor, self.pages, self.read) = (Vec::new(), 0, 0),
            Event::Compared { counts, strangers, left_alone } => {
                self.succeeded();
                (self.counts, self.strangers, self.left_alone) = (counts, strangers, left_alone);
                self.phase = Phase::Done;
            }
            Event::Failed { fault, jitter } => forgets = self.failed(fault, jitter, now),
            Event::CancelRequested => self.cancel_requested = true,
        }
        if forgets && !self.cancel_requested { Action::Forget } else { self.next(now) }
    }

    /// Whether a cancellation ends it where it is. Once it puts right what it found, it goes to its end, which takes a moment:
    /// one half of that would be no state that anybody asked for.
    #[must_use]
    pub fn may_be_cut(&self) -> bool {
        match self.phase {
            Phase::Reading => true,
            Phase::Comparing => self.on_drift == OnDrift::Report,
            Phase::Done => false,
        }
    }

    fn succeeded(&mut self) {
        self.fault = None;
        self.attempts = 0;
    }

    /// True: it begins from the first page once more, since the vendor does not know the place any more.
    fn failed(&mut self, fault: Fault, jitter: u8, now: Millis) -> bool {
        self.attempts = self.attempts.saturating_add(1);
        let verdict = match fault.kind {
            // Nobody waits for it: the budget's next day is soon enough.
            FaultKind::Quota => Verdict::Again { wait_ms: fault.retry_after_ms.unwrap_or(QUOTA_PAUSE_MS) },
            _ => retry::decide(&fault, self.attempts, jitter),
        };
        let is_lost = matches!(fault.kind, FaultKind::Data | FaultKind::Config | FaultKind::Internal)
            && self.phase == Phase::Reading
            && !self.cursor.is_empty()
            && self.restarts < RESTARTS_MAX;
        match verdict {
            Verdict::Again { wait_ms } => {
                self.fault = Some(fault);
                self.waiting_until = Some(now.saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX)));
            }
            Verdict::Stop if is_lost => {
                self.restarts = self.restarts.saturating_add(1);
                self.attempts = 0;
                return true;
            }
            Verdict::Stop => {
                self.fault = Some(fault);
                self.phase = Phase::Done;
            }
        }
        false
    }

    fn next(&mut self, now: Millis) -> Action {
        if self.cancel_requested && self.may_be_cut() {
            (self.status, self.phase) = (ReadbackStatus::Cancelled, Phase::Done);
            (self.fault, self.waiting_until, self.ended_at) = (None, None, Some(now));
            return Action::End;
        }
        if let Some(until) = self.waiting_until.filter(|until| *until > now) {
            self.status = ReadbackStatus::Waiting;
            return Action::WaitUntil(until);
        }
        self.waiting_until = None;
        self.status = ReadbackStatus::Running;
        match self.phase {
            Phase::Reading => Action::Read,
            Phase::Comparing => Action::Compare,
            Phase::Done => {
                self.status = if self.fault.is_none() { ReadbackStatus::Succeeded } else { ReadbackStatus::Failed };
                self.ended_at = Some(now);
                Action::End
            }
        }
    }
}

#[cfg(test)]
mod tests;
