//! What has to be asked before something is sent, and activations that say what they send for.

use crate::account_activations::{activation, with};
use crate::audiences::{evaluate, make, send};
use crate::harness::Harness;
use crate::journey::{caught_up, vendors_of, work};
use crate::preflight::connect;
use attiva_simulators::marketo::MarketoConfig;
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

/// Who opted out at a source need not be named anywhere for it: an activation that does not say what it is for leaves them
/// out, and says why; one that says it is for something else does not.
#[test]
fn what_is_sent_for_nothing_that_is_named_leaves_out_whoever_opted_out() {
    let api = Harness::sandbox();
    let person = |id: &str, said: &[(&str, Value)]| {
        let mut fields = json!({ "email": format!("{id}@x.example"), "last_name": id });
        said.iter().for_each(|(field, value)| fields[*field] = value.clone());
        json!({ "id": id, "fields": fields })
    };
    let people = json!([
        person("ann", &[("is_unsubscribed", json!(false)), ("phone_opt_in_out", json!("in"))]),
        person("bob", &[("is_unsubscribed", json!(true))]),
        person("cid", &[("phone_opt_in_out", json!("out"))])
    ]);
    send(&api, "person", &people);
    caught_up(&api);
    let all = make(&api, &json!({ "name": "All", "expression": "person.last_name != null" }));
    evaluate(&api);
    let vendors = vendors_of(MarketoConfig { leads: 3, ..MarketoConfig::default() });
    let (simulator, marketo) = (vendors.marketo(), connect(&api, &vendors));
    let wanted = |name: &str| {
        simulator.create_list(name).unwrap();
        let mapping = [("email", "person.email"), ("lastName", "person.last_name")];
        let target = json!({ "object": "static-list", "name": name, "options": { "mode": "create" } });
        with(activation(&all, &marketo, "static-list", &mapping), "target", target)
    };
    let made = api.post("activations", &wanted("unnamed"));
    let warned = made.is(201).body["warnings"].as_array().cloned().unwrap_or_default();
    assert!(warned.iter().any(|w| w.as_str().unwrap().contains("names no channel and purpose")), "{warned:?}");
    let unnamed = made.text("/id").to_owned();
    let books = |delivery: &Value| {
        ["received", "created", "removed", "excluded"].map(|of| delivery["books"][of].as_u64().unwrap())
    };
    let delivery = work(&api, &format!("activations/{unnamed}/deliveries")).body;
    assert_eq!(books(&delivery), [3, 1, 0, 2], "{delivery}");
    let excluded = api.get(&format!("deliveries/{}/items?status=excluded", delivery["id"].as_str().unwrap()));
    let said: Vec<&str> =
        excluded.is(200).body["items"].as_array().unwrap().iter().map(|i| i["message"].as_str().unwrap()).collect();
    assert!(
        said.iter().any(|m| m.contains("`is_unsubscribed`")) && said.iter().any(|m| m.contains("`phone_opt_in_out`")),
        "{said:?}"
    );
    assert!(said.iter().all(|m| m.contains("names no channel and purpose")), "{said:?}");

    let rules = json!({ "version": 1, "rules": [{ "channel": "*", "purpose": "*", "needs": "no-refusal" }], "unnamed": "no-refusal" });
    api.json(Method::PUT, "consent-rules", &[], &rules).is(200);
    let mail = json!({ "channel": "email", "purpose": "news" });
    let made = api.post("activations", &with(wanted("news"), "consent", mail));
    assert!(!made.is(201).body.to_string().contains("names no channel and purpose"), "{made:?}");
    let delivery = work(&api, &format!("activations/{}/deliveries", made.text("/id"))).body;
    assert_eq!(books(&delivery)[3], 1, "who is not to be called is sent mail: {delivery}");
}
