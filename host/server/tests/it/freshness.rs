//! How old streams and audiences are, against what is wanted: over the API, for a monitor and for `doctor`.

use crate::declared::{exported, say};
use crate::harness::{Api, Harness};
use crate::journey::{caught_up, connect_marketo, connect_s3, run, vendors_of, work};
use crate::process::attiva;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use ureq::http::Method;

fn found(api: &Api, name: &str, of: &str) -> Value {
    let all = api.get("freshness");
    let items = all.is(200).body["items"].as_array().unwrap().clone();
    items.into_iter().find(|item| item[name] == of).unwrap_or_else(|| panic!("no {name} {of} in {all:?}"))
}

fn set(api: &Api, targets: &Value) -> crate::harness::Answer {
    api.json(Method::PUT, "freshness-targets", &[], &json!({ "targets": targets }))
}

#[test]
fn streams_and_audiences_are_as_fresh_as_their_last_end() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 5, ..MarketoConfig::default() });
    let source = connect_marketo(&api, &vendors, &vendors.secret());
    assert_eq!(api.get("freshness-targets").body, json!({"targets": []}));
    set(&api, &json!([{"connection": source, "stream": "persons", "seconds": 3600}])).is(200);
    let never = found(&api, "stream", "persons");
    assert_eq!((&never["within"], &never["as_of"]), (&json!(false), &Value::Null), "{never}");

    assert_eq!(run(&api, &source).text("/status"), "succeeded");
    let fresh = found(&api, "stream", "persons");
    assert_eq!((&fresh["within"], &fresh["target_seconds"]), (&json!(true), &json!(3600)), "{fresh}");
    assert!(fresh["age_seconds"].as_u64().unwrap() < 3600 && fresh["as_of"].is_string(), "{fresh}");
    assert!(fresh["newest_page_at"].is_string(), "{fresh}");

    caught_up(&api);
    let segment = api.post("segments", &json!({"name": "all", "expression": "person.email != ''"}));
    let segment = segment.is(201).text("/id").to_owned();
    let s3 = connect_s3(&api, &vendors, "right");
    let activation = json!({"name": "a", "segment": segment, "connection": s3, "target": {"object": "file", "name": "t"},
        "mapping": [{"field": "email", "expression": "person.email", "required": true}]});
    let activation = api.post("activations", &activation).is(201).text("/id").to_owned();
    assert_eq!(found(&api, "activation", &activation)["within"], Value::Null, "nobody wants anything of it");
    set(&api, &json!([{"connection": source, "seconds": 7200}, {"activation": activation, "seconds": 60_000}])).is(200);
    assert_eq!(found(&api, "activation", &activation)["within"], json!(false), "it was never delivered");
    let plan = work(&api, &format!("activations/{activation}/deliveries?dry_run=true"));
    assert_eq!((plan.text("/status"), &found(&api, "activation", &activation)["within"]), ("succeeded", &json!(false)));
    assert_eq!(work(&api, &format!("activations/{activation}/deliveries")).text("/status"), "succeeded");
    let sent = found(&api, "activation", &activation);
    assert_eq!((&sent["within"], &sent["segment"]), (&json!(true), &json!(segment)), "{sent}");
    assert_eq!(found(&api, "stream", "persons")["target_seconds"], json!(7200), "its connection's");

    let metrics = Harness::shared().api("").get("/metrics");
    let value = |name: &str, label: &str| {
        let is = |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(label);
        metrics.text.lines().find(is).and_then(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
    };
    let (stream, audience) =
        (format!("connection=\"{source}\",stream=\"persons\""), format!("activation=\"{activation}\""));
    assert!(value("attiva_stream_age_seconds", &stream).unwrap() < 7200, "{}", metrics.text);
    assert_eq!(value("attiva_stream_target_seconds", &stream), Some(7200));
    assert_eq!(value("attiva_stream_within_target", &stream), Some(1));
    assert_eq!(value("attiva_audience_within_target", &audience), Some(1));
    assert!(value("attiva_audience_age_seconds", &audience).is_some());
}

#[test]
fn doctor_tells_of_what_is_too_old_and_what_cannot_be_a_target_is_refused() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let source = connect_marketo(&api, &vendors, &vendors.secret());
    let bad = json!([{"connection": "con_none", "seconds": 5}, {"activation": "act_none", "seconds": 5}]);
    let refused = set(&api, &bad);
    let fields: Vec<&str> = refused.refused(422, "freshness.targets").body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["/targets/0/connection", "/targets/1/activation"]);
    set(&api, &json!([{"connection": source, "seconds": 0}])).refused(422, "freshness.targets");

    let cli = |arguments: &[&str]| {
        let mut command = attiva(arguments);
        command.env("ATTIVA_URL", &api.url).env("ATTIVA_KEY", &api.key).env("ATTIVA_SANDBOX", &api.sandbox);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let said = cli(&["freshness", "set", "--connection", &source, "--stream", "persons", "--seconds", "60"]);
    assert_eq!(said.0, Some(0), "{said:?}");
    let (code, text) = cli(&["doctor"]);
    let line = format!("WRONG  freshness of persons of {source}: it was never fresh; 60 s at most are wanted.");
    assert!(code == Some(1) && text.contains(&line), "{text}");
    assert_eq!(
        cli(&["freshness", "set", "--connection", &source, "--stream", "persons", "--seconds", "90000"]).0,
        Some(0)
    );
    assert_eq!(api.get("freshness-targets").body["targets"].as_array().unwrap().len(), 1, "in the place of the other");
    assert_eq!(run(&api, &source).text("/status"), "succeeded");
    let (_, text) = cli(&["doctor"]);
    assert!(text.contains("well   freshness: 1 are within their targets"), "{text}");
    assert_eq!(cli(&["freshness", "clear", "--connection", &source, "--stream", "persons"]).0, Some(0));
    assert_eq!(api.get("freshness-targets").body, json!({"targets": []}));
}

/// What replaces an activation has its target in the same apply, also where nothing else changes; what is deleted leaves none.
#[test]
fn a_target_goes_over_to_what_replaces_its_activation() {
    let (_vendors, api, place) = exported();
    let targets = || api.get("freshness-targets").is(200).body["targets"].as_array().unwrap().clone();
    let live = || {
        let all = api.get("activations").body["items"].as_array().unwrap().clone();
        all.into_iter().find(|it| it["retired"] != true).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let before = targets();
    let mut known = live();
    assert_eq!((before.len(), &before[2]), (3, &json!({"activation": known, "seconds": 86400})));
    // Another mapping, in the place of what is deleted; another target, in the place of what is retired.
    for (from, to) in [("field: mail", "field: address"), ("name: hr", "name: elsewhere")] {
        let file = place.path().join("conf/activation.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        assert_eq!(say(&api, place.path(), &["apply", "conf"]).is(0).out, "replaced activation a\n");
        let now = live();
        assert_ne!(now, known);
        let expected = [before[0].clone(), before[1].clone(), json!({"activation": now, "seconds": 86400})];
        assert_eq!(targets(), expected);
        assert_eq!(say(&api, place.path(), &["plan", "conf"]).is(0).out, "Nothing to change.\n");
        known = now;
    }
    // An apply that replaces one and says something else of it.
    let (activation, freshness) =
        (place.path().join("conf/activation.yaml"), place.path().join("conf/freshness-targets.yaml"));
    let text = std::fs::read_to_string(&activation).unwrap();
    std::fs::write(&activation, text.replace("field: address", "field: e_mail")).unwrap();
    let text = std::fs::read_to_string(&freshness).unwrap();
    std::fs::write(&freshness, text.replace("86400", "7200")).unwrap();
    let said = say(&api, place.path(), &["apply", "conf"]).is(0);
    assert_eq!(said.out, "replaced activation a\nchanged freshness-targets freshness-targets\n");
    assert_eq!(targets()[2], json!({"activation": live(), "seconds": 7200}));
    // Deleted by hand, with the target it had: what others read and put back is taken.
    api.send(Method::DELETE, &format!("activations/{}", live()), &[], Vec::new()).is(204);
    assert_eq!(targets(), before[..2]);
    set(&api, &json!(targets())).is(200);
}
