//! The model and the mappings over HTTP: read, tried, published, refused with each place.

use crate::harness::{Answer, Api, Harness};
use crate::journey::{caught_up, connect_marketo, run, vendors_of};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use ureq::http::Method;

fn put(api: &Api, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    api.json(Method::PUT, path, headers, body)
}

fn field<'a>(schema: &'a Value, entity: &str, name: &str) -> Option<&'a Value> {
    let named = |list: &'a Value, name: &str| list.as_array().unwrap().iter().find(|it| it["name"] == name);
    named(&named(&schema["entities"], entity)?["fields"], name)
}

#[test]
fn the_model_is_served_added_to_and_checked() {
    let api = Harness::sandbox();
    let schema = api.get("schema");
    assert_eq!((schema.is(200).header("etag"), &schema.body["custom_version"]), ("\"0\"", &json!(0)));
    assert_eq!(field(&schema.body, "person", "email").unwrap()["type"], "text");
    assert!(field(&schema.body, "person", "tier").is_none());

    let tier = json!({"entity": "person", "field": {"name": "tier", "data_type": "text", "values": ["gold", "tin"]}});
    let model = |version: u32| json!({ "version": version, "attributes": [tier], "entities": [] });
    let published = put(&api, "model", &[("if-match", "\"0\"")], &model(0));
    assert_eq!((published.is(200).header("etag"), &published.body["version"]), ("\"1\"", &json!(1)));
    assert_eq!(published.body["streams_reconsidered"], 0);
    let schema = api.get("schema");
    assert_eq!(field(&schema.body, "person", "tier").unwrap()["values"], json!(["gold", "tin"]));
    assert_eq!(api.get("model").is(200).body["attributes"][0]["field"]["name"], "tier");

    put(&api, "model", &[], &model(0)).refused(412, "store.version-mismatch");
    put(&api, "model", &[("if-match", "\"0\"")], &model(1)).refused(412, "store.version-mismatch");
    let mut wrong = model(1);
    wrong["entities"] = json!([{"name": "Sub", "fields": [], "relations": []}]);
    let refused = put(&api, "model", &[], &wrong);
    assert!(refused.refused(422, "model.invalid").text("/errors/0/field").starts_with("/entities/0"), "{refused:?}");
    wrong["typo"] = json!(1);
    put(&api, "model", &[], &wrong).refused(422, "request.invalid");
}

#[test]
fn a_mapping_is_edited_tried_published_and_taken_back() {
    let vendors = vendors_of(MarketoConfig { leads: 20, missing_email_every: 0, ..MarketoConfig::default() });
    let api = Harness::sandbox();
    let connection = connect_marketo(&api, &vendors, &MarketoConfig::default().client_secret);
    let place = format!("connections/{connection}/mappings/persons");
    api.get(&place).refused(404, "stream.missing");
    assert_eq!(run(&api, &connection).text("/status"), "succeeded");
    caught_up(&api);
    let listed = api.get(&format!("connections/{connection}/mappings"));
    let persons = listed.is(200).body["items"].as_array().unwrap().iter().find(|it| it["stream"] == "persons").unwrap();
    assert_eq!((&persons["entity"], &persons["shipped"]), (&json!("person"), &json!(true)));

    let shown = api.get(&place);
    assert_eq!(shown.is(200).header("etag"), "\"0\"");
    let mut edited = json!({ "entity": shown.body["entity"], "fields": shown.body["fields"] });
    edited["fields"]["job_title"] = json!("\"Engineer\"");
    edited["fields"]["person_score"] = json!("record.email");
    let tried = api.post(&format!("{place}/preview"), &json!({ "mapping": edited, "records_max": 10 }));
    assert_eq!((&tried.is(200).body["records"], &tried.body["whole"]), (&json!(10), &json!(false)));
    assert_eq!(
        (&tried.body["fields"]["job_title"]["changed"], &tried.body["records_changed"]),
        (&json!(10), &json!(10))
    );
    assert_eq!(tried.text("/fields/job_title/examples/0/after"), "Engineer");
    assert_eq!(tried.body["fields"]["person_score"]["errors"], 10);
    api.post(&format!("{place}/preview"), &json!({ "mapping": edited, "records_max": 0 }))
        .refused(422, "request.invalid");

    let published = put(&api, &place, &[("if-match", "\"0\"")], &edited);
    assert_eq!((published.is(200).header("etag"), &published.body["shipped"]), ("\"1\"", &json!(false)));
    put(&api, &place, &[("if-match", "\"0\"")], &edited).refused(412, "store.version-mismatch");
    caught_up(&api);
    let titles = |api: &Api| {
        let people = api.get("profiles?limit=100").is(200).body["items"].as_array().unwrap().clone();
        people.iter().filter(|person| person["attributes"]["job_title"] == "Engineer").count()
    };
    assert_eq!(titles(&api), 20);
    let errors = api.get(&format!("connections/{connection}/mapping-errors"));
    let error = &errors.is(200).body["items"][0];
    assert_eq!(
        (&error["field"], &error["code"], &error["count"]),
        (&json!("person_score"), &json!("mapping.value"), &json!(20))
    );
    assert!(error["sample"].as_str().unwrap().ends_with("@123-ABC-456.Marketo"));

    edited["fields"]["job_titel"] = json!("record.emial");
    let refused = put(&api, &place, &[], &edited);
    refused.refused(422, "mapping.invalid");
    let codes: Vec<&str> = [0, 1].map(|i| refused.body["errors"][i]["code"].as_str().unwrap()).to_vec();
    assert_eq!(codes, ["mapping.no-field", "expr.unknown-name"]);
    assert_eq!(refused.text("/errors/0/suggestion"), "job_title");
    assert_eq!(
        (refused.text("/errors/1/field"), refused.body["errors"][1]["place"]["column"].as_u64()),
        ("/fields/job_titel", Some(8))
    );

    api.send(Method::DELETE, &place, &[("if-match", "\"7\"")], Vec::new()).refused(412, "store.version-mismatch");
    let restored = api.send(Method::DELETE, &place, &[], Vec::new());
    assert_eq!(restored.is(200).body["shipped"], true);
    caught_up(&api);
    assert_eq!(titles(&api), 0);

    // Nothing has happened to them yet, and they are no opportunities.
    let first = api.get("profiles?limit=1").body["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(api.get(&format!("profiles/{first}/events")).is(200).body["items"], json!([]));
    assert_eq!(api.get(&format!("profiles/{first}/events/count")).is(200).body["count"], 0);
    api.get(&format!("profiles/{first}/events?cursor=x")).refused(400, "request.cursor");
    api.get(&format!("profiles/{first}/stages")).refused(422, "request.invalid");
    let audit = api.audit();
    assert!(audit.text.contains("mapping.published") && audit.text.contains("mapping.restored"));
}
