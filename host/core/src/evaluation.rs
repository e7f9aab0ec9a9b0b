//! One batch evaluation of segments: what it is about, how far it is, and what it changed. Decides; never waits, never
//! reads a clock.

use crate::cron;
use crate::id::{EvaluationId, SegmentId};
use crate::{Fault, FaultKind, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluationStatus {
    /// Others come first, or what was committed before it began is not in the profiles yet.
    Queued,
    Running,
    /// Somebody asked for its end: it ends before the next segment's turn.
    Cancelling,
    /// Segments whose turn had come have their results; the members of the others stay as they were.
    Cancelled,
    /// All segments, or all but those with a fault of their own.
    Succeeded,
    Failed,
}

impl EvaluationStatus {
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What a running evaluation is at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EvaluationPhase")]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Loading what the segments read, and deciding.
    #[default]
    Evaluating,
    Committing,
}

/// Why there is an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluationCause {
    Requested,
    Scheduled,
    /// A segment has no result of its rule yet.
    Definition,
}

/// A batch evaluation, as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub id: EvaluationId,
    pub cause: EvaluationCause,
    pub status: EvaluationStatus,
    #[serde(default)]
    pub phase: Phase,
    /// Which segments; empty: all that are evaluated in batch.
    #[serde(default)]
    pub wanted: Vec<SegmentId>,
    pub segments: Vec<SegmentOutcome>,
    pub queued_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// The instant that it was evaluated for: `now` in the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Millis>,
    #[serde(default)]
    pub timings: Timings,
    /// What was looked at.
    #[serde(default)]
    pub read: Read,
    /// How often it was begun: once more for each time the host stopped in the middle.
    #[serde(default)]
    pub attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// Of the newest attempt, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EvaluationTimings")]
pub struct Timings {
    pub loading_ms: u64,
    pub evaluating_ms: u64,
    pub committing_ms: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "EvaluationRead")]
pub struct Read {
    /// Rows of all tables.
    pub rows: u64,
    /// Memory that they took.
    pub bytes: u64,
    /// Of these, how many were read anew, because they had changed since the evaluation or preview before. Absent: all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refreshed: Option<u64>,
}

/// What became of one segment. Counts are of all attempts: what is committed is not done again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SegmentOutcome {
    pub segment: SegmentId,
    /// Of its rule.
    #[serde(default)]
    pub version: u32,
    pub entered: u64,
    pub left: u64,
    /// Members; `None`: not known, for the fault or since it has not come to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
    /// Why this one has no result. Its members stay as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl Evaluation {
    #[must_use]
    pub fn new(id: EvaluationId, cause: EvaluationCause, wanted: Vec<SegmentId>, now: Millis) -> Self {
        Self {
            id,
            cause,
            status: EvaluationStatus::Queued,
            phase: Phase::default(),
            wanted,
            segments: Vec::new(),
            queued_at: now,
            started_at: None,
            ended_at: None,
            as_of: None,
            timings: Timings::default(),
            read: Read::default(),
            attempts: 0,
            fault: None,
        }
    }

    /// It begins, or begins again after a stop in the middle.
    pub fn begin(&mut self, now: Millis) {
        self.status = EvaluationStatus::Running;
        self.phase = Phase::Evaluating;
        self.started_at.get_or_insert(now);
        self.attempts += 1;
        self.timings = Timings::default();
    }

    /// It was evaluated for `as_of`; what is to be committed follows.
    pub fn evaluated(&mut self, as_of: Millis, loading_ms: u64, evaluating_ms: u64, read: Read) {
        self.phase = Phase::Committing;
        self.as_of = Some(as_of);
        self.timings = Timings { loading_ms, evaluating_ms, committing_ms: 0 };
        self.read = read;
    }

    /// What is known of a segment so far.
    pub fn outcome(&mut self, segment: &SegmentId, version: u32) -> &mut SegmentOutcome {
        let at = match self.segments.iter().position(|outcome| outcome.segment == *segment) {
            Some(at) => at,
            None => {
                let segment = segment.clone();
                self.segments.push(SegmentOutcome {
                    segment,
                    version,
                    entered: 0,
                    left: 0,
                    members: None,
                    fault: None,
                });
                self.segments.len() - 1
            }
        };
        let outcome = &mut self.segments[at];
        outcome.version = version;
        outcome
    }

    /// Its end; it has failed where there is a fault of the whole.
    pub fn end(&mut self, fault: Option<Fault>, now: Millis) {
        self.status = if fault.is_some() { EvaluationStatus::Failed } else { EvaluationStatus::Succeeded };
        self.fault = fault;
        self.ended_at = Some(now);
    }

    /// Whether some of what becomes of a segment is committed and the rest is not: it is gone on with, since nobody may take
    /// half of an audience.
    #[must_use]
    pub fn is_midway(&self, segment: &SegmentId) -> bool {
        let of = self.segments.iter().find(|outcome| outcome.segment == *segment);
        of.is_some_and(|it| it.members.is_none() && it.fault.is_none() && it.entered + it.left > 0)
    }

    /// Its end, as somebody asked for, before the turn of these segments, each with the version of its rule.
    pub fn cancel(&mut self, before: impl IntoIterator<Item = (SegmentId, u32)>, now: Millis) {
        for (segment, version) in before {
            let outcome = self.outcome(&segment, version);
            if outcome.members.is_none() && outcome.fault.is_none() {
                let message = "the evaluation was cancelled before this segment's turn";
                let fault = Fault::new(FaultKind::Config, "evaluation.cancelled", message);
                outcome.fault = Some(fault.action("Start another one, or wait for the next by the schedule."));
            }
        }
        self.status = EvaluationStatus::Cancelled;
        self.ended_at = Some(now);
    }
}

/// When batch evaluations begin by themselves: after an interval, or at the times of cron, in UTC. Neither: never.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSchedule {
    /// Seconds from one to the next; at least 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<u32>,
    /// `0 6,18 * * mon-fri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
}

impl Default for EvaluationSchedule {
    /// Every quarter of an hour.
    fn default() -> Self {
        Self { every_seconds: Some(900), cron: None }
    }
}

impl EvaluationSchedule {
    /// What is wrong with it: a field, and the problem.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        cron::check(self.every_seconds, self.cron.as_deref())
    }

    /// Whether one is due; `last`: when the one before was. What was missed is made up for once.
    #[must_use]
    pub fn is_due(&self, last: Option<Millis>, now: Millis) -> bool {
        let Some(last) = last else { return self.every_seconds.is_some() || self.cron.is_some() };
        cron::has_passed(self.every_seconds, self.cron.as_deref(), last, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = 20_000 * 86_400_000 + 43_200_000;
    const HOUR: Millis = 3_600_000;

    fn schedule(every_seconds: Option<u32>, cron: Option<&str>) -> EvaluationSchedule {
        EvaluationSchedule { every_seconds, cron: cron.map(str::to_owned) }
    }

    #[test]
    fn an_interval_and_times_are_due_when_they_have_passed() {
        let hourly = schedule(Some(3600), None);
        assert!(hourly.is_due(None, NOON));
        assert!(!hourly.is_due(Some(NOON), NOON + HOUR - 1));
        assert!(hourly.is_due(Some(NOON), NOON + HOUR));
        let daily = schedule(None, Some("30 11,18 * * *"));
        assert!(!daily.is_due(Some(NOON), NOON + 6 * HOUR), "not before half past six");
        assert!(daily.is_due(Some(NOON), NOON + 6 * HOUR + HOUR / 2));
        assert!(!daily.is_due(Some(NOON + 7 * HOUR), NOON + 20 * HOUR), "once for each time");
        // What was missed while the host was down is made up for, once.
        assert!(daily.is_due(Some(NOON), NOON + 100 * HOUR));
        assert!(!daily.is_due(Some(NOON + 100 * HOUR), NOON + 101 * HOUR));
        assert!(!schedule(None, None).is_due(None, NOON), "never by itself");
    }

    #[test]
    fn what_is_no_schedule_is_refused_by_its_place() {
        assert_eq!(schedule(None, Some("0 25 * * *")).check().unwrap_err().0, "/cron");
        assert_eq!(schedule(Some(9), None).check().unwrap_err().0, "/every_seconds");
        assert_eq!(EvaluationSchedule::default().check(), Ok(()));
    }

    #[test]
    fn counts_go_on_over_a_stop_in_the_middle() {
        let segment = SegmentId::new(0, [0; 6]);
        let mut it = Evaluation::new(EvaluationId::new(0, [0; 6]), EvaluationCause::Requested, vec![], 1);
        it.begin(2);
        it.outcome(&segment, 1).entered += 3;
        it.begin(9);
        it.outcome(&segment, 1).entered += 2;
        it.end(None, 10);
        assert_eq!((it.started_at, it.attempts, it.segments.len()), (Some(2), 2, 1));
        assert_eq!((it.segments[0].entered, it.status), (5, EvaluationStatus::Succeeded));
    }

    #[test]
    fn what_is_cancelled_leaves_no_half_of_an_audience() {
        let segment = |n: u8| SegmentId::new(0, [n; 6]);
        let mut it = Evaluation::new(EvaluationId::new(0, [0; 6]), EvaluationCause::Requested, vec![], 1);
        it.begin(2);
        it.outcome(&segment(1), 1).members = Some(0);
        it.outcome(&segment(2), 1).left += 2;
        it.outcome(&segment(3), 1);
        let midway: Vec<bool> = (1..5).map(|n| it.is_midway(&segment(n))).collect();
        assert_eq!(midway, [false, true, false, false]);
        it.outcome(&segment(2), 1).members = Some(5);
        it.cancel((1..5).map(|n| (segment(n), 1)), 9);
        let codes: Vec<Option<&str>> =
            it.segments.iter().map(|it| it.fault.as_ref().map(|fault| fault.code.as_str())).collect();
        assert_eq!(codes, [None, None, Some("evaluation.cancelled"), Some("evaluation.cancelled")]);
        assert_eq!((it.status, it.ended_at, it.fault), (EvaluationStatus::Cancelled, Some(9), None));
        assert!(EvaluationStatus::Cancelled.has_ended() && !EvaluationStatus::Cancelling.has_ended());
    }
}
