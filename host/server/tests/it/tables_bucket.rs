//! Open tables in a bucket of an S3 that others wrote: a cut counts there when its manifest does, older ones go, whoever was
//! erased is in no object, and a bucket in trouble holds up nothing but itself.

use crate::harness::{Answer, Api, Harness};
use crate::journey::{Vendors, caught_up, connect_marketo, connect_s3, vendors_of};
use crate::tables::{ANN, populate, send, take, texts};
use attiva_core::tables::Manifest;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::Method;

fn vendors() -> Vendors {
    vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() })
}

fn set(api: &Api, body: &Value) -> Answer {
    api.json(Method::PUT, "tables/bucket", &[], body)
}

/// Where a location is on the disk of the S3 server.
fn folder(vendors: &Vendors, location: &str) -> PathBuf {
    vendors.root.path().join(location.strip_prefix("s3://").unwrap())
}

fn objects(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.to_owned()];
    while let Some(place) = left.pop() {
        for entry in std::fs::read_dir(place).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

fn manifest_of(folder: &Path) -> Manifest {
    serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

/// What the newest manifest names is there, as it says.
fn whole(folder: &Path) -> Manifest {
    let manifest = manifest_of(folder);
    for file in manifest.tables.iter().flat_map(|table| &table.files) {
        use sha2::{Digest, Sha256};
        let bytes = std::fs::read(folder.join(&file.path)).unwrap();
        assert_eq!((bytes.len() as u64, hex::encode(Sha256::digest(&bytes))), (file.bytes, file.sha256.clone()));
    }
    manifest
}

#[test]
fn a_bucket_holds_the_newest_cut_whose_manifest_comes_last() {
    let (api, vendors) = (Harness::sandbox(), vendors());
    populate(&api);
    let connection = connect_s3(&api, &vendors, "right");
    api.get("tables/bucket").refused(404, "tables-bucket.missing");
    let shown = set(&api, &json!({"connection": connection}));
    let location = shown.is(200).text("/location").to_owned();
    assert!(location.starts_with("s3://bucket/attiva-tables/org_"), "{location}");
    let watch = vendors.s3.watch();
    let taken = api.post("tables", &json!({}));
    let folder = folder(&vendors, &location);
    let first = whole(&folder);
    assert_eq!(taken.is(200).body["manifest"], first.number);
    assert_eq!(taken.body["objects_written"].as_u64(), Some(first.paths().count() as u64));
    let requests = watch.requests();
    let puts: Vec<&str> = requests.iter().filter(|it| it.starts_with("PUT")).map(String::as_str).collect();
    assert_eq!(puts.len(), first.paths().count() + 3);
    assert!(puts.last().unwrap().ends_with("/manifest.json"), "{puts:?}");
    assert!(puts[puts.len() - 2].ends_with("/open.sql") && puts[puts.len() - 3].contains("/manifests/"), "{puts:?}");
    // The script reads what stands there.
    let script = std::fs::read_to_string(folder.join("open.sql")).unwrap();
    assert!(script.contains(&format!("'{location}data/model.person/")) && !script.contains("'data/"), "{script}");
    let state = api.get("tables");
    let bucket = &state.is(200).body["bucket"];
    assert_eq!(
        (&bucket["manifest"], &bucket["behind_seconds"], &bucket["location"]),
        (&json!(first.number), &json!(0), &json!(location))
    );

    // Nothing has changed: nothing is written.
    watch.clear();
    api.post("tables", &json!({})).is(200);
    assert!(watch.requests().iter().all(|it| it.starts_with("GET")), "{:?}", watch.requests());

    // A change: what it touches is written, and the cut before can be read for a while.
    let before: BTreeSet<String> = first.paths().map(str::to_owned).collect();
    send(&api, "account", &[("acme", json!({"name": "Acme Ltd"}))]);
    caught_up(&api);
    watch.clear();
    let taken = api.post("tables", &json!({}));
    assert_eq!((&taken.is(200).body["objects_written"], &taken.body["objects_removed"]), (&json!(1), &json!(0)));
    let second = whole(&folder);
    assert_eq!(second.number, first.number + 1);
    assert!(before.is_subset(&objects(&folder)), "the former cut can still be read");
    let puts = watch.requests().into_iter().filter(|it| it.starts_with("PUT")).count();
    assert_eq!(puts, 4, "{:?}", watch.requests());
}

#[test]
fn older_cuts_go_and_what_is_somebody_elses_stays() {
    let harness = Harness::start(&["tables.every_seconds=3600", "tables.kept_minutes=0"]);
    let (api, vendors) = (harness.api("default"), vendors());
    populate(&api);
    let connection = connect_s3(&api, &vendors, "right");
    let shown = set(&api, &json!({"connection": connection, "prefix": "lake/crm/"}));
    let location = shown.is(200).text("/location").to_owned();
    assert!(location.starts_with("s3://bucket/lake/crm/org_"), "{location}");
    let folder = folder(&vendors, &location);
    take(&api);
    let first = whole(&folder);
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    // What a host left that was killed before its manifest.
    std::fs::write(folder.join("data/model.person/9-0000.parquet"), "half").unwrap();
    send(&api, "account", &[("acme", json!({"name": "Acme Ltd"}))]);
    caught_up(&api);
    let taken = api.post("tables", &json!({}));
    assert_eq!(taken.is(200).body["objects_removed"], 3, "a file, its manifest, and what was half there");
    let second = whole(&folder);
    let mut expected: BTreeSet<String> = second.paths().map(str::to_owned).collect();
    let manifest = format!("manifests/{:020}.json", second.number);
    expected.extend(["manifest.json", "open.sql", "notes.txt", manifest.as_str()].map(str::to_owned));
    assert_eq!(objects(&folder), expected);
    assert_ne!(first.table("model.account"), second.table("model.account"));

    // Another host, of which this one is a restored copy, has gone on there: that is left alone.
    let mut other = second.clone();
    other.cut.records += 1_000;
    std::fs::write(folder.join("manifest.json"), serde_json::to_vec(&other).unwrap()).unwrap();
    api.post("tables", &json!({})).refused(422, "tables.bucket-newer");
    assert_eq!(manifest_of(&folder), other);

    // Elsewhere: the former place is left clean. Nowhere: the latter, too.
    let moved = set(&api, &json!({"connection": connection, "prefix": ""}));
    let there = vendors.root.path().join(moved.is(200).text("/location").strip_prefix("s3://").unwrap());
    assert_eq!(objects(&folder), BTreeSet::from(["notes.txt".to_owned()]));
    take(&api);
    assert_eq!(whole(&there).paths().count(), second.paths().count());
    let removed = api.send(Method::DELETE, "tables/bucket", &[], Vec::new());
    removed.is(204);
    assert_eq!(objects(&there), BTreeSet::new());
    api.get("tables/bucket").refused(404, "tables-bucket.missing");
    take(&api);
    assert_eq!(objects(&there), BTreeSet::new());
    assert_eq!(api.get("tables").body.get("bucket"), None);
}

#[test]
fn what_cannot_be_a_bucket_is_refused() {
    let (api, vendors) = (Harness::sandbox(), vendors());
    populate(&api);
    let (s3, marketo) = (connect_s3(&api, &vendors, "right"), connect_marketo(&api, &vendors, "any"));
    let wrong = connect_s3(&api, &vendors, "wrong");
    set(&api, &json!({"connection": s3, "prefixx": "a/"})).refused(422, "request.invalid");
    set(&api, &json!({"prefix": "a/"})).refused(422, "request.invalid");
    let refused = set(&api, &json!({"connection": "con_none", "prefix": "no slash"}));
    let fields: Vec<&str> = refused.refused(422, "request.invalid").body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["field"].as_str())
        .collect();
    assert_eq!(fields, ["/prefix", "/connection"]);
    set(&api, &json!({"connection": marketo})).refused(422, "tables.no-bucket");
    let refused = set(&api, &json!({"connection": wrong}));
    assert_eq!(refused.text("/code"), "tables.bucket", "{refused:?}");
    assert!(refused.text("/detail").contains("SignatureDoesNotMatch"), "{refused:?}");
    api.get("tables/bucket").refused(404, "tables-bucket.missing");

    set(&api, &json!({"connection": s3})).is(200);
    // It is needed, and says by what.
    let kept = api.send(Method::DELETE, &format!("connections/{s3}"), &[], Vec::new());
    assert!(kept.refused(409, "connection.in-use").text("/detail").contains("open tables"), "{kept:?}");
    api.json(Method::PUT, "tables/bucket", &[("if-match", "\"7\"")], &json!({"connection": s3}))
        .refused(412, "store.version-mismatch");
    api.send(Method::DELETE, "tables/bucket", &[], Vec::new()).is(204);
    api.send(Method::DELETE, &format!("connections/{s3}"), &[], Vec::new()).is(204);
}

/// The S3 key's secret, changed at the connection.
fn secret(api: &Api, connection: &str, secret: &str) {
    let body = json!({"configuration": {"secret_access_key": secret}});
    api.json(Method::PATCH, &format!("connections/{connection}"), &[], &body).is(200);
}

#[test]
fn whoever_was_erased_is_in_no_object_and_nobody_says_so_before() {
    let (api, vendors) = (Harness::sandbox(), vendors());
    populate(&api);
    let connection = connect_s3(&api, &vendors, "right");
    let location = set(&api, &json!({"connection": connection})).is(200).text("/location").to_owned();
    take(&api);
    send(&api, "account", &[("acme", json!({"name": format!("of {ANN}")}))]);
    caught_up(&api);
    take(&api);
    let folder = folder(&vendors, &location);
    let says = || texts(&folder).iter().filter(|text| text.contains(ANN)).count();
    assert!(says() > 3, "{}", says());

    // The bucket is in trouble: the host's own tables follow, and the trouble is told.
    secret(&api, &connection, "wrong");
    send(&api, "person", &[("7", json!({"email": "late@x.example"}))]);
    caught_up(&api);
    assert_eq!(api.post("tables", &json!({})).text("/code"), "tables.bucket");
    let state = api.get("tables");
    assert_eq!(state.is(200).text("/fault/code"), "tables.bucket");
    let (here, there) = (&state.body["newest"]["manifest"], &state.body["bucket"]["manifest"]);
    assert_eq!(here.as_u64(), there.as_u64().map(|number| number + 1), "{}", state.text);
    assert_eq!((&state.body["behind_seconds"], state.body["bucket"]["behind_seconds"].is_u64()), (&json!(0), true));

    let body = json!({"identity": {"namespace": "email", "value": ANN}});
    let place = api.post("privacy/erasures", &body).is(202).header("location").to_owned();
    let erasure = loop {
        let operation = api.get(&place);
        let erasure = api.get(operation.is(200).text("/subject_url"));
        assert_ne!(operation.body["done"], true, "it is still in the bucket");
        if erasure.text("/waiting_for").contains("tables") {
            break erasure.text("/id").to_owned();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(says() > 3, "{}", says());
    secret(&api, &connection, "right");
    let receipt = loop {
        let erasure = api.get(&format!("privacy/erasures/{erasure}"));
        if erasure.is(200).body["done"] == true {
            break erasure;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(says(), 0, "{:?}", texts(&folder));
    assert!(receipt.body["places"]["tables"].as_u64() > Some(0), "{}", receipt.text);
    let manifests = objects(&folder).into_iter().filter(|name| name.starts_with("manifests/")).count();
    assert_eq!((manifests, whole(&folder).table("model.person").unwrap().rows()), (1, 2));
}
