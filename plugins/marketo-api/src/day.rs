//! Marketo's day, which ends at midnight in Chicago.

use jiff::{Timestamp, ToSpan, tz::TimeZone};

/// US Central time, where Marketo's daily quotas begin anew. A rule instead of a database: a guest has none.
pub(crate) const US_CENTRAL: &str = "CST6CDT,M3.2.0,M11.1.0";

/// Milliseconds from `now_ms` until a spent daily quota is full again. Without a way to tell: an hour.
#[must_use]
pub fn until_quota_reset(now_ms: u64) -> u64 {
    next_central_midnight(now_ms).map_or(3_600_000, |midnight| midnight.saturating_sub(now_ms))
}

fn next_central_midnight(now_ms: u64) -> Option<u64> {
    let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?;
    let here = now.to_zoned_datetime(TimeZone::posix(US_CENTRAL).ok()?);
    let midnight = here.date().checked_add(1.day()).ok()?.to_zoned_datetime(here.time_zone().clone()).ok()?;
    u64::try_from(midnight.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_comes_back_at_midnight_in_chicago() {
        let wait = |text: &str| {
            until_quota_reset(u64::try_from(attiva_connector::time::parse_timestamp(text).unwrap()).unwrap()) / 1000
        };
        // Winter: UTC-6. Summer: UTC-5. The nights the clocks change have 25 and 23 hours.
        assert_eq!(wait("2026-01-15T05:59:00Z"), 60);
        assert_eq!(wait("2026-01-15T06:00:00Z"), 24 * 3600);
        assert_eq!(wait("2026-07-15T04:00:00Z"), 3600);
        assert_eq!(wait("2026-11-01T05:00:00Z"), 25 * 3600);
        assert_eq!(wait("2026-03-08T06:00:00Z"), 23 * 3600);
    }
}
