//! Many who write and many who read, at once.

use crate::support::*;
use attiva_core::ports::store::{Expect, Feed, Kind, MembershipStatus, SandboxStore};
use attiva_store::{Options, Sandbox};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[test]
fn readers_see_whole_commits_while_the_writer_writes() {
    const PAGES: usize = 60;
    const ROWS: usize = 20;
    let directory = tempfile::tempdir().unwrap();
    let options = Options { readers_max: 2, ..Options::default() };
    let store = Sandbox::open(directory.path(), &options).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    // More threads than connections: some wait for one.
    let readers: Vec<_> = (0..5)
        .map(|_| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            thread::spawn(move || {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let newest = store.newest(Feed::Records).unwrap();
                    assert_eq!(newest % ROWS as u64, 0, "half a page");
                    assert!(newest >= last, "time went back");
                    last = newest;
                    let changes = store.changes(Feed::Records, 0, usize::MAX).unwrap();
                    let numbers: Vec<i64> = changes.iter().map(|c| c.subject).collect();
                    assert_eq!(store.records_by_number(&numbers).unwrap().len(), numbers.len());
                }
            })
        })
        .collect();
    for n in 0..PAGES {
        let rows = (0..ROWS).map(|i| full(&key(n * ROWS + i), 10, &[("x", text("y"))])).collect();
        wait(store.commit_page(page("leads", &n.to_string(), rows))).unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    assert_eq!(store.newest(Feed::Records).unwrap(), (PAGES * ROWS) as u64);
}

#[test]
fn of_those_who_expect_the_same_version_one_wins() {
    let f = sandbox();
    wait(f.store.put_document(document(Kind::Segment, "seg_1", "0"), Expect::Absent)).unwrap();
    for version in 1..=20 {
        let racers: Vec<_> = (0..4)
            .map(|n| {
                let store = Arc::clone(&f.store);
                let write = document(Kind::Segment, "seg_1", &n.to_string());
                thread::spawn(move || wait(store.put_document(write, Expect::Version(version))).is_ok())
            })
            .collect();
        let won = racers.into_iter().map(|racer| racer.join().unwrap()).filter(|won| *won).count();
        assert_eq!(won, 1);
    }
    assert_eq!(f.store.document(Kind::Segment, "seg_1").unwrap().unwrap().version, 21);
}

#[test]
fn who_stops_waiting_loses_nothing() {
    let f = sandbox();
    let n = with_profiles(&f.store, &["a"]);
    // Polled once, so that it is handed over, then dropped.
    let write = f.store.commit_memberships(memberships(9, &[(1, n[0], MembershipStatus::Realized)]));
    wait(async {
        let mut write = write;
        std::future::poll_fn(|context| {
            let _ = write.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    });
    // One writer, first come first served: once this is done, so is that.
    wait(f.store.put_document(document(Kind::Run, "run_1", "x"), Expect::Absent)).unwrap();
    assert_eq!(f.store.count_members(&segment(1)).unwrap(), 1);
}
