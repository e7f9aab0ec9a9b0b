//! A person's consent: where the person is sent, and what the code they come back with brings.

use crate::server::{Server, ok, respond};
use crate::support::{Connection, SECRET, guest};
use attiva_core::{Fault, FaultKind};
use attiva_wasm::{Authorization, Consent};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const BACK: &str = "https://attiva.example/oauth/callback";

fn asked() -> Authorization {
    Authorization { state: "the state&1".into(), verifier: VERIFIER.into(), redirect_uri: BACK.into() }
}

async fn exchanged(server: &Server) -> Result<Consent, Fault> {
    let connection = Connection::sending(json!([]), server);
    let code = SecretString::from("the-code/1");
    guest().await.consented(&connection.context, &asked(), &code).await
}

#[tokio::test]
async fn the_person_is_sent_to_the_vendor_with_a_challenge_and_no_secret() {
    let plugin = guest().await;
    let url = plugin.authorization_url(&Connection::that("good").context, &asked()).await.unwrap();
    let (place, query) = url.split_once('?').unwrap();
    assert_eq!(place, "https://login.example.com/authorize");
    let expected = [
        "response_type=code",
        "client_id=client",
        "redirect_uri=https%3A%2F%2Fattiva.example%2Foauth%2Fcallback",
        "state=the%20state%261",
        "scope=read%20write%20all",
        "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method=S256",
        "access_type=offline",
    ];
    assert_eq!(query.split('&').collect::<Vec<_>>(), expected);
    assert!(!url.contains(SECRET) && !url.contains(VERIFIER));
}

#[tokio::test]
async fn a_code_becomes_a_refresh_token_with_its_end() {
    let server =
        Server::start(|_| ok(r#"{"access_token":"a","refresh_token":"r1","refresh_token_expires_in":86400}"#)).await;
    let consent = exchanged(&server).await.unwrap();
    assert_eq!((consent.key.as_str(), consent.refresh_token.expose_secret()), ("refresh_token", "r1"));
    assert!(consent.ends_at.is_some());
    let request = server.seen().remove(0);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/oauth/token"));
    let form = String::from_utf8(request.body).unwrap();
    let expected = format!(
        "grant_type=authorization_code&code=the-code%2F1&redirect_uri=https%3A%2F%2Fattiva.example%2Foauth%2Fcallback\
         &client_id=client&client_secret={SECRET}&code_verifier={VERIFIER}"
    );
    assert_eq!(form, expected);
}

#[tokio::test]
async fn a_code_that_is_not_taken_says_so_without_secrets() {
    let said = format!(r#"{{"error":"invalid_grant","error_description":"{SECRET} the-code/1 is old"}}"#);
    let server = Server::start(move |_| respond(400, &[], said.clone())).await;
    let fault = exchanged(&server).await.map(drop).unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Auth, "auth.code"));
    assert!(fault.message.contains("invalid_grant"), "{fault:?}");
    assert!(!fault.message.contains(SECRET) && !fault.message.contains("the-code/1"), "{fault:?}");
    let none = Server::start(|_| ok(r#"{"access_token":"a"}"#)).await;
    assert_eq!(exchanged(&none).await.map(drop).unwrap_err().code, "auth.no-refresh-token");
}

#[tokio::test]
async fn before_anybody_has_consented_a_call_says_who_has_to() {
    let server = Server::start(|_| ok("")).await;
    let ask = json!({"origin": "api", "method": "GET", "path": "/consent", "credential": "consent"});
    let plugin = guest().await;
    let fault = Connection::sending(json!([ask]), &server).fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Auth, "auth.consent"));
    assert!(fault.action.contains("attiva connection authorize"), "{fault:?}");
}
