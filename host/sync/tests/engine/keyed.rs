//! A stream that is read by the keys of another.

use super::*;
use attiva_core::id::RunId;
use attiva_core::ports::store::DocumentWrite;
use attiva_core::run::{Event, Run};

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

/// A run that goes on for long already, of both streams, over a vendor that has so many pages of persons by now.
async fn going_on_for_long(dir: &std::path::Path, pages: Vec<Vec<Lead>>) -> (World, Run) {
    let vendor = vendor(vec![vec![]]);
    vendor.has_titles.store(true, Ordering::SeqCst);
    let world = World::start(dir, Arc::clone(&vendor)).await;
    world.run().await;
    world.engine.drain(Duration::from_secs(10)).await;
    vendor.pages.lock().unwrap().extend(pages);
    vendor.calls.lock().unwrap().clear();
    let (id, streams) = (RunId::new(wall(), fresh()), ["persons".to_owned(), TITLES.to_owned()]);
    let mut run = Run::new(id, world.connection.clone(), "fake@1.0.0".into(), &streams, 0);
    run.keyed = [(TITLES.to_owned(), "persons".to_owned())].into();
    run.step(Event::Resumed, 0);
    let body = serde_json::to_value(&run).unwrap();
    let write = DocumentWrite { kind: Kind::Run, id: run.id.to_string(), body };
    world.store.put_document(write, Expect::Absent).await.unwrap();
    drop(world);
    (World::start(dir, vendor).await, run)
}

#[tokio::test]
async fn keys_are_read_beside_a_stream_that_goes_on_for_long_and_none_of_them_is_lost() {
    const PAGES: usize = 8;
    let title = |n: usize| &*format!("title {n}").leak();
    let page = |n: usize| vec![lead(&*format!("{n}").leak(), 10, "a@x.com", title(n))];
    let dir = tempfile::tempdir().unwrap();
    let (world, run) = going_on_for_long(dir.path(), (0..PAGES).map(page).collect()).await;
    let run = world.ended_run(&run.id).await;
    assert_eq!(run.status, RunStatus::Succeeded, "{:?}", run.fault);
    let calls: Vec<String> = world.vendor.calls.lock().unwrap().clone();
    let at = |what: &str| calls.iter().position(|call| call.starts_with(what)).unwrap_or_else(|| panic!("{calls:?}"));
    assert!(at("titles 0 title") < at(&format!("read {PAGES}")), "keys of the first pages, before the last: {calls:?}");
    let mut read: Vec<&str> = calls
        .iter()
        .filter_map(|call| call.strip_prefix("titles "))
        .flat_map(|call| call.split_once(' ').unwrap().1.split(','))
        .filter(|key| !key.is_empty())
        .collect();
    read.sort_unstable();
    read.dedup();
    assert_eq!(read, (0..PAGES).map(title).collect::<Vec<_>>(), "every key: {calls:?}");
    assert_eq!(calls.iter().rev().find(|call| call.starts_with(TITLES)).map(String::as_str), Some("titles 0 "));
    let progress: Vec<(u64, bool)> = run.streams.iter().map(|s| (s.changed, s.caught_up)).collect();
    assert_eq!(progress, [(PAGES as u64, true), (PAGES as u64, true)]);
}
