//! When runs of a connection begin by themselves. A run that is still going is not overtaken: what came due meanwhile, or
//! while the host was down, is made up for once.

use crate::{Millis, cron};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// After an interval, or at the times of cron, in UTC; whichever comes first where both are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Seconds from the start of one run to the start of the next; at least 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<u32>,
    /// `0 6,18 * * mon-fri`: minute, hour, day of the month, month, day of the week, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
}

/// Why a run that was due has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The one before is still going, or the connection's data is being removed: it begins when that has ended.
    Going,
    /// What passes by itself: it is tried again after a while, not only at the next time.
    Passing,
    /// Somebody has to act: it is tried at the next time.
    Lasting,
}

/// What could not be started for a while is tried again after this, in milliseconds.
pub const AGAIN_MS: i64 = 60_000;
/// Longest pause between two tries of what somebody has to act on, in milliseconds.
const REST_MAX_MS: i64 = 60 * 60 * 1000;

/// How long a schedule rests after so many refusals in a row that somebody has to act on, in milliseconds: a minute, and twice
/// as long each time, up to an hour. Nothing comes of asking the vendor every ten seconds.
#[must_use]
pub fn rest_ms(refusals: u32) -> i64 {
    let doubled = refusals.saturating_sub(1).min(10);
    AGAIN_MS.saturating_mul(1 << doubled).min(REST_MAX_MS)
}

impl Schedule {
    /// What is wrong with it: a field, and the problem.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.every_seconds.is_none() && self.cron.is_none() {
            return Err(("", "must say `every_seconds` or `cron`".to_owned()));
        }
        cron::check(self.every_seconds, self.cron.as_deref())
    }

    /// Whether a run is due. `since`: when the connection was made; `last`: when the last run began, if one has.
    #[must_use]
    pub fn is_due(&self, since: Millis, last: Option<Millis>, now: Millis) -> bool {
        match last {
            Some(last) => cron::has_passed(self.every_seconds, self.cron.as_deref(), last, now),
            // An interval begins with a run; who names times wants none before the first of them.
            None => self.every_seconds.is_some() || cron::has_passed(None, self.cron.as_deref(), since, now),
        }
    }
}

impl Held {
    /// From when on the next is counted, in the place of when the last run began, by what was known of that.
    #[must_use]
    pub fn counted_from(self, before: Option<Millis>, now: Millis) -> Option<Millis> {
        match self {
            Self::Going | Self::Passing => before,
            Self::Lasting => Some(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Millis = 20_000 * 86_400_000 + 43_200_000;
    const HOUR: Millis = 3_600_000;

    fn schedule(every_seconds: Option<u32>, cron: Option<&str>) -> Schedule {
        Schedule { every_seconds, cron: cron.map(str::to_owned) }
    }

    #[test]
    fn runs_are_due_after_an_interval_or_at_their_times() {
        let often = schedule(Some(60), None);
        assert!(often.is_due(0, None, 0));
        assert!(!often.is_due(0, Some(0), 59_999));
        assert!(often.is_due(0, Some(0), 60_000));
        let nightly = schedule(None, Some("0 2 * * *"));
        assert!(!nightly.is_due(NOON, None, NOON + 13 * HOUR), "not before its first time");
        assert!(nightly.is_due(NOON, None, NOON + 14 * HOUR));
        assert!(!nightly.is_due(0, Some(NOON + 14 * HOUR), NOON + 37 * HOUR));
        assert!(nightly.is_due(0, Some(NOON + 14 * HOUR), NOON + 38 * HOUR));
        let both = schedule(Some(3600), Some("30 12 * * *"));
        assert!(!both.is_due(0, Some(NOON), NOON + HOUR / 2 - 1));
        assert!(both.is_due(0, Some(NOON), NOON + HOUR / 2), "the time comes before the interval");
    }

    #[test]
    fn what_was_missed_while_nobody_looked_is_made_up_for_once() {
        for missed in [schedule(Some(60), None), schedule(None, Some("*/5 * * * *"))] {
            let later = NOON + 100 * HOUR;
            assert!(missed.is_due(0, Some(NOON), later));
            assert!(!missed.is_due(0, Some(later), later + 1), "once");
        }
    }

    #[test]
    fn a_run_that_could_not_begin_is_still_due_unless_somebody_has_to_act() {
        let nightly = schedule(None, Some("0 2 * * *"));
        let (last, now) = (Some(NOON), NOON + 15 * HOUR);
        for (held, is_due) in [(Held::Going, true), (Held::Passing, true), (Held::Lasting, false)] {
            assert_eq!(nightly.is_due(0, held.counted_from(last, now), now + 1), is_due, "{held:?}");
        }
    }

    #[test]
    fn what_somebody_has_to_act_on_is_tried_ever_less_often() {
        let rests: Vec<i64> = [0, 1, 2, 3, 6, 7, 8, u32::MAX].map(|refusals| rest_ms(refusals) / 60_000).to_vec();
        assert_eq!(rests, [1, 1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn what_is_no_schedule_is_refused_by_its_place() {
        for (wrong, place) in [
            (schedule(None, None), ""),
            (schedule(Some(9), None), "/every_seconds"),
            (schedule(None, Some("0 25 * * *")), "/cron"),
        ] {
            assert_eq!(wrong.check().unwrap_err().0, place);
        }
        // What was stored when there was only the interval.
        let stored: Schedule = serde_json::from_str(r#"{"every_seconds": 60}"#).unwrap();
        assert_eq!(stored, schedule(Some(60), None));
    }
}
