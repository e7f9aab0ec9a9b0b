//! Every statement, run by SQLite: a member is who the naive reading says.

use attiva_core::model::EntityKind;
use attiva_segments::{NodeKind, Rank};
use attiva_segments_judge::statement::{first, members, segment, statement, statement_at, statement_of_first};
use attiva_segments_judge::support::bodea;
use attiva_segments_judge::support::cases::{CASES, world as world_of_cases};
use attiva_segments_judge::support::ranks::{self, Case};
use attiva_segments_judge::support::scalar::check_cases_of;
use attiva_segments_judge::support::sets;
use attiva_segments_judge::support::world::World;
use attiva_segments_judge::support::worlds::world;
use attiva_segments_judge::support::{checked, planned};
use attiva_segments_judge::support::{clock, functions};
use attiva_segments_judge::tables::{Cell, open_tables};
use proptest::test_runner::TestCaseError;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};
use std::cell::Cell as Counter;

fn load(world: &World) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for table in open_tables(world) {
        let columns: Vec<String> = table.columns.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
        connection.execute(&format!("CREATE TABLE {} ({})", table.name, columns.join(", ")), []).unwrap();
        let places = vec!["?"; table.columns.len()].join(", ");
        for row in &table.rows {
            let cells = row.iter().map(|cell| match cell {
                Cell::Null => SqlValue::Null,
                Cell::Boolean(b) => SqlValue::Integer(i64::from(*b)),
                Cell::Whole(i) => SqlValue::Integer(*i),
                Cell::Float(float) => SqlValue::Real(*float),
                Cell::Decimal(number) => SqlValue::Real(number.parse().unwrap()),
                Cell::Text(text) => SqlValue::Text(text.clone()),
            });
            connection
                .execute(&format!("INSERT INTO {} VALUES ({places})", table.name), params_from_iter(cells))
                .unwrap();
        }
    }
    connection
}

fn run(connection: &Connection, statement: &str) -> Result<Vec<i64>, rusqlite::Error> {
    let mut prepared = connection.prepare(statement)?;
    let mut found: Vec<i64> = prepared.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    found.sort_unstable();
    Ok(found)
}

#[test]
fn random_statements_name_the_members_of_the_naive_reading() {
    let (ran, refused) = (Counter::new(0), Counter::new(0));
    check_cases_of(2_000, 400, 500, |dice, world_dice| {
        let Some((root, checked, plan)) = segment(dice) else { return Ok(()) };
        let world = world(world_dice);
        let statement = match statement(&plan, &world) {
            Ok(statement) => statement,
            Err(problem) => {
                refused.set(refused.get() + 1);
                assert!(!problem.message.is_empty());
                return Ok(());
            }
        };
        let Some(expected) = members(&checked, root, &world) else { return Ok(()) };
        ran.set(ran.get() + 1);
        match run(&load(&world), &statement) {
            Ok(found) if found == expected => Ok(()),
            other => {
                let message =
                    format!("{}\n{statement}\nnaive {expected:?}, SQLite {other:?}\n{world:?}", checked.text());
                Err(TestCaseError::fail(message))
            }
        }
    });
    assert!(ran.get() > 10 * refused.get(), "{} ran, {} were refused", ran.get(), refused.get());
}

/// Whether the first person of a world belongs.
fn is_member(connection: &Connection, world: &World, text: &str) -> bool {
    let statement = statement(&planned(text, EntityKind::Person), world).unwrap_or_else(|p| panic!("{text}: {p}"));
    run(connection, &statement).unwrap_or_else(|e| panic!("{text}\n{statement}\n{e}")).contains(&0)
}

#[test]
fn every_node_is_met_true_false_and_unknown() {
    let world = world_of_cases();
    let connection = load(&world);
    let is_member = |text: &str| is_member(&connection, &world, text);
    for kind in NodeKind::ALL {
        let name = format!("{kind:?}");
        let cases = CASES.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name} has no cases"));
        for (text, truth) in cases.1.iter().zip([Some(true), Some(false), None]).filter(|(text, _)| !text.is_empty()) {
            let answer = match (is_member(text), is_member(&format!("!({text})"))) {
                (true, false) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
                (true, true) => panic!("{text} is true, and its negation too"),
            };
            assert_eq!(answer, truth, "{text}");
        }
    }
}

#[test]
fn every_function_is_met_true_false_and_unknown() {
    let world = world_of_cases();
    let connection = load(&world);
    let is_member = |text: &str| is_member(&connection, &world, text);
    for (_, texts) in functions::CASES {
        for (text, truth) in texts.iter().zip([(true, false), (false, true), (false, false)]) {
            assert_eq!((is_member(text), is_member(&format!("!({text})"))), truth, "{text}");
        }
    }
}

/// What has no statement says why, and what to do instead.
#[test]
fn what_has_no_statement_is_refused() {
    let world = world_of_cases();
    for (text, says) in functions::REFUSED {
        let problem = statement(&planned(text, EntityKind::Person), &world).expect_err(text);
        assert!(problem.message.contains(says), "{text}: {problem}");
    }
}

/// What is asked for more than once is not written more than once at each level: a statement is short, or it is refused.
#[test]
fn a_statement_does_not_double_with_every_level() {
    let world = world_of_cases();
    let connection = load(&world);
    let of_levels = |inner: &str, wrap: &dyn Fn(&str) -> String, levels: usize| {
        (0..levels).fold(inner.to_owned(), |text, _| wrap(&text))
    };
    let cases: [(&str, &dyn Fn(&str) -> String, &str, usize); 8] = [
        ("person.department", &|it| format!("{it}.trim()"), "{} == \"HR;People\"", 24),
        ("person.department", &|it| format!("{it}.split(\";\").join(\"-\")"), "{} != \"\"", 12),
        ("person.person_score", &|it| format!("({it} / 1)"), "{} == 50", 24),
        ("person.person_score", &|it| format!("int(string({it}))"), "{} == 50", 12),
        ("person.annual_revenue", &|it| format!("({it} / 2)"), "{} > 0", 12),
        ("person.rating", &|it| format!("({it} * 1.0)"), "{} == 2.5", 24),
        ("person.job_title", &|it| format!("({it}.contains(\"M\") ? \"CMO\" : \"x\")"), "{} == \"CMO\"", 8),
        ("person.created_date", &|it| format!("timestamp(date({it}))"), "{} < now", 12),
    ];
    for (inner, wrap, compared, levels) in cases {
        let [short, long] = [levels / 4, levels].map(|n| compared.replace("{}", &of_levels(inner, wrap, n)));
        let made = |text: &str| {
            statement(&planned(text, EntityKind::Person), &world).unwrap_or_else(|p| panic!("{text}: {p}"))
        };
        let (short, statement) = (made(&short), made(&long));
        assert!(statement.len() < 8 * short.len(), "{long}: {} bytes after {}", statement.len(), short.len());
        let found = run(&connection, &statement).unwrap_or_else(|e| panic!("{long}\n{statement}\n{e}"));
        assert!(found.contains(&0), "{long}\n{statement}");
    }
    // What may fail is asked for before it is read, so this doubles; it ends soon.
    let text = of_levels("person.person_score", &|it| format!("coalesce(100 / {it}, 1)"), 14);
    let problem = statement(&planned(&format!("{text} > 0"), EntityKind::Person), &world).unwrap_err();
    assert!(problem.message.contains("bytes"), "{problem}");
}

#[test]
fn every_example_of_the_guide_has_its_members() {
    let world = bodea::world();
    let connection = load(&world);
    for (root, name, text) in bodea::examples(include_str!("../../../docs/segments.md")) {
        let statement = statement(&planned(&text, EntityKind::parse(root).unwrap()), &world).unwrap();
        let expected = bodea::EXPECTED.iter().find(|(of, _)| **of == name).unwrap().1;
        let expected: Vec<i64> = expected.iter().map(|member| i64::try_from(*member).unwrap()).collect();
        assert_eq!(run(&connection, &statement).unwrap(), expected, "{name}: {statement}");
    }
}

/// Months, leap days and the nights in which clocks change: the statement's instants are worked out before it is run.
#[test]
fn the_edges_of_the_calendar_have_their_members() {
    for (now, rule, world, expected) in clock::all() {
        let statement = statement_at(&planned(&rule, EntityKind::Person), &world, now);
        let statement = statement.unwrap_or_else(|p| panic!("{rule}: {p}"));
        let expected: Vec<i64> = expected.iter().map(|member| i64::try_from(*member).unwrap()).collect();
        assert_eq!(run(&load(&world), &statement).unwrap(), expected, "{rule}: {statement}");
    }
}

#[test]
fn operations_on_audiences_have_their_members() {
    let world = sets::world();
    let connection = load(&world);
    for (rule, expected) in sets::CASES {
        let statement = statement(&planned(rule, EntityKind::Person), &world).unwrap_or_else(|p| panic!("{rule}: {p}"));
        let expected: Vec<i64> = expected.iter().map(|member| i64::try_from(*member).unwrap()).collect();
        assert_eq!(run(&connection, &statement).unwrap(), expected, "{rule}: {statement}");
    }
}

#[test]
fn the_first_of_an_order_are_known_by_hand() {
    let world = ranks::world();
    let connection = load(&world);
    for Case { rule, by, order, limit, expected } in ranks::CASES {
        let rank = Rank::new(&checked(by, EntityKind::Person), *order, *limit).unwrap();
        let statement = statement_of_first(&planned(rule, EntityKind::Person), &rank, &world).unwrap();
        let expected: Vec<i64> = expected.iter().map(|member| i64::try_from(*member).unwrap()).collect();
        assert_eq!(run(&connection, &statement).unwrap(), expected, "{rule}, {limit} by {by}: {statement}");
    }
}

/// As the columns have them, of random worlds, whatever is missing.
#[test]
fn the_first_of_an_order_are_those_of_the_columns() {
    let cut = Counter::new(0);
    check_cases_of(400, 6, 500, |dice, world_dice| {
        let world = world(world_dice);
        let first = first(dice, &world).unwrap();
        cut.set(cut.get() + u32::from(first.is_cut));
        match run(&load(&world), &first.sql) {
            Ok(found) if found == first.members => Ok(()),
            other => Err(TestCaseError::fail(format!("{first:?}\nSQLite {other:?}\n{world:?}"))),
        }
    });
    assert!(cut.get() > 50, "an order cut somebody off in {} worlds", cut.get());
}
