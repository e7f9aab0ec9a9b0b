//! Named points at which a test kills the process, either side of each commit. In the product nobody watches them.

use std::sync::OnceLock;

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

static WATCHER: OnceLock<fn(&'static str)> = OnceLock::new();

/// Passes a point.
#[inline]
pub fn point(name: &'static str) {
    if let Some(passed) = WATCHER.get() {
        passed(name);
    }
}

/// Has somebody told of each point from now on who may never come back: a test. Who comes second is told of none.
pub fn watch(passed: fn(&'static str)) {
    let _ = WATCHER.set(passed);
}

/// Whether a point is in one of the lists.
#[must_use]
pub fn is_known(name: &str) -> bool {
    let lists: [&[&str]; 4] = [&POINTS, &POINTS_OF_LEAVING, &POINTS_OF_READBACK, &POINTS_OF_TABLES];
    lists.iter().any(|list| list.contains(&name))
}
