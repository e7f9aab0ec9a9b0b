//! What a destination looks at itself is refused when an activation is made, and not by its first delivery.

use crate::account_activations::activation;
use crate::audiences::make;
use crate::harness::{Api, Harness};
use crate::journey::{Vendors, vendors_of};
use attiva_simulators::linkedin::{LinkedIn, LinkedInConfig};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};

pub(crate) fn connect(api: &Api, vendors: &Vendors) -> String {
    let config = vendors.config();
    let body = json!({"name": "m", "plugin": "destination-marketo", "grants": {"api": vendors.url()},
        "configuration": {"munchkin_id": "123-ABC-456", "client_id": config.client_id, "client_secret": vendors.secret()}});
    api.post("connections", &body).is(201).text("/id").to_owned()
}

#[test]
fn keys_kinds_and_modes_are_looked_at_by_the_vendors_own_rules() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let marketo = connect(&api, &vendors);
    let segment = make(&api, &json!({"name": "s", "expression": "person.department == \"HR\""}));
    let made = |mode: &str, mapping: &[(&str, &str)]| {
        let mut body = activation(&segment, &marketo, "static-list", mapping);
        body["target"]["options"] = json!({"mode": mode});
        api.post("activations", &body)
    };
    let refused = |mode: &str, mapping: &[(&str, &str)]| -> (Value, Value, String) {
        let answer = made(mode, mapping);
        let error = answer.refused(422, "activation.target").body["errors"][0].clone();
        (error["field"].clone(), error["code"].clone(), error["message"].as_str().unwrap().to_owned())
    };
    let (email, title) = (("email", "person.email"), ("title", "person.job_title"));
    let (field, code, _) = refused("create", &[title]);
    assert_eq!((field, code), (json!("/mapping"), json!("marketo.no-key")));
    let (field, code, message) = refused("match", &[email, title]);
    assert_eq!((field, code), (json!("/mapping/1/field"), json!("marketo.match-only")), "{message}");
    let (field, _, message) = refused("create", &[email, ("title", "person.departments")]);
    assert_eq!(field, "/mapping/1/expression");
    assert!(message.contains("a list or an object") && message.contains("`title`"), "{message}");
    made("create", &[email, title]).is(201);
}

/// What two activations of one target must have in common.
#[test]
fn a_second_activation_of_a_target_that_would_undo_the_first_is_refused() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let marketo = connect(&api, &vendors);
    let segment =
        |name: &str| make(&api, &json!({"name": name, "expression": format!("person.department == \"{name}\"")}));
    let (hr, sales) = (segment("HR"), segment("Sales"));
    let made = |segment: &str, list: &str, mode: &str, title: &str| {
        let mut body = activation(segment, &marketo, "static-list", &[("email", "person.email"), ("title", title)]);
        body["target"] = json!({"object": "static-list", "name": list, "options": {"mode": mode}});
        api.post("activations", &body)
    };
    made(&hr, "one", "create", "person.job_title").is(201);
    made(&sales, "one", "create", "person.job_title").is(201);
    let mut typo = activation(&hr, &marketo, "static-list", &[("email", "person.email")]);
    typo["removals_max_percent"] = json!(200);
    assert_eq!(
        api.post("activations", &typo).refused(422, "request.invalid").text("/errors/0/field"),
        "/removals_max_percent"
    );
    let refused = |segment: &str, list: &str, mode: &str, title: &str| {
        let answer = made(segment, list, mode, title);
        answer.refused(422, "activation.target").text("/errors/0/field").to_owned()
    };
    assert_eq!(refused(&sales, "one", "create", "person.department"), "/mapping");
    assert_eq!(refused(&sales, " one ", "create", "person.department"), "/mapping", "it is the same list");
    let mut other =
        activation(&sales, &marketo, "static-list", &[("email", "person.email"), ("title", "person.job_title")]);
    other["target"] =
        json!({"object": "static-list", "name": "one", "options": {"mode": "create", "folder": "Group Lists"}});
    let answer = api.post("activations", &other);
    assert_eq!(answer.refused(422, "activation.target").text("/errors/0/field"), "/target/options");
    // What somebody is to the segment is another thing to another one.
    made(&hr, "two", "create", "person.member_status").is(201);
    made(&hr, "two", "create", "person.member_status").is(201);
    assert_eq!(refused(&sales, "two", "create", "person.member_status"), "/mapping/1/expression");
}

#[test]
fn a_destination_that_cannot_be_asked_yet_leaves_it_to_the_first_delivery() {
    let api = Harness::sandbox();
    // Nobody has authorised it.
    let vendor = Harness::shared().runtime.block_on(LinkedIn::start(LinkedInConfig::default())).unwrap();
    let config = vendor.config();
    let body = json!({"name": "Ads", "plugin": "destination-linkedin",
        "grants": {"api": vendor.base_url(), "login": vendor.base_url()},
        "configuration": {"account_id": config.account.to_string(), "source_platform": config.source_platform,
            "client_id": config.client_id, "client_secret": config.client_secret}});
    let ads = api.post("connections", &body).is(201).text("/id").to_owned();
    let segment = make(&api, &json!({"name": "s", "expression": "person.department == \"HR\""}));
    let made = api.post("activations", &activation(&segment, &ads, "people", &[("email", "person.email")]));
    assert!(made.is(201).text("/warnings/0").contains("could not be asked to prepare"), "{made:?}");
}
