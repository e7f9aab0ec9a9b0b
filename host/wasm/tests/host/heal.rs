//! A store that was signed for by another region's name, or by a wrong clock: what its refusal says is taken, once.

use crate::server::{Request, Server, ok, respond};
use crate::support::{Connection, guest};
use attiva_core::time::{format_timestamp, parse_timestamp};
use attiva_wasm::Plugin;
use serde_json::{Value as Json, json};
use std::time::{SystemTime, UNIX_EPOCH};

fn put() -> Json {
    json!({"origin": "store", "method": "PUT", "path": "/key", "body": "hello", "credential": "key"})
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The region that a request is signed for.
fn region(request: &Request) -> String {
    let scope = request.header("authorization").unwrap().split("Credential=").nth(1).unwrap();
    scope.split('/').nth(2).unwrap().to_owned()
}

/// The time that a request is signed at, in milliseconds.
fn signed_at(request: &Request) -> i64 {
    let text = request.header("x-amz-date").unwrap();
    let (date, time) = text.trim_end_matches('Z').split_once('T').unwrap();
    let written =
        format!("{}-{}-{}T{}:{}:{}Z", &date[..4], &date[4..6], &date[6..], &time[..2], &time[2..4], &time[4..]);
    parse_timestamp(&written).unwrap()
}

fn malformed(region: &str) -> Vec<u8> {
    respond(400, &[], format!("<Error><Code>AuthorizationHeaderMalformed</Code><Region>{region}</Region></Error>"))
}

fn skewed(by_ms: i64) -> Vec<u8> {
    let theirs = format_timestamp(now_ms() + by_ms);
    respond(403, &[], format!("<Error><Code>RequestTimeTooSkewed</Code><ServerTime>{theirs}</ServerTime></Error>"))
}

async fn statuses(plugin: &Plugin, connection: &Connection) -> Vec<i64> {
    let (page, _) = connection.read(plugin).await.unwrap();
    (0..page.rows.len)
        .map(|row| crate::support::value(&page, "status", row).unwrap().to_json().as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_store_that_names_its_region_is_signed_for_it_from_then_on() {
    let refusals: [fn() -> Vec<u8>; 2] =
        [|| malformed("eu-west-1"), || respond(301, &[("x-amz-bucket-region", "eu-west-1")], "")];
    for refusal in refusals {
        let server =
            Server::start(move |request| if region(request) == "eu-west-1" { ok("") } else { refusal() }).await;
        let plugin = guest().await;
        let connection = Connection::sending(json!([put(), put()]), &server);
        assert_eq!(statuses(&plugin, &connection).await, [200, 200], "the connector sees nothing of it");
        let seen = server.seen();
        assert_eq!(seen.iter().map(region).collect::<Vec<_>>(), ["us-east-1", "eu-west-1", "eu-west-1"]);
        assert!(seen.iter().all(|request| request.body == b"hello"));
        assert_eq!(connection.usage().requests, 3, "each of them is counted");
        // The next call knows.
        assert_eq!(statuses(&plugin, &connection).await, [200, 200]);
        assert!(server.seen()[3..].iter().all(|request| region(request) == "eu-west-1"));
        // Another configuration is another question.
        let mut other = Connection::sending(json!([put()]), &server);
        other.context.tokens = connection.context.tokens.clone();
        assert_eq!(statuses(&plugin, &other).await, [200]);
        assert_eq!(region(&server.seen()[5]), "us-east-1");
    }
}

#[tokio::test]
async fn a_store_that_names_one_region_after_the_other_is_asked_twice() {
    let server =
        Server::start(|request| malformed(if region(request) == "eu-west-1" { "eu-west-2" } else { "eu-west-1" }))
            .await;
    let plugin = guest().await;
    let connection = Connection::sending(json!([put()]), &server);
    assert_eq!(statuses(&plugin, &connection).await, [400], "the connector says what it means");
    assert_eq!(server.seen().len(), 2);
    // What did not help is not kept.
    assert_eq!(statuses(&plugin, &connection).await, [400]);
    assert_eq!(region(&server.seen()[2]), "us-east-1");
}

#[tokio::test]
async fn a_store_whose_clock_is_another_is_signed_for_by_its_own() {
    const AN_HOUR: i64 = 3_600_000;
    let is_right = |request: &Request| (signed_at(request) - now_ms() - AN_HOUR).abs() < 15 * 60_000;
    let server = Server::start(move |request| if is_right(request) { ok("") } else { skewed(AN_HOUR) }).await;
    let plugin = guest().await;
    let connection = Connection::sending(json!([put(), put()]), &server);
    assert_eq!(statuses(&plugin, &connection).await, [200, 200]);
    assert_eq!(server.seen().iter().map(is_right).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(statuses(&plugin, &connection).await, [200, 200]);
    assert_eq!(server.seen().len(), 5, "the next call knows");

    // Further off than a day: whoever could say so could have signatures for later.
    let server = Server::start(|_| skewed(25 * AN_HOUR)).await;
    let connection = Connection::sending(json!([put()]), &server);
    assert_eq!(statuses(&plugin, &connection).await, [403]);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_clock_and_a_region_are_found_out_one_after_the_other() {
    const AN_HOUR: i64 = 3_600_000;
    let server = Server::start(|request| {
        if (signed_at(request) - now_ms() + AN_HOUR).abs() > 15 * 60_000 {
            skewed(-AN_HOUR)
        } else if region(request) == "eu-west-1" {
            ok("")
        } else {
            malformed("eu-west-1")
        }
    });
    let (server, plugin) = (server.await, guest().await);
    let connection = Connection::sending(json!([put()]), &server);
    assert_eq!(statuses(&plugin, &connection).await, [200]);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn who_is_no_store_is_believed_nothing() {
    let server = Server::start(|request| match request.path() {
        "/oauth/token" => ok(r#"{"access_token":"t","expires_in":3600}"#),
        _ => malformed("eu-west-1"),
    });
    let (server, plugin) = (server.await, guest().await);
    let ask = json!({"origin": "api", "method": "GET", "path": "/data", "credential": "token"});
    let connection = Connection::sending(json!([ask]), &server);
    assert_eq!(statuses(&plugin, &connection).await, [400]);
    assert_eq!(server.seen_paths(), ["/oauth/token", "/data"]);
}
