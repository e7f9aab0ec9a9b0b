//! Anniversaries in whole numbers. Counted from the first of March, a day has the same number in every year, and the leap
//! day, if there is one, comes last.

use attiva_core::time::Millis;

pub(super) const DAY_MS: i64 = 86_400_000;

/// Days in 400 years, after which the calendar repeats itself.
const CYCLE: i64 = 146_097;
/// From 0000-03-01, when such a cycle began, to 1970-01-01.
const CYCLE_BEGAN: i64 = 719_468;
/// 1975-03-01: the year from there has a leap day.
const A_LEAP_YEAR: i64 = 1_885;

/// Whether the month and day of a date (days since 1970) come up on a day that begins in `from..until`.
pub(super) fn anniversary(date: &str, from: Millis, until: Millis) -> String {
    let ranges = ranges(from, until);
    if ranges.is_empty() {
        return format!("({date} <> {date})");
    }
    // In the cycle; then in the year: what is left when as many whole years as fit are taken away.
    let place = format!("(((CAST({date} AS BIGINT) + {CYCLE_BEGAN}) % {CYCLE} + {CYCLE}) % {CYCLE})");
    let leap_days_taken =
        format!("({place} - {} + {} - {})", whole(&place, 1_460), whole(&place, 36_524), whole(&place, 146_096));
    let year = whole(&leap_days_taken, 365);
    let day = format!("({place} - (365 * {year} + {} - {}))", whole(&year, 4), whole(&year, 100));
    let ranges: Vec<String> = ranges.iter().map(|(first, last)| format!("{day} BETWEEN {first} AND {last}")).collect();
    format!("({})", ranges.join(" OR "))
}

/// A quotient of whole numbers, cut, of what is not negative: engines disagree on `/` but for exact ones.
fn whole(of: &str, by: i64) -> String {
    format!("CAST(({of} - {of} % {by}) / {by} AS BIGINT)")
}

/// The first and the last day that are written with four digits of a year, but for two months of the year 0.
const WRITTEN: (i64, i64) = (-CYCLE_BEGAN, 2_932_896);

/// `2026-11-23` of the days since 1970 that a derived table has as `x`, and what follows it, made of the `ms` that the table
/// has then; null for a year of other than four digits.
pub(super) fn date_text(days: &str, then: Option<&str>, table: &str) -> String {
    let more = if then.is_some() { ", ms" } else { "" };
    let mut text = format!(
        "SELECT x + {CYCLE_BEGAN} AS z{more} FROM ({days}) {table}a WHERE x BETWEEN {} AND {}",
        WRITTEN.0, WRITTEN.1
    );
    let steps = [
        // In the cycle, and how many cycles are over.
        format!("z % {CYCLE} AS e, {} AS c", whole("z", CYCLE)),
        // Of a year that begins with March.
        format!(
            "e, c, {} AS y",
            whole(&format!("(e - {} + {} - {})", whole("e", 1_460), whole("e", 36_524), whole("e", 146_096)), 365)
        ),
        format!("c, y, e - (365 * y + {} - {}) AS d", whole("y", 4), whole("y", 100)),
        format!("c, y, d, {} AS m", whole("(5 * d + 2)", 153)),
        format!("c, y, d - {} + 1 AS d, CASE WHEN m < 10 THEN m + 3 ELSE m - 9 END AS m", whole("(153 * m + 2)", 5)),
    ];
    for (step, select) in steps.iter().enumerate() {
        text = format!("SELECT {select}{more} FROM ({text}) {table}b{step}");
    }
    let year = padded("(y + 400 * c + CASE WHEN m < 3 THEN 1 ELSE 0 END)", 4);
    let then = then.map_or(String::new(), |then| format!(" || {then}"));
    format!("(SELECT {year} || '-' || {} || '-' || {}{then} FROM ({text}) {table})", padded("m", 2), padded("d", 2))
}

/// `T10:00:00Z`, with as much of a second as there is, of the milliseconds of a day.
pub(super) fn time_text(ms: &str) -> String {
    let part = |by: i64, of: i64| format!("({} % {of})", whole(ms, by));
    let fraction = format!(
        "CASE WHEN {ms} % 1000 = 0 THEN '' WHEN {ms} % 100 = 0 THEN '.' || {} WHEN {ms} % 10 = 0 THEN '.' || {} ELSE '.' || {} END",
        padded(&part(100, 10), 1),
        padded(&part(10, 100), 2),
        padded(&part(1, 1_000), 3)
    );
    let [hours, minutes, seconds] = [part(3_600_000, 24), part(60_000, 60), part(1_000, 60)].map(|of| padded(&of, 2));
    format!("'T' || {hours} || ':' || {minutes} || ':' || {seconds} || {fraction} || 'Z'")
}

/// With zeros before it.
fn padded(number: &str, digits: u32) -> String {
    format!("SUBSTR(CAST({} + {number} AS VARCHAR(20)), 2, {digits})", 10_i64.pow(digits))
}

/// The days of a year from March on that come up.
fn ranges(from: Millis, until: Millis) -> Vec<(i64, i64)> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for day in (0..=365).filter(|day| attiva_expr::anniversary_in(A_LEAP_YEAR + day, from, until)) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == day => *last = day,
            _ => ranges.push((day, day)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use attiva_core::time::parse_timestamp;
    use proptest::prelude::*;

    /// As the statement calculates.
    fn day_of_year(date: i64) -> i64 {
        let place = ((date + CYCLE_BEGAN) % CYCLE + CYCLE) % CYCLE;
        let whole = |of: i64, by: i64| (of - of % by) / by;
        let year = whole(place - whole(place, 1_460) + whole(place, 36_524) - whole(place, 146_096), 365);
        place - (365 * year + whole(year, 4) - whole(year, 100))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn ranges_hold_what_comes_up(date in -900_000i64..900_000, start in -40_000i64..40_000, days in 0i64..400) {
            let (from, until) = (start * DAY_MS, (start + days) * DAY_MS);
            let day = day_of_year(date);
            let inside = ranges(from, until).iter().any(|(first, last)| (*first..=*last).contains(&day));
            prop_assert_eq!(inside, attiva_expr::anniversary_in(date, from, until));
        }
    }

    #[test]
    fn a_year_has_few_ranges() {
        let at = |text: &str| parse_timestamp(text).unwrap();
        let new_year = ranges(at("2026-12-20T00:00:00Z"), at("2027-01-10T00:00:00Z"));
        assert_eq!(new_year, [(294, 314)]);
        assert_eq!(ranges(at("2026-02-20T00:00:00Z"), at("2026-03-02T00:00:00Z")), [(0, 0), (356, 365)]);
        assert_eq!(ranges(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z")), [(0, 365)]);
        assert!(ranges(0, 0).is_empty());
    }
}
