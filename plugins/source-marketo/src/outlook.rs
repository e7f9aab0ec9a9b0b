//! When history will have been read, and what it hangs on, as far as that can be told. Two things bind it: the bytes of
//! exports that Marketo gives an instance a day, and that one export comes after the other. (Calls bind no export: a month is
//! a handful. Where a stream's calls of the day are spent, the host says so.)

use crate::cursor::{History, Pace};
use crate::instant;

/// Bytes of exports a day, as Marketo publishes it; an instance may have bought more.
const BYTES_A_DAY: u64 = 500 * 1024 * 1024;
const DAY_SECONDS: u64 = 86_400;

/// What of history is left, from the records on that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Why nothing can be told.
    Unknown(&'static str),
    /// In so many seconds, and what binds.
    Ends { in_seconds: u64, by: &'static str },
}

impl Outlook {
    /// For people.
    pub(crate) fn said(self, now: i64) -> String {
        match self {
            Self::Unknown(why) => format!("when history ends cannot be told: {why}"),
            Self::Ends { in_seconds, by } => {
                // To the hour: more would be a lie.
                let at = now.saturating_add(i64::try_from(in_seconds).unwrap_or(i64::MAX));
                let hour = at.saturating_add(3_599) / 3_600 * 3_600;
                format!("history ends about {}, bound by {by}", instant::format_seconds(hour))
            }
        }
    }
}

impl History {
    /// Notes where it begins to be measured.
    pub(crate) fn begin_pace(&mut self, now: i64) {
        let window = self.window;
        let new = Pace { since: now, window, filled: 0, bytes: 0, last_bytes: 0, rested: 0 };
        self.pace.get_or_insert(new);
    }

    /// Notes the file of a window that had records.
    pub(crate) fn note_file(&mut self, bytes: u64) {
        if let Some(pace) = &mut self.pace {
            pace.filled += 1;
            pace.bytes = pace.bytes.saturating_add(bytes);
            pace.last_bytes = bytes;
        }
    }

    /// How many windows there will be is known where they are of time, not of programs.
    pub(crate) fn outlook(&self, window: i64, is_of_time: bool, now: i64) -> Outlook {
        if !is_of_time {
            return Outlook::Unknown("Marketo does not say how many programs there are");
        }
        let Some(pace) = self.pace.filter(|pace| pace.filled > 0) else {
            return Outlook::Unknown("no export has brought a record yet");
        };
        let left = u64::try_from(self.end.saturating_sub(self.window).max(0)).unwrap_or(0);
        let windows_left = left.div_ceil(u64::try_from(window.max(1)).unwrap_or(1));
        // Early months are small, and late ones are not: the last is taken for those to come, unless they were larger on the
        // whole.
        let each = pace.last_bytes.max(pace.bytes / pace.filled);
        let windows_left = u128::from(windows_left);
        let bytes_left = u128::from(each).saturating_mul(windows_left);
        let by_bytes = bytes_left.saturating_mul(DAY_SECONDS.into()) / u128::from(BYTES_A_DAY);
        let done = u64::try_from(self.window.saturating_sub(pace.window) / window.max(1)).unwrap_or(0).max(1);
        let worked = now.saturating_sub(pace.since).saturating_sub(pace.rested);
        let worked = u128::try_from(worked).unwrap_or(0);
        let by_turns = worked.saturating_mul(windows_left) / u128::from(done);
        let (in_seconds, by) = if by_bytes > by_turns {
            (by_bytes, "the bytes of exports, if Marketo gives 500 MB a day and nobody else exports")
        } else {
            (by_turns, "exports that come one after the other")
        };
        Outlook::Ends { in_seconds: u64::try_from(in_seconds).unwrap_or(u64::MAX), by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    /// Ten windows of a day each, `done` of which were read in `seconds`.
    fn history(done: i64, filled: u64, bytes: u64, last_bytes: u64) -> History {
        let pace = Some(Pace { since: 0, window: 0, filled, bytes, last_bytes, rested: 0 });
        History { window: done * DAY, pace, ..History::new(0, 10 * DAY) }
    }

    #[test]
    fn what_binds_is_named() {
        const MB: u64 = 1024 * 1024;
        // Two windows of 250 MB each in ten minutes: eight are left, which is four days of bytes.
        let by_bytes = history(2, 2, 500 * MB, 250 * MB).outlook(DAY, true, 600);
        let Outlook::Ends { in_seconds, by } = by_bytes else { panic!("{by_bytes:?}") };
        assert_eq!(in_seconds, 4 * DAY_SECONDS);
        assert!(by.contains("500 MB a day"), "{by}");
        // Small ones: five minutes each.
        let by_turns = history(2, 2, 2 * MB, MB).outlook(DAY, true, 600);
        assert_eq!(by_turns, Outlook::Ends { in_seconds: 8 * 300, by: "exports that come one after the other" });
        // What the day's bytes held up is not the exports' slowness.
        let mut rested = history(2, 2, 2_000, 1_000);
        rested.pace.as_mut().unwrap().rested = 500;
        assert_eq!(
            rested.outlook(DAY, true, 600),
            Outlook::Ends { in_seconds: 8 * 50, by: "exports that come one after the other" }
        );
    }

    #[test]
    fn years_with_nobody_are_no_measure_of_what_comes() {
        const MB: u64 = 1024 * 1024;
        let empty = history(5, 0, 0, 0).outlook(DAY, true, 600);
        assert_eq!(empty.said(600), "when history ends cannot be told: no export has brought a record yet");
        // One of six had records: the four that are left will have as many.
        let Outlook::Ends { in_seconds, .. } = history(6, 1, 500 * MB, 500 * MB).outlook(DAY, true, 600) else {
            panic!()
        };
        assert_eq!(in_seconds, 4 * DAY_SECONDS);
        assert!(
            matches!(history(5, 5, 1, 1).outlook(DAY, false, 600), Outlook::Unknown(why) if why.contains("programs"))
        );
        let said = Outlook::Ends { in_seconds: 3_601, by: "x" }.said(1_767_225_600);
        assert_eq!(said, "history ends about 2026-01-01T02:00:00Z, bound by x");
    }

    #[test]
    fn no_count_is_too_large() {
        let mut history = History::new(i64::MIN / 4, i64::MAX / 4);
        history.begin_pace(i64::MIN / 4);
        history.note_file(u64::MAX);
        history.outlook(1, true, i64::MAX / 4).said(i64::MAX);
    }
}
