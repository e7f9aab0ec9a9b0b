//! Credentials: obtained and added by the host, renewed when refused, wrong ones named.

use crate::server::{Request, Server, ok, respond};
use crate::support::{Connection, SECRET, guest};
use attiva_core::FaultKind;
use attiva_wasm::Secrets;
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// A vendor whose identity service answers as scripted, and whose API tells which token it got.
async fn vendor(answers: &[Vec<u8>]) -> Server {
    let answers = Mutex::new(answers.iter().cloned().collect::<VecDeque<_>>());
    Server::start(move |request| match request.path() {
        "/oauth/token" => answers.lock().unwrap().pop_front().unwrap_or_else(|| respond(500, &[], "no more answers")),
        _ => ok(format!("got {}", bearer(request).replace("token-", "the one named "))),
    })
    .await
}

fn bearer(request: &Request) -> String {
    request.header("authorization").unwrap_or("nothing").replace("Bearer ", "")
}

fn token(name: &str, life: u64) -> Vec<u8> {
    ok(format!(r#"{{"access_token":"token-{name}","token_type":"bearer","expires_in":{life},"scope":"x"}}"#))
}

fn ask(credential: &str) -> Json {
    let path = if credential == "form" { "/form" } else { "/data" };
    json!({"origin": "api", "method": "GET", "path": path, "credential": credential})
}

#[tokio::test]
async fn a_token_is_fetched_once_and_shared() {
    let server = vendor(&[token("a", 3_599)]).await;
    let plugin = guest().await;
    let connection = Connection::sending(json!([ask("token"), ask("token")]), &server);
    let mut beside = Connection::sending(json!([ask("token")]), &server);
    beside.context.tokens = connection.context.tokens.clone();
    let (one, other) = tokio::join!(connection.texts(&plugin, "body"), beside.texts(&plugin, "body"));
    assert_eq!((one.len(), other.len()), (2, 1));
    assert!(one.iter().chain(&other).all(|body| body == "got the one named a"), "{one:?} {other:?}");
    let asked: Vec<Request> = server.seen().into_iter().filter(|r| r.path() == "/oauth/token").collect();
    assert_eq!(asked.len(), 1, "two calls at once, one request for a token");
    assert_eq!(
        asked[0].target,
        format!("/oauth/token?grant_type=client_credentials&client_id=client&client_secret={SECRET}")
    );
    assert_eq!((asked[0].method.as_str(), asked[0].header("authorization")), ("GET", None));
}

#[tokio::test]
async fn parameters_may_stand_in_a_form() {
    let server = vendor(&[token("a", 3_599)]).await;
    let plugin = guest().await;
    let mut connection = Connection::sending(json!([ask("form")]), &server);
    let mut secrets = Secrets::default();
    secrets.insert("client_secret", "needs & escaping=1".into());
    connection.context.secrets = Arc::new(secrets);
    connection.read(&plugin).await.unwrap();
    let asked = server.seen().remove(0);
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/oauth/token"));
    let form = "grant_type=client_credentials&client_id=client&client_secret=needs%20%26%20escaping%3D1";
    assert_eq!(String::from_utf8(asked.body).unwrap(), form);
}

#[tokio::test]
async fn another_clients_token_is_never_used() {
    let server = vendor(&[token("a", 3_599), token("b", 3_599)]).await;
    let plugin = guest().await;
    let connection = Connection::sending(json!([ask("token")]), &server);
    connection.read(&plugin).await.unwrap();
    let mut changed = Connection::sending(json!([ask("token")]), &server);
    changed.context.tokens = connection.context.tokens.clone();
    let mut secrets = Secrets::default();
    secrets.insert("client_secret", "a-changed-secret".into());
    changed.context.secrets = Arc::new(secrets);
    assert_eq!(changed.texts(&plugin, "body").await, ["got the one named b"]);
}

#[tokio::test]
async fn a_token_about_to_lapse_is_waited_out() {
    let server = vendor(&[token("old", 0), token("new", 3_599)]).await;
    let plugin = guest().await;
    let connection = Connection::sending(json!([ask("token")]), &server);
    assert_eq!(connection.texts(&plugin, "body").await, ["got the one named new"]);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let server = vendor(&[token("a", 3_599), token("b", 3_599)]).await;
    let plugin = guest().await;
    let renewing = |ask: Json| {
        let mut ask = ask;
        ask["renew"] = json!("token");
        ask
    };
    let connection = Connection::sending(json!([renewing(ask("token")), ask("token")]), &server);
    assert_eq!(connection.texts(&plugin, "body").await, ["got the one named a", "got the one named b"]);
    let twice = Connection::sending(
        json!([renewing(ask("token")), renewing(ask("token"))]),
        &vendor(&[token("a", 9_999), token("b", 9_999)]).await,
    );
    let fault = twice.fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Auth, "auth.renewed-twice"));
}

#[tokio::test]
async fn the_same_token_again_is_waited_out_or_left_for_later() {
    let plugin = guest().await;
    let mut refused = ask("token");
    refused["renew"] = json!("token");
    let server = vendor(&[token("a", 3), token("a", 1), token("b", 3_599)]).await;
    let connection = Connection::sending(json!([refused, ask("token")]), &server);
    assert_eq!(connection.texts(&plugin, "body").await, ["got the one named a", "got the one named b"]);

    let server = vendor(&[token("a", 3_599), token("a", 3_590)]).await;
    let fault = Connection::sending(json!([refused, ask("token")]), &server).fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "auth.token-refused"));
    assert!((3_500_000..=3_591_000).contains(&fault.retry_after_ms.unwrap()), "{fault:?}");
}

#[tokio::test]
async fn trouble_with_the_identity_service_has_its_own_kinds() {
    let plugin = guest().await;
    let said = format!(r#"{{"error":"invalid_client","error_description":"no client with {SECRET}"}}"#);
    let cases = [
        (respond(401, &[], &said), FaultKind::Auth, "auth.refused"),
        (respond(400, &[], r#"{"error":"unauthorized"}"#), FaultKind::Auth, "auth.refused"),
        (respond(401, &[], "<html>"), FaultKind::Auth, "auth.refused"),
        (respond(500, &[], "x"), FaultKind::Transient, "auth.identity"),
        (respond(429, &[], "x"), FaultKind::RateLimited, "auth.identity"),
        (respond(404, &[], "x"), FaultKind::Config, "auth.identity"),
        (respond(302, &[("location", "/elsewhere")], ""), FaultKind::Config, "auth.identity"),
        (ok("<html>maintenance</html>"), FaultKind::Transient, "auth.identity"),
        (ok(r#"{"expires_in": 5}"#), FaultKind::Transient, "auth.identity"),
        (ok(r#"{"access_token": "a\r\nb", "expires_in": 3600}"#), FaultKind::Config, "credential.unusable"),
    ];
    for (answer, kind, code) in cases {
        let server = vendor(std::slice::from_ref(&answer)).await;
        let fault = Connection::sending(json!([ask("token")]), &server).fault(&plugin).await;
        assert_eq!((fault.kind, fault.code.as_str()), (kind, code), "{}", String::from_utf8_lossy(&answer));
        assert!(!fault.message.contains(SECRET), "{}", fault.message);
        assert_eq!(server.seen_paths(), ["/oauth/token"], "the request itself did not go out");
    }
}

#[tokio::test]
async fn a_missing_secret_is_the_configurations_fault() {
    let server = vendor(&[]).await;
    let plugin = guest().await;
    let mut connection = Connection::sending(json!([ask("token")]), &server);
    connection.context.secrets = Arc::new(Secrets::default());
    let fault = connection.fault(&plugin).await;
    assert_eq!(
        (fault.kind, fault.code.as_str(), fault.field.as_deref()),
        (FaultKind::Config, "credential.missing", Some("client_secret"))
    );
}

#[tokio::test]
async fn requests_to_the_store_are_signed_as_they_go_out() {
    let server = Server::start(|_| ok("")).await;
    let plugin = guest().await;
    let put = json!({"origin": "store", "method": "PUT", "path": "/bucket/a//../b%20c?x", "body": "hello", "credential": "key",
                     "headers": [["Content-Type", "text/csv"]]});
    let mut empty = put.clone();
    empty["body"] = Json::Null;
    Connection::sending(json!([put, empty]), &server).read(&plugin).await.unwrap();
    let seen = server.seen();
    let authorization = seen[0].header("authorization").unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{authorization}");
    assert_eq!(signed(&seen[0]), ["content-length", "content-type", "host", "x-amz-content-sha256", "x-amz-date"]);
    assert_eq!(seen[0].target, "/bucket/a//../b%20c?x");
    assert_eq!(
        seen[0].header("x-amz-content-sha256"),
        Some("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    );
    assert_eq!(seen[1].header("content-length"), Some("0"), "a length always, also 0");

    let mut renewing = put;
    renewing["renew"] = json!("key");
    let fault = Connection::sending(json!([renewing]), &server).fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Auth, "auth.not-renewable"));
}

#[tokio::test]
async fn a_session_token_is_signed_where_there_is_one() {
    let server = Server::start(|_| ok("")).await;
    let plugin = guest().await;
    let put = json!({"origin": "store", "method": "PUT", "path": "/key", "body": "hello", "credential": "key"});
    for (session, sent) in [(None, None), (Some(""), None), (Some("a-session-token"), Some("a-session-token"))] {
        let mut connection = Connection::sending(json!([put]), &server);
        let mut secrets = Secrets::default();
        secrets.insert("access_key", "AKID".into());
        secrets.insert("secret_key", "secret".into());
        if let Some(session) = session {
            secrets.insert("session", session.into());
        }
        connection.context.secrets = Arc::new(secrets);
        connection.read(&plugin).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.header("x-amz-security-token"), sent, "{session:?}");
        assert_eq!(signed(&seen).contains(&"x-amz-security-token".to_owned()), sent.is_some(), "{session:?}");
    }
}

#[tokio::test]
async fn metadata_and_conditions_go_out_signed() {
    let server = Server::start(|_| ok("")).await;
    let plugin = guest().await;
    let headers = [
        ["X-Amz-Meta-Attiva-Run", "del_1"],
        ["If-Match", "\"abc\""],
        ["If-None-Match", "*"],
        ["X-Amz-Copy-Source-If-Match", "\"abc\""],
    ];
    let put = json!({"origin": "store", "method": "PUT", "path": "/key", "body": "hello", "credential": "key", "headers": headers});
    Connection::sending(json!([put]), &server).read(&plugin).await.unwrap();
    let seen = server.seen().remove(0);
    let signed = signed(&seen);
    for [name, value] in headers {
        assert_eq!(seen.header(name), Some(value));
        assert!(signed.contains(&name.to_ascii_lowercase()), "{name}: {signed:?}");
    }
    // What stores and proxies rewrite on the way is not.
    assert!(seen.header("accept-encoding").is_some() && !signed.contains(&"accept-encoding".to_owned()), "{signed:?}");
}

/// The names of the headers that a request's signature covers.
fn signed(request: &Request) -> Vec<String> {
    let authorization = request.header("authorization").unwrap();
    let names = authorization.split("SignedHeaders=").nth(1).and_then(|rest| rest.split(',').next());
    names.unwrap().split(';').map(str::to_owned).collect()
}

fn keyed(path: &str) -> Json {
    json!({"origin": "api", "method": "GET", "path": path, "credential": path[1..].split('?').next()})
}

#[tokio::test]
async fn a_key_goes_into_a_header_or_into_the_query_and_the_guest_sees_neither() {
    let server = Server::start(|request| ok(format!("{:?}", request.header("x-api-key")))).await;
    let plugin = guest().await;
    let requests = json!([keyed("/header-key"), keyed("/query-key?a=1"), keyed("/query-key")]);
    let connection = Connection::sending(requests, &server);
    let bodies = connection.texts(&plugin, "body").await;
    assert_eq!(bodies[0], "Some(\"Token [redacted]\")", "what the server sends back of it is taken out");
    let seen = server.seen();
    assert_eq!(seen[0].header("x-api-key"), Some(format!("Token {SECRET}").as_str()));
    assert_eq!((seen[0].header("authorization"), seen[0].target.as_str()), (None, "/header-key"));
    assert_eq!(seen[1].target, "/query-key?a=1&key=wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCYEXAMPLEKEY");
    assert_eq!(seen[2].target, "/query-key?key=wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCYEXAMPLEKEY");
}

/// In the query it stands in every URL that the server repeats, and in whatever is said of it.
#[tokio::test]
async fn a_key_in_the_query_is_taken_out_of_answers_exchanges_logs_and_faults() {
    const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const SENT: &str = "wJalrXUtnFEMI%2FK7MDENG%2BbPxRfiCYEXAMPLEKEY";
    let echo = Server::start(|request| {
        let said = format!("{} {KEY} {}", request.target, request.target);
        respond(200, &[("location", &request.target), ("x-kind", "plain")], said)
    });
    let (echo, plugin) = (echo.await, guest().await);
    let connection = Connection::sending(json!([keyed("/query-key?a=1")]), &echo);
    let bodies = connection.texts(&plugin, "body").await;
    assert_eq!(bodies[0], "/query-key?a=1&key=[redacted] [redacted] /query-key?a=1&key=[redacted]");
    assert!(echo.seen()[0].target.ends_with(SENT), "it was sent");
    let report = connection.recorder.reports.lock().unwrap().remove(0);
    let exchange = &report.exchanges[0];
    assert_eq!((exchange.path.as_str(), exchange.credential.as_deref()), ("/query-key?a=1", Some("query-key")));
    assert_eq!(exchange.response_body.text, bodies[0]);
    let names: Vec<&str> = exchange.response_headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"x-kind") && !names.contains(&"location"), "{names:?}");

    // A server that breaks off in the middle: what is said of that names no URL.
    let broken = Server::start(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_vec()).await;
    let connection = Connection::sending(json!([keyed("/query-key")]), &broken);
    let fault = connection.fault(&plugin).await;
    assert_eq!(fault.kind, FaultKind::Transient, "{fault}");
    assert!(broken.seen()[0].target.ends_with(SENT), "it was sent");
    let broken_report = connection.recorder.reports.lock().unwrap().remove(0);
    let said = format!("{report:?} {broken_report:?} {fault:?}");
    assert!(!said.contains(KEY) && !said.contains(SENT), "{said}");
}

#[tokio::test]
async fn a_key_that_the_guest_names_itself_is_not_sent_twice() {
    let server = Server::start(|_| ok("")).await;
    let plugin = guest().await;
    let fault = Connection::sending(json!([keyed("/query-key?key=mine")]), &server).fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, "egress.credential"));
    assert!(server.seen().is_empty());
}

const ROLE: &str = "arn:aws:iam::123456789012:role/attiva";

/// A token service beside a store: it gives keys that last for so many seconds.
async fn token_service(seconds: i64) -> Server {
    let given = Mutex::new(0);
    Server::start(move |request| {
        if request.path() != "/" {
            return ok("");
        }
        let mut given = given.lock().unwrap();
        *given += 1;
        #[expect(clippy::disallowed_methods, reason = "the token service's own clock")]
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let ends = attiva_core::time::format_timestamp((i64::try_from(now.as_secs()).unwrap() + seconds) * 1000);
        ok(format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>ASIAROLE{given}</AccessKeyId><SecretAccessKey>role-secret-{given}</SecretAccessKey>\
             <SessionToken>role-session-{given}</SessionToken><Expiration>{ends}</Expiration>\
             </Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ))
    })
    .await
}

fn assuming(server: &Server, requests: usize) -> Connection {
    let mut connection = Connection::sending(json!(vec![keyed("/role"); requests]), server);
    let mut configuration = (*connection.context.configuration).clone();
    configuration["role"] = json!(ROLE);
    connection.reconfigure(configuration);
    connection
}

#[tokio::test]
async fn an_assumed_role_signs_and_is_asked_for_once() {
    let server = token_service(3_600).await;
    let plugin = guest().await;
    assuming(&server, 2).read(&plugin).await.unwrap();
    let seen = server.seen();
    let asked: Vec<&Request> = seen.iter().filter(|request| request.path() == "/").collect();
    assert_eq!(asked.len(), 1);
    let form = String::from_utf8(asked[0].body.clone()).unwrap();
    assert!(form.contains("Action=AssumeRole") && form.contains("&ExternalId=a1"), "{form}");
    assert!(form.contains("&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fattiva"), "{form}");
    let signature = asked[0].header("authorization").unwrap();
    assert!(signature.contains("Credential=AKIDEXAMPLE/") && signature.contains("/us-east-1/sts/"), "{signature}");
    for sent in seen.iter().filter(|request| request.path() == "/role") {
        let signature = sent.header("authorization").unwrap();
        assert!(signature.contains("Credential=ASIAROLE1/") && signature.contains("/us-east-1/s3/"), "{signature}");
        assert_eq!(sent.header("x-amz-security-token"), Some("role-session-1"));
    }
}

#[tokio::test]
async fn a_role_is_assumed_anew_before_its_keys_end_and_not_at_all_where_none_is_named() {
    let server = token_service(200).await;
    let plugin = guest().await;
    assuming(&server, 2).read(&plugin).await.unwrap();
    let tokens: Vec<_> =
        server.seen().iter().filter_map(|r| r.header("x-amz-security-token").map(str::to_owned)).collect();
    assert_eq!(tokens, ["role-session-1", "role-session-2"]);

    let plain = token_service(3_600).await;
    Connection::sending(json!([keyed("/role")]), &plain).read(&plugin).await.unwrap();
    assert_eq!(plain.seen_paths(), ["/role"]);
    assert!(plain.seen()[0].header("authorization").unwrap().contains("Credential=AKIDEXAMPLE/"));
}

#[tokio::test]
async fn a_role_that_is_not_given_says_so_without_secrets() {
    let xml = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY may not</Message></Error></ErrorResponse>";
    let server = Server::start(move |_| respond(403, &[], xml)).await;
    let plugin = guest().await;
    let fault = assuming(&server, 1).fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Auth, "auth.role"));
    assert!(fault.message.contains("AccessDenied") && fault.message.contains(ROLE), "{fault:?}");
    assert!(!fault.message.contains("wJalr") && fault.action.contains("trust policy"), "{fault:?}");
}
