//! Times in the five fields of cron, in UTC: minute, hour, day of the month, month, day of the week.
//!
//! As cron itself reads them: `*`, lists, ranges and steps; names of months and days; Sunday is 0 or 7; where both the day
//! of the month and the day of the week are given, either will do.

use crate::Millis;
use crate::time::civil_date;

/// Shortest interval of whatever begins by itself, in seconds.
pub const EVERY_SECONDS_MIN: u32 = 10;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// How far ahead is looked: February 29th comes within eight years.
const DAYS_AHEAD: i64 = 9 * 366;

/// A schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cron {
    /// A bit for each value.
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    /// # Errors
    /// What is wrong with the text, and in which field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!(
                "has {} fields; cron has five: minute, hour, day of the month, month, day of the week",
                fields.len()
            ));
        };
        let weekday_bits = field("the day of the week", weekdays, 0, 7, &WEEKDAYS, 0)?;
        let cron = Self {
            minutes: field("the minute", minutes, 0, 59, &[], 0)?,
            hours: field("the hour", hours, 0, 23, &[], 0)?,
            days: field("the day of the month", days, 1, 31, &[], 0)?,
            months: field("the month", months, 1, 12, &MONTHS, 1)?,
            // Sunday has two numbers.
            weekdays: (weekday_bits | weekday_bits >> 7) & 0x7f,
            any_day: days.starts_with('*'),
            any_weekday: weekdays.starts_with('*'),
        };
        match cron.next(0) {
            Some(_) => Ok(cron),
            None => Err("never comes: no such day is in these months".to_owned()),
        }
    }

    /// The first time after an instant; `None`: none for years.
    #[must_use]
    pub fn next(&self, after: Millis) -> Option<Millis> {
        let first = after.div_euclid(MINUTE_MS) + 1;
        let first_day = first.div_euclid(DAY_MS / MINUTE_MS);
        (first_day..first_day + DAYS_AHEAD).find_map(|day| {
            if !self.is_on(day) {
                return None;
            }
            let from = if day == first_day { first - first_day * (DAY_MS / MINUTE_MS) } else { 0 };
            let minute = (from..DAY_MS / MINUTE_MS).find(|m| has(self.hours, m / 60) && has(self.minutes, m % 60))?;
            Some(day * DAY_MS + minute * MINUTE_MS)
        })
    }

    fn is_on(&self, day: i64) -> bool {
        let Some((_, month, day_of_month)) = i32::try_from(day).ok().and_then(civil_date) else { return false };
        // The first day of 1970 was a Thursday.
        let weekday = (day + 4).rem_euclid(7);
        let (by_day, by_weekday) = (has(self.days, i64::from(day_of_month)), has(self.weekdays, weekday));
        let is_day = match (self.any_day, self.any_weekday) {
            (false, false) => by_day || by_weekday,
            _ => by_day && by_weekday,
        };
        has(self.months, i64::from(month)) && is_day
    }
}

/// What is wrong with an interval and times: a field, and the problem.
///
/// # Errors
/// The first problem.
pub fn check(every_seconds: Option<u32>, cron: Option<&str>) -> Result<(), (&'static str, String)> {
    if every_seconds.is_some_and(|every| every < EVERY_SECONDS_MIN) {
        return Err(("/every_seconds", format!("must be at least {EVERY_SECONDS_MIN}")));
    }
    match cron.map(Cron::parse) {
        Some(Err(problem)) => Err(("/cron", problem)),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// Whether an interval or one of the times has passed since `last`. However many have, they are one.
#[must_use]
pub fn has_passed(every_seconds: Option<u32>, cron: Option<&str>, last: Millis, now: Millis) -> bool {
    let by_interval = every_seconds.is_some_and(|every| now.saturating_sub(last) >= i64::from(every) * 1000);
    let cron = cron.and_then(|text| Cron::parse(text).ok());
    by_interval || cron.and_then(|cron| cron.next(last)).is_some_and(|next| next <= now)
}

fn has(bits: u64, value: i64) -> bool {
    u32::try_from(value).is_ok_and(|value| value < 64 && bits >> value & 1 == 1)
}

/// `names`: the first stands for the number `first_name`.
fn field(what: &str, text: &str, least: u32, most: u32, names: &[&str], first_name: u32) -> Result<u64, String> {
    let wrong =
        |part: &str| format!("{what} cannot be `{part}`; it is {least} to {most}, `*`, or lists and steps of these");
    let number = |part: &str| -> Result<u32, String> {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(part));
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let value = match named {
            Some(at) => u32::try_from(at).ok().map(|at| at + first_name),
            None if digits => part.parse().ok(),
            None => None,
        };
        value.filter(|value| (least..=most).contains(value)).ok_or_else(|| wrong(part))
    };
    let mut bits = 0_u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step: usize = step.parse().ok().filter(|step| *step > 0).ok_or_else(|| wrong(part))?;
                (range, Some(step))
            }
            None => (part, None),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (least, most),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            // `5/15`: from 5 on.
            (one, None) => (number(one)?, if step.is_some() { most } else { number(one)? }),
        };
        if from > to {
            return Err(wrong(part));
        }
        (from..=to).step_by(step.unwrap_or(1)).for_each(|value| bits |= 1 << value);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{format_timestamp, parse_timestamp};

    fn next(cron: &str, after: &str) -> String {
        let cron = Cron::parse(cron).unwrap_or_else(|problem| panic!("{cron}: {problem}"));
        format_timestamp(cron.next(parse_timestamp(after).unwrap()).unwrap())
    }

    #[test]
    fn times_come_as_cron_says() {
        for (cron, after, expected) in [
            ("*/15 * * * *", "2026-11-23T10:00:00Z", "2026-11-23T10:15:00Z"),
            ("*/15 * * * *", "2026-11-23T10:59:59Z", "2026-11-23T11:00:00Z"),
            ("30 6 * * *", "2026-11-23T06:30:00Z", "2026-11-24T06:30:00Z"),
            ("0 6,18 * * mon-fri", "2026-11-20T18:00:00Z", "2026-11-23T06:00:00Z"),
            ("0 0 1 jan *", "2026-11-23T10:00:00Z", "2027-01-01T00:00:00Z"),
            ("0 0 29 2 *", "2026-11-23T10:00:00Z", "2028-02-29T00:00:00Z"),
            ("5/20 0 * * *", "2026-11-23T00:05:00Z", "2026-11-23T00:25:00Z"),
            // Sunday by either number; either day, where both are given.
            ("0 12 * * 7", "2026-11-23T10:00:00Z", "2026-11-29T12:00:00Z"),
            ("0 12 * * 0", "2026-11-23T10:00:00Z", "2026-11-29T12:00:00Z"),
            ("0 12 25 * 0", "2026-11-23T10:00:00Z", "2026-11-25T12:00:00Z"),
            ("0 12 */2 * 1", "2026-11-23T13:00:00Z", "2026-12-07T12:00:00Z"),
        ] {
            assert_eq!(next(cron, after), expected, "{cron} after {after}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_by_its_field() {
        for (cron, part) in [
            ("* * * *", "has 4 fields"),
            ("60 * * * *", "the minute"),
            ("* 24 * * *", "the hour"),
            ("* * 0 * *", "the day of the month"),
            ("* * * 13 *", "the month"),
            ("* * * * 8", "the day of the week"),
            ("5-1 * * * *", "the minute"),
            ("*/0 * * * *", "the minute"),
            ("1, * * * *", "the minute"),
            ("0 0 31 feb *", "never comes"),
            ("-1 * * * *", "the minute"),
        ] {
            let problem = Cron::parse(cron).unwrap_err();
            assert!(problem.contains(part), "{cron}: {problem}");
        }
    }
}
