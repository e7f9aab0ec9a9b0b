//! `ETag` and `If-Match`: nobody overwrites what they have not seen.

use crate::connections::{marketo, patch};
use crate::harness::Harness;
use serde_json::json;
use ureq::http::Method;

#[test]
fn a_change_of_what_has_changed_is_refused() {
    let api = Harness::sandbox();
    let made = api.post("connections", &marketo());
    let id = made.is(201).text("/id").to_owned();
    let etag = made.header("etag").to_owned();
    assert_eq!(api.get(&format!("connections/{id}")).header("etag"), etag);
    let renamed = patch(&api, &id, &[("if-match", &etag)], &json!({"name": "b"}));
    assert_eq!(renamed.is(200).text("/name"), "b");
    assert_ne!(renamed.header("etag"), etag);
    patch(&api, &id, &[("if-match", &etag)], &json!({"name": "c"})).refused(412, "store.version-mismatch");
    patch(&api, &id, &[("if-match", "x")], &json!({"name": "c"})).refused(400, "request.header");
    patch(&api, &id, &[("if-match", "*")], &json!({"name": "d"})).is(200);
    patch(&api, &id, &[], &json!({"name": "e"})).is(200);
    let stale = [("if-match", etag.as_str())];
    api.send(Method::DELETE, &format!("connections/{id}"), &stale, Vec::new()).refused(412, "store.version-mismatch");
    api.send(Method::DELETE, &format!("connections/{id}"), &[], Vec::new()).is(204);
    api.get(&format!("connections/{id}")).refused(404, "connection.missing");
}
