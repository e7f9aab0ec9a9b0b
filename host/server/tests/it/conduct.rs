//! What calls cost and what they were denied; disabling and taking out, with what depends on it.

use crate::data_removal::removed;
use crate::harness::{Api, Harness};
use crate::plugins::{development_key, signed};
use serde_json::{Value, json};
use ureq::http::Method;

fn spec(version: &str) -> Value {
    let anything = json!({});
    json!({"name": "conduct", "version": version, "publisher": "acme", "title": "Conduct", "state_version": 1,
        "configuration": {"type": "object", "properties": {"behaviour": anything, "requests": anything, "count": anything}},
        "origins": [{"name": "api", "url": "https://api.example.com", "domains": ["example.com"],
            "rules": [{"methods": ["GET"], "path": "/", "access": "read"}]}],
        "instance": {"system": "Conduct", "id": "one"},
        "delivery": {"class": "at-least-once", "batch_rows": 100}})
}

pub(crate) fn install(harness: &Harness, version: &str) {
    let spec = spec(version);
    let package = signed(&attiva_guests::component(&spec.to_string()), &development_key(harness), &spec);
    let headers = [("content-type", "application/vnd.attiva.plugin")];
    harness.api("").send(Method::POST, "/v1/plugins?approve=true", &headers, package).is(201);
}

pub(crate) fn connect(api: &Api, plugin: &str, configuration: &Value) -> String {
    let body = json!({"name": "c", "plugin": plugin, "configuration": configuration});
    api.post("connections", &body).is(201).text("/id").to_owned()
}

/// A server that answers everything with ten bytes.
pub(crate) fn server() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        for stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let _: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let _ =
                (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789");
        }
    });
    address
}

#[test]
fn calls_are_summed_and_denials_are_shown() {
    let harness = Harness::start(&[]);
    install(&harness, "0.1.0");
    let api = harness.api("default");
    let address = server();
    let get = |origin: &str| json!({"origin": origin, "method": "GET", "path": "/a"});
    let good = connect(&api, "conduct", &json!({"requests": [get("api"), get("api")]}));
    let url = json!({ "url": format!("http://{address}") });
    api.json(Method::PUT, &format!("connections/{good}/grants/api"), &[], &url).is(200);
    let check = |id: &str| api.post(&format!("connections/{id}/check"), &json!({})).is(200).body["passed"].clone();
    assert_eq!(check(&good), true);
    assert_eq!(check(&good), true);
    let usage = api.get(&format!("connections/{good}/usage"));
    let version = &usage.is(200).body["versions"][0];
    // A check asks as a source and as a destination.
    assert_eq!(
        (&version["plugin"], &version["calls"], &version["failed"]),
        (&json!("conduct@0.1.0"), &json!(4), &json!(0))
    );
    let host = &version["hosts"][&address];
    assert_eq!(host["bytes_in"].as_u64().unwrap(), host["requests"].as_u64().unwrap() * 10, "{version}");
    assert!(host["requests"].as_u64().unwrap() >= 4 && host["bytes_out"].as_u64().unwrap() > 0, "{version}");
    assert!(version["peak_memory_bytes"].as_u64().unwrap() > 0);
    assert_eq!(usage.body["calls"].as_array().unwrap().len(), 4);

    let bad = connect(&api, "conduct", &json!({"requests": [get("elsewhere")]}));
    assert_eq!(check(&bad), false);
    assert_eq!(check(&bad), false);
    let denials = |at: &str| api.get(at).is(200).body["denials"].clone();
    let of_connection = denials(&format!("connections/{bad}/evidence"));
    let denial = &of_connection[0];
    assert_eq!((&denial["code"], of_connection.as_array().unwrap().len()), (&json!("egress.origin"), 1));
    assert!(denial["message"].as_str().unwrap().contains("elsewhere") && denial["times"].as_u64().unwrap() >= 2);
    let of_plugin = denials("/v1/plugins/conduct@0.1.0");
    assert_eq!((&of_plugin[0]["connection"], &of_plugin[0]["sandbox"]), (&json!(bad), &json!("default")));
    assert_eq!(denials(&format!("connections/{good}/evidence")), json!([]));

    inspected(&harness, &bad);

    let of_plugin = api.get("/v1/plugins/conduct/usage");
    assert_eq!(of_plugin.is(200).body["items"].as_array().unwrap().len(), 2);
    let calls = |place: &Value| place["calls"].as_u64().unwrap();
    let items = of_plugin.body["items"].as_array().unwrap();
    assert_eq!(calls(&of_plugin.body["total"]), items.iter().map(calls).sum::<u64>());
    // Nobody is told of what others do.
    let stranger = harness.stranger();
    assert_eq!(stranger.get("/v1/plugins/conduct/usage").is(200).body["items"], json!([]));
    assert_eq!(stranger.get("/v1/plugins/conduct@0.1.0").is(200).body["denials"], json!([]));
    // What is gone leaves nothing behind.
    api.send(Method::DELETE, &format!("connections/{good}"), &[], Vec::new()).is(204);
    assert_eq!(api.get("/v1/plugins/conduct/usage").body["items"].as_array().unwrap().len(), 1);
}

/// What a person is shown: all that the plugin may do, and why what it was denied was.
fn inspected(harness: &Harness, connection: &str) {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_attiva"));
    program.args(["plugin", "inspect", "conduct@0.1.0"]);
    let shown = program.env("ATTIVA_URL", harness.host.url()).env("ATTIVA_KEY", &harness.key).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let (policy, denials) = shown.split_once("Was denied lately:").unwrap();
    let (_, policy) = policy.split_once("It may do this, and nothing else:").unwrap();
    assert!(policy.contains("reads with GET https://api.example.com/"), "{shown}");
    let denial = denials.lines().find(|line| line.contains(connection)).unwrap();
    assert!(denial.contains("the specification declares no origin `elsewhere` (egress.origin)"), "{shown}");
    assert!(denial.trim_end().ends_with(" times"), "{denial}");
}

#[test]
fn a_version_is_taken_out_when_nothing_needs_it() {
    let harness = Harness::start(&[]);
    install(&harness, "0.1.0");
    install(&harness, "0.2.0");
    let api = harness.api("default");
    let stage = |id: &str| api.get(&format!("/v1/plugins/{id}")).text("/stage").to_owned();
    let post = |path: &str| api.post(path, &json!({}));
    let remove = |id: &str| api.send(Method::DELETE, &format!("/v1/plugins/{id}"), &[], Vec::new());

    // A run that goes on: it keeps its version while that drains.
    let pinned = connect(&api, "conduct@0.1.0", &json!({"behaviour": "good"}));
    let idle = connect(&api, "conduct@0.1.0", &json!({}));
    let following = connect(&api, "conduct@>=0.1", &json!({}));
    let run = post(&format!("connections/{pinned}/runs")).is(202).text("/subject").to_owned();
    assert_eq!(post("/v1/plugins/conduct@0.1.0/disable").is(200).text("/stage"), "draining");
    post("/v1/plugins/conduct@0.1.0/disable").refused(409, "plugin.stage");
    let refused = remove("conduct@0.1.0");
    refused.refused(409, "plugin.in-use");
    let named: Vec<&str> =
        refused.body["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    for needs in [&pinned, &following, &run] {
        assert!(named.contains(&format!("default/{needs}").as_str()), "{needs}: {named:?}");
    }
    let pages = || api.get(&format!("runs/{run}")).body["streams"][0]["pages"].as_u64().unwrap();
    let before = pages();
    wait("the run goes on", || pages() > before + 1);
    post(&format!("connections/{idle}/runs")).refused(422, "plugin.not-ready");
    post(&format!("runs/{run}/cancel"));
    wait("it is drained", || stage("conduct@0.1.0") == "disabled");

    // Nothing begins with it, and it can be let in again.
    post(&format!("connections/{following}/check")).refused(422, "plugin.not-ready");
    assert_eq!(post("/v1/plugins/conduct@0.1.0/enable").is(200).text("/stage"), "ready");
    post(&format!("connections/{following}/check")).is(200);

    // Whoever followed goes on with the other version, and the first one can go.
    let upgraded = post("/v1/plugins/conduct@0.2.0/activate");
    assert_eq!(upgraded.is(200).body["affected"][0]["connection"], json!(following), "{upgraded:?}");
    assert_eq!(upgraded.body["affected"].as_array().unwrap().len(), 1, "the pinned one stays: {upgraded:?}");
    remove("conduct@0.1.0").refused(409, "plugin.in-use");
    // One of them brought something, which goes with it.
    api.send(Method::DELETE, &format!("connections/{pinned}"), &[], Vec::new()).refused(409, "connection.has-data");
    removed(&api, &pinned, &json!({}));
    api.send(Method::DELETE, &format!("connections/{idle}"), &[], Vec::new()).is(204);
    let digest = api.get("/v1/plugins/conduct@0.1.0").text("/digest").to_owned();
    let file = harness.data_dir().join("plugins").join(format!("{digest}.wasm"));
    assert!(file.exists());
    remove("conduct@0.1.0").is(204);
    assert!(!file.exists());
    api.get("/v1/plugins/conduct@0.1.0").refused(404, "plugin.missing");
    post("/v1/plugins/conduct/rollback").refused(422, "plugin.no-version-before");
    post(&format!("connections/{following}/check")).is(200);
}

/// An operator who sees harm does not wait for the end of what goes on.
#[test]
fn a_version_is_stopped_at_once_by_a_word_of_an_operator() {
    let harness = Harness::start(&[]);
    install(&harness, "0.1.0");
    let api = harness.api("default");
    let post = |path: &str, body: &Value| api.post(path, body);
    let at_work = connect(&api, "conduct@0.1.0", &json!({"behaviour": "good"}));
    let run = post(&format!("connections/{at_work}/runs"), &json!({})).is(202).text("/subject").to_owned();
    let pages = || api.get(&format!("runs/{run}")).body["streams"][0]["pages"].as_u64().unwrap();
    wait("the run goes on", || pages() > 1);
    let needs = api.get("/v1/plugins/conduct@0.1.0/dependents");
    let needs: Vec<&Value> = needs.is(200).body["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(needs, [&json!(at_work), &json!(run)]);

    let quarantine = "/v1/plugins/conduct@0.1.0/quarantine";
    post(quarantine, &json!({"reason": " "})).refused(422, "request.invalid");
    post(quarantine, &json!({})).refused(422, "request.invalid");
    api.post("/v1/plugins/conduct@9.9.9/quarantine", &json!({"reason": "r"})).refused(404, "plugin.missing");
    let stopped = post(quarantine, &json!({"reason": "it floods the vendor"}));
    assert_eq!(stopped.is(200).text("/stage"), "quarantined");
    post(quarantine, &json!({"reason": "again"})).refused(409, "plugin.stage");
    // No page follows, and nothing begins.
    wait("the run is stopped", || {
        let run = api.get(&format!("runs/{run}"));
        run.text("/fault/code") == "plugin.not-ready" || run.text("/status") == "failed"
    });
    let after = pages();
    post(&format!("connections/{at_work}/check"), &json!({})).refused(422, "plugin.not-ready");
    let told = api.audit().body["items"].as_array().unwrap().clone();
    let told = told.iter().find(|event| event["action"] == "plugin.quarantined").unwrap();
    assert_eq!(told["detail"]["reason"], "it floods the vendor");
    assert_eq!(told["subject"], "conduct@0.1.0");
    assert_eq!(pages(), after);
    post(&format!("runs/{run}/cancel"), &json!({}));

    let (code, said) = doctor(&harness, &harness.key);
    assert!(code == 1 && said.contains("WRONG  plugins: in quarantine: conduct@0.1.0."), "{code} {said}");

    assert_eq!(post("/v1/plugins/conduct@0.1.0/release", &json!({})).is(200).text("/stage"), "ready");
    post(&format!("connections/{at_work}/check"), &json!({})).is(200);
    // A partner, who may look, may not stop what others use.
    let partner = api.post("/v1/keys", &json!({"name": "p", "role": "partner", "sandbox": "default"}));
    let partner = Api { key: partner.is(201).text("/key").to_owned(), ..api.clone() };
    partner.post(quarantine, &json!({"reason": "r"})).refused(403, "key.scope");
    // What a key may not read is not called wrong.
    let analyst = api.post("/v1/keys", &json!({"name": "a", "role": "analyst"})).is(201).text("/key").to_owned();
    let (_, said) = doctor(&harness, &analyst);
    for line in
        ["well   API key: is accepted", "well   plugins: are not looked at", "well   connections: are not looked at"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
}

fn doctor(harness: &Harness, key: &str) -> (i32, String) {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_attiva"));
    let said = program.arg("doctor").env("ATTIVA_URL", harness.host.url()).env("ATTIVA_KEY", key).output().unwrap();
    (said.status.code().unwrap(), String::from_utf8(said.stdout).unwrap())
}

/// The bound is for a test that hangs, not for speed.
pub(crate) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("waited in vain: {what}");
}
