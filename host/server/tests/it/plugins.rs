//! Plugins: what came with the host, and what is refused at the door.

use crate::harness::{Answer, Harness};
use attiva_core::plugin::package::{self, Statement};
use attiva_wasm::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use ureq::http::Method;

fn install(bytes: &[u8]) -> Answer {
    let api = Harness::shared().api("");
    api.send(Method::POST, "/v1/plugins", &[("content-type", "application/wasm")], bytes.to_vec())
}

/// A package of a component, signed with a key.
pub(crate) fn signed(component: &[u8], key: &SigningKey, spec: &Value) -> Vec<u8> {
    let text = |key: &str| spec[key].as_str().unwrap().to_owned();
    let signed = key.sign(Statement {
        name: text("name"),
        version: text("version").parse().unwrap(),
        publisher: text("publisher"),
        digest: hex::encode(Sha256::digest(component)),
        key: key.public(),
    });
    package::write(&signed, component)
}

/// The key whose signatures a host takes without another word.
pub(crate) fn development_key(harness: &Harness) -> SigningKey {
    let text = std::fs::read_to_string(harness.data_dir().join("keys/development.key")).unwrap();
    SigningKey::parse(&text).unwrap()
}

fn bundled(name: &str) -> &'static [u8] {
    attiva_plugins::bundled().iter().find(|b| b.name == name).unwrap().component
}

/// What a component says that is admitted, and is not one of those that came with the host.
pub(crate) fn guest_spec() -> Value {
    json!({"name": "guest", "version": "0.1.0", "publisher": "acme", "title": "Guest", "state_version": 1,
        "configuration": {"type": "object"}, "instance": {"system": "Guest", "id": "one"},
        "delivery": {"class": "at-least-once", "batch_rows": 100}})
}

/// Such a component, signed on the host's own machine.
pub(crate) fn guest(harness: &Harness) -> Vec<u8> {
    let spec = guest_spec();
    signed(&attiva_guests::component(&spec.to_string()), &development_key(harness), &spec)
}

#[test]
fn what_came_with_the_host_is_ready_and_says_what_it_may() {
    let api = Harness::shared().api("");
    let inspected = api.get("/v1/plugins/source-marketo");
    assert_eq!(
        (inspected.is(200).body["source"].clone(), inspected.body["bundled"].clone()),
        (true.into(), true.into())
    );
    assert_eq!(inspected.text("/policy/egress_otherwise"), "denied");
    assert_eq!(inspected.text("/policy/egress/0/name"), "api");
    assert_eq!(inspected.body["policy"]["secrets"][0], "client_secret");
    assert!(!inspected.text("/spec/version").is_empty());
    let consent = api.get("/v1/plugins/destination-linkedin");
    assert_eq!(consent.is(200).text("/policy/credentials/0/how/method"), "oauth2-refresh-token");
    assert_eq!(consent.text("/policy/credentials/0/how/token_endpoint/origin"), "login");
    let id = inspected.text("/id").to_owned();
    assert_eq!(api.get(&format!("/v1/plugins/{id}")).is(200).text("/id"), id);
}

#[test]
fn the_same_bytes_change_nothing() {
    let again = install(bundled("destination-s3"));
    assert_eq!(again.is(200).text("/name"), "destination-s3");
}

#[test]
fn what_is_no_connector_is_refused_with_the_reason() {
    let whole = bundled("source-marketo");
    let foreign = wat::parse_str(r#"(component (import "wasi:cli/environment@0.2.6" (instance)))"#).unwrap();
    let newer = wat::parse_str(r#"(component (import "attiva:connector/http@0.2.0" (instance)))"#).unwrap();
    let module = wat::parse_str("(module)").unwrap();
    let world = wat::parse_str(r#"(component (instance $i) (export "wasi:cli/run@0.2.6" (instance $i)))"#).unwrap();
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    // Signed or not is looked at first.
    let path = "/v1/plugins?allow_unsigned=to%20see%20what%20it%20is";
    let install = |bytes: &[u8]| api.send(Method::POST, path, &[("content-type", "application/wasm")], bytes.to_vec());
    let installed = || {
        let files = |folder: &str| {
            let entries = std::fs::read_dir(harness.data_dir().join(folder)).unwrap();
            let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        (api.get("/v1/plugins").is(200).text.clone(), files("plugins"), files("aot"))
    };
    let before = installed();
    for (bytes, word) in [
        (foreign.as_slice(), "wasi:cli/environment@0.2.6"),
        // Built for a newer contract: which part of it this host lacks, and which one it has.
        (&newer, "attiva:connector/http@0.2.0"),
        (&newer, "0.1.0"),
        (&module, "module"),
        (&whole[..whole.len() / 2], "cut off"),
        (&world, "attiva:connector/plugin@0.1.0"),
        (b"nonsense", "WebAssembly"),
        (b"", "WebAssembly"),
    ] {
        let refused = install(bytes);
        refused.refused(422, "plugin.refused");
        assert!(refused.text("/detail").contains(word), "{word}: {}", refused.text);
        assert!(refused.text("/action").contains("Nothing was installed"), "{}", refused.text);
        assert_eq!(installed(), before, "{word}");
    }
    install(&guest(&harness)).is(201);
    assert_ne!(installed(), before);
    let as_text = [("content-type", "text/plain")];
    // A short body: the refusal comes before it is read, and a long one would meet a closed connection.
    api.send(Method::POST, "/v1/plugins", &as_text, b"{}".to_vec()).refused(415, "request.media-type");
}

/// What an operator lets in may be as large as they say: the door and the look behind it go by one number.
#[test]
fn a_plugin_may_be_as_large_as_the_host_says() {
    let harness = Harness::start(&["limits.plugin_bytes=41943040"]);
    let spec = guest_spec();
    let mut component = attiva_guests::component(&spec.to_string());
    // A section that means nothing, of 33 MiB: its size as LEB128, and its name.
    let content = 33_u32 << 20;
    let mut section = vec![0];
    let mut left = content;
    while left >= 0x80 {
        section.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
        left >>= 7;
    }
    section.push(u8::try_from(left).unwrap());
    section.push(1);
    section.push(b'x');
    section.resize(section.len() + content as usize - 2, 0);
    component.extend(section);
    let package = signed(&component, &development_key(&harness), &spec);
    let headers = [("content-type", "application/vnd.attiva.plugin")];
    let install =
        |harness: &Harness| harness.api("").send(Method::POST, "/v1/plugins?approve=true", &headers, package.clone());
    let installed = install(&harness);
    assert_eq!(installed.is(201).body["bytes"], json!(component.len()));
    // And it is there after a restart.
    let harness = harness.restarted(|| {});
    harness.api("").get("/v1/plugins/guest@0.1.0").is(200);
}

/// The host's own bound on where plugins go is shown beside what one declares, and holds.
#[test]
fn the_host_says_which_domains_plugins_reach_at_all() {
    let harness = Harness::start(&["egress.domains=mktorest.com"]);
    let api = harness.api("default");
    let policy = |plugin: &str| api.get(&format!("/v1/plugins/{plugin}")).is(200).body["policy"].clone();
    assert_eq!(policy("source-marketo")["host_domains"], json!(["mktorest.com"]));
    assert_eq!(policy("source-marketo")["limits"]["cpu_ms"], 5000);
    let configuration =
        json!({"bucket": "bucket", "region": "eu-central-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "s"});
    let body = json!({"name": "s", "plugin": "destination-s3", "configuration": configuration});
    let connection = api.post("connections", &body).is(201).text("/id").to_owned();
    let checked = api.post(&format!("connections/{connection}/check"), &json!({}));
    assert_eq!(checked.is(200).body["passed"], false);
    let denials = api.get(&format!("connections/{connection}/evidence")).body["denials"].clone();
    assert_eq!(denials[0]["code"], "egress.domain", "{denials}");
    assert!(policy_is_shown(&harness));
}

fn policy_is_shown(harness: &Harness) -> bool {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_attiva"));
    program.args(["plugin", "inspect", "source-marketo"]);
    let shown = program.env("ATTIVA_URL", harness.host.url()).env("ATTIVA_KEY", &harness.key).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    shown.contains("this host reaches those in: mktorest.com") && shown.contains("cpu_ms 5000")
}
