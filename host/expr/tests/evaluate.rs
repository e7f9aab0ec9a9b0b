//! What expressions mean, case by case.

use attiva_core::{DataType, Fault, FaultKind, Value};
use attiva_expr::{EvalFault, Scope, check};

/// 2026-11-23T10:00:00Z
const NOW: i64 = 1_795_428_000_000;

/// A field of each type that has a value, and one of each that is null.
fn run(text: &str) -> Result<Value, EvalFault> {
    let fields = [
        ("b", Value::Boolean(true), DataType::Boolean),
        ("i", Value::Integer(7), DataType::Integer),
        ("max", Value::Integer(i64::MAX), DataType::Integer),
        ("min", Value::Integer(i64::MIN), DataType::Integer),
        ("zero", Value::Integer(0), DataType::Integer),
        ("d", Value::Decimal("1000000.10".into()), DataType::Decimal),
        ("bad", Value::Decimal("n/a".into()), DataType::Decimal),
        ("f", Value::Float(1.5), DataType::Float),
        ("nan", Value::Float(f64::NAN), DataType::Float),
        ("t", Value::Text(" Chief Officer ".into()), DataType::Text),
        ("y", Value::Bytes(b"ab".to_vec()), DataType::Bytes),
        ("day", Value::Date(20_780), DataType::Date),
        ("at", Value::Timestamp(NOW - 86_400_000), DataType::Timestamp),
        ("l", Value::TextList(vec!["a".into(), "b".into()]), DataType::TextList),
        ("no_b", Value::Null, DataType::Boolean),
        ("no_i", Value::Null, DataType::Integer),
        ("no_t", Value::Null, DataType::Text),
        ("no_l", Value::Null, DataType::TextList),
        ("none_l", Value::TextList(vec![]), DataType::TextList),
        ("wrong", Value::Integer(1), DataType::Text),
    ];
    let scope = Scope::new().root("r", fields.iter().map(|(name, _, ty)| ((*name).to_owned(), *ty)));
    let row: Vec<Value> = fields.into_iter().map(|(_, value, _)| value).collect();
    let checked = check(text, &scope).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    checked.compile().evaluate(&row, NOW)
}

fn text(s: &str) -> Value {
    Value::Text(s.to_owned())
}

#[test]
fn comparison_and_connectives_answer_as_sql_does() {
    let (yes, no, unknown) = (Value::Boolean(true), Value::Boolean(false), Value::Null);
    for (expression, expected) in [
        ("r.i == 7", &yes),
        ("r.i != 7", &no),
        ("r.no_i == 7", &unknown),
        ("r.no_i != 7", &unknown),
        ("r.no_i == r.no_i", &unknown),
        ("!(r.no_i > 7)", &unknown),
        ("r.no_i > 7 && r.i == 7", &unknown),
        ("r.no_i > 7 && r.i == 8", &no),
        ("r.i == 8 && r.no_i > 7", &no),
        ("r.no_i > 7 || r.i == 7", &yes),
        ("r.no_i > 7 || r.i == 8", &unknown),
        ("r.no_b || r.b", &yes),
        ("r.no_b", &unknown),
        ("r.i in [1, 7]", &yes),
        ("r.i in [1, r.no_i]", &unknown),
        ("r.i in [r.no_i, 7]", &yes),
        ("r.no_i in [1]", &unknown),
        ("r.no_i in []", &no),
        ("!(r.i in [1, r.no_i])", &unknown),
        ("r.no_t in [\"a\"]", &unknown),
        ("\"a\" in r.l", &yes),
        ("\"c\" in r.l", &no),
        ("r.no_t in r.l", &unknown),
        ("r.no_t in r.none_l", &no),
        ("\"a\" in r.no_l", &unknown),
        ("has(r.i)", &yes),
        ("has(r.no_i)", &no),
        ("r.no_i == null", &yes),
        ("null != r.no_i", &no),
        ("r.no_i + 1 == null", &yes),
        ("r.no_t.contains(\"a\")", &unknown),
        ("r.t.contains(r.no_t)", &unknown),
        ("r.nan == r.nan", &unknown),
        ("r.nan < 1.0", &unknown),
        // A condition that is unknown is not met.
        ("(r.no_b ? 1 : 2) == 2", &yes),
    ] {
        assert_eq!(&run(expression).unwrap(), expected, "{expression}");
    }
}

#[test]
fn every_type_compares_with_its_literal() {
    for expression in [
        "r.t > \" Chief\"",
        "r.d == 1000000.1",
        "r.d > 1000000.0999999999999999999999",
        "r.d < 1000000.1000000000000000000001",
        "r.d > 1000000",
        "-r.d == -1000000.1",
        "r.f == 1.5",
        "r.f > 1",
        "r.b == true",
        "r.b > false",
        "r.y == b\"ab\"",
        "r.y < b\"\\xff\"",
        "r.day == \"2026-11-23\"",
        "r.day > \"2026-11-22\"",
        "r.day == date(now)",
        "r.at == \"2026-11-22T10:00:00Z\"",
        "r.at > \"2026-11-22\"",
        "r.at < timestamp(\"2026-11-22T12:00:01+02:00\")",
        "now - r.at == days(1)",
        "now - r.at >= hours(24)",
        "r.at + days(1) == now()",
        "r.d in [1, 1000000.1]",
        "r.i == int(\"7\")",
        "r.d / 4 == decimal(\"250000.025\")",
    ] {
        assert_eq!(run(expression).unwrap(), Value::Boolean(true), "{expression}");
    }
}

#[test]
fn values_come_out_with_their_types() {
    for (expression, expected) in [
        ("r.t.trim().lowerAscii()", text("chief officer")),
        ("r.t.trim().upperAscii() + \"!\"", text("CHIEF OFFICER!")),
        ("r.t + r.no_t", Value::Null),
        ("size(r.t)", Value::Integer(15)),
        ("r.l.size() + r.y.size()", Value::Integer(4)),
        ("r.l.join(\"; \")", text("a; b")),
        ("\"a;b\".split(\";\")", Value::TextList(vec!["a".into(), "b".into()])),
        ("[\"x\", r.t.trim()]", Value::TextList(vec!["x".into(), "Chief Officer".into()])),
        ("[\"x\", r.no_t]", Value::Null),
        ("coalesce(r.no_t, r.t.trim())", text("Chief Officer")),
        ("coalesce(r.no_t, null)", Value::Null),
        ("source_key(r.i, \"1-A\", \"Marketo\")", text("7@1-A.Marketo")),
        ("source_key(\"001\", \"00D\", \"Salesforce\")", text("001@00D.Salesforce")),
        ("source_key(r.no_t, \"1-A\", \"Marketo\")", Value::Null),
        ("source_key(\"\", \"1-A\", \"Marketo\")", Value::Null),
        ("source_key(\"null\", \"1-A\", \"Marketo\")", Value::Null),
        ("source_key(\"7\", \"1@A\", \"Marketo\")", Value::Null),
        ("r.b ? r.d : 5", Value::Decimal("1000000.10".into())),
        ("r.no_b ? r.d : 5", Value::Decimal("5".into())),
        ("r.i == 1 ? \"one\" : r.i == 7 ? \"seven\" : \"many\"", text("seven")),
        ("r.b ? null : r.t", Value::Null),
        ("r.d + r.i", Value::Decimal("1000007.10".into())),
        ("r.d * 0.1", Value::Decimal("100000.010".into())),
        ("-7 / 2", Value::Integer(-3)),
        ("-7 % 2", Value::Integer(-1)),
        ("r.f / 2.0", Value::Float(0.75)),
        ("string(r.d) + string(r.i) + string(r.b) + string(r.day)", text("1000000.107true2026-11-23")),
        ("string(r.at)", text("2026-11-22T10:00:00Z")),
        ("int(r.d)", Value::Integer(1_000_000)),
        ("double(r.d)", Value::Float(1_000_000.1)),
        ("date(r.at)", Value::Date(20_779)),
        ("timestamp(r.day)", Value::Timestamp(20_780 * 86_400_000)),
        ("timestamp(0)", Value::Timestamp(0)),
        ("int(now)", Value::Integer(NOW / 1000)),
        ("bool(\"true\")", Value::Boolean(true)),
    ] {
        assert_eq!(run(expression).unwrap(), expected, "{expression}");
    }
}

#[test]
fn what_has_no_value_is_a_fault_of_the_row() {
    for (expression, code, part) in [
        ("r.max + 1", EvalFault::OVERFLOW, "larger than its type"),
        ("r.min - 1", EvalFault::OVERFLOW, "larger"),
        ("-r.min", EvalFault::OVERFLOW, "larger"),
        ("r.min / -1", EvalFault::OVERFLOW, "larger"),
        ("r.min % -1", EvalFault::OVERFLOW, "larger"),
        ("r.max * 2", EvalFault::OVERFLOW, "larger"),
        ("now + days(r.max)", EvalFault::OVERFLOW, "larger"),
        ("r.f * 1e308 * 10.0", EvalFault::OVERFLOW, "larger"),
        ("r.i / r.zero", EvalFault::DIVISION_BY_ZERO, "division by zero"),
        ("r.i % r.zero", EvalFault::DIVISION_BY_ZERO, "division by zero"),
        ("r.f / 0.0", EvalFault::DIVISION_BY_ZERO, "division by zero"),
        ("r.d / 0", EvalFault::DIVISION_BY_ZERO, "division by zero"),
        ("int(r.t)", EvalFault::CONVERSION, "\" Chief Officer \" is no integer"),
        ("r.bad > 1", EvalFault::CONVERSION, "\"n/a\" is no decimal number"),
        ("timestamp(r.t)", EvalFault::CONVERSION, "is no instant"),
        ("r.wrong", EvalFault::ROW, "another type"),
        ("r.wrong == \"x\"", EvalFault::ROW, "another type"),
    ] {
        let fault = run(expression).expect_err(expression);
        assert_eq!(fault.code(), code, "{expression}: {fault}");
        assert!(fault.message().contains(part), "{expression}: {fault}");
    }
}

#[test]
fn a_fault_is_absorbed_where_another_operand_decides() {
    for (expression, expected) in [
        ("r.i / r.zero == 1 && r.i == 8", false),
        ("r.i == 8 && r.i / r.zero == 1", false),
        ("r.i / r.zero == 1 || r.b", true),
        ("r.i in [r.i / r.zero, 7]", true),
    ] {
        assert_eq!(run(expression).unwrap(), Value::Boolean(expected), "{expression}");
    }
    for expression in ["r.i / r.zero == 1 && r.b", "r.no_b && r.i / r.zero == 1", "r.i in [r.i / r.zero, 8]"] {
        assert_eq!(run(expression).expect_err(expression).code(), EvalFault::DIVISION_BY_ZERO);
    }
}

#[test]
fn a_fault_says_where_and_who_acts() {
    let fault = run("r.i +\n  int(r.t)").unwrap_err();
    assert_eq!((fault.at().line, fault.at().column), (2, 3));
    let fault = Fault::from(fault);
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Data, "expr.conversion"));
    assert_eq!(Fault::from(run("r.wrong").unwrap_err()).kind, FaultKind::Internal);
}

#[test]
fn a_plain_field_takes_the_fast_path() {
    let scope = Scope::new().root("r", [("a".to_owned(), DataType::Text), ("b".to_owned(), DataType::Text)]);
    let compile = |text: &str| check(text, &scope).unwrap().compile();
    assert_eq!(compile("r.b").as_field(), Some(1));
    assert_eq!(compile("(r.b)").as_field(), Some(1));
    assert_eq!(compile("r.b.trim()").as_field(), None);
    assert_eq!(compile("r.b").evaluate(&[Value::Null], 0).unwrap_err().code(), EvalFault::ROW, "a row too short");
}

#[test]
fn a_program_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let scope = Scope::new().root("r", [("a".to_owned(), DataType::Text)]);
    let checked = check("r.a", &scope).unwrap();
    shared(&checked);
    shared(&checked.compile());
}
