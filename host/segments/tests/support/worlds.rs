//! Random worlds, made from bytes, so that what fails shrinks with them. Small pools, so that equal values meet: ties,
//! nulls, several currencies, persons in several accounts, circles of parents.

use super::scalar::generate::{Dice, NOW};
use super::world::{World, decimal, text};
use attiva_core::Value;

const DAY: i64 = 86_400_000;

/// Amounts whose sums a binary float holds as well, for engines that have no other numbers.
pub const AMOUNTS: [&str; 6] = ["0", "0.5", "100", "1000000", "250000.25", "-3.5"];
pub const CURRENCIES: [&str; 3] = ["USD", "EUR", "GBP"];
pub const TEXTS: [&str; 5] = ["HR", "Sales", "CMO", "hr", ""];
/// Texts that are cut, split and read: white space, separators, numbers.
const ODD_TEXTS: [&str; 8] =
    [" HR", "hr\t\u{a0}", "HR;Sales", ";CMO;;hr", "a--b---c", "12", "-7", "\u{2003}!\"#$%&\u{3000}"];
pub const TYPES: [&str; 3] = ["view", "click", "form"];
pub const PAGES: [&str; 3] = ["/pricing", "/docs", "/"];

/// Instants around now and at edges of the calendar.
fn instants() -> [i64; 12] {
    let month = NOW - 22 * DAY - 10 * 3_600_000;
    [
        NOW,
        NOW - 1,
        NOW + 1,
        NOW - DAY,
        NOW - DAY + 1,
        NOW - 3 * DAY,
        month,
        month - 1,
        NOW - 31 * DAY,
        NOW + DAY,
        0,
        NOW - 400 * DAY,
    ]
}

fn days() -> [i32; 8] {
    [20_780, 20_779, 20_781, 20_750, 20_415, 0, 11_016, 20_766]
}

fn maybe(dice: &mut Dice, value: impl FnOnce(&mut Dice) -> Value) -> Value {
    if dice.roll(5) == 4 { Value::Null } else { value(dice) }
}

fn some_text(dice: &mut Dice, from: &[&str]) -> Value {
    maybe(dice, |dice| text(dice.pick::<&str>(from)))
}

/// One of the usual, and sometimes one that is odd.
fn any_text(dice: &mut Dice) -> Value {
    if dice.roll(3) == 2 { some_text(dice, &ODD_TEXTS) } else { some_text(dice, &TEXTS) }
}

fn float(dice: &mut Dice) -> Value {
    maybe(dice, |dice| Value::Float(*dice.pick(&[0.0, 2.5, -0.75, 1e300, f64::INFINITY])))
}

fn instant(dice: &mut Dice) -> Value {
    maybe(dice, |dice| Value::Timestamp(*dice.pick(&instants())))
}

/// A list of up to three, some of them twice.
fn texts(dice: &mut Dice) -> Value {
    maybe(dice, |dice| Value::TextList((0..dice.roll(4)).map(|_| (*dice.pick(&TEXTS)).to_owned()).collect()))
}

fn date(dice: &mut Dice) -> Value {
    maybe(dice, |dice| Value::Date(*dice.pick(&days())))
}

fn amount(dice: &mut Dice) -> Value {
    maybe(dice, |dice| decimal(dice.pick::<&str>(&AMOUNTS)))
}

fn number(dice: &mut Dice) -> Value {
    maybe(dice, |dice| Value::Integer(*dice.pick(&[0, 1, 50, 80, 500, -7])))
}

fn boolean(dice: &mut Dice) -> Value {
    maybe(dice, |dice| Value::Boolean(dice.roll(2) == 0))
}

pub fn world(dice: &[u8]) -> World {
    let mut dice = Dice(dice);
    let dice = &mut dice;
    let mut world = World::default();
    for _ in 0..1 + dice.roll(5) {
        let fields = [
            ("job_title", any_text(dice)),
            ("department", any_text(dice)),
            ("rating", float(dice)),
            ("departments", texts(dice)),
            ("person_score", number(dice)),
            ("annual_revenue", amount(dice)),
            ("is_unsubscribed", boolean(dice)),
            ("created_date", instant(dice)),
            ("birthday", date(dice)),
        ];
        world.add("person", &fields, &[]);
    }
    for _ in 0..dice.roll(5) {
        let fields = [
            ("name", any_text(dice)),
            ("industry", some_text(dice, &TEXTS)),
            ("number_of_employees", number(dice)),
            ("annual_revenue", amount(dice)),
            ("annual_revenue_currency", some_text(dice, &CURRENCIES)),
        ];
        world.add("account", &fields, &[]);
    }
    let accounts = world.count("account");
    let parent = super::world::relation("account", "parent");
    for row in 0..accounts {
        world.names[parent][row] = one_of(dice, accounts);
    }
    let persons = world.count("person");
    for _ in 0..dice.roll(3) {
        world.add(
            "campaign",
            &[
                ("name", some_text(dice, &TEXTS)),
                ("budgeted_cost", amount(dice)),
                ("actual_cost", amount(dice)),
                ("actual_cost_currency", some_text(dice, &CURRENCIES)),
            ],
            &[],
        );
    }
    let campaigns = world.count("campaign");
    between(&mut world, dice, 8, "person_component", ("person", persons), ("account", accounts), |dice| {
        vec![("person_score", number(dice))]
    });
    between(&mut world, dice, 6, "account_person", ("person", persons), ("account", accounts), |dice| {
        vec![("person_role", some_text(dice, &TEXTS)), ("is_active", boolean(dice)), ("relation_end_date", date(dice))]
    });
    between(&mut world, dice, 6, "account_relation", ("account", accounts), ("related_account", accounts), |dice| {
        vec![
            ("relation_role", some_text(dice, &TEXTS)),
            ("is_active", boolean(dice)),
            ("relation_end_date", date(dice)),
        ]
    });
    between(&mut world, dice, 6, "opportunity", ("account", accounts), ("campaign", campaigns), |dice| {
        vec![
            ("is_closed", boolean(dice)),
            ("is_won", boolean(dice)),
            ("amount", amount(dice)),
            ("amount_currency", some_text(dice, &CURRENCIES)),
            ("quantity", amount(dice)),
            ("stage", some_text(dice, &TEXTS)),
            ("actual_close_date", date(dice)),
        ]
    });
    let opportunities = world.count("opportunity");
    between(&mut world, dice, 7, "opportunity_person", ("person", persons), ("opportunity", opportunities), |dice| {
        vec![("person_role", some_text(dice, &TEXTS)), ("is_primary", boolean(dice))]
    });
    between(&mut world, dice, 5, "campaign_member", ("person", persons), ("campaign", campaigns), |dice| {
        vec![("member_status", some_text(dice, &TEXTS)), ("has_responded", boolean(dice))]
    });
    between(&mut world, dice, 5, "subscription", ("account", accounts), ("nothing", 0), |dice| {
        vec![
            ("product", some_text(dice, &TEXTS)),
            ("seats", number(dice)),
            ("fee", amount(dice)),
            ("fee_currency", some_text(dice, &CURRENCIES)),
            ("ends", date(dice)),
        ]
    });
    let components = world.count("person_component");
    let mut events = Vec::new();
    for _ in 0..dice.roll(12) {
        events.push((
            one_of(dice, persons),
            one_of(dice, components),
            [("type", some_text(dice, &TYPES)), ("page", some_text(dice, &PAGES)), ("time", instant(dice))],
        ));
    }
    // In the order of persons, as events are kept; or in none.
    if dice.roll(2) == 0 {
        events.sort_by_key(|(person, ..)| person.unwrap_or(usize::MAX));
    }
    for (person, component, fields) in events {
        let names = [("person", person), ("component", component)];
        let names: Vec<_> = names.into_iter().filter_map(|(name, to)| Some((name, to?))).collect();
        world.add("activity", &fields, &names);
    }
    for audience in ["persons", "accounts"] {
        let most = if audience == "persons" { persons } else { accounts };
        let members = (0..most).filter(|_| dice.roll(2) == 0).collect();
        world.members.insert(audience.to_owned(), members);
    }
    if dice.roll(4) == 3 {
        world.rates.remove("EUR");
    }
    world
}

fn one_of(dice: &mut Dice, count: usize) -> Option<usize> {
    let sides = u8::try_from(count + 1).expect("a small world");
    Some(usize::from(dice.roll(sides))).filter(|one| *one < count)
}

fn between(
    world: &mut World,
    dice: &mut Dice,
    most: u8,
    of: &str,
    one: (&str, usize),
    other: (&str, usize),
    fields: impl Fn(&mut Dice) -> Vec<(&'static str, Value)>,
) {
    for _ in 0..dice.roll(most) {
        let names = [(one.0, one_of(dice, one.1)), (other.0, if other.1 > 0 { one_of(dice, other.1) } else { None })];
        let names: Vec<_> = names.into_iter().filter_map(|(name, to)| Some((name, to?))).collect();
        let fields = fields(dice);
        world.add(of, &fields, &names);
    }
}
