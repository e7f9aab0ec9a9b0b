//! The state of a simulated LinkedIn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::config::LinkedInConfig;
use super::fault::Faults;
use super::limits::Limits;
use super::login::Login;
use super::received::Received;
use super::segments::Segments;

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) config: LinkedInConfig,
    start_ms: u64,
    began: Instant,
    /// Time that was skipped, so that no test waits for two days.
    skipped_ms: AtomicU64,
    login: Mutex<Login>,
    limits: Mutex<Limits>,
    faults: Mutex<Faults>,
    segments: Mutex<Segments>,
    received: Mutex<Received>,
}

impl Service {
    pub(crate) fn new(config: LinkedInConfig) -> Arc<Self> {
        let start = config.now.unwrap_or_else(Timestamp::now).as_millisecond();
        let start_ms = u64::try_from(start).unwrap_or(0);
        Arc::new(Self {
            start_ms,
            began: Instant::now(),
            skipped_ms: AtomicU64::new(0),
            login: Mutex::new(Login::new(&config, start_ms)),
            limits: Mutex::new(Limits::new(config.limits)),
            faults: Mutex::default(),
            segments: Mutex::new(Segments::new(&config)),
            received: Mutex::default(),
            config,
        })
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        let run = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.start_ms.saturating_add(run).saturating_add(self.skipped_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn skip(&self, time: Duration) {
        self.skipped_ms.fetch_add(u64::try_from(time.as_millis()).unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn login(&self) -> MutexGuard<'_, Login> {
        hold(&self.login)
    }

    pub(crate) fn limits(&self) -> MutexGuard<'_, Limits> {
        hold(&self.limits)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        hold(&self.faults)
    }

    pub(crate) fn segments(&self) -> MutexGuard<'_, Segments> {
        hold(&self.segments)
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Received> {
        hold(&self.received)
    }
}

/// A panic in another call leaves data that tests may still want to look at.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
