//! What is kept of the exchanges of a call.

use crate::server::{Server, respond};
use crate::support::{Connection, SECRET, guest};
use serde_json::{Value as Json, json};

fn post(body: &str) -> Json {
    json!({"origin": "api", "method": "POST", "path": "/write", "credential": "token", "body": body, "headers": [["x-a", "b"]]})
}

/// A vendor that repeats what it is told, token and all.
async fn vendor() -> Server {
    Server::start(|request| {
        if request.path() == "/oauth/token" {
            return respond(200, &[], r#"{"access_token":"token-abcdef","expires_in":3599}"#);
        }
        let token = request.header("authorization").unwrap_or_default().to_owned();
        let said = format!("{token} {SECRET} {}", String::from_utf8_lossy(&request.body));
        respond(201, &[("x-echo", &token), ("x-kind", "plain")], said)
    })
    .await
}

#[tokio::test]
async fn a_request_and_its_answer_are_kept_without_what_authorises() {
    let (server, plugin) = (vendor().await, guest().await);
    let connection = Connection::sending(json!([post("a person")]), &server);
    connection.read(&plugin).await.unwrap();
    let report = connection.recorder.reports.lock().unwrap().remove(0);
    let [exchanged] = report.exchanges.as_slice() else { panic!("{:?}", report.exchanges) };
    assert_eq!((exchanged.method.as_str(), exchanged.path.as_str(), exchanged.status), ("POST", "/write", Some(201)));
    assert_eq!(exchanged.credential.as_deref(), Some("token"));
    assert_eq!(exchanged.request_headers, [("x-a".to_owned(), "b".to_owned())]);
    assert_eq!((exchanged.request_body.text.as_str(), exchanged.request_body.is_whole), ("a person", true));
    assert_eq!(exchanged.response_body.text, "Bearer [redacted] [redacted] a person");
    assert!(exchanged.response_headers.contains(&("x-kind".to_owned(), "plain".to_owned())));
    let all = format!("{exchanged:?}");
    assert!(!all.contains("token-abcdef") && !all.contains(SECRET), "{all}");
}

#[tokio::test]
async fn only_the_last_exchanges_and_the_start_of_a_body_are_kept() {
    let (server, plugin) = (vendor().await, guest().await);
    let said = |n: u32| format!("{n} {}", "x".repeat(if n == 24 { 40_000 } else { 1 }));
    let requests: Vec<Json> = (0..25).map(|n| post(&said(n))).collect();
    let connection = Connection::sending(json!(requests), &server);
    let request = attiva_wasm::ReadRequest { max_rows: 100, max_bytes: 1 << 20, ..crate::support::request() };
    plugin.read(&connection.context, &request).await.unwrap();
    let report = connection.recorder.reports.lock().unwrap().remove(0);
    assert_eq!(report.exchanges.len(), 20);
    assert!(report.exchanges[0].request_body.text.starts_with("5 "));
    let last = &report.exchanges[19].request_body;
    assert_eq!((last.text.len(), last.bytes, last.is_whole), (32 << 10, 40_003, false));
}
