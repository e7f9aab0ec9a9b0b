//! Every kind of node is met true, false and unknown by the row evaluator. A node added to the plan fails here until
//! it has its cases.

use attiva_core::{DataType, Value};
use attiva_expr::{Scope, check};
use attiva_segments::{Node, NodeKind, RowEvaluator, Truth, plan};
use std::collections::HashSet;

/// 2026-11-23T10:00:00Z
const NOW: i64 = 1_795_428_000_000;

/// Every type has a field with a value and one that is null.
fn fields() -> Vec<(&'static str, DataType, Value)> {
    let text = |s: &str| Value::Text(s.to_owned());
    vec![
        ("title", DataType::Text, text("CMO")),
        ("no_title", DataType::Text, Value::Null),
        ("score", DataType::Integer, Value::Integer(50)),
        ("no_score", DataType::Integer, Value::Null),
        ("revenue", DataType::Decimal, Value::Decimal("1000000.10".into())),
        ("no_revenue", DataType::Decimal, Value::Null),
        ("since", DataType::Timestamp, Value::Timestamp(NOW - 1)),
        ("no_since", DataType::Timestamp, Value::Null),
        ("opted_out", DataType::Boolean, Value::Boolean(true)),
        ("opted_in", DataType::Boolean, Value::Boolean(false)),
        ("no_opt", DataType::Boolean, Value::Null),
        ("tags", DataType::TextList, Value::TextList(vec!["vip".into()])),
        ("no_tags", DataType::TextList, Value::Null),
    ]
}

const CASES: &[(&str, [&str; 3])] = &[
    // A condition that is true, one that is false, one that is unknown; none: there is no such.
    ("Const", ["1 < 2", "\"a\" == \"b\"", "true ? null : false"]),
    (
        "And",
        [
            "p.score > 1 && p.score < 99",
            "p.score > 1 && p.no_score < 9 && p.score > 99",
            "p.score > 1 && p.no_score < 9",
        ],
    ),
    ("Or", ["p.no_score > 1 || p.score < 99", "p.score < 1 || p.score > 99", "p.score < 1 || p.no_score < 9"]),
    ("Not", ["!p.opted_in", "!p.opted_out", "!p.no_opt"]),
    ("Eq", ["p.title == \"CMO\"", "p.score == 49", "p.no_revenue == 1.5"]),
    ("Ne", ["p.revenue != 1000000", "p.since != now - seconds(0) && p.title != \"CMO\"", "p.no_title != \"x\""]),
    ("Lt", ["p.since < now", "p.score < 50", "p.no_since < now"]),
    ("Le", ["p.revenue <= 1000000.1", "p.title <= \"CIO\"", "p.no_score <= 1"]),
    ("Gt", ["p.revenue > 1000000.09", "now > now", "p.no_since > now"]),
    ("Ge", ["p.score >= 50", "p.since >= now", "p.no_revenue >= 1"]),
    ("In", ["p.title in [\"CIO\", \"CMO\"]", "p.score in [1, 2]", "p.score in [1, p.no_score]"]),
    ("InList", ["\"vip\" in p.tags", "p.title in p.tags", "\"vip\" in p.no_tags"]),
    ("IsNull", ["p.no_title == null", "p.title == null", ""]),
    ("Contains", ["p.title.contains(\"M\")", "p.title.contains(\"m\")", "p.no_title.contains(\"\")"]),
    ("StartsWith", ["p.title.startsWith(\"C\")", "p.title.startsWith(\"M\")", "p.title.startsWith(p.no_title)"]),
    ("EndsWith", ["p.title.endsWith(\"O\")", "p.title.endsWith(\"C\")", "p.no_title.endsWith(\"O\")"]),
    ("Flag", ["p.opted_out", "coalesce(p.no_opt, p.opted_in)", "p.no_opt"]),
];

fn kinds_in(node: &Node) -> HashSet<NodeKind> {
    let mut kinds = HashSet::new();
    node.walk(&mut |node| {
        kinds.insert(node.kind());
    });
    kinds
}

#[test]
fn every_node_is_met_true_false_and_unknown() {
    let scope = Scope::new().root("p", fields().into_iter().map(|(name, ty, _)| (name.to_owned(), ty)));
    let row: Vec<Value> = fields().into_iter().map(|(_, _, value)| value).collect();
    for kind in NodeKind::ALL {
        let name = format!("{kind:?}");
        let cases = CASES.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name} has no cases"));
        for (text, truth) in cases.1.iter().zip([Truth::True, Truth::False, Truth::Unknown]) {
            if text.is_empty() {
                assert_eq!((*kind, truth), (NodeKind::IsNull, Truth::Unknown), "only a test for null is never unknown");
                continue;
            }
            let checked = check(text, &scope).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
            let plan = plan(&checked).unwrap();
            assert!(kinds_in(plan.root()).contains(kind), "{text} is no case of {name}: {plan:?}");
            assert_eq!(RowEvaluator::new(&plan).evaluate(&row, NOW), Ok(truth), "{text}");
        }
    }
}
