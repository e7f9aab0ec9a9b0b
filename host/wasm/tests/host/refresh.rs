//! Refresh tokens: what takes the place of one is kept before anything else happens.

use crate::server::{Server, ok, respond};
use crate::support::{Connection, SECRET, guest};
use async_trait::async_trait;
use attiva_core::{Fault, FaultKind};
use attiva_wasm::{Plugin, SecretSource, Secrets, TokenCache};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A vault of one secret that changes, and that can be out of order.
#[derive(Default)]
struct Kept {
    refresh: Mutex<String>,
    fails: AtomicBool,
}

#[async_trait]
impl SecretSource for Kept {
    async fn secrets(&self) -> Result<Secrets, Fault> {
        let mut secrets = Secrets::default();
        secrets.insert("client_secret", SECRET.into());
        secrets.insert("refresh_token", self.refresh.lock().unwrap().as_str().into());
        Ok(secrets)
    }

    async fn replace(&self, name: &str, before: &SecretString, now: &SecretString) -> Result<(), Fault> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(Fault::new(FaultKind::Transient, "secret.not-kept", "the disk is full"));
        }
        let mut kept = self.refresh.lock().unwrap();
        assert_eq!((name, kept.as_str()), ("refresh_token", before.expose_secret()));
        now.expose_secret().clone_into(&mut kept);
        Ok(())
    }
}

/// A login that takes a refresh token once, and an API that takes any access token. `life` in seconds.
async fn vendor(life: u64) -> Server {
    let good = Mutex::new(("refresh-0".to_owned(), 0));
    Server::start(move |request| {
        if request.path() != "/oauth/token" {
            return ok(request.header("authorization").unwrap_or("nothing").replace("Bearer access", "the one named"));
        }
        let mut good = good.lock().unwrap();
        let wanted =
            format!("grant_type=refresh_token&refresh_token={}&client_id=client&client_secret={SECRET}", good.0);
        if String::from_utf8_lossy(&request.body) != wanted {
            return respond(400, &[], r#"{"error":"invalid_grant","error_description":"revoked"}"#);
        }
        good.1 += 1;
        good.0 = format!("refresh-{}", good.1);
        ok(format!(r#"{{"access_token":"access-{}","expires_in":{life},"refresh_token":"{}"}}"#, good.1, good.0))
    })
    .await
}

fn connection(server: &Server, kept: &Arc<Kept>, requests: Json) -> Connection {
    let mut connection = Connection::sending(requests, server);
    connection.context.secrets = kept.clone();
    connection
}

fn ask() -> Json {
    json!({"origin": "api", "method": "GET", "path": "/consent", "credential": "consent"})
}

async fn told(connection: &Connection, plugin: &Plugin) -> Vec<String> {
    connection.texts(plugin, "body").await
}

fn kept_at_first() -> Arc<Kept> {
    Arc::new(Kept { refresh: Mutex::new("refresh-0".into()), ..Kept::default() })
}

#[tokio::test]
async fn a_rotated_token_is_kept_and_the_access_token_shared() {
    let (plugin, kept, server) = (guest().await, kept_at_first(), vendor(3_600).await);
    let first = connection(&server, &kept, json!([ask(), ask()]));
    assert_eq!(told(&first, &plugin).await, ["the one named-1", "the one named-1"]);
    assert_eq!(*kept.refresh.lock().unwrap(), "refresh-1");
    // The next call comes with the rotated token, and is not sent to the login for it.
    assert_eq!(told(&first, &plugin).await, ["the one named-1", "the one named-1"]);
    // After a restart only what was kept is left.
    let mut after = connection(&server, &kept, json!([ask()]));
    after.context.tokens = Arc::new(TokenCache::default());
    assert_eq!(told(&after, &plugin).await, ["the one named-2"]);
    assert_eq!(server.seen_paths().iter().filter(|path| *path == "/oauth/token").count(), 2);
}

#[tokio::test]
async fn nothing_is_sent_before_the_rotated_token_is_kept() {
    let (plugin, kept, server) = (guest().await, kept_at_first(), vendor(3_600).await);
    let connection = connection(&server, &kept, json!([ask()]));
    kept.fails.store(true, Ordering::SeqCst);
    let fault = connection.fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "secret.not-kept"));
    assert_eq!(server.seen_paths(), ["/oauth/token"], "the request itself did not go out");
    // It is still known, and kept as soon as that can be done, without asking again.
    kept.fails.store(false, Ordering::SeqCst);
    assert_eq!(told(&connection, &plugin).await, ["the one named-1"]);
    assert_eq!(*kept.refresh.lock().unwrap(), "refresh-1");
    assert_eq!(server.seen_paths(), ["/oauth/token", "/consent"]);
}

#[tokio::test]
async fn a_refused_access_token_is_renewed_with_the_rotated_one() {
    let (plugin, kept, server) = (guest().await, kept_at_first(), vendor(3_600).await);
    let mut refused = ask();
    refused["renew"] = json!("consent");
    let connection = connection(&server, &kept, json!([refused, ask()]));
    assert_eq!(told(&connection, &plugin).await, ["the one named-1", "the one named-2"]);
    assert_eq!(*kept.refresh.lock().unwrap(), "refresh-2");
}

#[tokio::test]
async fn a_consent_that_ended_is_for_a_person() {
    let (plugin, kept) = (guest().await, Arc::new(Kept::default()));
    "withdrawn-token".clone_into(&mut kept.refresh.lock().unwrap());
    let server = vendor(3_600).await;
    let fault = connection(&server, &kept, json!([ask()])).fault(&plugin).await;
    assert_eq!(
        (fault.kind, fault.code.as_str(), fault.field.as_deref()),
        (FaultKind::Auth, "auth.consent", Some("refresh_token"))
    );
    assert!(fault.action.contains("authorise") && !fault.message.contains("withdrawn-token"), "{fault:?}");

    let wrong = Server::start(|_| respond(401, &[], r#"{"error":"invalid_client"}"#)).await;
    let fault = connection(&wrong, &kept, json!([ask()])).fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Auth, "auth.refused"));
}

#[tokio::test]
async fn calls_at_once_refresh_once() {
    let (plugin, kept, server) = (guest().await, kept_at_first(), vendor(3_600).await);
    let first = connection(&server, &kept, json!([ask()]));
    let mut beside = connection(&server, &kept, json!([ask()]));
    beside.context.tokens = first.context.tokens.clone();
    let (one, other) = tokio::join!(told(&first, &plugin), told(&beside, &plugin));
    assert_eq!((one, other), (vec!["the one named-1".to_owned()], vec!["the one named-1".to_owned()]));
}
