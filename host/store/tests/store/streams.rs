//! Streams that another version of their plugin reads: the way back stays until the newer version has come far enough.

use crate::support::*;
use attiva_core::page::Cursor;
use attiva_core::plugin::state::PAGES_UNTIL_SETTLED;
use attiva_core::ports::store::{SandboxStore, StreamState};
use attiva_store::Sandbox;

fn commit(store: &Sandbox, stream: &str, state_version: u32, cursor: &str) {
    let mut page = page(stream, cursor, vec![]);
    page.state.cursor = Cursor { state_version, bytes: cursor.into() };
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
