//! Values that somebody chose: they hold against newer records, say who chose them, go with their record, and go away.

use crate::harness::{Answer, Api, Harness};
use crate::journey::caught_up;
use serde_json::{Value, json};
use ureq::http::Method;

fn send(api: &Api, id: &str, at: &str, fields: &Value) {
    let sent = json!({"source": {"system": "Web", "id": "w"}, "entity": "person",
        "records": [{"id": id, "at": at, "fields": fields}]});
    api.post("records", &sent).is(200);
    caught_up(api);
}

fn pin(api: &Api, profile: &str, field: &str, body: &Value) -> Answer {
    let answer = api.json(Method::PUT, &format!("profiles/{profile}/pins/{field}"), &[], body);
    if answer.status == 200 {
        caught_up(api);
    }
    answer
}

fn only(api: &Api) -> String {
    let items = api.get("profiles").body["items"].as_array().cloned().unwrap_or_default();
    assert_eq!(items.len(), 1, "{items:?}");
    items[0]["id"].as_str().unwrap().to_owned()
}

/// A field's value with how it won, and who chose it.
fn field(api: &Api, profile: &str, name: &str) -> (Value, String, bool) {
    let told = api.get(&format!("profiles/{profile}/explanation"));
    let fields = told.is(200).body["fields"].as_array().unwrap().clone();
    let found = fields.into_iter().find(|field| field["field"] == name).unwrap_or_default();
    let by =
        found["pinned"]["by"].as_str().is_some_and(|by| by.starts_with("key_")) && found["pinned"]["at"].is_string();
    (found["value"].clone(), found["why"].as_str().unwrap_or_default().to_owned(), by)
}

#[test]
fn what_somebody_chose_holds_until_it_is_taken_back() {
    let api = Harness::sandbox();
    send(&api, "1", "2026-01-01T00:00:00Z", &json!({"email": "a@x.example", "job_title": "CEO", "country": "DE"}));
    send(&api, "2", "2026-02-01T00:00:00Z", &json!({"email": "a@x.example", "job_title": "CTO"}));
    let ann = only(&api);
    assert_eq!(field(&api, &ann, "job_title"), (json!("CTO"), "newest".into(), false));

    pin(&api, &ann, "job_title", &json!({"record": "1@w.Web"})).is(200);
    assert_eq!(field(&api, &ann, "job_title"), (json!("CEO"), "pinned".into(), true));
    // The record goes on to say what it is; a newer one of another does not win.
    send(&api, "1", "2026-03-01T00:00:00Z", &json!({"email": "a@x.example", "job_title": "Chair", "country": "DE"}));
    send(&api, "2", "2026-04-01T00:00:00Z", &json!({"email": "a@x.example", "job_title": "CFO"}));
    assert_eq!(field(&api, &ann, "job_title").0, "Chair");

    // A later choice takes its place, whichever record it hung on.
    pin(&api, &ann, "job_title", &json!({"value": "Founder"})).is(200);
    pin(&api, &ann, "country", &json!({"value": null})).is(200);
    assert_eq!(field(&api, &ann, "job_title"), (json!("Founder"), "pinned".into(), true));
    assert_eq!(field(&api, &ann, "country"), (Value::Null, "pinned".into(), true));
    let shown = api.get(&format!("profiles/{ann}"));
    assert_eq!((shown.text("/attributes/job_title"), shown.body.pointer("/attributes/country")), ("Founder", None));
    let listed = api.get(&format!("profiles/{ann}/pins"));
    assert_eq!(listed.is(200).body["items"].as_array().unwrap().len(), 2);

    // It goes where its record goes.
    api.post(&format!("profiles/{ann}/unmerge"), &json!({"groups": [["2@w.Web"]], "reason": "two people"})).is(200);
    caught_up(&api);
    let people = api.get("profiles").body["items"].as_array().unwrap().clone();
    let mut titles: Vec<&str> = people.iter().map(|p| p["attributes"]["job_title"].as_str().unwrap()).collect();
    titles.sort_unstable();
    assert_eq!(titles, ["CFO", "Founder"]);

    let first = people.iter().find(|p| p["attributes"]["job_title"] == "Founder").unwrap()["id"].as_str().unwrap();
    api.send(Method::DELETE, &format!("profiles/{first}/pins/job_title"), &[], Vec::new()).is(204);
    caught_up(&api);
    assert_eq!(field(&api, first, "job_title"), (json!("Chair"), "only".into(), false));
    api.send(Method::DELETE, &format!("profiles/{first}/pins/job_title"), &[], Vec::new()).refused(404, "pin.missing");
}

#[test]
fn what_cannot_be_chosen_is_refused() {
    let api = Harness::sandbox();
    send(&api, "1", "2026-01-01T00:00:00Z", &json!({"email": "a@x.example", "person_score": 5}));
    let ann = only(&api);
    let wrong = [
        ("shoe_size", json!({"value": 1}), "/field"),
        ("person_score", json!({"value": "many"}), "/value"),
        ("job_title", json!({"record": "9@w.Web"}), "/record"),
        ("job_title", json!({}), "/value"),
        ("job_title", json!({"value": "x", "record": "1@w.Web"}), "/value"),
    ];
    for (name, body, place) in wrong {
        let refused = pin(&api, &ann, name, &body);
        assert_eq!(refused.refused(422, "request.invalid").text("/errors/0/field"), place, "{name} {body}");
    }
    pin(&api, "prf_x", "job_title", &json!({"value": "x"})).refused(404, "profile.missing");
}
