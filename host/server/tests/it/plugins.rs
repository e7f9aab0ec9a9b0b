//! Plugins: what came with the host, and what is refused at the door.

use crate::harness::{Answer, Harness};
use serde_json::json;
use ureq::http::Method;

fn install(bytes: &[u8]) -> Answer {
    let api = Harness::shared().api("");
    api.send(Method::POST, "/v1/plugins", &[("content-type", "application/wasm")], bytes.to_vec())
}

fn bundled(name: &str) -> &'static [u8] {
    attiva_plugins::bundled().iter().find(|b| b.name == name).unwrap().component
}

/// A component that is admitted, and not one of those that came with the host.
pub(crate) fn guest() -> Vec<u8> {
    let spec = json!({"name": "guest", "version": "0.1.0", "publisher": "attiva", "title": "Guest", "state_version": 1,
        "configuration": {"type": "object"}, "instance": {"system": "Guest", "id": "one"},
        "delivery": {"class": "at-least-once", "batch_rows": 100}});
    attiva_guests::component(&spec.to_string())
}

#[test]
fn what_came_with_the_host_is_ready_and_says_what_it_may() {
    let api = Harness::shared().api("");
    let inspected = api.get("/v1/plugins/source-marketo");
    assert_eq!(
        (inspected.is(200).body["source"].clone(), inspected.body["bundled"].clone()),
        (true.into(), true.into())
    );
    assert_eq!(inspected.text("/policy/egress_otherwise"), "denied");
    assert_eq!(inspected.text("/policy/egress/0/name"), "api");
    assert_eq!(inspected.body["policy"]["secrets"][0], "client_secret");
    assert!(!inspected.text("/spec/version").is_empty());
    let consent = api.get("/v1/plugins/destination-linkedin");
    assert_eq!(consent.is(200).text("/policy/credentials/0/how/method"), "oauth2-refresh-token");
    assert_eq!(consent.text("/policy/credentials/0/how/token_endpoint/origin"), "login");
    let id = inspected.text("/id").to_owned();
    assert_eq!(api.get(&format!("/v1/plugins/{id}")).is(200).text("/id"), id);
}

#[test]
fn the_same_bytes_change_nothing() {
    let again = install(bundled("destination-s3"));
    assert_eq!(again.is(200).text("/name"), "destination-s3");
}

#[test]
fn what_is_no_connector_is_refused_with_the_reason() {
    let whole = bundled("source-marketo");
    let foreign = wat::parse_str(r#"(component (import "wasi:cli/environment@0.2.6" (instance)))"#).unwrap();
    let module = wat::parse_str("(module)").unwrap();
    let world = wat::parse_str(r#"(component (instance $i) (export "wasi:cli/run@0.2.6" (instance $i)))"#).unwrap();
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    let install =
        |bytes: &[u8]| api.send(Method::POST, "/v1/plugins", &[("content-type", "application/wasm")], bytes.to_vec());
    let installed = || {
        let files = |folder: &str| {
            let entries = std::fs::read_dir(harness.data_dir().join(folder)).unwrap();
            let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        (api.get("/v1/plugins").is(200).text.clone(), files("plugins"), files("aot"))
    };
    let before = installed();
    for (bytes, word) in [
        (foreign.as_slice(), "wasi:cli/environment@0.2.6"),
        (&module, "module"),
        (&whole[..whole.len() / 2], "cut off"),
        (&world, "attiva:connector/plugin@0.1.0"),
        (b"nonsense", "WebAssembly"),
        (b"", "WebAssembly"),
    ] {
        let refused = install(bytes);
        refused.refused(422, "plugin.refused");
        assert!(refused.text("/detail").contains(word), "{word}: {}", refused.text);
        assert!(refused.text("/action").contains("Nothing was installed"), "{}", refused.text);
        assert_eq!(installed(), before, "{word}");
    }
    install(&guest()).is(201);
    assert_ne!(installed(), before);
    let as_json = [("content-type", "application/json")];
    // A short body: the refusal comes before it is read, and a long one would meet a closed connection.
    api.send(Method::POST, "/v1/plugins", &as_json, b"{}".to_vec()).refused(415, "request.media-type");
}
