//! The budget of a vendor instance, at work: calls wait here for their turn. One for each instance in the process, shared
//! by every connection that talks to it, of whichever sandbox and organisation, with whichever plugin.
//! What may begin, and who is next, is decided in `attiva_core::quota`.

use async_trait::async_trait;
use attiva_core::key::Instance;
use attiva_core::ports::clock::Clock;
use attiva_core::quota::{
    CallPace, Ending, Foreign, Kept, Moment, NoRoom, Priority, Quota, Setting, Shown, Ticket, Turn, User, Wait,
};
use attiva_core::spec::Rate;
use attiva_core::time::format_timestamp;
use attiva_core::{Fault, FaultKind, Millis};
use http::HeaderMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Longest time a call waits before it looks again by itself: age moves it on.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Where budgets are kept.
#[async_trait]
pub trait QuotaStore: Send + Sync {
    /// What was kept last of an instance, and what an operator says of its limits.
    ///
    /// # Errors
    /// Those of the store: without it, no call is made.
    fn load(&self, instance: &Instance) -> Result<(Option<Kept>, Vec<Setting>), Fault>;

    /// Keeps a budget, durably when it answers. Later calls win.
    ///
    /// # Errors
    /// Those of the store: the calls that were to begin wait.
    async fn keep(&self, instance: &Instance, kept: Kept) -> Result<(), Fault>;
}

/// Nothing is kept: for tests and benches.
#[async_trait]
impl QuotaStore for () {
    fn load(&self, _: &Instance) -> Result<(Option<Kept>, Vec<Setting>), Fault> {
        Ok((None, Vec::new()))
    }

    async fn keep(&self, _: &Instance, _: Kept) -> Result<(), Fault> {
        Ok(())
    }
}

/// The budget of one instance.
pub struct InstanceBudget {
    instance: Instance,
    state: Mutex<State>,
    store: Arc<dyn QuotaStore>,
    clock: Arc<dyn Clock>,
    began: Instant,
    /// Something ended, began, left or was told.
    changed: Notify,
    /// Held while what is reserved is kept: an older state must not be written over a newer one.
    keeping: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    quota: Quota,
    is_loaded: bool,
}

/// A call that is being made. It counts until it is dropped.
pub(crate) struct Permit {
    budget: Arc<InstanceBudget>,
    ending: Ending,
}

impl Permit {
    /// The vendor has answered, or was never reached: it is at work on the call no longer than we are.
    pub(crate) fn answered(&mut self) {
        self.ending = Ending::Answered;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.budget.now();
        self.budget.state().quota.end(self.ending, now);
        self.budget.changed.notify_waiters();
    }
}

/// A place in the queue: left when the call that waits is cut off.
struct Place<'b> {
    budget: &'b InstanceBudget,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // One that has begun is in no queue any more.
        self.budget.state().quota.leave(self.ticket);
        self.budget.changed.notify_waiters();
    }
}

impl InstanceBudget {
    fn in_store(instance: Instance, store: Arc<dyn QuotaStore>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            instance,
            state: Mutex::default(),
            store,
            clock,
            began: Instant::now(),
            changed: Notify::new(),
            keeping: tokio::sync::Mutex::default(),
        })
    }

    /// A budget that is kept nowhere: for tests and benches.
    #[must_use]
    pub fn new(rates: &[Rate]) -> Arc<Self> {
        let instance = Instance { system: String::new(), id: String::new() };
        let budget = Self::in_store(instance, Arc::new(()), Arc::new(MachineClock));
        budget.declare("", rates);
        budget
    }

    /// Notes what a connector declares; of several, all hold.
    pub fn declare(&self, by: &str, rates: &[Rate]) {
        self.state().quota.declare(by, rates);
    }

    /// Waits until a call may be made.
    ///
    /// # Errors
    /// `rate.window`, `rate.concurrent`, `rate.queue` (kind rate-limited) and `quota.day` (kind quota), with the time
    /// when there is room, where that is not before `deadline`; what the store says.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        user: &User,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Permit, Fault> {
        self.load()?;
        let ticket = self.state().quota.enter(user.clone(), priority, self.now());
        let place = Place { budget: self, ticket };
        loop {
            // Listened for before the look: what changes in between is not missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let now = self.now();
            let turn = self.state().quota.turn(place.ticket, now);
            let wait = match turn {
                Turn::Begun => return Ok(Permit { budget: Arc::clone(self), ending: Ending::CutOff }),
                Turn::Reserve => {
                    self.reserve().await?;
                    continue;
                }
                Turn::Wait(wait) => wait,
            };
            let until = self.until(wait, now);
            if until.is_some_and(|until| until > deadline) {
                return Err(self.late(wait, now));
            }
            let look = until.unwrap_or(deadline).min(Instant::now() + LOOK_AGAIN).min(deadline);
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(look) => {
                    if look >= deadline {
                        return Err(self.late(wait, self.now()));
                    }
                }
            }
        }
    }

    /// Why a page of a stream may not begin yet, if it may not: the calls of the day are divided among streams, and what is
    /// left is kept for others. A fault of kind quota with the time to look again: `quota.share`, `quota.streams`.
    ///
    /// # Errors
    /// Those of the store.
    pub fn no_room(&self, user: &User, stream: &str, priority: Priority) -> Result<Option<Fault>, Fault> {
        self.load()?;
        let now = self.now();
        let room = self.state().quota.room(&user.plugin, stream, priority, now);
        Ok(room.err().map(|why| self.kept_for_others(why, stream, now)))
    }

    /// The calls that a stream has for itself; `None`: its connector divides no day among its streams.
    ///
    /// # Errors
    /// Those of the store.
    pub fn pace(&self, user: &User, stream: &str, priority: Priority) -> Result<Option<CallPace>, Fault> {
        self.load()?;
        let now = self.now();
        Ok(self.state().quota.pace(&user.plugin, stream, priority, now))
    }

    fn kept_for_others(&self, why: NoRoom, stream: &str, now: Moment) -> Fault {
        let (code, until, what) = match why {
            NoRoom::Spent { most, ends, until } => {
                let at = format_timestamp(ends);
                (
                    "quota.streams",
                    until,
                    format!("the {most} calls of a day that reading {} may take are spent until {at}", self.name()),
                )
            }
            NoRoom::Share { share, spent, until } => {
                let at = format_timestamp(until);
                let what = format!(
                    "{stream} has spent {spent} calls of today, {share} are its share, and what is left of {} is kept for other streams; \
                     what these do not need becomes free as the day passes, and it looks again at {at}",
                    self.name()
                );
                ("quota.share", until, what)
            }
        };
        Fault::new(FaultKind::Quota, code, what)
            .retry_after_ms(u64::try_from(until.saturating_sub(now.wall)).unwrap_or(0))
            .action("It goes on by itself. `attiva quota show` tells what each stream has spent; an operator can divide the day otherwise with `attiva quota limit`.")
    }

    /// Keeps the next block of calls as spent.
    async fn reserve(&self) -> Result<(), Fault> {
        let _alone = self.keeping.lock().await;
        let now = self.now();
        let reservation = {
            let mut state = self.state();
            // Somebody else may have done it meanwhile.
            if state.quota.is_reserved(now) {
                return Ok(());
            }
            state.quota.reserve(now)
        };
        self.store.keep(&self.instance, reservation.kept.clone()).await?;
        self.state().quota.reserved(&reservation);
        self.changed.notify_waiters();
        Ok(())
    }

    fn load(&self) -> Result<(), Fault> {
        let now = self.now();
        let mut state = self.state();
        if !state.is_loaded {
            let (kept, settings) = self.store.load(&self.instance)?;
            state.quota.set(settings);
            if let Some(kept) = kept {
                state.quota.restore(&kept, now);
            }
            state.is_loaded = true;
        }
        Ok(())
    }

    fn until(&self, wait: Wait, now: Moment) -> Option<Instant> {
        let ms = match wait {
            Wait::Window { until } | Wait::Concurrent { until } => until?.saturating_sub(now.steady),
            Wait::Day { until } => u64::try_from(until.saturating_sub(now.wall)).unwrap_or(0),
            Wait::Turn => return None,
        };
        Instant::now().checked_add(Duration::from_millis(ms))
    }

    /// The fault of a call that cannot be made in time.
    fn late(&self, wait: Wait, now: Moment) -> Fault {
        let left = |until: Option<u64>| until.map_or(1_000, |until| until.saturating_sub(now.steady));
        let limited = |code: &str, what: &str, ms: u64| {
            Fault::new(FaultKind::RateLimited, code, format!("{what} of {}", self.name())).retry_after_ms(ms)
        };
        match wait {
            Wait::Window { until } => limited("rate.window", "no call is left in the window", left(until)),
            Wait::Concurrent { until } => limited("rate.concurrent", "no more calls may be made at once", left(until)),
            Wait::Turn => limited("rate.queue", "others are before this call in the queue", 1_000),
            Wait::Day { until } => {
                let at = format_timestamp(until);
                let what = format!("the calls that a day allows of {} are spent until {at}", self.name());
                Fault::new(FaultKind::Quota, "quota.day", what)
                    .retry_after_ms(u64::try_from(until.saturating_sub(now.wall)).unwrap_or(0))
                    .action("It can go on then. `attiva quota show` tells who spent them; an operator can set what the vendor sold.")
            }
        }
    }

    fn name(&self) -> String {
        match self.instance.system.as_str() {
            "" => "the vendor instance".to_owned(),
            system => format!("the {system} `{}`", self.instance.id),
        }
    }

    /// The headers of an answer: the vendor may tell in them what is spent.
    pub(crate) fn told(&self, headers: &HeaderMap) {
        let now = self.now();
        let mut state = self.state();
        let told: Vec<(String, String)> = state
            .quota
            .told_by()
            .filter_map(|told| Some((told.header.clone(), headers.get(&told.header)?.to_str().ok()?.to_owned())))
            .collect();
        for (header, value) in told {
            state.quota.tell(&header, &value, now);
        }
    }

    /// A connector's fault: the vendor may have refused a call that we had room for.
    pub(crate) fn refused(self: &Arc<Self>, fault: &Fault) {
        let now = self.now();
        let Some(foreign) = self.state().quota.refused(fault, now) else { return };
        let Foreign { code, kind, counted, most, .. } = foreign;
        tracing::warn!(
            system = self.instance.system,
            instance = self.instance.id,
            code,
            kind,
            counted,
            most,
            "the vendor refuses calls that there was room for: somebody else uses the instance, or its limit is lower"
        );
        let budget = Arc::clone(self);
        tokio::spawn(async move { budget.keep_soon().await });
    }

    async fn keep_soon(&self) {
        let _alone = self.keeping.lock().await;
        let kept = self.state().quota.keep(self.now());
        if let Err(fault) = self.store.keep(&self.instance, kept).await {
            tracing::warn!(%fault, "what the vendor said of its budget is not kept yet");
        }
    }

    /// The budget as it is now.
    ///
    /// # Errors
    /// Those of the store.
    pub fn shown(&self) -> Result<Shown, Fault> {
        self.load()?;
        let now = self.now();
        Ok(self.state().quota.shown(now))
    }

    /// Puts what an operator says of the limits into effect.
    ///
    /// # Errors
    /// Those of the store.
    pub fn set(&self, settings: Vec<Setting>) -> Result<(), Fault> {
        self.load()?;
        self.state().quota.set(settings);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Believes no more what the vendor said.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn release(&self) -> Result<(), Fault> {
        self.load()?;
        self.state().quota.release();
        self.changed.notify_waiters();
        let _alone = self.keeping.lock().await;
        let kept = self.state().quota.keep(self.now());
        self.store.keep(&self.instance, kept).await
    }

    async fn rest(&self) -> Result<(), Fault> {
        let _alone = self.keeping.lock().await;
        let now = self.now();
        let kept = {
            let mut state = self.state();
            if !state.is_loaded || !state.quota.is_counted() {
                return Ok(());
            }
            state.quota.rest(now)
        };
        self.store.keep(&self.instance, kept).await
    }

    fn now(&self) -> Moment {
        let steady = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Moment { wall: self.clock.now(), steady }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for InstanceBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceBudget").field("instance", &self.instance).finish_non_exhaustive()
    }
}

/// The budgets of all instances the host talks to.
pub struct InstanceBudgets {
    known: Mutex<HashMap<Instance, Arc<InstanceBudget>>>,
    store: Arc<dyn QuotaStore>,
    clock: Arc<dyn Clock>,
}

impl InstanceBudgets {
    #[must_use]
    pub fn new(store: Arc<dyn QuotaStore>, clock: Arc<dyn Clock>) -> Self {
        Self { known: Mutex::default(), store, clock }
    }

    /// The budget of an instance, with what a connector declares: the one there is, or a new one.
    pub fn of(&self, instance: &Instance, by: &str, rates: &[Rate]) -> Arc<InstanceBudget> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || InstanceBudget::in_store(instance.clone(), Arc::clone(&self.store), Arc::clone(&self.clock));
        let budget = known.entry(instance.clone()).or_insert_with(new).clone();
        budget.declare(by, rates);
        budget
    }

    /// Keeps every budget as it is, nothing of it reserved any more.
    pub async fn rest(&self) {
        let all: Vec<_> = self.known.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for budget in all {
            if let Err(fault) = budget.rest().await {
                tracing::warn!(%fault, "a budget was not kept exactly: some calls of the day are lost");
            }
        }
    }
}

impl std::fmt::Debug for InstanceBudgets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstanceBudgets")
    }
}

struct MachineClock;

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "for budgets that nobody hands a clock")]
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(Millis::MAX)
    }
}

#[cfg(test)]
mod tests;
