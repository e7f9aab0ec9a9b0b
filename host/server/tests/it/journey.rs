//! Leads on their way through a host, and what happens where a vendor refuses.

use crate::connections::patch;
use crate::harness::{Answer, Api, Harness};
use attiva_simulators::marketo::{CsvQuirk, Fault, Injection, Marketo, MarketoConfig};
use attiva_simulators::s3::{S3, S3Config};
use serde_json::{Value, json};
use std::time::Duration;
use ureq::http::Method;

pub(crate) struct Vendors {
    marketo: Marketo,
    pub(crate) s3: S3,
    pub(crate) root: tempfile::TempDir,
}

impl Vendors {
    pub(crate) fn config(&self) -> &MarketoConfig {
        self.marketo.config()
    }

    pub(crate) fn secret(&self) -> String {
        self.config().client_secret.clone()
    }

    pub(crate) fn marketo(&self) -> &Marketo {
        &self.marketo
    }

    /// Where the store answers.
    pub(crate) fn store_url(&self) -> String {
        self.s3.endpoint()
    }

    /// The newest file in the store's bucket, as text: names of files begin with the time.
    pub(crate) fn newest_file(&self, ending: &str) -> String {
        let mut folders = vec![self.root.path().join("bucket")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.to_string_lossy().ends_with(ending) => files.push(path),
                    false => {}
                }
            }
        }
        files.sort();
        std::fs::read_to_string(files.last().unwrap()).unwrap()
    }

    /// Where the Marketo answers.
    pub(crate) fn url(&self) -> String {
        self.marketo.base_url()
    }
}

fn vendors(leads: u64) -> Vendors {
    vendors_of(MarketoConfig { leads, missing_email_every: 7, ..MarketoConfig::default() })
}

pub(crate) fn vendors_of(marketo: MarketoConfig) -> Vendors {
    let root = tempfile::tempdir().unwrap();
    let s3 = S3Config {
        port: 0,
        access_key: "AKIDEXAMPLE".into(),
        secret_key: "right".into(),
        bucket: "bucket".into(),
        root: root.path().to_owned(),
    };
    Harness::shared().runtime.block_on(async {
        Vendors { marketo: Marketo::start(marketo).await.unwrap(), s3: S3::start(s3).await.unwrap(), root }
    })
}

pub(crate) fn connect(api: &Api, body: &Value, origin: &str, url: &str) -> String {
    let id = api.post("connections", body).is(201).text("/id").to_owned();
    api.json(Method::PUT, &format!("connections/{id}/grants/{origin}"), &[], &json!({ "url": url })).is(200);
    id
}

pub(crate) fn connect_marketo(api: &Api, vendors: &Vendors, secret: &str) -> String {
    let config = vendors.marketo.config();
    let body = json!({"name": "m", "plugin": "source-marketo", "configuration": {"munchkin_id": "123-ABC-456",
        "client_id": config.client_id, "client_secret": secret, "start_date": start_date(), "poll_seconds": 1}});
    connect(api, &body, "api", &vendors.marketo.base_url())
}

pub(crate) fn connect_s3(api: &Api, vendors: &Vendors, secret: &str) -> String {
    let body = json!({"name": "s3", "plugin": "destination-s3", "configuration": {"bucket": "bucket",
        "region": "eu-central-1", "addressing": "path", "access_key_id": "AKIDEXAMPLE", "secret_access_key": secret}});
    connect(api, &body, "path", &vendors.s3.endpoint())
}

/// A little before the simulator's oldest lead, which is 60 days old: the first export has leads in it.
fn start_date() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    attiva_core::time::format_date(i32::try_from(now / 86_400).unwrap() - 62)
}

/// Starts long work and waits for its end; returns the run or delivery.
pub(crate) fn work(api: &Api, path: &str) -> Answer {
    work_with(api, path, &json!({}))
}

pub(crate) fn work_with(api: &Api, path: &str, body: &Value) -> Answer {
    let begun = api.post(path, body);
    let place = begun.is(202).header("location").to_owned();
    assert_eq!(begun.body["done"], false);
    loop {
        let operation = api.get(&place);
        if operation.is(200).body["done"] == true {
            return api.get(operation.text("/subject_url"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn run(api: &Api, connection: &str) -> Answer {
    work(api, &format!("connections/{connection}/runs"))
}

pub(crate) fn caught_up(api: &Api) {
    while api.get("projection").is(200).body["caught_up"] != true {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn failed_tests(checked: &Answer) -> Vec<&str> {
    let tests = checked.is(200).body["tests"].as_array().unwrap();
    tests.iter().filter_map(|t| t["fault"]["kind"].as_str()).collect()
}

#[test]
fn a_wrong_secret_is_an_auth_fault_and_the_right_one_goes_on() {
    let api = Harness::sandbox();
    let vendors = vendors(30);
    let id = connect_marketo(&api, &vendors, "wrong");
    assert_eq!(failed_tests(&api.post(&format!("connections/{id}/check"), &json!({})))[0], "auth");
    let refused = api.post(&format!("connections/{id}/runs"), &json!({}));
    assert_eq!((refused.status, refused.text("/kind")), (502, "auth"), "{refused:?}");
    assert!(!refused.text("/action").is_empty());

    let right = &vendors.marketo.config().client_secret;
    patch(&api, &id, &[], &json!({"configuration": {"client_secret": right}})).is(200);
    assert_eq!(api.post(&format!("connections/{id}/check"), &json!({})).body["passed"], true);
    let first = run(&api, &id);
    assert_eq!((first.text("/status"), &first.body["streams"][0]["changed"]), ("succeeded", &json!(30)), "{first:?}");

    // It goes wrong later: the run fails, and the one after it goes on where the first had ended.
    patch(&api, &id, &[], &json!({"configuration": {"client_secret": "wrong"}})).is(200);
    vendors.marketo.expire_tokens();
    let begun = api.post(&format!("connections/{id}/runs"), &json!({}));
    if begun.status == 202 {
        let place = begun.header("location").to_owned();
        while api.get(&place).body["done"] != true {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(api.get(&place).text("/fault/kind"), "auth");
    } else {
        assert_eq!(begun.text("/kind"), "auth", "{begun:?}");
    }
    patch(&api, &id, &[], &json!({"configuration": {"client_secret": right}})).is(200);
    let again = run(&api, &id);
    assert_eq!((again.text("/status"), &again.body["streams"][0]["changed"]), ("succeeded", &json!(0)), "{again:?}");
}

#[test]
fn what_a_vendor_sends_amiss_is_told_and_the_run_goes_on() {
    let api = Harness::sandbox();
    let vendors = vendors(90);
    for (row, quirk) in [(0, CsvQuirk::MissingId), (1, CsvQuirk::HugeField(10 << 20)), (2, CsvQuirk::InvalidUtf8)] {
        vendors.marketo.inject(Fault::Csv { quirk, row });
    }
    // A proxy's page in the place of an answer, once, with the status of a good one.
    let html = |path: &str| Injection::from(Fault::HtmlPage { status: 200 }).at(path);
    vendors.marketo.inject(html("/rest/v1/activities.json"));
    vendors.marketo.inject(html("/bulk/v1/leads/export/create.json"));
    let id = connect_marketo(&api, &vendors, &vendors.marketo.config().client_secret);
    let run = run(&api, &id);
    let stream = &run.body["streams"][0];
    assert_eq!((run.text("/status"), &stream["rejected"]), ("succeeded", &json!(3)), "{run:?}");
    assert_eq!(stream["changed"], json!(87));
    let rejects = api.get(&format!("runs/{}/rejects", run.text("/id")));
    let items = rejects.is(200).body["items"].as_array().unwrap();
    let mut codes: Vec<_> = items.iter().map(|r| r["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["field-too-long", "key-missing", "not-utf8"]);
    assert!(items.iter().all(|r| !r["message"].as_str().unwrap().is_empty()), "{rejects:?}");
    assert!(vendors.marketo.clear_faults().is_empty(), "each of them was met");
}

#[test]
fn a_connection_that_is_removed_leaves_no_export_behind() {
    let api = Harness::sandbox();
    let vendors = vendors(30);
    let id = connect_marketo(&api, &vendors, &vendors.marketo.config().client_secret);
    patch(&api, &id, &[], &json!({"configuration": {"poll_seconds": 3_600}})).is(200);
    let begun = api.post(&format!("connections/{id}/runs"), &json!({}));
    let run = begun.is(202).text("/subject").to_owned();
    // Ordered and started; the look at it is an hour away.
    while !vendors.marketo.exports().iter().any(|job| job["status"] != "Created") {
        std::thread::sleep(Duration::from_millis(20));
    }
    while api.get(&format!("runs/{run}")).text("/status") != "waiting" {
        std::thread::sleep(Duration::from_millis(20));
    }
    api.post(&format!("runs/{run}/cancel"), &json!({}));
    while api.get(&format!("runs/{run}")).text("/status") != "cancelled" {
        std::thread::sleep(Duration::from_millis(20));
    }
    let cancels = || vendors.marketo.received().count("POST", "/bulk/v1/leads/export/{id}/cancel.json");
    assert_eq!(cancels(), 0, "the next run may go on with it");
    api.send(Method::DELETE, &format!("connections/{id}"), &[], Vec::new()).is(204);
    assert_eq!(cancels(), 1);
}

#[test]
fn profiles_are_found_by_what_identifies_them_and_every_member_has_an_outcome() {
    let api = Harness::sandbox();
    let vendors = vendors(40);
    let source = connect_marketo(&api, &vendors, &vendors.marketo.config().client_secret);
    assert_eq!(run(&api, &source).text("/status"), "succeeded");
    caught_up(&api);

    let with_email = vendors.marketo.exported_leads().find(|l| l["email"].is_string()).unwrap();
    let email = with_email["email"].as_str().unwrap();
    let by_email = api.get(&format!("profiles?namespace=email&value={}", email.to_uppercase().replace('+', "%2B")));
    assert_eq!(by_email.is(200).text("/items/0/attributes/email"), email);
    let key = format!("{}@123-ABC-456.Marketo", with_email["id"]);
    let by_key = api.get(&format!("profiles?namespace=source_key&value={key}"));
    assert_eq!(by_key.text("/items/0/id"), by_email.text("/items/0/id"));
    let shown = api.get(&format!("profiles/{}", by_key.text("/items/0/id")));
    assert!(shown.text.contains(&key), "{}", shown.text);
    assert_eq!(api.get("profiles?namespace=email&value=nobody@example.com").body, json!({"items": []}));

    let segment = api.post("segments", &json!({"name": "all", "expression": "person.person_score >= 0"}));
    let segment = segment.is(201).text("/id").to_owned();
    caught_up(&api);
    let members = api.get(&format!("segments/{segment}")).body["members"].as_u64().unwrap();
    let listed = api.get(&format!("segments/{segment}/members?limit=500"));
    assert_eq!(listed.body["items"].as_array().unwrap().len() as u64, members);
    assert!(members > 30);

    let activate = |connection: &str, object: &str| {
        api.post(
            "activations",
            &json!({"name": "a", "segment": segment, "connection": connection,
            "target": {"object": object, "name": "t"},
            "mapping": [{"field": "email", "expression": "person.email", "required": true}]}),
        )
    };
    let s3 = connect_s3(&api, &vendors, "right");
    assert_eq!(activate(&s3, "list").refused(422, "activation.target").text("/errors/0/field"), "/target/object");
    let activation = activate(&s3, "file").is(201).text("/id").to_owned();
    let in_use = api.send(Method::DELETE, &format!("connections/{s3}"), &[], Vec::new());
    in_use.refused(409, "connection.in-use");
    let delivery = work(&api, &format!("activations/{activation}/deliveries"));
    assert_eq!(delivery.text("/status"), "succeeded", "{delivery:?}");
    let books = &delivery.body["books"];
    let without = books["excluded"].as_u64().unwrap();
    assert_eq!((&books["received"], &books["pending"]), (&json!(members), &json!(0)), "{books}");
    assert!(without > 0 && books["created"].as_u64().unwrap() + without == members, "{books}");
    assert_eq!(delivery.body["artifacts"][0]["rows"], members - without);
    let id = delivery.text("/id");
    let excluded = api.get(&format!("deliveries/{id}/items?status=excluded&limit=500"));
    let codes: Vec<&str> =
        excluded.body["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap()).collect();
    assert_eq!(codes.len() as u64, without);
    // Who opted out of anything is left out by what says not what it is for; others have no address.
    assert!(codes.contains(&"field.missing"), "{codes:?}");
    assert!(codes.iter().all(|code| ["field.missing", "consent.opted-out"].contains(code)), "{codes:?}");
    let (mut seen, mut next) = (0, format!("deliveries/{id}/items?limit=7"));
    while !next.is_empty() {
        let page = api.get(&next);
        seen += page.is(200).body["items"].as_array().unwrap().len() as u64;
        next = page.header("link").trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
    }
    assert_eq!(seen, members);

    // A destination that refuses: every member is accounted for, and nothing is pending.
    let refused = connect_s3(&api, &vendors, "wrong");
    assert_eq!(failed_tests(&api.post(&format!("connections/{refused}/check"), &json!({})))[0], "auth");
    let activation = activate(&refused, "file").is(201).text("/id").to_owned();
    let delivery = work(&api, &format!("activations/{activation}/deliveries"));
    assert_eq!((delivery.text("/status"), delivery.text("/fault/kind")), ("failed", "auth"), "{delivery:?}");
    let books = &delivery.body["books"];
    assert_eq!((&books["pending"], &books["created"]), (&json!(0), &json!(0)), "{books}");
    assert_eq!(books["failed"].as_u64().unwrap() + books["excluded"].as_u64().unwrap(), members, "{books}");
}
