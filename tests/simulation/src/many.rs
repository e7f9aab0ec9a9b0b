//! Many seeds, some at a time: each waits for its own clock more than it works.

use crate::{Report, run};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many go at once on each processor.
const LANES: usize = 3;

/// A seed, and what did not hold.
#[derive(Debug)]
pub struct Failed {
    pub seed: u64,
    pub problem: String,
}

/// Runs seeds from `first` on for as long as `goes_on` says so of the next one, and one at least. How many they were, and what
/// they did.
///
/// # Errors
/// The first that failed; no other one is begun then.
pub fn run_many(first: u64, goes_on: impl Fn(u64) -> bool + Sync) -> Result<(u64, Report), Failed> {
    let next = AtomicU64::new(first);
    let total = Mutex::new((0, Report::default()));
    let failed = Mutex::new(None);
    let lane = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed > first && !goes_on(seed) || failed.lock().unwrap().is_some() {
                return;
            }
            match run(seed) {
                Ok(report) => {
                    let (seeds, all) = &mut *total.lock().unwrap();
                    *seeds += 1;
                    all.add(report);
                }
                Err(problem) => {
                    failed.lock().unwrap().get_or_insert(Failed { seed, problem });
                }
            }
        }
    };
    let lanes = LANES * std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..lanes).for_each(|_| drop(scope.spawn(lane))));
    match failed.into_inner().unwrap() {
        Some(failed) => Err(failed),
        None => Ok(total.into_inner().unwrap()),
    }
}
