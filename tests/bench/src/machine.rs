//! What this machine gives a program that does nothing but arithmetic: as many pieces of work a second as there were requests,
//! each as long as a request takes where the cores are never idle. What keeps those waiting is the machine (another tenant of
//! its processors, above all) and keeps requests waiting, too; only what is more than that is ours.

use crate::pace::Pace;
use anyhow::Result;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Steps at a time, while it is found out how long one takes.
const STEPS: u64 = 20_000;
const TRIES: u32 = 500;

/// How late each piece was done, in microseconds. `work`: what each takes on a core that nobody disturbs.
pub fn paced(work: Duration, pace: Pace) -> Result<Vec<f64>> {
    let quickest = (0..TRIES).map(|_| timed(STEPS)).min().unwrap_or_default().max(Duration::from_nanos(1));
    let steps = (STEPS as f64 * work.as_secs_f64() / quickest.as_secs_f64()) as u64;
    pace.run(
        || Ok(()),
        |(), _| {
            reckon(steps);
            Ok(())
        },
    )
}

/// Keeps one core at work until it is over.
pub fn reckon_until(over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        reckon(STEPS);
    }
}

fn timed(steps: u64) -> Duration {
    let began = Instant::now();
    reckon(steps);
    began.elapsed()
}

/// A chain in which each step waits for the one before it, in registers.
fn reckon(steps: u64) {
    let last = (0..steps).fold(1_u64, |x, n| x.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(black_box(n)));
    black_box(last);
}
