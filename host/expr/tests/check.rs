//! What the checker accepts, and what it says about the rest.

use attiva_core::{DataType, Fault, FaultKind};
use attiva_expr::{DEPTH_MAX, NESTING_MAX, OPERATORS_MAX, Problem, Scope, check, check_as};

fn scope() -> Scope {
    let person = [
        ("job_title", DataType::Text),
        ("email", DataType::Text),
        ("person_score", DataType::Integer),
        ("annual_revenue", DataType::Decimal),
        ("rating", DataType::Float),
        ("is_unsubscribed", DataType::Boolean),
        ("created_date", DataType::Timestamp),
        ("birthday", DataType::Date),
        ("tags", DataType::TextList),
        ("raw", DataType::Json),
        ("Job Title", DataType::Text),
        ("package", DataType::Text),
    ];
    Scope::new().root("person", person.map(|(name, ty)| (name.to_owned(), ty)))
}

fn type_of(text: &str) -> DataType {
    check(text, &scope()).unwrap_or_else(|problems| panic!("{text}: {problems:?}")).data_type()
}

fn only_problem(text: &str) -> Problem {
    let mut problems = check(text, &scope()).expect_err(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    problems.remove(0)
}

#[test]
fn what_the_language_offers_has_its_type() {
    for (text, ty) in [
        ("person.email", DataType::Text),
        ("person.`Job Title`", DataType::Text),
        ("person.package", DataType::Text),
        (".person.email", DataType::Text),
        ("person.email + \"!\" + person.job_title", DataType::Text),
        ("person.person_score * 2 - 1", DataType::Integer),
        ("person.annual_revenue * 2 + person.person_score", DataType::Decimal),
        ("person.annual_revenue / 1.5", DataType::Decimal),
        ("person.rating * 2", DataType::Float),
        ("double(person.person_score) * person.rating", DataType::Float),
        ("now - days(30)", DataType::Timestamp),
        ("now() + hours(1)", DataType::Timestamp),
        ("date(now)", DataType::Date),
        ("person.tags", DataType::TextList),
        ("[person.email, \"x\"]", DataType::TextList),
        ("person.email.split(\"@\")", DataType::TextList),
        ("person.raw", DataType::Json),
        ("string(person.raw)", DataType::Text),
        ("person.job_title == \"CMO\" && !person.is_unsubscribed", DataType::Boolean),
        ("person.job_title in [\"CMO\", \"CIO\"]", DataType::Boolean),
        ("\"vip\" in person.tags", DataType::Boolean),
        ("has(person.email) || person.raw != null", DataType::Boolean),
        ("person.created_date >= \"2026-01-01\"", DataType::Boolean),
        ("person.created_date < timestamp(\"2026-01-01T00:00:00+02:00\")", DataType::Boolean),
        ("person.birthday == \"1980-02-29\"", DataType::Boolean),
        ("now - person.created_date > days(7)", DataType::Boolean),
        ("person.annual_revenue >= 1000000.10", DataType::Boolean),
        ("person.rating > 3", DataType::Boolean),
        ("person.email.trim().lowerAscii().endsWith(\".de\")", DataType::Boolean),
        ("person.person_score > 5 ? \"hot\" : person.person_score > 2 ? \"warm\" : null", DataType::Text),
        ("coalesce(person.job_title, person.`Job Title`, \"none\")", DataType::Text),
        ("1u + 0x10", DataType::Integer),
    ] {
        assert_eq!(type_of(text), ty, "{text}");
    }
}

#[test]
fn a_problem_has_a_code_a_place_and_a_way_out() {
    for (text, code, line, column, part) in [
        (
            "person.job_titel == \"x\"",
            Problem::UNKNOWN_NAME,
            1,
            8,
            "no field `job_titel` on person; did you mean `job_title`?",
        ),
        ("true &&\n  person.jobTitle == \"x\"", Problem::UNKNOWN_NAME, 2, 10, "did you mean `job_title`?"),
        ("\"é\" == person.nonsense", Problem::UNKNOWN_NAME, 1, 15, "no field `nonsense` on person"),
        ("perosn.email", Problem::UNKNOWN_NAME, 1, 1, "did you mean `person`?"),
        ("account.employees > 5", Problem::UNKNOWN_NAME, 1, 1, "no record is called `account`"),
        ("has(person.emial)", Problem::UNKNOWN_NAME, 1, 12, "did you mean `email`?"),
        ("email == \"x\"", Problem::UNKNOWN_NAME, 1, 1, "did you mean `person.email`?"),
        ("person == null", Problem::TYPE, 1, 1, "is a record"),
        ("person.email.domain", Problem::TYPE, 1, 14, "has no fields"),
        ("person.email > 5", Problem::TYPE, 1, 16, "cannot be compared; convert with int(x)"),
        ("person.email && true", Problem::TYPE, 1, 8, "wants a condition"),
        ("person.person_score ? 1 : 2", Problem::TYPE, 1, 8, "wants a condition"),
        ("true ? 1 : \"a\"", Problem::TYPE, 1, 12, "results of one choice"),
        ("person.person_score < null", Problem::TYPE, 1, 21, "null has no order"),
        ("person.annual_revenue == person.rating", Problem::TYPE, 1, 33, "decimals are exact"),
        ("person.person_score == person.rating", Problem::TYPE, 1, 31, "double(x)"),
        ("person.birthday < person.created_date", Problem::TYPE, 1, 26, "date(x)"),
        ("person.tags == person.tags", Problem::TYPE, 1, 13, "ask for an element"),
        ("person.raw == person.raw", Problem::TYPE, 1, 12, "JSON is not compared"),
        ("person.email in \"x\"", Problem::TYPE, 1, 17, "wants a list"),
        ("5 in person.tags", Problem::TYPE, 1, 1, "a list of text holds no an integer"),
        ("person.email in [null]", Problem::TYPE, 1, 18, "nothing equals null"),
        ("person.birthday + days(1)", Problem::TYPE, 1, 17, "not a date"),
        ("days(1)", Problem::TYPE, 1, 1, "cannot be the value of a field"),
        ("null", Problem::TYPE, 1, 1, "cannot be the value of a field"),
        ("-person.email", Problem::TYPE, 1, 1, "wants a number"),
        ("person.rating % 2.0", Problem::TYPE, 1, 15, "works on integers"),
        ("person.email.trim(1)", Problem::TYPE, 1, 14, "it takes 1"),
        ("days(person.email)", Problem::TYPE, 1, 13, "`days` takes an integer"),
        ("coalesce(person.email)", Problem::TYPE, 1, 1, "two or more"),
        ("person.tags.contains(\"x\")", Problem::TYPE, 1, 13, "write `\"x\" in list`"),
        ("person.created_date > \"yesterday\"", Problem::LITERAL, 1, 23, "is no instant"),
        ("person.birthday == \"2026-02-30\"", Problem::LITERAL, 1, 20, "is no date"),
        ("person.birthday == \"2026-02-03T10:00:00Z\"", Problem::LITERAL, 1, 20, "is no date"),
        ("timestamp(\"x\")", Problem::LITERAL, 1, 1, "is no instant"),
        ("int(\"x\") > 1", Problem::LITERAL, 1, 1, "is no integer"),
        ("person.rating > 9007199254740993", Problem::LITERAL, 1, 17, "exactly"),
        ("18446744073709551615u > 1", Problem::LITERAL, 1, 1, "64 bits"),
        ("person.email.lower()", Problem::UNKNOWN_NAME, 1, 14, "no function is called `lower`"),
        ("person.email.startswith(\"a\")", Problem::UNKNOWN_NAME, 1, 14, "did you mean `startsWith`?"),
        ("contains(person.email, \"a\")", Problem::UNKNOWN_NAME, 1, 1, "is written `x.contains(..)`"),
        ("person.email.string()", Problem::UNKNOWN_NAME, 1, 14, "is written `string(x)`"),
        ("person.email.matches(\"a\")", Problem::UNSUPPORTED, 1, 14, "regular expressions"),
        ("duration(\"24h\") > days(1)", Problem::UNSUPPORTED, 1, 1, "days(7)"),
        ("person.tags.exists(t, t == \"x\")", Problem::UNSUPPORTED, 1, 13, "`exists` goes through a collection"),
        ("person.tags.all(t, t == \"x\")", Problem::UNSUPPORTED, 1, 13, "`all` goes through a collection"),
        ("person.tags.filter(t, true)", Problem::UNSUPPORTED, 1, 13, "`filter` goes through a collection"),
        ("person.tags.map(t, t)", Problem::UNSUPPORTED, 1, 13, "`map` goes through a collection"),
        ("person.tags.exists(t)", Problem::UNSUPPORTED, 1, 13, "collection"),
        ("person.tags[0]", Problem::UNSUPPORTED, 1, 12, "not offered"),
        ("{\"a\": 1}", Problem::UNSUPPORTED, 1, 1, "one value"),
        ("Person{a: 1}", Problem::UNSUPPORTED, 1, 7, "one value"),
        ("has(person)", Problem::SYNTAX, 1, 5, "`has(record.field)`"),
        ("has(person.email, 1)", Problem::SYNTAX, 1, 1, "`has(record.field)`"),
        ("", Problem::SYNTAX, 1, 1, "breaks off"),
        ("person.", Problem::SYNTAX, 1, 8, "breaks off"),
        ("1 +", Problem::SYNTAX, 1, 4, "breaks off"),
        ("1 2", Problem::SYNTAX, 1, 3, "`2` is not expected here"),
        ("if == 1", Problem::SYNTAX, 1, 1, "reserved identifier"),
        ("9223372036854775808", Problem::SYNTAX, 1, 1, "invalid int literal"),
    ] {
        let problem = only_problem(text);
        assert_eq!((problem.code, problem.line, problem.column), (code, line, column), "{text}: {problem}");
        assert!(problem.message.contains(part), "{text}: {problem}");
    }
}

#[test]
fn an_expression_for_a_field_is_of_its_type() {
    for (text, wanted) in [
        ("person.job_title", DataType::Text),
        ("null", DataType::Text),
        ("person.person_score", DataType::Decimal),
        ("5", DataType::Float),
        ("\"2026-01-01\"", DataType::Timestamp),
        ("1.50", DataType::Decimal),
        ("has(person.email) ? null : null", DataType::Boolean),
        ("has(person.email) ? \"2026-01-01\" : coalesce(null, \"2026-01-02\")", DataType::Date),
        ("has(person.email) ? person.person_score : 0", DataType::Decimal),
    ] {
        let checked = check_as(text, &scope(), wanted).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        assert_eq!((checked.data_type(), checked.root().ty.data_type()), (wanted, Some(wanted)), "{text}");
    }
    for (text, wanted, part) in [
        ("person.job_title", DataType::Integer, "convert with int(x)"),
        ("person.rating", DataType::Decimal, "say which with decimal(x)"),
        ("\"soon\"", DataType::Date, "is no date"),
        ("now", DataType::Date, "write date(x)"),
        ("has(person.email) ? \"soon\" : null", DataType::Date, "is no date"),
    ] {
        let problems = check_as(text, &scope(), wanted).expect_err(text);
        assert!(problems[0].message.contains(part), "{text}: {problems:?}");
    }
}

#[test]
fn every_problem_is_told_at_once_in_the_order_of_the_text() {
    let problems = check("person.emial == \"x\" && person.person_score > \"y\" || foo(1)", &scope()).unwrap_err();
    let places: Vec<u32> = problems.iter().map(|p| p.column).collect();
    assert_eq!(places, [8, 46, 53], "{problems:?}");
    assert_eq!(problems[0].suggestion.as_deref(), Some("email"));
}

#[test]
fn a_problem_is_a_fault_of_the_configuration() {
    let fault = Fault::from(only_problem("person.emial"));
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "expr.unknown-name"));
    assert!(fault.message.starts_with("1:8: no field `emial`"), "{}", fault.message);
}

#[test]
fn a_clause_prints_as_people_write_it() {
    for (text, printed) in [
        ("person.annual_revenue>=1000000.10", "person.annual_revenue >= 1000000.10"),
        ("person.annual_revenue == 5", "person.annual_revenue == 5"),
        ("!(has(person.email)) && person.email != null", "!has(person.email) && has(person.email)"),
        ("person.created_date > \"2026-01-01\"", "person.created_date > timestamp(\"2026-01-01T00:00:00Z\")"),
        ("now-person.created_date > hours(48)", "now - person.created_date > days(2)"),
        ("(true || false) && true", "(true || false) && true"),
        ("person.`Job Title` == 'a\"b'", "person.`Job Title` == \"a\\\"b\""),
        // More than the parser reads as a number.
        (
            "person.annual_revenue > decimal(\"9223372036854775808\")",
            "person.annual_revenue > decimal(\"9223372036854775808\")",
        ),
    ] {
        let checked = check(text, &scope()).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        assert_eq!(checked.root().to_string(), printed);
    }
}

#[test]
fn slots_are_those_read_once_each() {
    let checked = check("person.email == \"x\" || person.job_title == person.email", &scope()).unwrap();
    assert_eq!(checked.slots(), [0, 1]);
    assert!(check("true", &scope()).unwrap().slots().is_empty());
}

/// Each on a thread with the stack of an ordinary worker, as the host would call it.
#[test]
fn too_large_is_refused_and_the_process_lives() {
    let ordinary = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let run = || {
        let nested = |deep: usize| "(".repeat(deep) + "true" + &")".repeat(deep);
        for (what, text) in [
            ("a chain of 4,000 terms", vec!["person.is_unsubscribed"; 4_000].join(" && ")),
            ("a sum of 4,000 terms", vec!["1"; 4_000].join(" + ")),
            ("one megabyte", format!("person.email == \"{}\"", "x".repeat(1024 * 1024))),
            ("10,000 brackets", nested(10_000)),
            ("10,000 brackets that never close", "(".repeat(10_000)),
            ("10,000 negations", "!".repeat(10_000) + "true"),
            ("4,000 choices", "true ? 1 : ".repeat(4_000) + "2"),
            ("4,000 members", vec!["person"; 4_000].join(".")),
        ] {
            let problem = only_problem(&text);
            assert_eq!(problem.code, Problem::TOO_LARGE, "{what}: {problem}");
        }
    };
    ordinary.spawn(run).unwrap().join().unwrap();
}

#[test]
fn the_largest_that_passes_is_checked_compiled_run_and_dropped_on_an_ordinary_stack() {
    let ordinary = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let run = || {
        let row = vec![attiva_core::Value::Null; scope().len()];
        let deep = |levels: usize| "-(".repeat(levels) + "person.person_score" + &")".repeat(levels);
        let terms = OPERATORS_MAX / 3;
        for text in [
            vec!["1 < 2"; terms].join(" && "),
            vec!["person.email"; terms].join(" + "),
            "true ? 1 : ".repeat(OPERATORS_MAX) + "2",
            format!("person.person_score in [{}]", vec!["7"; 4_900].join(",")),
            "(".repeat(NESTING_MAX) + "true" + &")".repeat(NESTING_MAX),
            "!".repeat(OPERATORS_MAX) + "true",
            deep(DEPTH_MAX - 1),
        ] {
            let checked = check(&text, &scope()).unwrap_or_else(|problems| panic!("{:.60}: {problems:?}", text));
            let _ = checked.compile().evaluate(&row, 0);
            let stored = serde_json::to_string(checked.root()).unwrap();
            assert_eq!(&serde_json::from_str::<attiva_expr::Expr>(&stored).unwrap(), checked.root());
        }
        // Chains that cannot be flattened are deep: refused after parsing, dropped on the large stack.
        for text in [deep(DEPTH_MAX), vec!["1"; OPERATORS_MAX].join(" - "), vec!["true"; OPERATORS_MAX].join(" == ")] {
            assert_eq!(only_problem(&text).code, Problem::TOO_LARGE, "{text:.60}");
        }
    };
    ordinary.spawn(run).unwrap().join().unwrap();
}
