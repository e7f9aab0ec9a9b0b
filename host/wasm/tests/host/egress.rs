//! The gate: what does not leave the host, and what comes back changed.

use crate::server::{Server, ok, respond};
use crate::support::{Connection, SECRET, grant, guest, guest_resolving, guest_with};
use async_trait::async_trait;
use attiva_core::FaultKind;
use attiva_core::spec::Rate;
use attiva_wasm::{InstanceBudget, Limits, Resolve};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

fn get(path: &str) -> Json {
    json!({"origin": "api", "method": "GET", "path": path})
}

#[tokio::test]
async fn a_request_within_the_rules_goes_out_as_it_is() {
    let server = Server::start(|_| respond(404, &[("X-Thing", "v"), ("Set-Cookie", "s=1")], "no such thing")).await;
    let plugin = guest().await;
    let ask =
        json!({"origin": "api", "method": "GET", "path": "/open/a%20b/../c?x=%2F&y", "headers": [["X-Mine", "1"]]});
    let connection = Connection::sending(json!([ask]), &server);
    let (page, usage) = connection.read(&plugin).await.unwrap();
    assert_eq!(crate::support::value(&page, "status", 0), Some(attiva_core::Value::Integer(404)));
    let headers = crate::support::texts(&page, "headers").remove(0);
    assert!(headers.contains("x-thing: v") && !headers.contains("cookie"), "{headers}");
    let seen = server.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/open/a%20b/../c?x=%2F&y"));
    assert_eq!(seen.header("host"), Some(format!("127.0.0.1:{}", server.address.port()).as_str()));
    assert_eq!((seen.header("x-mine"), seen.header("authorization")), (Some("1"), None));
    assert_eq!((usage.requests, usage.bytes_in), (1, 13));
}

/// What a connector learns of an object without fetching it: also of one that is stored compressed, whose length is that of
/// a body that is not there.
#[tokio::test]
async fn a_head_keeps_what_it_tells() {
    let server = Server::start(|request| {
        let encoding = if request.path() == "/open/zipped" { "content-encoding: gzip\r\n" } else { "" };
        let told = "content-length: 12345\r\netag: \"abc-3\"\r\nx-amz-meta-attiva-run: del_1\r\n";
        format!("HTTP/1.1 200 OK\r\n{told}{encoding}\r\n").into_bytes()
    })
    .await;
    let plugin = guest().await;
    let head = |path: &str| json!({"origin": "api", "method": "HEAD", "path": path});
    let connection = Connection::sending(json!([head("/open/plain"), head("/open/zipped")]), &server);
    let (page, _) = connection.read(&plugin).await.unwrap();
    for headers in crate::support::texts(&page, "headers") {
        for told in ["content-length: 12345", "etag: \"abc-3\"", "x-amz-meta-attiva-run: del_1"] {
            assert!(headers.contains(told), "{told}: {headers}");
        }
    }
    assert_eq!(crate::support::texts(&page, "body"), ["", ""]);
}

#[tokio::test]
async fn what_no_rule_allows_never_leaves() {
    let server = Server::start(|_| ok("")).await;
    let plugin = guest().await;
    let cases = [
        (json!({"origin": "elsewhere", "method": "GET", "path": "/"}), "egress.origin"),
        (json!({"origin": "identity", "method": "GET", "path": "/oauth/token"}), "egress.rule"),
        (json!({"origin": "api", "method": "DELETE", "path": "/open"}), "egress.rule"),
        (json!({"origin": "api", "method": "POST", "path": "/open"}), "egress.rule"),
        (json!({"origin": "api", "method": "POST", "path": "/write/../other"}), "egress.rule"),
        (json!({"origin": "api", "method": "TRACE", "path": "/"}), "egress.method"),
        (json!({"origin": "api", "method": "GET", "path": "http://evil.example/"}), "egress.path"),
        (json!({"origin": "api", "method": "GET", "path": "//evil.example/"}), "egress.path"),
        (json!({"origin": "api", "method": "GET", "path": "/a HTTP/1.1\r\nHost: evil\r\n\r\nGET /b"}), "egress.path"),
        (json!({"origin": "api", "method": "GET", "path": "/", "credential": "key"}), "egress.credential"),
        (json!({"origin": "api", "method": "GET", "path": "/", "credential": "unknown"}), "egress.credential"),
        (
            json!({"origin": "api", "method": "GET", "path": "/", "headers": [["Authorization", "Bearer x"]]}),
            "egress.header",
        ),
        (json!({"origin": "api", "method": "GET", "path": "/", "headers": [["Host", "evil"]]}), "egress.header"),
        (json!({"origin": "api", "method": "GET", "path": "/", "headers": [["Content-Length", "0"]]}), "egress.header"),
        (json!({"origin": "api", "method": "GET", "path": "/", "headers": [["X-A", "1\r\nX-B: 2"]]}), "egress.header"),
    ];
    for (ask, code) in cases {
        let fault = Connection::sending(json!([ask]), &server).fault(&plugin).await;
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Internal, code), "{ask}");
    }
    assert_eq!(server.connections(), 0, "nothing was sent");
    Connection::sending(json!([get("/open")]), &server).read(&plugin).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn what_writes_is_refused_where_only_reading_is_allowed() {
    let server = Server::start(|request| match request.path() {
        "/oauth/token" => ok(r#"{"access_token": "a-token-of-length", "expires_in": 3600}"#),
        _ => ok(""),
    })
    .await;
    let plugin = guest().await;
    let write = json!({"origin": "api", "method": "POST", "path": "/write", "body": "x", "credential": "token"});
    let mut connection = Connection::sending(json!([write]), &server);
    connection.read(&plugin).await.unwrap();
    let seen = server.seen().remove(1);
    assert_eq!((seen.header("content-length"), seen.body.as_slice()), (Some("1"), b"x".as_slice()));

    let checks = plugin.check(&connection.context).await.unwrap();
    let said: Vec<_> = checks.iter().map(|c| (c.name.as_str(), c.fault.as_ref().map(|f| f.code.as_str()))).collect();
    let expected = [("requests", Some("egress.write")), ("writing", None)];
    assert_eq!(said, expected, "a source's check only reads, a destination's may write what it takes back");
    assert_eq!(server.seen().len(), 3, "one token and two writes");
    assert_eq!(plugin.discover_streams(&connection.context).await.unwrap_err().code, "egress.write");
    connection.context.dry_run = true;
    assert_eq!(connection.fault(&plugin).await.code, "egress.write");
    let checks = plugin.check(&connection.context).await.unwrap();
    assert!(checks.iter().all(|c| c.fault.as_ref().is_some_and(|fault| fault.code == "egress.write")), "{checks:?}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_redirect_is_a_response() {
    let inside = Server::start(|_| ok("metadata")).await;
    let location = format!("http://127.0.0.1:{}/latest/meta-data", inside.address.port());
    let server = Server::start(move |_| respond(302, &[("Location", &location)], "")).await;
    let plugin = guest().await;
    let (page, _) = Connection::sending(json!([get("/open")]), &server).read(&plugin).await.unwrap();
    assert_eq!(crate::support::value(&page, "status", 0), Some(attiva_core::Value::Integer(302)));
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn private_addresses_take_a_grant_that_lists_them() {
    let server = Server::start(|_| ok("inside")).await;
    let port = server.address.port();
    let plugin = guest().await;
    let cases = [
        (vec![grant("api", "127.0.0.1", port, &[])], "egress.address"),
        (vec![grant("api", "localhost", port, &[])], "egress.address"),
        (vec![grant("api", "127.0.0.1", port, &["127.0.0.2"])], "egress.address"),
        (vec![grant("api", "::ffff:127.0.0.1", port, &[])], "egress.address"),
        (vec![grant("api", "169.254.169.254", 80, &[])], "egress.address"),
        (vec![grant("store", "127.0.0.1", port, &["127.0.0.1"])], "network.resolve"),
    ];
    for (grants, code) in cases {
        let mut connection = Connection::sending(json!([get("/open")]), &server);
        connection.context.grants = grants.clone().into();
        // Without a grant of its own, `api` is a name that no server knows.
        let fault = connection.fault(&plugin).await;
        assert_eq!(fault.code, code, "{grants:?}: {fault:?}");
    }
    assert_eq!(server.connections(), 0);
    let mut connection = Connection::sending(json!([get("/open")]), &server);
    connection.context.grants = [grant("api", "localhost", port, &["127.0.0.1", "::1"])].into();
    assert_eq!(connection.texts(&plugin, "body").await, ["inside"]);
}

/// A name server in the hands of the plugin's publisher.
struct Hostile(Vec<IpAddr>);

#[async_trait]
impl Resolve for Hostile {
    async fn resolve(&self, _host: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn a_name_of_the_publishers_cannot_point_inside() {
    let server = Server::start(|_| ok("inside")).await;
    for addresses in [
        vec!["127.0.0.1"],
        vec!["169.254.169.254"],
        vec!["10.0.0.1"],
        vec!["::1"],
        vec!["::ffff:127.0.0.1"],
        vec!["64:ff9b::7f00:1"],
        vec!["2002:7f00:1::"],
        vec!["fd00:ec2::254"],
        vec!["8.8.8.8", "127.0.0.1"],
    ] {
        let resolver = Hostile(addresses.iter().map(|a| a.parse().unwrap()).collect());
        let plugin = guest_resolving(Arc::new(resolver)).await;
        let mut connection = Connection::sending(json!([get("/open")]), &server);
        connection.context.grants = [].into();
        let fault = connection.fault(&plugin).await;
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "egress.address"), "{addresses:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_configuration_cannot_leave_the_declared_domains() {
    let server = Server::start(|_| ok("")).await;
    let plugin = guest().await;
    for id in ["evil.example/", "a@evil", "a.b", "127.0.0.1:80#"] {
        let mut connection = Connection::sending(json!([get("/open")]), &server);
        connection.context.grants = [].into();
        connection.reconfigure(json!({"behaviour": "send", "requests": [get("/open")], "id": id}));
        let fault = connection.fault(&plugin).await;
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Config, Some("id")), "{id}: {fault:?}");
    }
}

#[tokio::test]
async fn an_echoed_secret_is_taken_out() {
    let token = "token-0123456789";
    let server = Server::start(move |request| match request.path() {
        "/oauth/token" => ok(format!(r#"{{"access_token": "{token}", "expires_in": 3600}}"#)),
        _ => {
            let body = format!("you sent {} and I know {SECRET}", request.header("authorization").unwrap_or_default());
            respond(200, &[("X-Echo", token), ("X-Fine", "y")], body)
        }
    })
    .await;
    let plugin = guest().await;
    let ask = json!({"origin": "api", "method": "GET", "path": "/echo", "credential": "token"});
    let (page, _) = Connection::sending(json!([ask]), &server).read(&plugin).await.unwrap();
    let body = crate::support::texts(&page, "body").remove(0);
    assert_eq!(body, "you sent Bearer [redacted] and I know [redacted]");
    let headers = crate::support::texts(&page, "headers").remove(0);
    assert!(
        headers.contains("x-fine") && !headers.contains("x-echo") && !headers.contains("content-length"),
        "{headers}"
    );
    assert_eq!(server.seen()[1].header("authorization"), Some(format!("Bearer {token}").as_str()));
}

#[tokio::test]
async fn bodies_are_decompressed_and_bombs_cut() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let (small, bomb) = (gzip(b"hello"), gzip(&vec![b'a'; 80 << 20]));
    assert!(bomb.len() < 1 << 20);
    let server = Server::start(move |request| match request.path() {
        "/open/small" => respond(200, &[("content-encoding", "gzip")], &small),
        _ => respond(200, &[("content-encoding", "gzip")], &bomb),
    })
    .await;
    let plugin = guest().await;
    let connection = Connection::sending(json!([get("/open/small")]), &server);
    assert_eq!(connection.texts(&plugin, "body").await, ["hello"]);
    assert_eq!(server.seen()[0].header("accept-encoding"), Some("gzip, deflate"));
    let fault = Connection::sending(json!([get("/open/bomb")]), &server).fault(&plugin).await;
    assert_eq!(fault.code, "limit.egress-in");
}

#[tokio::test]
async fn connections_are_used_again_and_a_dead_one_is_replaced() {
    let server = Server::start(|request| match request.path() {
        // No length: the connection ends with the body.
        "/open/last" => b"HTTP/1.1 200 OK\r\n\r\nbye".to_vec(),
        _ => ok("more"),
    })
    .await;
    let plugin = guest().await;
    let asks = json!([get("/open"), get("/open"), get("/open/last"), get("/open")]);
    let bodies = Connection::sending(asks, &server).texts(&plugin, "body").await;
    assert_eq!(bodies, ["more", "more", "bye", "more"]);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn trouble_on_the_network_is_transient() {
    let plugin = guest().await;
    let server = Server::start(|request| match request.path() {
        "/open/cut" => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this".to_vec(),
        "/open/nonsense" => b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec(),
        "/open/two-lengths" => b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec(),
        "/open/not-gzip" => respond(200, &[("content-encoding", "gzip")], "plain"),
        "/open/never" => {
            std::thread::sleep(std::time::Duration::from_millis(300));
            Vec::new()
        }
        _ => Vec::new(),
    })
    .await;
    let cases = [
        ("/open/cut", "network.broken"),
        ("/open/nonsense", "network.broken"),
        ("/open/two-lengths", "network.broken"),
        ("/open/not-gzip", "network.encoding"),
        ("/open/hang-up", "network.broken"),
    ];
    for (path, code) in cases {
        let fault = Connection::sending(json!([get(path)]), &server).fault(&plugin).await;
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, code), "{path}: {fault:?}");
    }
    let slow = json!({"origin": "api", "method": "GET", "path": "/open/never", "timeout_ms": 1});
    assert_eq!(Connection::sending(json!([slow]), &server).fault(&plugin).await.code, "network.timeout");
    let mut nobody = Connection::sending(json!([get("/open")]), &server);
    nobody.context.grants = [grant("api", "127.0.0.1", 1, &["127.0.0.1"])].into();
    assert_eq!(nobody.fault(&plugin).await.code, "network.connect");
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut secure = grant("api", "127.0.0.1", plain.local_addr().unwrap().port(), &["127.0.0.1"]);
    secure.scheme = attiva_wasm::Scheme::Https;
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 this is not TLS\r\n\r\n").await.unwrap();
    });
    nobody.context.grants = [secure].into();
    assert_eq!(nobody.fault(&plugin).await.code, "network.tls");
}

#[tokio::test]
async fn the_instances_budget_holds_for_all_its_connections() {
    let server = Server::start(|_| ok("")).await;
    let plugin = guest().await;
    let budget = InstanceBudget::new(&[Rate::window(3, 1_000_000)]);
    let mut one = Connection::sending(json!([get("/open"), get("/open")]), &server);
    one.context.budget = budget.clone();
    let mut other = Connection::sending(json!([get("/open"), get("/open")]), &server);
    other.context.budget = budget;
    one.read(&plugin).await.unwrap();
    let fault = other.fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::RateLimited, "rate.window"));
    assert!(fault.retry_after_ms.unwrap() > 900_000_000);
    assert_eq!(server.seen().len(), 3);
}

/// Runs the test below once more, in a process whose environment names a proxy.
#[tokio::test]
async fn no_proxy_of_the_environment_is_asked() {
    const MARK: &str = "ATTIVA_TEST_BEHIND_PROXY";
    if std::env::var_os(MARK).is_none() {
        let proxy = Server::start(|_| ok("from the proxy")).await;
        let url = format!("http://127.0.0.1:{}", proxy.address.port());
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "egress::no_proxy_of_the_environment_is_asked"]).env(MARK, "1");
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            again.env(name, &url);
        }
        let output = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(proxy.connections(), 0);
        return;
    }
    let server = Server::start(|_| ok("straight")).await;
    let plugin = guest().await;
    let connection = Connection::sending(json!([get("/open")]), &server);
    assert_eq!(connection.texts(&plugin, "body").await, ["straight"]);
}

/// A server that answers nobody before it is told to. How many have come, and the word.
async fn reluctant() -> (std::net::SocketAddr, Arc<std::sync::atomic::AtomicUsize>, Arc<tokio::sync::Semaphore>) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (came, word) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let (count, told) = (came.clone(), word.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let told = told.clone();
            tokio::spawn(async move {
                told.acquire().await.unwrap().forget();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
            });
        }
    });
    (address, came, word)
}

#[tokio::test]
async fn a_plugin_has_so_many_connections_open_for_an_organisation_and_no_more() {
    let (address, came, word) = reluctant().await;
    let came = || came.load(std::sync::atomic::Ordering::SeqCst);
    let plugin = guest_with(Limits { connections: 1, ..Limits::default() }).await;
    let asking = |organisation: &str, timeout_ms: Option<u32>| {
        let mut ask = get("/open");
        ask["timeout_ms"] = json!(timeout_ms);
        let mut connection = Connection::new(json!({"behaviour": "send", "requests": [ask]}));
        connection.context.grants = [grant("api", "127.0.0.1", address.port(), &["127.0.0.1"])].into();
        connection.context.user.organisation = organisation.into();
        connection
    };
    let (first, other) = (asking("one", None), asking("two", None));
    let read = |connection: &Connection| {
        let (plugin, context) = (plugin.clone(), connection.context.clone());
        tokio::spawn(async move { plugin.read(&context, &crate::support::request()).await.map(drop) })
    };
    let holds = read(&first);
    while came() < 1 {
        tokio::task::yield_now().await;
    }
    // No more for the same organisation, and no call to the vendor for it.
    let fault = asking("one", Some(50)).fault(&plugin).await;
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Transient, "limit.connections"), "{fault:?}");
    assert_eq!(came(), 1);
    // What another organisation does with the same plugin is not held up by it.
    let beside = read(&other);
    while came() < 2 {
        tokio::task::yield_now().await;
    }
    word.add_permits(3);
    holds.await.unwrap().unwrap();
    beside.await.unwrap().unwrap();
    // And the place is free again.
    asking("one", None).read(&plugin).await.unwrap();
}
