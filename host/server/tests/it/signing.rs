//! Who vouches for a plugin: signatures, publishers, exceptions; and what an operator sees before approving one.

use crate::harness::{Answer, Api, Harness};
use crate::plugins::{development_key, guest_spec, signed};
use attiva_wasm::SigningKey;
use serde_json::{Value, json};
use ureq::http::Method;

const PACKAGE: [(&str, &str); 1] = [("content-type", "application/vnd.attiva.plugin")];

fn install(api: &Api, query: &str, bytes: &[u8]) -> Answer {
    api.send(Method::POST, &format!("/v1/plugins{query}"), &PACKAGE, bytes.to_vec())
}

fn component(spec: &Value) -> Vec<u8> {
    attiva_guests::component(&spec.to_string())
}

fn named(name: &str, version: &str) -> Value {
    let mut spec = guest_spec();
    spec["name"] = name.into();
    spec["version"] = version.into();
    spec
}

fn trust(api: &Api, publisher: &str, body: &Value) -> Answer {
    api.json(Method::PUT, &format!("/v1/publishers/{publisher}"), &[], body)
}

/// The actions that were told of a subject, oldest first.
fn told(api: &Api, subject: &str) -> Vec<String> {
    let events = api.audit().body;
    let of_subject = events["items"].as_array().unwrap().iter().filter(|e| e["subject"] == subject);
    of_subject.map(|e| e["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn only_what_somebody_vouches_for_is_installed() {
    let harness = Harness::start(&[]);
    let api = harness.api("");
    let (key, _) = SigningKey::generate().unwrap();
    let (other, _) = SigningKey::generate().unwrap();
    let spec = named("source-acme", "0.1.0");
    let component = component(&spec);
    let package = signed(&component, &key, &spec);

    // Nobody is trusted yet.
    install(&api, "", &component).refused(422, "plugin.unsigned");
    let unknown = install(&api, "", &package);
    unknown.refused(422, "plugin.untrusted");
    assert!(unknown.text("/action").contains(&key.public().to_string()), "{unknown:?}");
    assert_eq!(api.get("/v1/plugins").body["items"].as_array().unwrap().len(), attiva_plugins::bundled().len());

    // Trusted with a key, but not yet with the name.
    trust(&api, "acme", &json!({})).refused(422, "request.invalid");
    trust(&api, "acme", &json!({"public_key": key.public()})).is(200);
    install(&api, "", &package).refused(422, "plugin.untrusted");
    trust(&api, "acme", &json!({"plugins": ["source-acme"]})).is(200);

    // Another's signature, another's component, a statement that is not true.
    install(&api, "", &signed(&component, &other, &spec)).refused(422, "plugin.untrusted");
    let text = String::from_utf8_lossy(&package[..600]).into_owned();
    let head = text.split("\n\n").next().unwrap().len() + 2;
    let mut swapped = package[..head].to_vec();
    swapped.extend_from_slice(&crate::signing::component(&named("source-acme", "0.1.1")));
    install(&api, "", &swapped).refused(422, "plugin.package");
    let mut forged = package.clone();
    let at = text.find("version: 0.1.0").unwrap() + "version: 0.1.".len();
    forged[at] = b'9';
    install(&api, "", &forged).refused(422, "plugin.signature");
    install(&api, "", &signed(&component, &key, &named("source-acme", "0.3.0"))).refused(422, "plugin.statement");

    let installed = install(&api, "?approve=true", &package);
    assert_eq!(installed.is(201).text("/stage"), "ready");
    assert_eq!((installed.text("/provenance/kind"), installed.text("/provenance/name")), ("publisher", "acme"));
    let audit = api.get("/v1/plugin-audit");
    assert_eq!(audit.is(200).body["good"], true, "{audit:?}");

    // Its name is its own.
    trust(&api, "evil", &json!({"public_key": other.public(), "plugins": ["source-acme"]}))
        .refused(409, "plugin.name-taken");
    trust(&api, "evil", &json!({"public_key": other.public(), "plugins": ["source-marketo"]}))
        .refused(409, "plugin.name-taken");
    trust(&api, "attiva", &json!({"public_key": other.public()})).refused(409, "plugin.name-taken");
    let next = named("source-acme", "0.2.0");
    let next_component = crate::signing::component(&next);
    install(&api, "", &signed(&next_component, &development_key(&harness), &next)).refused(409, "plugin.name-taken");
    install(&api, "?allow_unsigned=trust%20me", &next_component).refused(409, "plugin.name-taken");
}

#[test]
fn a_revoked_key_stops_what_it_signed_and_an_audit_finds_what_was_changed() {
    let harness = Harness::start(&[]);
    let api = harness.api("");
    let (key, _) = SigningKey::generate().unwrap();
    let spec = named("source-acme", "0.1.0");
    let package = signed(&component(&spec), &key, &spec);
    trust(&api, "acme", &json!({"public_key": key.public(), "plugins": ["source-acme"]})).is(200);
    let digest = install(&api, "?approve=true", &package).is(201).text("/digest").to_owned();

    let problems = |api: &Api| -> Vec<String> {
        let audit = api.get("/v1/plugin-audit").body;
        let item = audit["items"].as_array().unwrap().iter().find(|i| i["id"] == "source-acme@0.1.0").unwrap().clone();
        assert_eq!(item["good"], item["problems"].as_array().unwrap().is_empty());
        item["problems"].as_array().unwrap().iter().map(|p| p["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(problems(&api), Vec::<String>::new());
    let file = harness.data_dir().join("plugins").join(format!("{digest}.wasm"));
    let bytes = std::fs::read(&file).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&file, &changed).unwrap();
    assert_eq!(problems(&api), ["plugin.file"]);
    std::fs::write(&file, &bytes).unwrap();

    let untrusted = api.send(Method::DELETE, "/v1/publishers/acme", &[], Vec::new());
    assert_eq!(untrusted.is(200).body["trusted"], false);
    assert_eq!(problems(&api), ["plugin.untrusted"]);
    assert_eq!(api.get("/v1/plugins/source-acme@0.1.0").text("/stage"), "ready", "what is installed stays");
    let next = named("source-acme", "0.2.0");
    install(&api, "", &signed(&component(&next), &key, &next)).refused(422, "plugin.untrusted");
    trust(&api, "acme", &json!({})).is(200);
    assert_eq!(problems(&api), Vec::<String>::new());

    let revoke = json!({"public_key": key.public(), "reason": "the laptop is gone"});
    let revoked = api.post("/v1/publishers/acme/revocations", &revoke);
    assert_eq!(revoked.is(200).body["quarantined"], json!(["source-acme@0.1.0"]));
    assert_eq!(problems(&api), ["plugin.key-revoked"]);
    assert_eq!(api.get("/v1/plugins/source-acme@0.1.0").text("/stage"), "quarantined");
    install(&api, "", &signed(&component(&next), &key, &next)).refused(422, "plugin.key-revoked");
    // It does not become good again.
    trust(&api, "acme", &json!({"public_key": key.public()})).refused(422, "plugin.key-revoked");
    let (new, _) = SigningKey::generate().unwrap();
    trust(&api, "acme", &json!({"public_key": new.public()})).is(200);
    install(&api, "", &signed(&component(&next), &new, &next)).is(201);
}

#[test]
fn an_exception_is_made_for_one_file_and_told() {
    let harness = Harness::start(&[]);
    let api = harness.api("");
    let component = component(&named("source-odd", "0.1.0"));
    install(&api, "?allow_unsigned=", &component).refused(422, "request.invalid");
    let installed = install(&api, "?approve=true&allow_unsigned=only%20on%20staging", &component);
    assert_eq!(installed.is(201).body["provenance"]["reason"], "only on staging");
    let events = api.audit().body;
    let verified = events["items"].as_array().unwrap().iter().rev().find(|e| e["action"] == "plugin.verified").unwrap();
    assert_eq!(verified["detail"]["provenance"]["reason"], "only on staging");
    assert_ne!(verified["actor"], "host");
    // The same bytes need no second exception; others do.
    install(&api, "", &component).is(200);
    install(&api, "", &crate::signing::component(&named("source-odd", "0.2.0"))).refused(422, "plugin.unsigned");
}

#[test]
fn what_asks_for_more_waits_and_says_what_is_more() {
    let harness = Harness::start(&[]);
    let api = harness.api("");
    let key = development_key(&harness);
    let send = |spec: &Value, query: &str| install(&api, query, &signed(&component(spec), &key, spec));
    let with_origin = |version: &str, methods: Value, calls: u32| {
        let mut spec = named("dev", version);
        spec["origins"] = json!([{"name": "api", "url": "https://api.example.com", "domains": ["example.com"],
            "rules": [{"methods": methods, "path": "/", "access": "read"}]}]);
        spec["rates"] = json!([{"kind": "window", "calls": calls, "seconds": 10}]);
        spec
    };
    let first = send(&with_origin("0.1.0", json!(["GET"]), 5), "");
    assert_eq!(first.is(201).text("/stage"), "awaiting-approval");
    assert_eq!(first.body["difference"].get("from"), None);
    assert_eq!(told(&api, "dev@0.1.0"), ["plugin.inspected", "plugin.awaiting-approval"]);
    // Nothing is made of it before it is approved.
    let sandbox = Harness::api(&harness, "default");
    let connection = json!({"name": "c", "plugin": "dev@0.1.0", "configuration": {}});
    sandbox.post("connections", &connection).refused(422, "plugin.not-ready");
    assert_eq!(api.post("/v1/plugins/dev@0.1.0/approve", &json!({})).is(200).text("/stage"), "ready");
    api.post("/v1/plugins/dev@0.1.0/approve", &json!({})).refused(409, "plugin.stage");
    sandbox.post("connections", &connection).is(201);

    let same = send(&with_origin("0.1.1", json!(["GET"]), 4), "");
    assert_eq!(same.is(201).text("/stage"), "ready", "it asks for less");
    assert_eq!(same.text("/difference/from"), "dev@0.1.0");

    let more = send(&with_origin("0.2.0", json!(["GET", "POST"]), 4), "");
    assert_eq!(more.is(201).text("/stage"), "awaiting-approval");
    assert_eq!(more.text("/difference/from"), "dev@0.1.1");
    let changes = more.body["difference"]["changes"].as_array().unwrap();
    assert_eq!((changes.len(), &changes[0]["capability"]["method"]), (1, &json!("POST")));
    assert!(changes[0]["increase"].is_string());
    api.post("/v1/plugins/dev@0.2.0/decline", &json!({})).is(204);
    api.get("/v1/plugins/dev@0.2.0").refused(404, "plugin.missing");
    api.post("/v1/plugins/dev@0.1.1/decline", &json!({})).refused(409, "plugin.stage");

    let at_once = send(&with_origin("0.2.0", json!(["GET", "POST"]), 4), "?approve=true");
    assert_eq!(at_once.is(201).text("/stage"), "ready");
    let steps = ["plugin.inspected", "plugin.awaiting-approval", "plugin.refused", "plugin.inspected"];
    let steps = [&steps[..], &["plugin.awaiting-approval", "plugin.ready"]].concat();
    assert_eq!(told(&api, "dev@0.2.0"), steps);
}

/// A server that gives one file away, on loopback.
fn serve(bytes: Vec<u8>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/guest.plugin", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let found = lines.next().is_some_and(|first| first.starts_with("GET /guest.plugin "));
            let _: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let body = if found { bytes.as_slice() } else { b"" };
            let status = if found { "200 OK" } else { "302 Found\r\nLocation: /guest.plugin" };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let mut stream = &stream;
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    url
}

#[test]
fn a_package_is_fetched_by_its_digest() {
    use sha2::{Digest, Sha256};
    let harness = Harness::start(&["limits.plugin_bytes=4000000"]);
    let api = harness.api("");
    let spec = named("fetched", "0.1.0");
    let package = signed(&component(&spec), &development_key(&harness), &spec);
    let digest = hex::encode(Sha256::digest(&package));
    let url = serve(package);
    let fetch = |url: &str, digest: &str| api.post("/v1/plugins?approve=true", &json!({"url": url, "sha256": digest}));
    fetch(&url, &"0".repeat(64)).refused(422, "fetch.digest");
    fetch(&url, "short").refused(422, "request.invalid");
    fetch("http://example.com/guest.plugin", &digest).refused(422, "request.invalid");
    fetch("/etc/passwd", &digest).refused(422, "request.invalid");
    fetch(&url.replace("guest", "moved"), &digest).refused(422, "fetch.status");
    assert_eq!(fetch(&url, &digest).is(201).text("/id"), "fetched@0.1.0");
    assert_eq!(fetch(&url, &digest).is(200).text("/stage"), "ready");
    let large = serve(vec![0; 4_000_001]);
    fetch(&large, &digest).refused(422, "fetch.too-large");
}
