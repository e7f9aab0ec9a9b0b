//! Limits of what profiles and events may be: each beyond it is refused, cut or listed, and says why.

use crate::harness::{Answer, Api, Harness};
use crate::journey::caught_up;
use serde_json::{Value, json};
use ureq::http::Method;

fn limits(api: &Api, overrides: &Value) {
    api.json(Method::PUT, "guardrails", &[], overrides).is(200);
}

fn send(api: &Api, entity: &str, records: &Value) -> Answer {
    let body = json!({"source": {"system": "Web", "id": "shop"}, "entity": entity, "records": records});
    let answer = api.post("records", &body);
    caught_up(api);
    answer
}

fn degraded(api: &Api, entity: &str) -> usize {
    api.get(&format!("profiles?entity={entity}&degraded=true")).is(200).body["items"].as_array().unwrap().len()
}

#[test]
fn accounts_over_a_limit_are_listed_and_come_back() {
    let api = Harness::sandbox();
    send(
        &api,
        "account",
        &json!([
        {"id": "a1", "fields": {"name": "Acme"}},
        {"id": "a2", "fields": {"name": "Acme", "external_key": "a1@shop.Web"}},
        {"id": "a3", "fields": {"name": "Beta", "external_key": "a1@shop.Web"}},
        {"id": "a4", "fields": {"name": "Child", "parent_key": "a1@shop.Web"}}]),
    );
    let accounts = || api.get("profiles?entity=account").is(200).body["items"].as_array().unwrap().len();
    assert_eq!((accounts(), degraded(&api, "account")), (2, 0));
    limits(&api, &json!({"account.identities": {"max": 2}}));
    caught_up(&api);
    assert_eq!(accounts(), 3);
    assert!(degraded(&api, "account") > 0);
    limits(&api, &json!({"account.family": {"max": 1}}));
    caught_up(&api);
    assert_eq!((accounts(), degraded(&api, "account")), (2, 1), "a family of two, of which one is looked at");
    limits(&api, &json!({}));
    caught_up(&api);
    assert_eq!(degraded(&api, "account"), 0);
}

/// `account.depth`, which nobody can change.
#[test]
fn a_chain_of_parents_that_is_too_long_is_listed() {
    let api = Harness::sandbox();
    let account = |n: u32| {
        let parent = if n == 0 { Value::Null } else { json!(format!("a{}@shop.Web", n - 1)) };
        json!({"id": format!("a{n}"), "fields": {"name": format!("N{n}"), "parent_key": parent}})
    };
    send(&api, "account", &json!((0..101).map(account).collect::<Vec<_>>())).is(200);
    assert_eq!(degraded(&api, "account"), 0);
    send(&api, "account", &json!([account(101)])).is(200);
    assert_eq!(degraded(&api, "account"), 1);
    let found = api.get("profiles?entity=account&namespace=source_key&value=a101@shop.Web");
    let shown = api.get(&format!("profiles/{}/hierarchy", found.text("/items/0/id")));
    assert_eq!((shown.is(200).text("/end"), shown.body.get("ultimate")), ("too-deep", None));
}

#[test]
fn a_domain_that_too_many_accounts_have_finds_none() {
    let api = Harness::sandbox();
    limits(&api, &json!({"account.sharing_key": {"max": 1}}));
    send(&api, "person", &json!([{"id": "p1", "fields": {"email": "ann@acme.com"}}]));
    send(&api, "account", &json!([{"id": "a1", "fields": {"name": "Acme", "website": "acme.com"}}]));
    let ann = api.get("profiles?namespace=email&value=ann@acme.com").text("/items/0/id").to_owned();
    let outcome = || api.get(&format!("profiles/{ann}/account-match")).is(200).body.clone();
    assert_eq!(outcome()["outcome"], "matched");
    send(&api, "account", &json!([{"id": "a2", "fields": {"name": "Agency", "website": "acme.com"}}]));
    assert_eq!(
        (&outcome()["outcome"], &outcome()["shared_by_too_many"]),
        (&json!("unmatched"), &json!(["domain:acme.com"]))
    );
    assert_eq!(api.get(&format!("profiles/{ann}")).body["attributes"].get("matched_account_key"), None);
}

#[test]
fn events_that_are_too_large_are_refused() {
    let api = Harness::sandbox();
    limits(&api, &json!({"event.bytes": {"max": 300}}));
    let event = |page: &str| {
        json!([{"id": "e1", "fields": {"type": "web.webpagedetails.pageViews", "time": "2026-11-28T09:31:00Z",
                "email": "ann@acme.com", "page": page}}])
    };
    let refused = send(&api, "activity", &event(&"x".repeat(300)));
    assert!(refused.refused(422, "ingest.records").text.contains("(event.bytes)"), "{}", refused.text);
    send(&api, "activity", &event("/pricing")).is(200);
}

#[test]
fn lists_of_a_person_are_cut_and_that_is_counted() {
    let api = Harness::sandbox();
    let departments = || {
        let found = api.get("profiles?namespace=email&value=ann@acme.com");
        found.is(200).body["items"][0]["attributes"]["departments"].clone()
    };
    let fields = json!({"email": "ann@acme.com", "departments": ["HR", "IT", "Sales"]});
    send(&api, "person", &json!([{"id": "p1", "fields": fields}])).is(200);
    assert_eq!(departments(), json!(["HR", "IT", "Sales"]));
    limits(&api, &json!({"person.list_items": {"max": 2}}));
    caught_up(&api);
    assert_eq!(departments(), json!(["HR", "IT"]), "what is stored already is looked at again");
    limits(&api, &json!({}));
    caught_up(&api);
    assert_eq!(departments(), json!(["HR", "IT", "Sales"]), "nothing is lost");
}

#[test]
fn a_model_that_is_too_large_is_refused() {
    let api = Harness::sandbox();
    limits(&api, &json!({"sandbox.custom_attributes": {"max": 1}, "sandbox.custom_entities": {"max": 1}}));
    let attribute = |name: &str| json!({"entity": "person", "field": {"name": name, "data_type": "text"}});
    let model = json!({"version": 0, "attributes": [attribute("a"), attribute("b")]});
    let refused = api.json(Method::PUT, "model", &[], &model);
    assert!(refused.refused(422, "model.invalid").text.contains("(sandbox.custom_attributes)"), "{}", refused.text);
    let entity = |name: &str| {
        json!({"name": name, "fields": [{"name": "person_key", "data_type": "text"}],
               "relations": [{"field": "person_key", "to": "person", "name_there": format!("{name}s")}]})
    };
    let model = json!({"version": 0, "entities": [entity("shoe"), entity("hat")]});
    let refused = api.json(Method::PUT, "model", &[], &model);
    assert!(refused.refused(422, "model.invalid").text.contains("(sandbox.custom_entities)"), "{}", refused.text);
    let model = json!({"version": 0, "attributes": [attribute("a")], "entities": [entity("shoe")]});
    api.json(Method::PUT, "model", &[], &model).is(200);
}
