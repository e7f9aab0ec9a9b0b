//! Which records are one, over HTTP: rules, never-links, and why a profile is what it is.

use crate::harness::{Api, Harness};
use crate::journey::{caught_up, connect_marketo, run, vendors_of};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use ureq::http::Method;

/// A sandbox with a few people who share an address with somebody.
fn people() -> Api {
    let marketo =
        MarketoConfig { leads: 40, shared_email_every: 5, missing_email_every: 0, ..MarketoConfig::default() };
    let vendors = vendors_of(marketo);
    let api = Harness::sandbox();
    let secret = MarketoConfig::default().client_secret;
    let connection = connect_marketo(&api, &vendors, &secret);
    assert_eq!(run(&api, &connection).text("/status"), "succeeded");
    caught_up(&api);
    api
}

fn profiles(api: &Api) -> Vec<Value> {
    api.get("profiles?limit=100").is(200).body["items"].as_array().unwrap().clone()
}

fn put(api: &Api, path: &str, headers: &[(&str, &str)], body: &Value) -> crate::harness::Answer {
    api.json(Method::PUT, path, headers, body)
}

#[test]
fn rules_are_tried_and_published_and_two_who_publish_at_once_are_told() {
    let api = people();
    let before = profiles(&api).len();
    assert!(before < 40, "nobody shares an address");
    let everybody = api.post("segments", &json!({ "name": "everybody", "expression": "person.email != ''" }));
    let everybody = everybody.is(201).text("/id").to_owned();
    caught_up(&api);
    let read = api.get("identity/rules");
    assert_eq!((read.is(200).header("etag"), read.body["version"].as_u64()), ("\"0\"", Some(1)));
    let mut rules = read.body.clone();
    rules["namespaces"]["email"]["joins"] = json!(false);

    let tried = api.post("identity/rules/what-if", &json!({ "rules": rules }));
    let difference = &tried.is(200).body["difference"];
    assert_eq!((&difference["profiles_before"], &difference["profiles_after"]), (&json!(before), &json!(40)));
    assert!(difference["splits"].as_u64() > Some(0), "{difference}");
    let audiences = &tried.body["audiences"];
    let [change] = audiences["changed"].as_array().unwrap().as_slice() else { panic!("{audiences}") };
    assert_eq!((&change["segment"], &change["entity"]), (&json!(everybody), &json!("person")));
    assert_eq!((&change["members_before"], &change["members_after"]), (&json!(before), &json!(40)));
    assert_eq!((&change["divided"], &change["entering"]["count"]), (&json!(40 - before), &json!(0)));
    assert_eq!((&audiences["steady"], &audiences["left_out"]), (&json!(true), &json!([])));
    api.post("identity/rules/what-if", &json!({ "rules": rules, "records_max": 0 })).refused(422, "request.invalid");
    let of = |answer: &Value| ["whole", "records", "records_stored"].map(|field| answer[field].clone());
    assert_eq!(of(&tried.body), [json!(true), json!(40), json!(40)]);
    let part = api.post("identity/rules/what-if", &json!({ "rules": rules, "records_max": 7 }));
    assert_eq!(of(&part.is(200).body), [json!(false), json!(7), json!(40)]);
    assert_eq!(profiles(&api).len(), before);

    let published = put(&api, "identity/rules", &[("if-match", "\"0\"")], &rules);
    assert_eq!((published.is(200).header("etag"), &published.body["version"]), ("\"1\"", &json!(2)));
    caught_up(&api);
    assert_eq!(profiles(&api).len(), 40);
    let members = api.get(&format!("segments/{everybody}/members?limit=100"));
    assert_eq!(members.is(200).body["items"].as_array().unwrap().len(), 40, "as it was told");
    // Made of the version before; and, with the version that holds, seen at another state.
    put(&api, "identity/rules", &[], &rules).refused(412, "store.version-mismatch");
    rules["version"] = json!(2);
    put(&api, "identity/rules", &[("if-match", "\"0\"")], &rules).refused(412, "store.version-mismatch");

    rules["namespaces"]["email"]["records_max"] = json!(0);
    rules["namespaces"]["name"] = rules["namespaces"]["email"].clone();
    rules["namespaces"]["name"]["fields"] = json!(["last_nam"]);
    rules["namespaces"]["name"]["records_max"] = json!(5);
    let refused = put(&api, "identity/rules", &[], &rules);
    assert_eq!(refused.refused(422, "identity.rules").text("/errors/0/field"), "/namespaces/email/records_max");
    rules["namespaces"]["email"]["records_max"] = json!(10);
    let refused = put(&api, "identity/rules", &[], &rules);
    assert_eq!(refused.refused(422, "identity.rules").text("/errors/0/field"), "/namespaces/name/fields");
    rules["typo"] = json!(1);
    put(&api, "identity/rules", &[], &rules).refused(422, "request.invalid");

    // Fields that rules name are found by, joined or not.
    let mut rules = api.get("identity/rules").body.clone();
    rules["namespaces"]["name"] = json!({ "priority": 90, "joins": false, "records_max": 5, "fields": ["last_name"] });
    put(&api, "identity/rules", &[], &rules).is(200);
    caught_up(&api);
    let name = profiles(&api)[0]["attributes"]["last_name"].as_str().unwrap().to_uppercase();
    let found = api.get(&format!("profiles?namespace=name&value={}", name.replace(' ', "%20")));
    assert_eq!(found.is(200).body["items"].as_array().unwrap().len(), 1);
    api.get("profiles?namespace=nobody&value=x").refused(422, "request.invalid");
}

#[test]
fn a_profile_is_explained_divided_and_made_one_again() {
    let api = people();
    let two = profiles(&api).into_iter().find(|p| p["records"] == 2).unwrap();
    let (id, address) = (two["id"].as_str().unwrap(), two["attributes"]["email"].as_str().unwrap());
    let told = api.get(&format!("profiles/{id}/explanation"));
    let field = |name: &str| {
        let fields = told.body["fields"].as_array().unwrap();
        fields.iter().find(|f| f["field"] == name).unwrap_or_else(|| panic!("no {name} in {fields:?}")).clone()
    };
    let email = field("email");
    assert_eq!((email["value"].as_str(), &email["from"]["expression"]), (Some(address), &json!("record.email")));
    assert!(email["from"]["source_key"].as_str().unwrap().ends_with("@123-ABC-456.Marketo"));
    let link = &told.is(200).body["links"][0];
    assert_eq!((&link["identity"]["namespace"], &link["from_field"]), (&json!("email"), &json!("email")));

    let detail = api.get(&format!("profiles/{id}"));
    let first = detail.text("/sources/0/source_key").to_owned();
    let unmerge = |body: Value| api.post(&format!("profiles/{id}/unmerge"), &body);
    unmerge(json!({ "groups": [["9999@123-ABC-456.Marketo"]], "reason": "x" })).refused(422, "request.invalid");
    unmerge(json!({ "groups": [], "reason": "x" })).refused(422, "request.invalid");
    unmerge(json!({ "groups": [[first]], "reason": " " })).refused(422, "request.invalid");
    let divided = unmerge(json!({ "groups": [[first]], "reason": "two people" }));
    let never = divided.is(200).text("/never_links/0/id").to_owned();
    caught_up(&api);
    let found = |address: &str| profiles(&api).iter().filter(|p| p["attributes"]["email"] == address).count();
    assert_eq!(found(address), 2);
    let listed = api.get("identity/never-links");
    assert_eq!((listed.text("/items/0/id"), listed.text("/items/0/reason")), (never.as_str(), "two people"));
    let held = api.get(&format!("profiles/{id}/explanation"));
    assert!(held.text("/held/0/reason").ends_with("somebody said that they are different"), "{}", held.body);

    // The same, said of two records by name.
    let (a, b) = (listed.text("/items/0/a"), listed.text("/items/0/b"));
    let again = api.post("identity/never-links", &json!({ "a": b, "b": a, "reason": "still two" }));
    assert_eq!(again.is(201).text("/id"), never);
    api.post("identity/never-links", &json!({ "a": a, "b": a, "reason": "x" })).refused(422, "request.invalid");
    api.post("identity/never-links", &json!({ "a": a, "b": "1@x.Marketo", "reason": "x" }))
        .refused(422, "request.invalid");

    let place = format!("identity/never-links/{never}");
    api.send(Method::DELETE, &place, &[], Vec::new()).is(204);
    api.send(Method::DELETE, &place, &[], Vec::new()).refused(404, "never-link.missing");
    caught_up(&api);
    assert_eq!(found(address), 1);
    assert!(api.get("profiles?degraded=true").is(200).body["items"].as_array().unwrap().is_empty());
}

#[test]
fn a_merge_policy_is_published_and_checked() {
    let api = Harness::sandbox();
    let policy = api.get("identity/merge-policy");
    assert_eq!(policy.is(200).body, json!({ "version": 1, "default": { "rule": "newest" }, "fields": {} }));
    let wrong = json!({ "version": 1, "fields": { "shoe_size": { "rule": "newest" },
        "email": { "rule": "precedence", "sources": [] } } });
    let refused = put(&api, "identity/merge-policy", &[], &wrong);
    let fields: Vec<&str> = [0, 1].map(|i| refused.text(["/errors/0/field", "/errors/1/field"][i])).to_vec();
    refused.refused(422, "identity.merge-policy");
    assert_eq!(fields, ["/fields/email/sources", "/fields/shoe_size"]);
    let right = json!({ "version": 1, "fields": { "email": { "rule": "precedence", "sources": ["Salesforce"] } } });
    assert_eq!(put(&api, "identity/merge-policy", &[], &right).is(200).body["version"], 2);
    assert_eq!(api.get("identity/merge-policy").body["fields"], right["fields"]);
    put(&api, "identity/merge-policy", &[], &right).refused(412, "store.version-mismatch");
}
