//! Runs of several files.

use crate::support::{Harness, Row};
use attiva_connector::{Operation, OutcomeStatus};
use serde_json::{Value, json};

const BASE: &str = "vips/2026-11-23/141300-run-1";

fn rows(emails: &[&str]) -> Vec<[(&'static str, Value); 1]> {
    emails.iter().map(|email| [("email", json!(email))]).collect()
}

fn deliver(h: &mut Harness, emails: &[&str]) {
    let rows = rows(emails);
    let rows: Vec<Row<'_>> = rows.iter().map(|cells| Row(cells, Operation::Upsert)).collect();
    h.deliver(&rows);
}

fn text(h: &Harness, key: &str) -> String {
    String::from_utf8(h.object(key).unwrap_or_else(|| panic!("there is no {key}"))).unwrap()
}

#[test]
fn a_run_becomes_files_of_so_many_rows_and_manifests_that_number_them() {
    let mut h = Harness::new(json!({}), json!({"rows_per_file": 2}));
    h.prepare();
    deliver(&mut h, &["a"]);
    deliver(&mut h, &["b", "c", "d", "e"]);
    assert!(h.store.borrow().objects.is_empty(), "something is visible before finish");
    h.host.clear_requests();
    let finished = h.finish();
    let lines = h.host.request_lines();
    let files: Vec<bool> = lines.iter().map(|line| line.ends_with(".manifest.json")).collect();
    assert_eq!(files, [false, false, false, true, true, true], "a manifest comes before a file: {lines:?}");
    let expected = ["email,score\na,\nb,\n", "email,score\nc,\nd,\n", "email,score\ne,\n"];
    for (i, expected) in expected.into_iter().enumerate() {
        let key = format!("{BASE}-{}.csv", i + 1);
        assert_eq!(text(&h, &key), expected);
        let manifest: Value = serde_json::from_str(&text(&h, &format!("{key}.manifest.json"))).unwrap();
        assert_eq!((&manifest["part"], &manifest["parts"]), (&json!(i + 1), &json!(3)));
        assert_eq!(manifest["bytes"], json!(expected.len()));
    }
    let counts: Vec<Option<u64>> = finished.artifacts.iter().map(|artifact| artifact.rows).collect();
    assert_eq!(counts, [Some(2), None, Some(2), None, Some(1), None]);
}

#[test]
fn a_full_last_file_is_the_last_one() {
    let mut h = Harness::new(json!({}), json!({"rows_per_file": 2}));
    h.prepare();
    deliver(&mut h, &["a", "b"]);
    // Rows that are in no file do not begin one.
    let gone = rows(&["x"]);
    assert_eq!(h.deliver(&[Row(&gone[0], Operation::Remove)]), [OutcomeStatus::Removed]);
    h.finish();
    let keys: Vec<String> = h.store.borrow().objects.keys().cloned().collect();
    assert_eq!(keys, [format!("{BASE}-1.csv"), format!("{BASE}-1.csv.manifest.json")]);
}

#[test]
fn an_audience_of_nobody_is_one_file() {
    let mut h = Harness::new(json!({}), json!({"rows_per_file": 2}));
    h.prepare();
    assert_eq!(h.finish().artifacts.len(), 2);
    assert_eq!(text(&h, &format!("{BASE}-1.csv")), "email,score\n");
}

/// Every call is made twice, the first answer lost.
#[test]
fn a_kill_between_any_two_calls_leaves_the_same_files() {
    for format in ["csv", "json-lines", "parquet"] {
        let options = json!({"rows_per_file": 3, "format": format});
        let mut calm = Harness::new(json!({}), options.clone());
        let mut killed = Harness::new(json!({}), options);
        calm.prepare();
        killed.prepare();
        for batch in [&["a", "b"][..], &["c", "d", "e", "f", "g"], &["h"], &["i"], &["j"]] {
            let cells = rows(batch);
            let rows: Vec<Row<'_>> = cells.iter().map(|cells| Row(cells, Operation::Upsert)).collect();
            calm.deliver(&rows);
            killed.deliver_and_die(&rows);
            killed.deliver(&rows);
        }
        calm.finish();
        for _ in 0..20 {
            killed.try_step().unwrap();
            if killed.step().unwrap().pending_become != OutcomeStatus::Pending {
                break;
            }
        }
        let files = |h: &Harness| -> Vec<(String, Vec<u8>)> {
            h.store.borrow().objects.iter().map(|(key, object)| (key.clone(), object.bytes.clone())).collect()
        };
        assert_eq!(files(&calm).len(), 8, "{format}");
        assert!(files(&calm) == files(&killed), "{format}: the files differ");
    }
}

#[test]
fn an_aborted_run_leaves_no_spool() {
    use attiva_connector::Destination;
    let mut h = Harness::new(json!({}), json!({"rows_per_file": 1, "format": "parquet"}));
    h.prepare();
    deliver(&mut h, &["a", "b", "c"]);
    assert!(h.host.spool_bytes("file-3").is_some());
    destination_s3::S3::abort(&h.host, &h.config, &h.target, &h.run, h.state.clone()).unwrap();
    for spool in ["file", "file-2", "file-3", "groups", "groups-3", "files", "etags"] {
        assert_eq!(h.host.spool_bytes(spool), None, "{spool}");
    }
}
