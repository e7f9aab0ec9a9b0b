//! Organisations and sandboxes: made and removed, apart from each other, and how many may share a vendor's instance.

use crate::audiences::{make, send};
use crate::harness::{Answer, Api, Harness};
use crate::journey::{caught_up, connect_marketo, run, vendors_of, work};
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Method;

fn source(munchkin: &str) -> Value {
    json!({"name": "m", "plugin": "source-marketo", "configuration": {
        "munchkin_id": munchkin, "client_id": "c", "client_secret": "s"}})
}

fn destination(bucket: &str) -> Value {
    json!({"name": "s3", "plugin": "destination-s3", "configuration": {"bucket": bucket,
        "region": "eu-central-1", "access_key_id": "AKIDEXAMPLE", "secret_access_key": "s"}})
}

/// An organisation with a sandbox `default`, and a client with its key.
pub(crate) fn organisation(harness: &Harness, name: &str) -> (String, Api) {
    let operator = harness.api("default");
    let made = operator.post("/v1/organisations", &json!({ "name": name }));
    let id = made.is(201).text("/id").to_owned();
    let key = operator
        .post(
            &format!("/v1/organisations/{id}/keys"),
            &json!({"name": "k", "role": "administrator", "scopes": ["grants:write"]}),
        )
        .is(201)
        .text("/key")
        .to_owned();
    operator.post(&format!("/v1/organisations/{id}/sandboxes"), &json!({"name": "default"})).is(201);
    (id, Api { url: operator.url, key, sandbox: "default".into() })
}

fn delete(api: &Api, path: &str) -> Answer {
    api.send(Method::DELETE, path, &[], Vec::new())
}

/// A munchkin id that no other test uses.
fn munchkin(number: u32) -> String {
    format!("{number:03}-TEN-{number:03}")
}

#[test]
fn m1_one_organisation_reads_many_instances() {
    let api = Harness::sandbox();
    for number in [101, 102] {
        let made = api.post("connections", &source(&munchkin(number)));
        assert_eq!(made.is(201).text("/instance/id"), munchkin(number));
    }
}

#[test]
fn m2_a_second_organisation_that_reads_an_instance_is_refused_with_the_reason() {
    let harness = Harness::shared();
    let first = Harness::sandbox();
    let held = first.post("connections", &source(&munchkin(201))).is(201).text("/id").to_owned();
    let (id, second) = organisation(harness, "second");
    let refused = second.post("connections", &source(&munchkin(201)));
    assert_eq!(refused.refused(409, "connection.instance-taken").text("/errors/0/field"), "/configuration");
    let said = "the Marketo instance `201-TEN-201` is a source of another organisation on this host already, and Marketo allows 1";
    assert_eq!(refused.text("/detail"), said);
    assert!(refused.text("/action").contains("Connect another instance"), "{}", refused.text);
    // Neither whose it is, nor where.
    let first_organisation = first.get("/v1/sandboxes/default").text("/organisation").to_owned();
    assert!(!refused.text.contains(&first_organisation) && !refused.text.contains(&first.sandbox), "{}", refused.text);
    assert!(second.get(&format!("/problems/{}", refused.text("/code"))).is(200).text.contains("What to do"));
    assert_eq!(second.get("connections").body["items"], json!([]));
    // Another instance may be read, and this one once it is free.
    second.post("connections", &source(&munchkin(202))).is(201);
    delete(&first, &format!("connections/{held}")).is(204);
    second.post("connections", &source(&munchkin(201))).is(201);
    first.post("connections", &source(&munchkin(201))).refused(409, "connection.instance-taken");
    // The end of an organisation frees what it had.
    delete(&first, &format!("/v1/organisations/{id}")).is(204);
    first.post("connections", &source(&munchkin(201))).is(201);
}

#[test]
fn m3_one_organisation_reads_an_instance_in_many_sandboxes_and_they_are_apart() {
    let vendors = vendors_of(MarketoConfig { leads: 20, ..MarketoConfig::default() });
    let (one, two) = (Harness::sandbox(), Harness::sandbox());
    let secret = vendors.secret();
    let connections = [&one, &two].map(|api| connect_marketo(api, &vendors, &secret));
    assert_eq!(run(&one, &connections[0]).text("/status"), "succeeded");
    assert_eq!(two.get("runs").body["items"], json!([]));
    assert_eq!(two.get("profiles").body["items"], json!([]));
    let second = run(&two, &connections[1]);
    assert_eq!((second.text("/status"), &second.body["streams"][0]["changed"]), ("succeeded", &json!(20)));
}

#[test]
fn m4_one_organisation_writes_to_many_instances() {
    let api = Harness::sandbox();
    for bucket in ["tenancy-m4-a", "tenancy-m4-b"] {
        api.post("connections", &destination(bucket)).is(201);
    }
}

#[test]
fn m5_many_organisations_write_to_one_instance() {
    let first = Harness::sandbox();
    let (_, second) = organisation(Harness::shared(), "writes too");
    for api in [&first, &second] {
        api.post("connections", &destination("tenancy-m5")).is(201);
    }
    // Each sees its own alone.
    assert_eq!(second.get("connections").body["items"].as_array().unwrap().len(), 1);
}

/// One audience to two instances, and two organisations to one: each list is somebody's own, whoever else is on another.
#[test]
fn m4_and_m5_what_one_takes_out_nobody_else_loses() {
    let vendors = [0, 1].map(|_| vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() }));
    let lists = vendors.each_ref().map(|vendors| {
        for name in ["ann", "bob"] {
            vendors.marketo().create_lead(json!({ "email": format!("{name}@m5.example") })).unwrap();
        }
        ["ours", "theirs"].map(|name| vendors.marketo().create_list(name).unwrap())
    });
    let (_, theirs) = organisation(Harness::shared(), "fills lists too");
    let ours = Harness::sandbox();
    let people = |of_ann: &str| {
        json!([{ "id": "a", "fields": { "email": "ann@m5.example", "department": of_ann } },
               { "id": "b", "fields": { "email": "bob@m5.example", "department": "HR" } }])
    };
    let activation = |api: &Api, at: usize, list: &str| -> String {
        let config = vendors[at].config();
        let configuration = json!({ "munchkin_id": munchkin(900 + u32::try_from(at).unwrap()),
            "client_id": config.client_id, "client_secret": vendors[at].secret() });
        let body = json!({ "name": "m", "plugin": "destination-marketo", "grants": { "api": vendors[at].url() },
            "configuration": configuration });
        let connection = api.post("connections", &body).is(201).text("/id").to_owned();
        let segments = api.get("segments");
        let segment = segments.is(200).text("/items/0/id");
        let body = json!({ "name": list, "segment": segment, "connection": connection,
            "target": { "object": "static-list", "name": list },
            "mapping": [{ "field": "email", "expression": "person.email" }] });
        api.post("activations", &body).is(201).text("/id").to_owned()
    };
    for api in [&ours, &theirs] {
        send(api, "person", &people("HR"));
        make(api, &json!({ "name": "HR", "expression": "person.department == \"HR\"" }));
        caught_up(api);
    }
    let all = [(&ours, 0, "ours"), (&ours, 1, "ours"), (&theirs, 0, "theirs")];
    let made = all.map(|(api, at, list)| (api, activation(api, at, list)));
    let deliver = |of: usize| {
        let (api, id) = &made[of];
        let delivery = work(api, &format!("activations/{id}/deliveries"));
        assert_eq!(delivery.text("/status"), "succeeded", "{delivery:?}");
    };
    (0..3).for_each(deliver);
    let counts = || {
        let [first, second] = [0, 1].map(|at| lists[at].map(|list| vendors[at].marketo().listed(list).len()));
        [first[0], first[1], second[0], second[1]]
    };
    assert_eq!(counts(), [2, 2, 2, 0]);
    send(&ours, "person", &people("Sales"));
    caught_up(&ours);
    deliver(0);
    deliver(2);
    assert_eq!(counts(), [1, 2, 2, 0], "of one list alone");
    deliver(1);
    assert_eq!(counts(), [1, 2, 1, 0]);
}

#[test]
fn only_operators_make_and_see_organisations() {
    let harness = Harness::shared();
    let (id, theirs) = organisation(harness, "ours");
    let of = format!("/v1/organisations/{id}");
    theirs.get("/v1/organisations").refused(403, "key.scope");
    theirs.get(&of).refused(403, "key.scope");
    theirs.post("/v1/organisations", &json!({"name": "x"})).refused(403, "key.scope");
    theirs.post("/v1/keys", &json!({"name": "x", "role": "operator"})).refused(403, "key.scope");
    theirs.get(&format!("{of}/sandboxes/default")).refused(403, "key.scope");
    delete(&theirs, &of).refused(403, "key.scope");
    let operator = harness.api("default");
    assert_eq!(operator.get(&of).is(200).text("/name"), "ours");
    let listed = operator.get("/v1/organisations?limit=500").body;
    assert!(listed["items"].as_array().unwrap().iter().any(|o| o["id"] == *id), "{listed}");
    assert_eq!(operator.get(&format!("{of}/sandboxes")).text("/items/0/name"), "default");
    let another = operator.post("/v1/keys", &json!({"name": "x", "role": "operator"}));
    let another = Api { key: another.is(201).text("/key").to_owned(), ..operator.clone() };
    another.get("/v1/organisations").is(200);
    // Nobody saws off the branch they sit on.
    let own = operator.get("/v1/sandboxes/default").text("/organisation").to_owned();
    delete(&operator, &format!("/v1/organisations/{own}")).refused(409, "organisation.own");
}

#[test]
fn a_sandbox_is_shown_then_removed_with_its_disk_and_its_secrets() {
    let harness = Harness::shared();
    let vendors = vendors_of(MarketoConfig { leads: 20, ..MarketoConfig::default() });
    let api = Harness::sandbox();
    let connection = connect_marketo(&api, &vendors, &vendors.secret());
    run(&api, &connection);
    crate::journey::caught_up(&api);
    let path = format!("/v1/sandboxes/{}", api.sandbox);
    let shown = delete(&api, &format!("{path}?dry_run=true"));
    let of = |name: &str| shown.body[name].as_u64().unwrap();
    assert_eq!((shown.is(200).text("/sandbox"), of("connections"), of("runs")), (api.sandbox.as_str(), 1, 1));
    assert!(of("profiles") > 0 && of("disk_bytes") > 100_000 && shown.body["going"] == json!([]), "{}", shown.text);
    delete(&api, &format!("{path}?dryrun=true")).refused(400, "request.malformed");
    api.get("connections").is(200);

    let id = format!("{}-{}", api.get(&path).is(200).text("/organisation"), api.sandbox);
    let places = [harness.data_dir().join("sandboxes").join(&id), harness.data_dir().join("spool").join(&id)];
    assert!(places.iter().all(|place| place.exists()));
    delete(&api, &path).is(204);
    assert!(!places.iter().any(|place| place.exists()));
    api.get("connections").refused(404, "sandbox.missing");
    delete(&api, &path).refused(404, "sandbox.missing");
    // Its name is free, and nothing of the old one is in the new one.
    api.post("/v1/sandboxes", &json!({ "name": api.sandbox })).is(201);
    assert_eq!(api.get("connections").body["items"], json!([]));
    assert_eq!(api.get("profiles").body["items"], json!([]));
    api.get(&format!("connections/{connection}")).refused(404, "connection.missing");
    let told = api.audit().body;
    let told =
        |action: &str| told["items"].as_array().unwrap().iter().any(|e| e["action"] == action && e["subject"] == *id);
    assert!(told("sandbox.removing") && told("sandbox.removed"));
}

#[test]
fn what_is_at_work_is_not_removed() {
    let harness = Harness::shared();
    let vendors = vendors_of(MarketoConfig { leads: 20, ..MarketoConfig::default() });
    let (id, api) = organisation(harness, "at work");
    let operator = harness.api("default");
    let config = vendors.config();
    let body = json!({"name": "m", "plugin": "source-marketo", "configuration": {"munchkin_id": munchkin(301),
        "client_id": config.client_id, "client_secret": config.client_secret, "poll_seconds": 600}});
    let connection = api.post("connections", &body).is(201).text("/id").to_owned();
    let grant = json!({ "url": vendors.url() });
    api.json(Method::PUT, &format!("connections/{connection}/grants/api"), &[], &grant).is(200);
    // Its export is looked at again in ten minutes, so it waits.
    let begun = api.post(&format!("connections/{connection}/runs"), &json!({}));
    let going = begun.is(202).text("/subject").to_owned();
    let refused = delete(&api, "/v1/sandboxes/default");
    assert!(refused.refused(409, "sandbox.in-use").text("/detail").contains(&going), "{}", refused.text);
    let shown = delete(&api, "/v1/sandboxes/default?dry_run=true");
    assert_eq!(shown.body["going"], json!([going]));
    let refused = delete(&operator, &format!("/v1/organisations/{id}"));
    assert!(refused.refused(409, "organisation.in-use").text("/detail").contains(&going), "{}", refused.text);
    let shown = delete(&operator, &format!("/v1/organisations/{id}?dry_run=true"));
    assert_eq!((&shown.is(200).body["keys"], shown.text("/sandboxes/0/sandbox")), (&json!(1), "default"));
    // A refusal changed nothing: it is at work still, and more can begin.
    assert_eq!(api.get(&format!("runs/{going}")).is(200).body.get("ended_at"), None);
    api.post(&format!("runs/{going}/cancel"), &json!({})).is(202);
    while api.get(&format!("runs/{going}")).body.get("ended_at").is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    delete(&operator, &format!("/v1/organisations/{id}")).is(204);
    api.get("/v1/sandboxes").refused(401, "key.refused");
    operator.get(&format!("/v1/organisations/{id}")).refused(404, "organisation.missing");
}

/// As a kill leaves it: the removal is written down, and some, all or none of the files are gone.
#[test]
fn a_removal_that_was_cut_short_goes_on_at_the_next_start() {
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    let names = ["files-there", "files-gone", "files-half-gone", "stays"];
    for name in names {
        api.post("/v1/sandboxes", &json!({ "name": name })).is(201);
        let in_it = Api { sandbox: name.into(), ..api.clone() };
        in_it.post("connections", &source(&munchkin(401))).is(201);
    }
    let (id, theirs) = organisation(&harness, "going");
    theirs.post("connections", &source(&munchkin(402))).is(201);
    let app = harness.host.app().clone();
    let entries = harness.runtime.block_on(async {
        let mut entries = Vec::new();
        for entry in app.tenancy().all_sandboxes().unwrap().into_iter().filter(|e| e.name.starts_with("files-")) {
            entries.push(app.tenancy().begin_to_remove_sandbox(&entry, "test").await.unwrap());
        }
        let organisation = app.tenancy().organisation(&id).unwrap().id;
        app.tenancy().begin_to_remove_organisation(&organisation, "test").await.unwrap();
        entries
    });
    drop(app);
    let path = |name: &str| {
        let id = entries.iter().find(|e| e.name == name).unwrap().id();
        harness.data_dir().join("sandboxes").join(id)
    };
    let all: Vec<_> = entries.iter().map(|entry| path(&entry.name)).collect();
    let (gone, half) = (path("files-gone"), path("files-half-gone"));
    let harness = harness.restarted(|| {
        std::fs::remove_dir_all(&gone).unwrap();
        std::fs::remove_file(half.join("store.db")).unwrap();
    });
    let api = harness.api("stays");
    // Its keys are worth nothing from the first moment on.
    Api { url: api.url.clone(), ..theirs }.get("connections").refused(401, "key.refused");
    let left = || -> Vec<String> {
        let listed = api.get("/v1/sandboxes").body;
        listed["items"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect()
    };
    while left() != ["default", "stays"] || api.get(&format!("/v1/organisations/{id}")).status != 404 {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!all.iter().any(|place| place.exists()));
    assert_eq!(api.get("connections").body["items"].as_array().unwrap().len(), 1);
    // What they had of instances is free, and what stays has its own.
    let (_, new) = organisation(&harness, "new");
    new.post("connections", &source(&munchkin(402))).is(201);
    new.post("connections", &source(&munchkin(401))).refused(409, "connection.instance-taken");
}

#[test]
fn uses_of_instances_are_put_right_at_the_next_start() {
    let harness = Harness::start(&[]);
    let (_, second) = organisation(&harness, "second");
    let api = harness.api("default");
    api.post("connections", &source(&munchkin(501))).is(201);
    let kept = api.post("connections", &source(&munchkin(502))).is(201).text("/id").to_owned();
    // As a kill leaves it between the two stores: one use without its connection, one connection without its use.
    let app = harness.host.app().clone();
    let organisation = app.tenancy().all_sandboxes().unwrap()[0].organisation.clone();
    let sandbox = app.sandbox(&app.keys().authenticate(&harness.key).unwrap(), "default").unwrap();
    harness.runtime.block_on(async {
        let plugins = app.plugins();
        let plugin = plugins.find("source-marketo").unwrap().plugin;
        let instance = |number| attiva_core::key::Instance { system: "Marketo".into(), id: munchkin(number) };
        let registry = app.instances();
        registry.join(sandbox.entry(), "con_never-written", &instance(503), &plugin).await.unwrap();
        registry.leave(sandbox.entry(), |connection| connection == kept).await.unwrap();
    });
    assert_eq!(organisation, sandbox.entry().organisation);
    second.post("connections", &source(&munchkin(503))).refused(409, "connection.instance-taken");
    drop((app, sandbox));
    let harness = harness.restarted(|| {});
    let second = Api { url: harness.host.url(), ..second };
    second.post("connections", &source(&munchkin(503))).is(201);
    for number in [501, 502] {
        second.post("connections", &source(&munchkin(number))).refused(409, "connection.instance-taken");
    }
}
