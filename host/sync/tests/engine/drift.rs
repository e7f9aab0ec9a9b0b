//! Streams whose columns are others than when they were last read.

use super::*;
use attiva_core::DataType;
use attiva_core::config::Connection;
use attiva_core::drift::{OnChange, SchemaPolicy};
use attiva_core::ports::connector::Stream;
use attiva_core::ports::store::DocumentWrite;
use attiva_core::run::Run;

const TEXT: DataType = DataType::Text;
const GROWN: [(&str, DataType); 3] = [("mail", TEXT), ("title", TEXT), ("fax", TEXT)];

async fn policy(world: &World, on_change: OnChange, backfill_new_columns: bool) {
    let mut connection: Connection = world.get(Kind::Connection, world.connection.as_str());
    connection.schema = SchemaPolicy { on_change, backfill_new_columns, ..SchemaPolicy::default() };
    let body = serde_json::to_value(&connection).unwrap();
    let write = DocumentWrite { kind: Kind::Connection, id: connection.id.to_string(), body };
    world.store.put_document(write, Expect::Anything).await.unwrap();
}

/// A world that has read persons, and a vendor that describes them otherwise since.
async fn grown(dir: &std::path::Path, on_change: OnChange, columns: &[(&'static str, DataType)]) -> World {
    let world = World::start(dir, vendor(three_pages())).await;
    policy(&world, on_change, false).await;
    assert_eq!(world.run().await.status, RunStatus::Succeeded);
    *world.vendor.columns.lock().unwrap() = Some(columns.to_vec());
    world.vendor.calls.lock().unwrap().clear();
    world
}

fn columns(world: &World) -> Vec<String> {
    let catalog: Vec<Stream> = world.get(Kind::Catalog, world.connection.as_str());
    let persons = catalog.into_iter().find(|stream| stream.name == "persons").unwrap();
    persons.columns.into_iter().map(|column| column.name).collect()
}

fn was_read(world: &World, call: &str) -> bool {
    world.vendor.calls.lock().unwrap().iter().any(|made| made == call)
}

#[tokio::test]
async fn a_run_is_stopped_by_a_change_until_somebody_approves_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = grown(dir.path(), OnChange::Stop, &[("mail", TEXT)]).await;
    let stopped = world.start_run().await.unwrap();
    let fault = stopped.fault.as_ref().expect("a reason");
    assert_eq!(
        (stopped.status, fault.kind, fault.code.as_str()),
        (RunStatus::Failed, FaultKind::Config, "schema.changed")
    );
    assert!(fault.message.contains("`title` is gone") && !fault.action.is_empty(), "{fault:?}");
    let kept: Run = world.get(Kind::Run, stopped.id.as_str());
    assert_eq!(kept, stopped, "whoever looks for it finds it");
    assert_eq!((columns(&world), was_read(&world, "read 3")), (vec!["mail".into(), "title".into()], false));
    // Nothing of profiles is lost meanwhile, and the next run is stopped just so.
    assert!(world.start_run().await.unwrap().fault.is_some());
    world.settled().await;
    assert_eq!(world.emails().len(), 5);
    let state = world.engine.approve_schema(&world.connection, &[], "key_1").await.unwrap();
    assert_eq!((state.pending.len(), state.taken[0].by.as_deref()), (0, Some("key_1")));
    assert_eq!((world.run().await.status, columns(&world)), (RunStatus::Succeeded, vec!["mail".to_owned()]));
}

#[tokio::test]
async fn what_nobody_has_approved_of_is_left_out_or_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let world = grown(dir.path(), OnChange::Ask, &GROWN).await;
    let run = world.run().await;
    assert_eq!((run.status, run.held.len()), (RunStatus::Succeeded, 0), "{:?}", run.fault);
    assert!(was_read(&world, "read 3 of mail,title"), "{:?}", world.vendor.calls);
    // A column of another type: that stream waits, over a restart as well.
    *world.vendor.columns.lock().unwrap() = Some(vec![("mail", TEXT), ("title", DataType::Integer)]);
    world.vendor.has_titles.store(true, Ordering::SeqCst);
    let run = world.run().await;
    let held: Vec<(&str, &str)> = run.held.iter().map(|h| (h.stream.as_str(), h.fault.code.as_str())).collect();
    assert_eq!((run.status, held), (RunStatus::Succeeded, vec![("persons", "schema.changed")]));
    let read: Vec<&str> = run.streams.iter().map(|s| s.stream.as_str()).collect();
    assert_eq!(read, [TITLES], "the others are read");
    world.engine.approve_schema(&world.connection, &["persons".into()], "key_1").await.unwrap();
    let run = world.run().await;
    assert_eq!((run.held.len(), run.streams.len()), (0, 2));
    let refused = world.engine.approve_schema(&world.connection, &["persons".into()], "key_1").await.unwrap_err();
    assert_eq!(refused.code, "schema.nothing-pending");
}

#[tokio::test]
async fn a_new_column_is_read_anew_where_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let world = grown(dir.path(), OnChange::Propagate, &GROWN).await;
    world.run().await;
    assert!(!was_read(&world, "read 0"), "not unless it is wanted");
    assert_eq!(columns(&world), ["mail", "title", "fax"]);
    policy(&world, OnChange::Propagate, true).await;
    *world.vendor.columns.lock().unwrap() = Some([&GROWN[..], &[("cell", TEXT)]].concat());
    world.run().await;
    let anew = world
        .until("it is read anew", || {
            let all = world.store.documents(Kind::Run, None, 100).unwrap();
            all.into_iter().map(|d| serde_json::from_value::<Run>(d.body).unwrap()).find(|run| run.backfill.is_some())
        })
        .await;
    let anew = world.ended_run(&anew.id).await;
    assert_eq!((anew.status, anew.streams[0].received), (RunStatus::Succeeded, 5), "{:?}", anew.fault);
    assert!(world.engine.schema_state(&world.connection).unwrap().to_backfill.is_empty());
}

/// A run that is in its first page while the vendor begins to describe persons otherwise, and what comes of it.
async fn changed_in_the_midst(on_change: OnChange) -> (World, Run, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start_describing(dir.path(), vendor(three_pages())).await;
    policy(&world, on_change, false).await;
    world.vendor.stuck_reading.store(true, Ordering::SeqCst);
    let run = world.start_run().await.unwrap();
    world.until("the first page is asked for", || was_read(&world, "read 0").then_some(())).await;
    *world.vendor.columns.lock().unwrap() = Some(vec![("mail", TEXT), ("title", DataType::Integer)]);
    world.vendor.stuck_reading.store(false, Ordering::SeqCst);
    let run = world.ended_run(&run.id).await;
    (world, run, dir)
}

#[tokio::test]
async fn a_change_in_the_midst_of_a_long_run_is_noticed_by_it() {
    let (world, stopped, _dir) = changed_in_the_midst(OnChange::Stop).await;
    assert_eq!(stopped.fault.as_ref().map(|fault| fault.code.as_str()), Some("schema.changed"), "{stopped:?}");
    assert_eq!((stopped.status, stopped.streams[0].pages), (RunStatus::Failed, 1), "what was read is kept");
    assert!(!was_read(&world, "read 1"));

    let (world, asks, _dir) = changed_in_the_midst(OnChange::Ask).await;
    let held: Vec<&str> = asks.held.iter().map(|held| held.stream.as_str()).collect();
    assert_eq!((asks.status, held, asks.streams[0].pages), (RunStatus::Succeeded, vec!["persons"], 1), "{asks:?}");
    assert_eq!(asks.streams[0].fault.as_ref().map(|fault| fault.code.as_str()), Some("schema.changed"));
    // The next run goes on where it was, once somebody has approved.
    world.engine.approve_schema(&world.connection, &[], "key_1").await.unwrap();
    let run = world.run().await;
    assert_eq!((run.status, run.streams[0].pages, run.held.len()), (RunStatus::Succeeded, 2, 0), "{run:?}");

    let (_, propagates, _dir) = changed_in_the_midst(OnChange::Propagate).await;
    assert_eq!((propagates.status, propagates.streams[0].pages), (RunStatus::Succeeded, 3));
}
