//! A target that keeps its members is filled by one sandbox of a host: two would take out each other's members.

use crate::account_activations::{activation, with};
use crate::audiences::{make, send};
use crate::harness::{Answer, Api, Harness};
use crate::journey::{Vendors, caught_up, connect_s3, vendors_of, work};
use crate::tenancy::organisation;
use attiva_core::ports::store::TargetKey;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use ureq::http::Method;

/// No other test's.
const MUNCHKIN: &str = "950-TEN-950";

fn vendors(lists: &[&str]) -> Vendors {
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    vendors.marketo().create_lead(json!({ "email": "ann@holds.example" })).unwrap();
    lists.iter().for_each(|list| {
        vendors.marketo().create_list(list).unwrap();
    });
    vendors
}

/// A connection to the vendors' Marketo, and a segment of one who is there.
fn prepared(api: &Api, vendors: &Vendors) -> (String, String) {
    let config = vendors.config();
    let configuration =
        json!({ "munchkin_id": MUNCHKIN, "client_id": config.client_id, "client_secret": vendors.secret() });
    let body = json!({ "name": "m", "plugin": "destination-marketo", "grants": { "api": vendors.url() },
        "configuration": configuration });
    let connection = api.post("connections", &body).is(201).text("/id").to_owned();
    send(api, "person", &json!([{ "id": "a", "fields": { "email": "ann@holds.example", "department": "HR" } }]));
    let segment = make(api, &json!({ "name": "HR", "expression": "person.department == \"HR\"" }));
    caught_up(api);
    (connection, segment)
}

fn fill(api: &Api, (connection, segment): &(String, String), list: &str) -> Answer {
    let body = activation(segment, connection, "static-list", &[("email", "person.email")]);
    api.post("activations", &with(body, "target", json!({ "object": "static-list", "name": list })))
}

fn deliver(api: &Api, activation: &str) -> Value {
    let done = work(api, &format!("activations/{activation}/deliveries"));
    assert_eq!(done.text("/status"), "succeeded", "{done:?}");
    done.body["books"].clone()
}

fn delete(api: &Api, path: &str) {
    api.send(Method::DELETE, path, &[], Vec::new()).is(204);
}

fn id(made: &Answer) -> String {
    made.is(201).text("/id").to_owned()
}

#[test]
fn a_list_is_one_sandboxs_until_nobody_of_it_is_there_and_no_activation_names_it() {
    let vendors = vendors(&["shared", "other"]);
    let (one, two) = (Harness::sandbox(), Harness::sandbox());
    let (organisation, theirs) = organisation(Harness::shared(), "fills the same list");
    let [of_one, of_two, of_theirs] = [&one, &two, &theirs].map(|api| prepared(api, &vendors));
    let first = id(&fill(&one, &of_one, "shared"));

    let refused = fill(&two, &of_two, " shared ");
    assert_eq!(refused.refused(409, "activation.target-taken").text("/errors/0/field"), "/target/name");
    let said = "`shared` (static-list) of the Marketo instance `950-TEN-950` is filled by another sandbox of this organisation on this host already";
    assert_eq!(refused.text("/detail"), said);
    assert!(refused.text("/action").starts_with("Name another target"), "{}", refused.text);
    assert!(two.get(&format!("/problems/{}", refused.text("/code"))).is(200).text.contains("What to do"));
    let refused = fill(&theirs, &of_theirs, "shared");
    assert!(refused.refused(409, "activation.target-taken").text("/detail").contains("filled by another organisation"));
    // Neither whose it is, nor where.
    let owner = one.get(&format!("/v1/sandboxes/{}", one.sandbox)).text("/organisation").to_owned();
    assert!(!refused.text.contains(&owner) && !refused.text.contains(&one.sandbox), "{}", refused.text);
    assert_eq!(two.get("activations").body["items"], json!([]));
    // Lists of their own they may fill, and the one who fills this one any number of times.
    fill(&two, &of_two, "other").is(201);
    let second = id(&fill(&one, &of_one, "shared"));

    // It is let go with the last activation, and not before: that wants nobody, which has to be told.
    delete(&one, &format!("activations/{second}"));
    fill(&two, &of_two, "shared").refused(409, "activation.target-taken");
    assert_eq!(deliver(&one, &first)["updated"], 1);
    one.post(&format!("activations/{first}/retire"), &json!({})).is(200);
    fill(&two, &of_two, "shared").refused(409, "activation.target-taken");
    assert_eq!(deliver(&one, &first)["removed"], 1);
    fill(&two, &of_two, "shared").refused(409, "activation.target-taken");
    delete(&one, &format!("activations/{first}"));
    let third = id(&fill(&two, &of_two, "shared"));
    fill(&one, &of_one, "shared").refused(409, "activation.target-taken");

    // Who is left there by a deletion holds it: the ledger says so, and must not come to be wrong.
    assert_eq!(deliver(&two, &third)["updated"], 1);
    delete(&two, &format!("activations/{third}"));
    fill(&one, &of_one, "shared").refused(409, "activation.target-taken");
    let third = id(&fill(&two, &of_two, "shared"));
    two.post(&format!("activations/{third}/retire"), &json!({})).is(200);
    assert_eq!(deliver(&two, &third)["removed"], 1);
    delete(&two, &format!("activations/{third}"));

    // With a sandbox goes what it held, whoever is there.
    let fourth = id(&fill(&theirs, &of_theirs, "shared"));
    assert_eq!(deliver(&theirs, &fourth)["updated"], 1);
    fill(&one, &of_one, "shared").refused(409, "activation.target-taken");
    delete(&Harness::shared().api("default"), &format!("/v1/organisations/{organisation}"));
    fill(&one, &of_one, "shared").is(201);
}

/// Of a file nobody is taken out, and each has a name of its own.
#[test]
fn two_sandboxes_may_name_one_file() {
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    for api in [Harness::sandbox(), Harness::sandbox()] {
        send(&api, "person", &json!([{ "id": "a", "fields": { "email": "ann@holds.example" } }]));
        let segment = make(&api, &json!({ "name": "all", "expression": "person.email != ''" }));
        caught_up(&api);
        let s3 = connect_s3(&api, &vendors, "right");
        for export in ["full", "incremental"] {
            let body = activation(&segment, &s3, "file", &[("email", "person.email")]);
            let options = if export == "full" { json!({}) } else { json!({ "operation_column": "operation" }) };
            let target = json!({ "object": "file", "name": "one file", "options": options });
            let made = api.post("activations", &with(with(body, "target", target), "export", json!(export)));
            assert_eq!(deliver(&api, &id(&made))["created"], 1, "{export}");
        }
    }
}

#[test]
fn what_sandboxes_fill_is_put_right_at_the_next_start() {
    let vendors = vendors(&["of one", "of nobody"]);
    let harness = Harness::start(&[]);
    let one = harness.api("default");
    one.post("/v1/sandboxes", &json!({ "name": "two" })).is(201);
    let two = harness.api("two");
    let [of_one, of_two] = [&one, &two].map(|api| prepared(api, &vendors));
    fill(&one, &of_one, "of one").is(201);
    // As a kill leaves it between the two stores, and as it is after an upgrade.
    let app = harness.host.app().clone();
    harness.runtime.block_on(async {
        let sandbox =
            |name: &str| app.tenancy().all_sandboxes().unwrap().into_iter().find(|it| it.name == name).unwrap();
        let [system, instance, object, name] = ["Marketo", MUNCHKIN, "static-list", "of nobody"].map(str::to_owned);
        app.holdings().take(&sandbox("two"), &TargetKey { system, instance, object, name }).await.unwrap();
        app.holdings().let_go(&sandbox("default"), |_| Ok(true)).await.unwrap();
    });
    fill(&one, &of_one, "of nobody").refused(409, "activation.target-taken");
    drop(app);
    let harness = harness.restarted(|| {});
    let (one, two) = (Api { url: harness.host.url(), ..one }, Api { url: harness.host.url(), ..two });
    fill(&two, &of_two, "of one").refused(409, "activation.target-taken");
    fill(&one, &of_one, "of nobody").is(201);
}
