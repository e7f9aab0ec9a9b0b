//! Streams read anew: beside the runs that follow their changes, or in their place.

use super::*;
use attiva_core::backfill::Wish;
use attiva_core::config::Connection;
use attiva_core::id::RunId;
use attiva_core::run::Run;

fn wish(json: serde_json::Value) -> Wish {
    serde_json::from_value(json).unwrap()
}

async fn begun(world: &World, wish: Wish) -> Result<Run, attiva_core::Fault> {
    world.engine.start_backfill(&world.connection, &["persons".into()], wish, RunId::new(wall(), fresh())).await
}

fn taken(vendor: &Vendor) -> Vec<String> {
    std::mem::take(&mut *vendor.calls.lock().unwrap())
}

/// What the stream's own place is.
fn place(world: &World) -> String {
    let state = world.store.stream_state(&world.connection, "persons").unwrap().unwrap();
    String::from_utf8(state.cursor.bytes).unwrap()
}

#[tokio::test]
async fn a_stream_is_read_anew_while_its_changes_go_on_being_read() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    assert_eq!(begun(&world, Wish::default()).await.unwrap_err().code, "stream.missing", "it was never read");
    world.run().await;
    // A field that changes without a time of change: only who reads all of it anew learns of it.
    vendor.pages.lock().unwrap()[0][0] = lead("1", 10, "ann@new.com", "CEO");
    vendor.pages.lock().unwrap().push(vec![lead("6", 20, "fay@x.com", "CEO")]);
    taken(&vendor);
    vendor.stuck_reading.store(true, Ordering::SeqCst);
    let anew = begun(&world, Wish::default()).await.unwrap();
    world.until("it is being read", || vendor.calls.lock().unwrap().iter().any(|c| c == "read 0").then_some(())).await;
    // Another of its kind has to wait; a run that follows changes has not.
    assert_eq!(begun(&world, Wish::default()).await.unwrap_err().code, "run.in-progress");
    let follows = world.start_run().await.unwrap();
    world
        .until("both are being read", || vendor.calls.lock().unwrap().iter().any(|c| c == "read 3").then_some(()))
        .await;
    vendor.stuck_reading.store(false, Ordering::SeqCst);
    let follows = world.ended_run(&follows.id).await;
    let anew = world.ended_run(&anew.id).await;
    assert_eq!((follows.status, follows.streams[0].received), (RunStatus::Succeeded, 1), "{:?}", follows.fault);
    assert_eq!(anew.status, RunStatus::Succeeded, "{:?}", anew.fault);
    assert_eq!(
        (anew.streams[0].received, place(&world)),
        (6, "4".into()),
        "all of it, and the stream stands where it stood"
    );
    assert!(anew.pages_at.is_empty(), "it says nothing of how fresh the stream is");
    world.settled().await;
    assert!(world.emails().contains(&"ann@new.com".to_owned()), "{:?}", world.emails());
}

#[tokio::test]
async fn a_reading_anew_that_is_cut_off_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    taken(&vendor);
    vendor.read_faults.lock().unwrap().extend([fault(FaultKind::Transient, "x").retry_after_ms(1)]);
    let anew = begun(&world, Wish::default()).await.unwrap();
    world.until("the first page", || vendor.calls.lock().unwrap().iter().any(|c| c == "read 0").then_some(())).await;
    world.engine.drain(Duration::from_secs(10)).await;
    drop(world);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    let anew = world.ended_run(&anew.id).await;
    assert_eq!(
        (anew.status, anew.streams[0].received),
        (RunStatus::Succeeded, 5),
        "every record once, over both starts"
    );
    let read: Vec<String> = taken(&vendor).into_iter().filter(|call| call.starts_with("read")).collect();
    let mut once = read.clone();
    once.dedup();
    assert!(read.len() <= once.len() + 1 && once == ["read 0", "read 1", "read 2"], "{read:?}");
    // One that does not come to its end leaves the stream where it is, and gives up the place that it had come to.
    vendor.stuck_reading.store(true, Ordering::SeqCst);
    let refused = begun(&world, Wish::default()).await.unwrap();
    world.until("its first page", || vendor.calls.lock().unwrap().iter().any(|c| c == "read 0").then_some(())).await;
    vendor.read_faults.lock().unwrap().push_back(fault(FaultKind::Auth, "x"));
    vendor.stuck_reading.store(false, Ordering::SeqCst);
    assert_eq!(world.ended_run(&refused.id).await.status, RunStatus::Failed);
    assert_eq!(place(&world), "3");
    world
        .until("it is told so", || vendor.calls.lock().unwrap().iter().any(|c| c == "let go persons 1").then_some(()))
        .await;
}

#[tokio::test]
async fn a_span_of_days_is_what_the_connector_is_told_to_read() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    vendor.has_titles.store(true, Ordering::SeqCst);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    taken(&vendor);
    let january = wish(serde_json::json!({"from": "2026-01-01", "to": "2026-01-31"}));
    let anew = begun(&world, january.clone()).await.unwrap();
    world.ended_run(&anew.id).await;
    let calls = taken(&vendor);
    assert!(calls.contains(&r#"beside {"first":"2026-01-01","last":"2026-01-31"}"#.to_owned()), "{calls:?}");
    let connection: Connection = world.get(Kind::Connection, world.connection.as_str());
    assert_eq!(connection.configuration, serde_json::json!({}), "its own configuration stays");
    let id = RunId::new(wall(), fresh());
    let refused = world.engine.start_backfill(&world.connection, &[TITLES.into()], january, id).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (FaultKind::Unsupported, "backfill.window"));
}

#[tokio::test]
async fn a_reset_begins_the_stream_itself_anew_and_nothing_else_is_read_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    vendor.pages.lock().unwrap().truncate(1);
    taken(&vendor);
    vendor.stuck_reading.store(true, Ordering::SeqCst);
    let reset = begun(&world, wish(serde_json::json!({"reset": true}))).await.unwrap();
    assert_eq!(world.start_run().await.unwrap_err().code, "run.in-progress");
    vendor.stuck_reading.store(false, Ordering::SeqCst);
    let reset = world.ended_run(&reset.id).await;
    assert_eq!((reset.status, reset.streams[0].pages, place(&world)), (RunStatus::Succeeded, 1, "1".into()));
    let calls = taken(&vendor);
    assert!(!calls.iter().any(|call| call.starts_with("beside")), "{calls:?}");
    assert!(calls.contains(&"read 0".to_owned()), "{calls:?}");
}

#[tokio::test]
async fn what_a_whole_reading_did_not_find_is_gone_unless_it_is_too_much() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    world.settled().await;
    // One of five is not listed any more, and a vendor that tells of no deletions says nothing of it.
    vendor.pages.lock().unwrap()[1].clear();
    world.run().await;
    world.settled().await;
    assert_eq!(world.emails().len(), 5);
    // Without being asked, a reading anew deletes nobody.
    let plain = begun(&world, Wish::default()).await.unwrap();
    assert_eq!(world.ended_run(&plain.id).await.streams[0].changed, 0);
    let strict = wish(serde_json::json!({"infer_deletions": true, "deletions_max_percent": 19}));
    let strict = world.ended_run(&begun(&world, strict).await.unwrap().id).await;
    assert_eq!(strict.status, RunStatus::Failed);
    assert_eq!(
        strict.fault.map(|fault| (fault.kind, fault.code)),
        Some((FaultKind::Data, "backfill.deletions".into()))
    );
    world.settled().await;
    assert_eq!(world.emails().len(), 5, "and nobody is gone");
    let infers = wish(serde_json::json!({"infer_deletions": true}));
    let infers = world.ended_run(&begun(&world, infers).await.unwrap().id).await;
    assert_eq!((infers.status, infers.streams[0].changed), (RunStatus::Succeeded, 1), "{:?}", infers.fault);
    world.settled().await;
    assert_eq!(world.emails(), ["ann@x.com", "bob@x.com", "dan@x.com", "eve@x.com"]);
    // Whoever is listed again is there again.
    vendor.pages.lock().unwrap()[1].push(lead("3", 10, "cat@x.com", "CEO"));
    let again = begun(&world, Wish::default()).await.unwrap();
    world.ended_run(&again.id).await;
    world.settled().await;
    assert_eq!(world.emails().len(), 5);
}
