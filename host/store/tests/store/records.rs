//! Pages of records: what is stored of them, where the stream stands, and the feed of changes.

use crate::support::*;
use attiva_core::Value;
use attiva_core::page::{Reject, RowKind};
use attiva_core::ports::store::{Change, Feed, Kind, PageCommitted, PageDocument, SandboxStore};
use attiva_core::record::Presence;
use attiva_core::record::RecordChange;
use std::sync::Arc;

fn subjects(store: &dyn SandboxStore, feed: Feed) -> Vec<i64> {
    store.changes(feed, 0, 1_000).unwrap().iter().map(|c| c.subject).collect()
}

#[test]
fn a_page_is_stored_with_its_cursor_and_told_in_the_feed() {
    let f = sandbox();
    assert_eq!(f.store.stream_state(&connection(), "leads").unwrap(), None);
    let fields = [("name", text("Ann")), ("score", Value::Integer(7)), ("none", Value::Null)];
    let mut commit = page("leads", "a", vec![full(&key(1), 10, &fields), full(&key(2), 11, &[])]);
    commit.document = PageDocument(Arc::new(|done| Some(document(Kind::Run, "run_1", &done.changed.to_string()))));
    let done = wait(f.store.commit_page(commit.clone())).unwrap();
    assert_eq!(done, PageCommitted { changed: 2, seq: 2, ..Default::default() });

    let f = f.reopened();
    assert_eq!(f.store.stream_state(&connection(), "leads").unwrap(), commit.state);
    let record = f.store.record(&PERSON, &key(1)).unwrap().unwrap();
    assert_eq!((record.source_key.as_str(), record.stream.as_str()), (key(1).as_str(), "leads"));
    assert_eq!((record.connection, record.profile), (connection(), None));
    assert_eq!((record.body.at, record.body.fields), (10, commit.records[0].fields.clone()));
    assert_eq!(subjects(&*f.store, Feed::Records), [1, 2]);
    // It is made of what the rows did.
    assert_eq!(f.store.document(Kind::Run, "run_1").unwrap().unwrap().body["state"], "2");
}

#[test]
fn only_what_changes_is_a_change() {
    let f = sandbox();
    let commit = |at, name: &str| page("leads", "a", vec![full(&key(1), at, &[("name", text(name))])]);
    wait(f.store.commit_page(commit(10, "Ann"))).unwrap();
    let again = wait(f.store.commit_page(commit(10, "Ann"))).unwrap();
    assert_eq!((again.unchanged, again.seq), (1, 1));
    let stale = wait(f.store.commit_page(commit(5, "Old"))).unwrap();
    assert_eq!((stale.stale, stale.seq), (1, 1));
    let changed = wait(f.store.commit_page(commit(20, "Anna"))).unwrap();
    assert_eq!((changed.changed, changed.seq), (1, 2));
    assert_eq!(subjects(&*f.store, Feed::Records), [1, 1]);
}

#[test]
fn what_is_said_again_later_is_no_change_and_counts_from_then_on() {
    let f = sandbox();
    let commit = |at, dated, name: &str| {
        page("leads", "a", vec![RecordChange { dated, ..full(&key(1), at, &[("name", text(name))]) }])
    };
    wait(f.store.commit_page(commit(10, true, "Ann"))).unwrap();
    // The time of reading is not the vendor's word.
    let read = wait(f.store.commit_page(commit(50, false, "Ann"))).unwrap();
    assert_eq!((read.unchanged, read.seq), (1, 1));
    let later = wait(f.store.commit_page(commit(30, true, "Ann"))).unwrap();
    assert_eq!((later.changed, later.unchanged, later.seq), (0, 1, 2), "profiles look at it: it may be the newest");
    let between = wait(f.store.commit_page(commit(20, true, "Anna"))).unwrap();
    assert_eq!((between.stale, between.seq), (1, 2));
    assert_eq!(f.store.record(&PERSON, &key(1)).unwrap().unwrap().body.at, 30);
}

#[test]
fn several_rows_of_one_record_follow_each_other() {
    let f = sandbox();
    let mut patch = full(&key(1), 20, &[("name", text("Anna"))]);
    patch.kind = RowKind::Patch;
    let mut merge = full(&key(2), 30, &[]);
    merge.kind = RowKind::Merge;
    merge.merged_into = Some(key(1));
    let rows = vec![full(&key(1), 10, &[("name", text("Ann")), ("age", Value::Integer(9))]), patch, merge];
    let done = wait(f.store.commit_page(page("leads", "a", rows))).unwrap();
    assert_eq!((done.changed, done.seq), (3, 3));
    let body = f.store.record(&PERSON, &key(1)).unwrap().unwrap().body;
    assert_eq!(body.fields.get("name"), Some(&text("Anna")));
    assert_eq!(body.fields.get("age"), Some(&Value::Integer(9)));
    assert_eq!(body.patched, [(Arc::from("name"), 20)]);
    assert_eq!(f.store.presence(&PERSON, &key(1)).unwrap(), Some(Presence::Live));
    assert_eq!(f.store.presence(&PERSON, &key(2)).unwrap(), Some(Presence::MergedInto(key(1))));
    assert_eq!(f.store.presence(&PERSON, &key(3)).unwrap(), None);
}

#[test]
fn a_record_belongs_to_the_stream_that_last_told_all_of_it() {
    let f = sandbox();
    wait(f.store.commit_page(page("leads", "a", vec![full(&key(1), 10, &[("name", text("Ann"))])]))).unwrap();
    let mut patch = full(&key(1), 20, &[("name", text("Anna"))]);
    patch.kind = RowKind::Patch;
    wait(f.store.commit_page(page("activities", "a", vec![patch]))).unwrap();
    assert_eq!(f.store.record(&PERSON, &key(1)).unwrap().unwrap().stream, "leads");
    wait(f.store.commit_page(page("persons", "a", vec![full(&key(1), 30, &[("name", text("An"))])]))).unwrap();
    assert_eq!(f.store.record(&PERSON, &key(1)).unwrap().unwrap().stream, "persons");
}

#[test]
fn records_come_in_the_order_asked_for_and_who_is_unknown_is_left_out() {
    let f = sandbox();
    let rows = (1..=3).map(|n| full(&key(n), 10, &[])).collect();
    wait(f.store.commit_page(page("leads", "a", rows))).unwrap();
    let found = f.store.records_by_number(&[3, 99, 1]).unwrap();
    assert_eq!(found.iter().map(|r| r.number).collect::<Vec<_>>(), [3, 1]);
}

#[test]
fn rejects_are_kept_in_order_by_run() {
    let f = sandbox();
    let reject = |n: usize| Reject {
        key: (n > 1).then(|| key(n)),
        code: "no-key".into(),
        field: Some("id".into()),
        message: format!("row {n}"),
        sample: "{}".into(),
    };
    for numbers in [[1, 2], [3, 4]] {
        let mut commit = page("leads", "a", Vec::new());
        commit.rejects = numbers.iter().map(|n| reject(*n)).collect();
        assert_eq!(wait(f.store.commit_page(commit)).unwrap().rejected, 2);
    }
    let first = f.store.rejects(&run(), 0, 3).unwrap();
    assert_eq!(first.iter().map(|(_, r)| r.clone()).collect::<Vec<_>>(), [reject(1), reject(2), reject(3)]);
    let rest = f.store.rejects(&run(), first[2].0, 3).unwrap();
    assert_eq!(rest.iter().map(|(_, r)| r.clone()).collect::<Vec<_>>(), [reject(4)]);
    let other = attiva_core::id::RunId::new(9, [9; 6]);
    assert!(f.store.rejects(&other, 0, 3).unwrap().is_empty());
}

#[test]
fn the_feed_is_read_in_pieces() {
    let f = sandbox();
    let rows = (1..=5).map(|n| full(&key(n), 10, &[])).collect();
    wait(f.store.commit_page(page("leads", "a", rows))).unwrap();
    assert_eq!(f.store.newest(Feed::Records).unwrap(), 5);
    assert_eq!(f.store.newest(Feed::Profiles).unwrap(), 0);
    let piece = f.store.changes(Feed::Records, 2, 2).unwrap();
    assert_eq!(piece, [Change { seq: 3, subject: 3 }, Change { seq: 4, subject: 4 }]);
}
