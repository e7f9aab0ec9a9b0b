//! Persons who ask what is kept about them, and to be forgotten: everywhere, at destinations too, and for good.

use crate::harness::{Answer, Api, Harness};
use crate::journey::{caught_up, connect_s3, vendors_of, work};
use attiva_core::privacy::Mentions;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::path::PathBuf;

fn send(api: &Api, entity: &str, records: &[(&str, Value)]) -> Answer {
    let records: Vec<Value> = records.iter().map(|(id, fields)| json!({"id": id, "fields": fields})).collect();
    api.post("records", &json!({"source": {"system": "Web", "id": "w"}, "entity": entity, "records": records}))
}

fn person(address: &str, name: &str) -> Value {
    json!({"email": address, "last_name": name})
}

fn about(address: &str) -> Value {
    json!({"identity": {"namespace": "email", "value": address}})
}

/// Erases, and follows it to its end.
fn erased(api: &Api, body: &Value) -> Answer {
    let begun = api.post("privacy/erasures", body);
    let place = begun.is(202).header("location").to_owned();
    loop {
        let operation = api.get(&place);
        if operation.is(200).body["done"] == true {
            return api.get(operation.text("/subject_url"));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Files of the host that say a value.
fn files_with(harness: &Harness, value: &str) -> Vec<PathBuf> {
    attiva_store::search(&[harness.data_dir()], &Mentions::new([value.to_owned()])).unwrap().found
}

const ANN: &str = "ann.erasable@x.example";

/// Ann as two records of one person, an event, a membership, a consent, a note of somebody else's record, a never-link,
/// and a file that was delivered with her in it; and Bob.
fn populate(api: &Api, vendors: &crate::journey::Vendors) {
    send(api, "person", &[("1", person(ANN, "Erasable")), ("2", person("bob@x.example", "Stays"))]).is(200);
    send(api, "person", &[("3", json!({"email": ANN, "job_title": "CEO"}))]).is(200);
    let event = json!({"person_key": "1@w.Web", "time": "2026-01-01T00:00:00Z", "type": "web.visit"});
    send(api, "activity", &[("e1", event)]).is(200);
    send(api, "account", &[("a1", json!({"name": format!("of {ANN}, and others")}))]).is(200);
    let said = json!({"identity": {"namespace": "email", "value": ANN}, "channel": "email", "purpose": "news",
        "given": true, "source": "form", "at": "2026-01-01T00:00:00Z"});
    api.post("consents", &json!({ "consents": [said] })).is(200);
    api.post("identity/never-links", &json!({"a": "1@w.Web", "b": "2@w.Web", "reason": "two people"})).is(201);
    let segment = json!({"name": "all", "expression": "person.last_name != ''"});
    let segment = api.post("segments", &segment).is(201).text("/id").to_owned();
    caught_up(api);
    let connection = connect_s3(api, vendors, "right");
    let activation = json!({"name": "a", "segment": segment, "connection": connection,
        "target": {"object": "file", "name": "f"}, "mapping": [{"field": "mail", "expression": "person.email"}]});
    let activation = api.post("activations", &activation).is(201).text("/id").to_owned();
    let delivery = work(api, &format!("activations/{activation}/deliveries"));
    assert_eq!(
        (delivery.text("/status"), &delivery.body["books"]["received"]),
        ("succeeded", &json!(2)),
        "{delivery:?}"
    );
}

#[test]
fn somebody_is_told_all_forgotten_everywhere_and_never_comes_back() {
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    populate(&api, &vendors);

    let told = api.post("privacy/access", &about(ANN));
    let count = |list: &str| told.is(200).body[list].as_array().map_or(0, Vec::len);
    assert_eq!(
        (count("profiles"), count("records"), count("events"), count("consents"), count("outcomes")),
        (1, 2, 1, 1, 1)
    );
    assert_eq!(told.body["profiles"][0]["attributes"]["job_title"], "CEO");
    assert_eq!(told.body["profiles"][0]["membership_history"][0]["status"], "realized");
    assert!(!told.text.contains("bob@x.example"));
    let id = told.text("/profiles/0/id").to_owned();
    assert!(!files_with(&harness, ANN).is_empty());

    let preview = api.post("privacy/erasures/preview", &about(ANN));
    assert_eq!((&preview.is(200).body["profiles"], &preview.body["records"]), (&json!([id]), &json!(2)));
    let receipt = erased(&api, &about(ANN));
    let places = &receipt.is(200).body["places"];
    for (place, count) in [("records", 3), ("profiles", 1), ("events", 1), ("consents", 1), ("outcomes", 1)] {
        assert_eq!(places[place], count, "{place}: {places}");
    }
    assert!(places["documents"].as_u64() >= Some(1), "the never-link: {places}");
    let destination = &receipt.body["destinations"][0];
    assert_eq!(destination["status"], "cannot", "{destination}");
    assert!(destination["because"].as_str().unwrap().contains("bucket"), "{destination}");
    assert_eq!((&receipt.body["left"], receipt.body["bytes_searched"].as_u64() > Some(10_000)), (&json!([]), true));
    assert_eq!(files_with(&harness, ANN), Vec::<PathBuf>::new(), "the address is in no file");

    // Nobody answers to anything of hers; Bob is as he was, and the books of before balance still.
    api.get(&format!("profiles/{id}")).refused(404, "profile.missing");
    api.post("privacy/access", &about(ANN)).refused(422, "privacy.nobody");
    assert_eq!(api.get("profiles").body["items"].as_array().unwrap().len(), 1);
    let deliveries = api.get("deliveries");
    assert_eq!(deliveries.body["items"][0]["books"]["received"], 2);

    // By whatever way she comes, nothing of her is taken, and what others say of her loses her name.
    let again = send(
        &api,
        "person",
        &[
            ("1", json!({"last_name": "Erasable"})),
            ("9", person("Ann.Erasable@X.example", "x")),
            ("4", person("carl@x.example", "Carl")),
        ],
    );
    assert_eq!((&again.is(200).body["changed"], &again.body["erased"]), (&json!(1), &json!(2)));
    let event = json!({"person_key": "3@w.Web", "time": "2026-01-01T00:00:00Z", "type": "web.visit"});
    assert_eq!(send(&api, "activity", &[("e2", event)]).is(200).body["erased"], 1);
    send(&api, "account", &[("a2", json!({"name": format!("asks {ANN}.")}))]).is(200);
    let said = json!({"identity": {"namespace": "email", "value": ANN}, "reason": "x", "source": "y", "at": "2026-01-01T00:00:00Z"});
    assert_eq!(api.post("suppressions", &json!({ "suppressions": [said] })).is(200).body["changed"], 0);
    caught_up(&api);
    assert_eq!(api.get("profiles").body["items"].as_array().unwrap().len(), 2);
    assert_eq!(api.get("profiles?entity=account&name=asks").text("/items/0/attributes/name"), "asks [erased].");
    assert_eq!(files_with(&harness, ANN), Vec::<PathBuf>::new(), "nor after all that");
    // It is on record, without whom it was about.
    let listed = api.get("privacy/erasures");
    assert_eq!((listed.text("/items/0/namespace"), &listed.body["items"][0]["tombstones"]), ("email", &json!(3)));
    assert!(!listed.text.contains("ann.erasable") && !api.get("/v1/audit").text.contains("ann.erasable"));
}

#[test]
fn whoever_shares_an_identity_is_not_forgotten_by_accident() {
    let api = Harness::sandbox();
    let all: Vec<(String, Value)> =
        (0..12).map(|n| (n.to_string(), person("info@shared.example", &format!("P{n}")))).collect();
    let all: Vec<(&str, Value)> = all.iter().map(|(id, fields)| (id.as_str(), fields.clone())).collect();
    send(&api, "person", &all).is(200);
    caught_up(&api);
    let refused = api.post("privacy/erasures", &about("info@shared.example"));
    assert_eq!(refused.refused(409, "privacy.ambiguous").body["errors"].as_array().unwrap().len(), 12);
    let one = json!({"identity": {"namespace": "source_key", "value": "3@w.Web"}});
    let receipt = erased(&api, &one);
    assert_eq!((&receipt.body["profiles"], &receipt.body["tombstones"]), (&json!(1), &json!(1)), "{receipt:?}");
    caught_up(&api);
    assert_eq!(api.get("profiles").body["items"].as_array().unwrap().len(), 11);
    // The shared address keeps nobody out, the key does.
    let again =
        send(&api, "person", &[("3", person("info@shared.example", "P3")), ("30", person("info@shared.example", "N"))]);
    assert_eq!((&again.is(200).body["erased"], &again.body["changed"]), (&json!(1), &json!(1)));
    api.post("privacy/access", &json!({"identity": {"namespace": "profile", "value": "prf_x"}}))
        .refused(404, "profile.missing");
    api.get("privacy/erasures/prv_x").refused(404, "erasure.missing");
}

pub(crate) fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &there);
        } else {
            std::fs::copy(entry.path(), there).unwrap();
        }
    }
}

#[test]
fn a_sandbox_that_is_restored_from_before_an_erasure_forgets_again() {
    let harness = Harness::start(&[]);
    let (sandboxes, backup) = (harness.data_dir().join("sandboxes"), tempfile::tempdir().unwrap());
    let ann = || [("1", person(ANN, "Erasable")), ("2", person("bob@x.example", "Stays"))];
    let api = harness.api("default");
    send(&api, "person", &ann()).is(200);
    send(&api, "account", &[("a1", json!({"name": format!("of {ANN}")}))]).is(200);
    caught_up(&api);
    let harness = harness.restarted(|| copy(&sandboxes, backup.path()));
    let api = harness.api("default");
    assert_eq!(erased(&api, &about(ANN)).body["places"]["records"], 2);
    let harness = harness.restarted(|| {
        std::fs::remove_dir_all(&sandboxes).unwrap();
        copy(backup.path(), &sandboxes);
    });
    let api = harness.api("default");
    // Nobody answers to her name from the first moment; the files follow with the projectors.
    assert_eq!(api.get("profiles").body["items"].as_array().unwrap().len(), 1);
    caught_up(&api);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !files_with(&harness, ANN).is_empty() {
        assert!(std::time::Instant::now() < deadline, "{:?}", files_with(&harness, ANN));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(api.get("profiles").body["items"].as_array().unwrap().len(), 1);
    assert_eq!(api.get("profiles?entity=account").text("/items/0/attributes/name"), "of [erased]");
    assert_eq!(send(&api, "person", &ann()).is(200).body["erased"], 1);
    // It is done once: another start has nothing to do again.
    let receipts = api.get("privacy/erasures").body["items"].as_array().unwrap().len();
    assert_eq!(receipts, 1);
}

/// `docs/privacy.md`, run.
#[test]
fn the_page_on_privacy_is_true() {
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    let ann = |more: Value| {
        let mut fields = json!({"email": "ann@acme.example"});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fields
    };
    send(&api, "person", &[("1", ann(json!({"last_name": "Lee"}))), ("2", ann(json!({"job_title": "CEO"})))]).is(200);
    caught_up(&api);
    let place = tempfile::tempdir().unwrap();
    let mut commands = 0;
    let page = include_str!("../../../../docs/privacy.md");
    crate::operators::follow(&harness, place.path(), page, |_, _| commands += 1);
    assert!(commands >= 5, "the transcripts were not found");
}
