//! Limits as data: published, overridden by operators, and held to.

use crate::harness::{Answer, Api, Harness};
use crate::journey::{caught_up, connect_marketo, run, vendors_of};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Method;

fn put(api: &Api, headers: &[(&str, &str)], overrides: &Value) -> Answer {
    api.json(Method::PUT, "guardrails", headers, overrides)
}

fn limit(api: &Api, id: &str) -> Value {
    let all = api.get("guardrails").is(200).body["items"].clone();
    all.as_array().unwrap().iter().find(|limit| limit["id"] == id).cloned().unwrap_or_default()
}

#[test]
fn limits_are_published_with_default_override_and_use() {
    let api = Harness::sandbox();
    let shown = api.get("guardrails");
    assert_eq!(shown.is(200).header("etag"), "\"0\"");
    // What nothing holds to is not promised.
    assert_eq!(limit(&api, "segment.nested_relations"), Value::Null);
    let before = limit(&api, "sandbox.segments");
    assert_eq!((&before["used"], &before["warn_at"], before.get("override")), (&json!(0), &json!(4000), None));
    api.post("segments", &json!({"name": "x", "expression": "true"})).is(201);
    assert_eq!(limit(&api, "sandbox.segments")["used"], 1);

    let set = put(&api, &[("if-match", "\"0\"")], &json!({"sandbox.segments": {"warn_at": 1}}));
    assert_eq!(set.is(200).header("etag"), "\"1\"");
    let after = limit(&api, "sandbox.segments");
    assert_eq!((&after["warn_at"], &after["override"]), (&json!(1), &json!({"warn_at": 1})));
    assert_eq!(after["default"], json!({"warn_at": 4000, "max": 0}));
    put(&api, &[("if-match", "\"0\"")], &json!({})).refused(412, "store.version-mismatch");
    put(&api, &[("if-match", "\"1\"")], &json!({})).is(200);
    let back = limit(&api, "sandbox.segments");
    assert_eq!((&back["warn_at"], back.get("override")), (&json!(4000), None));
}

#[test]
fn an_override_that_cannot_be_is_refused_and_names_the_limit() {
    let api = Harness::sandbox();
    for (overrides, field, word) in [
        (json!({"person.shoes": {"max": 1}}), "/person.shoes", "no limit"),
        (json!({"segment.nested_relations": {"max": 1}}), "/segment.nested_relations", "nothing holds"),
        (json!({"identity.value": {"max": 1}}), "/identity.value", "cannot be changed"),
        (json!({"record.bytes": {"max": 0}}), "/record.bytes", "cannot be taken away"),
        (json!({"sandbox.disk_bytes": {"max": 1, "warn_at": 2}}), "/sandbox.disk_bytes", "warned at 2"),
        (json!({"record.bytes": {"warn_at": 9}}), "/record.bytes", "nobody is warned"),
        (json!({"person.identities": {"max": 1}}), "/person.identities", "at least 2"),
    ] {
        let refused = put(&api, &[], &overrides);
        assert_eq!(refused.refused(422, "guardrails.invalid").text("/errors/0/field"), field);
        assert!(refused.text("/detail").contains(word), "{}", refused.text);
    }
    put(&api, &[], &json!({"record.bytes": {"most": 1}})).refused(422, "request.invalid");
    assert_eq!(api.get("guardrails").header("etag"), "\"0\"");
}

#[test]
fn only_operators_override_and_they_do_it_in_any_organisation() {
    let harness = Harness::shared();
    let (id, theirs) = crate::tenancy::organisation(harness, "limited");
    put(&theirs, &[], &json!({"sandbox.segments": {"warn_at": 1}})).refused(403, "key.scope");
    let path = format!("/v1/organisations/{id}/sandboxes/default/guardrails");
    let body = json!({"sandbox.segments": {"warn_at": 1}});
    harness.api("default").json(Method::PUT, &path, &[], &body).is(200);
    theirs.json(Method::PUT, &path, &[], &body).refused(403, "key.scope");
    assert_eq!(limit(&theirs, "sandbox.segments")["warn_at"], 1);
    // It is told where it happened.
    let told = theirs.audit().body;
    assert!(told["items"].as_array().unwrap().iter().any(|e| e["action"] == "guardrails.changed"), "{told}");
}

#[test]
fn what_is_warned_of_is_made_and_told() {
    let api = Harness::sandbox();
    let body = json!({"sandbox.segments": {"warn_at": 1}, "sandbox.destinations": {"warn_at": 1},
        "destination.activations": {"warn_at": 1}, "destination.mapped_attributes": {"warn_at": 1, "max": 2}});
    put(&api, &[], &body).is(200);
    let segment = |name: &str| api.post("segments", &json!({"name": name, "expression": "true"}));
    let first = segment("a");
    assert_eq!(first.is(201).body.get("warnings"), None);
    let second = segment("b");
    assert!(second.is(201).text("/warnings/0").contains("(sandbox.segments)"), "{}", second.text);

    let s3 = json!({"name": "s3", "plugin": "destination-s3", "configuration": {"bucket": "guardrails",
        "region": "eu-central-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "s"}});
    let destination = api.post("connections", &s3);
    assert_eq!(destination.is(201).body.get("warnings"), None);
    assert!(api.post("connections", &s3).is(201).text("/warnings/0").contains("(sandbox.destinations)"));
    let source = api.post("connections", &crate::connections::marketo());
    assert_eq!(source.is(201).body.get("warnings"), None, "a source is no destination");

    let activate = |columns: usize| {
        let mapping: Vec<Value> =
            (0..columns).map(|i| json!({"field": format!("c{i}"), "expression": "person.email"})).collect();
        api.post(
            "activations",
            &json!({"name": "a", "segment": first.text("/id"),
            "connection": destination.text("/id"), "target": {"object": "file", "name": "t"}, "mapping": mapping}),
        )
    };
    let warned = |answer: &Answer, id: &str| {
        let said = answer.body["warnings"].as_array().cloned().unwrap_or_default();
        said.iter().any(|w| w.as_str().unwrap().contains(id))
    };
    let refused = activate(3);
    assert_eq!(refused.refused(422, "guardrail.mapped-attributes").text("/errors/0/field"), "/mapping");
    let one = activate(1);
    one.is(201);
    assert!(!warned(&one, "(destination.mapped_attributes)") && !warned(&one, "(destination.activations)"));
    let two = activate(2);
    two.is(201);
    assert!(
        warned(&two, "(destination.mapped_attributes)") && warned(&two, "(destination.activations)"),
        "{}",
        two.text
    );
}

#[test]
fn a_record_that_is_too_large_is_a_reject_with_the_reason() {
    let vendors = vendors_of(MarketoConfig { leads: 20, ..MarketoConfig::default() });
    let api = Harness::sandbox();
    put(&api, &[], &json!({"record.bytes": {"max": 1}})).is(200);
    let connection = connect_marketo(&api, &vendors, &vendors.secret());
    let ended = run(&api, &connection);
    let stream = &ended.body["streams"][0];
    assert_eq!((ended.text("/status"), &stream["changed"], &stream["rejected"]), ("succeeded", &json!(0), &json!(20)));
    let rejects = api.get(&format!("runs/{}/rejects", ended.text("/id")));
    assert_eq!(rejects.is(200).text("/items/0/code"), "record.too-large");
    assert!(rejects.text("/items/0/message").contains("(record.bytes)"), "{}", rejects.text);
}

#[test]
fn limits_of_identity_hold_for_what_is_stored_already() {
    let vendors = vendors_of(MarketoConfig {
        leads: 40,
        shared_email_every: 5,
        missing_email_every: 0,
        ..MarketoConfig::default()
    });
    let api = Harness::sandbox();
    let connection = connect_marketo(&api, &vendors, &vendors.secret());
    run(&api, &connection);
    caught_up(&api);
    let count = || api.get("profiles?limit=100").is(200).body["items"].as_array().unwrap().len();
    let people = count();
    assert!(people < 40, "nobody shares an address");
    let degraded = || api.get("profiles?degraded=true&limit=100").is(200).body["items"].as_array().unwrap().len();
    assert_eq!(degraded(), 0);
    let most = |id: &str| api.get("identity/rules").body[id].clone();
    assert_eq!(most("identities_max"), 200);
    // Two records that share an address have three identities: each stays for itself, and says so.
    put(&api, &[], &json!({"person.identities": {"max": 2}})).is(200);
    assert_eq!(most("identities_max"), 2);
    caught_up(&api);
    assert_eq!(count(), 40);
    assert!(degraded() > 0);
    // Rules that are published are held to it too.
    let mut rules = api.get("identity/rules").body;
    rules["identities_max"] = json!(100);
    api.json(Method::PUT, "identity/rules", &[], &rules).is(200);
    assert_eq!(most("identities_max"), 2);
    put(&api, &[], &json!({})).is(200);
    assert_eq!(most("identities_max"), 100);
    caught_up(&api);
    assert_eq!((count(), degraded()), (people, 0));
}

#[test]
fn reading_pauses_at_the_mark_and_goes_on_by_itself() {
    let vendors = vendors_of(MarketoConfig { leads: 20, ..MarketoConfig::default() });
    let api = Harness::sandbox();
    let connection = connect_marketo(&api, &vendors, &vendors.secret());
    let disk = api.get("disk");
    assert!(disk.is(200).body["used_bytes"].as_u64().unwrap() > 0 && disk.body["free_bytes"].as_u64().unwrap() > 0);
    assert_eq!((disk.body.get("fault"), disk.body.get("warning")), (None, None));
    put(&api, &[], &json!({"sandbox.disk_bytes": {"warn_at": 1}})).is(200);
    let warned = api.get("disk");
    assert!(warned.text("/warning").contains("(sandbox.disk_bytes)"), "{}", warned.text);
    assert_eq!(warned.body.get("fault"), None);
    put(&api, &[], &json!({"sandbox.disk_bytes": {"max": 1}})).is(200);
    let begun = api.post(&format!("connections/{connection}/runs"), &json!({}));
    let path = format!("runs/{}", begun.is(202).text("/subject"));
    let paused = loop {
        let run = api.get(&path);
        if run.text("/status") == "waiting" {
            break run;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((paused.text("/fault/kind"), paused.text("/fault/code")), ("quota", "disk.watermark"));
    assert!(paused.text("/fault/message").contains("(sandbox.disk_bytes)"), "{}", paused.text);
    assert!(paused.text("/fault/action").contains("goes on by itself"), "{}", paused.text);
    assert_eq!(paused.body["streams"][0]["pages"], 0);
    assert_eq!(api.get("disk").text("/fault/code"), "disk.watermark");
    put(&api, &[], &json!({})).is(200);
    let ended = loop {
        let run = api.get(&path);
        if run.body.get("ended_at").is_some() {
            break run;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((ended.text("/status"), &ended.body["streams"][0]["changed"]), ("succeeded", &json!(20)));
    assert_eq!(ended.body.get("fault"), None);
    assert_eq!(api.get("disk").body.get("fault"), None);
}

#[test]
fn a_disk_with_too_little_left_takes_no_more() {
    let harness = Harness::start(&["limits.disk_free_bytes=4611686018427387904"]);
    let api = harness.api("default");
    let disk = api.get("disk");
    assert_eq!(disk.is(200).text("/fault/code"), "disk.watermark");
    assert!(disk.text("/fault/message").contains("limits.disk_free_bytes"), "{}", disk.text);
}

/// `4,000`; 0 is no bound.
fn grouped(number: u64, unit: &str) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    match number {
        0 => "—".to_owned(),
        _ => format!("{}{unit}", groups.join(",")),
    }
}

fn row_of_limit(limit: &Value) -> String {
    let text = |name: &str| limit[name].as_str().unwrap();
    let unit = match text("unit") {
        "count" => "",
        "bytes" => " bytes",
        other => {
            assert_eq!(other, "characters");
            " characters"
        }
    };
    let bound = |name: &str| grouped(limit["default"][name].as_u64().unwrap(), unit);
    format!(
        "| `{}` | {} | {} | {} | {} | {} | {} |",
        text("id"),
        text("title"),
        bound("warn_at"),
        bound("max"),
        text("beyond"),
        if limit["adjustable"] == true { "yes" } else { "no" },
        limit["reference"].as_str().unwrap_or("—")
    )
}

fn row_of_connector(spec: &Value) -> String {
    let name = spec["name"].as_str().unwrap();
    let rates = spec["rates"].as_array().unwrap();
    let of = |kind: &str| rates.iter().find(|rate| rate["kind"] == kind);
    let calls = |rate: &Value| rate["calls"].as_u64().map_or("as told or set".to_owned(), |calls| grouped(calls, ""));
    let none = || "—".to_owned();
    let delivery = &spec["delivery"];
    let said = |value: &Value, default: &str| match delivery.is_null() {
        true => none(),
        false => value.as_str().unwrap_or(default).to_owned(),
    };
    let shared = spec["cardinality"]["source_organisations_per_instance"].as_u64();
    format!(
        "| [`{name}`](../plugins/{name}/README.md) | {} | {} | {} | {} | {} | {} | {} |",
        of("window").map_or_else(none, |rate| format!("{} in {} s", calls(rate), rate["seconds"])),
        of("concurrent").map_or_else(none, calls),
        of("day").map_or_else(none, calls),
        delivery["batch_rows"].as_u64().map_or_else(none, |rows| grouped(rows, "")),
        said(&delivery["mode"], "records"),
        said(&delivery["class"], ""),
        shared.map_or("any number".to_owned(), |most| format!("{most} as a source"))
    )
}

/// The page of limits says what the host publishes and what the connectors that come with it declare.
#[test]
fn the_page_of_limits_is_true() {
    let page = include_str!("../../../../docs/guardrails.md");
    let api = Harness::sandbox();
    let limits = api.get("guardrails").is(200).body["items"].clone();
    let bundled = attiva_plugins::bundled().iter().map(|plugin| {
        let shown = api.get(&format!("/v1/plugins/{}", plugin.name));
        row_of_connector(&shown.is(200).body["spec"])
    });
    let mut expected: Vec<String> = limits.as_array().unwrap().iter().map(row_of_limit).chain(bundled).collect();
    let is_row = |line: &&str| line.starts_with("| `") || line.starts_with("| [`");
    // What a plugin may use is held against the limits themselves, where they are.
    let sections = page.split("\n## ").filter(|section| !section.starts_with("What a plugin may use"));
    let mut there: Vec<String> = sections.flat_map(str::lines).filter(is_row).map(str::to_owned).collect();
    assert!(expected.len() > 25, "{expected:#?}");
    expected.sort();
    there.sort();
    assert_eq!(there, expected);
}
