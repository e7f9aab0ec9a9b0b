//! People are matched to accounts, and families of accounts come to something, over HTTP: rules that are published, why,
//! and where it is seen.

use crate::audiences::{evaluate, key, make, members};
use crate::harness::{Api, Harness};
use crate::journey::caught_up;
use serde_json::{Value, json};
use ureq::http::Method;

fn send(api: &Api, entity: &str, records: &Value) {
    let body = json!({"source": {"system": "Web", "id": "shop"}, "entity": entity, "records": records});
    api.post("records", &body).is(200);
    caught_up(api);
}

fn id(api: &Api, query: &str) -> String {
    let found = api.get(&format!("profiles?{query}"));
    found.is(200).body["items"][0]["id"].as_str().unwrap().to_owned()
}

fn put(api: &Api, path: &str, headers: &[(&str, &str)], body: &Value) -> crate::harness::Answer {
    api.json(Method::PUT, path, headers, body)
}

#[test]
fn who_names_no_account_is_matched_and_that_is_seen_for_what_it_is() {
    let api = Harness::sandbox();
    send(&api, "person", &json!([{"id": "p1", "fields": {"email": "ann@acme.com", "company_name": "Acme"}}]));
    send(&api, "account", &json!([{"id": "a1", "fields": {"name": "Acme Inc.", "website": "https://acme.com"}}]));
    let (ann, acme) = (id(&api, "namespace=email&value=ann@acme.com"), id(&api, "entity=account&name=acme"));
    let shown = api.get(&format!("profiles/{ann}"));
    let attributes = &shown.is(200).body["attributes"];
    assert_eq!(
        (&attributes["matched_account_key"], &attributes["matched_account_score"]),
        (&json!("a1@shop.Web"), &json!(100))
    );
    assert_eq!(attributes["account_key"], Value::Null, "it is no word of a source");
    let related = |of: &str, way: &str| {
        let answer = api.get(&format!("profiles/{of}/related/{way}"));
        let items = answer.is(200).body["items"].as_array().unwrap();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((related(&ann, "matched_account"), related(&ann, "account")), (vec![acme.clone()], vec![]));
    assert_eq!((related(&acme, "matched_people"), related(&acme, "people")), (vec![ann.clone()], vec![]));
    let why = api.get(&format!("profiles/{ann}/account-match"));
    assert_eq!((&why.is(200).body["outcome"], &why.body["account"]), (&json!("matched"), &json!(acme)));
    let what: Vec<&str> =
        why.body["best"]["evidence"].as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["email_domain", "name"]);
    api.get(&format!("profiles/{acme}/account-match")).refused(404, "profile.missing");

    // Nobody says it but Attiva.
    let said = json!({"source": {"system": "Web", "id": "shop"}, "entity": "person",
        "records": [{"id": "p1", "fields": {"matched_account_key": "a9@shop.Web"}}]});
    api.post("records", &said).refused(422, "ingest.records");

    let rules = api.get("account-matching");
    assert_eq!((rules.is(200).header("etag"), &rules.body["threshold"]), ("\"0\"", &json!(60)));
    let mut new = rules.body.clone();
    new["threshold"] = json!(0);
    let refused = put(&api, "account-matching", &[], &new);
    assert_eq!(refused.refused(422, "account-matching.invalid").body["errors"][0]["field"], "/threshold");
    new["threshold"] = json!(100);
    new["points"]["name"] = json!(30);
    assert_eq!(put(&api, "account-matching", &[("if-match", "\"0\"")], &new).is(200).header("etag"), "\"1\"");
    put(&api, "account-matching", &[("if-match", "\"0\"")], &new).refused(412, "store.version-mismatch");
    caught_up(&api);
    assert_eq!(related(&ann, "matched_account"), Vec::<String>::new());
    let why = api.get(&format!("profiles/{ann}/account-match"));
    assert_eq!((&why.is(200).body["why"], &why.body["best"][0]["score"]), (&json!("below"), &json!(90)));
    assert_eq!(why.body["rules_version"], 2);
}

#[test]
fn what_is_rolled_up_is_declared_with_the_model_and_stands_at_the_ultimate_parent() {
    let api = Harness::sandbox();
    send(
        &api,
        "account",
        &json!([
        {"id": "a1", "fields": {"name": "Acme", "number_of_employees": 10}},
        {"id": "a2", "fields": {"name": "Beta", "number_of_employees": 5, "parent_key": "a1@shop.Web"}}]),
    );
    let model = |roll_ups: Value| json!({"version": 0, "roll_ups": roll_ups});
    let wrong = model(json!([{"name": "family", "field": "name", "how": "sum"}]));
    let refused = put(&api, "model", &[], &wrong);
    assert_eq!(refused.refused(422, "model.invalid").body["errors"][0]["field"], "/roll_ups/0");
    let right = model(json!([{"name": "family_employees", "field": "number_of_employees", "how": "sum"}]));
    put(&api, "model", &[], &right).is(200);
    caught_up(&api);
    let (top, child) = (id(&api, "entity=account&name=acme"), id(&api, "entity=account&name=beta"));
    assert_eq!(api.get(&format!("profiles/{top}")).body["attributes"]["family_employees"], 15);
    let shown = api.get(&format!("profiles/{child}/hierarchy"));
    assert_eq!((&shown.is(200).body["ultimate"], &shown.body["end"]), (&json!(top), &json!("top")));
    assert_eq!((&shown.body["path"], &shown.body["accounts"]), (&json!([top]), &json!(2)));
    assert_eq!(shown.body["roll_ups"][0]["value"], 15);
    let fields = &api.get("schema").body["entities"];
    let account = fields.as_array().unwrap().iter().find(|e| e["name"] == "account").unwrap();
    let field = account["fields"].as_array().unwrap().iter().find(|f| f["name"] == "family_employees").unwrap();
    assert_eq!((&field["derived"], &field["type"]), (&json!(true), &json!("integer")));

    // A circle is named, and listed.
    send(&api, "account", &json!([{"id": "a1", "kind": "patch", "fields": {"parent_key": "a2@shop.Web"}}]));
    assert_eq!(api.get(&format!("profiles/{child}/hierarchy")).body["end"], "cycle");
    let degraded = api.get("profiles?entity=account&degraded=true");
    assert_eq!(degraded.is(200).body["items"][0]["id"], json!(top));
    put(&api, "model", &[], &json!({"version": 1})).is(200);
    caught_up(&api);
    assert_eq!(api.get(&format!("profiles/{top}")).body["attributes"]["family_employees"], Value::Null);
}

/// What ties accounts to each other is a record of its own, which rules go along both ways; a list of keys on an account is
/// gone along by look-ups.
#[test]
fn rules_and_look_ups_go_along_what_ties_accounts() {
    let api = Harness::sandbox();
    let accounts = json!([
        {"id": "acme", "fields": {"name": "acme", "industry": "Finance"}},
        {"id": "shop", "fields": {"name": "shop", "industry": "Retail", "related_account_keys": [key("acme"), key("later")]}},
        {"id": "mill", "fields": {"name": "mill", "industry": "Steel"}}]);
    send(&api, "account", &accounts);
    let tie = |id: &str, from: &str, to: &str, active: bool| {
        json!({"id": id, "fields": {"account_key": key(from), "related_account_key": key(to), "relation_role": "Reseller",
            "is_active": active}})
    };
    send(&api, "account_relation", &json!([tie("t1", "acme", "shop", true), tie("t2", "mill", "shop", false)]));
    let person = |id: &str, account: &str, department: &str| json!({"id": id, "fields": {"email": format!("{id}@x.example"), "account_key": key(account), "department": department}});
    send(
        &api,
        "person",
        &json!([person("ann", "acme", "HR"), person("bob", "acme", "IT"), person("cid", "shop", "HR")]),
    );

    let segment = |entity: &str, rule: &str| make(&api, &json!({"name": rule, "entity": entity, "expression": rule}));
    let hr = "person.department == \"HR\" && person.accounts.exists(a, a.related_accounts.exists(r, r.industry == \"Retail\"))";
    let hr = segment("person", hr);
    let resold = segment("account", "account.related.exists(t, t.is_active && t.related_account.name == \"shop\")");
    let reseller = segment("account", "account.accounts_related_to_it.size() == 2");
    evaluate(&api);
    assert_eq!(members(&api, &hr), ["ann"]);
    assert_eq!((members(&api, &resold), members(&api, &reseller)), (vec!["acme".to_owned()], vec!["shop".to_owned()]));

    let profile = |name: &str| id(&api, &format!("entity=account&name={name}"));
    let (acme, shop) = (profile("acme"), profile("shop"));
    let related = |of: &str, way: &str| {
        let answer = api.get(&format!("profiles/{of}/related/{way}"));
        let items = answer.is(200).body["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((related(&acme, "related").len(), related(&shop, "related_from").len()), (1, 2));
    assert_eq!(related(&related(&acme, "related")[0], "related_account"), std::slice::from_ref(&shop));
    assert_eq!(
        (related(&shop, "listed_accounts"), related(&acme, "listed_by")),
        (vec![acme.clone()], vec![shop.clone()])
    );
    // Whoever is listed may come later; what is listed no more is not related any more.
    send(&api, "account", &json!([{"id": "later", "fields": {"name": "later"}}]));
    assert_eq!(related(&shop, "listed_accounts").len(), 2);
    send(&api, "account", &json!([{"id": "shop", "fields": {"name": "shop", "related_account_keys": [key("later")]}}]));
    assert_eq!((related(&shop, "listed_accounts"), related(&acme, "listed_by")), (vec![profile("later")], vec![]));
    let bad = json!({"source": {"system": "Web", "id": "shop"}, "entity": "account",
        "records": [{"id": "mill", "fields": {"related_account_keys": ["acme"]}}]});
    api.post("records", &bad).refused(422, "ingest.records");
}
