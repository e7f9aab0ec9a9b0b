//! What the clock does at its edges, with answers known by hand: ends of months, leap days, and the nights in which clocks
//! are put forward and back, which are nights like all others since everything is in UTC.

use super::world::{World, text};
use attiva_core::Value;
use attiva_core::time::{Millis, parse_date, parse_timestamp};

/// The instant of the evaluation, what is asked, and of which of these instants, or days of birth, it is true.
pub struct Case {
    pub now: &'static str,
    pub rule: &'static str,
    pub yes: &'static [&'static str],
    pub no: &'static [&'static str],
}

const fn case(
    now: &'static str,
    rule: &'static str,
    yes: &'static [&'static str],
    no: &'static [&'static str],
) -> Case {
    Case { now, rule, yes, no }
}

pub const CASES: &[Case] = &[
    // The last instant of a month, and the first of the next.
    case(
        "2026-03-31T23:59:59.999Z",
        "e.time.within(thisMonth())",
        &["2026-03-01T00:00:00Z", "2026-03-31T23:59:59.999Z"],
        &["2026-02-28T23:59:59.999Z", "2026-04-01T00:00:00Z"],
    ),
    case(
        "2026-03-01T00:00:00Z",
        "e.time.within(lastMonth())",
        &["2026-02-01T00:00:00Z", "2026-02-28T23:59:59.999Z"],
        &["2026-01-31T23:59:59.999Z", "2026-03-01T00:00:00Z"],
    ),
    // There is no 31st of February: a month before is its last day, at the same hour.
    case(
        "2026-03-31T10:00:00Z",
        "e.time.within(last(months(1)))",
        &["2026-02-28T10:00:00.001Z", "2026-03-31T10:00:00Z"],
        &["2026-02-28T10:00:00Z", "2026-03-31T10:00:00.001Z"],
    ),
    case(
        "2024-03-31T10:00:00Z",
        "e.time.within(last(months(1)))",
        &["2024-02-29T10:00:00.001Z"],
        &["2024-02-29T10:00:00Z", "2024-02-28T10:00:00.001Z"],
    ),
    case("2026-01-31T10:00:00Z", "e.time < now + months(1)", &["2026-02-28T09:59:59.999Z"], &["2026-02-28T10:00:00Z"]),
    // The leap day itself, and a year before and after it.
    case(
        "2024-02-29T12:00:00Z",
        "e.time.within(thisDay())",
        &["2024-02-29T00:00:00Z", "2024-02-29T23:59:59.999Z"],
        &["2024-02-28T23:59:59.999Z", "2024-03-01T00:00:00Z"],
    ),
    case("2024-03-01T00:00:00Z", "e.time.within(lastDay())", &["2024-02-29T00:00:00Z"], &["2024-02-28T23:59:59.999Z"]),
    case("2023-03-01T00:00:00Z", "e.time.within(lastDay())", &["2023-02-28T00:00:00Z"], &["2023-02-27T23:59:59.999Z"]),
    case(
        "2024-02-29T12:00:00Z",
        "e.time.within(last(years(1)))",
        &["2023-02-28T12:00:00.001Z"],
        &["2023-02-28T12:00:00Z"],
    ),
    case(
        "2025-02-28T12:00:00Z",
        "e.time.within(last(years(1)))",
        &["2024-02-28T12:00:00.001Z", "2024-02-29T12:00:00Z"],
        &["2024-02-28T12:00:00Z"],
    ),
    case("2024-02-29T12:00:00Z", "e.time >= now - years(4)", &["2020-02-29T12:00:00Z"], &["2020-02-29T11:59:59.999Z"]),
    case(
        "2024-02-28T00:00:00Z",
        "e.time.within(next(days(2)))",
        &["2024-02-29T23:59:59.999Z"],
        &["2024-03-01T00:00:00Z"],
    ),
    // The end of a year is one of a quarter, a month and mostly of no week.
    case(
        "2025-01-01T00:00:00Z",
        "e.time.within(lastYear())",
        &["2024-01-01T00:00:00Z", "2024-12-31T23:59:59.999Z"],
        &["2023-12-31T23:59:59.999Z", "2025-01-01T00:00:00Z"],
    ),
    case(
        "2025-01-01T00:00:00Z",
        "e.time.within(thisWeek())",
        &["2024-12-30T00:00:00Z", "2025-01-05T23:59:59.999Z"],
        &["2024-12-29T23:59:59.999Z", "2025-01-06T00:00:00Z"],
    ),
    case(
        "2024-12-31T23:59:59.999Z",
        "e.time.within(nextQuarter())",
        &["2025-01-01T00:00:00Z", "2025-03-31T23:59:59.999Z"],
        &["2024-12-31T23:59:59.999Z", "2025-04-01T00:00:00Z"],
    ),
    // In Berlin the 29th of March 2026 has 23 hours and the 25th of October 25; here both have 24.
    case(
        "2026-03-29T12:00:00Z",
        "e.time.within(last(days(1)))",
        &["2026-03-28T12:00:00.001Z"],
        &["2026-03-28T12:00:00Z", "2026-03-28T11:00:00.001Z"],
    ),
    case(
        "2026-03-29T01:30:00Z",
        "e.time.within(thisDay())",
        &["2026-03-29T00:00:00Z", "2026-03-29T02:30:00+01:00", "2026-03-29T23:59:59.999Z"],
        &["2026-03-29T00:30:00+01:00", "2026-03-30T00:00:00Z"],
    ),
    case(
        "2026-10-25T12:00:00Z",
        "e.time.within(last(days(1)))",
        &["2026-10-24T12:00:00.001Z"],
        &["2026-10-24T12:00:00Z", "2026-10-24T11:30:00Z"],
    ),
    // Half past two came twice there; they are two instants, an hour apart.
    case(
        "2026-10-25T01:30:00Z",
        "e.time.within(last(hours(1)))",
        &["2026-10-25T02:30:00+01:00"],
        &["2026-10-25T02:30:00+02:00"],
    ),
    // In New York, on other nights.
    case("2026-03-08T12:00:00Z", "e.time > now - hours(24)", &["2026-03-07T12:00:00.001Z"], &["2026-03-07T12:00:00Z"]),
    case(
        "2026-11-01T12:00:00Z",
        "e.time.within(thisDay())",
        &["2026-11-01T00:00:00Z", "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"],
        &["2026-10-31T19:59:59.999-04:00"],
    ),
];

/// Who was born on a leap day has the 28th where there is none.
pub const BIRTHDAYS: &[Case] = &[
    case(
        "2026-02-28T00:00:00Z",
        "person.birthday.anniversaryWithin(next(days(1)))",
        &["1980-02-28", "1980-02-29"],
        &["1980-02-27", "1980-03-01"],
    ),
    case(
        "2028-02-28T00:00:00Z",
        "person.birthday.anniversaryWithin(next(days(1)))",
        &["1980-02-28"],
        &["1980-02-29", "1980-03-01"],
    ),
    case("2028-02-29T00:00:00Z", "person.birthday.anniversaryWithin(thisDay())", &["1980-02-29"], &["1980-02-28"]),
    case(
        "2026-12-31T00:00:00Z",
        "person.birthday.anniversaryWithin(next(days(2)))",
        &["1980-12-31", "1981-01-01"],
        &["1980-12-30", "1981-01-02"],
    ),
];

pub fn instant(text: &str) -> Millis {
    parse_timestamp(text).unwrap_or_else(|| panic!("{text} is no instant"))
}

/// Every case: the instant, the rule over a person, a world with a person for each answer, and who belongs.
pub fn all() -> Vec<(Millis, String, World, Vec<usize>)> {
    let of = |case: &Case, is_birthday: bool| {
        let mut world = World::default();
        for told in case.yes.iter().chain(case.no) {
            if is_birthday {
                let day = parse_date(told).unwrap_or_else(|| panic!("{told} is no day"));
                world.add("person", &[("birthday", Value::Date(day))], &[]);
            } else {
                let person = world.add("person", &[], &[]);
                let fields = [("type", text("x")), ("time", Value::Timestamp(instant(told)))];
                world.add("activity", &fields, &[("person", person)]);
            }
        }
        let rule = if is_birthday { case.rule.to_owned() } else { format!("events.exists(e, {})", case.rule) };
        (instant(case.now), rule, world, (0..case.yes.len()).collect())
    };
    CASES.iter().map(|case| of(case, false)).chain(BIRTHDAYS.iter().map(|case| of(case, true))).collect()
}
