//! A stream that is read by the keys of another.

use super::*;

fn asked(vendor: &Vendor) -> Vec<String> {
    let mut calls = vendor.calls.lock().unwrap();
    let asked = calls.iter().filter(|call| call.starts_with(TITLES)).cloned().collect();
    calls.clear();
    asked
}

#[tokio::test]
async fn keys_come_from_the_other_streams_records_and_again_when_those_change() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    vendor.has_titles.store(true, Ordering::SeqCst);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    let run = world.run().await;
    assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.fault);
    // Each key once, the same keys while the connector has more of them, and none at the end.
    assert_eq!(asked(&vendor), ["titles 0 CEO,CFO,CTO", "titles 1 CEO,CFO,CTO", "titles 2 CEO,CFO,CTO", "titles 0 "]);
    let read: Vec<(String, u64, bool)> =
        run.streams.iter().map(|s| (s.stream.clone(), s.changed, s.caught_up)).collect();
    assert_eq!(read, [("persons".into(), 5, true), (TITLES.into(), 3, true)]);

    // Nothing changed: no key is asked for again.
    world.run().await;
    assert_eq!(asked(&vendor), ["titles 0 "]);

    vendor.pages.lock().unwrap().push(vec![lead("5", 20, "eve@x.com", "CMO"), lead("4", 10, "dan@x.com", "CEO")]);
    let run = world.run().await;
    assert_eq!(asked(&vendor), ["titles 0 CMO", "titles 0 "], "the changed record's key alone");
    assert_eq!(run.streams[1].changed, 1);
}
