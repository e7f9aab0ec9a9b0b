//! A small company's data with hand-known answers: who is a member of each example of the guide, and why not the rest.
//! "Today" is 2026-11-23, 10:00 UTC. A euro is 1.25 dollars; of the pound there is no rate.

use super::scalar::generate::NOW;
use super::world::{World, decimal, text};
use attiva_core::Value;
use attiva_core::time::{parse_date, parse_timestamp};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

pub const ANN: usize = 0;
pub const BOB: usize = 1;
pub const CID: usize = 2;
pub const DEE: usize = 3;
pub const EVE: usize = 4;
pub const FOX: usize = 5;
pub const GUS: usize = 6;
pub const HAL: usize = 7;
pub const IVY: usize = 8;

pub const ACME: usize = 0;
pub const BODEA: usize = 1;
pub const CYBERDYNE: usize = 2;
pub const DUFF: usize = 3;
pub const EMPTY: usize = 4;
pub const BLANK: usize = 5;
pub const SUB: usize = 6;

/// The name of each example, what it is about, and its members.
pub const EXPECTED: &[(&str, &[usize])] = &[
    // Hal's and Fox's opportunity is one of Acme's, as Ann's second and Bob's.
    ("Decision-makers in finance", &[ANN, BOB, FOX, HAL]),
    // Bob booked in between; Dee asked three days later to the millisecond.
    ("Read the pricing page, then asked, within three days and without booking in between", &[ANN]),
    // By the latest result, in which Hal is not yet; Bob was there 25 hours ago.
    ("Streaming on top of batch", &[ANN]),
    ("Decision-makers", &[ANN, BOB, CID, DEE, FOX, HAL]),
    ("Assigned to an opportunity over a million", &[ANN, BOB, DEE]),
    ("Big deals in Canada", &[ANN, BOB, DEE]),
    // The other path: Bob is no Acme man, and Fox and Gus are named on nothing.
    ("Everyone at a company with a big deal in Canada", &[ANN, DEE, FOX, GUS]),
    // Fox was there exactly three days ago.
    ("Decision-makers in finance who looked at the price", &[ANN, BOB, HAL]),
    // Ann has an open one; Dee's closed too long ago.
    ("Win-back", &[HAL]),
    // Cid is in Sales as well, Dee's list is empty, and of the others there is none.
    ("In HR or People, and in nothing else", &[ANN, BOB]),
    // Through both of her accounts, once; one deal is a million to the cent in euros.
    ("HR with open pipeline", &[ANN]),
    // Cid's and Fox's companies are each other's parents.
    ("HR with open pipeline, parents too", &[ANN, IVY]),
    // Gus' third visit was exactly a month ago; Dee's company has pounds.
    ("Vice Presidents circling", &[ANN]),
    // Bob has 80, Cid has none.
    ("Score over 80", &[ANN, DEE]),
    // Fox' relation ended yesterday, Bob's may not be active; he is in by his company's parent.
    ("Parent power", &[ANN, BOB, EVE, IVY]),
    ("Sales with an open opportunity", &[BOB]),
    // Ann's has no budget, Dee's is in two currencies of which one has no rate; Cid's both are pounds.
    ("Campaign overspend", &[BOB, CID]),
    ("Anniversary users", &[ANN, EVE]),
    // Bodea has a CIO; Empty has nobody.
    ("Buying-group gap", &[CYBERDYNE, EMPTY]),
    // Cyberdyne has Y too.
    ("Cross-sell", &[BODEA]),
    ("No COO or CMO", &[ACME, BODEA, CYBERDYNE, DUFF, EMPTY, SUB]),
    ("Half the contacts have been here", &[ACME, BODEA, CYBERDYNE, DUFF, BLANK]),
    // Bodea's ends later than that.
    ("A competitor's product", &[ACME]),
];

fn date(text: &str) -> Value {
    Value::Date(parse_date(text).expect("a date"))
}

pub fn world() -> World {
    let mut world = World::default();
    let w = &mut world;
    accounts(w);
    persons(w);
    opportunities(w);
    campaigns(w);
    events(w);
    w.members.insert("decision-makers-in-finance".into(), vec![ANN, BOB, FOX]);
    world
}

fn accounts(w: &mut World) {
    let mut add = |name: &str, industry: &str, country: &str, revenue: (&str, &str), employees: i64| {
        let fields = [
            ("name", text(name)),
            ("industry", text(industry)),
            ("billing_country", text(country)),
            ("annual_revenue", decimal(revenue.0)),
            ("annual_revenue_currency", text(revenue.1)),
            ("number_of_employees", Value::Integer(employees)),
        ];
        w.add("account", &fields, &[])
    };
    add("Acme", "Finance", "Canada", ("150000000", "USD"), 600);
    add("Bodea", "Technology", "Germany", ("90000000", "EUR"), 700);
    add("Cyberdyne", "Technology", "USA", ("100000000.00", "GBP"), 500);
    add("Duff", "Retail", "Canada", ("50000000", "USD"), 90);
    add("Empty", "Technology", "Canada", ("1", "USD"), 800);
    w.add("account", &[], &[]);
    w.add("account", &[("name", text("Sub"))], &[]);
    let parent = super::world::relation("account", "parent");
    for (child, of) in [(BODEA, ACME), (CYBERDYNE, DUFF), (DUFF, CYBERDYNE), (SUB, BODEA)] {
        w.names[parent][child] = Some(of);
    }
    for (account, product, ends) in
        [(ACME, "Competitor", "2027-01-01"), (BODEA, "Competitor", "2027-03-01"), (CYBERDYNE, "Ours", "2027-01-01")]
    {
        w.add("subscription", &[("product", text(product)), ("ends", date(ends))], &[("account", account)]);
    }
}

fn persons(w: &mut World) {
    let some = |word: &str| if word.is_empty() { Value::Null } else { text(word) };
    let number = |n: Option<i64>| n.map_or(Value::Null, Value::Integer);
    let list = |texts: &[&str]| Value::TextList(texts.iter().map(|text| (*text).to_owned()).collect());
    let departments = [list(&["HR", "People"]), list(&["People"]), list(&["HR", "Sales"]), list(&[])];
    let departments = departments.into_iter().chain(std::iter::repeat(Value::Null));
    for ((department, title, score, at), departments) in [
        ("HR", "Vice President", Some(90), &[ACME, BODEA][..]),
        ("Sales", "CIO", Some(80), &[BODEA]),
        ("HR", "Manager", None, &[CYBERDYNE]),
        ("Sales", "Vice President", Some(81), &[CYBERDYNE, DUFF]),
        ("", "", None, &[]),
        ("HR", "", Some(-1), &[DUFF]),
        ("Board", "Vice President", Some(1), &[ACME]),
        ("Sales", "CMO", Some(2), &[BLANK]),
        ("HR", "Clerk", Some(3), &[SUB]),
    ]
    .into_iter()
    .zip(departments)
    {
        let fields = [
            ("department", some(department)),
            ("departments", departments),
            ("job_title", some(title)),
            ("person_score", number(score)),
        ];
        let person = w.add("person", &fields, &[]);
        for account in at {
            w.add("person_component", &[], &[("person", person), ("account", *account)]);
        }
    }
    let (yes, no_end) = (Value::Boolean(true), Value::Null);
    for (person, active, until) in
        [(EVE, yes.clone(), no_end), (FOX, yes, date("2026-11-22")), (BOB, Value::Null, Value::Null)]
    {
        let fields = [("person_role", text("Manager")), ("is_active", active), ("relation_end_date", until)];
        w.add("account_person", &fields, &[("person", person), ("account", ACME)]);
    }
    let lists = ["Anniversary users", "Others"].map(|name| w.add("marketing_list", &[("name", text(name))], &[]));
    for (person, list) in [(ANN, lists[0]), (EVE, lists[0]), (BOB, lists[1])] {
        w.add("marketing_list_member", &[], &[("person", person), ("marketing_list", list)]);
    }
}

fn opportunities(w: &mut World) {
    let mut add =
        |account, amount: (&str, &str), kind: &str, state: (bool, bool), closed: Option<&str>, stage: &str| {
            let fields = [
                ("amount", decimal(amount.0)),
                ("amount_currency", text(amount.1)),
                ("opportunity_type", text(kind)),
                ("is_closed", Value::Boolean(state.0)),
                ("is_won", Value::Boolean(state.1)),
                ("actual_close_date", closed.map_or(Value::Null, date)),
                ("stage", text(stage)),
            ];
            w.add("opportunity", &fields, &[("account", account)])
        };
    let (open, lost, won) = ((false, false), (true, false), (true, true));
    let big = add(ACME, ("2000000", "USD"), "X", open, None, "Negotiation");
    add(BODEA, ("800000.00", "EUR"), "Y", open, None, "Prospect");
    let lost_this_year = add(ACME, ("500000", "USD"), "X", lost, Some("2026-05-01"), "Lost");
    add(BODEA, ("10", "USD"), "X", won, Some("2026-06-01"), "Won");
    let robots = add(CYBERDYNE, ("10", "USD"), "X", won, Some("2026-05-20"), "Won");
    add(CYBERDYNE, ("10", "USD"), "Y", won, Some("2026-01-01"), "Won");
    let beer = add(DUFF, ("3000000", "USD"), "X", lost, Some("2025-11-01"), "Lost");
    for (person, role, opportunity) in [
        (BOB, "Decision Maker", big),
        (ANN, "User", big),
        (ANN, "Decision Maker", lost_this_year),
        (DEE, "Decision Maker", beer),
        (CID, "Decision Maker", robots),
        (FOX, "Decision Maker", lost_this_year),
        (HAL, "Decision Maker", lost_this_year),
    ] {
        w.add(
            "opportunity_person",
            &[("person_role", text(role))],
            &[("person", person), ("opportunity", opportunity)],
        );
    }
}

fn campaigns(w: &mut World) {
    for (person, budget, cost) in [
        (BOB, Some(("100", "USD")), ("150", "EUR")),
        (ANN, None, ("10", "USD")),
        (CID, Some(("100", "GBP")), ("120", "GBP")),
        (DEE, Some(("100", "GBP")), ("500", "USD")),
    ] {
        let mut fields = vec![("actual_cost", decimal(cost.0)), ("actual_cost_currency", text(cost.1))];
        if let Some((amount, currency)) = budget {
            fields.extend([("budgeted_cost", decimal(amount)), ("budgeted_cost_currency", text(currency))]);
        }
        let campaign = w.add("campaign", &fields, &[]);
        w.add("campaign_member", &[], &[("person", person), ("campaign", campaign)]);
    }
}

fn events(w: &mut World) {
    let a_month_ago = parse_timestamp("2026-10-23T10:00:00Z").expect("an instant");
    let mut view = |person: usize, at: i64| event(w, person, "web.webpagedetails.pageViews", ("page", "/pricing"), at);
    for at in [NOW - 2 * HOUR, NOW - 10 * DAY, NOW - 20 * DAY, a_month_ago] {
        view(ANN, at);
    }
    view(BOB, NOW - 25 * HOUR);
    view(CID, NOW - HOUR);
    view(DEE, NOW - 20 * DAY);
    view(FOX, NOW - 3 * DAY);
    for at in [NOW, NOW - 5 * DAY, a_month_ago] {
        view(GUS, at);
    }
    view(HAL, NOW - DAY);
    for (person, form, at) in [
        (ANN, "Ask", NOW - 9 * DAY),
        (BOB, "Book", NOW - 24 * HOUR),
        (BOB, "Ask", NOW - 23 * HOUR),
        (DEE, "Ask", NOW - 17 * DAY),
    ] {
        event(w, person, "web.formFilledOut", ("form_name", form), at);
    }
}

fn event(w: &mut World, person: usize, kind: &str, what: (&str, &str), at: i64) {
    let fields = [("type", text(kind)), (what.0, text(what.1)), ("time", Value::Timestamp(at))];
    w.add("activity", &fields, &[("person", person)]);
}

/// The examples of the guide: what each is about, its name, its text.
pub fn examples(guide: &str) -> Vec<(&'static str, String, String)> {
    let mut examples: Vec<(&'static str, String, String)> = Vec::new();
    for block in guide.split("```cel\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        for line in block.lines() {
            let title = |about: &str| line.strip_prefix("// ").and_then(|l| l.strip_prefix(about)).map(str::to_owned);
            if let Some(name) = title("person: ") {
                examples.push(("person", name, String::new()));
            } else if let Some(name) = title("account: ") {
                examples.push(("account", name, String::new()));
            } else if let Some((_, _, text)) = examples.last_mut() {
                *text += line;
                text.push('\n');
            }
        }
    }
    examples
}
