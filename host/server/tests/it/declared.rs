//! Configuration as files, by the program as people run it: exported, planned, applied, compared.

use crate::account_activations::{activation, linkedin, with};
use crate::audiences::{business, make, send};
use crate::harness::{Api, Harness};
use crate::journey::{Vendors, caught_up, connect, connect_marketo, connect_s3, run, vendors_of, work};
use crate::process::attiva;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use ureq::http::Method;

/// What a command said, and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn is(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }
}

/// The secrets of the tests' vendors.
const SECRET: &str = "right";

pub(crate) fn command(api: &Api, place: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = attiva(arguments);
    command.current_dir(place).env("ATTIVA_URL", &api.url).env("ATTIVA_KEY", &api.key);
    command.env("ATTIVA_SANDBOX", &api.sandbox).env("S3_SECRET_ACCESS_KEY", SECRET);
    command.env("M_CLIENT_SECRET", MarketoConfig::default().client_secret).env("LATER_CLIENT_SECRET", "hunter2");
    command
}

pub(crate) fn say(api: &Api, place: &Path, arguments: &[&str]) -> Said {
    let output = command(api, place, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let said = Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
    for secret in [&MarketoConfig::default().client_secret, "hunter2"] {
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{arguments:?} tells a secret");
    }
    said
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(place.path().join(name), text).unwrap();
    }
    place
}

pub(crate) fn some_vendors() -> Vendors {
    vendors_of(MarketoConfig { leads: 20, ..MarketoConfig::default() })
}

/// A sandbox with something of every kind.
pub(crate) fn everything(vendors: &Vendors) -> Api {
    let api = Harness::sandbox();
    let put = |path: &str, body: &Value| {
        api.json(Method::PUT, path, &[], body).is(200);
    };
    let tier = json!({"entity": "person", "field": {"name": "tier", "data_type": "text", "values": ["gold", "tin"]}});
    put("model", &json!({"version": 0, "attributes": [tier]}));
    put(
        "exchange-rates/EUR",
        &json!({"base": "EUR", "rates": [{"currency": "USD", "from": "2026-01-01", "rate": "0.92"}]}),
    );
    put("guardrails", &json!({"person.identities": {"max": 150}}));
    let rule = json!({"channel": "ads", "purpose": "*", "needs": "no-refusal"});
    put("consent-rules", &json!({"version": 1, "rules": [rule], "unnamed": "no-refusal"}));
    let mut rules = api.get("identity/rules").body.clone();
    // More than the limit: what holds is the limit.
    rules["identities_max"] = json!(180);
    rules["namespaces"]["email"]["blocked"] = json!(["info@*"]);
    put("identity/rules", &rules);
    let merge = json!({"version": 0, "fields": {"email": {"rule": "precedence", "sources": ["Salesforce"]}}});
    let version = api.get("identity/merge-policy").body["version"].clone();
    put("identity/merge-policy", &with(merge, "version", version));
    put("account-matching", &json!({"version": 1, "threshold": 70, "domains": {"shared": ["reseller.com"]}}));
    put("evaluation-schedule", &json!({"cron": "0 3 * * *"}));

    let marketo = connect_marketo(&api, vendors, &MarketoConfig::default().client_secret);
    assert_eq!(run(&api, &marketo).text("/status"), "succeeded");
    caught_up(&api);
    let place = format!("connections/{marketo}/mappings/persons");
    let shown = api.get(&place).body.clone();
    let mut edited = json!({"entity": shown["entity"], "fields": shown["fields"]});
    edited["fields"]["job_title"] = json!("\"Engineer\"");
    put(&place, &edited);
    // What is scheduled begins at once: nobody answers this one, so that no test is in its way.
    let later = json!({"name": "later", "plugin": "source-marketo", "configuration": {"munchkin_id": "321-CBA-654",
        "client_id": "x", "client_secret": "hunter2", "start_date": "2026-01-01"}});
    let later = connect(&api, &later, "api", "http://127.0.0.1:9");
    crate::connections::patch(&api, &later, &[], &json!({"schedule": {"every_seconds": 86400}})).is(200);
    let s3 = connect_s3(&api, vendors, SECRET);
    put(
        "usage-policy",
        &json!({"version": 1, "labels": [{"field": "person.person_score", "not_for": ["ads"]}],
        "destinations": [{"connection": s3, "uses": ["ads"]}]}),
    );

    let hr = make(&api, &json!({"name": "HR", "expression": "person.department == \"HR\""}));
    // Asked for by its id, which means nothing elsewhere.
    let rule = format!("inAudience(\"{hr}\") &&\n  person.job_title == \"Engineer\"");
    make(&api, &json!({"name": "A \"quoted\": name", "expression": rule, "evaluation": "batch"}));
    make(&api, &json!({"name": "Big", "entity": "account", "expression": "account.number_of_employees >= 500"}));
    let body = activation(&hr, &s3, "file", &[("mail", "person.email")]);
    let body =
        with(with(body, "export", json!("incremental")), "consent", json!({"channel": "ads", "purpose": "offers"}));
    let mut body = with(body, "schedule", json!({"cron": "0 6 * * *"}));
    body["target"] = json!({"object": "file", "name": "hr", "options": {"operation_column": "operation"}});
    let id = api.post("activations", &body).is(201).text("/id").to_owned();
    api.post(&format!("activations/{id}/pause"), &json!({})).is(200);
    put(
        "freshness-targets",
        &json!({"targets": [{"connection": marketo, "stream": "persons", "seconds": 3600},
            {"connection": s3, "seconds": 60}, {"activation": id, "seconds": 86400}]}),
    );
    api
}

pub(crate) fn files(place: &Path) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = std::fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    all.sort();
    all
}

/// A sandbox with something of every kind, and its configuration in the folder `conf`.
pub(crate) fn exported() -> (Vendors, Api, TempDir) {
    let vendors = some_vendors();
    let api = everything(&vendors);
    let place = tempfile::tempdir().unwrap();
    say(&api, place.path(), &["export", "conf"]).is(0);
    (vendors, api, place)
}

#[test]
fn what_one_sandbox_exports_another_becomes() {
    let (_vendors, api, place) = exported();
    let exported = files(&place.path().join("conf"));
    assert_eq!(exported.len(), 14, "{exported:#?}");
    let all: String = exported.iter().map(|(_, text)| text.as_str()).collect();
    for path in ["connections", "segments", "activations"] {
        for item in api.get(path).body["items"].as_array().unwrap() {
            assert!(!all.contains(item["id"].as_str().unwrap()), "{item}\n{all}");
        }
    }
    assert!(all.contains("from_env: S3_SECRET_ACCESS_KEY") && all.contains("inAudience(\"HR\")"), "{all}");

    // Every document is one that the schema knows.
    let schema = say(&api, place.path(), &["schema"]).is(0).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let documents = say(&api, place.path(), &["export", "--output", "json"]).is(0).json();
    assert_eq!(documents.as_array().unwrap().len(), 18);
    for document in documents.as_array().unwrap() {
        assert!(validator.is_valid(document), "{document:#}\n{:?}", validator.iter_errors(document).next());
    }

    // Where it comes from, there is nothing to do.
    assert_eq!(say(&api, place.path(), &["plan", "conf"]).is(0).out, "Nothing to change.\n");
    say(&api, place.path(), &["drift", "conf"]).is(0);
    say(&api, place.path(), &["export", "conf"]).is(2);
    say(&api, place.path(), &["export", "conf", "--overwrite"]).is(0);
    assert_eq!(files(&place.path().join("conf")), exported);

    // Elsewhere, all of it is made; a mapping waits until its stream was read once.
    let other = Harness::sandbox();
    let first = say(&other, place.path(), &["apply", "conf"]).is(1);
    assert!(first.out.contains("waits: mapping m/persons: "), "{}{}", first.out, first.err);
    assert!(first.err.contains("17 of 18 changes were made"), "{}", first.err);
    let connections = other.get("connections").body["items"].as_array().unwrap().clone();
    let marketo = connections.iter().find(|connection| connection["name"] == "m").unwrap();
    let marketo = marketo["id"].as_str().unwrap().to_owned();
    assert_eq!(run(&other, &marketo).text("/status"), "succeeded");
    caught_up(&other);
    assert_eq!(say(&other, place.path(), &["apply", "conf"]).is(0).out, "created mapping m/persons\n");
    let rules = place.path().join("conf/identity-rules.yaml");
    let text = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, text.replace("identities_max: 150", "identities_max: 180")).unwrap();
    let again = say(&other, place.path(), &["apply", "conf"]).is(0);
    assert_eq!((again.out.as_str(), again.err.as_str()), ("Nothing to change.\n", ""));
    say(&other, place.path(), &["export", "there"]).is(0);
    assert_eq!(files(&place.path().join("there")), exported);
}

const PEOPLE: &str = "\
kind: segment
name: Office
expression: person.department == \"HR\"
---
kind: activation
name: To ads
segment: Office
connection: Ads
target: {object: people, name: office}
mapping:
  - {field: email, expression: person.email, required: true}
";

fn row(plan: &Value, activation: &str) -> (Value, Value, Value) {
    let rows = plan["effects"].as_array().unwrap();
    let row = rows.iter().find(|it| it["activation"] == activation).unwrap_or_else(|| panic!("{plan:#}"));
    (row["enter"].clone(), row["leave"].clone(), row["stay"].clone())
}

fn delivered(api: &Api, name: &str) -> Value {
    let all = api.get("activations").body["items"].as_array().unwrap().clone();
    let it = all.iter().find(|it| it["name"] == name && it["retired"] != true).unwrap();
    let done = work(api, &format!("activations/{}/deliveries", it["id"].as_str().unwrap()));
    assert_eq!(done.text("/status"), "succeeded", "{done:?}");
    done.body["books"].clone()
}

#[test]
fn what_a_plan_says_of_members_is_what_deliveries_then_do() {
    let api = business();
    let (_vendor, _) = linkedin(&api);
    let place = folder(&[("people.yaml", PEOPLE)]);
    let plan = |delete: &[&str]| {
        let arguments = [&["plan", "people.yaml", "--output", "json"], delete].concat();
        say(&api, place.path(), &arguments).is(0).json()
    };
    let apply = || say(&api, place.path(), &["apply", "people.yaml"]).is(0);
    let edit = |from: &str, to: &str| {
        let text = std::fs::read_to_string(place.path().join("people.yaml")).unwrap();
        assert!(text.contains(from));
        std::fs::write(place.path().join("people.yaml"), text.replace(from, to)).unwrap();
    };

    // Ann and Cid.
    assert_eq!(row(&plan(&[]), "To ads"), (json!(2), json!(0), json!(0)));
    apply();
    caught_up(&api);
    assert_eq!(delivered(&api, "To ads")["updated"], 2);

    // Bob comes, Cid goes, Ann stays.
    edit("person.department == \"HR\"", "person.email in [\"ann@x.com\", \"bob@x.com\"]");
    let before = plan(&[]);
    assert_eq!(row(&before, "To ads"), (json!(1), json!(1), json!(1)), "{before:#}");
    assert_eq!(before["changes"][0]["place"], "people.yaml:1:1");
    let said = say(&api, place.path(), &["plan", "people.yaml"]).is(0);
    assert!(said.out.contains("~ segment Office") && said.out.contains("/expression: "), "{}", said.out);
    apply();
    caught_up(&api);
    let books = delivered(&api, "To ads");
    assert_eq!(
        (&books["updated"], &books["removed"], &books["unchanged"]),
        (&json!(1), &json!(1), &json!(1)),
        "{books}"
    );

    // Another mapping: whoever is there stays, and is written anew.
    edit("required: true}\n", "required: true}\n  - {field: title, expression: person.job_title}\n");
    let changed = plan(&[]);
    assert_eq!(
        (&changed["changes"][0]["step"], row(&changed, "To ads")),
        (&json!("replace"), (json!(0), json!(0), json!(2)))
    );
    assert_eq!(apply().out, "replaced activation To ads\n");
    caught_up(&api);
    let books = delivered(&api, "To ads");
    assert_eq!((&books["removed"], &books["received"]), (&json!(0), &json!(2)), "{books}");

    // Another target: they leave the one and enter the other.
    edit("name: office", "name: elsewhere");
    let moved = plan(&[]);
    let rows: Vec<_> =
        moved["effects"].as_array().unwrap().iter().map(|it| (&it["target"], &it["enter"], &it["leave"])).collect();
    assert_eq!(rows, [(&json!("office"), &json!(0), &json!(2)), (&json!("elsewhere"), &json!(2), &json!(0))]);
    apply();
    let retired =
        api.get("activations").body["items"].as_array().unwrap().iter().find(|it| it["retired"] == true).cloned();
    let retired = retired.unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(work(&api, &format!("activations/{retired}/deliveries")).body["books"]["removed"], 2);
    assert_eq!(delivered(&api, "To ads")["updated"], 2);

    // What hangs on a change that cannot be tried is said not to be known.
    edit("---\n", "---\nkind: model\nattributes: [{entity: person, field: {name: tier, data_type: text}}]\n---\n");
    edit("person.email in [\"ann@x.com\", \"bob@x.com\"]", "person.tier == \"gold\"");
    let unknown = plan(&[]);
    let it = &unknown["effects"][0];
    assert_eq!((it.get("enter"), &it["note"]), (None, &json!("follows model model")), "{unknown:#}");
    apply();

    // Gone from the files, it stays until somebody says that it goes.
    std::fs::write(place.path().join("people.yaml"), "").unwrap();
    assert_eq!(plan(&[])["changes"], json!([]));
    let gone = plan(&["--delete"]);
    assert_eq!(row(&gone, "To ads").0, 0);
    let steps: Vec<_> = gone["changes"].as_array().unwrap().iter().map(|it| (&it["step"], &it["kind"])).collect();
    let remove = json!("remove");
    assert_eq!(steps, [(&remove, &json!("activation")), (&remove, &json!("segment")), (&remove, &json!("connection"))]);
    let said = say(&api, place.path(), &["apply", "people.yaml", "--delete"]).is(1);
    assert!(said.out.starts_with("removed activation To ads\nwaits: segment Office: "), "{}", said.out);
}

#[test]
fn what_cannot_stand_there_is_refused_with_file_line_and_what_was_meant() {
    let api = Harness::sandbox();
    let refused = |text: &str| {
        let place = folder(&[("a.yaml", text)]);
        let said = say(&api, place.path(), &["plan", "a.yaml"]).is(2);
        said.err.trim_start_matches("error: ").trim().to_owned()
    };
    assert_eq!(
        refused("kind: segment\nname: x\nexpresion: \"true\"\n"),
        "a.yaml:3:1: `expresion` is not a key that may stand here; did you mean `expression`?\na.yaml:1:1: `expression` is missing"
    );
    let nested = PEOPLE.replace("required: true", "requird: true");
    assert!(refused(&nested).starts_with("a.yaml:11:46: `requird` is not a key"), "{}", refused(&nested));
    assert!(refused("kind: segmnt\n").ends_with("there is no kind `segmnt`; did you mean `segment`?"));
    assert!(refused("name: x\n").contains("`kind` is missing"));
    assert!(refused("kind: segment\nname: x\nname: y\n").starts_with("a.yaml:3:"));
    let twice = "kind: segment\nname: x\nexpression: \"true\"\n";
    assert!(refused(&format!("{twice}---\n{twice}")).ends_with("a.yaml:5:1: the segment `x` stands at a.yaml:1:1 too"));
    assert!(
        refused(PEOPLE).ends_with("a.yaml:8:1: there is no connection `Ads`, neither in the files nor in the sandbox")
    );

    // A secret never stands in a file, and what is wrong with it does not repeat it.
    let connection = |secret: &str| {
        format!(
            "kind: connection\nname: s3\nplugin: destination-s3\nconfiguration:\n  bucket: b\n  region: r\n  access_key_id: A\n  secret_access_key: {secret}\n"
        )
    };
    assert!(
        refused(&connection("hunter2"))
            .starts_with("a.yaml:8:3: `secret_access_key` is a secret, and must not stand here")
    );
    assert!(refused(&connection("{from_env: X, value: hunter2}")).starts_with("a.yaml:8:3: a secret is"));
    assert!(
        refused(&connection("{from_env: X}").replace("region: r", "region: {from_env: R}"))
            .contains("`region` is no secret")
    );
    let place = folder(&[("a.yaml", &connection("{from_env: NOWHERE}"))]);
    let said = say(&api, place.path(), &["apply", "a.yaml"]).is(2);
    assert!(said.err.contains("a.yaml:8:3: there is no variable `NOWHERE`"), "{}", said.err);

    // What the host refuses stands where it is in the file; nothing after it was tried.
    let wrong = connection("{from_env: S3_SECRET_ACCESS_KEY}").replace("  region: r\n", "  regoin: r\n");
    let place = folder(&[("a.yaml", &wrong), ("b.yaml", "kind: segment\nname: x\nexpression: person.nothing == 1\n")]);
    let said = say(&api, place.path(), &["apply", "."]).is(1);
    assert!(said.err.contains("./a.yaml:6:3"), "{}", said.err);
    assert_eq!(said.out, "failed: connection s3\nnot done: segment x\n");
    let said = say(&api, place.path(), &["plan", "b.yaml"]).is(1);
    assert!(said.err.contains("b.yaml:3:1: "), "{}", said.err);
}

#[test]
fn drift_is_told_by_place_and_by_an_exit_code() {
    let api = business();
    let (_vendor, _) = linkedin(&api);
    let place = folder(&[("people.yaml", PEOPLE)]);
    say(&api, place.path(), &["drift", "people.yaml"]).is(7);
    say(&api, place.path(), &["apply", "people.yaml"]).is(0);
    let said = say(&api, place.path(), &["drift", "people.yaml"]).is(7);
    assert_eq!(said.out, "connection Ads is in no file\n");
    let same = say(&api, place.path(), &["drift", "people.yaml", "--ignore-extra"]).is(0);
    assert_eq!(same.out, "What runs is what the files say.\n");

    let segment = api.get("segments").body["items"][0]["id"].as_str().unwrap().to_owned();
    let other = json!({"name": "Office", "expression": "person.department == \"Sales\""});
    api.json(Method::PUT, &format!("segments/{segment}"), &[], &other).is(200);
    let said = say(&api, place.path(), &["drift", "people.yaml", "--ignore-extra"]).is(7);
    let expected = "people.yaml:3:1: segment Office differs: /expression: \"person.department == \\\"Sales\\\"\" -> \"person.department == \\\"HR\\\"\"\n";
    assert_eq!(said.out, expected);

    // What is paused by hand stays paused, and is no difference.
    let id = api.get("activations").body["items"][0]["id"].as_str().unwrap().to_owned();
    api.post(&format!("activations/{id}/pause"), &json!({})).is(200);
    assert_eq!(say(&api, place.path(), &["apply", "people.yaml"]).is(0).out, "changed segment Office\n");
    say(&api, place.path(), &["drift", "people.yaml", "--ignore-extra"]).is(0);
    assert_eq!(api.get(&format!("activations/{id}")).body["paused"], true);
    let text = format!("{PEOPLE}paused: false\n");
    std::fs::write(place.path().join("people.yaml"), text).unwrap();
    say(&api, place.path(), &["apply", "people.yaml"]).is(0);
    assert_eq!(api.get(&format!("activations/{id}")).body["paused"], false);

    // Two of one name are none that a file could mean.
    send(&api, "person", &json!([{"id": "z", "fields": {"email": "zoe@x.com"}}]));
    make(&api, &json!({"name": "Office", "expression": "person.email == \"zoe@x.com\""}));
    let said = say(&api, place.path(), &["plan", "people.yaml"]).is(2);
    assert!(said.err.contains("people.yaml:2:1: several segments are called `Office`"), "{}", said.err);
    say(&api, place.path(), &["export"]).is(2);
}

#[test]
fn programs_may_have_yaml() {
    let api = Harness::sandbox();
    make(&api, &json!({"name": "x: y", "expression": "person.department == \"HR\""}));
    let said = say(&api, Path::new("."), &["segment", "list", "--output", "yaml"]).is(0);
    let read = &saphyr_documents(&said.out)[0];
    assert_eq!(read["items"][0]["name"], "x: y", "{}", said.out);
    // A thing can be named by its name; one that is not there is an answer in the same form.
    let shown = say(&api, Path::new("."), &["segment", "show", "x: y", "--output", "yaml"]).is(0);
    assert_eq!(saphyr_documents(&shown.out)[0]["name"], "x: y");
    let refused = say(&api, Path::new("."), &["segment", "show", "nobody", "--output", "yaml"]).is(5);
    assert_eq!(saphyr_documents(&refused.err)[0]["code"], "segment.missing", "{}", refused.err);
}

#[test]
fn a_secret_is_entered_again_when_it_is_asked_for() {
    let vendors = some_vendors();
    let api = Harness::sandbox();
    let id = connect_marketo(&api, &vendors, "wrong");
    let place = tempfile::tempdir().unwrap();
    say(&api, place.path(), &["export", "conf"]).is(0);
    let passed = || api.post(&format!("connections/{id}/check"), &json!({})).body["passed"] == true;
    say(&api, place.path(), &["apply", "conf"]).is(0);
    assert!(!passed());
    let said = say(&api, place.path(), &["apply", "conf", "--secrets"]).is(0);
    assert!(said.out.contains("entered the secret m: client_secret"), "{}", said.out);
    assert!(passed());
}

/// `docs/configuration-files.md`, run: its files are written, each where it stands, and its commands followed.
#[test]
fn the_page_on_configuration_files_is_true() {
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    let person = |(id, department): (usize, &&str)| {
        let mail = format!("p{id}@x.com");
        json!({"id": id.to_string(), "fields": {"email": mail, "department": department}})
    };
    let people: Vec<Value> = ["HR", "HR", "HR", "HR", "Legal", "Sales"].iter().enumerate().map(person).collect();
    send(&api, "person", &json!(people));
    caught_up(&api);
    let vendors = some_vendors();
    let page = include_str!("../../../../docs/configuration-files.md");
    let page = page.replace("http://127.0.0.1:9000", &vendors.store_url());
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("conf")).unwrap();
    let schema: Value = serde_json::from_str(&say(&api, place.path(), &["schema"]).is(0).out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (mut commands, mut files) = (0, 0);
    let mut parts = page.split("```yaml\n# ");
    let mut follow = |text: &str| crate::operators::follow(&harness, place.path(), text, |_, _| commands += 1);
    follow(parts.next().unwrap());
    for part in parts {
        let (file, rest) = part.split_once("```").unwrap();
        let (name, text) = file.split_once('\n').unwrap();
        std::fs::write(place.path().join(name), text).unwrap();
        files += 1;
        if name != "wrong.yaml" {
            // As an export would have it, read back from what the program made of it.
            for document in saphyr_documents(text) {
                assert!(validator.is_valid(&document), "{name}: {document:#}");
            }
        }
        follow(rest);
    }
    assert!(files >= 4 && commands >= 15, "{files} {commands}");
}

/// The documents of a page's file, by another way than the program's: keys and texts are enough of YAML for it.
fn saphyr_documents(text: &str) -> Vec<Value> {
    use saphyr::{LoadableYamlNode, Yaml};
    fn value(node: &Yaml<'_>) -> Value {
        if let Some(items) = node.as_vec() {
            return items.iter().map(value).collect();
        }
        if let Some(entries) = node.as_mapping() {
            return entries.iter().map(|(key, it)| (key.as_str().unwrap().to_owned(), value(it))).collect();
        }
        match (node.as_bool(), node.as_integer(), node.as_str()) {
            (Some(it), ..) => json!(it),
            (_, Some(it), _) => json!(it),
            (.., it) => json!(it),
        }
    }
    Yaml::load_from_str(text).unwrap().iter().map(value).collect()
}
