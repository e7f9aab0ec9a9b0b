//! Another version of a plugin goes on where the one before it was, or cannot, and says so before anything is written.

use crate::support::*;
use attiva_core::plugin::state::PAGES_UNTIL_SETTLED;
use attiva_core::run::RunStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A page for each call: one lead, and never the end of them.
fn endless(pages: usize) -> Vec<Vec<Lead>> {
    const IDS: [&str; 30] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19",
        "20", "21", "22", "23", "24", "25", "26", "27", "28", "29",
    ];
    IDS[..pages].iter().map(|id| vec![lead(id, 10, "ann@x.com", "CEO")]).collect()
}

fn calls(vendor: &Vendor) -> Vec<String> {
    let mut calls = vendor.calls.lock().unwrap();
    std::mem::take(&mut *calls).into_iter().filter(|call| !call.starts_with("release")).collect()
}

#[tokio::test]
async fn a_newer_version_goes_on_from_a_copy_and_an_older_one_from_what_it_had() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = Arc::new(Vendor { pages: endless(2).into(), ..Vendor::default() });
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    assert_eq!(world.run().await.status, RunStatus::Succeeded);
    assert_eq!(calls(&vendor), ["read 0", "read 1"]);

    // The upgrade: state of the first version is migrated once, and stays as it was beside.
    vendor.state_version.store(2, Ordering::SeqCst);
    *vendor.pages.lock().unwrap() = endless(4);
    assert_eq!(world.run().await.status, RunStatus::Succeeded);
    assert_eq!(calls(&vendor), ["migrate 1", "read 2", "read 3"]);

    // The rollback: it reads again what the newer one has read since, and nothing is doubled.
    vendor.state_version.store(1, Ordering::SeqCst);
    let run = world.run().await;
    assert_eq!((run.status, run.streams[0].changed, run.streams[0].unchanged), (RunStatus::Succeeded, 0, 2));
    assert_eq!(calls(&vendor), ["read 2", "read 3"]);
}

#[tokio::test]
async fn once_the_newer_version_has_come_far_there_is_no_way_back() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = Arc::new(Vendor { pages: endless(1).into(), ..Vendor::default() });
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    vendor.state_version.store(2, Ordering::SeqCst);
    *vendor.pages.lock().unwrap() = endless(1 + PAGES_UNTIL_SETTLED as usize);
    world.run().await;
    vendor.state_version.store(1, Ordering::SeqCst);
    calls(&vendor);
    let before = world.store.stream_states(&world.connection).unwrap();
    let fault = world.start_run().await.unwrap_err();
    assert_eq!(fault.code, "plugin.state-too-new");
    assert!(fault.message.contains("persons") && fault.message.contains("version 2"), "{fault}");
    assert_eq!(calls(&vendor), Vec::<String>::new(), "the vendor was not asked for a page");
    assert_eq!(world.store.stream_states(&world.connection).unwrap(), before);
    vendor.state_version.store(3, Ordering::SeqCst);
    assert_eq!(world.run().await.status, RunStatus::Succeeded);
    assert_eq!(calls(&vendor)[0], "migrate 2");
}
