use super::*;
use proptest::prelude::*;
use serde_json::json;

fn thing(kind: Kind, name: &str, body: Value) -> Thing {
    let Value::Object(body) = body else { panic!("{body}") };
    Thing { kind, name: name.into(), body }
}

fn steps(comparison: &Comparison) -> Vec<String> {
    let step = |change: &Change| {
        let step = match &change.step {
            Step::Create => "create".to_owned(),
            Step::Change(at) => format!("change {}", places(at)),
            Step::Replace(at) => format!("replace {}", places(at)),
            Step::Remove => "remove".to_owned(),
        };
        format!("{} {}: {step}", change.kind.name(), change.name)
    };
    comparison.changes.iter().map(step).collect()
}

fn places(differences: &[Difference]) -> String {
    differences.iter().map(|it| it.at.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn kinds_are_called_as_they_stand_in_files() {
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.name()), Some(kind));
    }
    assert_eq!(Kind::parse("segments"), None);
    assert!(Kind::ALL.is_sorted());
}

#[test]
fn what_others_refer_to_comes_first_and_goes_last() {
    let segment = |name: &str, expression: &str| thing(Kind::Segment, name, json!({ "expression": expression }));
    let all = [
        thing(Kind::Activation, "A", json!({"segment": "Buyers"})),
        segment("Buyers", "inAudience(\"People\") && inAudience( 'Rich \\'n famous' )"),
        segment("People", "true"),
        segment("Rich 'n famous", "inAudience(\"Somewhere else\")"),
        thing(Kind::Connection, "C", json!({})),
        thing(Kind::ConsentRules, "consent-rules", json!({})),
    ];
    let made = steps(&compare(&all, &[], false));
    let expected = [
        "consent-rules consent-rules: create",
        "connection C: create",
        "segment People: create",
        "segment Rich 'n famous: create",
        "segment Buyers: create",
        "activation A: create",
    ];
    assert_eq!(made, expected);

    // Rules cannot be taken away: they are left, and said to be.
    let gone = compare(&[], &all, true);
    let expected = [
        "activation A: remove",
        "segment Buyers: remove",
        "segment Rich 'n famous: remove",
        "segment People: remove",
        "connection C: remove",
    ];
    assert_eq!(steps(&gone), expected);
    assert_eq!(gone.extra, [(Kind::ConsentRules, "consent-rules".to_owned())]);
    // Unless it is asked for, nothing goes.
    let kept = compare(&[], &all, false);
    assert_eq!((kept.changes.len(), kept.extra.len()), (0, 6));
}

#[test]
fn what_cannot_be_changed_is_replaced_and_what_nobody_names_stays() {
    let before =
        json!({"segment": "S", "mapping": [{"field": "a"}, {"field": "b"}], "schedule": {"cron": "x"}, "paused": true});
    let found = [thing(Kind::Activation, "A", before.clone())];
    let with = |key: &str, value: Value| {
        let mut body = before.clone();
        body.as_object_mut().unwrap().remove("paused");
        body[key] = value;
        steps(&compare(&[thing(Kind::Activation, "A", body)], &found, true)).join("")
    };
    assert_eq!(with("segment", json!("S")), "");
    assert_eq!(with("paused", json!(false)), "activation A: change /paused");
    assert_eq!(with("schedule", json!({"cron": "y"})), "activation A: change /schedule/cron");
    assert_eq!(with("readback", json!({"on_drift": "repair"})), "activation A: change /readback");
    let fields = json!([{"field": "a"}, {"field": "c"}]);
    assert_eq!(with("mapping", fields), "activation A: replace /mapping/1/field");
    assert_eq!(with("mapping", json!([])), "activation A: replace /mapping");
}

#[test]
fn a_circle_of_segments_is_for_the_host_to_refuse() {
    let segment =
        |name: &str, asked: &str| thing(Kind::Segment, name, json!({"expression": format!("inAudience(\"{asked}\")")}));
    let all = [segment("a", "b"), segment("b", "c"), segment("c", "a"), segment("d", "d")];
    assert_eq!(compare(&all, &[], false).changes.len(), 4);
}

fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        let object = target.as_object_mut().unwrap();
        if value.is_null() {
            object.remove(key);
        } else {
            apply(object.entry(key).or_insert(Value::Null), value);
        }
    }
}

fn body() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![any::<bool>().prop_map(Value::from), (0..4).prop_map(Value::from), "[ab]".prop_map(Value::from)];
    let any = leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-c/~]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-d]", any, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
}

fn things() -> impl Strategy<Value = Vec<Thing>> {
    let one = (0..Kind::ALL.len(), "[p-s]", body());
    prop::collection::vec(one, 0..12).prop_map(|all| {
        let by_name: std::collections::BTreeMap<_, _> =
            all.into_iter().map(|(kind, name, body)| ((Kind::ALL[kind], name), body)).collect();
        by_name.into_iter().map(|((kind, name), body)| thing(kind, &name, body)).collect()
    })
}

proptest! {
    #[test]
    fn a_patch_makes_of_what_was_found_what_is_wanted(found in body(), wanted in body()) {
        let patch = merge_patch(found.as_object().unwrap(), wanted.as_object().unwrap());
        prop_assert_eq!(patch.is_empty(), found == wanted);
        let mut patched = found;
        apply(&mut patched, &Value::Object(patch));
        prop_assert_eq!(patched, wanted);
    }

    #[test]
    fn each_difference_is_told_and_nothing_else_is(wanted in things(), found in things()) {
        let compared = compare(&wanted, &found, true);
        let of = |things: &[Thing], change: &Change| {
            things.iter().find(|it| (it.kind, &it.name) == (change.kind, &change.name)).map(|it| Value::Object(it.body.clone()))
        };
        for change in &compared.changes {
            match &change.step {
                Step::Create => prop_assert_eq!(of(&found, change), None),
                Step::Remove => prop_assert_eq!(of(&wanted, change), None),
                Step::Change(differences) | Step::Replace(differences) => {
                    let (before, after) = (of(&found, change).unwrap(), of(&wanted, change).unwrap());
                    for it in differences {
                        prop_assert_eq!(before.pointer(&it.at), it.before.as_ref());
                        prop_assert_eq!(after.pointer(&it.at), it.after.as_ref());
                    }
                }
            }
        }
        // What is done leaves nothing to do.
        let stays = |it: &&Thing| compared.extra.contains(&(it.kind, it.name.clone()));
        let done: Vec<Thing> = wanted.iter().chain(found.iter().filter(stays)).cloned().collect();
        prop_assert_eq!(compare(&wanted, &done, true).changes, []);
        prop_assert_eq!(compare(&found, &found, true), Comparison::default());
    }
}
