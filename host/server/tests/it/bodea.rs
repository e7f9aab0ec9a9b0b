//! The reference product's tutorial, from ingestion to profile: two Marketo instances and the CRM itself, of which one
//! object is read directly. Who is one is one, who only has the same id is not, and everything hangs together.

use crate::connections::marketo;
use crate::harness::{Api, Harness};
use crate::journey::caught_up;
use serde_json::{Value, json};
use ureq::http::Method;

const NORTH: (&str, &str) = ("Marketo", "111-AAA-111");
const SOUTH: (&str, &str) = ("Marketo", "222-BBB-222");
const CRM: (&str, &str) = ("Salesforce", "00D1");

fn send(api: &Api, (system, id): (&str, &str), entity: &str, records: &Value) {
    let body = json!({"source": {"system": system, "id": id}, "entity": entity, "records": records});
    api.post("records", &body).is(200);
}

/// In the order in which it hurts: who refers comes first, and the CRM after Marketo.
fn bodea() -> Api {
    let api = Harness::sandbox();
    let subscription = json!({"version": 0, "entities": [{
        "name": "subscription", "fields": [{"name": "product", "data_type": "text"}, {"name": "account_key", "data_type": "text"}],
        "relations": [{"field": "account_key", "to": "account", "name_there": "subscriptions"}]}]});
    api.json(Method::PUT, "model", &[], &subscription).is(200);
    send(
        &api,
        CRM,
        "subscription",
        &json!([{"id": "a0S1", "fields": {"product": "Gold", "account_key": "001A@00D1.Salesforce"}}]),
    );
    for munchkin in [NORTH, SOUTH] {
        let key = |id: &str| format!("{id}@{}.Marketo", munchkin.1);
        send(
            &api,
            munchkin,
            "opportunity_person",
            &json!([
            {"id": "31", "fields": {"opportunity_key": key("21"), "person_key": key("7"), "person_role": "Decision Maker"}}]),
        );
        let crm = |id: &str| if munchkin == NORTH { json!(format!("{id}@00D1.Salesforce")) } else { Value::Null };
        send(
            &api,
            munchkin,
            "opportunity",
            &json!([
            {"id": "21", "fields": {"name": format!("Deal {}", munchkin.1), "is_closed": munchkin == SOUTH, "account_key": key("9.mkto_org"), "external_key": crm("006O")}}]),
        );
        send(
            &api,
            munchkin,
            "person",
            &json!([
            {"id": "7", "fields": {"email": format!("seven@{}.com", &munchkin.1[..3]), "department": "Sales", "person_type": "Contact",
                                   "account_key": key("9.mkto_org"), "external_key": crm("003C")}},
            {"id": "9", "fields": {"email": format!("nine@{}.com", &munchkin.1[..3]), "department": "Sales"}}]),
        );
        // A person, a company and a named account of one number.
        send(
            &api,
            munchkin,
            "account",
            &json!([
            {"id": "9.mkto_org", "fields": {"name": format!("Company of {}", munchkin.1), "external_key": crm("001A")}},
            {"id": "9.mkto_acct", "fields": {"name": "Named account"}}]),
        );
    }
    // The CRM's own records of what came through Marketo.
    send(
        &api,
        CRM,
        "person",
        &json!([{"id": "003C", "fields": {"email": "seven@bodea.com", "job_title": "CMO", "account_key": "001A@00D1.Salesforce"}}]),
    );
    send(&api, CRM, "account", &json!([{"id": "001A", "fields": {"name": "Bodea", "industry": "Technology"}}]));
    send(
        &api,
        CRM,
        "opportunity",
        &json!([{"id": "006O", "fields": {"name": "Deal", "amount": "1000000.00", "is_closed": false, "account_key": "001A@00D1.Salesforce"}}]),
    );
    caught_up(&api);
    api
}

fn by_key(api: &Api, entity: &str, key: &str) -> Value {
    let found = api.get(&format!("profiles?entity={entity}&namespace=source_key&value={key}"));
    let id = found.is(200).body["items"][0]["id"].as_str().unwrap_or_else(|| panic!("no {entity} {key}")).to_owned();
    api.get(&format!("profiles/{id}")).is(200).body.clone()
}

fn related(api: &Api, profile: &Value, way: &str) -> Vec<Value> {
    let path = format!("profiles/{}/related/{way}", profile["id"].as_str().unwrap());
    api.get(&path).is(200).body["items"].as_array().unwrap().clone()
}

#[test]
fn who_comes_through_marketing_and_from_the_crm_is_one_and_equal_ids_do_not_collide() {
    let api = bodea();
    let count =
        |entity: &str| api.get(&format!("profiles?entity={entity}")).is(200).body["items"].as_array().unwrap().len();
    assert_eq!((count("person"), count("account"), count("opportunity"), count("subscription")), (4, 4, 2, 1));
    let north = by_key(&api, "person", "7@111-AAA-111.Marketo");
    assert_eq!(north["id"], by_key(&api, "person", "003C@00D1.Salesforce")["id"]);
    assert_ne!(north["id"], by_key(&api, "person", "7@222-BBB-222.Marketo")["id"]);
    assert_eq!(
        (&north["attributes"]["department"], &north["attributes"]["job_title"]),
        (&json!("Sales"), &json!("CMO"))
    );
    assert_eq!(north["sources"].as_array().unwrap().len(), 2);

    // People in Sales, at an account with an open opportunity.
    let qualifies = |person: &Value| {
        let open = |deal: &Value| deal["attributes"]["is_closed"] == false;
        person["attributes"]["department"] == "Sales"
            && related(&api, person, "account")
                .iter()
                .any(|account| related(&api, account, "opportunities").iter().any(open))
    };
    let people = api.get("profiles").body["items"].as_array().unwrap().clone();
    let found: Vec<&Value> = people.iter().filter(|person| qualifies(person)).map(|person| &person["id"]).collect();
    assert_eq!(found, [&north["id"]]);
    let accounts = related(&api, &north, "account");
    assert_eq!(accounts.len(), 1, "the company of both systems is one: {accounts:?}");
    assert_eq!(related(&api, &accounts[0], "opportunities").len(), 1);
    let extra = related(&api, &accounts[0], "subscriptions");
    assert_eq!(
        extra[0]["attributes"]["product"], "Gold",
        "what Marketo does not pass on hangs together by the CRM's key"
    );
    let roles = related(&api, &north, "opportunity_relations");
    assert_eq!(roles[0]["attributes"]["person_role"], "Decision Maker");
}

#[test]
fn a_second_organisation_may_not_read_the_same_instance() {
    let harness = Harness::shared();
    let (_, theirs) = crate::tenancy::organisation(harness, "bodea two");
    let (_, ours) = crate::tenancy::organisation(harness, "bodea one");
    let mut body = marketo();
    body["configuration"]["munchkin_id"] = json!("909-BOD-909");
    let first = ours.post("connections", &body);
    first.is(201);
    let refused = theirs.post("connections", &body);
    assert!(!refused.refused(409, "connection.instance-taken").text("/action").is_empty());
    // In one organisation, any number of sandboxes may.
    ours.post("/v1/sandboxes", &json!({"name": "second"})).is(201);
    let second = Api { sandbox: "second".into(), ..ours };
    second.post("connections", &body).is(201);
}
