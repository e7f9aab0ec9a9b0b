//! The instance's time, in whole seconds since 1970, and its notations.

use std::time::Instant;

use jiff::Timestamp;
use jiff::civil::Date;

/// Seconds since 1970-01-01T00:00:00Z.
pub(crate) type Seconds = i64;

pub(crate) const DAY: Seconds = 86_400;

/// Runs on from a start that may be fixed, so that data made from the start stays the same from run to run.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Seconds,
    began: Instant,
}

impl Clock {
    pub(crate) fn starting_at(start: Option<Timestamp>) -> Self {
        Self { start: start.unwrap_or_else(Timestamp::now).as_second(), began: Instant::now() }
    }

    pub(crate) fn start(&self) -> Seconds {
        self.start
    }

    pub(crate) fn now(&self) -> Seconds {
        self.start.saturating_add(i64::try_from(self.began.elapsed().as_secs()).unwrap_or(i64::MAX))
    }

    /// The vendor's day, which ends at midnight in Chicago. Daylight saving is left out: no test may hang on that hour.
    pub(crate) fn central_day(&self) -> i64 {
        (self.now() - 6 * 3_600).div_euclid(DAY)
    }
}

/// Reads `2026-11-23T10:00:00Z`, `…+01:00`, `…+0100` or a plain date.
pub(crate) fn parse(text: &str) -> Option<Seconds> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_second());
    }
    parse_days(text).map(|days| days * DAY)
}

/// Days since 1970 of `YYYY-MM-DD`.
pub(crate) fn parse_days(text: &str) -> Option<i64> {
    if text.len() != 10 {
        return None;
    }
    let date: Date = text.parse().ok()?;
    let midnight = date.to_datetime(jiff::civil::Time::midnight());
    jiff::tz::Offset::UTC.to_timestamp(midnight).ok().map(|time| time.as_second().div_euclid(DAY))
}

/// Appends `YYYY-MM-DD`. By hand, since a bulk file of a million leads holds four million of them.
pub(crate) fn push_date(out: &mut Vec<u8>, days: i64) {
    let (year, month, day) = civil(days);
    push_digits(out, year, 4);
    out.push(b'-');
    push_digits(out, month, 2);
    out.push(b'-');
    push_digits(out, day, 2);
}

/// Appends `YYYY-MM-DDThh:mm:ssZ`.
pub(crate) fn push_datetime(out: &mut Vec<u8>, at: Seconds) {
    push_date(out, at.div_euclid(DAY));
    let second = at.rem_euclid(DAY);
    for (mark, value) in [(b'T', second / 3_600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.push(mark);
        push_digits(out, value, 2);
    }
    out.push(b'Z');
}

pub(crate) fn datetime(at: Seconds) -> String {
    let mut out = Vec::with_capacity(20);
    push_datetime(&mut out, at);
    String::from_utf8_lossy(&out).into_owned()
}

/// `2017-07-27T01:38:33Z+0000`, as only the asset API writes it.
pub(crate) fn asset_datetime(at: Seconds) -> String {
    format!("{}+0000", datetime(at))
}

pub(crate) fn date(days: i64) -> String {
    let mut out = Vec::with_capacity(10);
    push_date(&mut out, days);
    String::from_utf8_lossy(&out).into_owned()
}

fn push_digits(out: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// Year, month and day of a count of days, by the usual shift to years that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_a_date_library_writes() {
        for at in (-5_000_000_000_i64..10_000_000_000).step_by(86_399 * 31) {
            let expected = Timestamp::from_second(at).map(|time| time.to_string()).unwrap_or_default();
            assert_eq!(datetime(at), expected);
            assert_eq!(parse(&datetime(at)), Some(at));
        }
    }

    #[test]
    fn reads_the_notations_clients_send() {
        let expected = parse("2026-11-23T00:00:00Z");
        for text in ["2026-11-23", "2026-11-23T01:00:00+01:00", "2026-11-22T18:00:00-0600", "2026-11-23T00:00:00.000Z"]
        {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("2026-13-01"), None);
    }
}
