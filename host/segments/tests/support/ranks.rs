//! The first of an order, with answers known by hand.

use super::world::{World, decimal, text};
use attiva_core::Value;
use attiva_core::ranking::RankOrder::{self, Ascending, Descending};

/// Who meets the rule, by what they are put in order, how many belong, and who these are.
pub struct Case {
    pub rule: &'static str,
    pub by: &'static str,
    pub order: RankOrder,
    pub limit: usize,
    pub expected: &'static [usize],
}

/// Six persons by their points: two have as many, one has none. The first four have deals: a dollar's worth, a few euros
/// (each a dollar and a quarter), two small ones, and one in yen, of which there is no rate.
pub fn world() -> World {
    let mut world = World::default();
    let points =
        [(Some(5), "HR"), (Some(9), "HR"), (None, "HR"), (Some(9), "HR"), (Some(50), "Sales"), (Some(1), "HR")];
    for (score, department) in points {
        let score = score.map_or(Value::Null, Value::Integer);
        world.add("person", &[("person_score", score), ("department", text(department))], &[]);
    }
    let deals = [(0, "100", "USD"), (1, "90", "EUR"), (2, "60", "USD"), (2, "50.5", "USD"), (3, "1000000", "JPY")];
    for (who, amount, currency) in deals {
        let deal = world.add("opportunity", &[("amount", decimal(amount)), ("amount_currency", text(currency))], &[]);
        world.add("opportunity_person", &[], &[("person", who), ("opportunity", deal)]);
    }
    world
}

const HR: &str = "person.department == \"HR\"";
const POINTS: &str = "person.person_score";
const SUM: &str = "person.opportunities_by_role.sum(o, o.amount)";
const COUNT: &str = "person.opportunities_by_role.size()";
const MOST: &str = "person.opportunities_by_role.max(o, o.amount)";

const fn case(
    rule: &'static str,
    by: &'static str,
    order: RankOrder,
    limit: usize,
    expected: &'static [usize],
) -> Case {
    Case { rule, by, order, limit, expected }
}

pub const CASES: &[Case] = &[
    // Of two with nine points, who was known first.
    case(HR, POINTS, Descending, 1, &[1]),
    case(HR, POINTS, Descending, 2, &[1, 3]),
    // Who has no points is behind all that have some, whichever way the order goes, and belongs where there is room.
    case(HR, POINTS, Descending, 4, &[0, 1, 3, 5]),
    case(HR, POINTS, Ascending, 1, &[5]),
    case(HR, POINTS, Ascending, 4, &[0, 1, 3, 5]),
    case(HR, POINTS, Descending, 5, &[0, 1, 2, 3, 5]),
    case(HR, POINTS, Ascending, 5, &[0, 1, 2, 3, 5]),
    case(HR, POINTS, Descending, 90, &[0, 1, 2, 3, 5]),
    // The rule first, then the order: the most points are no one's who meets it.
    case("true", POINTS, Descending, 1, &[4]),
    case("false", POINTS, Descending, 3, &[]),
    // A rule that is unknown of somebody keeps them out before anybody is put in order.
    case("person.person_score > 4", POINTS, Ascending, 2, &[0, 1]),
    case("!(person.person_score > 4)", POINTS, Descending, 9, &[5]),
    // In one currency: 112.5, 110.5 and 100; a sum of nothing is nothing, one without a rate has no value.
    case("true", SUM, Descending, 1, &[1]),
    case("true", SUM, Descending, 2, &[1, 2]),
    case("true", SUM, Descending, 3, &[0, 1, 2]),
    case("true", SUM, Descending, 5, &[0, 1, 2, 4, 5]),
    case("true", SUM, Ascending, 2, &[4, 5]),
    case("true", COUNT, Descending, 1, &[2]),
    case("true", MOST, Descending, 2, &[0, 1]),
];
