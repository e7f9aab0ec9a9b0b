//! Budgets of vendors' instances: one for all who use an instance, kept over restarts, bounded by operators.

use crate::harness::{Answer, Api, Harness};
use crate::journey::vendors_of;
use attiva_simulators::marketo::{Fault, Injection, Limits, Marketo, MarketoConfig};
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Method;

const LIMITS: Limits = Limits { per_20_s: 50, concurrent: 1, daily: 24 };

fn marketo(config: MarketoConfig) -> Marketo {
    let started = Marketo::start(MarketoConfig { leads: 200, ..config });
    Harness::shared().runtime.block_on(started).unwrap()
}

fn connect(api: &Api, vendor: &Marketo, munchkin: &str) -> String {
    let config = vendor.config();
    let body = json!({"name": "m", "plugin": "source-marketo", "grants": {"api": vendor.base_url()}, "configuration": {
        "munchkin_id": munchkin, "client_id": config.client_id, "client_secret": config.client_secret, "poll_seconds": 1}});
    api.post("connections", &body).is(201).text("/id").to_owned()
}

fn limit(api: &Api, munchkin: &str, limits: &Value) -> Answer {
    api.json(Method::PUT, &format!("/v1/quotas/Marketo/{munchkin}/limits"), &[], &json!({ "limits": limits }))
}

fn quota(api: &Api, munchkin: &str) -> Value {
    api.get(&format!("/v1/quotas/Marketo/{munchkin}")).is(200).body.clone()
}

fn of<'a>(quota: &'a Value, kind: &str) -> &'a Value {
    quota["limits"].as_array().unwrap().iter().find(|limit| limit["kind"] == kind).unwrap()
}

/// Begins a run, and returns where it is told how it goes; or the code of the fault it could not begin for.
fn begin(api: &Api, connection: &str) -> Result<String, String> {
    let begun = api.post(&format!("connections/{connection}/runs"), &json!({}));
    match begun.status {
        202 => Ok(begun.header("location").to_owned()),
        _ => Err(begun.text("/code").to_owned()),
    }
}

/// How it ended: empty, or the code of its fault.
fn ended(api: &Api, begun: Result<String, String>) -> String {
    let Ok(place) = begun else { return begun.unwrap_err() };
    loop {
        let operation = api.get(&place);
        if operation.is(200).body["done"] == true {
            return operation.text("/fault/code").to_owned();
        }
        // What reading takes of a day is spent: it waits for the next.
        if operation.body["status"] == "waiting" && operation.text("/phase").contains("calls of") {
            return "quota.streams".to_owned();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_sandboxes_on_one_instance_never_make_it_refuse_a_call() {
    let munchkin = "301-QUO-301";
    let vendor = marketo(MarketoConfig { limits: LIMITS, ..MarketoConfig::default() });
    vendor.inject(Injection::from(Fault::Delay { ms: 20 }).for_ever());
    let (one, two) = (Harness::sandbox(), Harness::sandbox());
    let connections = [(&one, connect(&one, &vendor, munchkin)), (&two, connect(&two, &vendor, munchkin))];
    limit(
        &one,
        munchkin,
        &json!([{"kind": "concurrent", "calls": 1}, {"kind": "day", "calls": 24},
        {"kind": "streams", "percent": 100, "shares": {}}]),
    )
    .is(200);
    let begun: Vec<_> = connections.iter().map(|(api, connection)| (*api, begin(api, connection))).collect();
    let codes: Vec<String> = begun.into_iter().map(|(api, begun)| ended(api, begun)).collect();
    assert!(codes.iter().any(|code| code.starts_with("quota.")), "a day of 24 calls is too short for both: {codes:?}");
    let received = vendor.received();
    for code in ["606", "607", "615"] {
        assert_eq!(received.by_code.get(code), None, "{:?}", received.by_code);
    }
    let quota = quota(&one, munchkin);
    let day = of(&quota, "day");
    assert_eq!((&day["declared"], &day["set"]), (&json!(50_000), &json!(24)));
    let spent = day["spent"].as_u64().unwrap();
    assert!((20..=24).contains(&spent), "the last calls are left to whoever is in more of a hurry: {quota}");
    assert!(day["resets_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{quota}");
    let by_each: Vec<u64> = quota["spent"].as_array().unwrap().iter().map(|s| s["calls"].as_u64().unwrap()).collect();
    assert_eq!((by_each.len(), by_each.iter().sum::<u64>()), (2, spent));
    assert!(by_each.iter().all(|calls| *calls >= 3), "{by_each:?}");

    // Nobody else may say what holds, and what nobody declares cannot be said.
    let stranger = Harness::shared().stranger();
    assert_eq!(limit(&stranger, munchkin, &json!([])).status, 403);
    assert_eq!(stranger.get(&format!("/v1/quotas/Marketo/{munchkin}")).status, 404);
    for wrong in [json!([{"kind": "window", "seconds": 7, "calls": 1}]), json!([{"kind": "day", "calls": 0}])] {
        limit(&one, munchkin, &wrong).refused(422, "request.invalid");
    }
    let audit = one.audit().body["items"].to_string();
    assert!(audit.contains("quota.limited") && audit.contains(munchkin), "{audit}");
}

/// Whoever uses it, and with whichever connector: a vendor counts the calls of its instance.
#[test]
fn two_organisations_with_two_plugins_have_one_budget() {
    let munchkin = "304-QUO-304";
    let vendor = marketo(MarketoConfig { limits: Limits { daily: 1_000, ..LIMITS }, ..MarketoConfig::default() });
    vendor.inject(Injection::from(Fault::Delay { ms: 20 }).for_ever());
    let reads = Harness::sandbox();
    let (_, writes) = crate::tenancy::organisation(Harness::shared(), "writes to the same");
    let source = connect(&reads, &vendor, munchkin);
    let config = vendor.config();
    let body = json!({"name": "d", "plugin": "destination-marketo", "grants": {"api": vendor.base_url()}, "configuration": {
        "munchkin_id": munchkin, "client_id": config.client_id, "client_secret": config.client_secret}});
    let destination = writes.post("connections", &body).is(201).text("/id").to_owned();
    // The vendor takes one call at a time: whoever is not waited for makes it refuse.
    limit(&reads, munchkin, &json!([{"kind": "concurrent", "calls": 1}])).is(200);
    std::thread::scope(|threads| {
        for (api, connection) in [(&reads, &source), (&writes, &destination)] {
            for _ in 0..2 {
                threads.spawn(move || {
                    for what in ["check", "discover"] {
                        api.post(&format!("connections/{connection}/{what}"), &json!({})).is(200);
                    }
                });
            }
        }
    });
    let received = vendor.received();
    assert!(!["606", "607", "615"].iter().any(|code| received.by_code.contains_key(*code)), "{:?}", received.by_code);
    let spent = |quota: &Value| of(quota, "day")["spent"].as_u64().unwrap();
    let own =
        |quota: &Value| quota["spent"].as_array().unwrap().iter().map(|s| s["calls"].as_u64().unwrap()).sum::<u64>();
    let (of_reader, of_writer) = (quota(&reads, munchkin), quota(&writes, munchkin));
    assert_eq!(spent(&of_reader), spent(&of_writer), "one budget");
    assert!(own(&of_reader) > 0 && own(&of_writer) > 0, "{of_reader} {of_writer}");
    // Each is told how much others took, and not who they are.
    for (mine, theirs) in [(&of_reader, &of_writer), (&of_writer, &of_reader)] {
        assert_eq!(mine["spent_by_others"].as_u64().unwrap(), own(theirs), "{mine}");
        assert_eq!(own(mine) + own(theirs), spent(mine), "{mine}");
    }
    assert!(!of_reader.to_string().contains(&destination) && !of_writer.to_string().contains(&source));
}

#[test]
fn somebody_else_who_uses_the_instance_is_seen_and_given_way_to() {
    let munchkin = "302-QUO-302";
    let vendor = marketo(MarketoConfig::default());
    let api = Harness::sandbox();
    let connection = connect(&api, &vendor, munchkin);
    let discover = || api.post(&format!("connections/{connection}/discover"), &json!({}));
    discover().is(200);
    vendor.inject(Fault::RateLimited);
    assert_eq!(discover().text("/code"), "marketo.606");
    let held = quota(&api, munchkin);
    assert_eq!((&held["foreign"]["code"], &held["foreign"]["kind"]), (&json!("marketo.606"), &json!("window")));
    let window = of(&held, "window");
    assert_eq!((&window["held_back"], &window["calls"]), (&json!(true), &json!(25)), "half of it: {held}");
    assert!(window["frees_at"].is_string());
    let before = vendor.received().total;
    api.json(Method::POST, &format!("/v1/quotas/Marketo/{munchkin}/release"), &[], &json!({})).is(200);
    discover().is(200);
    assert!(vendor.received().total > before);

    vendor.inject(Fault::DailyQuotaReached);
    assert_eq!(discover().text("/code"), "marketo.607");
    let before = vendor.received().total;
    let spent = discover();
    assert_eq!((spent.status, spent.text("/code")), (429, "quota.day"), "{spent:?}");
    assert!(spent.text("/detail").contains("Marketo `302-QUO-302`"), "{spent:?}");
    assert_eq!(vendor.received().total, before, "it is not asked again before its midnight");
    assert_eq!(of(&quota(&api, munchkin), "day")["left"], 0);
}

#[test]
fn what_is_spent_and_what_was_set_outlive_a_restart() {
    let munchkin = "303-QUO-303";
    let vendors = vendors_of(MarketoConfig { leads: 20, ..MarketoConfig::default() });
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    let body = json!({"name": "m", "plugin": "source-marketo", "grants": {"api": vendors.url()}, "configuration": {
        "munchkin_id": munchkin, "client_id": vendors.config().client_id, "client_secret": vendors.secret()}});
    let connection = api.post("connections", &body).is(201).text("/id").to_owned();
    limit(&api, munchkin, &json!([{"kind": "day", "calls": 1_000}, {"kind": "window", "seconds": 20, "calls": 100}]))
        .is(200);
    api.post(&format!("connections/{connection}/discover"), &json!({})).is(200);
    let before = quota(&api, munchkin);
    let spent = of(&before, "day")["spent"].as_u64().unwrap();
    assert!(spent > 0, "{before}");

    let harness = harness.restarted(|| {});
    let api = Api { url: harness.host.url(), ..api };
    let after = quota(&api, munchkin);
    assert_eq!((of(&after, "day")["spent"].as_u64(), &of(&after, "day")["set"]), (Some(spent), &json!(1_000)));
    assert_eq!(of(&after, "window")["set"], 100);
    assert_eq!(after["spent"], before["spent"]);
    let declared = api.send(Method::DELETE, &format!("/v1/quotas/Marketo/{munchkin}/limits"), &[], Vec::new());
    assert_eq!(of(&declared.is(200).body, "day")["calls"], 50_000);
}

#[test]
fn what_went_over_the_wire_for_a_record_is_shown_without_secrets() {
    let munchkin = "304-QUO-304";
    let vendor = marketo(MarketoConfig::default());
    let api = Harness::sandbox();
    let connection = connect(&api, &vendor, munchkin);
    api.post(&format!("connections/{connection}/discover"), &json!({})).is(200);
    // They are kept a moment later.
    let found = loop {
        let found = api.get(&format!("connections/{connection}/exchanges?containing=describe"));
        if !found.is(200).body["items"].as_array().unwrap().is_empty() {
            break found;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let exchange = &found.body["items"][0];
    assert_eq!(
        (&exchange["method"], &exchange["status"], &exchange["credential"]),
        (&json!("GET"), &json!(200), &json!("marketo"))
    );
    assert!(exchange["response_body"]["text"].as_str().unwrap().contains("\"success\":true"), "{exchange}");
    assert!(!found.text.contains(&vendor.config().client_secret) && !found.text.contains("Bearer"), "{}", found.text);
    let none = api.get(&format!("connections/{connection}/exchanges?containing=nobody-has-said-this"));
    assert_eq!(none.is(200).body["items"], json!([]));
    assert_eq!(Harness::shared().stranger().get(&format!("connections/{connection}/exchanges")).status, 404);
}

#[test]
fn a_dataset_that_would_take_all_leaves_the_others_theirs_and_says_why_it_waits() {
    let munchkin = "305-QUO-305";
    let vendor = marketo(MarketoConfig::default());
    let api = Harness::sandbox();
    let config = vendor.config();
    // From 2006 on: some 250 exports, and each takes several calls.
    let body = json!({"name": "m", "plugin": "source-marketo", "grants": {"api": vendor.base_url()},
        "streams": ["persons", "static_lists"], "configuration": {
        "munchkin_id": munchkin, "client_id": config.client_id, "client_secret": config.client_secret, "poll_seconds": 1}});
    let connection = api.post("connections", &body).is(201).text("/id").to_owned();
    let declared = quota(&api, munchkin);
    let share = |quota: &Value, stream: &str| {
        let shares = quota["streams"].as_array().unwrap();
        let share = shares.iter().find(|share| share["stream"] == stream).unwrap_or(&Value::Null);
        (share["calls"].as_u64(), share["spent"].as_u64())
    };
    assert_eq!(share(&declared, "persons"), (Some(5_000), Some(0)), "a fifth of half a day: {declared}");

    let divided = json!([{"kind": "day", "calls": 80},
        {"kind": "streams", "percent": 50, "shares": {"persons": 25, "static_lists": 25}}]);
    limit(&api, munchkin, &divided).is(200);
    let begun = begin(&api, &connection).unwrap();
    let run = begun.rsplit("op_").next().unwrap().to_owned();
    let waiting = loop {
        let run = api.get(&format!("runs/{run}")).is(200).body.clone();
        if run["status"] == "waiting" && run["streams"][0].get("held_back").is_some() {
            break run;
        }
        assert!(run.get("ended_at").is_none(), "{run}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let held_back = &waiting["streams"][0]["held_back"];
    let code = held_back["code"].as_str().unwrap();
    assert!(["quota.share", "quota.streams"].contains(&code), "{waiting}");
    assert_eq!((&waiting["streams"][1]["caught_up"], &waiting["streams"][1]["pages"]), (&json!(true), &json!(1)));
    let how_far = waiting["streams"][0]["estimate"]["phase"].as_str().unwrap();
    assert!(how_far.contains("history ends"), "when, or why nobody can tell: {how_far}");
    assert!(waiting["waiting_until"].is_string() && waiting.get("fault").is_none(), "{waiting}");
    assert_eq!(api.get(&begun).text("/phase"), held_back["message"].as_str().unwrap());
    let spent = quota(&api, munchkin);
    let (persons, lists) = (share(&spent, "persons").1.unwrap(), share(&spent, "static_lists").1.unwrap());
    // A page is read to its end, so it may have taken a few calls more than there was room for.
    assert!(persons >= 5 && persons + lists <= 40 + 5, "{spent}");
    assert!(lists >= 1, "{spent}");

    // An operator gives more, and the next run goes on at once.
    api.post(&format!("runs/{run}/cancel"), &json!({})).is(202);
    while api.get(&begun).is(200).body["done"] != true {
        std::thread::sleep(Duration::from_millis(20));
    }
    limit(&api, munchkin, &json!([{"kind": "streams", "percent": 100, "shares": {"persons": 100}}])).is(200);
    let begun = begin(&api, &connection).unwrap();
    let run = begun.rsplit("op_").next().unwrap().to_owned();
    let before = waiting["streams"][0]["pages"].as_u64().unwrap();
    loop {
        let run = api.get(&format!("runs/{run}")).is(200).body.clone();
        assert!(run["streams"][0].get("held_back").is_none(), "{run}");
        if run["streams"][0]["pages"].as_u64() > Some(before) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    api.post(&format!("runs/{run}/cancel"), &json!({})).is(202);
    for wrong in [
        json!([{"kind": "streams", "percent": 0}]),
        json!([{"kind": "streams", "percent": 50, "shares": {"persons": 60, "activities": 41}}]),
        json!([{"kind": "streams", "percent": 50, "shares": {"nobody": 1}}]),
        json!([{"kind": "streams", "percent": 50}, {"kind": "streams", "percent": 60}]),
    ] {
        limit(&api, munchkin, &wrong).refused(422, "request.invalid");
    }
}
