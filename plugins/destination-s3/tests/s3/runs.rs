//! Whole runs against a bucket in memory: what readers see, and what a kill or a failure leaves.

use crate::support::{Harness, Intervention, Row, error};
use attiva_connector::{Destination, FaultKind, Operation, OutcomeStatus, Warning};
use destination_s3::S3;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const KEY: &str = "vips/2026-11-23/141300-run-1.csv";
const MIB: usize = 1024 * 1024;

fn upsert<'a>(cells: &'a [(&'a str, Value)]) -> Row<'a> {
    Row(cells, Operation::Upsert)
}

/// One row of so many bytes, its line end included.
fn large(bytes: usize, letter: &str) -> Vec<(&'static str, Value)> {
    vec![("email", json!(letter.repeat(bytes - 3))), ("score", json!(1))]
}

fn text(bytes: Option<Vec<u8>>) -> String {
    String::from_utf8(bytes.expect("the file is there")).unwrap()
}

#[test]
fn a_small_file_goes_up_whole_and_its_manifest_after_it() {
    let mut h = Harness::new(json!({}), json!({}));
    assert_eq!(h.prepare(), [format!("The file will be s3://bucket/{KEY}, with its manifest beside it.")]);
    assert_eq!(h.deliver(&[upsert(&[("email", json!("a@x.de")), ("score", json!(7))])]), [OutcomeStatus::Pending]);
    assert_eq!(h.deliver(&[upsert(&[("email", json!("b, \"c\"")), ("score", json!(null))])]), [OutcomeStatus::Pending]);
    assert!(h.store.borrow().objects.is_empty(), "something is visible before finish");
    h.host.clear_requests();
    let finished = h.finish();
    assert_eq!(finished.pending_become, OutcomeStatus::Created);
    assert_eq!(h.host.request_lines(), [format!("PUT /{KEY}"), format!("PUT /{KEY}.manifest.json")]);
    let csv = "email,score\na@x.de,7\n\"b, \"\"c\"\"\",\n";
    assert_eq!(text(h.object(KEY)), csv);
    let manifest: Value = serde_json::from_slice(&h.object(&format!("{KEY}.manifest.json")).unwrap()).unwrap();
    let sha256 = finished.artifacts[0].sha256.clone().unwrap();
    assert_eq!(
        manifest,
        json!({"name": KEY, "rows": 2, "bytes": csv.len(), "sha256": sha256, "run_id": "run-1",
               "run_started_at": "2026-11-23T14:13:00.25Z", "part": 1, "parts": 1,
               "columns": [{"name": "email", "type": "text"}, {"name": "score", "type": "integer"}]})
    );
    assert_eq!(finished.artifacts[0].name, format!("s3://bucket/{KEY}"));
    assert_eq!((finished.artifacts[0].rows, finished.artifacts[0].bytes), (Some(2), Some(csv.len() as u64)));
    assert_eq!(finished.warnings, Vec::<Warning>::new());
    assert_eq!(h.store.borrow().objects[KEY].content_type, "text/csv; charset=utf-8");
}

#[test]
fn an_audience_of_nobody_is_a_file_with_a_header() {
    for (more, expected) in [
        (json!({}), "email,score\n"),
        (json!({"csv": {"header": false}}), ""),
        (json!({"csv": {"line_ending": "crlf", "delimiter": ";"}}), "email;score\r\n"),
    ] {
        let mut h = Harness::new(more, json!({}));
        h.prepare();
        assert_eq!(h.finish().artifacts[0].rows, Some(0));
        assert_eq!(text(h.object(KEY)), expected);
    }
}

#[test]
fn a_batch_that_comes_again_stands_in_the_file_once() {
    let mut h = Harness::new(json!({}), json!({}));
    h.prepare();
    let (a, b) = ([("email", json!("a"))], [("email", json!("b"))]);
    h.deliver_and_die(&[upsert(&a), upsert(&a)]);
    h.deliver(&[upsert(&a)]);
    h.deliver(&[upsert(&b)]);
    h.deliver_and_die(&[upsert(&b)]);
    let artifact = h.finish().artifacts.remove(0);
    assert_eq!(text(h.object(KEY)), "email,score\na,\nb,\n");
    assert_eq!(artifact.rows, Some(2));
    let sha256 = hex::encode(Sha256::digest(h.object(KEY).unwrap()));
    assert_eq!(artifact.sha256, Some(sha256), "the checksum is of other bytes than the file's");
}

#[test]
fn a_large_file_goes_up_in_parts_while_the_run_goes_on() {
    let mut h = Harness::new(json!({"csv": {"header": false}}), json!({}));
    h.prepare();
    let mut expected = Vec::new();
    for letter in ["a", "b", "c", "d", "e"] {
        let row = large(3 * MIB, letter);
        h.deliver(&[upsert(&row)]);
        expected.extend(format!("{},1\n", letter.repeat(3 * MIB - 3)).into_bytes());
        assert!(h.object(KEY).is_none() && h.state.len() < 200);
    }
    h.finish();
    assert!(h.object(KEY) == Some(expected), "the file differs");
    let lines = h.host.request_lines();
    let parts = |line: &&String| line.starts_with("PUT") && line.contains("partNumber");
    assert_eq!(lines.iter().filter(parts).count(), 3);
    assert!(h.store.borrow().uploads.is_empty());
    assert_eq!(lines.last().unwrap(), &format!("PUT /{KEY}.manifest.json"));
}

/// A host lets 16 MiB cross at once, so larger batches and parts must be taken apart.
#[test]
fn a_batch_larger_than_one_crossing_is_written_in_pieces() {
    let mut h = Harness::new(json!({"part_size_mb": 15, "csv": {"header": false}}), json!({}));
    h.prepare();
    let row = large(20 * MIB, "a");
    h.deliver(&[upsert(&row)]);
    h.deliver(&[upsert(&row)]);
    h.finish();
    assert_eq!(h.object(KEY).map(|bytes| bytes.len()), Some(40 * MIB));
}

#[test]
fn beginning_an_upload_and_its_first_part_are_two_calls() {
    let mut h = Harness::new(json!({}), json!({}));
    h.prepare();
    h.host.clear_requests();
    let row = large(6 * MIB, "a");
    h.deliver(&[upsert(&row)]);
    let lines = h.host.request_lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("GET /?prefix=") && lines[1] == format!("POST /{KEY}?uploads="));
}

/// Every call of a run is made twice, the first answer lost: the file is right, and no upload is left.
#[test]
fn a_kill_between_any_two_calls_leaves_one_right_file() {
    let mut calm = Harness::new(json!({"gzip": true}), json!({}));
    let mut killed = Harness::new(json!({"gzip": true}), json!({}));
    // Letters that do not compress well, so that parts come about.
    let noise: Vec<String> = (0..4_u64)
        .map(|seed| {
            let mut x = seed + 1;
            let mut next = || {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b'!' + ((x >> 33) % 90) as u8)
            };
            (0..4 * MIB).map(|_| next()).collect()
        })
        .collect();
    calm.prepare();
    killed.prepare();
    for text in &noise {
        let row = [("email", json!(text))];
        calm.deliver(&[upsert(&row)]);
        killed.deliver_and_die(&[upsert(&row)]);
        killed.deliver(&[upsert(&row)]);
    }
    calm.finish();
    let mut steps = 0;
    let mut published = false;
    while !published && steps < 5 {
        killed.try_step().unwrap();
        published = killed.step().unwrap().pending_become != OutcomeStatus::Pending;
        steps += 1;
    }
    assert!(published, "a lost answer to the last step is never made up for");
    let key = format!("{KEY}.gz");
    assert!(calm.object(&key).is_some() && calm.object(&key) == killed.object(&key), "the files differ");
    assert_eq!(killed.store.borrow().begun, 2, "the kill before the first commit should cost one upload");
    assert!(killed.store.borrow().uploads.is_empty(), "an upload is left behind");
}

#[test]
fn a_compressed_file_of_nobody_is_a_header() {
    let mut h = Harness::new(json!({"gzip": true}), json!({}));
    h.prepare();
    assert_eq!(h.finish().artifacts[0].rows, Some(0));
    let (mut csv, bytes) = (String::new(), h.object(&format!("{KEY}.gz")).unwrap());
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut csv).unwrap();
    assert_eq!(csv, "email,score\n");
}

#[test]
fn compressed_batches_are_one_valid_file() {
    let mut h = Harness::new(json!({"gzip": true}), json!({}));
    h.prepare();
    for email in ["a", "b", "c"] {
        h.deliver(&[upsert(&[("email", json!(email))])]);
    }
    h.finish();
    let mut csv = String::new();
    let bytes = h.object(&format!("{KEY}.gz")).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut csv).unwrap();
    assert_eq!(csv, "email,score\na,\nb,\nc,\n");
    assert_eq!(h.store.borrow().objects[&format!("{KEY}.gz")].content_type, "application/gzip");
}

#[test]
fn removed_members_are_not_in_the_file_or_are_rows_of_it() {
    let rows = [("email", json!("a"))];
    let mut h = Harness::new(json!({}), json!({}));
    h.prepare();
    let outcomes = h.deliver(&[Row(&rows, Operation::Remove), Row(&rows, Operation::Upsert)]);
    assert_eq!(outcomes, [OutcomeStatus::Removed, OutcomeStatus::Pending]);
    assert_eq!(h.finish().artifacts[0].rows, Some(1));
    assert_eq!(text(h.object(KEY)), "email,score\na,\n");

    let mut h = Harness::new(json!({}), json!({"operation_column": "op", "key": "{target}.{extension}"}));
    h.prepare();
    let outcomes = h.deliver(&[Row(&rows, Operation::Remove), Row(&rows, Operation::Upsert)]);
    assert_eq!(outcomes, [OutcomeStatus::Pending; 2]);
    h.finish();
    assert_eq!(text(h.object("vips.csv")), "op,email,score\nremove,a,\nupsert,a,\n");
}

/// Delivers a file of several parts up to the point where only the publication is left.
fn large_run() -> Harness {
    let mut h = Harness::new(json!({}), json!({}));
    h.prepare();
    for letter in ["a", "b", "c"] {
        let row = large(4 * MIB, letter);
        h.deliver(&[upsert(&row)]);
    }
    h
}

fn published(h: &Harness) -> bool {
    h.object(KEY).is_some_and(|bytes| bytes.len() == 12 * MIB + "email,score\n".len())
}

#[test]
fn completing_that_ends_badly_is_repeated() {
    let complete = format!("POST /{KEY}?uploadId=");
    let failures = [
        Intervention::Instead(200, error("InternalError")),
        Intervention::Instead(200, "  \n".into()),
        Intervention::Instead(503, String::new()),
        // It had worked: the repeat finds no such upload, and the file.
        Intervention::After(200, "<Complete".into()),
        Intervention::Broken,
    ];
    for (i, failure) in failures.into_iter().enumerate() {
        for forgets in [false, true] {
            if forgets && i != 3 {
                continue;
            }
            let mut h = Harness::new(json!({}), json!({}));
            h.store.borrow_mut().forgets_metadata = forgets;
            h.prepare();
            for letter in ["a", "b", "c"] {
                let row = large(4 * MIB, letter);
                h.deliver(&[upsert(&row)]);
            }
            let failure = match &failure {
                Intervention::Instead(status, body) => Intervention::Instead(*status, body.clone()),
                Intervention::After(status, body) => Intervention::After(*status, body.clone()),
                Intervention::Broken => Intervention::Broken,
            };
            h.intervene(&complete, failure);
            let fault = h.step().expect_err("the failure went unseen");
            assert_eq!(fault.kind, FaultKind::Transient);
            assert!(h.object(&format!("{KEY}.manifest.json")).is_none(), "the manifest came before its file");
            h.finish();
            assert!(published(&h) && h.store.borrow().begun == 1, "case {i}");
        }
    }
}

/// Some stores have no NoSuchUpload: they call an upload that is gone somebody else's, and cannot list uploads.
#[test]
fn a_refusal_after_a_completion_is_not_taken_for_a_lack_of_permission() {
    let mut h = large_run();
    h.store.borrow_mut().is_peculiar = true;
    h.intervene(&format!("POST /{KEY}?uploadId="), Intervention::After(200, "<Complete".into()));
    h.step().unwrap_err();
    h.finish();
    assert!(published(&h) && h.store.borrow().begun == 1);

    // A host that was killed while the store completed, and a store that had thrown the upload away by then.
    let mut h = large_run();
    h.store.borrow_mut().is_peculiar = true;
    h.store.borrow_mut().uploads.clear();
    h.finish();
    assert!(published(&h) && h.store.borrow().begun == 2);

    // Nobody says that it is gone, but the file is there.
    let mut h = large_run();
    h.intervene(&format!("POST /{KEY}?uploadId="), Intervention::After(200, "<Complete".into()));
    h.step().unwrap_err();
    h.intervene(&format!("PUT /{KEY}?partNumber="), Intervention::Instead(403, error("AccessDenied")));
    h.intervene("GET /?prefix", Intervention::Instead(403, error("AccessDenied")));
    h.finish();
    assert!(published(&h) && h.store.borrow().begun == 1);
}

/// S3 refuses a key that lacks the right with the words other stores have for an upload that is gone.
#[test]
fn a_lack_of_permission_is_not_taken_for_an_upload_that_is_gone() {
    let denied = || Intervention::Instead(403, error("AccessDenied"));
    for may_list in [true, false] {
        for refused in ["PUT", "POST", "DELETE"] {
            let mut h = large_run();
            h.intervene(&format!("{refused} /{KEY}?"), denied());
            if !may_list {
                h.intervene("GET /?prefix", denied());
            }
            let fault = match refused {
                "DELETE" => S3::abort(&h.host, &h.config, &h.target, &h.run, h.state.clone()).unwrap_err(),
                _ => h.step().unwrap_err(),
            };
            assert_eq!(
                (fault.kind, fault.code.as_str()),
                (FaultKind::Scope, "s3.AccessDenied"),
                "{refused} {may_list}"
            );
            assert_eq!((h.store.borrow().begun, h.store.borrow().uploads.len()), (1, 1), "{refused} {may_list}");
        }
    }
}

#[test]
fn uploads_that_are_cleaned_away_again_and_again_are_a_fault() {
    let mut h = large_run();
    let row = large(4 * MIB, "d");
    let fault = loop {
        h.store.borrow_mut().uploads.clear();
        match h.try_deliver(&[upsert(&row)]) {
            Ok(delivered) => h.state = delivered.state,
            Err(fault) => break fault,
        }
        assert!(h.store.borrow().begun < 10, "it would go on for ever");
    };
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "s3.upload-lost"));
    assert_eq!(h.store.borrow().begun, 4);
}

#[test]
fn another_runs_file_is_not_taken_for_ours() {
    let mut h = large_run();
    let mut other = Harness::new(json!({}), json!({}));
    other.store = h.store.clone();
    // The same size and the same number of parts, but the upload is gone and the file is of another run.
    h.store.borrow_mut().uploads.clear();
    let bytes = vec![b'x'; 12 * MIB + 12];
    let object = crate::support::Object {
        bytes,
        content_type: String::new(),
        run: Some("run-0".into()),
        etag: "\"abc-3\"".into(),
    };
    h.store.borrow_mut().objects.insert(KEY.into(), object);
    h.finish();
    assert!(published(&h) && h.object(KEY).unwrap().starts_with(b"email,score\naaa"));
}

#[test]
fn an_upload_that_was_cleaned_away_is_begun_again() {
    let mut h = large_run();
    h.store.borrow_mut().uploads.clear();
    let row = large(4 * MIB, "d");
    h.deliver(&[upsert(&row)]);
    h.store.borrow_mut().uploads.clear();
    h.finish();
    let expected = 16 * MIB + "email,score\n".len();
    assert_eq!(h.object(KEY).map(|bytes| bytes.len()), Some(expected));
    assert!(h.store.borrow().uploads.is_empty());
}

#[test]
fn only_the_part_that_failed_is_sent_again() {
    let mut h = Harness::new(json!({"csv": {"header": false}}), json!({}));
    h.prepare();
    let row = large(5 * MIB, "a");
    h.deliver(&[upsert(&row), upsert(&row), upsert(&row)]);
    h.intervene(&format!("PUT /{KEY}?partNumber=3"), Intervention::Instead(503, error("SlowDown")));
    h.host.clear_requests();
    h.deliver(&[upsert(&[("email", json!("b"))])]);
    h.finish();
    let lines = h.host.request_lines();
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    let counts = ["partNumber=1&", "partNumber=2&", "partNumber=3&", "partNumber=4&"].map(count);
    assert_eq!(counts, [1, 1, 2, 1]);
}

#[test]
fn a_failure_of_the_first_part_is_the_hosts_to_wait_out() {
    let mut h = large_run();
    h.intervene(&format!("PUT /{KEY}?partNumber="), Intervention::Instead(503, error("SlowDown")));
    let row = large(4 * MIB, "d");
    assert_eq!(h.try_deliver(&[upsert(&row)]).unwrap_err().kind, FaultKind::RateLimited);
    h.deliver(&[upsert(&row)]);
}

#[test]
fn aborting_leaves_nothing() {
    let mut h = large_run();
    // One that a kill kept from the state.
    let unknown = crate::support::Upload { key: KEY.into(), ..Default::default() };
    let longer = crate::support::Upload { key: format!("{KEY}.other"), ..Default::default() };
    h.store.borrow_mut().uploads.insert("unknown".into(), unknown);
    h.store.borrow_mut().uploads.insert("longer".into(), longer);
    let abort = |h: &Harness| S3::abort(&h.host, &h.config, &h.target, &h.run, h.state.clone());
    abort(&h).unwrap();
    abort(&h).unwrap();
    assert_eq!(h.store.borrow().uploads.keys().collect::<Vec<_>>(), ["longer"], "a foreign upload was touched");
    assert_eq!(h.host.spool_bytes("file"), None);
    h.state.clear();
    abort(&h).expect("a run whose prepare never answered has an empty state");
    assert!(h.store.borrow().objects.is_empty());
}

#[test]
fn aborting_again_is_no_failure_where_an_upload_that_is_gone_is_refused() {
    let h = large_run();
    h.store.borrow_mut().is_peculiar = true;
    let abort = || S3::abort(&h.host, &h.config, &h.target, &h.run, h.state.clone());
    abort().unwrap();
    assert!(h.store.borrow().uploads.is_empty());
    abort().expect("it is gone, and that is what was wanted");
}

#[test]
fn without_the_right_to_list_uploads_the_file_is_written_all_the_same() {
    let mut h = Harness::new(json!({}), json!({}));
    h.prepare();
    h.intervene("GET /?prefix", Intervention::Instead(403, error("AccessDenied")));
    for letter in ["a", "b", "c"] {
        let row = large(4 * MIB, letter);
        h.deliver(&[upsert(&row)]);
    }
    h.finish();
    assert!(published(&h));
    assert_eq!(h.host.logs(), ["warn unfinished uploads cannot be listed code=s3.AccessDenied"]);
}

#[test]
fn prepare_says_what_would_be_replaced_and_what_cannot_be_known() {
    let mut h = Harness::new(json!({}), json!({"key": "latest.csv"}));
    assert_eq!(h.prepare().len(), 1);
    h.finish();
    assert_eq!(h.prepare()[1], "A file of this name is there and will be replaced.");
    h.intervene("HEAD", Intervention::Instead(403, String::new()));
    assert_eq!(h.prepare().len(), 1);
    h.intervene("HEAD", Intervention::Instead(301, String::new()));
    let fault = S3::prepare(&h.host, &h.config, &h.target, &h.run, true).unwrap_err();
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Config, Some("region")));
}

#[test]
fn keys_come_from_the_template_and_the_runs_start() {
    let cases = [
        (
            json!({"key": "{year}/{month}/{day}/{hour}/{date}-{time}-{run_id}.{extension}"}),
            "",
            "2026/11/23/14/2026-11-23-141300-run-1.csv",
        ),
        (json!({"key": "x"}), "in", "in/x"),
        (json!({"key": "x"}), "in/", "in/x"),
        (json!({"key": "x"}), "/odd//", "/odd//x"),
    ];
    for (options, prefix, key) in cases {
        let mut h = Harness::new(json!({"prefix": prefix}), options);
        assert!(h.prepare()[0].contains(&format!("s3://bucket/{key},")), "{key}");
    }
    for (template, problem) in
        [("{nobody}", "{nobody}"), ("{date", "closed"), ("a\u{1}", "control"), (&"k".repeat(1011)[..], "bytes")]
    {
        let h = Harness::new(json!({}), json!({"key": template}));
        let fault = S3::prepare(&h.host, &h.config, &h.target, &h.run, false).unwrap_err();
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Config, Some("key")));
        assert!(fault.message.contains(problem), "{}", fault.message);
    }
    let h = Harness::new(json!({}), json!({"kye": "x"}));
    let fault = S3::prepare(&h.host, &h.config, &h.target, &h.run, false).unwrap_err();
    assert_eq!(fault.field.as_deref(), Some("kye"));
}
