//! Times as the contract has them (milliseconds or days since 1970-01-01) and as vendors write them (ISO 8601).

use jiff::Timestamp;
use jiff::civil::Date;

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// `2026-11-23T14:13:00.250Z`; the fraction only where there is one. `None`: outside years -9999 to 9999.
#[must_use]
pub fn format_timestamp(ms: i64) -> Option<String> {
    Some(Timestamp::from_millisecond(ms).ok()?.to_string())
}

/// Milliseconds of an ISO 8601 (RFC 3339) time with an offset. What is finer than a millisecond is cut off.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let timestamp: Timestamp = text.parse().ok()?;
    Some(timestamp.as_millisecond())
}

/// `2026-11-23` of days since 1970-01-01. `None`: outside years -9999 to 9999.
#[must_use]
pub fn format_date(days: i32) -> Option<String> {
    let date = EPOCH.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    Some(date.to_string())
}

/// Days since 1970-01-01 of `2026-11-23`.
#[must_use]
pub fn parse_date(text: &str) -> Option<i32> {
    let date: Date = text.parse().ok()?;
    Some(date.since(EPOCH).ok()?.get_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        assert_eq!(format_timestamp(1_795_443_180_250).as_deref(), Some("2026-11-23T14:13:00.25Z"));
        assert_eq!(format_timestamp(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(format_timestamp(i64::MAX), None);
        assert_eq!(parse_timestamp("2026-11-23T15:13:00.250+01:00"), Some(1_795_443_180_250));
        assert_eq!(parse_timestamp("2026-11-23T14:13:00Z"), Some(1_795_443_180_000));
        assert_eq!(parse_timestamp("2026-11-23"), None);
        for (text, days) in [("1970-01-01", 0), ("1969-12-31", -1), ("2024-02-29", 19_782)] {
            assert_eq!(parse_date(text), Some(days));
            assert_eq!(format_date(days).as_deref(), Some(text));
        }
        assert_eq!(parse_date("2023-02-29"), None);
        assert_eq!(format_date(i32::MIN), None);
    }
}
