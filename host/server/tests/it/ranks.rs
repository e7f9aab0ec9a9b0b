//! The first of those who meet a rule; and what members are to the latest result.

use crate::account_activations::activation;
use crate::audiences::{business, evaluate, key, make, members, send};
use crate::harness::{Answer, Api};
use crate::journey::{caught_up, connect_s3, vendors_of, work};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use ureq::http::Method;

fn score(api: &Api, id: &str, email: &str, score: &Value) {
    let fields = json!({ "email": email, "person_score": score });
    send(api, "person", &json!([{ "id": id, "kind": "patch", "fields": fields }]));
}

/// Ann, Bob, Cid and Dee with 5, 9, 9 and no points.
fn scored() -> Api {
    let api = business();
    score(&api, "a1", "ann@x.com", &json!(5));
    score(&api, "b", "bob@x.com", &json!(9));
    score(&api, "c", "cid@x.com", &json!(9));
    send(&api, "person", &json!([{ "id": "d", "fields": { "email": "dee@x.com" } }]));
    caught_up(&api);
    api
}

fn rank(by: &str, limit: u32) -> Value {
    json!({ "by": by, "limit": limit })
}

fn ranked(name: &str, rule: &str, rank: &Value) -> Value {
    json!({ "name": name, "expression": rule, "rank": rank })
}

#[test]
fn only_the_first_belong_and_a_tie_goes_to_who_was_known_first() {
    let api = scored();
    let top = make(&api, &ranked("top", "true", &rank("person.person_score", 1)));
    let below = make(&api, &json!({ "name": "below", "expression": "inAudience(\"top\")" }));
    caught_up(&api);
    evaluate(&api);
    caught_up(&api);
    // Bob and Cid have nine points each.
    assert_eq!((members(&api, &top), members(&api, &below)), (vec!["bob".to_owned()], vec!["bob".to_owned()]));
    let shown = api.get(&format!("segments/{top}"));
    assert_eq!((shown.text("/evaluation"), shown.text("/because/hop")), ("batch", "everybody"), "{shown:?}");
    assert_eq!(
        (shown.text("/because/clause"), &shown.body["rank"]["order"]),
        ("person.person_score", &json!("descending"))
    );
    assert_eq!((&shown.body["edge"]["qualifies"], shown.text("/edge/because/limit")), (&json!(false), "rank"));
    // A preview is exact, and in the same order.
    let preview = |limit: u32| {
        let found =
            api.post("segments/preview", &json!({ "expression": "true", "rank": rank("person.person_score", limit) }));
        found.is(200).body["count"].clone()
    };
    assert_eq!([1, 3, 4, 100].map(preview), [1, 3, 4, 4]);
    let other =
        json!({ "expression": "true", "rank": { "by": "person.person_score", "order": "ascending", "limit": 2 } });
    let compared = api.post(&format!("segments/{top}/compare"), &other);
    let count = |of: &str| compared.is(200).body[of]["count"].as_u64().unwrap();
    assert_eq!(
        (count("entering"), count("leaving"), &compared.body["staying"]),
        (1, 0, &json!(1)),
        "Ann and Bob, then"
    );
    // Why not: the rule says yes, and the order no.
    let cid = api.get("profiles?namespace=email&value=cid@x.com").body["items"][0]["id"].as_str().unwrap().to_owned();
    let why = api.get(&format!("segments/{top}/explanation?profile={cid}"));
    assert_eq!((&why.is(200).body["is_member"], &why.body["now"]["member"]), (&json!(false), &json!(true)), "{why:?}");
    assert_eq!((&why.body["ranked"]["value"], &why.body["ranked"]["limit"]), (&json!(9), &json!(1)), "{why:?}");
    assert!(why.text("/text").contains("only the first 1 by person.person_score belong: 9"), "{}", why.text("/text"));
    // Another is first by now: one in, one out, with the next evaluation.
    score(&api, "c", "cid@x.com", &json!(10));
    caught_up(&api);
    assert_eq!(members(&api, &top), ["bob"]);
    let run = evaluate(&api);
    let outcome = run["segments"].as_array().unwrap().iter().find(|it| it["segment"] == *top).unwrap();
    assert_eq!((&outcome["entered"], &outcome["left"], &outcome["members"]), (&json!(1), &json!(1), &json!(1)));
    caught_up(&api);
    assert_eq!((members(&api, &top), members(&api, &below)), (vec!["cid".to_owned()], vec!["cid".to_owned()]));
    // Another order is another rule.
    let changed = api.json(
        Method::PUT,
        &format!("segments/{top}"),
        &[],
        &ranked("top", "has(person.person_score)", &rank("person.person_score", 2)),
    );
    assert_eq!(changed.is(200).body["version"], 2);
    evaluate(&api);
    assert_eq!(members(&api, &top), ["bob", "cid"]);
}

#[test]
fn a_rank_that_cannot_be_is_refused_with_its_place_and_the_fix() {
    let api = business();
    let refused = |body: Value| -> Answer { api.post("segments", &body) };
    let error = |answer: &Answer| answer.refused(422, "segment.expression").body["errors"][0].clone();
    let streaming =
        json!({ "name": "x", "expression": "true", "rank": rank("person.person_score", 3), "evaluation": "streaming" });
    let told = error(&refused(streaming));
    assert_eq!((&told["field"], &told["code"]), (&json!("/rank/by"), &json!("segment.not-streaming")), "{told}");
    assert!(told["message"].as_str().unwrap().contains("inAudience("), "{told}");
    let misspelt = error(&refused(ranked("x", "true", &rank("person.persn_score", 3))));
    assert_eq!(
        (&misspelt["field"], &misspelt["suggestion"]),
        (&json!("/rank/by"), &json!("person_score")),
        "{misspelt}"
    );
    assert_eq!(error(&refused(ranked("x", "true", &rank("person.email", 3))))["code"], "expr.type");
    for wrong in [json!({ "by": "1", "limit": 0 }), json!({ "by": "1" }), json!({ "by": "1", "limit": 1, "top": 1 })] {
        let answer = refused(ranked("x", "true", &wrong));
        assert_eq!(answer.status, 422, "{answer:?}");
    }
    assert_eq!(api.get("segments").body["items"], json!([]));
}

fn statuses(api: &Api, segment: &str) -> Vec<(String, String)> {
    let found = api.get(&format!("segments/{segment}/members"));
    let mut all: Vec<(String, String)> = found.is(200).body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let profile = api.get(&format!("profiles/{}", item["profile"].as_str().unwrap()));
            let email = profile.text("/attributes/email").split('@').next().unwrap().to_owned();
            (email, item["status"].as_str().unwrap().to_owned())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_member_is_new_with_one_result_and_existing_with_the_next() {
    let api = business();
    let finance =
        make(&api, &json!({ "name": "f", "expression": "person.accounts.exists(a, a.industry == \"Finance\")" }));
    let sales = make(&api, &json!({ "name": "s", "expression": "person.department == \"Sales\"" }));
    caught_up(&api);
    let of = |name: &str, status: &str| (name.to_owned(), status.to_owned());
    evaluate(&api);
    let counts = |segment: &str| {
        let found = api.get(&format!("segments/{segment}/counts?days=2"));
        let body = found.is(200).body.clone();
        (["members", "realized", "existing", "exited"].map(|of| body[of].as_u64().unwrap()), body)
    };
    // The first result came by itself; with the evaluation after it nobody is new.
    assert_eq!(statuses(&api, &finance), [of("ann", "existing"), of("cid", "existing")]);
    send(
        &api,
        "person",
        &json!([
        { "id": "e", "fields": { "email": "eve@x.com", "account_key": key("acme") } },
        { "id": "c", "kind": "patch", "fields": { "account_key": null } }]),
    );
    caught_up(&api);
    let run = evaluate(&api);
    assert_eq!(statuses(&api, &finance), [of("ann", "existing"), of("eve", "realized")]);
    let (now, body) = counts(&finance);
    assert_eq!((now, &body["result_of"]), ([2, 1, 1, 1], &run["id"]), "{body}");
    let days = body["days"].as_array().unwrap();
    let sum = |of: &str| days.iter().map(|day| day[of].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("realized"), sum("exited")), (3, 1), "{body}");
    let today = days.last().unwrap();
    assert_eq!(
        (&today["members"], today["day"].as_str()),
        (&json!(2), body["as_of"].as_str().map(|at| &at[..10])),
        "{body}"
    );
    evaluate(&api);
    assert_eq!(statuses(&api, &finance), [of("ann", "existing"), of("eve", "existing")]);
    assert_eq!(counts(&finance).0, [2, 0, 2, 0]);
    // Streaming has no runs: who entered today is new.
    assert_eq!((statuses(&api, &sales), counts(&sales).0), (vec![of("bob", "realized")], [1, 1, 0, 0]));
    for days in ["0", "367", "-1", "x"] {
        let refused = api.get(&format!("segments/{finance}/counts?days={days}"));
        assert!([400, 422].contains(&refused.status), "{refused:?}");
    }
}

#[test]
fn a_file_says_who_is_new_and_who_was_there() {
    let api = business();
    let finance =
        make(&api, &json!({ "name": "f", "expression": "person.accounts.exists(a, a.industry == \"Finance\")" }));
    caught_up(&api);
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    let s3 = connect_s3(&api, &vendors, "right");
    let columns =
        [("mail", "person.email"), ("status", "person.member_status"), ("since", "string(person.member_since)")];
    let made = api.post("activations", &activation(&finance, &s3, "file", &columns));
    let id = made.is(201).text("/id").to_owned();
    let rows = || {
        let done = work(&api, &format!("activations/{id}/deliveries"));
        assert_eq!(done.text("/status"), "succeeded", "{done:?}");
        let file = vendors.newest_file(".csv");
        let mut lines = file.lines();
        assert_eq!(lines.next(), Some("mail,status,since"));
        let row = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            assert!(cells[2].starts_with("20"), "{line}");
            (cells[0].to_owned(), cells[1].to_owned())
        };
        let mut rows: Vec<(String, String)> = lines.map(row).collect();
        rows.sort();
        rows
    };
    let of = |mail: &str, status: &str| (mail.to_owned(), status.to_owned());
    assert_eq!(rows(), [of("ann@x.com", "realized"), of("cid@x.com", "realized")]);
    send(&api, "person", &json!([{ "id": "e", "fields": { "email": "eve@x.com", "account_key": key("acme") } }]));
    caught_up(&api);
    evaluate(&api);
    assert_eq!(rows(), [of("ann@x.com", "existing"), of("cid@x.com", "existing"), of("eve@x.com", "realized")]);
}
