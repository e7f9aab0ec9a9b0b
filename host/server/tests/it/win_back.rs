//! Whoever decided on a deal that was lost this year and looks at prices again, and is on no open deal: to a list of Marketo,
//! made there where they are missing, and never without consent.

use crate::account_activations::{activation, with};
use crate::audiences::{evaluate, key, make, members, send};
use crate::harness::{Api, Harness};
use crate::journey::{caught_up, vendors_of, work};
use crate::preflight::connect;
use attiva_core::time::format_timestamp;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use ureq::http::Method;

const RULE: &str = "person.opportunity_relations.exists(r, r.person_role == \"Decision Maker\" && r.opportunity.is_closed \
    && !r.opportunity.is_won && r.opportunity.actual_close_date.within(last(months(12)))) \
    && events.exists(e, e.page == \"/pricing\" && e.time.within(last(days(3)))) \
    && person.opportunities_by_role.none(o, !o.is_closed)";

fn days_ago(days: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format_timestamp(i64::try_from(now.as_millis()).unwrap() - days * 86_400_000)
}

fn day(days: i64) -> String {
    days_ago(days)[..10].to_owned()
}

fn deal(id: &str, closed: Option<i64>) -> Value {
    let mut fields = json!({ "name": id, "is_closed": closed.is_some(), "is_won": false });
    if let Some(days) = closed {
        fields["actual_close_date"] = day(days).into();
    }
    json!({ "id": id, "fields": fields })
}

fn role(id: &str, person: &str, deal: &str, role: &str) -> Value {
    json!({ "id": id, "fields": { "person_key": key(person), "opportunity_key": key(deal), "person_role": role } })
}

/// Ann and Eve fit. Bob has not looked at prices, Cid did too long ago, Dan is on an open deal, Fay did not decide, and Gus's deal
/// was lost too long ago.
fn people(api: &Api) {
    let names = ["ann", "bob", "cid", "dan", "eve", "fay", "gus"];
    let person =
        |name: &str| json!({ "id": name, "fields": { "email": format!("{name}@x.example"), "last_name": name } });
    send(api, "person", &names.map(person).into_iter().collect());
    send(api, "opportunity", &json!([deal("lost", Some(60)), deal("old", Some(400)), deal("open", None)]));
    let decides = "Decision Maker";
    let roles = json!([
        role("1", "ann", "lost", decides),
        role("2", "bob", "lost", decides),
        role("3", "cid", "lost", decides),
        role("4", "dan", "lost", decides),
        role("5", "dan", "open", "User"),
        role("6", "eve", "lost", decides),
        role("7", "fay", "lost", "Influencer"),
        role("8", "gus", "old", decides)
    ]);
    send(api, "opportunity_person", &roles);
    let view = |name: &str, days: i64| {
        json!({ "id": format!("v-{name}"), "fields": { "type": "web.webpagedetails.pageViews",
            "email": format!("{name}@x.example"), "page": "/pricing", "time": days_ago(days) } })
    };
    let views = [("ann", 1), ("cid", 5), ("dan", 1), ("eve", 2), ("fay", 1), ("gus", 1)];
    send(api, "activity", &views.map(|(name, days)| view(name, days)).into_iter().collect());
    caught_up(api);
}

fn said(name: &str, given: bool) -> Value {
    let who = json!({ "namespace": "email", "value": format!("{name}@x.example") });
    json!({ "identity": who, "channel": "email", "purpose": "win-back", "given": given, "source": "form", "at": days_ago(9) })
}

#[test]
fn who_is_won_back_is_made_where_missing_and_who_said_no_is_excluded_and_counted() {
    let api = Harness::sandbox();
    people(&api);
    let win_back = make(&api, &json!({ "name": "Win-back", "expression": RULE }));
    evaluate(&api);
    assert_eq!(members(&api, &win_back), ["ann", "eve"]);

    let rules = json!({ "version": 1, "rules": [{ "channel": "email", "purpose": "*", "needs": "consent" }], "unnamed": "refuse" });
    api.json(Method::PUT, "consent-rules", &[], &rules).is(200);
    api.post("consents", &json!({ "consents": [said("ann", true), said("eve", false)] })).is(200);
    let vendors = vendors_of(MarketoConfig { leads: 3, ..MarketoConfig::default() });
    let simulator = vendors.marketo();
    let list = simulator.create_list("Win-back").unwrap();
    let marketo = connect(&api, &vendors);
    let mapping = [("email", "person.email"), ("lastName", "person.last_name")];
    let wanted = activation(&win_back, &marketo, "static-list", &mapping);
    let wanted = with(wanted, "consent", json!({ "channel": "email", "purpose": "win-back" }));
    let target = json!({ "object": "static-list", "name": "Win-back", "options": { "mode": "create" } });
    let wanted = with(wanted, "target", target);
    // What Marketo has no field for is named before anybody is touched.
    let lists = with(
        wanted.clone(),
        "mapping",
        json!([{ "field": "email", "expression": "person.email" },
        { "field": "title", "expression": "person.departments" }]),
    );
    let refused = api.post("activations", &lists);
    assert_eq!(refused.refused(422, "activation.target").text("/errors/0/field"), "/mapping/1/expression");

    let id = api.post("activations", &wanted).is(201).text("/id").to_owned();
    let deliver = || work(&api, &format!("activations/{id}/deliveries")).body;
    let counts = |delivery: &Value| {
        let books = &delivery["books"];
        ["received", "created", "updated", "removed", "unchanged", "excluded", "failed", "unmatched", "pending"]
            .map(|of| books[of].as_u64().unwrap())
    };
    let names = || -> Vec<String> {
        let of =
            |id: u64| simulator.leads().find(|lead| lead["id"] == id).unwrap()["lastName"].as_str().unwrap().to_owned();
        simulator.listed(list).into_iter().map(of).collect()
    };
    let first = deliver();
    assert_eq!((counts(&first), names()), ([2, 1, 0, 0, 0, 1, 0, 0, 0], vec!["ann".to_owned()]), "{first}");
    let excluded = api.get(&format!("deliveries/{}/items?status=excluded", first["id"].as_str().unwrap()));
    assert!(excluded.is(200).text("/items/0/code").starts_with("consent.withdrawn"), "{excluded:?}");
    // A second run with no change sends nothing.
    let again = deliver();
    assert_eq!((counts(&again), names()), ([2, 0, 0, 0, 1, 1, 0, 0, 0], vec!["ann".to_owned()]), "{again}");

    // Another deal is opened with Ann, and Eve agrees after all.
    send(&api, "opportunity_person", &json!([role("9", "ann", "open", "User")]));
    caught_up(&api);
    let agreed = json!({ "identity": { "namespace": "email", "value": "eve@x.example" }, "channel": "email",
        "purpose": "win-back", "given": true, "source": "form", "at": days_ago(0) });
    api.post("consents", &json!({ "consents": [agreed] })).is(200);
    evaluate(&api);
    let last = deliver();
    assert_eq!((counts(&last), names()), ([2, 1, 0, 1, 0, 0, 0, 0, 0], vec!["eve".to_owned()]), "{last}");

    // She unsubscribes at her source: what she said elsewhere does not outweigh it.
    let unsubscribed = |is: bool| {
        let fields = json!({ "email": "eve@x.example", "last_name": "eve", "is_unsubscribed": is });
        send(&api, "person", &json!([{ "id": "eve", "fields": fields }]));
        caught_up(&api);
    };
    unsubscribed(true);
    let ask = json!({ "channel": "email", "purpose": "win-back",
        "identities": [{ "namespace": "email", "value": "eve@x.example" }] });
    assert_eq!(api.post("consents/decide", &ask).is(200).text("/code"), "consent.opted-out");
    let out = deliver();
    assert_eq!((counts(&out), names().len()), ([1, 0, 0, 1, 0, 0, 0, 0, 0], 0), "{out}");
    let still = deliver();
    assert_eq!(counts(&still), [1, 0, 0, 0, 0, 1, 0, 0, 0], "{still}");
    let excluded = api.get(&format!("deliveries/{}/items?status=excluded", still["id"].as_str().unwrap()));
    assert_eq!(excluded.is(200).text("/items/0/code"), "consent.opted-out");
    unsubscribed(false);
    let back = deliver();
    assert_eq!((counts(&back), names()), ([1, 0, 1, 0, 0, 0, 0, 0, 0], vec!["eve".to_owned()]), "{back}");
}
