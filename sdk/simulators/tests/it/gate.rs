use attiva_simulators::marketo::{Fault, Injection, Limits, MarketoConfig};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{assert_refused, config, start};

const DESCRIBE: &str = "/rest/v1/leads/describe.json";

#[tokio::test]
async fn errors_come_with_http_200_and_a_code_that_is_a_text() {
    let (marketo, client) = start(config(10)).await;
    marketo.inject(Fault::Error { code: "611".to_owned(), message: "System error".to_owned() });
    let reply = client.get(DESCRIBE).await;
    assert_eq!(assert_refused(&reply, "611"), "System error");
    client.ok(DESCRIBE).await;
}

#[tokio::test]
async fn a_proxys_page_can_come_with_http_200() {
    let (marketo, client) = start(config(10)).await;
    marketo.inject(Injection::from(Fault::HtmlPage { status: 200 }).after(1));
    client.ok(DESCRIBE).await;
    let reply = client.get(DESCRIBE).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.header("content-type").starts_with("text/html") && reply.text().contains("<html>"));
}

#[tokio::test]
async fn any_bytes_can_be_served_for_a_path() {
    let (marketo, client) = start(config(10)).await;
    let body = b"{\"success\":true,\"result\":[{\"email\":\"\xff\xfe\"}]}".to_vec();
    let raw = Fault::Raw { status: 200, content_type: "application/json".to_owned(), body: body.clone() };
    marketo.inject(Injection::from(raw).at("/rest/v1/lead").times(2));
    for _ in 0..2 {
        assert_eq!(client.get("/rest/v1/lead/1.json").await.body, body);
    }
    client.ok("/rest/v1/lead/1.json").await;
}

#[tokio::test]
async fn an_answer_can_be_cut_off_anywhere() {
    let (marketo, client) = start(config(10)).await;
    for after_bytes in [0, 10] {
        marketo.inject(Fault::Cut { after_bytes });
        let reply = client.get(DESCRIBE).await;
        assert_eq!((reply.whole, reply.body.len() as u64), (false, after_bytes));
        assert!(reply.header("content-length").parse::<u64>().is_ok_and(|length| length > after_bytes));
    }
    assert!(client.get(DESCRIBE).await.whole);
}

#[tokio::test]
async fn the_three_limits_are_told_apart() {
    let (marketo, client) = start(config(10)).await;
    for (fault, code) in [
        (Fault::RateLimited, "606"),
        (Fault::DailyQuotaReached, "607"),
        (Fault::TooManyAtOnce, "615"),
        (Fault::AccessDenied, "603"),
        (Fault::TokenInvalid, "601"),
    ] {
        marketo.inject(fault);
        assert_refused(&client.get(DESCRIBE).await, code);
    }
    let by_code = marketo.received().by_code;
    assert_eq!(by_code.keys().map(String::as_str).collect::<Vec<_>>(), ["601", "603", "606", "607", "615"]);
}

#[tokio::test]
async fn the_rate_limit_is_kept_and_its_refusals_are_counted() {
    let limits = Limits { per_20_s: 3, ..Limits::OFF };
    let (marketo, client) = start(MarketoConfig { limits, ..config(10) }).await;
    for _ in 0..3 {
        client.ok(DESCRIBE).await;
    }
    for _ in 0..2 {
        assert_refused(&client.get(DESCRIBE).await, "606");
    }
    let received = marketo.received();
    assert_eq!((received.by_code["606"], received.count("GET", DESCRIBE)), (2, 5));
}

#[tokio::test]
async fn somebody_elses_calls_use_up_the_day() {
    let limits = Limits { daily: 100, ..Limits::OFF };
    let (marketo, client) = start(MarketoConfig { limits, ..config(10) }).await;
    client.ok(DESCRIBE).await;
    marketo.spend_calls(98);
    let usage = client.ok("/rest/v1/stats/usage.json").await;
    assert_eq!((&usage["result"][0]["total"], &usage["result"][0]["users"][0]["count"]), (&json!(100), &json!(100)));
    assert_refused(&client.get(DESCRIBE).await, "607");
}

#[tokio::test]
async fn too_many_calls_at_once_are_refused() {
    let limits = Limits { concurrent: 1, ..Limits::OFF };
    let (marketo, client) = start(MarketoConfig { limits, ..config(10) }).await;
    marketo.inject(Injection::from(Fault::Delay { ms: 600_000 }).at(DESCRIBE));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.get(DESCRIBE).await }
    });
    // Until the slow call has arrived, others are let through.
    let mut refused = None;
    for _ in 0..5_000 {
        let reply = client.get("/rest/v1/stats/usage.json").await;
        if reply.json()["success"] == json!(false) {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("a refusal while the slow call is running");
    assert_refused(&refused, "615");
    waiting.abort();
}

#[tokio::test]
async fn what_is_too_long_is_refused_as_http_does() {
    let (_marketo, client) = start(config(10)).await;
    let long = format!("/rest/v1/leads.json?filterType=email&filterValues={}", "x".repeat(8_192));
    assert_eq!(client.get(&long).await.status, StatusCode::URI_TOO_LONG);
    let body = json!({"input": [{"email": "a@x.example", "comments": "x".repeat(1024 * 1024)}]});
    assert_eq!(client.post("/rest/v1/leads.json", &body).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn double_slashes_unknown_paths_and_wrong_methods_are_refused() {
    let (_marketo, client) = start(config(10)).await;
    for path in [
        "/rest//v1/leads/describe.json",
        "//rest/v1/leads/describe.json",
        "/rest/v1/leads/describe",
        "/rest/rest/v1/leads.json",
        "/",
    ] {
        assert_refused(&client.get(path).await, "610");
    }
    assert_refused(&client.post(DESCRIBE, &Value::Null).await, "605");
    assert_refused(&client.send(Method::PUT, "/rest/v1/leads.json", &[], Vec::new()).await, "605");
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let (_marketo, client) = start(config(10)).await;
    let broken =
        client.send(Method::POST, "/rest/v1/leads.json", &[("content-type", "application/json")], b"{".to_vec()).await;
    assert_refused(&broken, "609");
    let untyped =
        client.send(Method::POST, "/rest/v1/leads.json", &[("content-type", "text/plain")], b"{}".to_vec()).await;
    assert_refused(&untyped, "612");
}

#[tokio::test]
async fn dots_in_a_path_are_resolved() {
    let (_marketo, client) = start(config(10)).await;
    let listed = client.ok("/rest/../bulk/v1/leads/export.json").await;
    assert_eq!(listed["result"], json!([]));
}

#[tokio::test]
async fn nobody_answers_after_a_shutdown() {
    let (marketo, client) = start(config(10)).await;
    marketo.shutdown().await;
    assert!(tokio::net::TcpStream::connect(client.address).await.is_err());
}
