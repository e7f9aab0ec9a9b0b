//! `Idempotency-Key`: done once, answered alike.

use crate::harness::{Answer, Api, Harness};
use attiva_core::access::{Given, Role};
use attiva_server::app::keys::{Caller, NewKeyOf};
use attiva_server::app::plugins::Upload;
use attiva_server::app::refusal::Refusal;
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
fn what_fails_for_the_moment_is_tried_again_under_the_same_key() {
    let api = Harness::sandbox();
    let id = api.post("connections", &crate::connections::marketo()).is(201).text("/id").to_owned();
    // Nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = json!({ "url": format!("http://127.0.0.1:{port}") });
    api.json(Method::PUT, &format!("connections/{id}/grants/api"), &[], &url).is(200);
    let start =
        |body: &Value| api.json(Method::POST, &format!("connections/{id}/runs"), &[("idempotency-key", "later")], body);
    for answer in [start(&json!({})), start(&json!({}))] {
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (503, ""), "{answer:?}");
    }
    start(&json!({"other": 1})).refused(422, "idempotency.reused");
    assert_eq!(api.get("runs").body["items"], json!([]));
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

/// What `tests/e2e` shows with a kill for what its journey makes; here for the rest. A repeat comes with the stamp of
/// the first.
#[test]
fn the_same_request_again_finds_what_it_made() {
    let harness = Harness::start(&[]);
    let app = harness.host.app();
    harness.runtime.block_on(async {
        let caller: Caller = app.keys().authenticate(&harness.key).unwrap();
        let (stamp, other) = (app.fresh_stamp(), app.fresh_stamp());
        let made = app.create_sandbox(&caller, &caller.organisation, stamp, "mine").await.unwrap();
        assert_eq!(app.create_sandbox(&caller, &caller.organisation, stamp, "mine").await.unwrap(), made);
        let refused: Refusal = app.create_sandbox(&caller, &caller.organisation, other, "mine").await.unwrap_err();
        assert_eq!(refused.fault.code, "store.exists");

        let given = Given::role(Role::Administrator);
        let of = NewKeyOf { organisation: &caller.organisation, name: "k", given: &given };
        let make = || app.keys().create(of, "test", stamp);
        let (lost, told) = (make().await.unwrap(), make().await.unwrap());
        assert_eq!(lost.key.id, told.key.id);
        assert_eq!(app.keys().authenticate(&lost.text).unwrap_err().fault.code, "key.refused");
        assert_eq!(app.keys().authenticate(&told.text).unwrap().key, told.key.id);

        let package = crate::plugins::guest(&harness);
        let upload = |stamp| Upload { bytes: &package, by: "test", stamp, allow_unsigned: None, approve: true };
        let install = |stamp| app.plugins().install(upload(stamp));
        assert!(install(stamp).await.unwrap().1 && install(stamp).await.unwrap().1, "both answer that it was made");
        assert!(!install(other).await.unwrap().1);
        let told = app.audit(&caller, 0, 500).unwrap().into_iter().map(|(_, event)| event.action);
        let told: Vec<String> = told.filter(|a| a != "plugin.installed").collect();
        assert_eq!(told.iter().filter(|a| *a == "key.created").count(), 2, "the first of all, and this one: {told:?}");
        assert_eq!(told.iter().filter(|a| *a == "sandbox.created").count(), 2, "{told:?}");
    });
}
