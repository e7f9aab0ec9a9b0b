//! Days, months and years in UTC.

use attiva_core::time::Millis;

pub(crate) const DAY_MS: i64 = 86_400_000;

/// Year, month and day of a day since 1970. The calendar is today's, backwards too, as SQL and ISO 8601 have it.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    // The year is taken to begin in March, so that the leap day is its last (Hinnant, "chrono-compatible low-level
    // date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970 of a year, month and day.
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `None` past the range of instants.
pub(crate) fn add_months(at: Millis, months: i64) -> Option<Millis> {
    let (year, month, day) = civil(at.div_euclid(DAY_MS));
    let count = year.checked_mul(12)?.checked_add(month - 1)?.checked_add(months)?;
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
    // Beyond this no count of milliseconds has 64 bits, and the arithmetic of days is safe before it.
    if !(-300_000_000..300_000_000).contains(&year) {
        return None;
    }
    let day = day.min(month_length(year, month));
    days(year, month, day).checked_mul(DAY_MS)?.checked_add(at.rem_euclid(DAY_MS))
}

/// What a calendar window begins with.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// `None` past the range of instants.
pub(crate) fn start_of(at: Millis, unit: Unit) -> Option<Millis> {
    let day = at.div_euclid(DAY_MS);
    let (year, month, _) = civil(day);
    let start = match unit {
        Unit::Day => day,
        // 1970-01-01 was a Thursday.
        Unit::Week => day - (day + 3).rem_euclid(7),
        Unit::Month => days(year, month, 1),
        Unit::Quarter => days(year, month - (month - 1) % 3, 1),
        Unit::Year => days(year, 1, 1),
    };
    start.checked_mul(DAY_MS)
}

/// Whether the month and day of `date` (days since 1970) come up on a day that begins in `from..until`. The 29th of
/// February comes up on the 28th where the year has none.
#[must_use]
pub fn anniversary_in(date: i64, from: Millis, until: Millis) -> bool {
    let (first, last) =
        (from.div_euclid(DAY_MS) + i64::from(from.rem_euclid(DAY_MS) > 0), (until - 1).div_euclid(DAY_MS));
    if until <= from || last < first {
        return false;
    }
    let (_, month, day) = civil(date);
    let (first_year, ..) = civil(first);
    let in_year = |year: i64| days(year, month, day.min(month_length(year, month)));
    // The next one after `first` is this year's or the next's, and the one after that is no nearer.
    [first_year, first_year + 1].into_iter().map(in_year).any(|comes_up| (first..=last).contains(&comes_up))
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::time::{format_timestamp, parse_date, parse_timestamp};

    fn at(text: &str) -> Millis {
        parse_timestamp(text).unwrap()
    }

    #[test]
    fn days_are_those_of_the_library() {
        for days_since in (-200_000..200_000).step_by(37).chain([-1, 0, 59, 789, 790, 11_016, 11_017]) {
            let (year, month, day) = civil(days_since);
            assert_eq!(days(year, month, day), days_since);
            if (0..=9999).contains(&year) {
                let text = format!("{year:04}-{month:02}-{day:02}");
                assert_eq!(parse_date(&text).map(i64::from), Some(days_since), "{text}");
            }
        }
    }

    #[test]
    fn months_end_where_they_end() {
        for (from, months, to) in [
            ("2026-03-31T10:00:00Z", -1, "2026-02-28T10:00:00Z"),
            ("2024-03-31T10:00:00Z", -1, "2024-02-29T10:00:00Z"),
            ("2026-01-31T23:59:59.999Z", 1, "2026-02-28T23:59:59.999Z"),
            ("2024-02-29T00:00:00Z", 12, "2025-02-28T00:00:00Z"),
            ("2024-02-29T00:00:00Z", 48, "2028-02-29T00:00:00Z"),
            ("2026-11-28T00:00:00Z", -11, "2025-12-28T00:00:00Z"),
            ("2026-12-31T00:00:00Z", 2, "2027-02-28T00:00:00Z"),
            ("1969-12-31T23:00:00Z", -2, "1969-10-31T23:00:00Z"),
        ] {
            assert_eq!(format_timestamp(add_months(at(from), months).unwrap()), to, "{from} {months:+}");
        }
        assert_eq!((add_months(0, i64::MAX), add_months(i64::MAX, 1)), (None, None));
    }

    #[test]
    fn units_begin_in_utc_and_weeks_on_monday() {
        let now = at("2026-11-29T13:14:15.016Z");
        for (unit, start) in [
            (Unit::Day, "2026-11-29T00:00:00Z"),
            (Unit::Week, "2026-11-23T00:00:00Z"),
            (Unit::Month, "2026-11-01T00:00:00Z"),
            (Unit::Quarter, "2026-10-01T00:00:00Z"),
            (Unit::Year, "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(format_timestamp(start_of(now, unit).unwrap()), start);
            assert_eq!(start_of(at(start), unit), Some(at(start)));
        }
        assert_eq!(start_of(-1, Unit::Day), Some(-DAY_MS));
        assert_eq!(start_of(i64::MIN, Unit::Year), None);
    }

    #[test]
    fn an_anniversary_comes_up_whatever_the_year() {
        let date = |text: &str| i64::from(parse_date(text).unwrap());
        let day = |text: &str| at(&format!("{text}T00:00:00Z"));
        for (born, from, until, comes_up) in [
            ("1980-11-28", "2026-11-28", "2026-11-29", true),
            ("1980-11-28", "2026-11-27", "2026-11-28", false),
            ("1980-01-02", "2026-12-20", "2027-01-03", true),
            ("1980-12-25", "2026-12-20", "2027-01-03", true),
            ("1980-02-29", "2026-02-28", "2026-03-01", true),
            ("1980-02-29", "2028-02-28", "2028-02-29", false),
            ("1980-02-29", "2028-02-29", "2028-03-01", true),
            ("1980-06-01", "2026-01-01", "2027-01-01", true),
            ("1980-06-01", "2026-06-02", "2027-06-01", false),
            ("1980-06-01", "2026-06-02", "2026-06-02", false),
        ] {
            assert_eq!(anniversary_in(date(born), day(from), day(until)), comes_up, "{born} in {from}..{until}");
        }
        assert!(!anniversary_in(0, at("2026-01-01T00:00:01Z"), at("2026-01-01T12:00:00Z")), "no day begins there");
    }
}
