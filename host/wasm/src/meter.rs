//! CPU time of a call: the thread's CPU clock, charged around each poll of the call's future. A call may go on on
//! another thread after it has waited, so what is charged is always a difference inside one poll.

use crate::limits::Tripped;
use rustix::time::{ClockId, clock_gettime};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// What a call has spent. Shared by the future that is polled and the epoch's callback inside it.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: Duration,
    charged_ns: AtomicU64,
    /// The thread's clock when the current poll began.
    poll_began_ns: AtomicU64,
}

impl Meter {
    pub(crate) fn new(budget: Duration) -> Arc<Self> {
        Arc::new(Self { budget, charged_ns: AtomicU64::new(0), poll_began_ns: AtomicU64::new(0) })
    }

    /// What finished polls have cost.
    pub(crate) fn charged_ns(&self) -> u64 {
        self.charged_ns.load(Ordering::Relaxed)
    }

    /// To be asked inside a poll: whether the budget still lasts.
    pub(crate) fn check(&self) -> Result<(), Tripped> {
        let here = thread_cpu_ns().saturating_sub(self.poll_began_ns.load(Ordering::Relaxed));
        let spent = self.charged_ns().saturating_add(here);
        if Duration::from_nanos(spent) > self.budget {
            return Err(Tripped::Cpu(self.budget));
        }
        Ok(())
    }

    /// A future that charges each of its polls.
    pub(crate) fn charge<F: Future>(self: &Arc<Self>, future: F) -> Charged<F> {
        Charged { meter: self.clone(), future: Box::pin(future) }
    }
}

/// See [`Meter::charge`].
pub(crate) struct Charged<F> {
    meter: Arc<Meter>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Charged<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began = thread_cpu_ns();
        self.meter.poll_began_ns.store(began, Ordering::Relaxed);
        let polled = self.future.as_mut().poll(context);
        let spent = thread_cpu_ns().saturating_sub(began);
        self.meter.charged_ns.fetch_add(spent, Ordering::Relaxed);
        polled
    }
}

fn thread_cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(at_least: Duration) {
        let began = thread_cpu_ns();
        while Duration::from_nanos(thread_cpu_ns() - began) < at_least {}
    }

    #[tokio::test(flavor = "current_thread")]
    async fn work_is_charged_and_waiting_is_not() {
        let meter = Meter::new(Duration::from_millis(5));
        meter
            .charge(async {
                tokio::time::sleep(Duration::from_millis(30)).await;
                assert_eq!(meter.check(), Ok(()), "thirty milliseconds of waiting cost nothing");
                burn(Duration::from_millis(6));
                assert_eq!(meter.check(), Err(Tripped::Cpu(Duration::from_millis(5))));
            })
            .await;
        assert!(meter.charged_ns() > 6_000_000);
    }
}
