//! How fast a stream may go by calls, and when so many of them will have been made: what an estimate can say where calls are
//! all that binds.

use super::shares::hundredths;
use super::window::share;
use super::{Moment, Priority, Quota};
use crate::Millis;
use crate::time::format_timestamp;

const DAY_MS: u64 = 24 * 3_600_000;
const HOUR_MS: i64 = 3_600_000;

/// Calls that a stream has for itself, whatever others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPace {
    /// Of a day, and what is left of them today.
    pub a_day: u64,
    pub left_today: u64,
    /// The slowest window of the instance: calls in so many seconds.
    pub window: Option<(u64, u32)>,
}

/// What binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Share,
    Window(u64, u32),
}

impl CallPace {
    /// When history ends of which so many calls are left, and what binds it, for people.
    #[must_use]
    pub fn told(&self, calls_left: u64, now: Millis) -> String {
        let Some((ms, bound)) = self.takes(calls_left) else {
            return format!(
                "when history ends cannot be told: some {calls_left} calls are left, and no calls of a day are its share"
            );
        };
        // To the hour: more would be a lie.
        let at = now.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
        let hour = at.saturating_add(HOUR_MS - 1) / HOUR_MS * HOUR_MS;
        let bound = match bound {
            Bound::Share => {
                format!("the {} calls a day of its share; sooner where other streams leave theirs", self.a_day)
            }
            Bound::Window(calls, seconds) => format!("{calls} calls in {seconds} seconds"),
        };
        format!("history ends about {}: some {calls_left} calls are left, bound by {bound}", format_timestamp(hour))
    }

    /// How long so many calls take; `None`: for ever.
    fn takes(&self, calls: u64) -> Option<(u64, Bound)> {
        let by_window = self.window.map(|(most, seconds)| {
            let ms = u128::from(calls) * u128::from(seconds) * 1000 / u128::from(most.max(1));
            (u64::try_from(ms).unwrap_or(u64::MAX), Bound::Window(most, seconds))
        });
        let beyond_today = calls.saturating_sub(self.left_today);
        let by_share = match beyond_today {
            0 => None,
            _ if self.a_day == 0 => return None,
            beyond => {
                let ms = u128::from(beyond) * u128::from(DAY_MS) / u128::from(self.a_day);
                Some((u64::try_from(ms).unwrap_or(u64::MAX), Bound::Share))
            }
        };
        // Where nothing binds, they take no time that is worth telling.
        [by_window, by_share].into_iter().flatten().max_by_key(|(ms, _)| *ms).or(Some((0, Bound::Share)))
    }
}

impl Quota {
    /// What a stream has for itself of a day that its connector divides; `None`: it divides none.
    pub fn pace(&mut self, plugin: &str, stream: &str, priority: Priority, now: Moment) -> Option<CallPace> {
        self.advance(now);
        let (calls, spent) = self.share_of(plugin, stream)?;
        let a_day = share(priority, calls);
        let windows = self.windows.iter().map(|limit| (share(priority, limit.calls()), limit.seconds));
        // The one with the fewest calls a second.
        let slowest = windows.min_by(|(a, of_a), (b, of_b)| (a * u64::from(*of_b)).cmp(&(b * u64::from(*of_a))));
        Some(CallPace { a_day, left_today: a_day.saturating_sub(spent), window: slowest })
    }

    /// The calls a day of a stream's share, and what is spent of them today.
    fn share_of(&self, plugin: &str, stream: &str) -> Option<(u64, u64)> {
        let (plugin, shares) = self.divided(plugin)?;
        let (of_day, _) = self.divided_day()?;
        let own = shares.name(stream);
        let (_, percent) = shares.parts().find(|(name, _)| *name == own)?;
        let spent = self.spent_by_share(plugin, &shares).get(own).copied().unwrap_or(0);
        Some((hundredths(hundredths(of_day, shares.percent), percent), spent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Rate;

    const PLUGIN: &str = "source-x@1.0.0";
    const AT: Millis = 1_767_225_600_000;

    fn quota(rates: Vec<Rate>) -> Quota {
        let mut quota = Quota::default();
        quota.declare(PLUGIN, &rates);
        quota
    }

    fn rates() -> Vec<Rate> {
        let window = |calls, seconds| Rate::Window { calls, seconds, refused_by: Vec::new() };
        vec![
            window(100, 20),
            window(150, 60),
            Rate::Day { calls: Some(1_000), resets: "UTC0".into(), told_by: None, refused_by: Vec::new() },
            Rate::Streams { percent: 50, shares: [("a".to_owned(), 40), ("none".to_owned(), 0)].into() },
        ]
    }

    fn at(wall: Millis) -> Moment {
        Moment { wall, steady: 0 }
    }

    #[test]
    fn a_stream_has_its_share_and_the_slowest_window() {
        let mut quota = quota(rates());
        // A tenth is left to who waits for something.
        let pace = quota.pace(PLUGIN, "a", Priority::Backfill, at(AT)).unwrap();
        assert_eq!(pace, CallPace { a_day: 180, left_today: 180, window: Some((135, 60)) });
        // Without a share of its own: what is left of a hundred.
        assert_eq!(quota.pace(PLUGIN, "b", Priority::Interactive, at(AT)).unwrap().a_day, 300);
        for _ in 0..7 {
            quota.spend_share(PLUGIN, Some("a"));
        }
        assert_eq!(quota.pace(PLUGIN, "a", Priority::Backfill, at(AT)).unwrap().left_today, 173);
        let undivided = rates().into_iter().filter(|rate| !matches!(rate, Rate::Streams { .. })).collect();
        assert_eq!(self::quota(undivided).pace(PLUGIN, "a", Priority::Backfill, at(AT)), None);
    }

    #[test]
    fn what_binds_is_named() {
        let pace = CallPace { a_day: 1_000, left_today: 200, window: Some((50, 20)) };
        // 200 at once, 200 calls in 80 seconds; then a day for each thousand.
        for (calls, expected) in [
            (200, "history ends about 2026-01-01T01:00:00Z: some 200 calls are left, bound by 50 calls in 20 seconds"),
            (
                1_200,
                "history ends about 2026-01-02T00:00:00Z: some 1200 calls are left, bound by the 1000 calls a day of its share; sooner where other streams leave theirs",
            ),
            (
                3_700,
                "history ends about 2026-01-04T12:00:00Z: some 3700 calls are left, bound by the 1000 calls a day of its share; sooner where other streams leave theirs",
            ),
        ] {
            assert_eq!(pace.told(calls, AT), expected);
        }
        let none = CallPace { a_day: 0, left_today: 0, window: None };
        assert!(none.told(5, AT).starts_with("when history ends cannot be told"), "{}", none.told(5, AT));
        assert!(!CallPace { a_day: 1, left_today: 0, window: Some((1, u32::MAX)) }.told(u64::MAX, i64::MAX).is_empty());
    }
}
