//! Audiences made of audiences.

use crate::audiences::{evaluate, make, members, send};
use crate::harness::{Api, Harness};
use crate::journey::caught_up;
use serde_json::{Value, json};
use ureq::http::Method;

/// Each company is in the first of three audiences that fits, also when it moves from one to another.
#[test]
fn a_waterfall_has_everybody_in_the_first_that_fits() {
    let api = Harness::sandbox();
    send_companies(&api);
    let deal = |id: &str, stage: &str| json!([{"id": "o", "fields": {"account_key": format!("{id}@shop.Web"), "stage": stage, "is_closed": false}}]);
    send(&api, "opportunity", &deal("a", "Negotiation"));
    let steps = [
        ("first", "account.opportunities.exists(o, !o.is_closed && o.stage == \"Negotiation\")"),
        ("second", "account.number_of_employees >= 500 && !inAudience(\"first\")"),
        ("third", "account.industry == \"Technology\" && !inAudience(\"first\") && !inAudience(\"second\")"),
    ];
    let ids = steps.map(|(name, rule)| make(&api, &json!({"name": name, "entity": "account", "expression": rule})));
    caught_up(&api);
    let all = || ids.iter().map(|id| members(&api, id).join(" ")).collect::<Vec<_>>();
    assert_eq!(all(), ["a", "b", "c"]);
    // The deal is another company's by now: both move, in one evaluation.
    send(
        &api,
        "opportunity",
        &json!([{"id": "o", "at": "2100-01-01T00:00:00Z", "fields": {"account_key": "c@shop.Web", "stage": "Negotiation", "is_closed": false}}]),
    );
    let run = evaluate(&api);
    assert_eq!(run["segments"].as_array().unwrap().len(), 3);
    assert_eq!(all(), ["c", "a b", ""]);
}

/// `a` and `b` are large, `a` more so; all but `d` are of one industry.
fn send_companies(api: &Api) {
    let company = |id: &str, employees: u32, industry: &str| json!({"id": id, "fields": {"name": id, "number_of_employees": employees, "industry": industry}});
    send(
        api,
        "account",
        &json!([
            company("a", 900, "Technology"),
            company("b", 600, "Technology"),
            company("c", 5, "Technology"),
            company("d", 5, "Retail")
        ]),
    );
}

/// Four companies, and three audiences of them: one of `a`, one of `a` and `b`, one of `a`, `b` and `c`.
fn companies(api: &Api) -> [String; 3] {
    send_companies(api);
    let rules = [
        ("huge", "account.number_of_employees > 800"),
        ("large", "account.number_of_employees > 500"),
        ("tech", "account.industry == \"Technology\""),
    ];
    let ids = rules.map(|(name, rule)| make(api, &json!({"name": name, "entity": "account", "expression": rule})));
    caught_up(api);
    ids
}

fn of_steps(answer: &Value, field: &str) -> Vec<String> {
    let text = |step: &Value| step[field].as_str().map_or_else(|| step[field].to_string(), str::to_owned);
    answer["steps"].as_array().unwrap().iter().map(text).collect()
}

/// One request puts audiences in an order, and another one in another: each company is in the first that has it.
#[test]
fn an_order_is_one_request_and_so_is_another_order() {
    let api = Harness::sandbox();
    let [huge, large, tech] = companies(&api);
    let order = |audiences: &[&String]| json!({"name": "Priority", "audiences": audiences});
    let preview = |audiences: &[&String]| {
        let found = api.post("waterfalls/preview", &json!({"audiences": audiences}));
        assert_eq!(found.is(200).body["of"], 4);
        (of_steps(&found.body, "takes").join(" "), of_steps(&found.body, "alone").join(" "))
    };
    assert_eq!(preview(&[&huge, &large, &tech]), ("1 1 1".into(), "1 2 3".into()));
    assert_eq!(preview(&[&tech, &large, &huge]), ("3 0 0".into(), "3 2 1".into()));

    let made = api.post("waterfalls", &order(&[&huge, &large, &tech]));
    let id = made.is(201).text("/id").to_owned();
    assert_eq!(made.header("location"), format!("/v1/sandboxes/{}/waterfalls/{id}", api.sandbox));
    let segments = of_steps(&made.body, "segment");
    caught_up(&api);
    let all = |segments: &[String]| segments.iter().map(|id| members(&api, id).join(" ")).collect::<Vec<_>>();
    assert_eq!(all(&segments), ["a", "b", "c"]);
    let shown = api.get(&format!("waterfalls/{id}"));
    assert_eq!(of_steps(&shown.is(200).body, "takes"), ["1", "1", "1"]);
    assert_eq!(of_steps(&shown.body, "alone"), ["1", "2", "3"]);
    let second = api.get(&format!("segments/{}", segments[1]));
    assert_eq!((second.is(200).text("/name"), second.text("/waterfall")), ("Priority: large", id.as_str()));

    // Another order: the steps keep their segments, and all move at once.
    let place = format!("waterfalls/{id}");
    let put = |body: &Value| api.json(Method::PUT, &place, &[], body);
    let changed = put(&order(&[&tech, &huge, &large]));
    assert_eq!(
        of_steps(&changed.is(200).body, "segment"),
        [&segments[2], &segments[0], &segments[1]].map(String::as_str)
    );
    caught_up(&api);
    assert_eq!(all(&segments), ["", "", "a b c"]);
    evaluate(&api);
    assert_eq!(all(&segments), ["", "", "a b c"]);

    // Without the first audience, its companies are in the next that has them; its segment is gone.
    put(&order(&[&large, &huge])).is(200);
    caught_up(&api);
    assert_eq!(all(&segments[..2]), ["", "a b"]);
    api.get(&format!("segments/{}", segments[2])).refused(404, "segment.missing");

    // With another name, the steps have another.
    let renamed = put(&json!({"name": "Order", "audiences": [&large, &huge]}));
    assert_eq!(renamed.is(200).text("/name"), "Order");
    assert_eq!(api.get(&format!("segments/{}", segments[0])).is(200).text("/name"), "Order: huge");
    assert_eq!(api.get("waterfalls").is(200).body["items"].as_array().unwrap().len(), 1);

    api.send(Method::DELETE, &place, &[], Vec::new()).is(204);
    api.get(&place).refused(404, "waterfall.missing");
    api.get(&format!("segments/{}", segments[0])).refused(404, "segment.missing");
    assert_eq!(members(&api, &large), ["a", "b"]);
}

#[test]
fn a_waterfall_is_changed_as_a_whole() {
    let api = Harness::sandbox();
    let [huge, large, tech] = companies(&api);
    let made = api.post("waterfalls", &json!({"name": "Priority", "audiences": [&huge, &large]}));
    let (id, segments) = (made.is(201).text("/id").to_owned(), of_steps(&made.body, "segment"));
    let place = format!("waterfalls/{id}");
    let put = |body: &Value| api.json(Method::PUT, &place, &[], body);
    // Neither a step by hand, nor an audience that it is of.
    let step = format!("segments/{}", segments[0]);
    let rule = json!({"name": "mine", "entity": "account", "expression": "true"});
    api.json(Method::PUT, &step, &[], &rule).refused(422, "segment.of-waterfall");
    api.send(Method::DELETE, &step, &[], Vec::new()).refused(422, "segment.of-waterfall");
    api.send(Method::DELETE, &format!("segments/{large}"), &[], Vec::new()).refused(409, "segment.in-use");

    // What hangs on a step keeps it, in its place or another.
    caught_up(&api);
    let asks = make(
        &api,
        &json!({"name": "asks", "entity": "account", "expression": format!("inAudience(\"{}\")", segments[1])}),
    );
    put(&json!({"name": "Priority", "audiences": [&huge, &tech]})).refused(409, "segment.in-use");
    put(&json!({"name": "Other", "audiences": [&huge, &large]})).refused(409, "segment.in-use");
    api.send(Method::DELETE, &place, &[], Vec::new()).refused(409, "segment.in-use");
    put(&json!({"name": "Priority", "audiences": [&large, &huge]})).is(200);
    caught_up(&api);
    assert_eq!(members(&api, &segments[1]), ["a", "b"]);
    // Who asks for a step follows with the next evaluation of everything, as of any audience.
    evaluate(&api);
    assert_eq!(members(&api, &asks), ["a", "b"]);

    // What cannot be in an order.
    let person = make(&api, &json!({"name": "person", "expression": "true"}));
    let many: Vec<&String> = std::iter::repeat_n(&huge, 51).collect();
    for audiences in
        [json!([]), json!([huge]), json!([huge, huge]), json!([huge, person]), json!(many), json!([huge, segments[1]])]
    {
        put(&json!({"name": "Priority", "audiences": audiences})).refused(422, "request.invalid");
    }
    put(&json!({"name": "Priority", "audiences": [huge, "seg_none"]})).refused(404, "segment.missing");
    // The step of `large` would leave out who asks for that step.
    put(&json!({"name": "Priority", "audiences": [asks, large, huge]})).refused(422, "segment.expression");
    let stale = [("if-match", "\"1\"")];
    let body = json!({"name": "Priority", "audiences": [&huge, &large]});
    api.json(Method::PUT, &place, &stale, &body).refused(412, "store.version-mismatch");
    // Nothing of that was done.
    assert_eq!(of_steps(&api.get(&place).is(200).body, "audience"), [&large, &huge].map(String::as_str));
    let log = api.audit();
    let told = |action: &str| {
        log.is(200).body["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["action"] == action && it["subject"] == id.as_str())
            .count()
    };
    assert_eq!((told("waterfall.created"), told("waterfall.changed")), (1, 1));
}

/// With the change that moves them, persons go from one step to another.
#[test]
fn persons_go_down_a_waterfall_as_they_change() {
    let api = Harness::sandbox();
    let person = |id: &str, title: &str, department: &str, at: &str| json!([{"id": id, "at": at, "fields": {"email": format!("{id}@x.com"), "job_title": title, "department": department}}]);
    send(&api, "person", &person("ann", "CIO", "IT", "2026-01-01T00:00:00Z"));
    send(&api, "person", &person("bob", "Clerk", "IT", "2026-01-01T00:00:00Z"));
    let segment = |name: &str, rule: &str| make(&api, &json!({"name": name, "expression": rule}));
    let chiefs = segment("chiefs", "person.job_title == \"CIO\"");
    let it = segment("it", "person.department == \"IT\"");
    let made = api.post("waterfalls", &json!({"name": "Reach", "audiences": [&chiefs, &it]}));
    let segments = of_steps(&made.is(201).body, "segment");
    caught_up(&api);
    let all = || segments.iter().map(|id| members(&api, id).join(" ")).collect::<Vec<_>>();
    assert_eq!(all(), ["ann", "bob"]);
    assert_eq!(api.get(&format!("segments/{}", segments[1])).is(200).text("/evaluation"), "streaming");
    send(&api, "person", &person("bob", "CIO", "IT", "2026-02-01T00:00:00Z"));
    send(&api, "person", &person("ann", "Clerk", "IT", "2026-02-01T00:00:00Z"));
    caught_up(&api);
    assert_eq!(all(), ["bob", "ann"]);
}
