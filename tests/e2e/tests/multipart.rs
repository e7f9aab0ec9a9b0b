//! Files of more than one part, on an S3 that others wrote: whole, once, and settled, wherever the host is killed.

use attiva_e2e::exports::{Exported, Exports, Moment, count};
use attiva_e2e::vendors::Vendors;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::Read;

const MIB: usize = 1024 * 1024;

/// What can lie between a host and its answer, and what must be asked again after it: uploads begun, and Completes.
const KILLS: [(Moment, usize, usize); 6] = [
    // The upload's id is not in the state: another is begun.
    (Moment::Answer("POST", "?uploads"), 2, 1),
    (Moment::Answer("PUT", "partNumber=2&"), 1, 1),
    // Parts are sent and their ETags noted, but the batch is not closed.
    (Moment::Point("batch.delivered", 2), 1, 1),
    // The upload is gone, and the file is there; nobody was told.
    (Moment::Answer("POST", "?uploadId="), 1, 1),
    (Moment::Answer("PUT", ".manifest.json"), 1, 1),
    (Moment::Point("finish.answered", 1), 1, 1),
];

#[test]
fn a_file_of_several_parts_is_whole_wherever_the_host_is_killed() {
    // Cargo builds the program under test for this test, because it is named here.
    let _ = env!("CARGO_BIN_EXE_attiva-under-test");
    // More than one batch has, so that parts go up while the run goes on.
    let vendors = Vendors::start(6_000, 7).unwrap();
    let mut exports = Exports::prepare(&vendors).unwrap();
    let everybody = exports.everybody();
    let large = exports.activation("large", &everybody, true, &json!({ "part_size_mb": 5 })).unwrap();

    let calm = exports.export(&large, Moment::Never).unwrap();
    assert!(!calm.was_killed);
    assert!(calm.file.len() > 2 * 5 * MIB, "{} bytes are not more than two parts", calm.file.len());
    let expected = exports.expected(&large, true).unwrap();
    assert!(calm.file == expected.as_bytes(), "the file differs from the profiles");
    let parts = calm.file.len().div_ceil(5 * MIB);
    assert_eq!(count(&calm.requests, "PUT", "partNumber="), parts);
    assert_eq!((count(&calm.requests, "POST", "?uploads"), count(&calm.requests, "POST", "?uploadId=")), (1, 1));
    settled(&calm, expected.lines().count() - 1);

    for (moment, begun, completed) in KILLS {
        let killed = exports.export(&large, moment).unwrap_or_else(|e| panic!("{moment:?}: {e:#}"));
        assert!(killed.was_killed, "{moment:?} never came");
        assert!(killed.file == calm.file, "{moment:?}: the file differs");
        assert_eq!(killed.manifest, calm.manifest, "{moment:?}");
        assert_eq!(killed.outcomes, calm.outcomes, "{moment:?}");
        assert_eq!((&killed.books, killed.objects), (&calm.books, calm.objects), "{moment:?}");
        let asked = (count(&killed.requests, "POST", "?uploads"), count(&killed.requests, "POST", "?uploadId="));
        assert_eq!(asked, (begun, completed), "{moment:?}: {:#?}", killed.requests);
    }

    let zipped = exports.activation("zipped", &everybody, false, &json!({ "gzip": true })).unwrap();
    let file = exports.export(&zipped, Moment::Never).unwrap();
    let mut csv = String::new();
    flate2::read::MultiGzDecoder::new(&file.file[..]).read_to_string(&mut csv).unwrap();
    let expected = exports.expected(&zipped, false).unwrap();
    assert!(csv == expected, "the file differs from the profiles");
    settled(&file, expected.lines().count() - 1);

    let nobody = exports.nobody().unwrap();
    for (name, more) in [("empty", json!({})), ("empty-zipped", json!({ "gzip": true }))] {
        let empty = exports.activation(name, &nobody, false, &more).unwrap();
        let file = exports.export(&empty, Moment::Never).unwrap();
        let mut csv = String::new();
        if more["gzip"] == true {
            flate2::read::MultiGzDecoder::new(&file.file[..]).read_to_string(&mut csv).unwrap();
        } else {
            csv = String::from_utf8(file.file.clone()).unwrap();
        }
        assert_eq!(csv, "email,text,score\n", "{name}");
        settled(&file, 0);
    }
    exports.stop().unwrap();
}

/// Every member has one outcome, the books say the same, and the manifest is of this file.
fn settled(export: &Exported, rows: usize) {
    let positions: Vec<u64> = export.outcomes.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, (0..positions.len() as u64).collect::<Vec<_>>(), "each member once");
    let said = |status: &str| export.outcomes.iter().filter(|(_, s)| s == status).count();
    assert_eq!(said("created"), rows);
    let books = |name: &str| export.books[name].as_u64().map(|n| n as usize);
    assert_eq!((books("received"), books("pending")), (Some(positions.len()), Some(0)), "{}", export.books);
    for status in ["created", "excluded"] {
        assert_eq!(books(status), Some(said(status)), "{}", export.books);
    }
    assert_eq!(said("created") + said("excluded"), positions.len());
    assert_eq!(export.objects, 2, "a file and its manifest");
    assert_eq!((&export.manifest["rows"], &export.manifest["bytes"]), (&json!(rows), &json!(export.file.len())));
    assert_eq!(export.manifest["sha256"], hex::encode(Sha256::digest(&export.file)));
}
