//! One execution of a source connection. Decides; never waits, never reads a clock.
//!
//! ```text
//! Started ─► Pull(stream) ─► Pulled ─► Commit ─► Committed ─┬─► Pull (more) / Wait / next stream
//!                 ▲             │                           └─► Finish (all caught up)
//!                 └── Wait ◄── Failed (transient) ── Failed (else) ─► Stop
//! ```
//!
//! The run's document is stored with every page, so a killed host goes on where the last page was committed.

use crate::freshness::PageTimes;
use crate::guardrail::{Guardrails, Verdict as Limit};
use crate::id::{ConnectionId, RunId};
use crate::page::Estimate;
use crate::retry::{self, Verdict};
use crate::{Fault, FaultKind, Millis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// The last pages, in a row, that brought nothing and waited for nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub empty_pages: u64,
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
    CancelRequested,
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
        }
    }

    /// Takes an event at a time, and says what to do.
    pub fn step(&mut self, event: Event, now: Millis) -> Action {
        if self.status.has_ended() {
            return Action::End;
        }
        match event {
            Event::Resumed => {}
            Event::CancelRequested => self.cancel_requested = true,
            Event::Committed { counts, more, wait_ms, estimate } => {
                self.note(more, now);
                self.count(counts, more, wait_ms, estimate);
                self.fault = None;
                self.attempts = 0;
                self.waiting_until = wait_ms.map(|ms| now.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)));
            }
            Event::Held { fault, wait_ms } => {
                self.waiting_until = Some(now.saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX)));
                self.fault = Some(fault);
            }
            Event::Failed { fault, jitter } => {
                self.attempts += 1;
                match retry::decide(&fault, self.attempts, jitter) {
                    Verdict::Again { wait_ms } => {
                        self.waiting_until = Some(now.saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX)));
                        self.fault = Some(fault);
                    }
                    Verdict::Stop => return self.stop(fault, now),
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
        match self.current() {
            Some(stream) => {
                self.status = RunStatus::Running;
                Action::Pull { stream }
            }
            None => self.end(RunStatus::Succeeded, now),
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
        if self.status == RunStatus::Succeeded {
            self.status = RunStatus::Running;
            self.ended_at = None;
        }
        self
    }

    /// The stream being read: the first that is not caught up.
    #[must_use]
    pub fn current(&self) -> Option<usize> {
        self.streams.iter().position(|s| !s.caught_up)
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
        let Some(stream) = self.current().and_then(|i| self.streams.get(i)) else { return };
        let before = self.pages_at.get(&stream.stream).and_then(|times| times.caught_up_at);
        let caught_up_at = if more { before } else { Some(now) };
        self.pages_at.insert(stream.stream.clone(), PageTimes { committed_at: now, caught_up_at });
    }

    fn count(&mut self, counts: Counts, more: bool, wait_ms: Option<u64>, estimate: Option<Estimate>) {
        let Some(stream) = self.current().and_then(|i| self.streams.get_mut(i)) else { return };
        stream.pages += 1;
        let is_empty = counts == Counts::default() && wait_ms.is_none_or(|ms| ms < WAITS_MS);
        stream.empty_pages = if is_empty { stream.empty_pages + 1 } else { 0 };
        stream.changed += counts.changed;
        stream.unchanged += counts.unchanged;
        stream.stale += counts.stale;
        stream.rejected += counts.rejected;
        stream.received += counts.changed + counts.unchanged + counts.stale + counts.rejected;
        stream.caught_up = !more;
        stream.estimate = estimate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(streams: &[&str]) -> Run {
        let streams: Vec<String> = streams.iter().map(|s| (*s).to_owned()).collect();
        Run::new(RunId::new(0, [0; 6]), ConnectionId::new(0, [0; 6]), "p@1".into(), &streams, 0)
    }

    fn committed(more: bool, wait_ms: Option<u64>) -> Event {
        Event::Committed {
            counts: Counts { changed: 2, rejected: 1, ..Counts::default() },
            more,
            wait_ms,
            estimate: None,
        }
    }

    fn failed(kind: FaultKind) -> Event {
        Event::Failed { fault: Fault::new(kind, "x", "x"), jitter: 0 }
    }

    #[test]
    fn streams_are_read_one_after_the_other_to_their_end() {
        let mut run = run(&["a", "b"]);
        assert_eq!(run.step(Event::Resumed, 0), Action::Pull { stream: 0 });
        assert_eq!(run.step(committed(true, None), 1), Action::Pull { stream: 0 });
        assert_eq!(run.step(committed(false, None), 2), Action::Pull { stream: 1 });
        assert_eq!(run.step(committed(false, None), 3), Action::End);
        assert_eq!((run.status, run.ended_at), (RunStatus::Succeeded, Some(3)));
        assert_eq!((run.streams[0].pages, run.streams[0].received, run.streams[0].changed), (2, 6, 4));
        let times = |stream: &str| run.pages_at.get(stream).map(|at| (at.committed_at, at.caught_up_at));
        assert_eq!((times("a"), times("b")), (Some((2, Some(2))), Some((3, Some(3)))));
    }

    #[test]
    fn a_stream_in_the_middle_of_its_backlog_is_not_fresh() {
        let mut run = run(&["a"]);
        run.step(committed(true, None), 5);
        assert_eq!(run.pages_at["a"], PageTimes { committed_at: 5, caught_up_at: None });
    }

    #[test]
    fn a_wait_is_waited_out_even_across_a_restart() {
        let mut run = run(&["a"]);
        assert_eq!(run.step(committed(true, Some(100)), 0), Action::WaitUntil(100));
        assert_eq!(run.status, RunStatus::Waiting);
        let stored = serde_json::to_string(&run).unwrap();
        let mut run: Run = serde_json::from_str(&stored).unwrap();
        assert_eq!(run.step(Event::Resumed, 50), Action::WaitUntil(100));
        assert_eq!(run.step(Event::Resumed, 100), Action::Pull { stream: 0 });
    }

    #[test]
    fn faults_end_a_run_as_their_kind_says() {
        for (kind, status) in [
            (FaultKind::Auth, RunStatus::Failed),
            (FaultKind::Config, RunStatus::Failed),
            (FaultKind::Quota, RunStatus::Stopped),
        ] {
            let mut run = run(&["a"]);
            assert_eq!(run.step(failed(kind), 5), Action::End, "{kind:?}");
            assert_eq!(run.status, status);
            assert_eq!(run.fault.as_ref().unwrap().kind, kind);
        }
    }

    #[test]
    fn what_passes_is_waited_for_and_forgotten_after_a_page() {
        let mut run = run(&["a"]);
        let Action::WaitUntil(first) = run.step(failed(FaultKind::Transient), 0) else { panic!("no wait") };
        let Action::WaitUntil(second) = run.step(failed(FaultKind::Transient), first) else { panic!("no wait") };
        assert!(second - first > first);
        run.step(committed(true, None), second);
        assert_eq!((run.attempts, &run.fault), (0, &None));
        for _ in 0..retry::ATTEMPTS_MAX {
            run.step(failed(FaultKind::Transient), second);
        }
        assert_eq!(run.step(failed(FaultKind::Transient), second), Action::End);
        assert_eq!(run.status, RunStatus::Failed);
    }

    #[test]
    fn a_run_that_is_held_waits_for_as_long_as_it_takes_and_goes_on() {
        let mut run = run(&["a"]);
        let held = || Event::Held { fault: Fault::new(FaultKind::Quota, "full", "full"), wait_ms: 10 };
        for n in 0..i64::from(retry::ATTEMPTS_MAX) * 2 {
            assert_eq!(run.step(Event::Resumed, n * 10), Action::Pull { stream: 0 });
            assert_eq!(run.step(held(), n * 10), Action::WaitUntil(n * 10 + 10));
            assert_eq!((run.status, run.fault.as_ref().unwrap().code.as_str()), (RunStatus::Waiting, "full"));
        }
        assert_eq!(run.step(Event::Resumed, 10_000), Action::Pull { stream: 0 });
        assert_eq!(run.step(committed(false, None), 10_000), Action::End);
        assert_eq!((run.status, &run.fault), (RunStatus::Succeeded, &None));
    }

    #[test]
    fn a_run_that_never_comes_to_an_end_is_ended() {
        let limits = r#"{"run.pages": {"max": 6}, "run.empty_pages": {"max": 3}}"#;
        let limits = Guardrails::new(&serde_json::from_str(limits).unwrap()).unwrap();
        let empty = |wait_ms| Event::Committed { counts: Counts::default(), more: true, wait_ms, estimate: None };
        let mut run = run(&["a"]);
        for (event, code) in [
            (empty(None), None),
            (empty(Some(1)), None),
            // What waits for its vendor, or brings something, begins anew.
            (empty(Some(1_000)), None),
            (empty(None), None),
            (committed(true, None), None),
            (empty(None), Some("run.pages")),
            (empty(None), Some("run.pages")),
            (empty(None), Some("run.empty-pages")),
        ] {
            run.step(event, 0);
            assert_eq!(run.may_read(&limits).err().map(|fault| fault.code).as_deref(), code, "{run:?}");
        }
        let mut ended = run.clone();
        let fault = ended.may_read(&limits).unwrap_err();
        ended.step(Event::Failed { fault, jitter: 0 }, 9);
        assert_eq!(ended.status, RunStatus::Failed);
        run.streams[0].empty_pages = 0;
        let fault = run.may_read(&limits).unwrap_err();
        run.step(Event::Failed { fault, jitter: 0 }, 9);
        assert_eq!((run.status, run.fault.unwrap().kind), (RunStatus::Stopped, FaultKind::Quota));
        assert_eq!(ended.may_read(&Guardrails::default()), Ok(()));
    }

    #[test]
    fn an_end_that_was_not_told_comes_again() {
        let mut run = run(&["a"]);
        run.step(committed(false, None), 1);
        let mut stored = run.clone().untold();
        assert!(!stored.status.has_ended());
        assert_eq!(stored.step(Event::Resumed, 1), Action::End);
        assert_eq!(stored, run);
    }

    #[test]
    fn cancelling_ends_it_at_the_next_step_and_for_good() {
        let mut run = run(&["a"]);
        assert_eq!(run.step(Event::CancelRequested, 1), Action::End);
        assert_eq!(run.status, RunStatus::Cancelled);
        assert_eq!(run.step(Event::Resumed, 2), Action::End);
    }
}
