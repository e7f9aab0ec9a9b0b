//! Marketo's ways to write a time, and its day.

use attiva_connector::time;
use jiff::{Timestamp, ToSpan, tz::TimeZone};

/// US Central time, where Marketo's daily quotas begin anew. A rule instead of a database: a guest has none.
const US_CENTRAL: &str = "CST6CDT,M3.2.0,M11.1.0";

/// Milliseconds of a time as any of Marketo's interfaces writes it: with `Z`, with `+0000` or `-08:00`, or with both.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = match text.strip_suffix("+0000") {
        Some(rest) if rest.ends_with('Z') => rest,
        _ => text,
    };
    time::parse_timestamp(text)
}

/// `2026-11-23T10:00:00Z`: filters take no milliseconds. Out of range for no second this connector reckons with.
pub(crate) fn format_seconds(seconds: i64) -> String {
    seconds.checked_mul(1000).and_then(time::format_timestamp).unwrap_or_default()
}

/// Milliseconds from `now_ms` until a spent daily quota is full again. Without a way to tell: an hour.
pub(crate) fn until_quota_reset(now_ms: u64) -> u64 {
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
    fn one_instant_in_all_notations() {
        for text in [
            "2017-07-27T01:38:33Z",
            "2017-07-27T01:38:33+0000",
            "2017-07-27T01:38:33Z+0000",
            "2017-07-26T17:38:33-08:00",
            "2017-07-26T17:38:33-0800",
            "2017-07-27T01:38:33.000Z",
            " 2017-07-27T01:38:33Z ",
        ] {
            assert_eq!(parse(text), Some(1_501_119_513_000), "{text}");
        }
        assert_eq!(parse("2017-07-27"), None);
        assert_eq!(parse("null"), None);
    }

    #[test]
    fn the_quota_comes_back_at_midnight_in_chicago() {
        let wait = |text: &str| until_quota_reset(u64::try_from(parse(text).unwrap()).unwrap()) / 1000;
        // Winter: UTC-6. Summer: UTC-5. The nights the clocks change have 25 and 23 hours.
        assert_eq!(wait("2026-01-15T05:59:00Z"), 60);
        assert_eq!(wait("2026-01-15T06:00:00Z"), 24 * 3600);
        assert_eq!(wait("2026-07-15T04:00:00Z"), 3600);
        assert_eq!(wait("2026-11-01T05:00:00Z"), 25 * 3600);
        assert_eq!(wait("2026-03-08T06:00:00Z"), 23 * 3600);
    }

    #[test]
    fn filters_have_no_milliseconds() {
        assert_eq!(format_seconds(1_501_119_513), "2017-07-27T01:38:33Z");
    }
}
