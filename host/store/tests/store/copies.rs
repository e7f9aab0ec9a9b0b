//! Copies of a database that is at work.

use crate::support::*;
use attiva_core::ports::store::{Feed, SandboxStore, StoreError};
use attiva_store::{Options, Sandbox};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const ROWS: usize = 20;

#[test]
fn a_copy_is_of_one_moment_and_nobody_waits_for_it() {
    let f = sandbox();
    let rows = |n: usize| (0..ROWS).map(|i| full(&key(n * ROWS + i), 10, &[("x", text("y"))])).collect::<Vec<_>>();
    for n in 0..50 {
        wait(f.store.commit_page(page("leads", &n.to_string(), rows(n)))).unwrap();
    }
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(50)));
    let writer = thread::spawn({
        let (store, stop, acknowledged) = (Arc::clone(&f.store), Arc::clone(&stop), Arc::clone(&acknowledged));
        move || {
            for n in 50.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let rows = (0..ROWS).map(|i| full(&key(n * ROWS + i), 10, &[("x", text("y"))])).collect();
                wait(store.commit_page(page("leads", &n.to_string(), rows))).unwrap();
                acknowledged.store(n as u64 + 1, Ordering::SeqCst);
            }
        }
    });
    let place = tempfile::tempdir().unwrap();
    let mut sequences = Vec::new();
    for n in 0..5 {
        let directory = place.path().join(n.to_string());
        std::fs::create_dir(&directory).unwrap();
        let before = acknowledged.load(Ordering::SeqCst);
        let mark = f.store.copy_to(&directory.join("store.db")).unwrap();
        assert!(mark.sequence >= before * ROWS as u64, "what was acknowledged before is in it");
        assert_eq!(Sandbox::look(&directory.join("store.db")).unwrap(), mark);
        // The writer goes on while it is made, and after it.
        while acknowledged.load(Ordering::SeqCst) == before {
            thread::yield_now();
        }
        let copy = Sandbox::open(&directory, &Options::default()).unwrap();
        let newest = copy.newest(Feed::Records).unwrap();
        assert_eq!((newest, newest % ROWS as u64), (mark.sequence, 0), "whole pages");
        let numbers: Vec<i64> =
            copy.changes(Feed::Records, 0, usize::MAX).unwrap().iter().map(|change| change.subject).collect();
        assert_eq!(copy.records_by_number(&numbers).unwrap().len() as u64, newest);
        let state = copy.stream_state(&connection(), "leads").unwrap().unwrap();
        assert_eq!(
            state.cursor.bytes,
            (newest / ROWS as u64 - 1).to_string().into_bytes(),
            "the cursor goes with its rows"
        );
        sequences.push(mark.sequence);
    }
    stop.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    assert!(sequences.is_sorted() && sequences.first() < sequences.last(), "{sequences:?}");
}

#[test]
fn a_copy_is_written_over_nothing_and_a_full_disk_is_told() {
    let f = sandbox();
    wait(f.store.commit_page(page("leads", "1", vec![full(&key(1), 10, &[("x", text("y"))])]))).unwrap();
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("store.db");
    f.store.copy_to(&target).unwrap();
    assert!(f.store.copy_to(&target).is_err());
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(place.path().join("none.db"), [7; 8192]).unwrap();
    assert!(matches!(Sandbox::look(&place.path().join("none.db")), Err(StoreError::Corrupt(_))));
    #[cfg(target_os = "linux")]
    {
        // A device that has no room for anything.
        std::os::unix::fs::symlink("/dev/full", place.path().join("full.db")).unwrap();
        assert_eq!(f.store.copy_to(&place.path().join("full.db")), Err(StoreError::Full));
        wait(f.store.commit_page(page("leads", "2", vec![full(&key(2), 10, &[("x", text("y"))])]))).unwrap();
    }
}
