//! Marketo's ways to write a time.

use attiva_connector::time;

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
    fn filters_have_no_milliseconds() {
        assert_eq!(format_seconds(1_501_119_513), "2017-07-27T01:38:33Z");
    }
}
