//! Audiences of a person at a request: by what is kept, what the request says and the latest results.

use crate::audiences::{business, evaluate, key, make, send};
use crate::harness::{Answer, Api};
use crate::journey::caught_up;
use attiva_core::access::Scope;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use ureq::http::Method;

const PRICING: &str = "events.exists(e, e.page == \"/pricing\" && e.time.within(last(days(1))))";
const FINANCE: &str = "person.opportunity_relations.exists(r, r.person_role == \"Decision Maker\" && r.opportunity.account.industry == \"Finance\")";

fn ask(api: &Api, body: &Value) -> Answer {
    let answer = api.post("edge/evaluations", body);
    answer.is(200);
    answer
}

/// A person by an address, with more in the request.
fn of(email: &str, more: &Value) -> Value {
    let mut body = json!({ "identities": [{ "namespace": "email", "value": email }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn viewing(page: &str) -> Value {
    json!({ "event": { "fields": { "type": "web.webpagedetails.pageViews", "page": page } } })
}

/// Audiences that the person is in, each with what that goes by.
fn inside(answer: &Answer) -> BTreeMap<String, String> {
    let items = answer.body["audiences"].as_array().unwrap().iter();
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    items.filter(|item| item["member"] == true).map(|item| (text(item, "name"), text(item, "by"))).collect()
}

fn names(answer: &Answer) -> Vec<String> {
    inside(answer).into_keys().collect()
}

/// How far everything has come, and how many profiles there are: what any write would move.
fn state(api: &Api) -> Value {
    json!([api.get("projection").is(200).body, api.get("profiles").is(200).body, api.get("runs").is(200).body])
}

#[test]
fn a_request_is_answered_by_what_is_kept_and_what_it_says_and_writes_nothing() {
    let api = business();
    for (name, rule) in [
        ("cios", "person.job_title == \"CIO\""),
        ("pricing", PRICING),
        ("both", "inAudience(\"cios\") && inAudience(\"pricing\")"),
        ("month", "events.exists(e, e.page == \"/pricing\" && e.time.within(last(days(30))))"),
        ("finance", FINANCE),
        ("hot finance", &format!("inAudience(\"finance\") && {PRICING}")),
    ] {
        make(&api, &json!({ "name": name, "expression": rule }));
        caught_up(&api);
    }
    let run = evaluate(&api)["id"].as_str().unwrap().to_owned();
    caught_up(&api);
    let before = state(&api);
    assert_eq!(names(&ask(&api, &of("ann@x.com", &json!({})))), ["cios"]);
    let ann = ask(&api, &of("Ann@X.com ", &viewing("/pricing")));
    let request = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "request".to_owned())).collect();
    assert_eq!(inside(&ann), request(&["both", "cios", "pricing"]), "a window of thirty days is not read at a request");
    assert!(ann.text("/profile").starts_with("prf_"), "{ann:?}");
    // Bob decides on a deal of Acme: by a batch audience, of a run that is told.
    let bob = ask(&api, &of("bob@x.com", &viewing("/pricing")));
    let found = inside(&bob);
    assert_eq!((found["finance"].as_str(), found["hot finance"].as_str()), ("batch", "request"), "{bob:?}");
    let finance = bob.body["audiences"].as_array().unwrap().iter().find(|it| it["name"] == "finance").unwrap();
    assert_eq!(finance["result_of"], run);
    assert_eq!(names(&ask(&api, &of("bob@x.com", &viewing("/home")))), ["finance"]);
    assert_eq!(state(&api), before, "an evaluation writes nothing");
    // What a batch audience goes by changes with the next run, and not before.
    send(&api, "opportunity_person", &json!([{ "id": "r1", "kind": "deleted" }]));
    caught_up(&api);
    assert_eq!(names(&ask(&api, &of("bob@x.com", &viewing("/pricing")))), ["finance", "hot finance", "pricing"]);
    evaluate(&api);
    assert_eq!(names(&ask(&api, &of("bob@x.com", &viewing("/pricing")))), ["pricing"]);
}

#[test]
fn attributes_of_the_request_count_and_nobody_is_answered_of_the_request_alone() {
    let api = business();
    let sales = make(&api, &json!({ "name": "sales", "expression": "person.department == \"Sales\"" }));
    make(&api, &json!({ "name": "known", "expression": "has(person.email) && person.person_score > 5" }));
    let accounts = make(&api, &json!({ "name": "of accounts", "entity": "account", "expression": "true" }));
    let batch = make(&api, &json!({ "name": "b", "expression": "true", "evaluation": "batch" }));
    caught_up(&api);
    evaluate(&api);
    let body = |department: &str| json!({ "attributes": { "department": department, "person_score": 9 } });
    assert_eq!(names(&ask(&api, &of("bob@x.com", &json!({})))), ["b", "sales"]);
    assert_eq!(names(&ask(&api, &of("bob@x.com", &body("HR")))), ["b", "known"]);
    assert_eq!(names(&ask(&api, &of("bob@x.com", &json!({ "attributes": { "department": null } })))), ["b"]);
    // Nobody has this address: what the request says is all there is, and no audience of before has anybody of it.
    let nobody = ask(&api, &of("zoe@y.com", &body("Sales")));
    assert_eq!((names(&nobody), nobody.body.get("profile")), (vec!["known".to_owned(), "sales".to_owned()], None));
    assert_eq!(names(&ask(&api, &of("no address", &json!({})))), [""; 0]);
    // The first that names anybody does.
    let several = json!({ "identities": [{ "namespace": "source_key", "value": "none@shop.Web" },
        { "namespace": "source_key", "value": key("b") }, { "namespace": "email", "value": "ann@x.com" }] });
    assert_eq!(names(&ask(&api, &several)), ["b", "sales"]);
    // Who is asked for by name is told of, inside or not.
    let two = ask(&api, &of("ann@x.com", &json!({ "segments": [sales, batch] })));
    let told: Vec<(&str, bool, &str)> = two.body["audiences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["member"].as_bool().unwrap(), it["by"].as_str().unwrap()))
        .collect();
    assert!(told.contains(&("sales", false, "request")) && told.contains(&("b", true, "batch")), "{told:?}");
    assert_eq!(told.len(), 2);
    let refused = api.post("edge/evaluations", &of("a@x.com", &json!({ "segments": [accounts] })));
    assert_eq!(refused.refused(422, "request.invalid").text("/errors/0/field"), "/segments/0");
}

#[test]
fn an_event_is_kept_when_that_is_asked_for_and_is_one_event_however_often_it_is_told() {
    let api = business();
    make(
        &api,
        &json!({ "name": "twice", "expression": "events.atLeast(2, e, e.page == \"/p\" && e.time > now - hours(3))" }),
    );
    make(
        &api,
        &json!({ "name": "once", "expression": "events.exists(e, e.page == \"/p\" && e.time > now - hours(3))" }),
    );
    caught_up(&api);
    let event = |id: &str, ingest: bool| {
        of(
            "cid@x.com",
            &json!({ "event": { "id": id, "source": { "system": "Site", "id": "shop" }, "ingest": ingest,
            "fields": { "type": "web.webpagedetails.pageViews", "page": "/p" } } }),
        )
    };
    let first = ask(&api, &event("e1", true));
    assert_eq!((names(&first), &first.body["kept"]["changed"]), (vec!["once".to_owned()], &json!(1)));
    // Kept by now, and told once more: it is the same.
    caught_up(&api);
    assert_eq!(names(&ask(&api, &event("e1", false))), ["once"]);
    assert_eq!(names(&ask(&api, &event("e2", false))), ["once", "twice"]);
    assert_eq!(names(&ask(&api, &of("cid@x.com", &json!({})))), ["once"], "the second was not kept");
    let cid = api.get("profiles?namespace=email&value=cid@x.com").body["items"][0]["id"].as_str().unwrap().to_owned();
    let kept = api.get(&format!("profiles/{cid}/events"));
    assert_eq!(kept.is(200).body["items"].as_array().unwrap().len(), 1);
    // Streaming has it as well, as of any event.
    let once =
        api.get("segments").body["items"].as_array().unwrap().iter().find(|it| it["name"] == "once").unwrap()["id"]
            .clone();
    let members = api.get(&format!("segments/{}/members", once.as_str().unwrap()));
    assert_eq!(members.body["items"].as_array().unwrap().len(), 1);
    // Asked with the same key again, it is answered as before and done once.
    let repeat = || api.json(Method::POST, "edge/evaluations", &[("idempotency-key", "edge-e3")], &event("e3", true));
    let (first, again) = (repeat(), repeat());
    assert_eq!((first.is(200).text.as_str(), again.header("idempotency-replayed")), (again.text.as_str(), "true"));
    // To read does not suffice to write.
    let scopes = [Scope::ProfilesRead];
    let made = api.post("/v1/keys", &json!({ "name": "r", "scopes": scopes }));
    let reader = Api { key: made.is(201).text("/key").to_owned(), ..api.clone() };
    ask(&reader, &event("e4", false));
    reader.post("edge/evaluations", &event("e4", true)).refused(403, "key.scope");
}

#[test]
fn what_cannot_be_asked_is_refused_by_its_place() {
    let api = business();
    let place = |body: Value| {
        let refused = api.post("edge/evaluations", &body);
        assert!([400, 422].contains(&refused.status), "{refused:?}");
        refused.text("/errors/0/field").to_owned()
    };
    let event = |event: Value| of("a@x.com", &json!({ "event": event }));
    let source = json!({ "system": "Site", "id": "shop" });
    for (wrong, body) in [
        ("/identities", json!({ "identities": [] })),
        ("/identities/0/namespace", json!({ "identities": [{ "namespace": "phone", "value": "1" }] })),
        ("/attributes/shoe_size", of("a@x.com", &json!({ "attributes": { "shoe_size": 1 } }))),
        ("/attributes/person_score", of("a@x.com", &json!({ "attributes": { "person_score": "many" } }))),
        ("/event/fields/pages", event(json!({ "fields": { "pages": "x" } }))),
        ("/event/fields/email", event(json!({ "fields": { "email": "b@x.com" } }))),
        ("/event/fields/person_key", event(json!({ "fields": { "person_key": key("a1") } }))),
        ("/event/id", event(json!({ "fields": {}, "ingest": true, "source": source }))),
        ("/event/source", event(json!({ "fields": {}, "ingest": true, "id": "1" }))),
        ("/event/id", event(json!({ "fields": {}, "ingest": true, "id": "null", "source": source }))),
    ] {
        assert_eq!(place(body.clone()), wrong, "{body}");
    }
    api.post("edge/evaluations", &of("a@x.com", &json!({ "segments": ["seg_none"] }))).refused(404, "segment.missing");
    assert_eq!(api.post("edge/evaluations", &of("a@x.com", &json!({ "person": 1 }))).status, 422);
}

#[test]
fn a_rule_that_is_not_answered_at_a_request_says_which_condition_keeps_it_from_that() {
    let api = business();
    let edge = |rule: &str| api.post("segments/check", &json!({ "expression": rule })).is(200).body["edge"].clone();
    assert_eq!(edge(PRICING), json!({ "qualifies": true }));
    let deals = edge("person.department == \"HR\" &&\n  person.accounts.exists(a, a.industry == \"Finance\")");
    assert_eq!((&deals["qualifies"], &deals["because"]["limit"]), (&json!(false), &json!("hop")));
    assert_eq!((&deals["because"]["hop"], &deals["because"]["line"]), (&json!("accounts"), &json!(2)), "{deals}");
    let month = edge("events.exists(e, e.page == \"/pricing\" && e.time.within(last(days(30))))");
    assert_eq!((&month["because"]["limit"], &month["because"]["hop"]), (&json!("window"), &json!("events")), "{month}");
    assert!(month["because"]["clause"].as_str().unwrap().contains("/pricing"), "{month}");
    let id = make(&api, &json!({ "name": "p", "expression": PRICING }));
    assert_eq!(api.get(&format!("segments/{id}")).is(200).body["edge"]["qualifies"], true);
}
