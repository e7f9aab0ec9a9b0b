//! Streams that another version of their plugin reads: the way back stays until the newer version has come far enough.

use crate::support::*;
use attiva_core::page::Cursor;
use attiva_core::plugin::state::PAGES_UNTIL_SETTLED;
use attiva_core::ports::store::{PageCommit, SandboxStore, SeenStore, StoreError, StreamState};
use attiva_store::Sandbox;

fn commit(store: &Sandbox, stream: &str, state_version: u32, cursor: &str) {
    let mut page = page(stream, cursor, vec![]);
    page.state = Some(StreamState { cursor: Cursor { state_version, bytes: cursor.into() }, more: true });
    wait(store.commit_page(page)).unwrap();
}

fn shown(state: &StreamState) -> String {
    format!("{}:{}", state.cursor.state_version, String::from_utf8_lossy(&state.cursor.bytes))
}

/// The stored state, then what is kept.
fn states(store: &Sandbox, stream: &str) -> Vec<String> {
    let stored = store.stream_state(&connection(), stream).unwrap();
    let kept = store.states_before(&connection(), stream).unwrap();
    stored.iter().chain(&kept).map(shown).collect()
}

#[test]
fn what_the_older_version_had_stays_until_the_newer_one_has_committed_pages() {
    let f = sandbox();
    commit(&f.store, "a", 1, "a1");
    commit(&f.store, "b", 1, "b1");
    assert_eq!(states(&f.store, "a"), ["1:a1"]);
    commit(&f.store, "a", 2, "a2");
    let f = f.reopened();
    assert_eq!(states(&f.store, "a"), ["2:a2", "1:a1"]);
    assert_eq!(states(&f.store, "b"), ["1:b1"], "each stream by itself");
    for page in 2..PAGES_UNTIL_SETTLED {
        commit(&f.store, "a", 2, "a3");
        assert_eq!(states(&f.store, "a"), ["2:a3", "1:a1"], "after page {page}");
    }
    commit(&f.store, "a", 2, "a4");
    assert_eq!(states(&f.store, "a"), ["2:a4"]);
}

#[test]
fn every_version_on_the_way_can_be_gone_back_to() {
    let f = sandbox();
    commit(&f.store, "a", 1, "one");
    commit(&f.store, "a", 2, "two");
    commit(&f.store, "a", 3, "three");
    assert_eq!(states(&f.store, "a"), ["3:three", "1:one", "2:two"]);
    // The second version goes on from what it had: of the third nothing is left, the first is still there.
    commit(&f.store, "a", 2, "two again");
    assert_eq!(states(&f.store, "a"), ["2:two again", "1:one"]);
    commit(&f.store, "a", 1, "one again");
    assert_eq!(states(&f.store, "a"), ["1:one again"]);
}

#[test]
fn a_page_that_is_read_beside_leaves_the_stream_where_it_is_and_notes_what_it_finds() {
    let f = sandbox();
    let records = |keys: &[usize]| keys.iter().map(|n| full(&key(*n), 10, &[("a", text("x"))])).collect::<Vec<_>>();
    wait(f.store.commit_page(page("a", "here", records(&[1, 2, 3])))).unwrap();
    let mut numbers: Vec<i64> =
        f.store.records_of_stream(&connection(), "a", 0, 10).unwrap().iter().map(|record| record.number).collect();
    numbers.sort_unstable();
    assert_eq!(f.store.unseen(&connection(), "a", &numbers).unwrap(), numbers);
    // One that is as it was, and one that is new.
    let beside = PageCommit { state: None, notes_seen: true, ..page("a", "elsewhere", records(&[2, 4])) };
    wait(f.store.commit_page(beside.clone())).unwrap();
    let f = f.reopened();
    assert_eq!(states(&f.store, "a"), ["1:here"]);
    let all: Vec<i64> =
        f.store.records_of_stream(&connection(), "a", 0, 10).unwrap().iter().map(|record| record.number).collect();
    let unseen = f.store.unseen(&connection(), "a", &all).unwrap();
    let left: Vec<String> =
        f.store.records_by_number(&unseen).unwrap().into_iter().map(|record| record.source_key).collect();
    assert_eq!(left, [key(1), key(3)]);
    wait(f.store.forget_seen(&connection(), "a")).unwrap();
    assert_eq!(f.store.unseen(&connection(), "a", &all).unwrap().len(), 4);
    // Of a stream that was never read there is nothing to read anew.
    let nowhere = PageCommit { stream: "b".into(), ..beside };
    assert_eq!(wait(f.store.commit_page(nowhere)).unwrap_err(), StoreError::Missing);
}
