//! Who may ask what.

use crate::harness::{Api, Harness};
use serde_json::json;
use ureq::http::Method;

#[test]
fn without_a_key_or_with_a_wrong_one_nothing_is_told() {
    let api = Harness::shared().api("default");
    let bare = Api { key: String::new(), ..api.clone() };
    let answer = bare.get("connections");
    answer.refused(401, "key.missing");
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    let (id, secret) = api.key.rsplit_once('_').unwrap();
    let other = if secret.starts_with('0') { "1" } else { "0" };
    let wrong = [
        "atv_x_y".to_owned(),
        "nonsense".to_owned(),
        format!("{id}_{}", "0".repeat(64)),
        format!("{id}_{other}{}", &secret[1..]),
        format!("{id}_{}", &secret[1..]),
    ];
    for key in wrong {
        let api = Api { key, ..api.clone() };
        api.get("connections").refused(401, "key.refused");
        api.get("/v1/nothing-here").is(404);
    }
    let basic = bare.send(Method::GET, "/v1/keys", &[("authorization", "Basic eDp5")], Vec::new());
    basic.refused(401, "key.missing");
}

#[test]
fn health_needs_no_key_and_tells_nothing() {
    let bare = Api { key: String::new(), ..Harness::shared().api("") };
    assert_eq!(bare.get("/healthz").is(200).text, "ok\n");
    assert_eq!(bare.get("/readyz").is(200).text, "ready\n");
}

#[test]
fn another_organisations_sandbox_is_not_there() {
    let harness = Harness::shared();
    let mine = Harness::sandbox();
    mine.get("connections").is(200);
    let stranger = harness.stranger();
    let there = Api { key: stranger.key.clone(), ..mine.clone() };
    there.get("connections").refused(404, "sandbox.missing");
    there.get("").is(404);
    // Nor are keys, sandboxes and events of the other organisation.
    let keys = stranger.get("/v1/keys").body;
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
    assert_eq!(stranger.get("/v1/sandboxes").body["items"], json!([]));
    let events = stranger.audit().body;
    let of_others = |e: &&serde_json::Value| e["action"] == "sandbox.created";
    assert_eq!(events["items"].as_array().unwrap().iter().filter(of_others).count(), 0);
    let first = harness.api("").get("/v1/keys").text("/items/0/id").to_owned();
    stranger.send(Method::DELETE, &format!("/v1/keys/{first}"), &[], Vec::new()).refused(404, "api-key.missing");
}

#[test]
fn a_key_is_shown_once_and_a_revoked_one_is_refused() {
    let api = Harness::shared().api("");
    let made = api.post("/v1/keys", &json!({"name": "ci"}));
    let (id, key) = (made.is(201).text("/id").to_owned(), made.text("/key").to_owned());
    assert!(key.starts_with("atv_"));
    let listed = api.get("/v1/keys?limit=500");
    assert!(listed.text.contains(&id));
    let secret = key.rsplit('_').next().unwrap();
    assert!(!listed.text.contains(secret));
    let with_new = Api { key, ..api.clone() };
    assert_eq!(api.get(&format!("/v1/keys/{id}")).is(200).body.get("last_used_at"), None, "nobody has used it");
    with_new.get("/v1/keys").is(200);
    // Kept beside the answer, not before it.
    while api.get(&format!("/v1/keys/{id}")).is(200).text("/last_used_at").is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    api.send(Method::DELETE, &format!("/v1/keys/{id}"), &[], Vec::new()).is(204);
    with_new.get("/v1/keys").refused(401, "key.refused");
}
