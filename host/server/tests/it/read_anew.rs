//! Streams that are read anew and streams that have changed at their vendor, over the API and from the command line.

use crate::connections::patch;
use crate::harness::{Answer, Api, Harness};
use crate::journey::{caught_up, run, work_with};
use crate::process::attiva;
use attiva_simulators::salesforce::{Salesforce, SalesforceConfig};
use serde_json::{Value, json};

fn org() -> Salesforce {
    let config = SalesforceConfig { people: 60, ..SalesforceConfig::default() };
    Harness::shared().runtime.block_on(Salesforce::start(config)).unwrap()
}

/// A connection that reads contacts, and has read them.
fn connected(api: &Api, org: &Salesforce) -> String {
    let configuration = json!({"my_domain": "acme", "client_id": org.config().client_id,
        "client_secret": org.config().client_secret});
    let body = json!({"name": "crm", "plugin": "source-salesforce", "configuration": configuration, "streams": ["Contact"],
        "grants": {"login": org.base_url(), "api": org.base_url()}});
    let id = api.post("connections", &body).is(201).text("/id").to_owned();
    assert_eq!(run(api, &id).text("/status"), "succeeded");
    id
}

fn counts(run: &Answer) -> (u64, u64) {
    let of = |name: &str| run.body["streams"][0][name].as_u64().unwrap();
    (of("received"), of("changed"))
}

fn cli(api: &Api, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = attiva(arguments);
    command.env("ATTIVA_URL", &api.url).env("ATTIVA_KEY", &api.key).env("ATTIVA_SANDBOX", &api.sandbox);
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].map(|out| String::from_utf8(out).unwrap());
    (output.status.code(), told.join("\n"))
}

#[test]
fn a_stream_is_read_anew_over_the_api_and_what_is_gone_is_found_out() {
    let (api, org) = (Harness::sandbox(), org());
    let id = connected(&api, &org);
    let path = format!("connections/{id}/backfill");
    let contacts = org.records("Contact");
    let of = |n: usize| contacts[n]["Id"].as_str().unwrap().to_owned();
    // A formula, which changes no time, and a contact that leaves no trace: no run that follows changes hears of them.
    assert!(org.change_formula("Contact", &of(0), &json!({"Title": "Chief of Formulas"})));
    assert!(org.erase("Contact", &of(1)));
    assert_eq!(counts(&run(&api, &id)).1, 0);
    let all = contacts.len() as u64 - 1;
    let anew = work_with(&api, &path, &json!({"streams": ["Contact"]}));
    assert_eq!((anew.text("/status"), counts(&anew)), ("succeeded", (all, 1)), "{anew:?}");
    assert_eq!(anew.body["backfill"], json!({"reset": false, "infer_deletions": false}));
    let infers = work_with(&api, &path, &json!({"streams": ["Contact"], "infer_deletions": true}));
    assert_eq!((infers.text("/status"), counts(&infers).1), ("succeeded", 1), "{infers:?}");
    caught_up(&api);
    // Of a day on which nothing changed.
    let nothing = work_with(&api, &path, &json!({"streams": ["Contact"], "from": "2001-01-01", "to": "2001-01-31"}));
    assert_eq!((nothing.text("/status"), counts(&nothing).0), ("succeeded", 0), "{nothing:?}");
    let reset = work_with(&api, &path, &json!({"streams": ["Contact"], "reset": true}));
    assert_eq!((reset.text("/status"), counts(&reset)), ("succeeded", (all, 0)), "{reset:?}");
    assert_eq!(counts(&run(&api, &id)).1, 0, "and it goes on from there");

    for (wrong, field) in [
        (json!({"streams": []}), "/streams"),
        (json!({"streams": ["Contact"], "from": "yesterday"}), "/from"),
        (json!({"streams": ["Contact"], "to": "2026-01-01", "infer_deletions": true}), "/infer_deletions"),
    ] {
        let refused = api.post(&path, &wrong);
        assert_eq!(refused.refused(422, "request.invalid").text("/errors/0/field"), field, "{wrong}");
    }
    api.post(&path, &json!({"streams": ["Lead"]})).refused(404, "stream.missing");
    let audit = api.audit();
    assert!(audit.text.contains("run.backfill-started"), "{}", audit.text);
    let (code, told) = cli(
        &api,
        &["run", "backfill", &id, "--stream", "Contact", "--from", "2001-01-01", "--to", "2001-01-02", "--follow"],
    );
    assert!(code == Some(0) && told.contains("2001-01-02"), "{told}");
}

#[test]
fn a_field_that_vanishes_stops_the_stream_until_somebody_approves_of_it() {
    let (api, org) = (Harness::sandbox(), org());
    let id = connected(&api, &org);
    let asks = json!({"schema": {"on_change": "ask", "streams": {"Lead": "stop"}}});
    let shown = patch(&api, &id, &[], &asks);
    assert_eq!(shown.is(200).body["schema"]["streams"], json!({"Lead": "stop"}));
    org.hide(&["Contact.Title"]);
    let held = run(&api, &id);
    assert_eq!(
        (held.text("/held/0/stream"), held.text("/held/0/fault/code")),
        ("Contact", "schema.changed"),
        "{held:?}"
    );
    let schema = api.get(&format!("connections/{id}/schema"));
    let change = json!([{"change": "vanished-column", "column": "Title", "data_type": "text"}]);
    assert_eq!(schema.is(200).body["pending"][0]["changes"], change);
    assert_eq!(schema.body["pending"][0]["is_read"], false);
    let (code, told) = cli(&api, &["doctor"]);
    assert!(code == Some(1) && told.contains("Contact: vanished-column Title (text)"), "{told}");
    let (code, told) = cli(&api, &["connection", "schema", &id]);
    assert!(code == Some(0) && told.contains("Contact, not read"), "{told}");

    // Where that is the policy, there is no run at all.
    let (code, told) = cli(&api, &["connection", "change", &id, "--on-schema-change", "stop"]);
    assert_eq!(code, Some(0), "{told}");
    let begun = api.post(&format!("connections/{id}/runs"), &json!({}));
    let stopped = api.get(begun.is(202).text("/subject_url"));
    assert_eq!((stopped.text("/status"), stopped.text("/fault/code")), ("failed", "schema.changed"), "{stopped:?}");
    assert!(stopped.text("/fault/action").contains("approve-schema"), "{stopped:?}");

    let (code, told) = cli(&api, &["connection", "approve-schema", &id, "--stream", "Contact"]);
    assert!(code == Some(0) && told.contains("taken over"), "{told}");
    assert_eq!(run(&api, &id).text("/status"), "succeeded");
    let path = format!("connections/{id}/schema/approval");
    api.post(&path, &json!({"streams": ["Contact"]})).refused(422, "schema.nothing-pending");
    let taken: Value = api.get(&format!("connections/{id}/schema")).body["taken"].clone();
    assert!(taken[0]["by"].as_str().is_some_and(|by| by.starts_with("key_")), "{taken}");
}
