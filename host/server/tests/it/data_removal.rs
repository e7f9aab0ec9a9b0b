//! What a connection brought, taken back: shown first, then done; and it may come again.

use crate::connections::patch;
use crate::harness::{Answer, Api, Harness};
use crate::journey::{caught_up, connect_marketo, connect_s3, run, vendors_of, work};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use ureq::http::Method;

fn count(api: &Api, entity: &str) -> usize {
    api.get(&format!("profiles?entity={entity}&limit=100")).is(200).body["items"].as_array().map_or(0, Vec::len)
}

/// Begins a removal and follows it to its end.
pub(crate) fn removed(api: &Api, connection: &str, body: &Value) -> Answer {
    let place = format!("connections/{connection}/removal");
    let begun = api.post(&place, body);
    let place = begun.is(202).header("location").to_owned();
    loop {
        let operation = api.get(&place);
        if operation.is(200).body["done"] == true {
            caught_up(api);
            return api.get(operation.text("/subject_url"));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_connection_goes_with_what_it_brought_and_may_bring_it_again() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 30, ..MarketoConfig::default() });
    let id = connect_marketo(&api, &vendors, &vendors.secret());
    run(&api, &id);
    caught_up(&api);
    let people = api.get("profiles?limit=100");
    let items = people.body["items"].as_array().unwrap();
    let brought = items.len();
    // Two of them are known from elsewhere: one by the same values, and newer ones, one by others.
    let known: Vec<&Value> = items.iter().filter(|p| p["attributes"]["email"].is_string()).take(2).collect();
    let record = |id: &str, fields: Value| json!({"id": id, "fields": fields});
    let sent = json!({"source": {"system": "Web", "id": "w"}, "entity": "person", "records": [
        record("1", known[0]["attributes"].clone()),
        record("2", json!({"email": known[1]["attributes"]["email"], "job_title": "Known elsewhere"}))]});
    let answer = api.post("records", &sent);
    let answer = if answer.status == 200 {
        answer
    } else {
        // Some attributes are not for clients to send: an address is enough.
        let plain = json!({"source": {"system": "Web", "id": "w"}, "entity": "person", "records": [
            record("1", json!({"email": known[0]["attributes"]["email"]})),
            record("2", json!({"email": known[1]["attributes"]["email"], "job_title": "Known elsewhere"}))]});
        api.post("records", &plain)
    };
    assert_eq!(answer.is(200).body["changed"], 2);
    let segment = json!({"name": "all", "expression": "person.email != ''"});
    let segment = api.post("segments", &segment).is(201).text("/id").to_owned();
    caught_up(&api);
    let members = || {
        let members = api.get(&format!("segments/{segment}/members?limit=100"));
        members.is(200).body["items"].as_array().unwrap().len() as u64
    };
    let before = members();
    let s3 = connect_s3(&api, &vendors, "right");
    let activation = json!({"name": "a", "segment": segment, "connection": s3,
        "target": {"object": "file", "name": "f"}, "mapping": [{"field": "mail", "expression": "person.email"}]});
    let activation = api.post("activations", &activation).is(201).text("/id").to_owned();

    let preview = api.post(&format!("connections/{id}/removal/preview"), &json!({}));
    let told = &preview.is(200).body;
    assert_eq!(
        (&told["records"], &told["looked_at"], &told["whole"]),
        (&json!(30), &json!(30), &json!(true)),
        "{told}"
    );
    assert_eq!(told["disappear"], brought - 2, "{told}");
    assert_eq!(told["change"].as_u64().unwrap() + told["stay"].as_u64().unwrap(), 2, "{told}");
    let audience = &told["audiences"][&segment];
    assert_eq!((audience["leave"].as_u64(), &told["activations"]), (Some(before - 2), &json!([activation])), "{told}");
    assert_eq!((members(), count(&api, "person")), (before, brought), "nothing is changed by looking");

    // It does not go without what it brought, and a destination does not go from under its activation.
    let without = api.send(Method::DELETE, &format!("connections/{id}"), &[], Vec::new());
    without.refused(409, "connection.has-data");
    api.post(&format!("connections/{s3}/removal"), &json!({})).refused(409, "connection.in-use");
    let removal = removed(&api, &id, &json!({}));
    assert_eq!((&removal.body["records_removed"], &removal.body["effect"]), (&json!(30), told), "{removal:?}");
    assert_eq!((count(&api, "person"), members()), (2, 2), "as it was told");
    api.get(&format!("connections/{id}")).refused(404, "connection.missing");
    let delivery = work(&api, &format!("activations/{activation}/deliveries"));
    assert_eq!(delivery.body["books"]["received"], 2);

    // Whatever has records looked at again finds nothing that has no connection any more.
    let rules = api.get("identity/rules").body.clone();
    api.json(Method::PUT, "identity/rules", &[], &rules).is(200);
    caught_up(&api);
    // It is no erasure: connected again, all of them are there again.
    let again = connect_marketo(&api, &vendors, &vendors.secret());
    run(&api, &again);
    caught_up(&api);
    assert_eq!(count(&api, "person"), brought);
    assert_eq!(api.get("removals").body["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_dataset_goes_and_the_others_stay() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 10, ..MarketoConfig::default() });
    let id = connect_marketo(&api, &vendors, &vendors.secret());
    let found = api.post(&format!("connections/{id}/discover"), &json!({}));
    let streams: Vec<String> = found.is(200).body["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stream| stream["name"].as_str().unwrap().to_owned())
        .collect();
    let leads = run(&api, &id).body["streams"][0]["stream"].as_str().unwrap().to_owned();
    let other = streams.iter().find(|name| name.contains("program")).unwrap_or_else(|| panic!("{streams:?}")).clone();
    patch(&api, &id, &[], &json!({"streams": [leads, other]})).is(200);
    run(&api, &id);
    caught_up(&api);
    let campaigns = count(&api, "campaign");
    assert!(count(&api, "person") > 0);

    let place = format!("connections/{id}/removal");
    api.post(&place, &json!({"streams": ["shoes"]})).refused(404, "stream.missing");
    api.post(&place, &json!({"streams": [leads, other]})).refused(422, "removal.last-stream");
    let removal = removed(&api, &id, &json!({"streams": [leads]}));
    assert_eq!((&removal.body["whole"], &removal.body["done"]), (&json!(false), &json!(true)));
    assert_eq!((count(&api, "person"), count(&api, "campaign")), (0, campaigns));
    // The next run does not bring it back unasked; asked for, it begins anew.
    assert_eq!(api.get(&format!("connections/{id}")).body["streams"], json!([other]));
    run(&api, &id);
    caught_up(&api);
    assert_eq!(count(&api, "person"), 0);
    patch(&api, &id, &[], &json!({"streams": [leads, other]})).is(200);
    run(&api, &id);
    caught_up(&api);
    assert!(count(&api, "person") > 0);
}
