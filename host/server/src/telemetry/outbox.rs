//! What waits to be sent: a bounded queue with a thread behind it. Whoever puts something in never waits; one too many is
//! dropped, and so is a batch that could not be sent. Both are counted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Sent together at most.
const BATCH: usize = 512;
/// The first of a batch waits so long for others.
const PAUSE: Duration = Duration::from_secs(1);

/// How it went, since the start.
#[derive(Debug, Default)]
pub struct Counts {
    pub sent: AtomicU64,
    /// There was no room for them.
    pub dropped: AtomicU64,
    /// The collector did not take them.
    pub failed: AtomicU64,
}

pub(super) struct Outbox<T> {
    shared: Arc<Shared<T>>,
    room: usize,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// There is a batch, or somebody waits for the end of it.
    wake: Condvar,
    /// Nothing is left.
    empty: Condvar,
    counts: Counts,
}

struct State<T> {
    waiting: VecDeque<T>,
    is_sending: bool,
    is_urgent: bool,
    is_closed: bool,
}

impl<T> fmt::Debug for Outbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("room", &self.room).field("counts", &self.shared.counts).finish()
    }
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // The queue is whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Outbox<T> {
    /// Begins to send, from a thread of its own. `send` may take its time, which is nobody else's.
    pub(super) fn start(
        name: &'static str,
        room: usize,
        send: impl FnMut(Vec<T>) -> Result<(), String> + Send + 'static,
    ) -> std::io::Result<Self> {
        let state = State { waiting: VecDeque::new(), is_sending: false, is_urgent: false, is_closed: false };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
            empty: Condvar::new(),
            counts: Counts::default(),
        });
        let worker = Arc::clone(&shared);
        std::thread::Builder::new().name(format!("otlp-{name}")).spawn(move || deliver(&worker, name, send))?;
        Ok(Self { shared, room })
    }

    pub(super) fn put(&self, one: T) {
        let mut state = self.shared.state();
        if state.waiting.len() >= self.room {
            self.shared.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.waiting.push_back(one);
        // It looks by itself after a moment; a whole batch does not wait for that.
        if state.waiting.len() == BATCH {
            self.shared.wake.notify_one();
        }
    }

    /// Waits until what is there has been sent, or given up; false if that takes too long.
    pub(super) fn flush(&self, longest: Duration) -> bool {
        let mut state = self.shared.state();
        state.is_urgent = true;
        self.shared.wake.notify_one();
        let is_busy = |state: &mut State<T>| state.is_sending || !state.waiting.is_empty();
        let waited = self.shared.empty.wait_timeout_while(state, longest, is_busy);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_urgent = false;
        !timeout.timed_out()
    }
}

impl<T> Outbox<T> {
    pub(super) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    pub(super) fn waiting(&self) -> usize {
        self.shared.state().waiting.len()
    }
}

impl<T> Drop for Outbox<T> {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.wake.notify_one();
    }
}

fn deliver<T>(shared: &Shared<T>, name: &str, mut send: impl FnMut(Vec<T>) -> Result<(), String>) {
    let mut is_well = true;
    while let Some(batch) = next(shared) {
        let many = batch.len() as u64;
        match send(batch) {
            Ok(()) => {
                shared.counts.sent.fetch_add(many, Ordering::Relaxed);
                if !std::mem::replace(&mut is_well, true) {
                    tracing::info!(signal = name, "the collector takes what it is sent again");
                }
            }
            Err(reason) => {
                shared.counts.failed.fetch_add(many, Ordering::Relaxed);
                // Once, and not for every batch: the metrics count them.
                if std::mem::replace(&mut is_well, false) {
                    tracing::warn!(signal = name, reason, "the collector does not take what it is sent; it is dropped");
                }
            }
        }
        let mut state = shared.state();
        state.is_sending = false;
        if state.waiting.is_empty() {
            shared.empty.notify_all();
        }
    }
}

/// The next batch, when there is one; `None` at the end.
fn next<T>(shared: &Shared<T>) -> Option<Vec<T>> {
    let mut state = shared.state();
    loop {
        let until = Instant::now() + PAUSE;
        while state.waiting.len() < BATCH && !state.is_urgent && !state.is_closed {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            state = shared.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if !state.waiting.is_empty() {
            let many = state.waiting.len().min(BATCH);
            state.is_sending = true;
            return Some(state.waiting.drain(..many).collect());
        }
        shared.empty.notify_all();
        if state.is_closed {
            return None;
        }
        // Somebody waits who has been told by now; there is nothing to hurry for.
        state.is_urgent = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn all_of_it_is_sent_in_order_and_in_batches() {
        let (told, heard) = mpsc::channel();
        let outbox = Outbox::start("test", 10_000, move |batch: Vec<u32>| told.send(batch).map_err(|e| e.to_string()));
        let outbox = outbox.unwrap();
        for one in 0..2000 {
            outbox.put(one);
        }
        assert!(outbox.flush(LONG));
        assert_eq!(outbox.counts().sent.load(Ordering::Relaxed), 2000);
        drop(outbox);
        let batches: Vec<Vec<u32>> = heard.iter().collect();
        assert!(batches.iter().all(|batch| batch.len() <= BATCH));
        assert_eq!(batches.concat(), (0..2000).collect::<Vec<_>>());
    }

    #[test]
    fn a_collector_that_hangs_costs_what_there_is_no_room_for() {
        let (release, held) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel();
        let outbox = Outbox::start("test", 600, move |_: Vec<u32>| {
            let _ = began.send(());
            let _ = held.recv();
            Err("it hung".into())
        });
        let outbox = outbox.unwrap();
        for one in 0..512 {
            outbox.put(one);
        }
        begun.recv().unwrap();
        for one in 0..1000 {
            outbox.put(one);
        }
        assert_eq!((outbox.waiting(), outbox.counts().dropped.load(Ordering::Relaxed)), (600, 400));
        assert!(!outbox.flush(Duration::from_millis(1)));
        drop(release);
        assert!(outbox.flush(LONG));
        let counts = outbox.counts();
        assert_eq!((counts.failed.load(Ordering::Relaxed), counts.sent.load(Ordering::Relaxed)), (1112, 0));
    }
}
