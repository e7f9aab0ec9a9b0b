//! How often a vendor is asked to describe its streams: it costs calls, and schedules are quick.

use super::*;
use attiva_core::backfill::Wish;
use attiva_core::config::Connection;
use attiva_core::drift::{OnChange, SchemaPolicy};
use attiva_core::id::RunId;
use attiva_core::ports::store::DocumentWrite;
use attiva_core::run::Run;
use attiva_core::schedule::Schedule;

async fn change(world: &World, change: impl FnOnce(&mut Connection)) {
    let mut connection: Connection = world.get(Kind::Connection, world.connection.as_str());
    change(&mut connection);
    let body = serde_json::to_value(&connection).unwrap();
    let write = DocumentWrite { kind: Kind::Connection, id: connection.id.to_string(), body };
    world.store.put_document(write, Expect::Anything).await.unwrap();
}

fn every_second(connection: &mut Connection) {
    connection.schedule = Some(Schedule { every_seconds: Some(1), cron: None });
}

fn runs(world: &World) -> Vec<Run> {
    let all = world.store.documents(Kind::Run, None, 1_000).unwrap();
    all.into_iter().map(|document| serde_json::from_value(document.body).unwrap()).collect()
}

/// Waits until so many more runs have ended.
async fn more_runs(world: &World, count: usize) {
    let ended = || runs(world).iter().filter(|run| run.status.has_ended()).count();
    let before = ended();
    world.until("runs end", || (ended() >= before + count).then_some(())).await;
}

fn described(world: &World) -> u32 {
    world.vendor.described.load(Ordering::SeqCst)
}

#[tokio::test]
async fn runs_that_a_schedule_starts_describe_once_and_again_when_somebody_has_done_something() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(three_pages())).await;
    change(&world, every_second).await;
    more_runs(&world, 3).await;
    assert_eq!(described(&world), 1);
    assert!(runs(&world).iter().all(|run| run.status == RunStatus::Succeeded), "{:?}", runs(&world));

    // Another configuration may be told something else.
    change(&world, |connection| connection.configuration = serde_json::json!({"another": 1})).await;
    more_runs(&world, 3).await;
    assert_eq!(described(&world), 2);

    // A grant, or other credentials.
    world.engine.connection_mended(&world.connection);
    more_runs(&world, 3).await;
    assert_eq!(described(&world), 3);

    // Who is not let in hears of it before there is another run, and rests.
    world.vendor.read_faults.lock().unwrap().push_back(fault(FaultKind::Auth, "oauth.invalid_client"));
    world.vendor.discover_faults.lock().unwrap().push_back(fault(FaultKind::Auth, "oauth.invalid_client"));
    let refused = || runs(&world).into_iter().find(|run| run.next_try_at.is_some());
    let refused = world.until("a run does not begin", refused).await;
    assert_eq!((refused.attempts, described(&world)), (1, 4));
}

#[tokio::test]
async fn who_starts_a_run_by_hand_or_begins_a_stream_anew_has_it_described() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(three_pages())).await;
    world.run().await;
    world.run().await;
    assert_eq!(described(&world), 2);
    let wish = Wish { reset: true, ..Wish::default() };
    let id = RunId::new(wall(), fresh());
    let anew = world.engine.start_backfill(&world.connection, &["persons".into()], wish, id).await.unwrap();
    world.ended_run(&anew.id).await;
    change(&world, |connection| {
        every_second(connection);
        connection.created_at = 0;
    })
    .await;
    more_runs(&world, 2).await;
    assert_eq!(described(&world), 3, "with the next run");
}

#[tokio::test]
async fn what_waits_for_approval_waits_on_though_nobody_asks_the_vendor() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(three_pages())).await;
    world.run().await;
    change(&world, |connection| {
        every_second(connection);
        connection.schema = SchemaPolicy { on_change: OnChange::Ask, ..SchemaPolicy::default() };
    })
    .await;
    let text = attiva_core::DataType::Text;
    *world.vendor.columns.lock().unwrap() = Some(vec![("mail", text), ("title", text), ("fax", text)]);
    world.engine.connection_mended(&world.connection);
    let waits = || world.engine.schema_state(&world.connection).unwrap().pending.get("persons").cloned();
    let pending = world.until("it is noticed", waits).await;
    let before = described(&world);
    more_runs(&world, 2).await;
    assert_eq!((described(&world), waits()), (before, Some(pending)));
    let last = world.vendor.calls.lock().unwrap().iter().rfind(|call| call.starts_with("read")).cloned();
    assert_eq!(last.as_deref(), Some("read 3 of mail,title"), "what nobody has approved of is left out");
    world.engine.approve_schema(&world.connection, &[], "key_1").await.unwrap();
    more_runs(&world, 2).await;
    let last = world.vendor.calls.lock().unwrap().iter().rfind(|call| call.starts_with("read")).cloned();
    assert_eq!((last.as_deref(), described(&world)), (Some("read 3"), before + 1));
}
