//! A static list that others have their hands in: what they did is shown, put right where that is asked for, and their own
//! people stay.

use crate::account_activations::activation;
use crate::audiences::{make, send};
use crate::harness::{Api, Harness};
use crate::journey::{Vendors, caught_up, vendors_of, work};
use crate::preflight::connect;
use attiva_simulators::marketo::{Fault, Injection, MarketoConfig};
use serde_json::{Value, json};
use ureq::http::Method;

/// Persons a to e with a lead each; and the ids of those.
struct Listed {
    api: Api,
    vendors: Vendors,
    activation: String,
    list: u64,
    leads: Vec<u64>,
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn person(name: &str, department: &str) -> Value {
    json!({"id": name, "fields": {"email": format!("{name}@x.example"), "department": department}})
}

/// All five are on the list, and then e is off it again: all by our own hand.
fn listed() -> Listed {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 3, ..MarketoConfig::default() });
    let marketo = vendors.marketo();
    let email = |name: &str| json!({"email": format!("{name}@x.example")});
    let leads = NAMES.iter().map(|name| marketo.create_lead(email(name)).unwrap()).collect();
    send(&api, "person", &NAMES.iter().map(|name| person(name, "HR")).collect());
    let segment = make(&api, &json!({"name": "HR", "expression": "person.department == \"HR\""}));
    caught_up(&api);
    let connection = connect(&api, &vendors);
    let list = marketo.create_list(&format!("static-list of {connection}")).unwrap();
    let body = activation(&segment, &connection, "static-list", &[("email", "person.email")]);
    let activation = api.post("activations", &body).is(201).text("/id").to_owned();
    let listed = Listed { api, vendors, activation, list, leads };
    assert_eq!(listed.deliver()["updated"], 5);
    send(&listed.api, "person", &json!([person("e", "Sales")]));
    assert_eq!(listed.deliver()["removed"], 1);
    listed
}

impl Listed {
    fn deliver(&self) -> Value {
        caught_up(&self.api);
        let done = work(&self.api, &format!("activations/{}/deliveries", self.activation));
        assert_eq!(done.text("/status"), "succeeded", "{done:?}");
        done.body["books"].clone()
    }

    fn place(&self) -> String {
        format!("activations/{}/readback", self.activation)
    }

    fn read(&self) -> Value {
        let done = work(&self.api, &self.place());
        assert_eq!(done.text("/status"), "succeeded", "{done:?}");
        done.body
    }

    fn put(&self, lead: u64, on: bool) {
        self.vendors.marketo().set_listed(self.list, lead, on).unwrap();
    }

    fn on_the_list(&self) -> Vec<u64> {
        self.vendors.marketo().listed(self.list)
    }

    /// Calls that are no look-up.
    fn writes(&self) -> u64 {
        let received = self.vendors.marketo().received();
        let is_read = |call: &str| call.starts_with("GET ") || call.contains("/identity/");
        received.by_path.iter().filter(|(call, _)| !is_read(call)).map(|(_, times)| times).sum()
    }
}

#[test]
fn what_was_done_by_hand_is_shown_and_then_put_right_and_others_people_stay() {
    let it = listed();
    let [_, _, c, _, e] = *it.leads.as_slice() else { panic!("{:?}", it.leads) };
    let stranger = 1;
    it.put(c, false);
    it.put(stranger, true);
    it.put(e, true);
    let (writes, before) = (it.writes(), it.on_the_list());
    let found = it.read();
    let counts = json!({"there": 5, "as_known": 3, "missing": 1, "returned": 1, "foreign": 1, "unnamed": 0,
        "unsettled": 0, "repaired": 0});
    assert_eq!((&found["counts"], &found["on_drift"]), (&counts, &json!("report")));
    let stranger_shown = found["strangers"][0].as_str().unwrap();
    assert!(stranger_shown.starts_with("id 1, email ") && stranger_shown.contains("…@"), "{stranger_shown}");
    let drift = it.api.get(&format!("{}/drift", it.place()));
    let kinds: Vec<&str> =
        drift.is(200).body["items"].as_array().unwrap().iter().map(|d| d["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["missing", "returned"]);
    let missing = it.api.get(&format!("{}/drift?kind=missing", it.place())).body["items"].clone();
    let profile = it.api.get(&format!("profiles/{}", missing[0]["profile"].as_str().unwrap()));
    assert_eq!(profile.text("/attributes/email"), "c@x.example");
    assert_eq!((it.writes(), it.on_the_list()), (writes, before), "reading wrote something");
    let metrics = Harness::shared().api("").get("/metrics").is(200).text.clone();
    let line = |kind: &str| {
        metrics.lines().any(|line| {
            line.starts_with("attiva_target_drift_members")
                && line.contains(&it.activation)
                && line.contains(kind)
                && line.ends_with(" 1")
        })
    };
    assert!(line("missing") && line("returned"), "{metrics}");
    assert_eq!(it.deliver()["unchanged"], 4);

    let set = it.api.json(Method::PUT, &it.place(), &[], &json!({"on_drift": "repair"}));
    assert_eq!(set.is(200).body["readback"], json!({"on_drift": "repair"}));
    assert_eq!(it.read()["counts"]["repaired"], 2);
    let books = it.deliver();
    assert_eq!((&books["updated"], &books["removed"]), (&json!(1), &json!(1)), "{books}");
    let mut wanted = vec![stranger, it.leads[0], it.leads[1], c, it.leads[3]];
    wanted.sort_unstable();
    assert_eq!(it.on_the_list(), wanted);
    let clean = it.read();
    assert_eq!((&clean["counts"]["missing"], &clean["counts"]["returned"]), (&json!(0), &json!(0)), "{clean}");
    assert_eq!(clean["counts"]["foreign"], 1);
}

#[test]
fn what_cannot_be_read_back_is_refused_with_the_reason() {
    let it = listed();
    let often = json!({"every_seconds": 10});
    let refused = it.api.json(Method::PUT, &it.place(), &[], &often);
    assert_eq!(refused.refused(422, "activation.readback").text("/errors/0/field"), "/every_seconds");
    it.api.get(&it.place()).refused(404, "readback.missing");
    // A list that nobody has delivered to.
    let segment = make(&it.api, &json!({"name": "none", "expression": "person.department == \"Nobody\""}));
    let connection = it.api.get("activations").body["items"][0]["connection"].as_str().unwrap().to_owned();
    let mut other = activation(&segment, &connection, "static-list", &[("email", "person.email")]);
    other["target"]["name"] = json!("another");
    other["readback"] = json!({"on_drift": "repair", "every_seconds": 86400});
    let other = it.api.post("activations", &other).is(201).body.clone();
    assert_eq!(other["readback"], json!({"on_drift": "repair", "every_seconds": 86400}));
    let place = format!("activations/{}/readback", other["id"].as_str().unwrap());
    it.api.post(&place, &json!({})).refused(422, "readback.empty");
}

#[test]
fn a_reading_is_cancelled_and_the_result_of_before_counts_on() {
    let it = listed();
    let (cancel, listed) = (format!("{}/cancel", it.place()), format!("{}/drift", it.place()));
    it.api.post(&cancel, &json!({})).refused(404, "readback.missing");
    it.put(it.leads[2], false);
    it.read();
    let drift = it.api.get(&listed).is(200).body["items"].clone();
    assert_eq!(drift.as_array().unwrap().len(), 1);
    // The vendor answers when nobody waits for it any more.
    it.vendors.marketo().inject(Injection::from(Fault::Delay { ms: 120_000 }).at("/rest/v1/lists/").for_ever());
    let place = it.api.post(&it.place(), &json!({})).is(202).header("location").to_owned();
    let ask = || it.api.json(Method::POST, &cancel, &[("idempotency-key", "stop")], &json!({}));
    let (first, again) = (ask(), ask());
    assert_eq!((first.is(202).header("location"), again.is(202).header("idempotency-replayed")), (&*place, "true"));
    assert_eq!(first.body, again.body);
    while it.api.get(&place).is(200).body["done"] != true {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let shown = it.api.get(&it.place()).is(200).body.clone();
    assert_eq!((&shown["status"], &shown["cancel_requested"]), (&json!("cancelled"), &json!(true)), "{shown}");
    assert!(shown["counts"].is_null() && shown["samples"] == json!([]), "{shown}");
    assert_eq!(it.api.get(&listed).body["items"], drift, "of the reading before");
    assert_eq!(it.api.post(&cancel, &json!({})).is(202).body["done"], true, "it is answered as it is");
    let audit = it.api.audit();
    let told = audit.body["items"].as_array().unwrap().iter();
    let told = told.filter(|event| event["action"] == "readback.cancelled" && event["subject"] == shown["id"]);
    assert_eq!(told.count(), 1);

    it.api.post(&it.place(), &json!({})).is(202);
    let activation = format!("activations/{}", it.activation);
    it.api.send(Method::DELETE, &activation, &[], Vec::new()).is(204);
    it.api.get(&it.place()).refused(404, "activation.missing");
}
