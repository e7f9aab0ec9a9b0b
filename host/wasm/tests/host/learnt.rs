//! What a connection learns from its token: which vendor instance it is, and where that is.

use crate::server::{Server, ok};
use crate::support::{Connection, host_with, spec};
use attiva_core::FaultKind;
use attiva_wasm::{Limits, Plugin};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// The guest, its instance and its origin `api` learnt.
async fn learning() -> Arc<Plugin> {
    let mut spec = spec();
    spec["instance"] = json!({"system": "Guest", "learnt": {"credential": "token", "pointer": "/id", "segment": 1}});
    let api = spec["origins"][0].as_object_mut().unwrap();
    api.remove("url");
    api.insert("learnt".into(), json!({"credential": "token", "pointer": "/instance_url"}));
    host_with(Limits::default()).admit(&attiva_guests::component(&spec.to_string())).await.unwrap()
}

async fn vendor(organisation: &str, url: &str) -> Server {
    let reply = json!({"access_token": "t-1", "id": format!("https://login.example.com/id/{organisation}/user"), "instance_url": url});
    Server::start(move |request| match request.path() {
        "/oauth/token" => ok(reply.to_string()),
        _ => ok("data"),
    })
    .await
}

/// A connection that asks for one thing, the origins named granted to this server.
fn asking(server: &Server, granted: &[&str]) -> Connection {
    let ask = json!({"origin": "api", "method": "GET", "path": "/data", "credential": "token"});
    let mut connection = Connection::sending(Json::Array(vec![ask]), server);
    connection.context.grants = granted.iter().map(|origin| server.grant(origin)).collect();
    connection
}

#[tokio::test]
async fn the_instance_is_learnt_and_a_token_of_another_is_refused() {
    let plugin = learning().await;
    let server = vendor("00D1", "https://a.example.com").await;
    let mut connection = asking(&server, &["identity", "api"]);
    assert_eq!(plugin.learn_instance(&connection.context).await.unwrap().as_deref(), Some("00D1"));
    connection.context.instance_id = Some("00D1".into());
    assert_eq!(connection.texts(&plugin, "body").await, ["data"]);
    assert_eq!(
        server.seen().iter().filter(|r| r.path() == "/oauth/token").count(),
        1,
        "the token is kept with its reply"
    );

    connection.context.instance_id = Some("00D2".into());
    let fault = connection.fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "instance.other"));
    assert_eq!(server.seen().iter().filter(|r| r.path() == "/data").count(), 1, "nothing is sent with it");
}

#[tokio::test]
async fn a_learnt_origin_stays_inside_the_declared_domains() {
    let plugin = learning().await;
    for url in ["https://example.com.evil.test", "http://a.example.com", "https://127.0.0.1", "nonsense"] {
        let server = vendor("00D1", url).await;
        let fault = asking(&server, &["identity"]).fault(&plugin).await;
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "egress.endpoint"), "{url}: {fault:?}");
    }
    // Inside, it is asked for by its name, which nobody has.
    let server = vendor("00D1", "https://nobody.example.com").await;
    let fault = asking(&server, &["identity"]).fault(&plugin).await;
    assert_ne!(fault.code, "egress.endpoint", "{fault:?}");
    assert!(server.seen().iter().all(|r| r.path() == "/oauth/token"));
}

#[tokio::test]
async fn a_reply_that_does_not_tell_is_named() {
    let plugin = learning().await;
    let server = Server::start(|_| ok(r#"{"access_token":"t"}"#)).await;
    let connection = asking(&server, &["identity"]);
    let fault = plugin.learn_instance(&connection.context).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Data, "instance.unknown"));
    assert!(fault.message.contains("/id"));
}
