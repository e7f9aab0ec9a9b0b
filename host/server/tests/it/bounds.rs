//! Bounds of requests, each by its configuration key.

use crate::harness::Harness;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use ureq::http::Method;

#[test]
fn bodies_are_bounded() {
    let harness = Harness::start(&["limits.body_bytes=2000", "limits.plugin_bytes=5000"]);
    let api = harness.api("default");
    let body = |length: usize| json!({"name": "x".repeat(length), "expression": "true"});
    api.post("segments", &body(100)).is(201);
    api.post("segments", &body(3000)).refused(413, "request.too-large");
    let kept = api.json(Method::POST, "segments", &[("idempotency-key", "k")], &body(3000));
    kept.refused(413, "request.too-large");
    let wasm = [("content-type", "application/wasm")];
    api.send(Method::POST, "/v1/plugins", &wasm, vec![0; 4000]).refused(422, "plugin.unsigned");
    api.send(Method::POST, "/v1/plugins", &wasm, vec![0; 6000]).refused(413, "request.too-large");
}

/// A request whose body never comes keeps its place until the time-out, and the next one is told so at once.
#[test]
fn requests_at_once_and_their_time_are_bounded() {
    let harness = Harness::start(&["limits.requests_at_once=1", "limits.request_seconds=2"]);
    let api = harness.api("default");
    let head = format!(
        "POST /v1/keys HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{",
        api.key
    );
    let occupy = || {
        let mut slow = TcpStream::connect(harness.host.address()).unwrap();
        slow.write_all(head.as_bytes()).unwrap();
        let refused = (0..50).map(|_| api.get("/v1/keys")).find(|answer| answer.status != 200)?;
        Some((slow, refused))
    };
    // One of the quick ones may have had the place when the slow one came: then that was refused, and another one comes.
    let (mut slow, refused) = (0..50).find_map(|_| occupy()).unwrap();
    refused.refused(503, "request.overloaded");
    assert_ne!(refused.header("retry-after"), "");
    assert_eq!(api.get("/healthz").status, 200);
    let mut answer = [0; 4096];
    let read = slow.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("request.timed-out"), "{answer}");
}
