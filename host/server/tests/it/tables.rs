//! Open tables: read back they say what the API says; a change has its own table written anew and no other; whoever was
//! erased is in no file.

use crate::harness::{Api, Harness};
use crate::journey::caught_up;
use attiva_core::DataType;
use attiva_core::tables::{Manifest, ManifestTable};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(crate) const ANN: &str = "ann.tabled@x.example";

pub(crate) fn send(api: &Api, entity: &str, records: &[(&str, Value)]) {
    let records: Vec<Value> = records.iter().map(|(id, fields)| json!({"id": id, "fields": fields})).collect();
    let body = json!({"source": {"system": "Web", "id": "w"}, "entity": entity, "records": records});
    api.post("records", &body).is(200);
}

pub(crate) fn take(api: &Api) -> u64 {
    api.post("tables", &json!({})).is(200).body["manifest"].as_u64().unwrap()
}

fn folder(harness: &Harness, api: &Api) -> PathBuf {
    harness.data_dir().join(api.get("tables").is(200).text("/folder"))
}

fn manifest(folder: &Path) -> Manifest {
    serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

/// Rows by column, as the API would say them.
fn rows(folder: &Path, name: &str) -> Vec<BTreeMap<String, Value>> {
    let manifest = manifest(folder);
    let table: &ManifestTable = manifest.table(name).unwrap_or_else(|| panic!("no table {name}"));
    let mut rows = Vec::new();
    for file in &table.files {
        let bytes = std::fs::read(folder.join(&file.path)).unwrap();
        assert_eq!((bytes.len() as u64, attiva_store_digest(&bytes)), (file.bytes, file.sha256.clone()));
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows().unsigned_abs(), file.rows);
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let cells = table.columns.iter().zip(row.get_column_iter());
            rows.push(
                cells.map(|(column, (_, field))| (column.name.clone(), shown(column.data_type, field))).collect(),
            );
        }
    }
    rows
}

fn attiva_store_digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(bytes))
}

fn shown(data_type: DataType, field: &Field) -> Value {
    use attiva_core::Value as V;
    let value = match (data_type, field) {
        (_, Field::Null) => V::Null,
        (_, Field::Bool(value)) => V::Boolean(*value),
        (DataType::Date, Field::Int(days)) => V::Date(*days),
        (DataType::Timestamp, Field::Long(at)) => V::Timestamp(*at),
        (_, Field::Long(value)) => V::Integer(*value),
        (_, Field::Double(value)) => V::Float(*value),
        (_, Field::Str(text)) => V::Text(text.clone()),
        (_, Field::Decimal(value)) => {
            let units = i128::from_be_bytes(value.data().try_into().unwrap());
            let (sign, units) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
            let text = format!("{sign}{}.{:09}", units / 1_000_000_000, units % 1_000_000_000);
            V::Decimal(text.trim_end_matches('0').trim_end_matches('.').to_owned())
        }
        other => panic!("{other:?}"),
    };
    value.to_json()
}

fn files(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let tables = manifest(folder).tables.into_iter();
    tables.map(|table| (table.name, table.files.into_iter().map(|file| file.path).collect())).collect()
}

/// Tables that have other files than before.
fn changed(before: &BTreeMap<String, BTreeSet<String>>, after: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    after.iter().filter(|(name, files)| before.get(*name) != Some(*files)).map(|(name, _)| name.clone()).collect()
}

pub(crate) fn populate(api: &Api) {
    let person = |mail: &str, title: &str| {
        json!({"email": mail, "job_title": title, "person_score": 7, "account_key": "acme@w.Web",
        "created_date": "2026-01-02T03:04:05Z", "departments": ["a", "b"]})
    };
    send(api, "person", &[("1", person(ANN, "CEO")), ("2", person("bob@x.example", "CTO"))]);
    // Ann by another record.
    send(api, "person", &[("3", json!({"email": ANN, "last_name": "Tabled"}))]);
    let revenue =
        json!({"name": "Acme", "annual_revenue": "-12345678901234567890.123456789", "annual_revenue_currency": "EUR"});
    send(api, "account", &[("acme", revenue)]);
    send(api, "opportunity", &[("d", json!({"name": "Deal", "account_key": "acme@w.Web", "is_closed": false}))]);
    send(
        api,
        "opportunity_person",
        &[("r", json!({"opportunity_key": "d@w.Web", "person_key": "1@w.Web", "person_role": "User"}))],
    );
    let visit =
        |key: &str| json!({"type": "web.visit", "time": "2026-01-01T00:00:00Z", "person_key": key, "page": "/"});
    send(api, "activity", &[("e1", visit("1@w.Web")), ("e2", visit("2@w.Web"))]);
    api.post("segments", &json!({"name": "chiefs", "expression": "person.job_title in [\"CEO\", \"CTO\"]"})).is(201);
    caught_up(api);
}

/// All profiles of an entity, by id.
fn profiles(api: &Api, entity: &str) -> BTreeMap<String, Value> {
    let listed = api.get(&format!("profiles?entity={entity}&limit=100"));
    let items = listed.is(200).body["items"].as_array().unwrap().iter();
    items.map(|item| (item["id"].as_str().unwrap().to_owned(), item["attributes"].clone())).collect()
}

#[test]
fn tables_say_what_the_api_says() {
    let (harness, api) = (Harness::shared(), Harness::sandbox());
    populate(&api);
    assert_eq!(api.get("tables").is(200).body.get("newest"), None);
    take(&api);
    let folder = folder(harness, &api);
    for entity in ["person", "account", "opportunity", "opportunity_person"] {
        let expected = profiles(&api, entity);
        let rows = rows(&folder, &format!("model.{entity}"));
        assert_eq!(rows.len(), expected.len(), "{entity}");
        for row in rows {
            let attributes = expected[row["_profile_id"].as_str().unwrap()].as_object().unwrap();
            let said = row.iter().filter(|(name, value)| !name.starts_with('_') && !value.is_null());
            let said: BTreeMap<_, _> = said.collect();
            let lists = |value: &Value| value.is_array();
            let wanted: BTreeMap<_, _> = attributes.iter().filter(|(_, value)| !lists(value)).collect();
            assert_eq!(said, wanted, "{entity}");
        }
    }
    let person = |mail: &str| rows(&folder, "model.person").into_iter().find(|row| row["email"] == mail).unwrap();
    assert_eq!((&person(ANN)["_records"], &person(ANN)["_departments_size"]), (&json!(2), &json!(2)));
    let items: Vec<Value> =
        rows(&folder, "model.person_departments").into_iter().map(|mut row| row.remove("item").unwrap()).collect();
    assert_eq!(items, ["a", "b", "a", "b"]);
    // Who is a member, by the audience; and how that came.
    let segment = api.get("segments").text("/items/0/id").to_owned();
    let members = rows(&folder, "attiva.audience_member");
    assert_eq!(members.len(), 2);
    assert!(members.iter().all(|row| row["audience"] == segment.as_str()));
    let ids: BTreeSet<_> = members.iter().map(|row| row["member_id"].as_i64()).collect();
    assert!(ids.contains(&person(ANN)["_id"].as_i64()) && ids.contains(&person("bob@x.example")["_id"].as_i64()));
    let moves = rows(&folder, "attiva.membership_change");
    assert_eq!(moves.iter().map(|row| row["status"].clone()).collect::<Vec<_>>(), ["realized", "realized"]);
    assert_eq!(rows(&folder, "attiva.segment")[0]["name"], "chiefs");
    // What things are named by, and what happened.
    let identities = rows(&folder, "attiva.identity");
    let named = |value: &str| {
        identities.iter().filter(|row| row["value"] == value).map(|row| row["profile_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(named("3@w.Web"), [person(ANN)["_id"].clone()]);
    assert_eq!(named(ANN), vec![person(ANN)["_id"].clone(); 2]);
    let events = rows(&folder, "model.activity");
    assert_eq!(events.iter().map(|row| row["type"].clone()).collect::<Vec<_>>(), ["web.visit", "web.visit"]);
    assert_eq!(rows(&folder, "model.person_component").len(), 3);
}

#[test]
fn a_change_has_its_own_table_written_anew_and_no_other() {
    let (harness, api) = (Harness::shared(), Harness::sandbox());
    populate(&api);
    let first = take(&api);
    let folder = folder(harness, &api);
    let before = files(&folder);
    // Nothing has changed: it is the same cut.
    assert_eq!((take(&api), files(&folder)), (first, before.clone()));
    assert_eq!(api.get("tables").body["behind_seconds"], 0);

    send(&api, "account", &[("acme", json!({"name": "Acme Ltd"}))]);
    caught_up(&api);
    assert!(take(&api) > first);
    let after = files(&folder);
    assert_eq!(changed(&before, &after), ["model.account"]);
    // Whoever reads the cut from before still finds its files.
    assert!(before.values().flatten().all(|path| folder.join(path).exists()));

    let before = after;
    send(
        &api,
        "activity",
        &[("e3", json!({"type": "web.visit", "time": "2026-01-03T00:00:00Z", "person_key": "2@w.Web"}))],
    );
    caught_up(&api);
    take(&api);
    assert_eq!(changed(&before, &files(&folder)), ["model.activity"]);
    assert_eq!(rows(&folder, "model.activity").len(), 3);
}

/// Every text of every file there is, named or not.
pub(crate) fn texts(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for table in std::fs::read_dir(folder.join("data")).unwrap() {
        for file in std::fs::read_dir(table.unwrap().path()).unwrap() {
            let bytes = bytes::Bytes::from(std::fs::read(file.unwrap().path()).unwrap());
            for row in SerializedFileReader::new(bytes).unwrap().get_row_iter(None).unwrap() {
                for (_, field) in row.unwrap().get_column_iter() {
                    if let Field::Str(text) = field {
                        texts.push(text.clone());
                    }
                }
            }
        }
    }
    texts
}

#[test]
fn whoever_was_erased_is_in_no_file() {
    let (harness, api) = (Harness::shared(), Harness::sandbox());
    populate(&api);
    take(&api);
    send(&api, "account", &[("acme", json!({"name": format!("of {ANN}")}))]);
    caught_up(&api);
    take(&api);
    let folder = folder(harness, &api);
    let says = || texts(&folder).iter().filter(|text| text.contains(ANN)).count();
    assert!(says() > 3, "{}", says());
    let before = files(&folder);
    let body = json!({"identity": {"namespace": "email", "value": ANN}});
    let place = api.post("privacy/erasures", &body).is(202).header("location").to_owned();
    let erasure = loop {
        let operation = api.get(&place);
        if operation.is(200).body["done"] == true {
            break api.get(operation.text("/subject_url"));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(says(), 0, "{:?}", texts(&folder));
    assert!(erasure.is(200).body["places"]["tables"].as_u64() > Some(0), "{}", erasure.text);
    assert_eq!(std::fs::read_dir(folder.join("manifests")).unwrap().count(), 1, "older cuts are gone");
    let names: Vec<Value> =
        rows(&folder, "model.person").into_iter().map(|mut row| row.remove("email").unwrap()).collect();
    assert_eq!(names, ["bob@x.example"]);
    assert_eq!((rows(&folder, "model.activity").len(), rows(&folder, "attiva.audience_member").len()), (1, 1));
    // What is nobody's in particular was not written again.
    let kept = |table: &str| files(&folder)[table] == before[table];
    assert!(kept("model.opportunity") && kept("attiva.segment") && !kept("model.person"));
}

#[test]
fn tables_follow_by_themselves_and_older_ones_go() {
    let harness = Harness::start(&["tables.every_seconds=1", "tables.kept_minutes=0"]);
    let api = harness.api("default");
    populate(&api);
    let newest = || api.get("tables").is(200).body["newest"]["manifest"].as_u64();
    let wait = |after: Option<u64>| {
        while newest() <= after {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    wait(None);
    let folder = folder(&harness, &api);
    let first = newest();
    send(&api, "person", &[("9", json!({"email": "new@x.example"}))]);
    caught_up(&api);
    wait(first);
    let shown = api.get("tables");
    assert_eq!((&shown.body["every_seconds"], &shown.body["kept_seconds"]), (&json!(1), &json!(0)));
    // Only the newest stays, once it was tidied up after.
    while std::fs::read_dir(folder.join("manifests")).unwrap().count() > 1 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let metrics = harness.api("").get("/metrics").is(200).text.clone();
    for name in ["attiva_tables_behind_seconds", "attiva_tables_size_bytes", "attiva_tables_failed"] {
        assert!(metrics.contains(&format!("{name}{{")), "{name} is not in {metrics}");
    }
}

#[test]
fn where_no_tables_are_kept_none_are_shown_or_left() {
    let harness = Harness::start(&["tables.every_seconds=0"]);
    let api = harness.api("default");
    api.get("tables").refused(422, "tables.off");
    api.post("tables", &json!({})).refused(422, "tables.off");
    let left = harness.data_dir().join("sandboxes");
    let sandbox = std::fs::read_dir(&left).unwrap().next().unwrap().unwrap().path().join("tables");
    let harness = harness.restarted(|| std::fs::create_dir_all(sandbox.join("data")).unwrap());
    assert!(!sandbox.exists(), "what was kept before is gone");
    drop(harness);
}
