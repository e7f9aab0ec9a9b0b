//! Named points at which a test kills the process, either side of each commit. Compiled in only with the feature
//! `crash-points`; otherwise [`point`] is nothing.
//!
//! `CRASH_POINT=page.committed:3` kills the process, as `kill -9` does, when that point is passed the third time.

/// Every point on the way of a record. The kill campaign goes through this list, so that none is forgotten.
pub const POINTS: [&str; 18] = [
    "page.read",
    "page.committed",
    "profiles.prepared",
    "profiles.committed",
    "accounts.prepared",
    "accounts.committed",
    "memberships.prepared",
    "memberships.committed",
    "evaluation.prepared",
    "evaluation.committed",
    "evaluation.finished",
    "batch.opened",
    "batch.delivered",
    "batch.closed",
    "finish.answered",
    "delivery.finished",
    "request.kept",
    "request.done",
];

/// Points of erasures and removals, which a journey does not pass.
pub const POINTS_OF_LEAVING: [&str; 7] = [
    "erasure.found",
    "erasure.asked",
    "erasure.tables",
    "erasure.step",
    "erasure.kept",
    "removal.removed",
    "removal.kept",
];

/// Points of reading a target back, which a journey does not pass: the campaign has readings beside it.
pub const POINTS_OF_READBACK: [&str; 3] = ["readback.read", "readback.kept", "readback.compared"];

/// Points of taking open tables, which a journey does not pass.
pub const POINTS_OF_TABLES: [&str; 6] = [
    "tables.part",
    "tables.written",
    "tables.published",
    "tables.copied-file",
    "tables.copied",
    "tables.copy-published",
];

/// Passes a point.
#[cfg(not(feature = "crash-points"))]
#[inline]
pub fn point(_name: &'static str) {}

/// Passes a point, and perhaps never comes back.
#[cfg(feature = "crash-points")]
#[expect(clippy::disallowed_methods, reason = "a test's switch, compiled in for the kill campaign only")]
pub fn point(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    debug_assert!(
        POINTS.contains(&name)
            || POINTS_OF_LEAVING.contains(&name)
            || POINTS_OF_READBACK.contains(&name)
            || POINTS_OF_TABLES.contains(&name),
        "{name} is in no list"
    );
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("CRASH_POINT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    let Some((wanted, count)) = wanted else { return };
    if wanted == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count {
        eprintln!("crash point {name} passed {count} times");
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}
