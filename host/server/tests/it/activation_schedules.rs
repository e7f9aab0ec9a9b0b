//! Deliveries that nobody asks for: after a change, after an evaluation; and files that hold what has changed.

use crate::account_activations::{activation, linkedin, sent, with};
use crate::audiences::{business, evaluate, key, make, members, send};
use crate::harness::Api;
use crate::journey::{caught_up, connect_s3, vendors_of};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Method;

/// The deliveries of an activation once there are so many and all have ended, oldest first.
fn deliveries(api: &Api, activation: &str, count: usize) -> Vec<Value> {
    for _ in 0..3000 {
        let found = api.get(&format!("deliveries?activation={activation}"));
        let items = found.is(200).body["items"].as_array().unwrap().clone();
        if items.len() >= count && items.iter().all(|it| it["ended_at"].is_string()) {
            assert_eq!(items.len(), count, "{items:#?}");
            let whole =
                |it: &Value| api.get(&format!("deliveries/{}", it["id"].as_str().unwrap())).is(200).body.clone();
            return items.iter().map(whole).collect();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{activation} does not come to {count} deliveries");
}

#[test]
fn a_change_of_a_streaming_audience_is_delivered_and_nothing_else_is() {
    let api = business();
    let (_vendor, ads) = linkedin(&api);
    let hr = make(&api, &json!({"name": "HR", "expression": "person.department == \"HR\""}));
    caught_up(&api);
    let body =
        with(activation(&hr, &ads, "people", &[("email", "person.email")]), "schedule", json!({"after": "change"}));
    let id = api.post("activations", &body).is(201).text("/id").to_owned();
    let first = deliveries(&api, &id, 1);
    assert_eq!((&first[0]["cause"], &first[0]["books"]["updated"]), (&json!("change"), &json!(2)), "{first:?}");

    // Who is no member moves nothing, however much happens to them; a member who changes does, and so does one who comes.
    send(&api, "person", &json!([{"id": "z", "fields": {"email": "zoe@x.com", "department": "Sales"}}]));
    caught_up(&api);
    send(&api, "person", &json!([{"id": "e", "fields": {"email": "eve@x.com", "department": "HR"}}]));
    let second = deliveries(&api, &id, 2);
    assert_eq!(sent(&api, &second[1]), ["eve"]);
    send(
        &api,
        "person",
        &json!([{"id": "c", "fields": {"email": "cid@x.com", "department": "Sales", "account_key": key("acme")}}]),
    );
    let third = deliveries(&api, &id, 3);
    assert_eq!((&third[2]["books"]["removed"], sent(&api, &third[2])), (&json!(1), vec!["cid".to_owned()]));
    assert_eq!(third[2]["cause"], "change");
}

#[test]
fn each_evaluation_is_delivered_once_and_a_file_may_hold_the_difference() {
    let api = business();
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let s3 = connect_s3(&api, &vendors, "right");
    let of_acme = make(&api, &json!({"name": "Acme's", "expression": "person.accounts.exists(a, a.name == \"Acme\")"}));
    caught_up(&api);
    assert_eq!(members(&api, &of_acme), ["ann", "cid"]);
    let mut body = activation(&of_acme, &s3, "file", &[("mail", "person.email")]);
    body["target"]["options"] = json!({"operation_column": "operation"});
    let body = with(with(body, "export", json!("incremental")), "schedule", json!({"after": "evaluation"}));
    let id = api.post("activations", &body).is(201).text("/id").to_owned();
    let first = deliveries(&api, &id, 1);
    assert_eq!((&first[0]["cause"], &first[0]["artifacts"][0]["rows"]), (&json!("evaluation"), &json!(2)), "{first:?}");
    assert_eq!(first[0]["evaluation"], api.get(&format!("segments/{of_acme}")).body["result_of"]);

    // Without a difference there is no file.
    let evaluation = evaluate(&api);
    let second = deliveries(&api, &id, 2);
    assert_eq!((&second[1]["evaluation"], &second[1]["artifacts"]), (&evaluation["id"], &json!([])));
    assert_eq!(second[1]["books"]["unchanged"], 2);

    // Who has left is a row that says so; who stays as they were is none.
    send(&api, "person", &json!([{"id": "c", "fields": {"email": "cid@x.com", "account_key": key("bodea")}}]));
    caught_up(&api);
    evaluate(&api);
    let third = deliveries(&api, &id, 3);
    assert_eq!((&third[2]["books"]["removed"], &third[2]["books"]["unchanged"]), (&json!(1), &json!(1)), "{third:#?}");
    assert_eq!(third[2]["artifacts"][0]["rows"], 1);

    // It cannot become one of which no evaluation ends.
    let streaming = json!({"name": "Acme's", "expression": "person.department == \"HR\""});
    let refused = api.json(Method::PUT, &format!("segments/{of_acme}"), &[], &streaming);
    assert!(refused.refused(409, "segment.in-use").text("/detail").contains(&id), "{refused:?}");

    // Another schedule holds from now on; none means that somebody has to ask.
    let schedule = |schedule: Value| api.json(Method::PUT, &format!("activations/{id}/schedule"), &[], &schedule);
    assert_eq!(
        schedule(json!({"after": "change"})).refused(422, "activation.schedule").text("/errors/0/field"),
        "/after"
    );
    assert_eq!(schedule(json!({"cron": "0 6 * * *"})).is(200).body["schedule"], json!({"cron": "0 6 * * *"}));
    assert_eq!(schedule(Value::Null).is(200).body.get("schedule"), None);
    evaluate(&api);
    caught_up(&api);
    assert_eq!(deliveries(&api, &id, 3).len(), 3);
}

#[test]
fn a_schedule_that_cannot_be_followed_is_refused_with_what_can() {
    let api = business();
    let (_vendor, ads) = linkedin(&api);
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let s3 = connect_s3(&api, &vendors, "right");
    let streaming = make(&api, &json!({"name": "HR", "expression": "person.department == \"HR\""}));
    let batch = make(&api, &json!({"name": "Acme's", "expression": "person.accounts.exists(a, a.name == \"Acme\")"}));
    let refused = |segment: &str, connection: &str, object: &str, key: &str, value: Value, code: &str, field: &str| {
        let body = with(activation(segment, connection, object, &[("email", "person.email")]), key, value);
        let answer = api.post("activations", &body);
        assert_eq!(answer.refused(422, code).text("/errors/0/field"), field, "{answer:?}");
        format!("{} {}", answer.text("/errors/0/message"), answer.body["action"].as_str().unwrap_or_default())
    };
    let schedule = |segment: &str, to: &str, object: &str, value: Value, field: &str| {
        refused(segment, to, object, "schedule", value, "activation.schedule", field)
    };
    let said = schedule(&batch, &ads, "people", json!({"after": "change"}), "/schedule/after");
    assert!(said.contains("evaluated in batch") && said.contains("say `evaluation`"), "{said}");
    let said = schedule(&streaming, &ads, "people", json!({"after": "evaluation"}), "/schedule/after");
    assert!(said.contains("say `change`"), "{said}");
    let said = schedule(&streaming, &s3, "file", json!({"after": "change"}), "/schedule/after");
    assert!(said.contains("a file of its own"), "{said}");
    assert!(schedule(&batch, &s3, "file", json!({"cron": "0 25 * * *"}), "/schedule/cron").contains("hour"));
    schedule(&batch, &s3, "file", json!({"every_seconds": 5}), "/schedule/every_seconds");
    schedule(&batch, &s3, "file", json!({}), "/schedule");
    let said = refused(&batch, &ads, "people", "export", json!("incremental"), "activation.export", "/export");
    assert!(said.contains("Leave `export` out"), "{said}");
}
