//! Documents and their versions.

use crate::support::*;
use attiva_core::ports::store::{Expect, Kind, SandboxStore, StoreError};

#[test]
fn a_document_is_written_with_what_is_expected_of_it() {
    let f = sandbox();
    let put = |state, expect| wait(f.store.put_document(document(Kind::Connection, "con_1", state), expect));
    assert_eq!(put("a", Expect::Version(1)), Err(StoreError::Missing));
    assert_eq!(put("a", Expect::Absent), Ok(1));
    assert_eq!(put("b", Expect::Absent), Err(StoreError::Exists));
    assert_eq!(put("b", Expect::Version(1)), Ok(2));
    assert_eq!(put("c", Expect::Anything), Ok(3));
    let mismatch = StoreError::VersionMismatch { expected: "2".into(), found: "3".into() };
    assert_eq!(put("d", Expect::Version(2)), Err(mismatch.clone()));
    let found = f.store.document(Kind::Connection, "con_1").unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.version, &found.body["state"]), ("con_1", 3, &"c".into()));
    assert_eq!(f.store.document(Kind::Segment, "con_1").unwrap(), None);

    let delete = |expect| wait(f.store.delete_document(Kind::Connection, "con_1", expect));
    assert_eq!(delete(Expect::Version(2)), Err(mismatch));
    assert_eq!(delete(Expect::Version(3)), Ok(()));
    assert_eq!(delete(Expect::Anything), Err(StoreError::Missing));
    assert_eq!(f.store.document(Kind::Connection, "con_1").unwrap(), None);
}

#[test]
fn documents_are_listed_in_the_order_of_ids() {
    let f = sandbox();
    for id in ["con_b", "con_c", "con_a"] {
        wait(f.store.put_document(document(Kind::Connection, id, "x"), Expect::Absent)).unwrap();
    }
    wait(f.store.put_document(document(Kind::Run, "con_0", "x"), Expect::Absent)).unwrap();
    let ids = |after, limit| -> Vec<String> {
        f.store.documents(Kind::Connection, after, limit).unwrap().into_iter().map(|d| d.id).collect()
    };
    assert_eq!(ids(None, 2), ["con_a", "con_b"]);
    assert_eq!(ids(Some("con_b"), 2), ["con_c"]);
}

#[test]
fn a_deleted_run_takes_its_rejects_with_it() {
    let f = sandbox();
    let mut commit = page("leads", "a", Vec::new());
    commit.document = always(document(Kind::Run, run().as_str(), "running"));
    commit.rejects = vec![attiva_core::page::Reject {
        key: None,
        code: "no-key".into(),
        field: None,
        message: String::new(),
        sample: String::new(),
    }];
    wait(f.store.commit_page(commit)).unwrap();
    wait(f.store.delete_document(Kind::Run, run().as_str(), Expect::Anything)).unwrap();
    assert!(f.store.rejects(&run(), 0, 9).unwrap().is_empty());
}
