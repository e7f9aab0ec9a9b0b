//! Somebody who was activated is erased: they leave the destinations, too, with a receipt of each, and whoever is beside
//! them there stays.

use crate::account_activations::{activation, linkedin, with};
use crate::audiences::make;
use crate::harness::{Api, Harness};
use crate::journey::{caught_up, vendors_of, work, work_with};
use crate::preflight::connect;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ANN: &str = "ann.erasable@x.example";
/// What she was before, and is still by a record of hers.
const ANN_BEFORE: &str = "a.before@x.example";

fn delivered(api: &Api, activation: &Value) -> Value {
    let id = api.post("activations", activation).is(201).text("/id").to_owned();
    let done = work(api, &format!("activations/{id}/deliveries"));
    assert_eq!(done.text("/status"), "succeeded", "{done:?}");
    done.body
}

fn send(api: &Api, records: &Value) {
    let body = json!({ "source": { "system": "Web", "id": "w" }, "entity": "person", "records": records });
    api.post("records", &body).is(200);
    caught_up(api);
}

fn erased(api: &Api, address: &str) -> Value {
    let asked = json!({ "identity": { "namespace": "email", "value": address } });
    work_with(api, "privacy/erasures", &asked).body
}

fn hash(address: &str) -> String {
    Sha256::digest(address.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn whoever_is_erased_leaves_the_list_and_the_segment_with_a_receipt_of_each() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let marketo = connect(&api, &vendors);
    let (ads, linkedin) = linkedin(&api);
    send(
        &api,
        &json!([
            { "id": "1", "at": "2026-01-01T00:00:00Z", "fields": { "email": ANN_BEFORE, "last_name": "Erasable" } },
            { "id": "2", "at": "2026-01-02T00:00:00Z",
              "fields": { "email": ANN, "last_name": "Erasable", "external_key": "1@w.Web" } },
            { "id": "3", "fields": { "email": "bob@x.example", "last_name": "Erasable" } },
        ]),
    );
    let everybody = make(&api, &json!({ "name": "all", "expression": "person.email != ''" }));
    caught_up(&api);
    let simulator = vendors.marketo();
    let list = simulator.create_list("HR").unwrap();
    let email = ("email", "person.email");
    let listed = activation(&everybody, &marketo, "static-list", &[email, ("lastName", "person.last_name")]);
    let listed =
        with(listed, "target", json!({ "object": "static-list", "name": "HR", "options": { "mode": "create" } }));
    assert_eq!(delivered(&api, &listed)["books"]["created"], 2);
    let shown = activation(&everybody, &linkedin, "people", &[email, ("last_name", "person.last_name")]);
    assert_eq!(delivered(&api, &shown)["books"]["updated"], 2);

    // Both are there, by the address that survived.
    let lead = |address: &str| -> u64 {
        let found = simulator.leads().find(|lead| lead["email"] == address);
        found.unwrap_or_else(|| panic!("no {address}"))["id"].as_u64().unwrap()
    };
    let (ann, bob) = (lead(ANN), lead("bob@x.example"));
    let mut on_it = simulator.listed(list);
    on_it.sort_unstable();
    assert_eq!(on_it, [ann, bob]);
    let members = || ads.segments()[0].members.clone();
    let has = |address: &str| members().iter().any(|member| member.contains(&hash(address)));
    assert!(members().len() == 2 && has(ANN) && has("bob@x.example"), "{:?}", members());

    // Meanwhile somebody changes her address in Marketo: she is who she was put on the list as.
    simulator.change_lead(ann, json!({ "email": "ann.elsewhere@x.example" })).unwrap();
    let receipt = erased(&api, ANN);
    let destinations = receipt["destinations"].as_array().unwrap();
    let mut said: Vec<(&str, &str)> =
        destinations.iter().map(|d| (d["name"].as_str().unwrap(), d["status"].as_str().unwrap())).collect();
    said.sort_unstable();
    assert_eq!(said.len(), 2, "{receipt}");
    assert!(said.iter().all(|(_, status)| *status == "removed"), "{receipt}");
    assert!(said.iter().any(|(name, _)| name.ends_with(" HR")), "{receipt}");
    assert!(destinations.iter().all(|d| d["at"].is_string() && d["attempts"].is_number()), "{receipt}");
    assert_eq!(simulator.listed(list), [bob]);
    assert!(members().len() == 1 && has("bob@x.example"), "{:?}", members());

    // And nothing puts her back.
    for place in api.get("activations").is(200).body["items"].as_array().unwrap() {
        let done = work(&api, &format!("activations/{}/deliveries", place["id"].as_str().unwrap()));
        assert_eq!(done.body["books"]["received"], 1, "{done:?}");
    }
    assert_eq!((simulator.listed(list), members().len()), (vec![bob], 1));
}

/// Two who turned out to be one: what was sent of both goes, also by an address that nobody says any more.
#[test]
fn whoever_was_sent_as_two_people_leaves_as_both() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let marketo = connect(&api, &vendors);
    let (ads, linkedin) = linkedin(&api);
    let person = |id: &str, address: &str| json!({ "id": id, "fields": { "email": address, "last_name": "X" } });
    send(&api, &json!([person("1", ANN_BEFORE), person("2", ANN), person("3", "bob@x.example")]));
    let everybody = make(&api, &json!({ "name": "all", "expression": "person.email != ''" }));
    caught_up(&api);
    let list = vendors.marketo().create_list("Everybody").unwrap();
    let email = [("email", "person.email")];
    let listed = activation(&everybody, &marketo, "static-list", &email);
    let listed = with(
        listed,
        "target",
        json!({ "object": "static-list", "name": "Everybody", "options": { "mode": "create" } }),
    );
    assert_eq!(delivered(&api, &listed)["books"]["created"], 3);
    assert_eq!(delivered(&api, &activation(&everybody, &linkedin, "people", &email))["books"]["updated"], 3);

    let same = json!({ "id": "1", "fields": { "email": "ann.now@x.example", "external_key": "2@w.Web" } });
    send(&api, &json!([same]));
    assert_eq!(api.get("profiles").is(200).body["items"].as_array().unwrap().len(), 2);
    let receipt = erased(&api, ANN);
    let statuses: Vec<&Value> = receipt["destinations"].as_array().unwrap().iter().map(|d| &d["status"]).collect();
    assert_eq!(statuses, ["removed", "removed"], "{receipt}");
    let bob = vendors.marketo().leads().find(|lead| lead["email"] == "bob@x.example").unwrap()["id"].as_u64().unwrap();
    assert_eq!(vendors.marketo().listed(list), [bob]);
    let members = ads.segments()[0].members.clone();
    assert!(members.len() == 1 && members[0].contains(&hash("bob@x.example")), "{members:?}");
}
