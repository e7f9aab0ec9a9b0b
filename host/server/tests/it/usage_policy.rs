//! What data may not be used for: refused when an activation is made, and at the next delivery when the label came later.

use crate::account_activations::{activation, linkedin, with};
use crate::audiences::{business, key, make, send};
use crate::harness::Api;
use crate::journey::{caught_up, connect_marketo, connect_s3, run, vendors_of, work};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use ureq::http::Method;

fn publish(api: &Api, policy: &Value) -> crate::harness::Answer {
    api.json(Method::PUT, "usage-policy", &[], policy)
}

fn hot(api: &Api) -> String {
    send(
        api,
        "person",
        &json!([
        {"id": "a1", "fields": {"email": "ann@x.com", "department": "HR", "person_score": 90, "account_key": key("acme")}}]),
    );
    make(api, &json!({"name": "Hot", "expression": "person.person_score > 80"}))
}

#[test]
fn a_label_that_comes_later_stops_the_one_activation_and_not_the_other() {
    let api = business();
    let (vendor, ads) = linkedin(&api);
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let s3 = connect_s3(&api, &vendors, "right");
    let hot = hot(&api);
    caught_up(&api);
    let make = |to: &str, object: &str| {
        let made = api.post("activations", &activation(&hot, to, object, &[("email", "person.email")]));
        made.is(201).text("/id").to_owned()
    };
    let (advertised, filed) = (make(&ads, "people"), make(&s3, "file"));
    let deliver = |id: &str| work(&api, &format!("activations/{id}/deliveries")).body;
    assert_eq!(deliver(&advertised)["status"], "succeeded");

    let usual = api.get("usage-policy");
    assert_eq!(usual.is(200).body, json!({"version": 1, "labels": [], "destinations": [], "segments": "as-use"}));
    let policy = json!({"version": 1,
        "labels": [{"field": "person.person_score", "not_for": ["advertising"], "reason": "contract"}],
        "destinations": [{"connection": ads, "uses": ["advertising"]}]});
    assert_eq!(publish(&api, &policy).is(200).body["version"], 2);
    let stopped = api.get("usage-policy/violations");
    let path = format!("person.person_score -> segment {hot} (Hot) -> `people` of {ads}, which is for advertising");
    assert_eq!(
        stopped.is(200).body["items"],
        json!([{"activation": advertised, "place": "/segment",
        "field": "person.person_score", "not_for": "advertising", "path": path}])
    );

    // The next delivery is refused with the way, and sends nothing; where nothing is said of the use, all goes on.
    let calls = format!("{:?}", vendor.received());
    let refused = deliver(&advertised);
    assert_eq!(
        (&refused["status"], &refused["fault"]["code"]),
        (&json!("failed"), &json!("activation.usage")),
        "{refused}"
    );
    assert!(refused["fault"]["message"].as_str().unwrap().contains(&path), "{refused}");
    assert_eq!(format!("{:?}", vendor.received()), calls);
    assert_eq!(deliver(&filed)["status"], "succeeded");

    // Who only cares for what is mapped may say so. What is retired takes out what is there.
    let loose =
        json!({"version": 2, "segments": "not", "labels": policy["labels"], "destinations": policy["destinations"]});
    publish(&api, &loose).is(200);
    assert_eq!(deliver(&advertised)["status"], "succeeded");
    publish(&api, &with(policy, "version", json!(3))).is(200);
    api.post(&format!("activations/{advertised}/retire"), &json!({})).is(200);
    let last = deliver(&advertised);
    assert_eq!((&last["status"], &last["books"]["removed"]), (&json!("succeeded"), &json!(1)), "{last}");
}

#[test]
fn what_would_be_used_is_refused_when_it_is_made_with_the_way_it_takes() {
    let api = business();
    let (_vendor, ads) = linkedin(&api);
    let hot = hot(&api);
    let label = |field: &str| json!({"field": field, "not_for": ["advertising"]});
    let policy = json!({"version": 1, "labels": [label("person.person_score"), label("account.annual_revenue")],
        "destinations": [{"connection": ads, "object": "people", "uses": ["advertising", "research"]}]});
    publish(&api, &policy).is(200);
    let refused = |body: &Value| -> Vec<(String, String)> {
        let answer = api.post("activations", body);
        let errors = answer.refused(422, "activation.usage").body["errors"].as_array().unwrap().clone();
        let text = |e: &Value, key: &str| e[key].as_str().unwrap().to_owned();
        errors.iter().map(|e| (text(e, "field"), text(e, "message"))).collect()
    };
    // By a mapping, and by a segment that asks for another's audience.
    let above =
        make(&api, &json!({"name": "Above", "expression": "inAudience(\"Hot\") && person.department == \"HR\""}));
    let found = refused(&activation(&above, &ads, "people", &[("title", "person.person_score > 50 ? 'A' : 'B'")]));
    let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["/mapping/0/expression", "/segment"], "{found:?}");
    assert!(found[1].1.contains(&format!("segment {hot} (Hot)")), "{found:?}");
    // By the accounts whose people are sent.
    let rich = make(&api, &json!({"name": "Rich", "entity": "account", "expression": "account.annual_revenue > 5"}));
    let people =
        with(activation(&rich, &ads, "people", &[("email", "person.email")]), "expansion", json!({"by": ["people"]}));
    let found = refused(&people);
    assert!(found.iter().any(|(_, message)| message.contains("account.annual_revenue")), "{found:?}");
    // Another kind of target of the same destination is for nothing of the sort.
    api.post("activations", &activation(&rich, &ads, "companies", &[("name", "account.name")])).is(201);

    let wrong = json!({"version": 2, "labels": [label("person.score"), {"column": {"connection": ads, "stream": "persons", "name": "x"}, "not_for": ["a"]}],
        "destinations": [{"connection": "con_nowhere", "uses": ["advertising"]}]});
    let answer = publish(&api, &wrong);
    let fields: Vec<&str> = answer.refused(422, "usage.policy").body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["/labels/0/field", "/labels/1/column", "/destinations/0/connection"]);
    publish(&api, &policy).refused(412, "store.version-mismatch");
}

#[test]
fn a_label_on_a_column_of_a_source_is_one_on_what_is_made_of_it() {
    let api = business();
    let (_vendor, ads) = linkedin(&api);
    let vendors = vendors_of(MarketoConfig { leads: 5, ..MarketoConfig::default() });
    let marketo = connect_marketo(&api, &vendors, &vendors.secret());
    run(&api, &marketo);
    let policy = json!({"version": 1, "destinations": [{"connection": ads, "uses": ["advertising"]}], "labels": [
        {"column": {"connection": marketo, "stream": "persons", "name": "leadScore"}, "not_for": ["advertising"]}]});
    publish(&api, &policy).is(200);
    let hot = hot(&api);
    let refused = api.post("activations", &activation(&hot, &ads, "people", &[("email", "person.email")]));
    let way =
        format!("persons.leadScore of {marketo} -> person.person_score -> segment {hot} (Hot) -> `people` of {ads}");
    assert!(refused.refused(422, "activation.usage").text("/errors/0/message").contains(&way), "{refused:?}");
}
