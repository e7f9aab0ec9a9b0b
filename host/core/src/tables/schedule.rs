//! When the tables are taken again, how far behind they are, and which older ones are kept.

use super::manifest::{Manifest, TableCut};
use crate::Millis;

/// What an operator says about the tables of all sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableTimes {
    /// From one cut to the next.
    pub every_ms: Millis,
    /// How long a cut can be read after the next has taken its place.
    pub kept_ms: Millis,
}

impl TableTimes {
    /// Longest time between two cuts: an hour.
    pub const EVERY_MS_MAX: Millis = 60 * 60 * 1000;
}

impl Default for TableTimes {
    fn default() -> Self {
        Self { every_ms: 5 * 60 * 1000, kept_ms: 60 * 60 * 1000 }
    }
}

/// When the next cut is due. `looked_at`: when the tables were last held against the sandbox; `None`: never.
#[must_use]
pub fn next_at(looked_at: Option<Millis>, started_at: Millis, times: &TableTimes) -> Millis {
    looked_at.unwrap_or(started_at).saturating_add(times.every_ms)
}

/// How far the tables are behind the sandbox as it is now: 0 while nothing has changed since; `None`: there are none yet.
#[must_use]
pub fn behind_ms(newest: Option<&Manifest>, current: &TableCut, now: Millis) -> Option<Millis> {
    let newest = newest?;
    Some(if newest.cut == *current { 0 } else { now.saturating_sub(newest.taken_at).max(0) })
}

/// Manifests that nobody reads any more, of `(number, when it was taken)` in the order of numbers: each is read until the
/// next one takes its place, and `kept_ms` longer. The newest stays.
#[must_use]
pub fn superseded(all: &[(u64, Millis)], now: Millis, kept_ms: Millis) -> Vec<u64> {
    let over = |two: &[(u64, Millis)]| match two {
        [(number, _), (_, next)] if now.saturating_sub(*next) >= kept_ms => Some(*number),
        _ => None,
    };
    all.windows(2).filter_map(over).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_follow_each_other_in_time() {
        let times = TableTimes { every_ms: 100, kept_ms: 0 };
        assert_eq!(next_at(None, 1_000, &times), 1_100);
        // After a restart that took long it is due at once.
        assert_eq!(next_at(Some(10), 1_000, &times), 110);
    }

    #[test]
    fn a_manifest_is_kept_after_the_next_one() {
        let all = [(1, 10), (2, 20), (3, 30)];
        assert_eq!(superseded(&all, 30, 10), [1]);
        assert_eq!(superseded(&all, 39, 10), [1]);
        assert_eq!(superseded(&all, 40, 10), [1, 2]);
        assert_eq!(superseded(&all, 1_000, 10), [1, 2], "the newest stays");
        assert_eq!(superseded(&all, 30, 0), [1, 2]);
        assert!(superseded(&[], 30, 0).is_empty());
    }

    #[test]
    fn nothing_is_behind_a_sandbox_that_stands_still() {
        let mut manifest = Manifest {
            format: 1,
            number: 1,
            taken_at: 100,
            cut: TableCut { records: 1, ..TableCut::default() },
            model_version: 1,
            custom_model_version: 0,
            tables: vec![],
            stamps: Default::default(),
            audiences: Default::default(),
        };
        let now = TableCut { records: 1, ..TableCut::default() };
        assert_eq!(behind_ms(Some(&manifest), &now, 900), Some(0));
        manifest.cut.moves = 4;
        assert_eq!(behind_ms(Some(&manifest), &now, 900), Some(800));
        assert_eq!(behind_ms(None, &now, 900), None);
    }
}
