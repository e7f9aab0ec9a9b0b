//! A vendor with lists of members. It refuses, is silent, lands requests late, keeps jobs; with each row it does what
//! the row's e-mail says, so that what must come of it is known. Members are told apart by a name of its own, as vendors do,
//! which it reads from the row or is told again: of the host's keys it knows nothing, and two persons may have one name.

use crate::chance::{Dice, FakeClock};
use async_trait::async_trait;
use attiva_core::page::{Batch, CheckResult, Operation, Outcome, OutcomeStatus};
use attiva_core::ports::connector::{
    Delivered, DeliveryRun, Destination, Finished, Prepared, Target, TargetMembers, TargetObject,
};
use attiva_core::{Fault, FaultKind, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Longest time a request stays on its way.
pub(crate) const TIMEOUT_MS: u64 = 30_000;
/// The code of refusals that pass.
pub(crate) const BUSY: &str = "vendor.busy-row";

pub(crate) type Member = BTreeMap<String, String>;

#[derive(Debug, Clone)]
struct Change {
    key: String,
    operation: Operation,
    member: Member,
    /// As it was answered before.
    known: Option<String>,
}

struct Late {
    lands_at: i64,
    target: String,
    changes: Vec<Change>,
    /// It belongs to a job that takes its rows when it is finished.
    job: Option<(String, u32)>,
}

#[derive(Default)]
struct Books {
    lists: BTreeMap<String, BTreeMap<String, Member>>,
    late: Vec<Late>,
    /// Rows of jobs by run and batch, until the job is done.
    jobs: BTreeMap<String, BTreeMap<u32, Vec<Change>>>,
    /// What became of jobs that are done, and those that were given up.
    done: BTreeMap<String, Vec<(String, Outcome)>>,
    closed: BTreeSet<String>,
}

pub(crate) struct Vendor {
    dice: Dice,
    clock: Arc<FakeClock>,
    books: Mutex<Books>,
    log: Mutex<Vec<String>>,
    /// It answers everything, at once.
    pub(crate) calm: AtomicBool,
    pub(crate) calls: AtomicU64,
    /// At this call the host is killed.
    pub(crate) kill_at: AtomicU64,
    pub(crate) killed: AtomicBool,
    /// The next batch lands as late as one can; with it, its call ends so, or never.
    pub(crate) late_once: Mutex<Option<Ended>>,
}

/// How a call ends whose request is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The host is killed within it.
    Killed,
    /// It is cut off, and is not made again.
    CutOff,
}

#[derive(Debug)]
enum Mood {
    Fine,
    /// Done, and nobody is told.
    Silent,
    /// Not yet done, and nobody is told.
    Late,
    Fault(FaultKind),
}

impl Vendor {
    pub(crate) fn new(seed: u64, clock: Arc<FakeClock>) -> Self {
        Self {
            dice: Dice::new(seed ^ 0x5EED),
            clock,
            books: Mutex::default(),
            log: Mutex::default(),
            calm: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            kill_at: AtomicU64::new(0),
            killed: AtomicBool::new(false),
            late_once: Mutex::default(),
        }
    }

    /// Somebody else's member.
    pub(crate) fn put(&self, target: &str, key: &str) {
        self.books.lock().unwrap().lists.entry(target.into()).or_default().insert(key.into(), Member::new());
    }

    /// Somebody takes a member out by hand.
    pub(crate) fn take_out(&self, target: &str, key: &str) {
        self.books.lock().unwrap().lists.entry(target.into()).or_default().remove(key);
    }

    /// Writes down what happens, for whoever looks for why a seed fails.
    pub(crate) fn note(&self, what: String) {
        self.log.lock().unwrap().push(format!("{} {what}", self.clock.now() % 1_000_000_000));
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Who is in a list, once everything on its way has landed.
    pub(crate) fn list(&self, target: &str) -> BTreeMap<String, Member> {
        let mut books = self.books.lock().unwrap();
        books.land(self.clock.now());
        books.lists.get(target).cloned().unwrap_or_default()
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Counts a call, and says how it goes. Never returns from the one at which the host is killed.
    async fn mood(&self) -> Mood {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.books.lock().unwrap().land(self.clock.now());
        if call == self.kill_at.load(Ordering::SeqCst) {
            // What was asked is done, is on its way, or never left.
            return match self.dice.below(3) {
                0 => Mood::Silent,
                1 => Mood::Late,
                _ => self.die().await,
            };
        }
        if self.calm.load(Ordering::SeqCst) {
            return Mood::Fine;
        }
        match self.dice.below(100) {
            0..6 => Mood::Fault(FaultKind::Transient),
            6..9 => Mood::Fault(FaultKind::RateLimited),
            9..10 => Mood::Fault(FaultKind::Scope),
            10..15 => Mood::Silent,
            15..21 => Mood::Late,
            _ => Mood::Fine,
        }
    }

    async fn die(&self) -> Mood {
        self.killed.store(true, Ordering::SeqCst);
        std::future::pending().await
    }

    /// Nobody is answered; where the host dies now, nobody hears that either.
    async fn unanswered(&self) -> Fault {
        if self.calls() == self.kill_at.load(Ordering::SeqCst) {
            self.die().await;
        }
        Fault::new(FaultKind::Transient, "http.timeout", "no answer came")
    }

    fn lands_at(&self) -> i64 {
        self.clock.now() + i64::try_from(self.dice.below(TIMEOUT_MS)).unwrap()
    }
}

impl Books {
    fn land(&mut self, now: i64) {
        let (landed, late): (Vec<Late>, Vec<Late>) =
            std::mem::take(&mut self.late).into_iter().partition(|late| late.lands_at <= now);
        self.late = late;
        for late in landed {
            match late.job {
                _ if late.changes.iter().any(Change::is_poison) => {}
                Some((run, number)) => self.keep(&run, number, late.changes),
                None => late.changes.iter().for_each(|change| {
                    self.apply(&late.target, change, false);
                }),
            }
        }
    }

    fn keep(&mut self, run: &str, number: u32, changes: Vec<Change>) {
        if !self.closed.contains(run) {
            self.jobs.entry(run.into()).or_default().insert(number, changes);
        }
    }

    fn apply(&mut self, target: &str, change: &Change, busy: bool) -> Outcome {
        let list = self.lists.entry(target.into()).or_default();
        let email = change.member.get("email").map_or("", String::as_str);
        let Some(name) = change.known.as_ref().or_else(|| change.member.get("name")) else {
            return outcome(OutcomeStatus::Rejected, "vendor.nameless");
        };
        match change.operation {
            Operation::Remove => {
                let is_there = list.remove(name).is_some();
                let status = if is_there { OutcomeStatus::Removed } else { OutcomeStatus::Unchanged };
                Outcome { member_id: Some(name.clone()), ..outcome(status, "") }
            }
            Operation::Upsert if busy => outcome(OutcomeStatus::Rejected, BUSY),
            Operation::Upsert if email.starts_with("bad") => outcome(OutcomeStatus::Rejected, "vendor.bad-email"),
            // Who was put in with another address stays there.
            Operation::Upsert if email.starts_with("nobody") => outcome(OutcomeStatus::Unmatched, "vendor.nobody"),
            Operation::Upsert => {
                let status = match list.insert(name.clone(), change.member.clone()) {
                    None => OutcomeStatus::Created,
                    Some(was) if was == change.member => OutcomeStatus::Unchanged,
                    Some(_) => OutcomeStatus::Updated,
                };
                Outcome { member_id: Some(name.clone()), ..outcome(status, "") }
            }
        }
    }
}

impl Change {
    /// Taken by a job that is not done.
    fn pending(&self) -> Outcome {
        let member_id = self.known.as_ref().or_else(|| self.member.get("name")).cloned();
        Outcome { member_id, ..outcome(OutcomeStatus::Pending, "") }
    }

    /// One such row has the whole request refused.
    fn is_poison(&self) -> bool {
        self.operation == Operation::Upsert && self.member.get("email").is_some_and(|email| email.starts_with("poison"))
    }
}

fn outcome(status: OutcomeStatus, code: &str) -> Outcome {
    Outcome { status, code: code.into(), field: None, message: String::new(), member_id: None }
}

fn changes(batch: &Batch) -> Vec<Change> {
    let change = |row: usize| Change {
        key: batch.keys.value(row).to_owned(),
        operation: batch.operations[row],
        known: batch.member_ids[row].clone(),
        member: batch
            .rows
            .columns
            .iter()
            .filter_map(|column| match column.get(row) {
                Some(Value::Text(text)) => Some((column.name.clone(), text)),
                _ => None,
            })
            .collect(),
    };
    (0..batch.rows.len).map(change).collect()
}

/// Every third run makes a job.
fn is_job(run: &DeliveryRun) -> bool {
    run.id.bytes().map(u32::from).sum::<u32>() % 3 == 0
}

fn finished(pending_become: OutcomeStatus, exceptions: Vec<(String, Outcome)>) -> Finished {
    Finished {
        state: Vec::new(),
        pending_become,
        exceptions,
        artifacts: Vec::new(),
        warnings: Vec::new(),
        wait_ms: Some(1_000),
    }
}

#[async_trait]
impl Destination for Vendor {
    async fn check(&self) -> Result<Vec<CheckResult>, Fault> {
        Ok(Vec::new())
    }

    async fn discover(&self) -> Result<Vec<TargetObject>, Fault> {
        Ok(Vec::new())
    }

    async fn prepare(&self, target: &Target, _: &DeliveryRun, dry_run: bool) -> Result<Prepared, Fault> {
        match self.mood().await {
            Mood::Fault(kind) => return Err(Fault::new(kind, "vendor.down", "try later")),
            Mood::Silent | Mood::Late => return Err(self.unanswered().await),
            Mood::Fine => {}
        }
        if !dry_run {
            self.books.lock().unwrap().lists.entry(target.id.clone()).or_default();
        }
        Ok(Prepared { state: Vec::new(), notes: Vec::new(), wait_ms: None })
    }

    async fn deliver(&self, target: &Target, run: &DeliveryRun, _: &[u8], batch: &Batch) -> Result<Delivered, Fault> {
        let changes = changes(batch);
        assert!(changes.iter().all(|c| c.operation == changes[0].operation), "a batch has one operation");
        let job = is_job(run).then(|| (run.id.clone(), batch.number));
        let mood = self.mood().await;
        let shown: Vec<String> =
            changes.iter().map(|c| format!("{:?} {} {:?}", c.operation, c.key, c.member)).collect();
        self.note(format!("{} {} deliver {mood:?} {job:?}: {}", run.id, target.id, shown.join(", ")));
        let ended = self.late_once.lock().unwrap().take();
        if let Some(ended) = ended {
            let lands_at = self.clock.now() + i64::try_from(TIMEOUT_MS).unwrap() - 1;
            self.books.lock().unwrap().late.push(Late { lands_at, target: target.id.clone(), changes, job: None });
            if ended == Ended::Killed {
                self.die().await;
            }
            return Err(Fault::new(FaultKind::Internal, "plugin.trap", "the call was cut off"));
        }
        if let Mood::Fault(kind) = mood {
            return Err(Fault::new(kind, "vendor.down", "try later"));
        }
        if let Mood::Late = mood {
            let late = Late { lands_at: self.lands_at(), target: target.id.clone(), changes, job };
            self.note(format!("  lands at {}", late.lands_at % 1_000_000_000));
            self.books.lock().unwrap().late.push(late);
            return Err(self.unanswered().await);
        }
        if changes.iter().any(Change::is_poison) {
            return Err(match mood {
                Mood::Silent => self.unanswered().await,
                _ => Fault::new(FaultKind::Data, "vendor.poison", "one of these rows cannot be read"),
            });
        }
        let outcomes = {
            let mut books = self.books.lock().unwrap();
            match job {
                Some((id, number)) => {
                    let pending = changes.iter().map(Change::pending).collect();
                    books.keep(&id, number, changes);
                    pending
                }
                None => {
                    let calm = self.calm.load(Ordering::SeqCst);
                    let busy = || !calm && self.dice.percent(5);
                    changes.iter().map(|change| books.apply(&target.id, change, busy())).collect::<Vec<_>>()
                }
            }
        };
        if let Mood::Silent = mood {
            return Err(self.unanswered().await);
        }
        Ok(Delivered { state: Vec::new(), outcomes })
    }

    async fn finish(&self, target: &Target, run: &DeliveryRun, state: &[u8]) -> Result<Finished, Fault> {
        if is_job(run) && self.dice.percent(50) && !self.books.lock().unwrap().done.contains_key(&run.id) {
            return Ok(finished(OutcomeStatus::Pending, Vec::new()));
        }
        self.poll(target, run, state).await
    }

    async fn poll(&self, target: &Target, run: &DeliveryRun, _: &[u8]) -> Result<Finished, Fault> {
        match self.mood().await {
            // The end of a job that runs is asked for until it is known.
            Mood::Fault(FaultKind::Scope | FaultKind::RateLimited | FaultKind::Transient) => {
                return Err(Fault::new(FaultKind::RateLimited, "vendor.later", "ask later"));
            }
            Mood::Fault(kind) => return Err(Fault::new(kind, "vendor.down", "try later")),
            Mood::Silent | Mood::Late => {
                if self.calls() == self.kill_at.load(Ordering::SeqCst) {
                    self.die().await;
                }
                return Err(Fault::new(FaultKind::RateLimited, "vendor.later", "ask later"));
            }
            Mood::Fine => {}
        }
        let mut books = self.books.lock().unwrap();
        if let Some(exceptions) = books.done.get(&run.id) {
            return Ok(finished(OutcomeStatus::Updated, exceptions.clone()));
        }
        self.note(format!("{} {} job done", run.id, target.id));
        books.closed.insert(run.id.clone());
        let rows = books.jobs.remove(&run.id).unwrap_or_default();
        let mut exceptions = Vec::new();
        for change in rows.values().flatten() {
            let outcome = books.apply(&target.id, change, false);
            if matches!(outcome.status, OutcomeStatus::Rejected | OutcomeStatus::Unmatched) {
                exceptions.push((change.key.clone(), outcome));
            }
        }
        books.done.insert(run.id.clone(), exceptions.clone());
        Ok(finished(OutcomeStatus::Updated, exceptions))
    }

    async fn abort(&self, target: &Target, run: &DeliveryRun, _: &[u8]) -> Result<(), Fault> {
        let done = self.dice.percent(30);
        self.note(format!("{} {} aborted, done: {done}", run.id, target.id));
        let mut books = self.books.lock().unwrap();
        books.closed.insert(run.id.clone());
        // Some of it was done before it could be stopped.
        for change in books.jobs.remove(&run.id).unwrap_or_default().values().flatten() {
            if done {
                books.apply(&target.id, change, false);
            }
        }
        Ok(())
    }

    async fn members(&self, target: &Target, after: Option<&[u8]>) -> Result<TargetMembers, Fault> {
        const PAGE: usize = 3;
        match self.mood().await {
            Mood::Fault(kind) => return Err(Fault::new(kind, "vendor.down", "try later")),
            Mood::Silent | Mood::Late => return Err(self.unanswered().await),
            Mood::Fine => {}
        }
        let after = after.map(|after| String::from_utf8_lossy(after).into_owned());
        let books = self.books.lock().unwrap();
        let all = books.lists.get(&target.id).into_iter().flatten();
        let rest = all.filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
        let rest: Vec<_> = rest.take(PAGE + 1).collect();
        let told = |(key, member): &(&String, &Member)| {
            let email = member.get("email").map(|email| ("email".to_owned(), email.clone()));
            std::iter::once(("name".to_owned(), (*key).clone())).chain(email).collect()
        };
        let members = rest.iter().take(PAGE).map(told).collect();
        let next = rest.get(PAGE).and_then(|_| rest.get(PAGE - 1)).map(|(key, _)| key.as_bytes().to_vec());
        Ok(TargetMembers { members, next })
    }

    async fn clear_spool(&self, _: &DeliveryRun) -> Result<(), Fault> {
        Ok(())
    }
}
