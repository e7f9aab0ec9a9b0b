//! What a host of long ago has left on the disk opens with this one, and everything in it is there and goes on. The data
//! directory in `fixtures/` is never made again: only replaced, on purpose, while the version is 0.

use crate::harness::{Api, Harness};
use crate::journey::{caught_up, connect_marketo, connect_s3, run, vendors_of, work};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use ureq::http::Method;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-2026-11-29")
}

/// What a host makes anew.
const LEFT_OUT: [&str; 3] = ["aot", "backups", "spools"];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn first(api: &Api, collection: &str) -> Value {
    api.get(collection).is(200).body["items"][0].clone()
}

fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap().to_owned()
}

fn members(api: &Api, segment: &str) -> usize {
    api.get(&format!("segments/{segment}/members?limit=200")).is(200).body["items"].as_array().unwrap().len()
}

/// A little of most things.
fn furnish(harness: Harness, to: &Path) {
    let api = harness.api("default");
    let vendors = vendors_of(MarketoConfig { leads: 20, ..MarketoConfig::default() });
    let people = json!([{"id": "ann", "fields": {"email": "ann@w.example", "department": "HR"}},
        {"id": "bob", "fields": {"email": "bob@w.example", "department": "HR"}}]);
    let source = json!({"system": "Web", "id": "w"});
    api.post("records", &json!({"source": source, "entity": "person", "records": people})).is(200);
    let event = json!({"type": "web.webpagedetails.pageViews", "time": "2026-11-01T10:00:00Z", "person_key": "ann@w.Web", "page": "/p"});
    let events = json!([{"id": "e1", "fields": event}]);
    api.post("records", &json!({"source": source, "entity": "activity", "records": events})).is(200);
    caught_up(&api);
    let rule = json!({"name": "HR", "expression": "person.email.endsWith('@w.example')"});
    let segment = api.post("segments", &rule).is(201).text("/id").to_owned();
    let consent = json!({"identity": {"namespace": "email", "value": "ann@w.example"}, "channel": "email", "purpose": "news",
        "given": true, "source": "form", "at": "2026-11-01T10:00:00Z"});
    api.post("consents", &json!({"consents": [consent]})).is(200);
    caught_up(&api);
    let bucket = connect_s3(&api, &vendors, "right");
    let activation = json!({"name": "a", "segment": segment, "connection": bucket,
        "target": {"object": "file", "name": "f"}, "mapping": [{"field": "mail", "expression": "person.email"}]});
    let activation = api.post("activations", &activation).is(201).text("/id").to_owned();
    assert_eq!(work(&api, &format!("activations/{activation}/deliveries")).text("/status"), "succeeded");
    let marketo = connect_marketo(&api, &vendors, &vendors.secret());
    run(&api, &marketo);
    caught_up(&api);
    api.post("/v1/organisations", &json!({"name": "second"})).is(201);
    let (key, data) = (harness.key.clone(), harness.data_dir());
    // The components of its connections; what else came with the host comes with the next one.
    let used = ["source-marketo", "destination-s3"];
    let used = used.map(|name| format!("{}.wasm", api.get(&format!("/v1/plugins/{name}")).text("/digest")));
    // As a stop leaves it.
    drop(harness.restarted(|| {
        let _ = std::fs::remove_dir_all(to);
        copy(&data, &to.join("data"));
        let left = LEFT_OUT.map(|name| to.join("data").join(name));
        left.iter().filter(|place| place.exists()).for_each(|place| std::fs::remove_dir_all(place).unwrap());
        for file in std::fs::read_dir(to.join("data/plugins")).unwrap().map(|entry| entry.unwrap().path()) {
            if !used.iter().any(|used| file.ends_with(used)) {
                std::fs::remove_file(file).unwrap();
            }
        }
        std::fs::write(to.join("key"), key).unwrap();
    }));
}

#[test]
fn data_of_long_ago_opens_and_goes_on() {
    if std::env::var_os("ATTIVA_FIXTURE").is_some() {
        furnish(Harness::start(&[]), &fixture());
    }
    let place = tempfile::tempdir().unwrap();
    copy(&fixture().join("data"), &place.path().join("data"));
    let key = std::fs::read_to_string(fixture().join("key")).unwrap();
    let harness = Harness::on(place, &key);
    let api = harness.api("default");
    caught_up(&api);

    // What was there is there.
    let contents = api.send(Method::DELETE, "/v1/sandboxes/default?dry_run=true", &[], Vec::new());
    assert!(contents.is(200).body["profiles"].as_u64().unwrap() > 15, "{contents:?}");
    let segment = id(&first(&api, "segments"));
    assert_eq!(members(&api, &segment), 2);
    let found = api.get("profiles?namespace=source_key&value=ann@w.Web");
    let ann = id(&found.is(200).body["items"][0]);
    let events = api.get(&format!("profiles/{ann}/events"));
    assert_eq!(events.is(200).body["items"].as_array().unwrap().len(), 1);
    let decided = json!({"channel": "email", "purpose": "news", "identities": [{"namespace": "email", "value": "ann@w.example"}]});
    assert_eq!(api.post("consents/decide", &decided).is(200).body["allowed"], true);
    let activation = id(&first(&api, "activations"));
    assert_eq!(first(&api, "deliveries")["status"], "succeeded");
    let targets = api.get(&format!("activations/{activation}/members"));
    assert_eq!(targets.is(200).body["items"].as_array().unwrap().len(), 2);
    assert_eq!(first(&api, "runs")["status"], "succeeded");
    assert_eq!(api.get("/v1/organisations").is(200).body["items"].as_array().unwrap().len(), 2);
    assert!(api.audit().body["items"].as_array().unwrap().iter().any(|event| event["action"] == "delivery.started"));

    // And goes on: what comes is followed, what is sealed opens, what is sent anew is a difference.
    let person = json!([{"id": "cid", "fields": {"email": "cid@w.example"}}]);
    let source = json!({"system": "Web", "id": "w"});
    api.post("records", &json!({"source": source, "entity": "person", "records": person})).is(200);
    caught_up(&api);
    assert_eq!(members(&api, &segment), 3);
    let vendors = vendors_of(MarketoConfig { leads: 20, ..MarketoConfig::default() });
    let connections = api.get("connections").is(200).body["items"].as_array().unwrap().clone();
    for connection in connections {
        let (origin, url) = match connection["plugin"].as_str().unwrap().split('@').next().unwrap() {
            "source-marketo" => ("api", vendors.url()),
            _ => ("path", vendors.store_url()),
        };
        let place = format!("connections/{}", id(&connection));
        api.json(Method::PUT, &format!("{place}/grants/{origin}"), &[], &json!({ "url": url })).is(200);
        let checked = api.post(&format!("{place}/check"), &json!({}));
        assert_eq!(checked.is(200).body["passed"], true, "{checked:?}");
        if origin == "api" {
            assert_eq!(run(&api, &id(&connection)).text("/status"), "succeeded");
        }
    }
    let delivered = work(&api, &format!("activations/{activation}/deliveries"));
    assert_eq!(delivered.text("/status"), "succeeded", "{delivered:?}");
}
