//! Refusals: one form, stable types that open a page, and every field named.

use crate::harness::Harness;
use serde_json::{Value, json};
use ureq::http::Method;

#[test]
fn what_is_wrong_with_a_request_has_a_code() {
    let api = Harness::sandbox();
    let plain = [("content-type", "text/plain")];
    let as_json = [("content-type", "application/json")];
    api.get("/v1/nothing").refused(404, "route.missing");
    api.send(Method::PUT, "segments", &as_json, b"{}".to_vec()).refused(405, "request.method");
    api.send(Method::POST, "segments", &plain, b"{}".to_vec()).refused(415, "request.media-type");
    api.send(Method::POST, "segments", &as_json, b"{".to_vec()).refused(400, "request.malformed");
    api.get("segments?limit=x").refused(400, "request.malformed");
    api.get("segments?limit=0").refused(400, "request.malformed");
    api.get("segments?limit=100000").refused(400, "request.malformed");
    api.get("segments?colour=red").refused(400, "request.malformed");
    api.get("segments?cursor=nonsense").refused(400, "request.cursor");
    api.get("connections/con_x").refused(404, "connection.missing");
    api.get("operations/op_x").refused(404, "operation.missing");
    api.get("profiles/prf_x").refused(404, "profile.missing");
    api.get("profiles?namespace=email").refused(422, "request.invalid");
    api.get("profiles?namespace=shoe&value=1").refused(422, "request.invalid");
    api.get("runs?status=flying").refused(400, "request.malformed");
}

#[test]
fn fields_at_fault_are_named() {
    let api = Harness::sandbox();
    let unknown = api.post("segments", &json!({"name": "x", "expression": "true", "colour": "red"}));
    unknown.refused(422, "request.invalid");
    assert_eq!(unknown.text("/errors/0/field"), "/colour");
    let wrong = api.post("connections", &json!({"name": 5, "plugin": "x"}));
    assert_eq!(wrong.refused(422, "request.invalid").text("/errors/0/field"), "/name");
    let empty = api.post("segments", &json!({"name": " ", "expression": "true"}));
    assert_eq!(empty.refused(422, "request.invalid").text("/errors/0/field"), "/name");
}

#[test]
fn a_problems_type_opens_a_page() {
    let api = Harness::shared().api("");
    let problem = api.get("/v1/nothing");
    let page = api.get(problem.text("/type"));
    assert!(page.is(200).text.contains("What to do"), "{}", page.text);
    assert!(api.get("/problems/idempotency.reused").text.contains("different request"));
    assert_eq!(api.get("/problems/vendor.%3Cscript%3E").is(200).header("content-type"), "text/markdown; charset=utf-8");
}

#[test]
fn every_answer_carries_its_request_id() {
    let api = Harness::shared().api("");
    let made_up = api.get("/v1/keys").header("x-request-id").to_owned();
    assert!(!made_up.is_empty());
    let sent = api.send(Method::GET, "/v1/nothing", &[("x-request-id", "mine-1")], Vec::new());
    assert_eq!(sent.header("x-request-id"), "mine-1");
    let odd = api.send(Method::GET, "/v1/keys", &[("x-request-id", "a b")], Vec::new());
    assert_ne!(odd.header("x-request-id"), "a b");
    assert!(api.get("/v1/keys").body["items"] != Value::Null);
}
