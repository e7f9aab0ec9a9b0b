//! The budget of a vendor instance: how many calls in a window, how many at once. Shared by every connection that
//! talks to the instance, whichever plugin it uses; first come, first served. In memory.

use attiva_core::key::Instance;
use attiva_core::spec::Rate;
use attiva_core::{Fault, FaultKind};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The budget of one instance.
#[derive(Debug, Default)]
pub struct InstanceBudget {
    state: Mutex<State>,
    /// Who holds this is next; the lock is fair.
    turn: tokio::sync::Mutex<()>,
    /// A call has ended.
    ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    rates: Vec<Rate>,
    /// When calls began, oldest first; as far back as the longest window.
    began: VecDeque<Instant>,
    running: u32,
}

/// A call that is being made. Counts as running until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Arc<InstanceBudget>,
}

enum Wait {
    Until(Instant),
    ForAnEnd,
}

impl InstanceBudget {
    #[must_use]
    pub fn new(rates: &[Rate]) -> Arc<Self> {
        let budget = Self::default();
        budget.tighten(rates);
        Arc::new(budget)
    }

    /// Adds rates; all of them hold.
    pub fn tighten(&self, rates: &[Rate]) {
        let mut state = self.state();
        for rate in rates {
            if !state.rates.contains(rate) {
                state.rates.push(rate.clone());
            }
        }
    }

    /// Waits until a call may be made.
    ///
    /// # Errors
    /// `rate.window` or `rate.concurrent`, kind rate-limited, where that is not before `deadline`.
    pub(crate) async fn acquire(self: &Arc<Self>, deadline: Instant) -> Result<Permit, Fault> {
        let late = |code: &str, wait: Duration| {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            Fault::new(FaultKind::RateLimited, code, "the vendor instance's budget of calls is used up for now")
                .retry_after_ms(wait_ms)
        };
        let Ok(_turn) = tokio::time::timeout_at(deadline, self.turn.lock()).await else {
            return Err(late("rate.window", Duration::from_secs(1)));
        };
        loop {
            let ended = self.ended.notified();
            match self.begin() {
                Ok(()) => return Ok(Permit { budget: self.clone() }),
                Err(Wait::Until(at)) if at > deadline => {
                    return Err(late("rate.window", at.saturating_duration_since(Instant::now())));
                }
                Err(Wait::Until(at)) => tokio::time::sleep_until(at).await,
                Err(Wait::ForAnEnd) => {
                    if tokio::time::timeout_at(deadline, ended).await.is_err() {
                        return Err(late("rate.concurrent", Duration::from_secs(1)));
                    }
                }
            }
        }
    }

    /// Counts a call if it may begin now.
    fn begin(&self) -> Result<(), Wait> {
        let mut state = self.state();
        let now = Instant::now();
        let mut longest = Duration::ZERO;
        let mut until = None;
        let mut at_once = u32::MAX;
        for rate in &state.rates {
            match rate {
                Rate::Concurrent { calls } => at_once = at_once.min(*calls),
                Rate::Window { calls, seconds } => {
                    let window = Duration::from_secs(u64::from(*seconds));
                    longest = longest.max(window);
                    // The call that has to leave the window before another may begin.
                    let oldest = state.began.len().checked_sub(*calls as usize).and_then(|i| state.began.get(i));
                    let free = oldest.map(|began| *began + window).filter(|free| *free > now);
                    until = until.max(free);
                }
            }
        }
        if let Some(until) = until {
            return Err(Wait::Until(until));
        }
        if state.running >= at_once {
            return Err(Wait::ForAnEnd);
        }
        while state.began.front().is_some_and(|began| *began + longest <= now) {
            state.began.pop_front();
        }
        if !longest.is_zero() {
            state.began.push_back(now);
        }
        state.running += 1;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        state.running = state.running.saturating_sub(1);
        drop(state);
        self.budget.ended.notify_one();
    }
}

/// The budgets of all instances the host talks to.
#[derive(Debug, Default)]
pub struct InstanceBudgets {
    known: Mutex<HashMap<Instance, Arc<InstanceBudget>>>,
}

impl InstanceBudgets {
    /// The budget of an instance, with these rates added: the one there is, or a new one.
    pub fn of(&self, instance: &Instance, rates: &[Rate]) -> Arc<InstanceBudget> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = known.entry(instance.clone()).or_default().clone();
        budget.tighten(rates);
        budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_holds_its_calls_and_lets_the_next_wait() {
        let budget = InstanceBudget::new(&[Rate::Window { calls: 2, seconds: 20 }]);
        let began = Instant::now();
        let mut at = Vec::new();
        for _ in 0..5 {
            drop(budget.acquire(soon()).await.unwrap());
            at.push(began.elapsed().as_secs());
        }
        assert_eq!(at, [0, 0, 20, 20, 40]);
        let fault = budget.acquire(Instant::now() + Duration::from_secs(1)).await.map(|_| ());
        assert_eq!(fault.map(|()| 0), Ok(0), "one of the window of 40 is still free");
        let fault = budget.acquire(Instant::now() + Duration::from_secs(1)).await.unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::RateLimited, "rate.window"));
        assert_eq!(fault.retry_after_ms, Some(20_000));
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_run_at_once_as_may() {
        let budget = InstanceBudget::new(&[Rate::Concurrent { calls: 1 }]);
        let first = budget.acquire(soon()).await.unwrap();
        let fault = budget.acquire(Instant::now() + Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(fault.code, "rate.concurrent");
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.acquire(soon()).await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap().unwrap();
    }

    #[test]
    fn an_instance_has_one_budget() {
        let budgets = InstanceBudgets::default();
        let instance = Instance { system: "X".into(), id: "1".into() };
        let a = budgets.of(&instance, &[Rate::Concurrent { calls: 5 }]);
        let b = budgets.of(&instance, &[Rate::Concurrent { calls: 2 }, Rate::Concurrent { calls: 5 }]);
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(a.state().rates.len(), 2);
        let other = Instance { system: "X".into(), id: "2".into() };
        assert!(!Arc::ptr_eq(&a, &budgets.of(&other, &[])));
    }
}
