//! Plans, classes, explanations and instants, case by case.

use attiva_core::{DataType, Value, model};
use attiva_expr::{EvalFault, Problem, Scope, check};
use attiva_segments::{
    Classification, NextChange, Plan, Reason, RowEvaluator, Transition, Truth, classify, person_scope, plan,
};

/// 2026-11-23T10:00:00Z
const NOW: i64 = 1_795_428_000_000;
const DAY: i64 = 86_400_000;

fn planned(text: &str) -> Plan {
    plan(&check(text, &person_scope()).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))).unwrap()
}

fn person(fields: &[(&str, Value)]) -> Vec<Value> {
    let mut row = vec![Value::Null; model::PERSON.len()];
    for (name, value) in fields {
        row[model::person_slot(name).unwrap()] = value.clone();
    }
    row
}

fn text(s: &str) -> Value {
    Value::Text(s.to_owned())
}

#[test]
fn a_segment_is_a_condition() {
    let checked = check("person.job_title", &person_scope()).unwrap();
    let problem = plan(&checked).unwrap_err();
    assert_eq!((problem.code, problem.line, problem.column), (Problem::TYPE, 1, 8));
}

#[test]
fn what_hangs_on_no_field_is_a_constant() {
    let plan = planned("1 + 1 == 2 && person.person_score > 1");
    assert_eq!(plan.leaves().len(), 1);
    assert_eq!(plan.slots(), [model::person_slot("person_score").unwrap()]);
    // A constant that always faults is left where it will be seen.
    let always = planned("1 / 0 == 1");
    assert_eq!(RowEvaluator::new(&always).evaluate(&person(&[]), NOW).unwrap_err().code(), EvalFault::DIVISION_BY_ZERO);
}

#[test]
fn only_what_stays_with_the_person_streams() {
    let scope = Scope::new()
        .root("person", [("score".to_owned(), DataType::Integer)])
        .root("account", [("employees".to_owned(), DataType::Integer)]);
    let class = |text: &str| classify(&plan(&check(text, &scope).unwrap()).unwrap(), None);
    assert_eq!(class("person.score > 1 && now > now"), Classification::Streaming);
    assert_eq!(class("true"), Classification::Streaming);
    assert_eq!(
        class("person.score > 1 && !(person.score + account.employees >= 500)"),
        Classification::Batch(Reason {
            hop: "account".into(),
            clause: "person.score + account.employees >= 500".into(),
            line: 1,
            column: 46,
        })
    );
}

#[test]
fn a_plan_is_stored_as_what_it_is_and_refuses_what_it_is_not() {
    let stored = serde_json::to_value(planned("person.city == \"Köln\" || has(person.email)")).unwrap();
    assert_eq!(stored["root"]["or"][0]["compare"]["op"], "eq");
    assert_eq!(stored["root"]["or"][1]["not"]["is-null"]["kind"]["field"]["name"], "email");
    for bad in ["{}", "{\"root\":{\"nor\":[]}}", "{\"root\":{\"and\":[]},\"more\":1}"] {
        assert!(serde_json::from_str::<Plan>(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_deepest_and_the_longest_segment_are_planned_and_stored_on_an_ordinary_stack() {
    let ordinary = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let run = || {
        // Connectives that alternate do not become flat.
        let deep = "(person.is_unsubscribed || !(person.is_unsubscribed && ".repeat(10) + "true" + &"))".repeat(10);
        let long = vec!["person.city == \"x\""; 600].join(" || ");
        for text in [deep, long] {
            let plan = planned(&text);
            let stored: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
            assert_eq!(stored, plan);
            assert_eq!(RowEvaluator::new(&plan).evaluate(&person(&[]), NOW), Ok(Truth::Unknown));
            assert!(!RowEvaluator::new(&plan).explain(&person(&[]), NOW).member);
        }
    };
    ordinary.spawn(run).unwrap().join().unwrap();
}

#[test]
fn a_membership_moves_only_where_the_answer_is_true() {
    let evaluator = RowEvaluator::new(&planned("person.person_score >= 50"));
    let (high, low, none) =
        (person(&[("person_score", Value::Integer(50))]), person(&[("person_score", Value::Integer(49))]), person(&[]));
    for (was, row, expected) in [
        (false, &high, Transition::Entered),
        (true, &high, Transition::Stayed),
        (true, &low, Transition::Exited),
        (false, &low, Transition::Stayed),
        (true, &none, Transition::Exited),
        (false, &none, Transition::Stayed),
    ] {
        assert_eq!(evaluator.transition(was, row, NOW), Ok(expected), "{was} {row:?}");
    }
}

#[test]
fn why_in_and_why_not() {
    let rule = "person.department == \"HR\" && (person.person_score >= 50 || person.job_title.contains(\"Chief\")) && \
                !person.is_unsubscribed";
    let evaluator = RowEvaluator::new(&planned(rule));
    let explain = |fields: &[(&str, Value)]| evaluator.explain(&person(fields), NOW).to_string();
    let (hr, sales) = (("department", text("HR")), ("department", text("Sales")));
    let (in_, out) = (("is_unsubscribed", Value::Boolean(false)), ("is_unsubscribed", Value::Boolean(true)));
    let score = |n| ("person_score", Value::Integer(n));
    assert_eq!(
        explain(&[hr.clone(), score(70), in_.clone()]),
        "a member, because\n  person.department == \"HR\" is true (person.department is \"HR\")\n  \
         person.person_score >= 50 is true (person.person_score is 70)\n  \
         person.is_unsubscribed is false (person.is_unsubscribed is false)"
    );
    assert_eq!(
        explain(&[sales, score(70), out]),
        "not a member, because\n  person.department == \"HR\" is false (person.department is \"Sales\")\n  \
         person.is_unsubscribed is true (person.is_unsubscribed is true)"
    );
    assert_eq!(
        explain(&[hr, score(10), in_]),
        "not a member, because\n  person.job_title.contains(\"Chief\") is unknown (person.job_title is null)"
    );
    let everybody = RowEvaluator::new(&planned("true"));
    assert_eq!(everybody.explain(&person(&[]), NOW).to_string(), "a member, whoever the person is");
    let faulty = RowEvaluator::new(&planned("int(person.city) > 1"));
    let explanation = faulty.explain(&person(&[("city", text("Rome"))]), NOW);
    assert_eq!(
        explanation.to_string(),
        "not a member, because\n  int(person.city) > 1 has no answer: \"Rome\" is no integer (person.city is \"Rome\")"
    );
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["leaves"][0]["saw"][0]["value"], "Rome");
    assert_eq!((json["member"].as_bool(), json.get("truth")), (Some(false), None));
}

#[test]
fn a_window_expires_to_the_millisecond() {
    let created = NOW - 29 * DAY;
    let row = person(&[("created_date", Value::Timestamp(created)), ("last_updated_date", Value::Timestamp(NOW))]);
    let midnight = NOW - NOW % DAY + DAY;
    for (rule, expected) in [
        ("person.created_date > now - days(30)", NextChange::At(created + 30 * DAY)),
        ("person.created_date >= now - days(30)", NextChange::At(created + 30 * DAY)),
        ("now - person.created_date < days(30)", NextChange::At(created + 30 * DAY)),
        ("person.created_date > now - days(7)", NextChange::Never),
        ("person.last_updated_date == now", NextChange::At(NOW + 1)),
        ("person.last_updated_date + hours(1) < now", NextChange::At(NOW + 3_600_000)),
        ("now + (now - person.last_updated_date) > person.last_updated_date + seconds(1)", NextChange::At(NOW + 500)),
        ("now - person.created_date < now - person.last_updated_date", NextChange::Never),
        ("date(now) > date(person.created_date)", NextChange::At(midnight)),
        ("timestamp(date(now)) <= person.last_updated_date", NextChange::At(midnight)),
        ("person.created_date > now - days(30) || date(now) == \"2026-11-24\"", NextChange::At(midnight)),
        ("has(person.email) || (now - person.created_date) == null", NextChange::Never),
        ("person.city == \"x\"", NextChange::Never),
        ("string(now).contains(\"7\")", NextChange::Unpredictable),
        ("int(now) % 2 == 0", NextChange::Unpredictable),
        ("person.last_updated_date > now - days(person.number_of_employees)", NextChange::Never),
    ] {
        assert_eq!(RowEvaluator::new(&planned(rule)).next_change(&row, NOW), expected, "{rule}");
    }
}

/// At the instant said, the answer is another; a millisecond before, it is not.
#[test]
fn the_instants_are_exact_for_every_comparison() {
    let row = person(&[("created_date", Value::Timestamp(NOW))]);
    for op in ["<", "<=", ">", ">=", "==", "!="] {
        for rule in
            [format!("now {op} person.created_date + days(1)"), format!("person.created_date + days(1) {op} now")]
        {
            let evaluator = RowEvaluator::new(&planned(&rule));
            let mut now = NOW;
            let mut changes = 0;
            while let NextChange::At(next) = evaluator.next_change(&row, now) {
                assert_eq!(evaluator.evaluate(&row, next - 1), evaluator.evaluate(&row, now), "{rule}");
                changes += u32::from(evaluator.evaluate(&row, next) != evaluator.evaluate(&row, now));
                now = next;
            }
            assert_eq!(changes, if op == "==" || op == "!=" { 2 } else { 1 }, "{rule}");
        }
    }
}
