//! Call limits, shared by everyone who uses the subscription.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::config;
use super::envelope::Refusal;

const WINDOW: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Limits {
    limits: config::Limits,
    running: Arc<AtomicU32>,
    window: VecDeque<Instant>,
    day: i64,
    today: u64,
}

/// A call that is running; it counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<AtomicU32>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limits {
    pub(crate) fn new(limits: config::Limits) -> Self {
        Self { limits, running: Arc::default(), window: VecDeque::new(), day: i64::MIN, today: 0 }
    }

    /// Notes that a call is running, for as long as the permit lives.
    pub(crate) fn enter(&self) -> Permit {
        self.running.fetch_add(1, Ordering::Relaxed);
        Permit(Arc::clone(&self.running))
    }

    /// Counts a call that has entered, or refuses it; a refused call is not counted.
    pub(crate) fn admit(&mut self, day: i64, now: Instant) -> Result<(), Refusal> {
        self.turn_day(day);
        while self.window.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
            self.window.pop_front();
        }
        if self.today >= self.limits.daily {
            return Err(Refusal::new("607", "Daily API Request Limit Reached"));
        }
        if self.window.len() >= usize::try_from(self.limits.per_20_s).unwrap_or(usize::MAX) {
            let message = format!("Max rate limit '{}' exceeded with in '20' secs", self.limits.per_20_s);
            return Err(Refusal::new("606", message));
        }
        if self.running.load(Ordering::Relaxed) > self.limits.concurrent {
            return Err(Refusal::new("615", "Concurrent access limit reached"));
        }
        self.today += 1;
        if self.limits.per_20_s != u32::MAX {
            self.window.push_back(now);
        }
        Ok(())
    }

    /// Calls counted on this day.
    pub(crate) fn today(&mut self, day: i64) -> u64 {
        self.turn_day(day);
        self.today
    }

    /// Calls somebody else made.
    pub(crate) fn spend(&mut self, day: i64, calls: u64) {
        self.turn_day(day);
        self.today = self.today.saturating_add(calls);
    }

    fn turn_day(&mut self, day: i64) {
        if self.day != day {
            self.day = day;
            self.today = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<(), Refusal>) -> Option<String> {
        result.err().map(|refusal| refusal.code.into_owned())
    }

    #[test]
    fn the_window_moves_on_and_the_day_starts_anew() {
        let mut limits = Limits::new(config::Limits { per_20_s: 2, concurrent: 10, daily: 3 });
        let start = Instant::now();
        assert_eq!(code(limits.admit(1, start)), None);
        assert_eq!(code(limits.admit(1, start + Duration::from_secs(5))), None);
        assert_eq!(code(limits.admit(1, start + Duration::from_secs(19))), Some("606".to_owned()));
        assert_eq!(code(limits.admit(1, start + Duration::from_secs(20))), None);
        assert_eq!(code(limits.admit(1, start + Duration::from_secs(60))), Some("607".to_owned()));
        assert_eq!(code(limits.admit(2, start + Duration::from_secs(60))), None);
        limits.spend(2, 2);
        assert_eq!(code(limits.admit(2, start + Duration::from_secs(90))), Some("607".to_owned()));
    }

    #[test]
    fn a_running_call_counts_until_it_ends() {
        let mut limits = Limits::new(config::Limits { concurrent: 1, ..config::Limits::OFF });
        let (_first, second) = (limits.enter(), limits.enter());
        assert_eq!(code(limits.admit(1, Instant::now())), Some("615".to_owned()));
        drop(second);
        assert_eq!(code(limits.admit(1, Instant::now())), None);
    }
}
