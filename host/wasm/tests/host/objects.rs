//! A connection's bucket, used by the host itself: where requests go in either style of address, and that they go through
//! the gate.

use crate::server::{Server, ok, respond};
use crate::support::{Connection, grant, options, spec};
use async_trait::async_trait;
use attiva_core::FaultKind;
use attiva_core::ports::objects::Objects;
use attiva_wasm::{Bucket, HostOptions, Plugin, PluginHost, Resolve};
use serde_json::{Value as Json, json};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// Every name is this machine.
struct Here;

#[async_trait]
impl Resolve for Here {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    }
}

async fn plugin(methods: &[&str]) -> Arc<Plugin> {
    let mut spec = spec();
    let properties =
        json!({"bucket": {"type": "string"}, "addressing": {"type": "string"}, "prefix": {"type": "string"}});
    for (name, schema) in properties.as_object().unwrap() {
        spec["configuration"]["properties"][name] = schema.clone();
    }
    // The first that signs for S3 is taken.
    spec["credentials"].as_array_mut().unwrap().sort_by_key(|credential| credential["name"] != "key");
    let rules = json!([{"methods": methods, "path": "/", "access": "write", "credential": "key"}]);
    let origin = |name: &str, url: &str| json!({"name": name, "url": url, "domains": ["example.com"], "rules": rules});
    let origins = spec["origins"].as_array_mut().unwrap();
    origins.push(origin("virtual", "https://{bucket}.s3.example.com"));
    origins.push(origin("path", "https://s3.example.com"));
    let host = PluginHost::new(HostOptions { resolver: Arc::new(Here), ..options() }).unwrap();
    host.admit(&attiva_guests::component(&spec.to_string())).await.unwrap()
}

fn connection(configuration: Json, origin: &str, host: &str, server: &Server) -> Connection {
    let mut connection = Connection::new(configuration);
    connection.context.grants = [grant(origin, host, server.address.port(), &["127.0.0.1"])].into();
    connection
}

async fn store() -> Server {
    Server::start(|request| match (request.method.as_str(), request.target.as_str()) {
        ("GET", target) if target.contains("continuation-token=a%2Fb") => ok(
            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>own/t/data/y</Key><Size>2</Size></Contents></ListBucketResult>",
        ),
        ("GET", target) if target.contains("list-type=2") => ok(
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a/b</NextContinuationToken>\
             <Contents><Key>own/t/data/x</Key><Size>1</Size></Contents></ListBucketResult>",
        ),
        ("GET", target) if target.ends_with("manifest.json") => ok("{}"),
        ("GET", _) => respond(404, &[], "<Error><Code>NoSuchKey</Code></Error>"),
        ("DELETE", _) => respond(204, &[], ""),
        _ => ok(""),
    })
    .await
}

#[tokio::test]
async fn a_bucket_is_asked_in_its_host_or_below_its_path() {
    let plugin = plugin(&["GET", "PUT", "DELETE"]).await;
    for (addressing, host, root) in [("virtual", "b1.s3.example.com", ""), ("path", "s3.example.com", "/b1")] {
        let server = store().await;
        let configuration = json!({"bucket": "b1", "addressing": addressing, "prefix": "own"});
        let connection = connection(configuration, addressing, host, &server);
        let bucket = Bucket::open(&plugin, connection.context.clone(), "t/").unwrap();
        assert_eq!(bucket.location(), "s3://b1/own/t/");
        let listed = bucket.list().await.unwrap();
        let names: Vec<(&str, u64)> = listed.iter().map(|object| (object.name.as_str(), object.bytes)).collect();
        assert_eq!(names, [("data/x", 1), ("data/y", 2)], "both pages");
        assert_eq!(bucket.get("manifest.json").await.unwrap(), Some(b"{}".to_vec()));
        assert_eq!(bucket.get("other").await.unwrap(), None);
        bucket.put("data/z", "text/plain", b"hello".to_vec()).await.unwrap();
        bucket.remove("data/x").await.unwrap();
        let seen = server.seen();
        let targets: Vec<String> =
            seen.iter().map(|request| format!("{} {}", request.method, request.target)).collect();
        let expected = [
            format!("GET {root}/?list-type=2&prefix=own%2Ft%2F"),
            format!("GET {root}/?continuation-token=a%2Fb&list-type=2&prefix=own%2Ft%2F"),
            format!("GET {root}/own/t/manifest.json"),
            format!("GET {root}/own/t/other"),
            format!("PUT {root}/own/t/data/z"),
            format!("DELETE {root}/own/t/data/x"),
        ];
        assert_eq!(targets, expected);
        let authority = format!("{host}:{}", server.address.port());
        for request in &seen {
            assert_eq!(request.header("host"), Some(authority.as_str()));
            assert!(request.header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
        }
        assert_eq!((seen[4].body.as_slice(), seen[4].header("content-type")), (&b"hello"[..], Some("text/plain")));
        // Counted as the connection's, without what was sent.
        let reports = connection.recorder.reports.lock().unwrap();
        assert_eq!(reports.len(), 6);
        assert!(reports.iter().all(|it| (it.function, it.usage.requests, it.exchanges.len()) == ("tables", 1, 0)));
    }
}

#[tokio::test]
async fn what_the_gate_does_not_let_out_does_not_go_out() {
    let server = store().await;
    let configuration = json!({"bucket": "b1", "addressing": "virtual"});
    // No rule lets anything be deleted.
    let plugin = plugin(&["GET", "PUT"]).await;
    let granted = connection(configuration.clone(), "virtual", "b1.s3.example.com", &server);
    let bucket = Bucket::open(&plugin, granted.context.clone(), "t/").unwrap();
    assert_eq!(bucket.remove("data/x").await.unwrap_err().code, "egress.rule");
    // Nobody granted the private address that the name leads to.
    let bucket = Bucket::open(&plugin, Connection::new(configuration).context, "t/").unwrap();
    let fault = bucket.list().await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "egress.address"));
    assert!(server.seen().is_empty());
}
