//! Segments over everything a sandbox knows: defined, evaluated, explained, compared.

use crate::harness::{Answer, Api, Harness};
use crate::journey::caught_up;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Method;

pub(crate) fn send(api: &Api, entity: &str, records: &Value) {
    let body = json!({"source": {"system": "Web", "id": "shop"}, "entity": entity, "records": records});
    api.post("records", &body).is(200);
}

pub(crate) fn key(id: &str) -> String {
    format!("{id}@shop.Web")
}

/// Acme in finance with a big deal in Canada, Bodea with a small one; Ann in both, Bob at Bodea and named on Acme's deal,
/// Cid at Acme and named on nothing.
pub(crate) fn business() -> Api {
    let api = Harness::sandbox();
    send(
        &api,
        "account",
        &json!([
        {"id": "acme", "fields": {"name": "Acme", "industry": "Finance", "billing_country": "Canada", "number_of_employees": 600}},
        {"id": "bodea", "fields": {"name": "Bodea", "industry": "Technology", "billing_country": "Germany", "parent_key": key("acme"), "number_of_employees": 700}}]),
    );
    send(
        &api,
        "person",
        &json!([
        {"id": "a1", "fields": {"email": "ann@x.com", "department": "HR", "job_title": "CIO", "account_key": key("acme")}},
        {"id": "a2", "fields": {"email": "ann@x.com", "department": "HR", "job_title": "CIO", "account_key": key("bodea")}},
        {"id": "b", "fields": {"email": "bob@x.com", "department": "Sales", "account_key": key("bodea")}},
        {"id": "c", "fields": {"email": "cid@x.com", "department": "HR", "account_key": key("acme")}}]),
    );
    send(
        &api,
        "opportunity",
        &json!([
        {"id": "big", "fields": {"name": "Big", "amount": "2000000", "is_closed": false, "account_key": key("acme")}},
        {"id": "small", "fields": {"name": "Small", "amount": "800000", "is_closed": false, "account_key": key("bodea")}}]),
    );
    send(
        &api,
        "opportunity_person",
        &json!([
        {"id": "r1", "fields": {"person_key": key("b"), "opportunity_key": key("big"), "person_role": "Decision Maker"}},
        {"id": "r2", "fields": {"person_key": key("a1"), "opportunity_key": key("small"), "person_role": "User"}}]),
    );
    caught_up(&api);
    api
}

pub(crate) fn make(api: &Api, body: &Value) -> String {
    let made = api.post("segments", body);
    made.is(201).text("/id").to_owned()
}

fn person(api: &Api, name: &str, expression: &str) -> String {
    make(api, &json!({"name": name, "expression": expression}))
}

/// Waits for an evaluation's end, and returns it.
fn evaluated(api: &Api, started: &Answer) -> Value {
    let id = started.is(202).text("/subject").to_owned();
    assert_eq!(
        (started.text("/kind"), started.header("location")),
        ("evaluation", format!("/v1/sandboxes/{}/operations/op_{id}", api.sandbox).as_str())
    );
    for _ in 0..3000 {
        let found = api.get(&format!("evaluations/{id}"));
        if matches!(found.is(200).text("/status"), "succeeded" | "failed") {
            return found.body;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{id} does not end");
}

pub(crate) fn evaluate(api: &Api) -> Value {
    evaluated(api, &api.post("evaluations", &json!({})))
}

fn profiles(api: &Api) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (entity, field) in [("person", "email"), ("account", "name")] {
        let found = api.get(&format!("profiles?entity={entity}"));
        for item in found.is(200).body["items"].as_array().unwrap() {
            let name = item["attributes"][field].as_str().unwrap_or("?");
            let name = name.split('@').next().unwrap_or(name);
            all.push((item["id"].as_str().unwrap().to_owned(), name.to_owned()));
        }
    }
    all
}

pub(crate) fn named(api: &Api, ids: impl Iterator<Item = String>) -> Vec<String> {
    let all = profiles(api);
    let name =
        |id: &String| all.iter().find(|(known, _)| known == id).map_or_else(|| id.clone(), |(_, name)| name.clone());
    let mut names: Vec<String> = ids.map(|id| name(&id)).collect();
    names.sort();
    names
}

pub(crate) fn members(api: &Api, segment: &str) -> Vec<String> {
    let found = api.get(&format!("segments/{segment}/members"));
    let items = found.is(200).body["items"].as_array().unwrap().clone();
    named(api, items.into_iter().map(|item| item["profile"].as_str().unwrap().to_owned()))
}

fn id_of(api: &Api, name: &str) -> String {
    profiles(api).into_iter().find(|(_, known)| known == name).unwrap().0
}

#[test]
fn two_ways_from_persons_to_opportunities_have_two_answers() {
    let api = business();
    let named = person(
        &api,
        "Named",
        "person.opportunity_relations.exists(r, r.opportunity.amount > 1000000 && r.opportunity.account.billing_country == \"Canada\")",
    );
    let everyone = person(
        &api,
        "Everyone",
        "person.opportunities_by_account.exists(o, o.amount > 1000000 && o.account.billing_country == \"Canada\")",
    );
    let pipeline = person(
        &api,
        "HR",
        "person.department == \"HR\" && person.accounts.exists(a, a.opportunities.exists(o, !o.is_closed && o.amount >= 1000000))",
    );
    let parents = person(&api, "Parents", "person.accounts.ancestors.exists(a, a.name == \"Acme\")");
    caught_up(&api);
    assert_eq!(members(&api, &named), ["bob"]);
    assert_eq!(members(&api, &everyone), ["ann", "cid"]);
    // Ann is in two companies, and qualifies once.
    assert_eq!(members(&api, &pipeline), ["ann", "cid"]);
    assert_eq!(members(&api, &parents), ["ann", "bob"]);

    // What changes has no effect before the next evaluation, and only the difference is told.
    send(&api, "opportunity_person", &json!([{"id": "r1", "kind": "deleted", "at": "2100-01-01T00:00:00Z"}]));
    caught_up(&api);
    assert_eq!(members(&api, &named), ["bob"]);
    let run = evaluate(&api);
    let outcome =
        |segment: &str| run["segments"].as_array().unwrap().iter().find(|it| it["segment"] == segment).unwrap().clone();
    let counts = |segment: &str| {
        (outcome(segment)["entered"].clone(), outcome(segment)["left"].clone(), outcome(segment)["members"].clone())
    };
    assert_eq!(counts(&named), (json!(0), json!(1), json!(0)), "{run}");
    assert_eq!(counts(&everyone), (json!(0), json!(0), json!(2)), "{run}");
    assert_eq!((run["status"].clone(), run["attempts"].clone()), (json!("succeeded"), json!(1)));
    assert!(run["read"]["rows"].as_u64().unwrap() > 8, "{run}");
    assert_eq!(members(&api, &named), Vec::<String>::new());
    let history = api.get(&format!("segments/{named}/history"));
    let told: Vec<(&str, bool)> = history.is(200).body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["status"].as_str().unwrap(), it["cause"].as_str().unwrap().starts_with("evl_")))
        .collect();
    assert_eq!(told, [("exited", true), ("realized", true)]);
    let shown = api.get(&format!("segments/{named}"));
    assert_eq!(
        (shown.text("/result_of"), shown.text("/evaluation"), shown.text("/because/hop")),
        (run["id"].as_str().unwrap(), "batch", "opportunity_relations")
    );
}

#[test]
fn accounts_have_audiences_of_their_own() {
    let api = business();
    let gap = make(
        &api,
        &json!({"name": "Gap", "entity": "account", "expression":
        "account.number_of_employees >= 500 && account.people.none(p, p.job_title in [\"CMO\", \"CIO\"])"}),
    );
    let with = make(
        &api,
        &json!({"name": "With a CIO", "entity": "account", "expression": "account.people.exists(p, p.job_title == \"CIO\")"}),
    );
    let there = person(&api, "There", "person.accounts.exists(a, a.inAudience(\"With a CIO\"))");
    caught_up(&api);
    assert_eq!(members(&api, &with), ["Acme", "Bodea"]);
    assert_eq!(members(&api, &gap), Vec::<String>::new());
    assert_eq!(members(&api, &there), ["ann", "bob", "cid"]);
    assert_eq!(api.get(&format!("segments/{there}")).body["asks_for"], json!([with]));

    // A person cannot be asked of an audience of accounts.
    api.post("segments", &json!({"name": "x", "expression": "inAudience(\"Gap\")"})).refused(422, "segment.expression");
}

#[test]
fn what_hangs_on_an_audience_is_known_and_cannot_be_pulled_away() {
    let api = business();
    let base = person(&api, "Base", "person.department == \"HR\"");
    let top = person(&api, "Top", "inAudience(\"Base\") && person.job_title == \"CIO\"");
    caught_up(&api);
    assert_eq!(members(&api, &top), ["ann"]);
    let change = |id: &str, name: &str, expression: &str| {
        api.json(Method::PUT, &format!("segments/{id}"), &[], &json!({"name": name, "expression": expression}))
    };
    let circle = change(&base, "Base", "inAudience(\"Top\")");
    let said = circle.refused(422, "segment.expression").text("/errors/0/message");
    assert!(said.contains("\"Base\" asks for \"Top\" asks for \"Base\""), "{said}");
    change(&base, "Basis", "person.department == \"HR\"").refused(409, "segment.in-use");
    let removed = api.send(Method::DELETE, &format!("segments/{base}"), &[], Vec::new());
    assert!(removed.refused(409, "segment.in-use").text("/detail").contains("Top"), "{removed:?}");
    api.post("segments", &json!({"name": "Base", "expression": "true"})).refused(422, "segment.name-taken");
    let unknown = api.post("segments", &json!({"name": "x", "expression": "inAudience(\"Bas\")"}));
    assert_eq!(unknown.refused(422, "segment.expression").text("/errors/0/suggestion"), "Base");

    // Another rule below moves who is above, without anything happening to them.
    change(&base, "Base", "person.department == \"Sales\"").is(200);
    caught_up(&api);
    assert_eq!((members(&api, &base), members(&api, &top)), (vec!["bob".to_owned()], vec![]));
    let stale = api.json(
        Method::PUT,
        &format!("segments/{base}"),
        &[("if-match", "\"1\"")],
        &json!({"name": "Base", "expression": "true"}),
    );
    stale.refused(412, "store.version-mismatch");
    api.send(Method::DELETE, &format!("segments/{top}"), &[], Vec::new()).is(204);
    api.send(Method::DELETE, &format!("segments/{base}"), &[], Vec::new()).is(204);
    api.get(&format!("segments/{base}")).refused(404, "segment.missing");
}

#[test]
fn streaming_that_cannot_be_is_refused_with_the_reason_and_the_fix() {
    let api = business();
    let rule = "person.department == \"HR\" &&\n person.accounts.exists(a, a.industry == \"Finance\")";
    let refused = api.post("segments", &json!({"name": "x", "expression": rule, "evaluation": "streaming"}));
    let error = &refused.refused(422, "segment.expression").body["errors"][0];
    assert_eq!((&error["code"], &error["place"]["line"]), (&json!("segment.not-streaming"), &json!(2)), "{error}");
    let said = error["message"].as_str().unwrap();
    assert!(said.contains("accounts") && said.contains("inAudience("), "{said}");

    let checked = api.post("segments/check", &json!({"expression": rule}));
    let body = &checked.is(200).body;
    assert_eq!(
        (&body["evaluation"], &body["because"]["hop"], &body["because"]["line"]),
        (&json!("batch"), &json!("accounts"), &json!(2)),
        "{body}"
    );
    assert_eq!(body["reads"], json!(["person.department", "account.industry"]));
    assert!(body["cost"]["records"].as_u64().unwrap() >= 5, "{body}");
    // What could be in streaming may be asked to be in batch, and not the other way round.
    let batch = make(&api, &json!({"name": "b", "expression": "person.department == \"HR\"", "evaluation": "batch"}));
    caught_up(&api);
    assert_eq!(
        (api.get(&format!("segments/{batch}")).text("/evaluation"), members(&api, &batch)),
        ("batch", vec!["ann".to_owned(), "cid".into()])
    );
    let streaming = person(&api, "s", "person.department == \"HR\"");
    caught_up(&api);
    api.post("evaluations", &json!({"segments": [streaming]})).refused(422, "segment.streaming");
    assert_eq!(
        evaluated(&api, &api.post("evaluations", &json!({"segments": [batch]})))["segments"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn an_event_enters_at_once_and_a_batch_audience_below_is_followed() {
    let api = business();
    let makers = person(
        &api,
        "makers",
        "person.opportunity_relations.exists(r, r.person_role == \"Decision Maker\" && r.opportunity.account.industry == \"Finance\")",
    );
    let hot = person(
        &api,
        "hot",
        "inAudience(\"makers\") && events.exists(e, e.page == \"/pricing\" && e.time.within(last(days(1))))",
    );
    caught_up(&api);
    assert_eq!((members(&api, &makers), members(&api, &hot)), (vec!["bob".to_owned()], vec![]));
    let view = |id: &str, email: &str| json!([{"id": id, "fields": {"type": "web.webpagedetails.pageViews", "email": email, "page": "/pricing"}}]);
    send(&api, "activity", &view("e1", "bob@x.com"));
    send(&api, "activity", &view("e2", "ann@x.com"));
    caught_up(&api);
    assert_eq!(members(&api, &hot), ["bob"]);
    let bob = id_of(&api, "bob");
    let history = api.get(&format!("profiles/{bob}/memberships"));
    assert_eq!((history.text("/items/0/segment"), history.text("/items/0/cause")), (hot.as_str(), "event"));

    let why = api.get(&format!("segments/{hot}/explanation?profile={bob}"));
    assert_eq!((&why.is(200).body["is_member"], &why.body["now"]["member"]), (&json!(true), &json!(true)), "{why:?}");
    // Which evaluation the audience below is of.
    let of = api.get(&format!("segments/{makers}")).text("/result_of").to_owned();
    let asked = &why.body["asks_for"][0];
    assert_eq!((&asked["name"], asked["result_of"].as_str()), (&json!("makers"), Some(of.as_str())), "{why:?}");
    assert_eq!(asked["result_as_of"], api.get(&format!("evaluations/{of}")).body["as_of"]);
    let text = why.text("/text");
    assert!(
        text.contains("inAudience(\"makers\") is true") && text.contains(&format!("are those of {of}, as of 20")),
        "{text}"
    );
    let why_not = api.get(&format!("segments/{hot}/explanation?profile={}", id_of(&api, "cid")));
    let leaves = why_not.is(200).body["now"]["leaves"].as_array().unwrap().clone();
    assert!(
        leaves
            .iter()
            .any(|leaf| leaf["clause"] == format!("inAudience(\"{makers}\")") && leaf["decided"] == json!(true)),
        "{why_not:?}"
    );
    // Of a rule that goes elsewhere, too.
    let why = api.get(&format!("segments/{makers}/explanation?profile={bob}"));
    assert_eq!(
        (&why.is(200).body["now"]["member"], &why.body["result_of"].is_string()),
        (&json!(true), &true),
        "{why:?}"
    );

    // The role goes: the batch audience follows with its next evaluation, and the one above it with that.
    send(&api, "opportunity_person", &json!([{"id": "r1", "kind": "deleted", "at": "2100-01-01T00:00:00Z"}]));
    caught_up(&api);
    assert_eq!(members(&api, &hot), ["bob"]);
    evaluate(&api);
    caught_up(&api);
    assert_eq!((members(&api, &makers), members(&api, &hot)), (Vec::<String>::new(), vec![]));
}

#[test]
fn a_rule_is_tried_and_compared_before_it_is_kept() {
    let api = business();
    let segment = person(&api, "HR", "person.department == \"HR\"");
    let other = person(&api, "Finance", "person.accounts.exists(a, a.industry == \"Technology\")");
    caught_up(&api);
    let names = |answer: &Answer, at: &str| {
        let samples = answer.is(200).body.pointer(at).unwrap().as_array().unwrap().clone();
        named(&api, samples.into_iter().map(|it| it["profile"].as_str().unwrap().to_owned()))
    };
    let preview = api.post(
        "segments/preview",
        &json!({"expression": "person.accounts.exists(a, a.industry == \"Finance\")", "samples": 5}),
    );
    assert_eq!(
        (names(&preview, "/samples"), &preview.body["count"], &preview.body["of"]),
        (vec!["ann".to_owned(), "cid".into()], &json!(2), &json!(3))
    );
    assert_eq!(preview.text("/samples/0/attributes/email"), "ann@x.com");
    let compared = api.post(
        &format!("segments/{segment}/compare"),
        &json!({"expression": "person.accounts.exists(a, a.name == \"Bodea\")"}),
    );
    assert_eq!(
        (names(&compared, "/entering/samples"), names(&compared, "/leaving/samples"), &compared.body["staying"]),
        (vec!["bob".to_owned()], vec!["cid".into()], &json!(1))
    );
    let overlap = api.get(&format!("segments/{segment}/overlap?with={other}"));
    assert_eq!(overlap.is(200).body["overlaps"][0], json!({"with": other, "members": 2, "common": 1}));
    assert_eq!(members(&api, &segment), ["ann", "cid"], "nothing was stored");
    api.get(&format!("segments/{segment}/overlap?with=seg_none")).refused(404, "segment.missing");
    api.post("segments/preview", &json!({"expression": "person.nothing"})).refused(422, "segment.expression");
}

#[test]
fn a_schedule_is_put_whole_and_followed() {
    let api = business();
    assert_eq!(api.get("evaluation-schedule").is(200).body, json!({"every_seconds": 900}));
    let put = |body: Value| api.json(Method::PUT, "evaluation-schedule", &[], &body);
    let wrong = put(json!({"cron": "0 25 * * *"}));
    assert_eq!(wrong.refused(422, "request.invalid").text("/errors/0/field"), "/cron");
    put(json!({"every_seconds": 1})).refused(422, "request.invalid");
    put(json!({"cron": "0 6 * * *", "zone": "Europe/Berlin"})).refused(422, "request.invalid");
    put(json!({"cron": "0 6 * * mon-fri"})).is(200);
    assert_eq!(api.get("evaluation-schedule").body, json!({"cron": "0 6 * * mon-fri"}));
}

#[test]
fn bad_input_is_refused_or_has_a_meaning() {
    let api = business();
    let deep = |open: &str, close: &str| format!("{}true{}", open.repeat(10_000), close.repeat(10_000));
    let wide = vec!["person.person_score > 1"; 4_000].join(" || ");
    for (rule, code) in [
        (deep("(", ")"), "expr.too-large"),
        (deep("!", ""), "expr.too-large"),
        (wide, "expr.too-large"),
        (format!("person.email == \"{}\"", "x".repeat(1_000_000)), "expr.too-large"),
        ("person.shoe_size > 1".into(), "expr.unknown-name"),
        ("person.person_score == \"many\"".into(), "expr.type"),
        ("person.email".into(), "expr.type"),
        ("events.exists(e, e.time.within(last(days(-365))))".into(), "expr.literal"),
        ("person.created_date.between(\"2026-02-30\", \"2026-03-01\")".into(), "expr.literal"),
    ] {
        let refused = api.post("segments", &json!({"name": "x", "expression": rule}));
        let found = refused.refused(422, "segment.expression").text("/errors/0/code");
        assert_eq!(found, code, "{}", rule.chars().take(60).collect::<String>());
    }
    send(
        &api,
        "person",
        &json!([{"id": "d", "fields": {"email": "dee@x.com", "person_score": 7, "account_key": key("acme")}}]),
    );
    // Unknown for whom it is a fault, and told; the rest of the rule decides where it can.
    let rules = [
        ("zero", "10 / (person.person_score - 7) > 1", "zero"),
        ("over", "person.person_score * 9223372036854775807 > 1", "expr"),
        ("money", "person.accounts.exists(a, a.opportunities.sum(o, o.amount) > 1)", ""),
    ];
    send(
        &api,
        "opportunity",
        &json!([{"id": "pound", "fields": {"amount": "5", "amount_currency": "GBP", "account_key": key("acme")}}]),
    );
    let made: Vec<String> = rules.iter().map(|(name, rule, _)| person(&api, name, rule)).collect();
    caught_up(&api);
    let dee = id_of(&api, "dee");
    for (id, (name, _, _)) in made.iter().zip(&rules) {
        assert!(!members(&api, id).contains(&"dee".to_owned()), "{name}");
    }
    for id in &made[..2] {
        let why = api.get(&format!("segments/{id}/explanation?profile={dee}"));
        assert!(why.is(200).body["now"]["leaves"][0]["fault"].is_string(), "{why:?}");
    }
    // With a rate for the pound, what was unknown is known.
    let rates = json!({"base": "USD", "rates": [{"currency": "GBP", "from": "2020-01-01", "rate": "1.25"}]});
    api.json(Method::PUT, "exchange-rates/USD", &[], &rates).is(200);
    evaluate(&api);
    assert!(members(&api, &made[2]).contains(&"dee".to_owned()));
}
