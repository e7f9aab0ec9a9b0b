//! One execution of a source connection. Decides; never waits, never reads a clock.
//!
//! ```text
//! Started ─► Pull(stream) ─► Pulled ─► Commit ─► Committed ─┬─► Pull (more) / Wait / next stream
//!                 ▲             │                           └─► Finish (all caught up)
//!                 └── Wait ◄── Failed (transient) ── Failed (else) ─► Stop
//! ```
//!
//! The run's document is stored with every page, so a killed host goes on where the last page was committed.

use crate::backfill::{Backfill, Place};
use crate::drift::HeldStream;
use crate::freshness::PageTimes;
use crate::guardrail::{Guardrails, Verdict as Limit};
use crate::id::{ConnectionId, RunId};
use crate::page::Estimate;
use crate::retry::{self, Verdict};
use crate::schedule;
use crate::{Fault, FaultKind, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod turn;

use turn::Turn;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    Running,
    /// Waiting for the vendor; `waiting_until` says how long.
    Waiting,
    Succeeded,
    /// A budget is spent: the cursor is kept and the next run goes on.
    Stopped,
    Failed,
    Cancelled,
}

impl RunStatus {
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Running | Self::Waiting)
    }
}

/// How far one stream of a run is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamProgress {
    pub stream: String,
    pub pages: u64,
    /// Rows and rejects the connector gave.
    pub received: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub stale: u64,
    pub rejected: u64,
    pub caught_up: bool,
    /// Requests sent to the vendor.
    #[serde(default)]
    pub calls: u64,
    /// Why it is not read to its end; the others are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Why no page of it is read for now, though the vendor would answer: what is left of a day is kept for other streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<Fault>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// The last pages, in a row, that brought nothing and waited for nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub empty_pages: u64,
}

impl StreamProgress {
    /// Whether there is more to read of it in this run.
    fn is_open(&self) -> bool {
        !self.caught_up && self.fault.is_none()
    }
}

/// A page that brings nothing and waits at least so long, waits for its vendor.
const WAITS_MS: u64 = 1_000;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A run, as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub connection: ConnectionId,
    /// The plugin version it began with, and keeps.
    pub plugin: String,
    pub status: RunStatus,
    pub streams: Vec<StreamProgress>,
    pub started_at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_until: Option<Millis>,
    /// The newest fault; cleared by the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Failures in a row.
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub cancel_requested: bool,
    /// Since when what it could not take is not kept any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejects_forgotten_at: Option<Millis>,
    /// When pages of each stream were committed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pages_at: BTreeMap<String, PageTimes>,
    /// Where it stands in a trace, as W3C trace context has it (`traceparent`); `None`: it is not traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The stream that is being read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
    /// Until when streams wait for their vendor.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waits: BTreeMap<String, Millis>,
    /// Which streams take their keys from which.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keyed: BTreeMap<String, String>,
    /// Until when streams rest that have read all keys there are, while more of them come.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys_rest: BTreeMap<String, Millis>,
    /// Streams that it does not read, since they have changed and nobody has approved of that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldStream>,
    /// It reads anew what was read before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfill: Option<Backfill>,
    /// A schedule could not begin it until somebody acts; when that is tried again, at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Millis>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The run begins, or goes on after a restart or a wait.
    Resumed,
    /// A page was committed.
    Committed {
        counts: Counts,
        more: bool,
        wait_ms: Option<u64>,
        estimate: Option<Estimate>,
        /// Requests sent to the vendor.
        calls: u64,
        /// Where a reading anew is after it.
        anew: Option<Place>,
    },
    /// A call failed; the cursor is where it was.
    Failed {
        fault: Fault,
        jitter: u8,
    },
    /// There is no room for another page; looked again after a while. No failure, so it is not counted as one.
    Held {
        fault: Fault,
        wait_ms: u64,
    },
    /// The stream has to leave what is left to others, until the fault says; these are read.
    HeldBack {
        fault: Fault,
    },
    CancelRequested,
    /// The next run would begin: what was read to its end is looked at again.
    Due,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub changed: u64,
    pub unchanged: u64,
    pub stale: u64,
    pub rejected: u64,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read a page of this stream after its stored cursor, and commit it.
    Pull {
        stream: usize,
    },
    WaitUntil(Millis),
    /// The run has ended; its document says how.
    End,
}

impl Run {
    #[must_use]
    pub fn new(id: RunId, connection: ConnectionId, plugin: String, streams: &[String], now: Millis) -> Self {
        let streams = streams.iter().map(|s| StreamProgress { stream: s.clone(), ..StreamProgress::default() });
        Self {
            id,
            connection,
            plugin,
            status: RunStatus::Running,
            streams: streams.collect(),
            started_at: now,
            ended_at: None,
            waiting_until: None,
            fault: None,
            attempts: 0,
            cancel_requested: false,
            rejects_forgotten_at: None,
            pages_at: BTreeMap::new(),
            trace: None,
            turn: None,
            waits: BTreeMap::new(),
            keyed: BTreeMap::new(),
            keys_rest: BTreeMap::new(),
            held: Vec::new(),
            backfill: None,
            next_try_at: None,
        }
    }

    /// A run that reads streams anew.
    #[must_use]
    pub fn anew(self, backfill: Backfill) -> Self {
        Self { backfill: Some(backfill), ..self }
    }

    /// Its streams were described anew while it goes on. What nobody has approved of is read no further, and says why; what somebody
    /// has approved of meanwhile is read on.
    pub fn described(&mut self, held: Vec<HeldStream>, keyed: BTreeMap<String, String>) {
        for stream in &mut self.streams {
            let was_held = self.held.iter().any(|before| before.stream == stream.stream);
            match held.iter().find(|held| held.stream == stream.stream) {
                Some(held) => stream.fault = Some(held.fault.clone()),
                None if was_held => stream.fault = None,
                None => {}
            }
        }
        (self.held, self.keyed) = (held, keyed);
    }

    /// It does not begin, and says why.
    pub fn refuse(&mut self, fault: Fault, now: Millis) {
        self.stop(fault, now);
    }

    /// A schedule cannot begin it until somebody acts, once more: `attempts` counts how often.
    pub fn refuse_until_acted(&mut self, fault: Fault, now: Millis) {
        self.attempts = self.attempts.saturating_add(1);
        self.next_try_at = Some(now.saturating_add(schedule::rest_ms(self.attempts)));
        self.stop(fault, now);
    }

    /// Whether a schedule could not begin it, for this reason.
    #[must_use]
    pub fn is_refused_for(&self, fault: &Fault) -> bool {
        self.next_try_at.is_some() && self.fault.as_ref().is_some_and(|known| known.code == fault.code)
    }

    /// Takes an event at a time, and says what to do.
    pub fn step(&mut self, event: Event, now: Millis) -> Action {
        if self.status.has_ended() {
            return Action::End;
        }
        match event {
            Event::Resumed => {}
            Event::CancelRequested => self.cancel_requested = true,
            Event::Due => self.reopen(),
            Event::Committed { counts, more, wait_ms, estimate, calls, anew } => {
                let rests = self.rests_for_keys(more, now);
                let more = more || rests;
                self.note(more, now);
                self.rest(wait_ms, now);
                self.count(counts, more, wait_ms, estimate, calls);
                if let Some(stream) = self.current().and_then(|at| self.streams.get_mut(at)).filter(|_| rests) {
                    stream.empty_pages = 0;
                }
                if let (Some(backfill), Some(place)) = (&mut self.backfill, anew) {
                    backfill.place = place;
                }
                self.fault = None;
                self.attempts = 0;
                self.waiting_until = None;
            }
            Event::Held { fault, wait_ms } => {
                self.waiting_until = Some(now.saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX)));
                self.fault = Some(fault);
            }
            Event::HeldBack { fault } => {
                self.rest(Some(fault.retry_after_ms.unwrap_or(WAITS_MS)), now);
                if let Some(stream) = self.current().and_then(|at| self.streams.get_mut(at)) {
                    stream.held_back = Some(fault);
                }
            }
            Event::Failed { fault, jitter } => {
                self.attempts += 1;
                match retry::decide(&fault, self.attempts, jitter) {
                    Verdict::Again { wait_ms } => {
                        self.waiting_until = Some(now.saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX)));
                        self.fault = Some(fault);
                    }
                    Verdict::Stop => return self.give_up(fault, now),
                }
            }
        }
        self.next(now)
    }

    fn next(&mut self, now: Millis) -> Action {
        if self.cancel_requested {
            return self.end(RunStatus::Cancelled, now);
        }
        if let Some(until) = self.waiting_until.filter(|until| *until > now) {
            self.status = RunStatus::Waiting;
            return Action::WaitUntil(until);
        }
        self.waiting_until = None;
        match turn::next(self, now) {
            Turn::Read(stream) => {
                (self.status, self.turn) = (RunStatus::Running, Some(stream));
                Action::Pull { stream }
            }
            Turn::Wait(until) => {
                (self.status, self.waiting_until) = (RunStatus::Waiting, Some(until));
                Action::WaitUntil(until)
            }
            Turn::Done => match self.failed().and_then(|stream| stream.fault.clone()) {
                Some(fault) => self.stop(fault, now),
                None => self.end(RunStatus::Succeeded, now),
            },
        }
    }

    /// A stream that could not be read. One that waits for somebody's approval is no failure of the run.
    fn failed(&self) -> Option<&StreamProgress> {
        let is_held = |stream: &StreamProgress| self.held.iter().any(|held| held.stream == stream.stream);
        self.streams.iter().find(|stream| stream.fault.is_some() && !is_held(stream))
    }

    /// What is one stream's own trouble ends that stream; the others are read first.
    fn give_up(&mut self, fault: Fault, now: Millis) -> Action {
        use crate::FaultKind as K;
        let is_the_streams = match fault.kind {
            K::Config | K::Scope | K::Data | K::Unsupported | K::Internal => self.backfill.is_none(),
            K::Auth | K::RateLimited | K::Quota | K::Transient => false,
        };
        match self.current().and_then(|at| self.streams.get_mut(at)).filter(|_| is_the_streams) {
            Some(stream) => {
                stream.fault = Some(fault.clone());
                (self.fault, self.attempts) = (Some(fault), 0);
                self.next(now)
            }
            None => self.stop(fault, now),
        }
    }

    /// What is caught up is read on, beside what is not.
    fn reopen(&mut self) {
        if self.backfill.is_some() {
            return;
        }
        for stream in self.streams.iter_mut().filter(|stream| stream.caught_up) {
            (stream.caught_up, stream.empty_pages) = (false, 0);
        }
        // Unless the vendor as a whole is waited for, it was for streams.
        if self.fault.is_none() {
            self.waiting_until = None;
        }
    }

    fn stop(&mut self, fault: Fault, now: Millis) -> Action {
        use crate::FaultKind as K;
        let status = match fault.kind {
            K::Quota | K::RateLimited => RunStatus::Stopped,
            K::Config | K::Auth | K::Scope | K::Transient | K::Data | K::Unsupported | K::Internal => RunStatus::Failed,
        };
        self.fault = Some(fault);
        self.end(status, now)
    }

    fn end(&mut self, status: RunStatus, now: Millis) -> Action {
        self.status = status;
        self.waiting_until = None;
        self.ended_at = Some(now);
        Action::End
    }

    /// The run as it is stored while its end is not told yet: it ends again, in the same way, when it is resumed.
    #[must_use]
    pub fn untold(mut self) -> Self {
        if self.status.has_ended() {
            self.status = RunStatus::Running;
            self.ended_at = None;
        }
        self
    }

    /// The stream being read, or that will be.
    #[must_use]
    pub fn current(&self) -> Option<usize> {
        let turn = self.turn.filter(|at| self.streams.get(*at).is_some_and(StreamProgress::is_open));
        turn.or_else(|| self.streams.iter().position(StreamProgress::is_open))
    }

    /// Whether another page may be read. A connector that never comes to an end would else keep its place for ever, and
    /// nobody would hear of it.
    ///
    /// # Errors
    /// `run.pages`, of kind quota: the run ends, and the next one goes on. `run.empty_pages`, of kind internal.
    pub fn may_read(&self, limits: &Guardrails) -> Result<(), Fault> {
        let empty = self.current().and_then(|i| self.streams.get(i)).map_or(0, |stream| stream.empty_pages);
        // Of `max` pages the last is no page over it.
        if let Limit::Over(_, reason) = limits.check("run.empty_pages", empty.saturating_add(1)) {
            return Err(Fault::new(FaultKind::Internal, "run.empty-pages", reason).action(
                "Report this to the connector's publisher, or have an operator raise run.empty_pages for this sandbox.",
            ));
        }
        let pages: u64 = self.streams.iter().map(|stream| stream.pages).sum();
        match limits.check("run.pages", pages.saturating_add(1)) {
            Limit::Over(_, reason) => Err(Fault::new(FaultKind::Quota, "run.pages", reason)
                .action("The next run goes on. Have an operator raise run.pages where so much is expected.")),
            Limit::Within | Limit::Warn(_) => Ok(()),
        }
    }

    fn note(&mut self, more: bool, now: Millis) {
        // What is read beside says nothing of how fresh the stream is.
        if self.backfill.as_ref().is_some_and(|backfill| !backfill.wish.reset) {
            return;
        }
        let Some(stream) = self.current().and_then(|i| self.streams.get(i)) else { return };
        let before = self.pages_at.get(&stream.stream).and_then(|times| times.caught_up_at);
        let caught_up_at = if more { before } else { Some(now) };
        self.pages_at.insert(stream.stream.clone(), PageTimes { committed_at: now, caught_up_at });
    }

    fn rest(&mut self, wait_ms: Option<u64>, now: Millis) {
        let Some(stream) = self.current().and_then(|i| self.streams.get(i)) else { return };
        self.waits.remove(&stream.stream);
        let until = |ms: u64| now.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
        self.waits.extend(wait_ms.map(|ms| (stream.stream.clone(), until(ms))));
    }

    fn count(&mut self, counts: Counts, more: bool, wait_ms: Option<u64>, estimate: Option<Estimate>, calls: u64) {
        let Some(stream) = self.current().and_then(|i| self.streams.get_mut(i)) else { return };
        stream.pages += 1;
        stream.calls += calls;
        let is_empty = counts == Counts::default() && wait_ms.is_none_or(|ms| ms < WAITS_MS);
        stream.empty_pages = if is_empty { stream.empty_pages + 1 } else { 0 };
        stream.changed += counts.changed;
        stream.unchanged += counts.unchanged;
        stream.stale += counts.stale;
        stream.rejected += counts.rejected;
        stream.received += counts.changed + counts.unchanged + counts.stale + counts.rejected;
        stream.caught_up = !more;
        stream.held_back = None;
        stream.estimate = estimate;
    }
}

#[cfg(test)]
mod tests;
