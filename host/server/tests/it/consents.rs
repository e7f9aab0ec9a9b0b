//! Who may be sent something, and what amounts are worth.

use crate::harness::{Api, Harness};
use serde_json::{Value, json};
use ureq::http::Method;

fn who(address: &str) -> Value {
    json!({"namespace": "email", "value": address})
}

fn said(address: &str, given: bool, at: &str) -> Value {
    json!({"identity": who(address), "channel": "email", "purpose": "news", "given": given, "source": "form", "at": at})
}

fn decide(api: &Api, addresses: &[&str]) -> (bool, String) {
    let identities: Vec<Value> = addresses.iter().map(|a| who(a)).collect();
    let body = json!({"channel": "email", "purpose": "news", "identities": identities});
    let decided = api.post("consents/decide", &body);
    (decided.is(200).body["may_send"] == true, decided.text("/code").to_owned())
}

#[test]
fn consents_are_kept_once_and_the_newest_counts() {
    let api = Harness::sandbox();
    assert_eq!(decide(&api, &["a@x.example"]), (false, "consent.not-covered".into()));
    let first = json!({"consents": [said("A@x.example ", true, "2026-01-01T00:00:00Z"),
        said("b@x.example", true, "2026-01-01T00:00:00Z")]});
    assert_eq!(api.post("consents", &first).is(200).body, json!({"received": 2, "changed": 2}));
    assert_eq!(api.post("consents", &first).is(200).body, json!({"received": 2, "changed": 0}));
    assert_eq!(decide(&api, &["a@x.example"]), (true, String::new()));
    let withdrawn = json!({"consents": [said("a@x.example", false, "2026-01-02T00:00:00Z")]});
    api.post("consents", &withdrawn).is(200);
    assert_eq!(decide(&api, &["a@x.example"]), (false, "consent.withdrawn".into()));
    assert_eq!(decide(&api, &["b@x.example", "a@x.example"]), (false, "consent.withdrawn".into()));
    assert_eq!(decide(&api, &["b@x.example"]), (true, String::new()));
    // What was said before stays on record.
    let of = api.get("consents?namespace=email&value=a%40x.example&limit=1");
    assert_eq!(of.is(200).text("/items/0/identity/value"), "a@x.example");
    assert!(of.text("/next_cursor").len() > 1);
    assert_eq!(api.get("consents").body["items"].as_array().unwrap().len(), 3);
    assert_eq!(Harness::sandbox().get("consents").body["items"], json!([]));
}

#[test]
fn what_is_wrong_with_one_keeps_all_out_and_is_named() {
    let api = Harness::sandbox();
    let mut wrong = said("nobody", true, "yesterday");
    wrong["channel"] = json!("E-Mail!");
    let refused =
        api.post("consents", &json!({"consents": [said("a@x.example", true, "2026-01-01T00:00:00Z"), wrong]}));
    let mut fields: Vec<&str> = refused.refused(422, "request.invalid").body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["/consents/1/at", "/consents/1/channel", "/consents/1/identity/value"]);
    assert_eq!(api.get("consents").body["items"], json!([]));
    api.post("consents", &json!({"consents": []})).refused(422, "request.invalid");
    let many = vec![said("a@x.example", true, "2026-01-01T00:00:00Z"); 1001];
    api.post("consents", &json!({ "consents": many })).refused(422, "request.invalid");
}

#[test]
fn suppressions_outweigh_consents_until_they_are_taken_back() {
    let api = Harness::sandbox();
    api.post("consents", &json!({"consents": [said("a@x.example", true, "2026-01-01T00:00:00Z")]})).is(200);
    let suppression =
        json!({"identity": who("a@x.example"), "reason": "asked us", "source": "desk", "at": "2025-01-01T00:00:00Z"});
    let body = json!({ "suppressions": [suppression] });
    assert_eq!(api.post("suppressions", &body).is(200).body["changed"], 1);
    assert_eq!(api.post("suppressions", &body).is(200).body["changed"], 0);
    assert_eq!(decide(&api, &["a@x.example"]), (false, "consent.suppressed".into()));
    let listed = api.get("suppressions");
    assert_eq!((listed.text("/items/0/channel"), listed.text("/items/0/reason")), ("*", "asked us"));
    let back = json!({"suppressions": [{"identity": who("a@x.example")}]});
    assert_eq!(api.post("suppressions/remove", &back).is(200).body["changed"], 1);
    assert_eq!(decide(&api, &["a@x.example"]), (true, String::new()));
}

#[test]
fn rates_are_published_by_base_and_amounts_convert_by_the_day() {
    let api = Harness::sandbox();
    let put = |headers: &[(&str, &str)], base: &str, table: &Value| {
        api.json(Method::PUT, &format!("exchange-rates/{base}"), headers, table)
    };
    let table = json!({"base": "EUR", "rates": [{"currency": "USD", "from": "2026-01-01", "rate": "0.9"},
        {"currency": "USD", "from": "2026-02-01", "rate": "0.8"}]});
    assert_eq!(put(&[], "EUR", &table).is(200).header("etag"), "\"1\"");
    assert_eq!(api.get("exchange-rates/EUR").is(200).body, table);
    let listed = api.get("exchange-rates");
    assert_eq!(
        listed.body["items"][0],
        json!({"base": "EUR", "currencies": ["USD"], "rates": 2, "newest": "2026-02-01"})
    );
    let worth = |currency: &str, on: &str| {
        api.get(&format!("exchange-rates/EUR/convert?amount=100.50&currency={currency}&on={on}")).is(200).body.clone()
    };
    assert_eq!(worth("USD", "2026-01-31"), json!({"amount": "90.45"}));
    assert_eq!(worth("USD", "2026-03-01"), json!({"amount": "80.4"}));
    assert_eq!(worth("EUR", "2020-01-01"), json!({"amount": "100.5"}));
    let unknown = worth("USD", "2025-12-31");
    assert_eq!(unknown["amount"], Value::Null);
    assert!(unknown["because"].as_str().unwrap().contains("no rate of USD"), "{unknown}");

    let refused =
        put(&[], "EUR", &json!({"base": "EUR", "rates": [{"currency": "USD", "from": "soon", "rate": "-1"}]}));
    refused.refused(422, "exchange-rates.invalid");
    assert_eq!(refused.body["errors"].as_array().unwrap().len(), 2);
    put(&[], "USD", &table).refused(422, "request.invalid");
    put(&[("if-match", "\"7\"")], "EUR", &table).refused(412, "store.version-mismatch");
    put(&[("if-match", "\"1\"")], "EUR", &table).is(200);
    api.get("exchange-rates/GBP").refused(404, "exchange-rates.missing");
}
