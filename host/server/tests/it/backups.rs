//! Backups of a host at work, and hosts that are restored from them.

use crate::harness::{Answer, Api, Harness};
use crate::journey::{caught_up, connect_marketo, connect_s3, vendors_of, work};
use attiva_server::app::App;
use attiva_server::app::backups::{Restore, Restored, verify};
use attiva_server::app::refusal::Refusal;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use ureq::http::Method;

/// Makes a backup; its folder and what is told of it.
fn backup(api: &Api, body: &Value) -> (PathBuf, Answer) {
    let begun = api.post("/v1/backups", body);
    let place = begun.is(202).header("location").to_owned();
    assert_eq!(begun.text("/kind"), "backup");
    loop {
        let operation = api.get(&place);
        if operation.is(200).body["done"] == true {
            let shown = api.get(operation.text("/subject_url"));
            let audit = api.audit();
            let action = if shown.body["status"] == "succeeded" { "backup.created" } else { "backup.failed" };
            let is_told = |entry: &Value| entry["action"] == action && entry["subject"] == shown.body["id"];
            assert!(audit.body["items"].as_array().unwrap().iter().any(is_told), "{}", audit.text);
            return (PathBuf::from(shown.is(200).text("/place")), shown);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn restore(
    harness: &Harness,
    backup: &Path,
    data_dir: &Path,
    control_from: Option<&Path>,
) -> Result<Restored, Refusal> {
    let (backup, data_dir) = (backup.to_owned(), data_dir.to_owned());
    let control_from = control_from.map(Path::to_owned);
    harness.runtime.block_on(App::restore(Restore { backup, data_dir, control_from, seal_key: None }))
}

fn send(api: &Api, id: &str, address: &str) -> Answer {
    let record = json!({"id": id, "fields": {"email": address}});
    api.post("records", &json!({"source": {"system": "Web", "id": "w"}, "entity": "person", "records": [record]}))
}

fn newest(api: &Api) -> u64 {
    api.get("projection").is(200).body["newest_record_seq"].as_u64().unwrap()
}

fn is_there(api: &Api, n: u64) -> bool {
    let found = api.get(&format!("profiles?namespace=source_key&value={n}@w.Web"));
    !found.is(200).body["items"].as_array().unwrap().is_empty()
}

fn profiles(api: &Api) -> u64 {
    let contents = api.send(Method::DELETE, "/v1/sandboxes/default?dry_run=true", &[], Vec::new());
    contents.is(200).body["profiles"].as_u64().unwrap()
}

/// Waits until the runs have ended, well, and are followed.
fn ran(api: &Api) {
    loop {
        let runs = api.get("runs").is(200).body.clone();
        let status = |run: &Value| run["status"].as_str().unwrap().to_owned();
        let all: Vec<String> = runs["items"].as_array().unwrap().iter().map(status).collect();
        assert!(!all.is_empty() && all.iter().all(|status| status != "failed"), "{runs}");
        if all.iter().all(|status| status == "succeeded") {
            return caught_up(api);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_backup_under_load_is_of_one_moment_and_goes_on_from_there() {
    const LEADS: u64 = 2_000;
    let vendors = vendors_of(MarketoConfig { leads: LEADS, ..MarketoConfig::default() });
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    // Something delivered before: its books must balance after.
    send(&api, "first", "first@w.example").is(200);
    let segment = json!({"name": "web", "expression": "person.email.endsWith('@w.example')"});
    let segment = api.post("segments", &segment).is(201).text("/id").to_owned();
    caught_up(&api);
    let bucket = connect_s3(&api, &vendors, "right");
    let activation = json!({"name": "a", "segment": segment, "connection": bucket,
        "target": {"object": "file", "name": "f"}, "mapping": [{"field": "mail", "expression": "person.email"}]});
    let activation = api.post("activations", &activation).is(201).text("/id").to_owned();
    let deliveries = format!("activations/{activation}/deliveries");
    let delivered = work(&api, &deliveries);
    assert_eq!(delivered.text("/status"), "succeeded", "{delivered:?}");
    let marketo = connect_marketo(&api, &vendors, &vendors.secret());

    // From here on records come in one by one, and a run reads from the vendor.
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let (sent, before, folder, shown) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            // For each: the newest sequence number before it was sent, and after it was acknowledged.
            let mut sent = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                let (n, before) = (sent.len() as u64, newest(&api));
                send(&api, &n.to_string(), &format!("p{n}@w.example")).is(200);
                sent.push((before, newest(&api)));
                acknowledged.store(n + 1, Ordering::SeqCst);
            }
            sent
        });
        while acknowledged.load(Ordering::SeqCst) < 20 {
            std::thread::yield_now();
        }
        api.post(&format!("connections/{marketo}/runs"), &json!({})).is(202);
        let before = acknowledged.load(Ordering::SeqCst);
        let (folder, shown) = backup(&api, &json!({"seal_key": true}));
        assert_eq!(shown.text("/status"), "succeeded", "{shown:?}");
        let after = acknowledged.load(Ordering::SeqCst);
        while acknowledged.load(Ordering::SeqCst) < after + 20 {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::SeqCst);
        (sender.join().unwrap(), before, folder, shown)
    });
    let files = shown.body["files"].as_array().unwrap();
    let of_sandbox = files.iter().find(|file| file["path"].as_str().unwrap().starts_with("sandboxes/")).unwrap();
    let sequence = of_sandbox["database"]["sequence"].as_u64().unwrap();
    assert!(sent.len() as u64 >= before + 20);
    assert!(sent.last().unwrap().0 >= sequence, "something was acknowledged after the moment");

    // What the host comes to that goes on by itself.
    ran(&api);
    let leads = profiles(&api) - sent.len() as u64 - 1;
    assert!(leads > LEADS * 9 / 10, "most of them are one person each: {leads}");

    let place = tempfile::tempdir().unwrap();
    let restored = restore(&harness, &folder, &place.path().join("data"), None).unwrap();
    assert!(restored.has_seal_key && restored.manifest.sandboxes() == 1);
    let harness = Harness::on(place, &harness.key);
    let api = harness.api("default");
    caught_up(&api);
    let there: Vec<bool> = (0..sent.len() as u64).map(|n| is_there(&api, n)).collect();
    let kept = there.iter().filter(|there| **there).count() as u64;
    assert!(kept >= before, "what was acknowledged before the backup began is in it: {kept} of {before}");
    assert!(there.is_sorted_by(|one, next| one >= next), "nothing is missing in between");
    for (n, (before, after)) in sent.iter().enumerate() {
        assert!(there[n] || *after > sequence, "{n} was acknowledged at {after}, and the moment is {sequence}");
        assert!(!there[n] || *before < sequence, "{n} came after {before}, and the moment is {sequence}");
    }
    // The run goes on from its cursor, with the secret it had: no lead is missing, none is there twice.
    ran(&api);
    assert_eq!(profiles(&api), leads + kept + 1);
    // What was delivered is what it was, and the next delivery balances.
    let id = delivered.text("/id");
    assert_eq!(api.get(&format!("deliveries/{id}")).body, delivered.body);
    let next = work(&api, &deliveries);
    let books = |name: &str| next.body["books"][name].as_u64().unwrap();
    assert_eq!(next.text("/status"), "succeeded", "{next:?}");
    let settled = ["created", "updated", "removed", "unchanged", "excluded", "failed", "unmatched"]
        .map(books)
        .iter()
        .sum::<u64>();
    assert_eq!((books("received"), settled, books("pending")), (kept + 1, kept + 1, 0), "{next:?}");
    let told = api.audit().text;
    assert!(told.contains("backup.restored"), "{told}");
}

#[test]
fn what_was_erased_since_is_erased_again_with_a_newer_control_database() {
    let harness = Harness::start(&[]);
    let api = harness.api("default");
    for (id, address) in [("1", "ann@x.example"), ("2", "bob@x.example")] {
        send(&api, id, address).is(200);
    }
    caught_up(&api);
    let (older, shown) = backup(&api, &json!({}));
    assert_eq!(shown.body["seal_key"], false);
    assert!(older.join("keys/tombstone.key").exists() && !older.join("keys/seal.key").exists());
    let ann = json!({"identity": {"namespace": "email", "value": "ann@x.example"}});
    let begun = api.post("privacy/erasures", &ann).is(202).header("location").to_owned();
    while api.get(&begun).body["done"] != true {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (newer, _) = backup(&api, &json!({}));
    let listed = api.get("/v1/backups").body;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed}");
    let place = tempfile::tempdir().unwrap();
    let refused = restore(&harness, &newer, &place.path().join("data"), Some(&older)).unwrap_err();
    assert_eq!(refused.fault.code, "backup.older");
    restore(&harness, &older, &place.path().join("data"), Some(&newer)).unwrap();
    let again = Harness::on(place, &harness.key);
    let restored = again.api("default");
    assert_eq!(restored.get("profiles").body["items"].as_array().unwrap().len(), 1);
    assert_eq!(send(&restored, "1", "ann@x.example").is(200).body["erased"], 1);
    // Without it, nobody there would know.
    let place = tempfile::tempdir().unwrap();
    restore(&harness, &older, &place.path().join("data"), None).unwrap();
    let unaware = Harness::on(place, &harness.key);
    assert_eq!(unaware.api("default").get("profiles").body["items"].as_array().unwrap().len(), 2);
}

fn changed(folder: &Path, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn copy_of(folder: &Path) -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let there = place.path().join("backup");
    crate::privacy::copy(folder, &there);
    (place, there)
}

#[test]
fn a_backup_that_is_broken_newer_or_in_the_way_is_refused_and_leaves_nothing() {
    let harness = Harness::shared();
    let api = harness.api("default");
    let (folder, shown) = backup(&api, &json!({}));
    let files = shown.is(200).body["files"].as_array().unwrap().clone();
    let store =
        files.iter().map(|file| file["path"].as_str().unwrap()).find(|path| path.ends_with("store.db")).unwrap();
    assert_eq!(verify(&folder).unwrap().files.len(), files.len());
    let target = tempfile::tempdir().unwrap();
    let data_dir = target.path().join("data");
    let refused = |code: &str, words: &str, spoil: &dyn Fn(&Path)| {
        let (_place, there) = copy_of(&folder);
        spoil(&there);
        let refusal = restore(harness, &there, &data_dir, None).unwrap_err();
        assert_eq!(refusal.fault.code, code, "{refusal}");
        assert!(refusal.fault.message.contains(words) && !refusal.fault.action.is_empty(), "{refusal}");
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "nothing is left");
        refusal
    };
    refused("backup.corrupt", store, &|there| changed(there, store, |bytes| bytes[5000] ^= 1));
    refused("backup.corrupt", store, &|there| changed(there, store, |bytes| bytes.truncate(4096)));
    refused("backup.corrupt", store, &|there| std::fs::remove_file(there.join(store)).unwrap());
    refused("backup.corrupt", "manifest.json", &|there| std::fs::remove_file(there.join("manifest.json")).unwrap());
    refused("backup.corrupt", "manifest.json", &|there| changed(there, "manifest.json", |bytes| bytes.truncate(50)));
    let in_manifest = |there: &Path, from: &str, to: &str| {
        changed(there, "manifest.json", |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from));
            *bytes = text.replacen(from, to, 1).into_bytes();
        });
    };
    refused("backup.too-new", "2", &|there| in_manifest(there, "\"format\": 1", "\"format\": 2, \"more\": []"));
    refused("backup.corrupt", "no place", &|there| in_manifest(there, "\"control.db\"", "\"../control.db\""));
    // A database of a newer version, under a manifest that is right.
    refused("backup.too-new", "newer", &|there| {
        changed(there, "control.db", |bytes| bytes[60..64].copy_from_slice(&9_999_u32.to_be_bytes()));
        let digest = |path: &str| {
            use sha2::{Digest, Sha256};
            hex::encode(Sha256::digest(std::fs::read(there.join(path)).unwrap()))
        };
        let before = files.iter().find(|file| file["path"] == "control.db").unwrap()["sha256"].as_str().unwrap();
        in_manifest(there, before, &digest("control.db"));
    });
    std::fs::create_dir(&data_dir).unwrap();
    std::fs::write(data_dir.join("mine"), "x").unwrap();
    let refusal = restore(harness, &folder, &data_dir, None).unwrap_err();
    assert_eq!(refusal.fault.code, "backup.not-empty");
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 1);
    std::fs::remove_file(data_dir.join("mine")).unwrap();
    restore(harness, &folder, &data_dir, None).unwrap();
    assert!(data_dir.join("control.db").exists() && data_dir.join(store).exists());

    let id = shown.text("/id");
    api.send(Method::DELETE, &format!("/v1/backups/{id}"), &[], Vec::new()).is(204);
    assert!(!folder.exists());
    api.get(&format!("/v1/backups/{id}")).refused(404, "backup.missing");
}

#[test]
fn a_disk_without_room_ends_the_backup_and_nothing_else() {
    let harness = Harness::start(&["limits.disk_free_bytes=9000000000000000000"]);
    let api = harness.api("default");
    let (folder, shown) = backup(&api, &json!({}));
    assert_eq!((shown.text("/status"), shown.text("/fault/code")), ("failed", "store.full"), "{shown:?}");
    assert!(shown.text("/fault/action").contains("attiva backup remove"), "{shown:?}");
    assert_eq!(std::fs::read_dir(folder.parent().unwrap()).unwrap().count(), 0, "nothing is left");
    send(&api, "1", "ann@x.example").is(200);
    assert!(api.audit().text.contains("backup.failed"));
}
