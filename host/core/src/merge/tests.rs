use super::*;
use crate::model::{EntityKind, Layout, PERSON, person_slot};
use proptest::prelude::*;

fn record(key: &str, at: Millis, values: &[(&str, &str)]) -> MappedRecord {
    let mut row = vec![Value::Null; PERSON.len()];
    for (name, value) in values {
        row[person_slot(name).unwrap()] = Value::Text((*value).into());
    }
    MappedRecord { source_key: key.into(), at, row }
}

fn policy(json: &str) -> Survivorship {
    Survivorship::new(&Layout::of(EntityKind::Person), &serde_json::from_str(json).unwrap()).unwrap()
}

/// Value, record and reason of a field.
fn of<'a>(merged: &'a [Chosen], field: &str) -> (Option<&'a str>, Option<usize>, Why) {
    let chosen = &merged[person_slot(field).unwrap()];
    (chosen.value.as_text(), chosen.from, chosen.why)
}

#[test]
fn newest_wins_field_by_field_and_null_never_does() {
    let records = [record("b", 10, &[("city", "b"), ("state", "b")]), record("a", 20, &[("city", "a")])];
    let merged = merge(&records, &Survivorship::newest(&Layout::of(EntityKind::Person)), &[]);
    assert_eq!(of(&merged, "city"), (Some("a"), Some(1), Why::Newest));
    assert_eq!(of(&merged, "state"), (Some("b"), Some(0), Why::Only));
    assert_eq!(of(&merged, "country"), (None, None, Why::Nothing));
}

#[test]
fn of_equals_the_first_key_wins_in_any_order() {
    let (a, b) = (record("a", 10, &[("city", "a")]), record("b", 10, &[("city", "b")]));
    for records in [[&a, &b], [&b, &a]] {
        let merged = merge(&records, &Survivorship::newest(&Layout::of(EntityKind::Person)), &[]);
        let (value, _, why) = of(&merged, "city");
        assert_eq!((value, why), (Some("a"), Why::FirstKey));
    }
}

#[test]
fn sources_have_precedence_by_kind_and_by_instance() {
    let policy = policy(
        r#"{"version": 1, "fields": {
            "city": {"rule": "precedence", "sources": ["00D2.Salesforce", "Salesforce"]},
            "state": {"rule": "newest"}
        }}"#,
    );
    let values = |v| [("city", v), ("state", v)];
    let records = [
        record("1@m.Marketo", 30, &values("m")),
        record("1@00D1.Salesforce", 20, &values("s1")),
        record("1@00D2.Salesforce", 10, &values("s2")),
    ];
    let merged = merge(&records, &policy, &[]);
    assert_eq!(of(&merged, "city"), (Some("s2"), Some(2), Why::Precedence));
    assert_eq!(of(&merged, "state"), (Some("m"), Some(0), Why::Newest));
    assert_eq!(of(&merge(&records[..2], &policy, &[]), "city"), (Some("s1"), Some(1), Why::Precedence));
    assert_eq!(of(&merge(&records[..1], &policy, &[]), "city"), (Some("m"), Some(0), Why::Only));
}

#[test]
fn a_pin_goes_where_its_record_goes() {
    let pin = |key: &str, at, value| Pin { source_key: key.into(), field: "city".into(), value, by: "ann".into(), at };
    let newest = Survivorship::newest(&Layout::of(EntityKind::Person));
    let records = [record("a", 10, &[("city", "old")]), record("b", 20, &[("city", "new")])];
    let city = |pins: &[Pin]| of(&merge(&records, &newest, pins), "city").0.map(str::to_owned);
    assert_eq!(city(&[pin("a", 1, None)]).as_deref(), Some("old"));
    assert_eq!(city(&[pin("a", 1, Some(Value::Text("set".into())))]).as_deref(), Some("set"));
    assert_eq!(city(&[pin("a", 1, Some(Value::Null))]), None);
    // Of two the newest; one of a record that is not here is not for this profile.
    assert_eq!(city(&[pin("a", 1, None), pin("b", 2, None)]).as_deref(), Some("new"));
    assert_eq!(city(&[pin("c", 1, Some(Value::Null))]).as_deref(), Some("new"));
    // A record that no longer says anything gives way.
    let emptied = [record("a", 30, &[]), records[1].clone()];
    assert_eq!(of(&merge(&emptied, &newest, &[pin("a", 1, None)]), "city").2, Why::Only);
    let chosen = &merge(&records, &newest, &[pin("a", 1, None)])[person_slot("city").unwrap()];
    assert_eq!((chosen.from, chosen.why), (Some(0), Why::Pinned));
    for pin in [pin("a", 1, None), pin("a", 1, Some(Value::Null)), pin("a", 1, Some(Value::Timestamp(5)))] {
        assert_eq!(serde_json::from_str::<Pin>(&serde_json::to_string(&pin).unwrap()).unwrap(), pin);
    }
}

#[test]
fn a_policy_that_cannot_be_is_refused() {
    let check = |json: &str, expected: &str| {
        let policy: MergePolicy = serde_json::from_str(json).unwrap();
        let problems = Survivorship::new(&Layout::of(EntityKind::Person), &policy).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].to_string().contains(expected), "{problems:?}");
    };
    check(r#"{"version": 1, "fields": {"shoe": {"rule": "newest"}}}"#, "fields.shoe: person has no such field");
    check(r#"{"version": 1, "default": {"rule": "precedence", "sources": []}}"#, "default.sources: name at least");
    check(r#"{"version": 1, "default": {"rule": "precedence", "sources": ["a@b.C"]}}"#, "is neither a system");
    check(r#"{"version": 1, "default": {"rule": "precedence", "sources": ["A", "A"]}}"#, "stands twice");
    for bad in [r#"{"version": 1, "rules": {}}"#, r#"{"version": 1, "default": {"rule": "oldest"}}"#] {
        assert!(serde_json::from_str::<MergePolicy>(bad).is_err(), "{bad}");
    }
}

proptest! {
    /// The order of the records changes neither value nor reason, and the value is that of the best record by rank, time
    /// and key.
    #[test]
    fn the_best_record_wins_in_any_order(
        said in proptest::collection::vec((0..4u8, 0..3i64, any::<bool>()), 0..7),
        turn in 0..7usize,
    ) {
        let policy = policy(r#"{"version": 1, "default": {"rule": "precedence", "sources": ["2.B", "A"]}}"#);
        let system = ["1.A", "2.B", "3.B", "4.C"];
        let rank = [1, 0, 2, 2];
        let mut records: Vec<MappedRecord> = said.iter().enumerate().map(|(i, (source, at, some))| {
            let key = format!("{i}@{}", system[*source as usize]);
            record(&key, *at, if *some { &[("city", "x")] } else { &[] })
        }).collect();
        let expected = said.iter().enumerate().filter(|(_, s)| s.2)
            .min_by_key(|(i, (source, at, _))| (rank[*source as usize], -at, *i)).map(|(i, _)| records[i].source_key.clone());
        let slot = person_slot("city").unwrap();
        let first = merge(&records, &policy, &[]).swap_remove(slot);
        prop_assert_eq!(first.from.map(|i| records[i].source_key.clone()), expected.clone());
        let len = records.len().max(1);
        records.rotate_left(turn % len);
        let turned = merge(&records, &policy, &[]).swap_remove(slot);
        prop_assert_eq!(turned.from.map(|i| records[i].source_key.clone()), expected);
        prop_assert_eq!(first.why, turned.why);
    }
}
