//! The engine against the real store, with connectors made of plain data.
#![allow(clippy::disallowed_methods, reason = "tests look at their own files, and at the clock, from outside")]

mod support;

use attiva_core::delivery::DeliveryStatus;
use attiva_core::identity::Identity;
use attiva_core::page::RowKind;
use attiva_core::ports::store::ItemStatus;
use attiva_core::run::RunStatus;
use attiva_core::spec::DeliveryClass;
use attiva_core::{FaultKind, Value};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::*;

fn vendor(pages: Vec<Vec<Lead>>) -> Arc<Vendor> {
    Arc::new(Vendor { pages: std::sync::Mutex::new(pages), ..Vendor::default() })
}

fn three_pages() -> Vec<Vec<Lead>> {
    vec![
        vec![lead("1", 10, "ann@x.com", "CEO"), lead("2", 10, "bob@x.com", "CTO")],
        vec![lead("3", 10, "cat@x.com", "CEO")],
        vec![lead("4", 10, "dan@x.com", "CEO"), lead("5", 10, "eve@x.com", "CFO")],
    ]
}

#[tokio::test]
async fn leads_become_profiles_join_an_audience_and_are_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(three_pages())).await;
    let run = world.run().await;
    assert_eq!((run.status, run.streams[0].pages, run.streams[0].changed), (RunStatus::Succeeded, 3, 5));

    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    let delivery = world.engine.start_delivery(&activation).await.unwrap();
    let delivery = world.ended_delivery(&delivery.id).await;
    assert_eq!(delivery.status, DeliveryStatus::Succeeded, "{:?}", delivery.fault);
    let books = delivery.books.unwrap();
    assert_eq!((books.received, books.created, books.pending), (3, 3, 0));
    assert!(books.balance());
    let batches = world.vendor.batches.lock().unwrap();
    let mut sent: Vec<Value> = batches.values().flatten().filter_map(|(_, v)| v[0].clone()).collect();
    sent.sort_by_key(|v| v.as_text().map(ToOwned::to_owned));
    assert_eq!(batches.len(), 2, "batches of two");
    assert_eq!(sent, ["ann@x.com", "cat@x.com", "dan@x.com"].map(|s| Value::Text(s.into())));
}

#[tokio::test]
async fn a_run_that_is_cut_off_goes_on_where_its_last_page_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    // A long pause asked for by the vendor stands before the second page.
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    let run = {
        let run = world.engine.start_run(&world.connection).await.unwrap();
        world
            .until("the first page", || vendor.calls.lock().unwrap().contains(&"read 0".to_owned()).then_some(()))
            .await;
        run
    };
    world.engine.drain(Duration::from_secs(10)).await;
    drop(world);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    let run = world.ended_run(&run.id).await;
    assert_eq!(run.status, RunStatus::Succeeded);
    assert_eq!(run.streams[0].changed, 5, "every record once, over both starts");
    world.settled().await;
    assert_eq!(world.emails().len(), 5);
}

#[tokio::test]
async fn what_passes_is_repeated_and_what_stays_ends_the_run_with_its_cursor_kept() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    vendor.read_faults.lock().unwrap().push_back(fault(FaultKind::Transient, "http.503").retry_after_ms(1));
    assert_eq!(world.run().await.status, RunStatus::Succeeded);

    vendor.pages.lock().unwrap().push(vec![lead("6", 10, "fay@x.com", "CEO")]);
    vendor.read_faults.lock().unwrap().push_back(fault(FaultKind::Auth, "oauth.invalid_client"));
    let run = world.run().await;
    assert_eq!((run.status, run.fault.unwrap().code), (RunStatus::Failed, "oauth.invalid_client".into()));
    vendor.read_faults.lock().unwrap().push_back(fault(FaultKind::Quota, "marketo.607"));
    assert_eq!(world.run().await.status, RunStatus::Stopped);
    vendor.calls.lock().unwrap().clear();
    let run = world.run().await;
    assert_eq!((run.status, run.streams[0].changed), (RunStatus::Succeeded, 1));
    assert_eq!(vendor.calls.lock().unwrap()[0], "read 3", "it went on after the last committed page");
}

#[tokio::test]
async fn one_address_is_one_person_until_it_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(vec![vec![lead("1", 10, "a@x.com", "CEO"), lead("2", 20, "A@x.com ", "CTO")]]);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    world.settled().await;
    assert_eq!(world.emails(), ["A@x.com "], "the newer record's spelling");
    let person = world.store.profile_by_identity(&Identity::email("a@x.com").unwrap()).unwrap().unwrap();
    assert_eq!((person.records, attribute(&person.attributes, "job_title").as_deref()), (2, Some("CTO")));

    vendor.pages.lock().unwrap().push(vec![lead("2", 30, "b@x.com", "CTO")]);
    world.run().await;
    world.settled().await;
    assert_eq!(world.emails(), ["a@x.com", "b@x.com"]);
    let kept = world.store.profile_by_identity(&Identity::email("a@x.com").unwrap()).unwrap().unwrap();
    assert_eq!(attribute(&kept.attributes, "job_title").as_deref(), Some("CEO"));
}

#[tokio::test]
async fn the_deleted_leave_their_audience_and_the_merged_redirect() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    world.run().await;
    world.settled().await;
    assert_eq!(world.store.count_members(&segment).unwrap(), 3);
    let merged = world.store.profile_by_identity(&Identity::source_key("3@i.Fake")).unwrap().unwrap().id;
    let gone = |id, kind, into| Lead { id, kind, at: 20, email: None, title: None, into };
    let page = vec![gone("1", RowKind::Tombstone, None), gone("3", RowKind::Merge, Some("4"))];
    vendor.pages.lock().unwrap().push(page);
    world.run().await;
    world.settled().await;
    assert_eq!(world.store.count_members(&segment).unwrap(), 1);
    assert_eq!(world.store.count_profiles().unwrap(), 3);
    let heir = world.store.profile(&merged).unwrap().unwrap();
    assert_eq!(attribute(&heir.attributes, "email").as_deref(), Some("dan@x.com"));
}

#[tokio::test]
async fn members_enter_and_leave_as_their_records_change() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    world.settled().await;
    let segment = world.segment("person.job_title == 'CTO'").await;
    world.settled().await;
    assert_eq!(world.store.count_members(&segment).unwrap(), 1);
    let page =
        vec![lead("1", 20, "ann@x.com", "CTO"), lead("2", 20, "bob@x.com", "CEO"), lead("3", 20, "cat@x.com", "CTO")];
    vendor.pages.lock().unwrap().push(page);
    world.run().await;
    world.settled().await;
    assert_eq!(world.store.count_members(&segment).unwrap(), 2);
}

#[tokio::test]
async fn those_who_lack_a_required_field_are_excluded_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut pages = three_pages();
    pages[0][0].email = None;
    let world = World::start(dir.path(), vendor(pages)).await;
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    let delivery = world.engine.start_delivery(&activation).await.unwrap();
    let delivery = world.ended_delivery(&delivery.id).await;
    let books = delivery.books.unwrap();
    assert_eq!((books.received, books.created, books.excluded), (3, 2, 1));
    assert!(books.balance());
    let excluded = world.store.items(&delivery.id, Some(ItemStatus::Excluded), 0, 10).unwrap();
    assert_eq!(
        (excluded[0].outcome.code.as_str(), excluded[0].outcome.field.as_deref()),
        ("field.missing", Some("mail"))
    );
}

#[tokio::test]
async fn a_delivery_that_fails_for_good_is_taken_back_and_its_books_balance() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(three_pages())).await;
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("mail", "person.email", false)]).await;
    world.vendor.deliver_faults.lock().unwrap().push_back(fault(FaultKind::Scope, "s3.AccessDenied"));
    let delivery = world.engine.start_delivery(&activation).await.unwrap();
    let delivery = world.ended_delivery(&delivery.id).await;
    assert_eq!(delivery.status, DeliveryStatus::Failed);
    assert!(world.vendor.calls.lock().unwrap().contains(&"abort".to_owned()));
    let books = delivery.books.unwrap();
    assert_eq!((books.received, books.failed, books.pending), (3, 3, 0));
    assert!(books.balance());
    let failed = world.store.items(&delivery.id, Some(ItemStatus::Failed), 0, 10).unwrap();
    assert!(failed.iter().all(|i| i.outcome.code == "s3.AccessDenied"), "{failed:?}");
}

#[tokio::test]
async fn a_batch_on_its_way_is_sent_again_after_a_restart_with_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    *vendor.class.lock().unwrap() = Some(DeliveryClass::AtLeastOnce);
    vendor.stuck.store(true, Ordering::SeqCst);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("title", "person.job_title", false)]).await;
    let delivery = world.engine.start_delivery(&activation).await.unwrap();
    world.until("a batch is open", || world.store.opened_batch(&delivery.id).unwrap()).await;
    world.engine.drain(Duration::from_secs(10)).await;
    drop(world);
    vendor.stuck.store(false, Ordering::SeqCst);
    // Before it goes on, everybody's title changes at the vendor: the open batch must not.
    let page = ["1", "3", "4"].map(|id| lead(id, 20, "new@x.com", "Chief")).to_vec();
    vendor.pages.lock().unwrap().push(page);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    let delivery = world.ended_delivery(&delivery.id).await;
    assert_eq!((delivery.status, delivery.resent_batches), (DeliveryStatus::Succeeded, 1));
    let first = vendor.batches.lock().unwrap()[&0].clone();
    assert!(first.iter().all(|(_, v)| v[0] == Some(Value::Text("CEO".into()))));
    assert!(delivery.books.unwrap().balance());
}

#[tokio::test]
async fn one_connection_has_one_run_and_a_cancelled_one_ends() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    vendor.read_faults.lock().unwrap().push_back(fault(FaultKind::RateLimited, "marketo.606").retry_after_ms(600_000));
    let world = World::start(dir.path(), vendor).await;
    let run = world.engine.start_run(&world.connection).await.unwrap();
    world
        .until("it waits", || {
            let stored: attiva_core::run::Run = world.get(attiva_core::ports::store::Kind::Run, run.id.as_str());
            (stored.status == RunStatus::Waiting).then_some(())
        })
        .await;
    let second = world.engine.start_run(&world.connection).await.unwrap_err();
    assert_eq!(second.code, "run.in-progress");
    world.engine.cancel_run(&run.id).await.unwrap();
    assert_eq!(world.ended_run(&run.id).await.status, RunStatus::Cancelled);
}
