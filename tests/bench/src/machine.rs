//! What this machine gives a program that does nothing but arithmetic: as many pieces of work a second as there were requests,
//! each as long as a request takes where the cores are never idle. What keeps those waiting is the machine (another tenant of
//! its processors, above all) and keeps requests waiting, too; only what is more than that is ours.

use anyhow::{Result, bail};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Steps at a time, while it is found out how long one takes.
const STEPS: u64 = 20_000;
const TRIES: u32 = 500;

/// How late each piece was done, in microseconds after it was due. `work`: what each takes on a core that nobody disturbs.
pub fn paced(work: Duration, per_second: f64, seconds: f64, threads: u64) -> Result<Vec<f64>> {
    let quickest = (0..TRIES).map(|_| timed(STEPS)).min().unwrap_or_default().max(Duration::from_nanos(1));
    let steps = (STEPS as f64 * work.as_secs_f64() / quickest.as_secs_f64()) as u64;
    let (began, pieces) = (Instant::now(), (per_second * seconds) as u64);
    std::thread::scope(|scope| {
        let one = |first: u64| {
            let late = |n: u64| {
                let due = began + Duration::from_secs_f64(n as f64 / per_second);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                reckon(steps);
                due.elapsed().as_secs_f64() * 1e6
            };
            (first..pieces).step_by(usize::try_from(threads).unwrap_or(1)).map(late).collect::<Vec<f64>>()
        };
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || one(first))).collect();
        let mut all = Vec::new();
        for thread in running {
            match thread.join() {
                Ok(late) => all.extend(late),
                Err(_) => bail!("a thread panicked"),
            }
        }
        Ok(all)
    })
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
