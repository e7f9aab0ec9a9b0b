//! Time as the core knows it: a number somebody hands in.

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Milliseconds of a day in UTC.
pub const DAY_MS: Millis = 86_400_000;

/// Reads an ISO 8601 instant with `Z` or an offset; `None` if it is not one.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<Millis> {
    text.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond())
}

/// Reads the date of an HTTP header (RFC 9110 5.6.7), as servers write it; `None` if it is none.
#[must_use]
pub fn parse_http_date(text: &str) -> Option<Millis> {
    jiff::fmt::rfc2822::parse(text).ok().map(|t| t.timestamp().as_millisecond())
}

/// `2026-11-23T10:00:00Z`, with milliseconds only where there are some. Out of jiff's range: the number itself.
#[must_use]
pub fn format_timestamp(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |t| t.to_string())
}

/// Reads `2026-11-23` as days since 1970-01-01.
#[must_use]
pub fn parse_date(text: &str) -> Option<i32> {
    let date = text.parse::<jiff::civil::Date>().ok()?;
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch.until(date).ok().map(|span| span.get_days())
}

/// Days since 1970-01-01 as `2026-11-23`. Out of jiff's range: the number itself.
#[must_use]
pub fn format_date(days: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    jiff::Span::new()
        .try_days(days)
        .and_then(|span| epoch.checked_add(span))
        .map_or_else(|_| days.to_string(), |d| d.to_string())
}

/// Year, month and day of days since 1970-01-01; `None`: out of jiff's range.
pub(crate) fn civil_date(days: i32) -> Option<(i16, i8, i8)> {
    let date =
        jiff::Span::new().try_days(days).and_then(|span| jiff::civil::date(1970, 1, 1).checked_add(span)).ok()?;
    Some((date.year(), date.month(), date.day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_instants_survive_the_way_there_and_back() {
        for text in ["1970-01-01", "2026-11-23", "1968-02-29", "9999-12-31"] {
            assert_eq!(format_date(parse_date(text).unwrap()), text);
        }
        assert_eq!(parse_date("1970-01-02"), Some(1));
        assert_eq!(parse_date("1969-12-31"), Some(-1));
        assert_eq!(parse_timestamp("1970-01-01T00:00:01Z"), Some(1000));
        assert_eq!(parse_timestamp("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse_timestamp("1970-01-01"), None);
        assert_eq!(parse_http_date("Thu, 01 Jan 1970 00:00:01 GMT"), Some(1000));
        assert_eq!(parse_http_date("1970-01-01T00:00:01Z"), None);
        assert_eq!(format_timestamp(1500), "1970-01-01T00:00:01.5Z");
        assert_eq!(format_timestamp(i64::MAX), i64::MAX.to_string());
    }
}
