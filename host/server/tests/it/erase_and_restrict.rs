//! Whoever has a high score goes to Marketo, LinkedIn and S3. One is erased by an address and leaves everywhere, for good; then
//! the score may not be used for advertising any more, and only what goes to LinkedIn stops.

use crate::account_activations::{activation, linkedin, with};
use crate::audiences::{make, send};
use crate::harness::{Api, Harness};
use crate::journey::{caught_up, connect_s3, vendors_of, work, work_with};
use crate::preflight::connect;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use ureq::http::Method;

const ANN: &str = "ann.erasable@x.example";

/// Ann is two records of one person, of which the second alone has the address.
fn people() -> Value {
    json!([
        { "id": "1", "fields": { "email": "ann.before@x.example", "last_name": "Ann", "person_score": 90 } },
        { "id": "2", "at": "2100-01-01T00:00:00Z", "fields": { "email": ANN, "last_name": "Ann", "person_score": 95, "external_key": "1@shop.Web" } },
        { "id": "3", "fields": { "email": "bob@x.example", "last_name": "Bob", "person_score": 81 } },
        { "id": "4", "fields": { "email": "cid@x.example", "last_name": "Cid", "person_score": 80 } }
    ])
}

fn deliver(api: &Api, activation: &str) -> Value {
    work(api, &format!("activations/{activation}/deliveries")).body
}

fn balance(delivery: &Value) {
    let books = &delivery["books"];
    let of = |name: &str| books[name].as_u64().unwrap();
    let parts = ["created", "updated", "removed", "unchanged", "excluded", "failed", "unmatched", "pending"];
    assert_eq!(of("received"), parts.map(of).iter().sum::<u64>(), "{books}");
    assert_eq!(of("pending"), 0, "{books}");
}

#[test]
fn one_is_erased_everywhere_and_the_score_is_kept_from_advertising_alone() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let simulator = vendors.marketo();
    let list = simulator.create_list("Hot").unwrap();
    let (ads, advertising) = linkedin(&api);
    let (marketo, s3) = (connect(&api, &vendors), connect_s3(&api, &vendors, "right"));
    send(&api, "person", &people());
    send(
        &api,
        "activity",
        &json!([{ "id": "v", "fields": { "type": "web.webpagedetails.pageViews", "email": ANN, "page": "/" } }]),
    );
    let hot = make(&api, &json!({ "name": "Hot", "expression": "person.person_score > 80" }));
    caught_up(&api);
    let email = ("email", "person.email");
    let made = |body: &Value| api.post("activations", body).is(201).text("/id").to_owned();
    let listed = activation(&hot, &marketo, "static-list", &[email, ("lastName", "person.last_name")]);
    let target = json!({ "object": "static-list", "name": "Hot", "options": { "mode": "create" } });
    let listed = made(&with(listed, "target", target));
    let shown = made(&activation(&hot, &advertising, "people", &[email]));
    let filed = made(&activation(&hot, &s3, "file", &[email]));
    for activation in [&listed, &shown, &filed] {
        let first = deliver(&api, activation);
        assert_eq!((&first["status"], &first["books"]["received"]), (&json!("succeeded"), &json!(2)), "{first}");
        balance(&first);
    }

    let asked = json!({ "identity": { "namespace": "email", "value": ANN } });
    let receipt = work_with(&api, "privacy/erasures", &asked).body;
    let said: Vec<&Value> = receipt["destinations"].as_array().unwrap().iter().map(|d| &d["status"]).collect();
    assert_eq!(said.iter().filter(|status| **status == "removed").count(), 2, "{receipt}");
    assert_eq!(said.len(), 3, "the file's place is named as well: {receipt}");
    let on_list = || -> Vec<String> {
        let of =
            |id: u64| simulator.leads().find(|lead| lead["id"] == id).unwrap()["lastName"].as_str().unwrap().to_owned();
        simulator.listed(list).into_iter().map(of).collect()
    };
    assert_eq!((on_list(), ads.segments()[0].members.len()), (vec!["Bob".to_owned()], 1));

    // Told once more by every source, nobody of it comes back: neither by the address nor by the other record.
    send(&api, "person", &people());
    caught_up(&api);
    let items = |path: &str| api.get(path).is(200).body["items"].as_array().unwrap().clone();
    let left: Vec<String> =
        items("profiles").iter().map(|p| p["attributes"]["last_name"].as_str().unwrap().to_owned()).collect();
    assert!(left.len() == 2 && !left.contains(&"Ann".to_owned()), "{left:?}");
    assert!(!Value::from(items("profiles")).to_string().contains("ann."), "an address of hers is there");
    for activation in [&listed, &shown, &filed] {
        let next = deliver(&api, activation);
        assert_eq!((&next["status"], &next["books"]["received"]), (&json!("succeeded"), &json!(1)), "{next}");
        balance(&next);
    }

    let policy = json!({ "version": 1,
        "labels": [{ "field": "person.person_score", "not_for": ["advertising"], "reason": "contract" }],
        "destinations": [{ "connection": advertising, "uses": ["advertising"] }] });
    api.json(Method::PUT, "usage-policy", &[], &policy).is(200);
    let stopped = deliver(&api, &shown);
    assert_eq!(stopped["fault"]["code"], "activation.usage", "{stopped}");
    let path = format!("person.person_score -> segment {hot} (Hot) -> `people` of {advertising}");
    assert!(stopped["fault"]["message"].as_str().unwrap().contains(&path), "{stopped}");
    send(
        &api,
        "person",
        &json!([{ "id": "5", "fields": { "email": "dee@x.example", "last_name": "Dee", "person_score": 99 } }]),
    );
    caught_up(&api);
    let goes_on = deliver(&api, &listed);
    assert_eq!((&goes_on["status"], &goes_on["books"]["created"]), (&json!("succeeded"), &json!(1)), "{goes_on}");
    assert_eq!((on_list().len(), ads.segments()[0].members.len()), (2, 1), "nobody new was shown anything");
}
