//! An org of Salesforce and nothing of Marketo: its people become profiles, and its connection is the organisation that its
//! token names.

use crate::connections::patch;
use crate::harness::{Answer, Api, Harness};
use crate::journey::{caught_up, run};
use attiva_simulators::salesforce::{Fault, Injection, Salesforce, SalesforceConfig};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use ureq::http::Method;

/// The public half of the key that the plugin host signs with in its own test: DER of PKCS#1, in hex.
const PUBLIC_KEY: &str = "\
    3082010a0282010100b87a551c24c5996dd5e8de73e8d0d0cc5951090ec446fae4da73c7fe44cb0c7551496ae44d3ee240f167f60a7459cb50ddc4cf\
    6565bac572694139ed6734d28e9b15ac97bfe461be6f1ae8536a2deab076b6d04f31711663a75d26ecbadde673e119c062493490096366347fe80478\
    5e4d36ee195266b225be2e26a5c2ddc768653ec08c667d86a3f1e99b02081625873e3c3da0be9214e8b258761148c9932387767e36b7b36c4ad81ca8\
    cbe302d87ae45a254930cc3fcfad2ff7e665fff205e2303800e4f9f260454ff03ecc6278d6802b41d192080e8f9b98524f83d49a6e8c3a786516d0af\
    e482725f901959e8c2d0b76cd8771a44c4c13b60b3307e92150203010001\
    ";
const PRIVATE_KEY: &str = include_str!("../../../wasm/src/credential/jwt-test-key.pem");

fn org(config: SalesforceConfig) -> Salesforce {
    Harness::shared().runtime.block_on(Salesforce::start(config)).unwrap()
}

fn body(org: &Salesforce, secret: &str, more: &Value) -> Value {
    let mut configuration = json!({"my_domain": "acme", "client_id": org.config().client_id, "client_secret": secret});
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    // Both stand for the simulator on loopback: where tokens are had, and what the token's reply names.
    json!({"name": "crm", "plugin": "source-salesforce", "configuration": configuration,
           "grants": {"login": org.base_url(), "api": org.base_url()}})
}

fn connect(api: &Api, org: &Salesforce, more: &Value) -> String {
    api.post("connections", &body(org, &org.config().client_secret, more)).is(201).text("/id").to_owned()
}

/// Received and changed of a stream.
fn counts(run: &Answer, stream: &str) -> (u64, u64) {
    let streams = run.body["streams"].as_array().unwrap();
    let found = streams.iter().find(|s| s["stream"] == stream).unwrap_or_else(|| panic!("no {stream} in {run:?}"));
    (found["received"].as_u64().unwrap(), found["changed"].as_u64().unwrap())
}

fn profiles(api: &Api) -> Vec<Value> {
    let (mut all, mut path) = (Vec::new(), "profiles?limit=200".to_owned());
    loop {
        let page = api.get(&path);
        all.extend(page.is(200).body["items"].as_array().unwrap().iter().cloned());
        match page.text("/next_cursor") {
            "" => return all,
            cursor => path = format!("profiles?limit=200&cursor={cursor}"),
        }
    }
}

#[test]
fn an_org_becomes_profiles_with_no_marketo_anywhere() {
    let api = Harness::sandbox();
    let org = org(SalesforceConfig { people: 300, ..SalesforceConfig::default() });
    let id = connect(&api, &org, &json!({"bulk_from": 40}));
    let shown = api.get(&format!("connections/{id}"));
    assert_eq!(shown.is(200).body["instance"], json!({"system": "Salesforce", "id": org.config().organization_id}));
    assert_eq!(api.post(&format!("connections/{id}/check"), &json!({})).is(200).body["passed"], true);

    let first = run(&api, &id);
    assert_eq!(first.text("/status"), "succeeded", "{first:?}");
    for object in [
        "Account",
        "Contact",
        "Lead",
        "Opportunity",
        "OpportunityContactRole",
        "Campaign",
        "CampaignMember",
        "AccountContactRelation",
    ] {
        let there = org.records(object).len() as u64;
        assert_eq!((object, counts(&first, object)), (object, (there, there)));
        assert!(there > 0, "{object}");
    }
    assert_eq!(org.jobs(), 0, "each job was deleted after it was read");
    let received = org.received();
    let asked = |part: &str| received.iter().any(|(line, _)| line.contains(part));
    assert!(
        asked("POST /services/data/v68.0/jobs/query") && asked("/results") && asked("/queryAll"),
        "both ways were gone"
    );

    caught_up(&api);
    let emails = |object: &str| {
        let of = |record: &serde_json::Map<String, Value>| {
            record.get("Email").and_then(Value::as_str).map(str::to_lowercase)
        };
        org.records(object).iter().filter_map(of).collect::<BTreeSet<_>>()
    };
    let expected: BTreeSet<String> = emails("Contact").union(&emails("Lead")).cloned().collect();
    let found: BTreeSet<String> =
        profiles(&api).iter().filter_map(|p| p["attributes"]["email"].as_str().map(str::to_lowercase)).collect();
    assert_eq!(found, expected);
    let contacts: Vec<Value> =
        profiles(&api).into_iter().filter(|p| p["attributes"]["crm_contact_key"].is_string()).collect();
    assert!(!contacts.is_empty());
    let of_the_org = format!("@{}.Salesforce", org.config().organization_id);
    for contact in &contacts {
        let account = contact["attributes"]["account_key"].as_str().unwrap_or_default();
        assert!(account.starts_with("001") && account.ends_with(&of_the_org), "{contact}");
    }
}

#[test]
fn changes_deletions_and_merges_arrive_and_nothing_else_does() {
    let api = Harness::sandbox();
    let org = org(SalesforceConfig { people: 60, ..SalesforceConfig::default() });
    let id = connect(&api, &org, &json!({}));
    patch(&api, &id, &[], &json!({"streams": ["Contact"]})).is(200);
    assert_eq!(run(&api, &id).text("/status"), "succeeded");
    let contacts: Vec<String> =
        org.records("Contact").iter().map(|r| r["Id"].as_str().unwrap().to_owned()).take(4).collect();
    let [changed, deleted, loser, winner] = contacts.as_slice() else { panic!("{contacts:?}") };
    assert!(org.change("Contact", changed, &json!({"Title": "Chief Changer"})));
    assert!(org.delete("Contact", deleted) && org.merge("Contact", loser, winner));
    // An old session, and a page in HTML on the way.
    org.expire_sessions();
    org.inject(Injection::from(Fault::HtmlPage { status: 200 }).at("/queryAll"));
    let second = run(&api, &id);
    assert_eq!(second.text("/status"), "succeeded", "{second:?}");
    assert_eq!(counts(&second, "Contact").1, 4, "changed, deleted, merged, and the winner of the merge");
    caught_up(&api);
    let by_key = |contact: &str| {
        profiles(&api)
            .into_iter()
            .find(|p| p["attributes"]["crm_contact_key"] == json!(contact))
            .map(|p| p["attributes"]["job_title"].clone())
    };
    assert_eq!(by_key(changed), Some(json!("Chief Changer")));
    assert_eq!(by_key(deleted), None);
    assert!(org.clear_faults().is_empty());
    let third = run(&api, &id);
    assert_eq!(counts(&third, "Contact").1, 0, "what the overlap brings again is unchanged: {third:?}");
}

#[test]
fn a_connection_is_the_organisation_of_its_token_and_stays_it() {
    let api = Harness::sandbox();
    let org = org(SalesforceConfig { people: 20, ..SalesforceConfig::default() });
    let refused = api.post("connections", &body(&org, "wrong", &json!({})));
    assert_eq!(refused.text("/kind"), "auth", "{refused:?}");
    assert_eq!(api.get("connections").is(200).body["items"], json!([]), "nothing is left of it");

    let id = connect(&api, &org, &json!({}));
    // The same credentials, and yet another organisation: a sandbox that was refreshed, or a domain that moved.
    org.become_organization("00D5g00000OTHERORG");
    let tests = api.post(&format!("connections/{id}/check"), &json!({}));
    patch(
        &api,
        &id,
        &[],
        &json!({"configuration": {"client_secret": org.config().client_secret, "overlap_seconds": 60}}),
    )
    .is(200);
    let _ = tests;
    // Tokens are the host's: the one it holds is refused first.
    let begun = api.post(&format!("connections/{id}/runs"), &json!({}));
    assert_eq!((begun.text("/kind"), begun.text("/code")), ("config", "instance.other"), "{begun:?}");
    assert_eq!(api.get(&format!("connections/{id}")).text("/instance/id"), org.config().organization_id);
    api.send(Method::DELETE, &format!("connections/{id}"), &[], Vec::new()).is(204);
}

#[test]
fn a_signed_assertion_logs_in_where_the_user_is_approved() {
    let api = Harness::sandbox();
    let public_key = Some(hex::decode(PUBLIC_KEY).unwrap());
    let org = org(SalesforceConfig { people: 20, public_key, ..SalesforceConfig::default() });
    let by_key = |username: &str| {
        let mut body = body(&org, "", &json!({"auth": "jwt-bearer", "username": username, "private_key": PRIVATE_KEY}));
        body["configuration"].as_object_mut().unwrap().remove("client_secret");
        api.post("connections", &body)
    };
    let refused = by_key("somebody@acme.example");
    assert!(refused.text("/kind") == "auth" && refused.text("/detail").contains("approved"), "{refused:?}");
    assert!(!refused.text.contains("PRIVATE KEY"));
    let made = by_key(&org.config().username);
    assert_eq!(made.is(201).text("/instance/id"), org.config().organization_id);
    assert!(!made.text.contains("PRIVATE KEY"));
    patch(&api, made.text("/id"), &[], &json!({"streams": ["Lead"]})).is(200);
    let run = run(&api, made.text("/id"));
    assert_eq!(counts(&run, "Lead").1, org.records("Lead").len() as u64);
}

/// C1 and C2: an org that a Marketo syncs with, connected as well.
#[test]
fn what_arrives_through_marketo_already_is_told() {
    let api = Harness::sandbox();
    let org = org(SalesforceConfig { people: 20, ..SalesforceConfig::default() });
    let crm = connect(&api, &org, &json!({}));
    patch(&api, &crm, &[], &json!({"streams": ["Contact", "Lead"]})).is(200);
    run(&api, &crm);
    caught_up(&api);
    let told = api.get("identity/overlaps");
    let alone = &told.is(200).body["items"][0];
    assert_eq!(
        (&alone["connection"], &alone["through"], &alone["redundant"]),
        (&json!(crm), &json!([]), &json!(false))
    );
    assert!(alone["own_fields"].as_array().unwrap().len() > 5 && told.body["whole"] == true, "{told:?}");

    let vendors =
        crate::journey::vendors_of(attiva_simulators::marketo::MarketoConfig { leads: 20, ..Default::default() });
    let marketo = crate::journey::connect_marketo(&api, &vendors, &vendors.secret());
    run(&api, &marketo);
    caught_up(&api);
    let told = api.get("identity/overlaps");
    let items = told.is(200).body["items"].as_array().unwrap();
    let of = |id: &str| items.iter().find(|o| o["connection"] == id && o["entity"] == "person").unwrap();
    assert_eq!(of(&crm)["records"], org.records("Contact").len() + org.records("Lead").len(), "{told:?}");
    // The simulated Marketo names the other instance's keys only where the two are of the same people.
    assert!(of(&marketo)["own_fields"].as_array().unwrap().contains(&json!("person_score")), "{told:?}");
}
