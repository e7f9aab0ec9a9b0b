//! Audiences of accounts on their way to destinations: as accounts where a target takes them, and as people only where the
//! activation says which.

use crate::audiences::{business, evaluate, key, make, members, named, send};
use crate::harness::{Answer, Api, Harness};
use crate::journey::{caught_up, connect_s3, vendors_of, work};
use attiva_simulators::linkedin::{LinkedIn, LinkedInConfig};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use ureq::http::Method;

/// An account that no other test uses.
pub(crate) fn linkedin(api: &Api) -> (LinkedIn, String) {
    static NEXT: AtomicU64 = AtomicU64::new(700_000_000);
    let config = LinkedInConfig { account: NEXT.fetch_add(1, Ordering::Relaxed), ..LinkedInConfig::default() };
    let vendor = Harness::shared().runtime.block_on(LinkedIn::start(config)).unwrap();
    let config = vendor.config();
    let body = json!({"name": "Ads", "plugin": "destination-linkedin",
        "grants": {"api": vendor.base_url(), "login": vendor.base_url()},
        "configuration": {"account_id": config.account.to_string(), "source_platform": config.source_platform,
            "client_id": config.client_id, "client_secret": config.client_secret, "refresh_token": vendor.refresh_token()}});
    let connection = api.post("connections", &body).is(201).text("/id").to_owned();
    (vendor, connection)
}

fn big(api: &Api) -> String {
    let rule = "account.number_of_employees >= 500";
    make(api, &json!({"name": "Big", "entity": "account", "expression": rule}))
}

/// Of a target that no other test fills.
pub(crate) fn activation(segment: &str, connection: &str, object: &str, mapping: &[(&str, &str)]) -> Value {
    let mapping: Vec<Value> =
        mapping.iter().map(|(f, e)| json!({"field": f, "expression": e, "required": true})).collect();
    let target = json!({"object": object, "name": format!("{object} of {connection}")});
    json!({"name": "a", "segment": segment, "connection": connection, "target": target, "mapping": mapping})
}

pub(crate) fn with(mut activation: Value, key: &str, value: Value) -> Value {
    activation[key] = value;
    activation
}

fn deliver(api: &Api, activation: &Answer) -> Value {
    let id = activation.is(201).text("/id");
    let done = work(api, &format!("activations/{id}/deliveries"));
    assert_eq!(done.text("/status"), "succeeded", "{done:?}");
    done.body
}

/// Whom a delivery was about, by name.
pub(crate) fn sent(api: &Api, delivery: &Value) -> Vec<String> {
    let items = api.get(&format!("deliveries/{}/items", delivery["id"].as_str().unwrap()));
    let items = items.is(200).body["items"].as_array().unwrap().clone();
    named(api, items.into_iter().map(|item| item["profile"].as_str().unwrap().to_owned()))
}

/// Companies in the one segment, by the vendor.
fn companies(vendor: &LinkedIn) -> Vec<Vec<String>> {
    vendor.segments().into_iter().map(|segment| segment.members).collect()
}

#[test]
fn companies_are_sent_kept_and_removed_as_companies() {
    let api = business();
    let (vendor, ads) = linkedin(&api);
    let segment = big(&api);
    caught_up(&api);
    assert_eq!(members(&api, &segment), ["Acme", "Bodea"]);
    let rules =
        json!({"version": 1, "rules": [{"channel": "*", "purpose": "*", "needs": "consent"}], "unnamed": "refuse"});
    api.json(Method::PUT, "consent-rules", &[], &rules).is(200);

    // A rule that asks every person asks no company, and none can be asked.
    let wanted = activation(&segment, &ads, "companies", &[("name", "account.name")]);
    let asked = with(wanted.clone(), "consent", json!({"channel": "ads", "purpose": "offers"}));
    assert_eq!(api.post("activations", &asked).refused(422, "activation.consent").text("/errors/0/field"), "/consent");
    let made = api.post("activations", &wanted);
    let first = deliver(&api, &made);
    assert_eq!((&first["books"]["updated"], &first["books"]["received"]), (&json!(2), &json!(2)), "{first}");
    assert_eq!(sent(&api, &first), ["Acme", "Bodea"]);
    let there = companies(&vendor);
    assert!(there.len() == 1 && there[0].len() == 2, "{there:?}");

    let calls = vendor.received();
    let again = deliver(&api, &made);
    assert_eq!(again["books"]["unchanged"], 2, "{again}");
    assert_eq!(format!("{:?}", vendor.received()), format!("{calls:?}"), "nothing is sent where nothing has changed");

    send(&api, "account", &json!([{"id": "bodea", "fields": {"name": "Bodea", "number_of_employees": 20}}]));
    caught_up(&api);
    evaluate(&api);
    let third = deliver(&api, &made);
    assert_eq!((&third["books"]["removed"], &third["books"]["unchanged"]), (&json!(1), &json!(1)), "{third}");
    assert_eq!(companies(&vendor)[0].len(), 1);
    let held = api.get(&format!("activations/{}/members", made.text("/id")));
    assert_eq!(held.is(200).body["items"][0]["held"]["name"], "Acme");
    // What all three came to, together.
    let all = api.get(&format!("activations/{}/books", made.text("/id")));
    let sum = |name: &str| [&first, &again, &third].iter().map(|it| it["books"][name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((&all.is(200).body["deliveries"], &all.body["not_kept"]), (&json!(3), &json!(0)), "{all:?}");
    for name in ["received", "created", "updated", "removed", "unchanged", "excluded", "failed", "unmatched", "pending"]
    {
        assert_eq!(all.body["books"][name], sum(name), "{name}: {all:?}");
    }
}

#[test]
fn what_a_target_does_not_take_is_refused_with_the_way_there_is() {
    let api = business();
    let (_vendor, ads) = linkedin(&api);
    let segment = big(&api);
    let persons = make(&api, &json!({"name": "HR", "expression": "person.department == \"HR\""}));
    let refused = |body: &Value, code: &str, field: &str| -> String {
        let answer = api.post("activations", body);
        assert_eq!(answer.refused(422, code).text("/errors/0/field"), field, "{answer:?}");
        format!("{} {}", answer.text("/detail"), answer.body["action"].as_str().unwrap_or_default())
    };
    let email = [("email", "person.email")];
    let as_people = activation(&segment, &ads, "people", &[("company", "account.name")]);
    let said = refused(&as_people, "activation.entity", "/expansion");
    for part in ["accounts", "`people`", "takes persons", "people_by_relation", "matched_people", "`companies`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let as_companies = activation(&persons, &ads, "companies", &[("name", "person.company_name")]);
    let said = refused(&as_companies, "activation.entity", "/segment");
    assert!(said.contains("takes accounts") && said.contains("inAudience(\"HR\")"), "{said}");
    let people = json!({"by": ["people"]});
    let expanded =
        with(activation(&segment, &ads, "companies", &[("name", "person.company_name")]), "expansion", people.clone());
    assert!(refused(&expanded, "activation.entity", "/expansion").contains("Leave `expansion` out"));
    let of_persons = with(activation(&persons, &ads, "people", &email), "expansion", people.clone());
    refused(&of_persons, "activation.expansion", "/expansion");
    let nowhere = with(activation(&segment, &ads, "people", &email), "expansion", json!({"by": []}));
    refused(&nowhere, "activation.expansion", "/expansion/by");
    let unsound = json!({"by": ["people"], "where": "person.jobtitle == \"CIO\""});
    let unsound = with(activation(&segment, &ads, "people", &email), "expansion", unsound);
    refused(&unsound, "segment.expression", "/expansion/where");
    // What is sent is what can be mapped.
    let accounts = with(activation(&segment, &ads, "people", &[("email", "account.name")]), "expansion", people);
    refused(&accounts, "activation.mapping", "/mapping/0/expression");
    let persons = activation(&segment, &ads, "companies", &[("name", "person.company_name")]);
    refused(&persons, "activation.mapping", "/mapping/0/expression");
}

#[test]
fn people_of_accounts_are_those_of_the_ways_that_are_named() {
    let api = business();
    send(
        &api,
        "account",
        &json!([{"id": "acme", "fields": {"name": "Acme", "industry": "Finance", "domain": "acme.com",
        "billing_country": "Canada", "number_of_employees": 600}}]),
    );
    send(
        &api,
        "person",
        &json!([{"id": "d", "fields": {"email": "dan@acme.com"}}, {"id": "e", "fields": {"email": "eve@x.com"}}]),
    );
    send(
        &api,
        "account_person",
        &json!([{"id": "ap", "fields": {"account_key": key("acme"), "person_key": key("e")}}]),
    );
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let s3 = connect_s3(&api, &vendors, "right");
    let rule = "account.billing_country == \"Canada\"";
    let segment = make(&api, &json!({"name": "Canada", "entity": "account", "expression": rule}));
    caught_up(&api);
    assert_eq!(members(&api, &segment), ["Acme"]);
    let people = |expansion: Value| {
        let body = with(activation(&segment, &s3, "file", &[("mail", "person.email")]), "expansion", expansion);
        api.post("activations", &body)
    };
    let of = |expansion: Value| sent(&api, &deliver(&api, &people(expansion)));
    assert_eq!(of(json!({"by": ["people"]})), ["ann", "cid"]);
    assert_eq!(of(json!({"by": ["people_by_role"]})), ["bob"]);
    assert_eq!(of(json!({"by": ["people_by_relation"]})), ["eve"]);
    assert_eq!(of(json!({"by": ["matched_people"]})), ["dan"]);
    assert_eq!(of(json!({"by": ["people", "matched_people"]})), ["ann", "cid", "dan"]);
    assert_eq!(of(json!({"by": ["people", "people_by_role"], "where": "person.job_title == \"CIO\""})), ["ann"]);
    // A file takes the accounts as well.
    let accounts =
        activation(&segment, &s3, "file", &[("name", "account.name"), ("staff", "account.number_of_employees")]);
    assert_eq!(sent(&api, &deliver(&api, &api.post("activations", &accounts))), ["Acme"]);
    // Who comes to the company later is sent, although no membership has changed.
    let made = people(json!({"by": ["people"]}));
    send(&api, "person", &json!([{"id": "f", "fields": {"email": "fay@x.com", "account_key": key("acme")}}]));
    caught_up(&api);
    assert_eq!(sent(&api, &deliver(&api, &made)), ["ann", "cid", "fay"]);
}
