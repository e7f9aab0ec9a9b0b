//! Whoever decides on an opportunity, from Marketo and the CRM to a static list of that Marketo: by address, by the id of the
//! lead where there is no address, or not at all.

use crate::account_activations::{activation, with};
use crate::audiences::{evaluate, make};
use crate::harness::{Api, Harness};
use crate::journey::{caught_up, connect_marketo, run, vendors_of, work};
use crate::preflight::connect;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};

/// Has an address.
const ANN: u64 = 3;
/// Is known by a device, and has none; Marketo cannot be asked for devices.
const BOB: u64 = 7;
const CID: u64 = 5;
const DEE: u64 = 4;

fn send(api: &Api, entity: &str, records: &Value) {
    let body = json!({ "source": { "system": "Salesforce", "id": "00D1" }, "entity": entity, "records": records });
    api.post("records", &body).is(200);
    caught_up(api);
}

/// A record that puts somebody on the opportunity.
fn role(id: &str, person: &str, role: &str) -> Value {
    json!({ "id": id, "fields": { "opportunity_key": "006@00D1.Salesforce", "person_key": person, "person_role": role } })
}

fn lead(id: u64) -> String {
    format!("{id}@123-ABC-456.Marketo")
}

#[test]
fn decision_makers_are_on_the_list_by_address_or_by_id_and_leave_with_their_role() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 12, ..MarketoConfig::default() });
    let simulator = vendors.marketo();
    simulator.change_lead(BOB, json!({ "email": null })).unwrap();
    let source = connect_marketo(&api, &vendors, &MarketoConfig::default().client_secret);
    assert_eq!(run(&api, &source).text("/status"), "succeeded");
    // Somebody whom the CRM alone knows.
    send(&api, "person", &json!([{ "id": "003", "fields": { "email": "eve@elsewhere.example" } }]));
    send(&api, "opportunity", &json!([{ "id": "006", "fields": { "name": "Deal" } }]));
    let decides = "Decision Maker";
    send(
        &api,
        "opportunity_person",
        &json!([
            role("1", &lead(ANN), decides),
            role("2", &lead(BOB), decides),
            role("3", &lead(CID), "Influencer"),
            role("4", &lead(DEE), decides),
            role("5", "003@00D1.Salesforce", decides)
        ]),
    );
    let gone = |id: &str| json!([{ "id": id, "kind": "deleted" }]);
    send(&api, "opportunity_person", &gone("4"));

    let rule = format!("person.opportunity_relations.exists(r, r.person_role == \"{decides}\")");
    let deciders = make(&api, &json!({ "name": "deciders", "expression": rule }));
    evaluate(&api);
    let marketo = connect(&api, &vendors);
    let list = simulator.create_list("Deciders").unwrap();
    let listed = |api: &Api| {
        let id = api.get("activations").body["items"][0]["id"].as_str().unwrap().to_owned();
        let done = work(api, &format!("activations/{id}/deliveries"));
        assert_eq!(done.text("/status"), "succeeded", "{done:?}");
        let mut on_it = simulator.listed(list);
        on_it.sort_unstable();
        (done.body["books"].clone(), on_it)
    };
    let matched = activation(&deciders, &marketo, "static-list", &[]);
    let mapping = json!([{ "field": "email", "expression": "person.email" }, { "field": "id", "expression": "person.source_keys" }]);
    let matched = with(matched, "mapping", mapping);
    let target = json!({ "object": "static-list", "name": "Deciders", "options": { "mode": "match" } });
    api.post("activations", &with(matched, "target", target)).is(201);

    let (books, on_it) = listed(&api);
    let counts = |books: &Value| ["received", "updated", "removed", "unmatched"].map(|of| books[of].as_u64().unwrap());
    assert_eq!((counts(&books), on_it), ([3, 2, 0, 1], vec![ANN, BOB]), "{books}");
    // Nothing has changed, and nothing is sent.
    let (books, on_it) = listed(&api);
    assert_eq!((counts(&books), on_it), ([3, 0, 0, 1], vec![ANN, BOB]), "{books}");
    // Who does not decide any more leaves, at the run after the next evaluation.
    send(&api, "opportunity_person", &gone("1"));
    evaluate(&api);
    let (books, on_it) = listed(&api);
    assert_eq!((counts(&books), on_it), ([3, 0, 1, 1], vec![BOB]), "{books}");
}
