//! Plugins: what came with the host, and what is refused at the door.

use crate::harness::{Answer, Harness};
use ureq::http::Method;

fn install(bytes: &[u8]) -> Answer {
    let api = Harness::shared().api("");
    api.send(Method::POST, "/v1/plugins", &[("content-type", "application/wasm")], bytes.to_vec())
}

fn bundled(name: &str) -> &'static [u8] {
    attiva_plugins::bundled().iter().find(|b| b.name == name).unwrap().component
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
    let module = b"\0asm\x01\0\0\0";
    let before = Harness::shared().api("").get("/v1/plugins").text;
    for (bytes, word) in [(&whole[..whole.len() / 2], ""), (module, "module"), (b"nonsense", ""), (b"", "")] {
        let refused = install(bytes);
        refused.refused(422, "plugin.refused");
        assert!(refused.text("/detail").contains(word), "{}", refused.text);
    }
    assert_eq!(Harness::shared().api("").get("/v1/plugins").text, before);
    let api = Harness::shared().api("");
    let as_json = [("content-type", "application/json")];
    api.send(Method::POST, "/v1/plugins", &as_json, whole.to_vec()).refused(415, "request.media-type");
}
