//! Connections: configuration checked field by field, secrets kept apart, endpoints granted.

use crate::harness::{Answer, Api, Harness};
use serde_json::{Value, json};
use ureq::http::Method;

const SECRET: &str = "a-secret-that-nobody-should-see";

pub(crate) fn marketo() -> Value {
    json!({"name": "m", "plugin": "source-marketo", "configuration": {
        "munchkin_id": "123-ABC-456", "client_id": "c", "client_secret": SECRET}})
}

pub(crate) fn patch(api: &Api, id: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    api.json(Method::PATCH, &format!("connections/{id}"), headers, body)
}

fn fields(answer: &Answer) -> Vec<&str> {
    answer.body["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect()
}

#[test]
fn every_field_that_breaks_the_schema_is_named() {
    let api = Harness::sandbox();
    let body = json!({"name": "m", "plugin": "source-marketo", "configuration": {
        "munchkin_id": "nope", "client_id": "", "poll_seconds": 0, "colour": "red"}});
    let refused = api.post("connections", &body);
    let mut named = fields(refused.refused(422, "connection.configuration"));
    named.sort_unstable();
    let expected = ["client_id", "client_secret", "colour", "munchkin_id", "poll_seconds"];
    assert_eq!(named, expected.map(|f| format!("/configuration/{f}")));
    assert_eq!(api.get("connections").body["items"], json!([]));
    let unknown = json!({"name": "m", "plugin": "source-nothing", "configuration": {}});
    api.post("connections", &unknown).refused(404, "plugin.missing");
}

#[test]
fn secrets_are_never_told() {
    let api = Harness::sandbox();
    let made = api.post("connections", &marketo());
    let id = made.is(201).text("/id").to_owned();
    assert_eq!(made.body["instance"], json!({"system": "Marketo", "id": "123-ABC-456"}));
    for answer in [made, api.get("connections"), api.get(&format!("connections/{id}")), api.audit()] {
        assert!(!answer.text.contains(SECRET), "{}", answer.text);
    }
    let data = Harness::shared().data_dir();
    let mut files = vec![data.join("control.db"), data.join("control.db-wal")];
    for sandbox in std::fs::read_dir(data.join("sandboxes")).unwrap() {
        files.extend(std::fs::read_dir(sandbox.unwrap().path()).unwrap().map(|f| f.unwrap().path()));
    }
    for file in files {
        let bytes = std::fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()), "{}", file.display());
    }
}

#[test]
fn a_patch_keeps_what_it_does_not_name() {
    let api = Harness::sandbox();
    let id = api.post("connections", &marketo()).is(201).text("/id").to_owned();
    let changed = patch(&api, &id, &[], &json!({"configuration": {"poll_seconds": 5}}));
    assert_eq!(changed.is(200).body["configuration"]["poll_seconds"], 5);
    assert_eq!(changed.text("/configuration/munchkin_id"), "123-ABC-456");
    let gone = patch(&api, &id, &[], &json!({"configuration": {"client_secret": null}}));
    assert_eq!(fields(gone.refused(422, "connection.configuration")), ["/configuration/client_secret"]);
    let other = patch(&api, &id, &[], &json!({"configuration": {"munchkin_id": "999-XYZ-999"}}));
    other.refused(422, "connection.instance");
    patch(&api, &id, &[], &json!({"plugin": "destination-s3"})).refused(422, "connection.plugin");
    let scheduled = patch(&api, &id, &[], &json!({"schedule": {"every_seconds": 86400}}));
    assert_eq!(scheduled.is(200).body["schedule"]["every_seconds"], 86400);
    assert_eq!(patch(&api, &id, &[], &json!({"schedule": null})).is(200).body.get("schedule"), None);
    patch(&api, &id, &[], &json!({"schedule": {"every_seconds": 1}})).refused(422, "request.invalid");
    let nightly = patch(&api, &id, &[], &json!({"schedule": {"cron": "0 2 * * *"}}));
    assert_eq!(nightly.is(200).body["schedule"], json!({"cron": "0 2 * * *"}));
    for (wrong, field) in [(json!({"cron": "0 25 * * *"}), "/schedule/cron"), (json!({}), "/schedule")] {
        let refused = patch(&api, &id, &[], &json!({ "schedule": wrong }));
        assert_eq!(fields(refused.refused(422, "request.invalid")), [field]);
    }
}

#[test]
fn a_grant_is_resolved_now_and_audited() {
    let api = Harness::sandbox();
    let id = api.post("connections", &marketo()).is(201).text("/id").to_owned();
    let grant = |origin: &str, url: &str| {
        api.json(Method::PUT, &format!("connections/{id}/grants/{origin}"), &[], &json!({ "url": url }))
    };
    let unknown = grant("nothing", "http://127.0.0.1:9");
    assert_eq!(unknown.refused(422, "grant.origin").text("/errors/0/field"), "/origin");
    assert!(unknown.text("/detail").contains("has api"), "{}", unknown.text);
    for no_host in ["http://under_score.example:9", "http://-x.example:9", "http://a..example", "https://x.example."] {
        let refused = grant("api", no_host);
        assert_eq!(refused.refused(422, "grant.url").text("/errors/0/field"), "/url");
        assert!(refused.text("/detail").contains("host"), "{}", refused.text);
    }
    assert_eq!(api.get(&format!("connections/{id}/grants")).body["items"], json!([]));
    grant("api", "http://127.0.0.1:9/path").refused(422, "grant.url");
    grant("api", "ftp://127.0.0.1").refused(422, "grant.url");
    grant("api", "http://no-such-host.invalid").refused(422, "grant.unresolved");
    let given = grant("api", "http://127.0.0.1:9");
    assert_eq!(given.is(200).body["addresses"], json!(["127.0.0.1"]));
    assert_eq!(api.get(&format!("connections/{id}/grants")).body["items"].as_array().unwrap().len(), 1);
    let events = api.audit().body;
    let event = events["items"].as_array().unwrap().iter().find(|e| e["action"] == "grant.added" && e["subject"] == id);
    assert_eq!(event.unwrap()["detail"]["grant"]["port"], 9);
    api.send(Method::DELETE, &format!("connections/{id}/grants/api"), &[], Vec::new()).is(204);
    api.send(Method::DELETE, &format!("connections/{id}/grants/api"), &[], Vec::new()).is(404);
}

#[test]
fn a_check_tells_each_test_and_a_run_that_cannot_start_says_why() {
    let api = Harness::sandbox();
    let id = api.post("connections", &marketo()).is(201).text("/id").to_owned();
    // Nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = json!({ "url": format!("http://127.0.0.1:{port}") });
    api.json(Method::PUT, &format!("connections/{id}/grants/api"), &[], &url).is(200);
    let checked = api.post(&format!("connections/{id}/check"), &json!({}));
    assert_eq!(checked.is(200).body["passed"], false);
    assert!(!checked.body["tests"].as_array().unwrap().is_empty());
    let refused = api.post(&format!("connections/{id}/runs"), &json!({}));
    assert_eq!((refused.status, refused.text("/kind")), (503, "transient"), "{refused:?}");
    assert_ne!(refused.header("retry-after"), "");
}
