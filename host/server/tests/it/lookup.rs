//! Records that are sent become profiles, which are found by name and identity, and lead to each other.

use crate::harness::{Api, Harness};
use crate::journey::caught_up;
use serde_json::{Value, json};

fn send(api: &Api, entity: &str, records: &Value) -> crate::harness::Answer {
    let body = json!({"source": {"system": "Web", "id": "shop"}, "entity": entity, "records": records});
    api.post("records", &body)
}

/// Acme with a subsidiary, two people of whom one is in both, and two opportunities.
fn business() -> Api {
    let api = Harness::sandbox();
    // Who refers comes before who is referred to.
    send(&api, "opportunity", &json!([
        {"id": "o1", "fields": {"name": "Big deal", "account_key": "a1@shop.Web", "amount": "1250000.50", "is_closed": false}},
        {"id": "o2", "fields": {"name": "Small deal", "account_key": "a1@shop.Web", "amount": 10, "is_closed": true}}]))
    .is(200);
    send(&api, "person", &json!([
        {"id": "p1", "fields": {"first_name": "Ann", "last_name": "Miller", "email": "ann@acme.com", "account_key": "a1@shop.Web"}},
        {"id": "p2", "fields": {"first_name": "Ann", "last_name": "Miller", "email": "ann@acme.com", "account_key": "a2@shop.Web"}},
        {"id": "p3", "fields": {"first_name": "Bob", "last_name": "Millet", "email": "bob@acme.com", "account_key": "a1@shop.Web"}}]))
    .is(200);
    send(
        &api,
        "account",
        &json!([
        {"id": "a1", "fields": {"name": "Acme Inc."}},
        {"id": "a2", "fields": {"name": "Acme Labs", "parent_key": "a1@shop.Web"}}]),
    )
    .is(200);
    caught_up(&api);
    api
}

fn names(answer: &crate::harness::Answer, field: &str) -> Vec<String> {
    let items = answer.is(200).body["items"].as_array().unwrap();
    let mut names: Vec<String> =
        items.iter().map(|item| item["attributes"][field].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

fn only_id(answer: &crate::harness::Answer) -> String {
    let items = answer.is(200).body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{answer:?}");
    items[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn accounts_opportunities_and_people_are_found_and_lead_to_each_other() {
    let api = business();
    let acme = only_id(&api.get("profiles?entity=account&namespace=source_key&value=a1@shop.Web"));
    let related = |id: &str, way: &str| api.get(&format!("profiles/{id}/related/{way}"));
    assert_eq!(names(&related(&acme, "opportunities"), "name"), ["Big deal", "Small deal"]);
    assert_eq!(names(&related(&acme, "people"), "email"), ["ann@acme.com", "bob@acme.com"]);
    assert_eq!(names(&related(&acme, "children"), "name"), ["Acme Labs"]);

    // Two records of one address are one person, who is in both companies.
    let ann = only_id(&api.get("profiles?namespace=email&value=ann@acme.com"));
    assert_eq!(names(&related(&ann, "account"), "name"), ["Acme Inc.", "Acme Labs"]);
    let detail = api.get(&format!("profiles/{ann}"));
    assert_eq!(detail.is(200).body["references"].as_array().unwrap().len(), 2, "{detail:?}");
    assert_eq!(detail.body["references"][0]["profile"], json!(acme));

    let ways = api.get(&format!("profiles/{acme}/related"));
    let ways: Vec<&str> =
        ways.is(200).body["items"].as_array().unwrap().iter().map(|w| w["name"].as_str().unwrap()).collect();
    assert!(ways.contains(&"opportunities") && ways.contains(&"parent") && !ways.contains(&"components"), "{ways:?}");
    related(&acme, "friends").refused(404, "relation.missing");
    api.get("profiles?entity=planet").refused(422, "request.invalid");
    // An account has no records that could be divided.
    api.get(&format!("profiles/{acme}/explanation")).refused(404, "profile.missing");
}

#[test]
fn profiles_are_searched_by_the_beginning_of_a_name_and_of_an_address() {
    let api = business();
    assert_eq!(names(&api.get("profiles?name=MILL"), "last_name"), ["Miller", "Millet"]);
    assert_eq!(names(&api.get("profiles?name=ann%20m"), "last_name"), ["Miller"]);
    assert_eq!(names(&api.get("profiles?entity=account&name=acme"), "name"), ["Acme Inc.", "Acme Labs"]);
    let first = api.get("profiles?entity=account&name=acme&limit=1");
    assert_eq!(names(&first, "name"), ["Acme Inc."]);
    let cursor = first.text("/next_cursor").to_owned();
    assert_eq!(
        names(&api.get(&format!("profiles?entity=account&name=acme&limit=1&cursor={cursor}")), "name"),
        ["Acme Labs"]
    );
    assert_eq!(names(&api.get("profiles?namespace=email&prefix=BO"), "email"), ["bob@acme.com"]);
    for half in ["profiles?namespace=email", "profiles?prefix=a", "profiles?name=a&degraded=true", "profiles?name=%20"]
    {
        api.get(half).refused(422, "request.invalid");
    }
    api.get("profiles?name=a&cursor=MTp4").refused(400, "request.cursor");
}

#[test]
fn what_is_sent_twice_is_one_record_and_what_is_wrong_keeps_nothing() {
    let api = Harness::sandbox();
    let records = json!([{"id": "1", "at": "2026-11-01T00:00:00Z", "fields": {"name": "Acme"}}]);
    let count = |answer: &crate::harness::Answer, what: &str| answer.is(200).body[what].as_u64().unwrap();
    let first = send(&api, "account", &records);
    assert_eq!((count(&first, "received"), count(&first, "changed"), count(&first, "unchanged")), (1, 1, 0));
    let again = send(&api, "account", &records);
    assert_eq!((count(&again, "changed"), count(&again, "unchanged")), (0, 1));
    let older = json!([{"id": "1", "at": "2026-10-01T00:00:00Z", "fields": {"name": "Old"}}]);
    assert_eq!(count(&send(&api, "account", &older), "stale"), 1);

    let wrong =
        json!([{"id": "2", "fields": {"name": "Fine"}}, {"id": "3", "fields": {"nam": "x", "parent_key": "?"}}]);
    let refused = send(&api, "account", &wrong);
    refused.refused(422, "ingest.records");
    let fields: Vec<&str> =
        refused.body["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["/records/1/fields/nam", "/records/1/fields/parent_key"]);
    send(&api, "account", &json!([])).refused(422, "ingest.records");
    send(&api, "person_component", &json!([{"id": "1"}])).refused(422, "request.invalid");
    caught_up(&api);
    let all = api.get("profiles?entity=account");
    assert_eq!(names(&all, "name"), ["Acme"], "of a wrong request nothing is kept");

    let gone = json!([{"id": "1", "at": "2026-11-02T00:00:00Z", "kind": "deleted"}]);
    assert_eq!(count(&send(&api, "account", &gone), "changed"), 1);
    caught_up(&api);
    assert_eq!(names(&api.get("profiles?entity=account"), "name"), Vec::<String>::new());
}

#[test]
fn events_are_sent_too_and_stand_in_the_timeline() {
    let api = business();
    let event = |id: &str, time: &str, page: &str| json!({"id": id, "fields": {"type": "web.webpagedetails.pageViews", "time": time, "email": "Ann@acme.com", "page": page}});
    let views = json!([event("e1", "2026-11-01T10:00:00Z", "/pricing"), event("e2", "2026-11-02T10:00:00Z", "/docs")]);
    let sent = send(&api, "activity", &views);
    assert_eq!(sent.is(200).body["changed"], json!(2));
    assert_eq!(send(&api, "activity", &views).is(200).body["unchanged"], json!(2));
    let ann = only_id(&api.get("profiles?namespace=email&value=ann@acme.com"));
    let timeline = api.get(&format!("profiles/{ann}/events"));
    assert_eq!(timeline.is(200).body["items"].as_array().unwrap().len(), 2, "{timeline:?}");
    assert_eq!(timeline.text("/items/0/attributes/page"), "/docs", "{timeline:?}");

    let nobody =
        json!([event("e3", "2026-11-03T10:00:00Z", "/"), {"id": "e4", "fields": {"time": "2026-11-03T10:00:00Z"}}]);
    let refused = send(&api, "activity", &nobody);
    assert_eq!(refused.refused(422, "ingest.records").text("/errors/0/field"), "/records/1/fields/person_key");
    assert_eq!(api.get(&format!("profiles/{ann}/events/count")).is(200).body["count"], json!(2));
}
