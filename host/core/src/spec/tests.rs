use super::*;
use serde_json::json;

fn minimal() -> serde_json::Value {
    json!({
        "name": "source-x", "version": "0.1.0", "publisher": "attiva", "title": "X", "state_version": 1,
        "configuration": {"type": "object", "properties": {"id": {"type": "string"}, "secret": {"type": "string", "writeOnly": true}, "list": {"type": "array"}}},
        "credentials": [{"name": "x", "method": "oauth2-client-credentials", "origin": "api", "path": "/token",
                         "client_id": "{id}", "client_secret": "{secret}", "parameters_in": "query"}],
        "origins": [{"name": "api", "url": "https://{id}.example.com", "domains": ["example.com"],
                     "rules": [{"methods": ["GET"], "path": "/", "access": "read", "credential": "x"}]}],
        "rates": [{"kind": "window", "calls": 50, "seconds": 20}, {"kind": "concurrent", "calls": 5}],
        "instance": {"system": "X", "id": "{id}"},
        "cardinality": {"source_organisations_per_instance": 1}
    })
}

#[test]
fn a_specification_is_read_and_its_secrets_known() {
    let spec = Spec::parse(&minimal().to_string()).unwrap();
    assert_eq!(spec.secrets(), ["secret"]);
    assert_eq!(spec.public_scalars(), ["id"]);
    assert_eq!(Spec::parse(&serde_json::to_string(&spec).unwrap()).unwrap(), spec);
}

fn delivery(members: serde_json::Value) -> serde_json::Value {
    json!({"class": "at-least-once", "batch_rows": 1, "members": members})
}

#[test]
fn a_target_takes_persons_unless_its_destination_says_otherwise() {
    let mut spec = minimal();
    spec["delivery"] = delivery(json!({"companies": ["account"], "file": ["person", "account"]}));
    let delivery = Spec::parse(&spec.to_string()).unwrap().delivery.unwrap();
    let (person, account) = (AudienceEntity::Person, AudienceEntity::Account);
    assert_eq!(delivery.takes("companies"), [account]);
    assert_eq!(delivery.takes("file"), [person, account]);
    assert_eq!(delivery.takes("list"), [person]);
}

#[test]
fn batches_go_at_once_only_where_members_can_be_told_apart() {
    let problem = |mode: &str, at_once: serde_json::Value| {
        let mut spec = minimal();
        spec["delivery"] = json!({"class": "at-least-once", "batch_rows": 1, "mode": mode, "at_once": at_once});
        Spec::parse(&spec.to_string()).err().map(|error| error.to_string())
    };
    assert_eq!(problem("records", json!({"batches": 5, "keys": ["email"]})), None);
    for (mode, at_once) in [
        ("snapshot", json!({"batches": 5, "keys": ["email"]})),
        ("records", json!({"batches": 1, "keys": ["email"]})),
        ("records", json!({"batches": 17, "keys": ["email"]})),
        ("records", json!({"batches": 5, "keys": []})),
        ("records", json!({"batches": 5, "keys": [""]})),
    ] {
        let found = problem(mode, at_once.clone()).unwrap_or_else(|| panic!("{mode} {at_once} was taken"));
        assert!(found.starts_with("delivery.at_once"), "{found}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("/name", json!("Source X"), "name"),
        ("/unknown", json!(1), "unknown field"),
        (
            "/credentials/0",
            json!({"name": "x", "method": "aws-sigv4", "service": "s3", "region": "r", "access_key_id": "a", "secret_access_key": "b", "extra": 1}),
            "extra",
        ),
        (
            "/credentials/0",
            json!({"name": "x", "method": "oauth2-refresh-token", "origin": "api", "path": "/t", "client_id": "c", "client_secret": "s", "refresh_token": "{id}"}),
            "credentials[0].refresh_token",
        ),
        ("/origins/0/rules/0/credential", json!("y"), "origins[0].rules[0].credential"),
        ("/origins/0/rules/0/path", json!("x"), "origins[0].rules[0].path"),
        ("/origins/0/rules/0/methods", json!(["TRACE"]), "origins[0].rules[0].methods"),
        ("/origins/0/domains", json!([]), "origins[0].domains"),
        ("/rates/0/calls", json!(0), "rates[0]"),
        (
            "/cardinality",
            json!({"source_organisations_per_instance": 0}),
            "cardinality.source_organisations_per_instance",
        ),
        ("/cardinality", json!({"organisations": 1}), "unknown field"),
        ("/window", json!({"from": "id", "to": "nowhere"}), "window.to"),
        ("/window", json!({"from": "id"}), "missing field `to`"),
        ("/delivery", delivery(json!({"file": []})), "delivery.members.file"),
        ("/delivery", delivery(json!({"file": ["campaign"]})), "unknown variant `campaign`"),
    ];
    for (pointer, value, expected) in cases {
        let mut spec = minimal();
        match spec.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => spec[pointer.trim_start_matches('/')] = value,
        }
        let error = Spec::parse(&spec.to_string()).unwrap_err().to_string();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn templates_take_values_and_miss_what_is_missing() {
    let configuration = json!({"id": "123-ABC-456", "port": 9});
    assert_eq!(fill("https://{id}.example.com:{port}", &configuration).unwrap(), "https://123-ABC-456.example.com:9");
    assert_eq!(fill("{nobody}", &configuration), Err(TemplateError::Missing("nobody".into())));
    assert_eq!(fill("{id", &configuration), Err(TemplateError::Unclosed("{id".into())));
}
