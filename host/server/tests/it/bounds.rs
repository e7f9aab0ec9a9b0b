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
    let asked = json!({"identities": [{"namespace": "email", "value": "x".repeat(3000)}]});
    api.post("edge/evaluations", &asked).refused(413, "request.too-large");
    let wasm = [("content-type", "application/wasm")];
    api.send(Method::POST, "/v1/plugins", &wasm, vec![0; 4000]).refused(422, "plugin.unsigned");
    api.send(Method::POST, "/v1/plugins", &wasm, vec![0; 6000]).refused(413, "request.too-large");
}

/// The head of a request and one byte of its body: it has its place, and does not end.
fn half_a_request(harness: &Harness) -> TcpStream {
    let mut slow = TcpStream::connect(harness.host.address()).unwrap();
    let key = harness.api("default").key;
    let head = format!(
        "POST /v1/keys HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).unwrap();
    slow
}

/// A request whose body never comes keeps its place until the time-out, and the next one is told so at once.
#[test]
fn requests_at_once_and_their_time_are_bounded() {
    let harness = Harness::start(&["limits.requests_at_once=1", "limits.request_seconds=2", "limits.queue_ms=0"]);
    let api = harness.api("default");
    let occupy = || {
        let slow = half_a_request(&harness);
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

/// As above; who comes next has its turn when the slow one's time is over.
#[test]
fn a_request_waits_for_its_turn() {
    let harness = Harness::start(&["limits.requests_at_once=1", "limits.request_seconds=1", "limits.queue_ms=60000"]);
    let api = harness.api("default");
    let mut slow = half_a_request(&harness);
    // A while later it gives up; by then it has had its place, whoever came first.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut answer = [0; 64];
            let _ = slow.read(&mut answer).unwrap();
            drop(slow);
        });
        for _ in 0..5 {
            api.get("/v1/keys").is(200);
        }
    });
}

/// Clients that say nothing take a place each, and no more than there are.
#[test]
fn clients_at_once_are_bounded() {
    let harness = Harness::start(&["limits.clients_at_once=2"]);
    let silent: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(harness.host.address()).unwrap()).collect();
    let mut late = TcpStream::connect(harness.host.address()).unwrap();
    late.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = [0; 64];
    late.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    let waits = late.read(&mut answer).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock, "there is no third place");
    late.set_read_timeout(None).unwrap();
    drop(silent);
    let read = late.read(&mut answer).unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{answer:?}");
}

#[test]
fn a_key_may_ask_so_often_and_is_told_what_is_left() {
    let harness = Harness::start(&["limits.key_requests=5", "limits.key_window_seconds=3600"]);
    let api = harness.api("default");
    let other = api.post("/v1/keys", &json!({"name": "other", "role": "analyst"}));
    assert_eq!(other.is(201).header("ratelimit-policy"), "\"key\";q=5;w=3600");
    assert_eq!(other.header("ratelimit"), "\"key\";r=4;t=720");
    let other = crate::harness::Api { key: other.text("/key").to_owned(), ..api.clone() };
    let left: Vec<String> = (0..4).map(|_| api.get("/v1/keys").is(200).header("ratelimit").to_owned()).collect();
    let left: Vec<&str> = left.iter().map(|told| told.split(';').nth(1).unwrap()).collect();
    assert_eq!(left, ["r=3", "r=2", "r=1", "r=0"]);
    let refused = api.get("/v1/keys");
    assert_eq!(refused.refused(429, "request.rate").text("/kind"), "rate-limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=720).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").starts_with("\"key\";r=0;t="), "{refused:?}");
    // Each key for itself; what is refused for another reason counts as well; nobody's requests do not.
    other.get("/v1/plugins").refused(403, "key.scope");
    assert!(other.get("segments").is(200).header("ratelimit").contains("r=3"));
    let nobody = crate::harness::Api { key: String::new(), ..api.clone() };
    assert_eq!(nobody.get("/v1/keys").refused(401, "key.missing").header("ratelimit"), "");
    assert_eq!(nobody.get("/healthz").is(200).header("ratelimit"), "");
}

#[test]
fn without_a_quota_nothing_is_told_of_one() {
    let harness = Harness::start(&["limits.key_requests=0"]);
    assert_eq!(harness.api("default").get("/v1/keys").is(200).header("ratelimit-policy"), "");
}
