//! `Idempotency-Key`: done once, answered alike.

use crate::harness::{Answer, Api, Harness};
use serde_json::{Value, json};
use ureq::http::Method;

fn create(api: &Api, key: &str, body: &Value) -> Answer {
    api.json(Method::POST, "segments", &[("idempotency-key", key)], body)
}

fn segment(name: &str) -> Value {
    json!({"name": name, "expression": "person.person_score > 1"})
}

#[test]
fn a_repeat_gets_the_first_answer_and_nothing_is_done_twice() {
    let api = Harness::sandbox();
    let first = create(&api, "k-1", &segment("a"));
    let again = create(&api, "k-1", &segment("a"));
    assert_eq!(
        (first.is(201).text.as_str(), first.header("location")),
        (again.is(201).text.as_str(), again.header("location"))
    );
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(api.get("segments").body["items"].as_array().unwrap().len(), 1);
    create(&api, "k-2", &segment("a")).is(201);
    assert_eq!(api.get("segments").body["items"].as_array().unwrap().len(), 2);
}

#[test]
fn a_key_is_for_one_request() {
    let api = Harness::sandbox();
    create(&api, "k", &segment("a")).is(201);
    create(&api, "k", &segment("b")).refused(422, "idempotency.reused");
    let elsewhere =
        api.json(Method::POST, "segments/check", &[("idempotency-key", "k")], &json!({"expression": "true"}));
    elsewhere.refused(422, "idempotency.reused");
    // Another caller's key is another key.
    let own = api.post("/v1/keys", &json!({"name": "second"})).text("/key").to_owned();
    create(&Api { key: own, ..api }, "k", &segment("b")).is(201);
}

#[test]
fn refusals_are_kept_too_and_odd_keys_refused() {
    let api = Harness::sandbox();
    let bad = json!({"name": "a", "expression": "person.nothing"});
    let first = create(&api, "bad", &bad);
    let again = create(&api, "bad", &bad);
    first.refused(422, "segment.expression");
    again.refused(422, "segment.expression");
    assert_eq!(again.header("idempotency-replayed"), "true");
    create(&api, &"x".repeat(300), &segment("a")).refused(400, "request.header");
}

#[test]
fn a_secret_in_a_kept_answer_comes_back_and_is_sealed() {
    let harness = Harness::shared();
    let api = harness.api("");
    let make = || api.json(Method::POST, "/v1/keys", &[("idempotency-key", "once")], &json!({"name": "n"}));
    let (first, again) = (make(), make());
    assert_eq!(first.is(201).text("/key"), again.is(201).text("/key"));
    let secret = first.text("/key").rsplit('_').next().unwrap().to_owned();
    let data = harness.data_dir();
    for file in ["control.db", "control.db-wal"] {
        let bytes = std::fs::read(data.join(file)).unwrap_or_default();
        let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!found, "the secret stands in {file}");
    }
}
