//! What has to be asked before something is sent, and activations that say what they send for.

use crate::harness::Harness;
use serde_json::{Value, json};
use ureq::http::Method;

fn destination(api: &crate::harness::Api) -> String {
    let body = json!({"name": "s3", "plugin": "destination-s3", "configuration": {"bucket": "bucket",
        "region": "eu-central-1", "addressing": "path", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "x"}});
    api.post("connections", &body).is(201).text("/id").to_owned()
}

#[test]
fn rules_are_published_whole_and_an_activation_names_what_they_cover() {
    let api = Harness::sandbox();
    let usual = json!({"version": 1, "rules": [{"channel": "*", "purpose": "*", "needs": "consent"}],
        "unnamed": "no-refusal"});
    let shown = api.get("consent-rules");
    assert_eq!(shown.is(200).body, usual);
    let put = |rules: &Value, headers: &[(&str, &str)]| api.json(Method::PUT, "consent-rules", headers, rules);

    let (connection, segment) = (destination(&api), json!({"name": "s", "expression": "true"}));
    let segment = api.post("segments", &segment).is(201).text("/id").to_owned();
    let activate = |consent: Value| {
        let mut body = json!({"name": "a", "segment": segment, "connection": connection,
            "target": {"object": "file", "name": "f"}, "mapping": [{"field": "mail", "expression": "person.email"}]});
        if !consent.is_null() {
            body["consent"] = consent;
        }
        api.post("activations", &body)
    };
    assert_eq!(activate(Value::Null).is(201).body.get("consent"), None);
    let news = json!({"channel": "email", "purpose": "news"});
    assert_eq!(activate(news.clone()).is(201).body["consent"], news);
    let refused = activate(json!({"channel": "E-Mail!", "purpose": "*"}));
    let fields: Vec<&str> = refused.refused(422, "activation.consent").body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["/consent/channel", "/consent/purpose"]);

    let strict = json!({"version": 1, "rules": [{"channel": "email", "purpose": "*", "needs": "consent"}],
        "unnamed": "refuse"});
    let published = put(&strict, &[]);
    assert_eq!((published.is(200).header("etag"), &published.body["version"]), ("\"1\"", &json!(2)));
    activate(Value::Null).refused(422, "activation.consent");
    activate(json!({"channel": "ads", "purpose": "news"})).refused(422, "activation.consent");
    activate(news).is(201);

    // They were made of rules that do not hold any more.
    put(&strict, &[]).refused(412, "store.version-mismatch");
    let hidden = json!({"version": 2, "rules": [{"channel": "*", "purpose": "*", "needs": "consent"},
        {"channel": "ads", "purpose": "*", "needs": "no-refusal"}], "unnamed": "refuse"});
    assert_eq!(put(&hidden, &[]).refused(422, "consent.rules").text("/errors/0/field"), "/rules/1");
    put(&strict, &[("if-match", "\"7\"")]).refused(412, "store.version-mismatch");
}
