//! Segments: what is wrong with a rule, and where.

use crate::harness::Harness;
use serde_json::json;

#[test]
fn a_problem_has_a_place_and_a_suggestion() {
    let api = Harness::sandbox();
    let expression = "person.person_score > 5 &&\n  person.job_titel == \"CMO\"";
    let refused = api.post("segments", &json!({"name": "x", "expression": expression}));
    refused.refused(422, "segment.expression");
    let error = &refused.body["errors"][0];
    assert_eq!((&error["field"], &error["place"]["line"]), (&json!("/expression"), &json!(2)), "{error}");
    assert_eq!(error["suggestion"], "job_title");
    let checked = api.post("segments/check", &json!({ "expression": expression }));
    assert_eq!(
        (checked.is(200).body["valid"].clone(), checked.body["problems"][0].clone()),
        (json!(false), error.clone())
    );
    let fine = api.post("segments/check", &json!({"expression": "person.person_score > 5"}));
    let body = &fine.is(200).body;
    assert_eq!(
        (&body["valid"], &body["problems"], &body["evaluation"]),
        (&json!(true), &json!([]), &json!("streaming"))
    );
    assert_eq!((&body["reads"], &body["asks_for"]), (&json!(["person.person_score"]), &json!([])));
}

#[test]
fn a_rule_that_is_too_large_is_refused_and_the_host_lives() {
    let api = Harness::sandbox();
    let terms = vec!["person.person_score > 1"; 4000].join(" && ");
    api.post("segments", &json!({"name": "x", "expression": terms})).refused(422, "segment.expression");
    let long = format!("person.email == \"{}\"", "x".repeat(1_000_000));
    api.post("segments", &json!({"name": "x", "expression": long})).refused(422, "segment.expression");
    api.get("/healthz").is(200);
    assert_eq!(api.get("segments").body["items"], json!([]));
}

#[test]
fn an_activation_is_checked_before_it_is_kept() {
    let api = Harness::sandbox();
    let segment = api.post("segments", &json!({"name": "x", "expression": "true"})).is(201).text("/id").to_owned();
    let source = api.post("connections", &crate::connections::marketo()).is(201).text("/id").to_owned();
    let activation = |connection: &str, segment: &str, expression: &str| {
        let mapping =
            json!([{"field": "email", "expression": "person.email"}, {"field": "x", "expression": expression}]);
        api.post(
            "activations",
            &json!({"name": "a", "segment": segment, "connection": connection,
            "target": {"object": "file", "name": "t"}, "mapping": mapping}),
        )
    };
    activation(&source, "seg_x", "person.email").refused(404, "segment.missing");
    activation("con_x", &segment, "person.email").refused(404, "connection.missing");
    let wrong = activation(&source, &segment, "person.emial");
    assert_eq!(wrong.refused(422, "activation.mapping").text("/errors/0/field"), "/mapping/1/expression");
    activation(&source, &segment, "person.email").refused(422, "plugin.no-destination");
}
