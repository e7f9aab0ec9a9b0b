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

#[derive(Debug, PartialEq, Eq)]
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
            match self.begin(Instant::now()) {
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
    fn begin(&self, now: Instant) -> Result<(), Wait> {
        let mut state = self.state();
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

    fn permit(budget: &Arc<InstanceBudget>) -> Permit {
        Permit { budget: budget.clone() }
    }

    #[test]
    fn a_window_holds_its_calls_and_names_when_the_next_may_begin() {
        let budget = InstanceBudget::new(&[
            Rate::Window { calls: 2, seconds: 20 },
            Rate::Window { calls: 3, seconds: 60 },
            Rate::Concurrent { calls: 9 },
        ]);
        let zero = Instant::now();
        let at = |seconds: u64| zero + Duration::from_secs(seconds);
        assert_eq!(budget.begin(at(0)), Ok(()));
        assert_eq!(budget.begin(at(5)), Ok(()));
        assert_eq!(budget.begin(at(6)), Err(Wait::Until(at(20))));
        assert_eq!(budget.begin(at(19)), Err(Wait::Until(at(20))));
        assert_eq!(budget.begin(at(20)), Ok(()));
        assert_eq!(budget.begin(at(21)), Err(Wait::Until(at(60))), "the longer window now holds");
        assert_eq!(budget.begin(at(60)), Ok(()));
        assert_eq!(budget.state().began.len(), 3, "what left every window is forgotten");
    }

    #[test]
    fn as_many_run_at_once_as_may() {
        let budget = InstanceBudget::new(&[Rate::Concurrent { calls: 1 }]);
        let now = Instant::now();
        assert_eq!(budget.begin(now), Ok(()));
        let running = permit(&budget);
        assert_eq!(budget.begin(now), Err(Wait::ForAnEnd));
        drop(running);
        assert_eq!(budget.begin(now), Ok(()));
    }

    #[tokio::test]
    async fn what_cannot_be_in_time_is_said_at_once() {
        let window = InstanceBudget::new(&[Rate::Window { calls: 1, seconds: 1_000_000 }]);
        let first = window.acquire(Instant::now()).await.unwrap();
        let fault = window.acquire(Instant::now()).await.unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::RateLimited, "rate.window"));
        assert!(fault.retry_after_ms.is_some_and(|ms| ms > 900_000_000), "{fault:?}");
        drop(first);
        let at_once = InstanceBudget::new(&[Rate::Concurrent { calls: 1 }]);
        let running = at_once.acquire(Instant::now()).await.unwrap();
        assert_eq!(at_once.acquire(Instant::now()).await.unwrap_err().code, "rate.concurrent");
        let waiting = tokio::spawn({
            let budget = at_once.clone();
            async move { budget.acquire(Instant::now() + Duration::from_secs(3_600)).await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(running);
        assert_eq!(waiting.await.unwrap(), Ok(()));
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
