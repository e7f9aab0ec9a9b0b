//! When a vendor's day ends.

use crate::Millis;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// How a day's budget frees up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reset {
    /// Each call counts for 24 hours.
    Rolling,
    /// All at once, at midnight in a time zone.
    Midnight(TimeZone),
}

impl Reset {
    /// Reads `rolling`, or a time zone's rule in the form of POSIX (`CST6CDT,M3.2.0,M11.1.0`, `UTC0`): a rule instead of
    /// a name, so that it means the same on every machine. `None`: neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "rolling" => Some(Self::Rolling),
            rule => TimeZone::posix(rule).ok().map(Self::Midnight),
        }
    }

    /// The next midnight after `now`; `None` for a rolling day, and outside of what calendars know.
    #[must_use]
    pub fn next_midnight(&self, now: Millis) -> Option<Millis> {
        let Self::Midnight(zone) = self else { return None };
        let here = Timestamp::from_millisecond(now).ok()?.to_zoned_datetime(zone.clone());
        let midnight = here.date().checked_add(1.day()).ok()?.to_zoned_datetime(zone.clone()).ok()?;
        Some(midnight.timestamp().as_millisecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_timestamp;

    #[test]
    fn a_day_ends_at_the_vendors_midnight() {
        let central = Reset::parse("CST6CDT,M3.2.0,M11.1.0").unwrap();
        let left = |reset: &Reset, text: &str| {
            let now = parse_timestamp(text).unwrap();
            (reset.next_midnight(now).unwrap() - now) / 1000
        };
        // Winter and summer, and the nights whose days have 25 and 23 hours.
        assert_eq!(left(&central, "2026-01-15T05:59:00Z"), 60);
        assert_eq!(left(&central, "2026-01-15T06:00:00Z"), 24 * 3600);
        assert_eq!(left(&central, "2026-07-15T04:00:00Z"), 3600);
        assert_eq!(left(&central, "2026-11-01T05:00:00Z"), 25 * 3600);
        assert_eq!(left(&central, "2026-03-08T06:00:00Z"), 23 * 3600);
        assert_eq!(left(&Reset::parse("UTC0").unwrap(), "2026-07-15T23:59:59Z"), 1);
        assert_eq!(Reset::parse("rolling").unwrap().next_midnight(0), None);
        assert!(Reset::parse("America/Chicago").is_none() && Reset::parse("").is_none());
        assert_eq!(central.next_midnight(Millis::MAX), None);
    }
}
