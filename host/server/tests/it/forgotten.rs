//! Who was erased stays away when all that was ever said of them is said again, and nobody else is another for it: held
//! against a sandbox that never had them.

use crate::audiences::evaluate;
use crate::harness::{Api, Harness};
use crate::journey::caught_up;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A record that is sent.
#[derive(Debug, Clone)]
struct Sent {
    entity: &'static str,
    id: String,
    fields: Value,
}

impl Sent {
    fn key(&self) -> String {
        format!("{}@w.Web", self.id)
    }

    fn says(&self, field: &str) -> Option<&str> {
        self.fields[field].as_str()
    }
}

fn send(api: &Api, records: &[Sent]) -> u64 {
    let mut erased = 0;
    for Sent { entity, id, fields } in records {
        // All at times of their own, in this order.
        let records = json!([{ "id": id, "at": fields["at"], "fields": without_time(fields) }]);
        let body = json!({ "source": { "system": "Web", "id": "w" }, "entity": entity, "records": records });
        erased += api.post("records", &body).is(200).body["erased"].as_u64().unwrap();
    }
    caught_up(api);
    erased
}

fn without_time(fields: &Value) -> Value {
    let mut fields = fields.clone();
    fields.as_object_mut().unwrap().remove("at");
    fields
}

/// Everything that a sandbox makes of its records, by what each thing is made of: not by ids, nor when an account was
/// found for somebody.
fn outcome(api: &Api, segments: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    // Those that are not evaluated in streaming, too.
    evaluate(api);
    let mut outcome = BTreeMap::new();
    for entity in ["person", "account", "account_person"] {
        let listed = api.get(&format!("profiles?entity={entity}&limit=100"));
        for profile in listed.is(200).body["items"].as_array().unwrap() {
            let id = profile["id"].as_str().unwrap();
            let detail = api.get(&format!("profiles/{id}")).is(200).body.clone();
            let texts = |list: &str, field: &str| -> BTreeSet<String> {
                let list = detail[list].as_array().unwrap().iter();
                list.map(|item| item[field].as_str().unwrap().to_owned()).collect()
            };
            let mut attributes = detail["attributes"].clone();
            attributes.as_object_mut().unwrap().remove("matched_account_date");
            let members = detail["segments"].as_array().unwrap().iter();
            let members: BTreeSet<&String> = members.map(|id| &segments[id.as_str().unwrap()]).collect();
            let events = match entity {
                "person" => api.get(&format!("profiles/{id}/events?limit=100")).is(200).body["items"].clone(),
                _ => json!([]),
            };
            let events: Vec<&Value> = events.as_array().unwrap().iter().map(|event| &event["source_key"]).collect();
            let records: Vec<String> = texts("sources", "source_key").into_iter().collect();
            let said = json!({ "attributes": attributes, "segments": members, "events": events,
                "refers": texts("references", "key"), "degraded": detail["degraded"] });
            outcome.insert(format!("{entity} {}", records.join(" ")), said);
        }
    }
    outcome
}

/// A sandbox with segments; by id, what they are called.
fn sandbox() -> (Api, BTreeMap<String, String>) {
    let api = Harness::sandbox();
    let mut segments = BTreeMap::new();
    for (name, rule) in [
        ("chiefs", "person.job_title == \"CEO\""),
        ("busy", "person.events.size() > 1"),
        ("placed", "person.matched_account.name == \"C1\""),
    ] {
        let made = api.post("segments", &json!({ "name": name, "expression": rule }));
        segments.insert(made.is(201).text("/id").to_owned(), name.to_owned());
    }
    (api, segments)
}

fn any_record() -> impl Strategy<Value = Sent> {
    let person = (0..6_u8, 0..3_u8, 0..2_usize, 0..4_u8).prop_map(|(n, mail, title, company)| {
        let title = ["CEO", "CTO"][title];
        let mut fields = json!({ "email": format!("p{mail}@c{mail}.com"), "job_title": title });
        if company < 2 {
            fields["account_key"] = json!(format!("c{company}@w.Web"));
        }
        Sent { entity: "person", id: n.to_string(), fields }
    });
    let account = (0..2_u8).prop_map(|n| {
        let fields = json!({ "name": format!("C{n}"), "website": format!("c{n}.com") });
        Sent { entity: "account", id: format!("c{n}"), fields }
    });
    let place = (0..3_u8, 0..6_u8, 0..2_u8).prop_map(|(n, person, company)| {
        let fields = json!({ "person_key": format!("{person}@w.Web"), "account_key": format!("c{company}@w.Web") });
        Sent { entity: "account_person", id: format!("r{n}"), fields }
    });
    let event = (0..6_u8, 0..9_u8).prop_map(|(n, by)| {
        let mut fields = json!({ "type": "web.visit", "time": format!("2026-01-01T00:00:0{n}Z") });
        match by {
            0..6 => fields["person_key"] = json!(format!("{by}@w.Web")),
            _ => fields["email"] = json!(format!("p{}@c{}.com", by - 6, by - 6)),
        }
        Sent { entity: "activity", id: format!("e{n}"), fields }
    });
    prop_oneof![4 => person, 1 => account, 1 => place, 2 => event]
}

/// What is somebody's who is made of these records: those, the parts they have in accounts, and what happened to them by
/// a name that nobody else has.
fn is_theirs(sent: &Sent, theirs: &BTreeSet<String>, all: &[Sent]) -> bool {
    let persons = all.iter().filter(|other| other.entity == "person");
    let alone = |mail: &str| {
        let mut carrying = persons.clone().filter(|other| other.says("email") == Some(mail));
        carrying.clone().next().is_some() && carrying.all(|other| theirs.contains(&other.key()))
    };
    let by_key = sent.says("person_key").is_some_and(|key| theirs.contains(key));
    match sent.entity {
        "person" => theirs.contains(&sent.key()),
        "activity" => by_key || sent.says("email").is_some_and(alone),
        _ => by_key,
    }
}

fn erase(api: &Api, body: &Value) {
    let place = api.post("privacy/erasures", body).is(202).header("location").to_owned();
    while api.get(&place).is(200).body["done"] != true {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    caught_up(api);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn who_was_erased_stays_away_and_nobody_else_is_another_for_it(
        records in vec(any_record(), 4..24),
        whom in 0..6_usize,
        apart in (0..6_u8, 0..6_u8),
        turn in 0..24_usize,
    ) {
        let mut newest: BTreeMap<(&'static str, String), (usize, Sent)> = BTreeMap::new();
        for (n, mut sent) in records.into_iter().enumerate() {
            sent.fields["at"] = json!(format!("2026-02-01T00:00:{n:02}Z"));
            newest.insert((sent.entity, sent.id.clone()), (n, sent));
        }
        let mut records: Vec<(usize, Sent)> = newest.into_values().collect();
        records.sort_by_key(|(n, _)| *n);
        let records: Vec<Sent> = records.into_iter().map(|(_, sent)| sent).collect();
        let persons: Vec<&Sent> = records.iter().filter(|sent| sent.entity == "person").collect();
        prop_assume!(!persons.is_empty());
        let whom = persons[whom % persons.len()].key();
        let never = json!({ "a": format!("{}@w.Web", apart.0), "b": format!("{}@w.Web", apart.1), "reason": "two people" });
        let are_there = |keys: [&Value; 2]| keys.iter().all(|key| persons.iter().any(|sent| **key == sent.key()));

        let (api, segments) = sandbox();
        send(&api, &records);
        let kept_apart = are_there([&never["a"], &never["b"]]) && apart.0 != apart.1;
        if kept_apart {
            api.post("identity/never-links", &never).is(201);
            caught_up(&api);
        }
        let found = api.get(&format!("profiles?namespace=source_key&value={whom}")).is(200).text("/items/0/id").to_owned();
        let sources = api.get(&format!("profiles/{found}")).body["sources"].clone();
        let theirs: BTreeSet<String> =
            sources.as_array().unwrap().iter().map(|s| s["source_key"].as_str().unwrap().to_owned()).collect();
        erase(&api, &json!({ "identity": { "namespace": "source_key", "value": whom } }));
        let after = outcome(&api, &segments);

        // A sandbox that never had them.
        let (other, names) = sandbox();
        let (gone, others): (Vec<Sent>, Vec<Sent>) =
            records.iter().cloned().partition(|sent| is_theirs(sent, &theirs, &records));
        send(&other, &others);
        if kept_apart && !theirs.iter().any(|key| never["a"] == *key || never["b"] == *key) {
            other.post("identity/never-links", &never).is(201);
            caught_up(&other);
        }
        let expected = outcome(&other, &names);
        assert_eq!(after, expected, "after the erasure");

        // All is said again, in another order.
        let mut again = records.clone();
        again.rotate_left(turn % records.len());
        assert_eq!(send(&api, &again), gone.len() as u64, "what is theirs is not taken, and all else is");
        assert_eq!(outcome(&api, &segments), expected, "after all was said again");
        let asked = json!({ "identity": { "namespace": "source_key", "value": whom } });
        api.post("privacy/access", &asked).refused(422, "privacy.nobody");
    }
}

/// What happened by an address that two had is of who is left, also for an audience that is evaluated in streaming.
#[test]
fn what_happened_to_both_counts_for_who_is_left() {
    let (api, segments) = sandbox();
    let sent = |entity: &'static str, id: &str, fields: Value| Sent { entity, id: id.into(), fields };
    let person = |id| sent("person", id, json!({ "email": "p2@c2.com", "job_title": "CEO" }));
    let visit = |id, second, field: &str, value| {
        let time = format!("2026-01-01T00:00:0{second}Z");
        sent("activity", id, json!({ "type": "web.visit", "time": time, field: value }))
    };
    let mut records = vec![visit("e0", 0, "person_key", "1@w.Web"), person("0"), person("2"), person("1")];
    records.push(visit("e1", 1, "email", "p2@c2.com"));
    for (n, record) in records.iter_mut().enumerate() {
        record.fields["at"] = json!(format!("2026-02-01T00:00:{n:02}Z"));
    }
    send(&api, &records);
    api.post("identity/never-links", &json!({ "a": "0@w.Web", "b": "1@w.Web", "reason": "two people" })).is(201);
    caught_up(&api);
    erase(&api, &json!({ "identity": { "namespace": "source_key", "value": "0@w.Web" } }));
    let left = outcome(&api, &segments);
    let (name, left) = left.iter().next().unwrap();
    assert_eq!((name.as_str(), left["events"].as_array().unwrap().len()), ("person 1@w.Web", 2));
    assert_eq!(left["segments"], json!(["busy", "chiefs"]));
}
