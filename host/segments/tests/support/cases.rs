//! For every kind of node a segment that is true for person 0 of [`world`], one that is false, one that is unknown.

use super::scalar::generate::NOW;
use super::world::{World, decimal, text};
use attiva_core::Value;

/// Person 0 has a value in a field of every type, and a field of every type that is null; person 1 has nothing, person 2 a
/// float that is no number.
pub fn world() -> World {
    let mut world = World::default();
    let fields = [
        ("job_title", text("CMO")),
        ("person_score", Value::Integer(50)),
        ("annual_revenue", decimal("1000000.10")),
        ("created_date", Value::Timestamp(NOW - 1)),
        ("is_unsubscribed", Value::Boolean(true)),
        ("is_converted", Value::Boolean(false)),
        ("departments", Value::TextList(vec!["vip".into()])),
        ("birthday", Value::Date(20_780)),
        ("department", text("\u{a0} HR;People\t\u{2003}")),
        ("rating", Value::Float(2.5)),
    ];
    let person = world.add("person", &fields, &[]);
    world.add("person", &[], &[]);
    world.add("person", &[("rating", Value::Float(f64::NAN))], &[]);
    let account = |world: &mut World, name: &str, revenue: &str, currency: &str| {
        let fields =
            [("name", text(name)), ("annual_revenue", decimal(revenue)), ("annual_revenue_currency", text(currency))];
        world.add("account", &fields, &[])
    };
    let (acme, bodea) = (account(&mut world, "Acme", "100", "USD"), account(&mut world, "Bodea", "100", "EUR"));
    let other = account(&mut world, "Other", "100", "GBP");
    for to in [acme, bodea] {
        world.add("person_component", &[("person_score", Value::Integer(7))], &[("person", person), ("account", to)]);
    }
    world.add("opportunity_person", &[("person_role", text("Decision Maker"))], &[("person", person)]);
    let won =
        world.add("opportunity", &[("amount", decimal("10")), ("amount_currency", text("GBP"))], &[("account", other)]);
    world.add("opportunity_person", &[("person_role", text("User"))], &[("person", person), ("opportunity", won)]);
    for (kind, ago) in [("view", 3), ("click", 2), ("form", 1)] {
        let fields = [("type", text(kind)), ("time", Value::Timestamp(NOW - ago * 3_600_000))];
        world.add("activity", &fields, &[("person", person)]);
    }
    world.members.insert("persons".into(), vec![person]);
    world.members.insert("others".into(), vec![]);
    world
}

/// Kind, true, false, unknown; empty: there is no such.
pub const CASES: &[(&str, [&str; 3])] = &[
    ("Const", ["1 < 2", "\"a\" == \"b\"", "true ? null : false"]),
    (
        "And",
        [
            "person.person_score > 1 && person.person_score < 99",
            "person.person_score > 1 && person.matched_account_score < 9 && person.person_score > 99",
            "person.person_score > 1 && person.matched_account_score < 9",
        ],
    ),
    (
        "Or",
        [
            "person.matched_account_score > 1 || person.person_score < 99",
            "person.person_score < 1 || person.person_score > 99",
            "person.person_score < 1 || person.matched_account_score < 9",
        ],
    ),
    ("Not", ["!person.is_converted", "!person.is_unsubscribed", "!person.is_blocked"]),
    ("Eq", ["person.job_title == \"CMO\"", "person.person_score == 49", "person.matched_account_score == 1"]),
    (
        "Ne",
        [
            "person.annual_revenue != 1000000",
            "person.created_date != now - days(0) && person.job_title != \"CMO\"",
            "person.city != \"x\"",
        ],
    ),
    ("Lt", ["person.created_date < now", "person.person_score < 50", "person.converted_date < now"]),
    ("Le", ["person.annual_revenue <= 1000000.1", "person.job_title <= \"CIO\"", "person.matched_account_score <= 1"]),
    ("Gt", ["person.annual_revenue > 1000000.09", "person.created_date > now", "person.converted_date > now"]),
    ("Ge", ["person.person_score >= 50", "person.birthday >= \"2026-11-24\"", "person.converted_date >= now"]),
    (
        "In",
        [
            "person.job_title in [\"CIO\", \"CMO\"]",
            "person.person_score in [1, 2]",
            "person.person_score in [1, person.matched_account_score]",
        ],
    ),
    ("InList", ["\"vip\" in person.departments", "person.job_title in person.departments", "\"vip\" in person.ecids"]),
    ("IsNull", ["person.city == null", "person.job_title == null", ""]),
    (
        "Contains",
        ["person.job_title.contains(\"M\")", "person.job_title.contains(\"m\")", "person.city.contains(\"x\")"],
    ),
    (
        "StartsWith",
        [
            "person.job_title.startsWith(\"C\")",
            "person.job_title.startsWith(\"M\")",
            "person.job_title.startsWith(person.city)",
        ],
    ),
    (
        "EndsWith",
        ["person.job_title.endsWith(\"O\")", "person.job_title.endsWith(\"C\")", "person.city.endsWith(\"O\")"],
    ),
    ("Flag", ["person.is_unsubscribed", "coalesce(person.is_blocked, person.is_converted)", "person.is_blocked"]),
    (
        "Exists",
        [
            "person.accounts.exists(a, a.name == \"Bodea\")",
            "person.accounts.exists(a, a.name == \"Other\" || a.domain == \"x\")",
            "",
        ],
    ),
    ("All", ["person.accounts.all(a, has(a.name))", "person.accounts.all(a, a.domain != \"x\")", ""]),
    ("None", ["person.accounts.none(a, a.domain == \"x\")", "person.accounts.none(a, a.name == \"Acme\")", ""]),
    (
        "ExistsOne",
        ["person.accounts.exists_one(a, a.name == \"Acme\")", "person.accounts.exists_one(a, has(a.name))", ""],
    ),
    (
        "AtLeast",
        ["person.accounts.atLeast(2, a, has(a.name))", "person.accounts.atLeast(2, a, a.name == \"Acme\")", ""],
    ),
    (
        "ShareOf",
        [
            "person.accounts.shareOf(0.5, a, a.name == \"Acme\")",
            "person.accounts.shareOf(0.51, a, a.name == \"Acme\")",
            "",
        ],
    ),
    (
        "Sequence",
        [
            "sequence(events, step(e, e.type == \"view\"), within(hours(3)), notBetween(e, e.type == \"open\"), step(e, e.type == \"form\"))",
            "sequence(events, step(e, e.type == \"view\"), notBetween(e, e.type == \"click\"), step(e, e.type == \"form\"))",
            "",
        ],
    ),
    ("InAudience", ["inAudience(\"persons\")", "inAudience(\"others\")", "inAudience(\"nobody knows\")"]),
    (
        "Count",
        [
            "events.size() == 3",
            "events.filter(e, e.page == \"x\").size() > 0",
            "events.size() > person.matched_account_score",
        ],
    ),
    (
        "Sum",
        [
            "person.components.sum(c, c.person_score) == 14",
            "person.account_relations.sum(r, r.matching_score) != 0",
            "person.opportunities_by_role.sum(o, o.amount) > 0",
        ],
    ),
    (
        "Min",
        [
            "events.min(e, e.time) == now - hours(3)",
            "person.accounts.min(a, a.annual_revenue) > 100",
            "person.accounts.min(a, a.number_of_employees) > 0",
        ],
    ),
    (
        "Max",
        [
            "events.max(e, e.time) > now - hours(2)",
            "person.accounts.max(a, a.annual_revenue) < 125",
            "person.opportunities_by_role.max(o, o.quantity) > 0",
        ],
    ),
    (
        "Average",
        [
            "person.accounts.average(a, a.annual_revenue) == 112.5",
            "person.components.average(c, c.person_score) < 7",
            "person.accounts.average(a, a.number_of_employees) > 0",
        ],
    ),
    (
        "Hop",
        [
            "person.opportunity_relations.exists(r, r.opportunity.account.name == \"Other\")",
            "person.opportunity_relations.all(r, r.opportunity.account.name == \"Other\")",
            "person.account.name == \"x\"",
        ],
    ),
    (
        "Money",
        [
            "person.accounts.exists(a, a.annual_revenue >= 125)",
            "person.accounts.exists(a, a.annual_revenue > money(100, \"EUR\"))",
            "money(1, \"GBP\") > 0",
        ],
    ),
];
