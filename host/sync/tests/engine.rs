//! The engine against the real store, with connectors made of plain data.
#![allow(clippy::disallowed_methods, reason = "tests look at their own files, and at the clock, from outside")]

#[path = "engine/accounts.rs"]
mod accounts;
#[path = "engine/activation.rs"]
mod activation;
#[path = "engine/at_once.rs"]
mod at_once;
#[path = "engine/backfills.rs"]
mod backfills;
#[path = "engine/cancelled_evaluations.rs"]
mod cancelled_evaluations;
#[path = "engine/concerns.rs"]
mod concerns;
#[path = "engine/consent.rs"]
mod consent;
#[path = "engine/descriptions.rs"]
mod descriptions;
#[path = "engine/drift.rs"]
mod drift;
#[path = "engine/edge.rs"]
mod edge;
#[path = "engine/entities.rs"]
mod entities;
#[path = "engine/events.rs"]
mod events;
#[path = "engine/feeds.rs"]
mod feeds;
#[path = "engine/first_evaluations.rs"]
mod first_evaluations;
#[path = "engine/identity.rs"]
mod identity;
#[path = "engine/keyed.rs"]
mod keyed;
#[path = "engine/mappings.rs"]
mod mappings;
#[path = "engine/members.rs"]
mod members;
#[path = "engine/privacy.rs"]
mod privacy;
#[path = "engine/readbacks.rs"]
mod readbacks;
#[path = "engine/refreshes.rs"]
mod refreshes;
#[path = "engine/replays.rs"]
mod replays;
#[path = "engine/retention.rs"]
mod retention;
#[path = "engine/schedules.rs"]
mod schedules;
#[path = "engine/segments.rs"]
mod segments;
mod support;
#[path = "engine/unmerge.rs"]
mod unmerge;
#[path = "engine/versions.rs"]
mod versions;
#[path = "engine/what_if.rs"]
mod what_if;

use attiva_core::delivery::DeliveryStatus;
use attiva_core::identity::Identity;
use attiva_core::page::RowKind;
use attiva_core::ports::store::{Expect, ItemStatus, Kind};
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
    let delivery = world.start_delivery(&activation).await.unwrap();
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
        let run = world.start_run().await.unwrap();
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
    let person = world.store.profile_by_identity(&PERSON, &Identity::email("a@x.com").unwrap()).unwrap().unwrap();
    assert_eq!((person.records, attribute(&person.attributes, "job_title").as_deref()), (2, Some("CTO")));

    vendor.pages.lock().unwrap().push(vec![lead("2", 30, "b@x.com", "CTO")]);
    world.run().await;
    world.settled().await;
    assert_eq!(world.emails(), ["a@x.com", "b@x.com"]);
    let kept = world.store.profile_by_identity(&PERSON, &Identity::email("a@x.com").unwrap()).unwrap().unwrap();
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
    let merged = world.store.profile_by_identity(&PERSON, &Identity::source_key("3@i.Fake")).unwrap().unwrap().id;
    let gone = |id, kind, into| Lead { id, kind, at: 20, email: None, title: None, into };
    let page = vec![gone("1", RowKind::Tombstone, None), gone("3", RowKind::Merge, Some("4"))];
    vendor.pages.lock().unwrap().push(page);
    world.run().await;
    world.settled().await;
    assert_eq!(world.store.count_members(&segment).unwrap(), 1);
    assert_eq!(world.store.count_profiles(&PERSON).unwrap(), 3);
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
    let delivery = world.start_delivery(&activation).await.unwrap();
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
    let delivery = world.start_delivery(&activation).await.unwrap();
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
    let delivery = world.start_delivery(&activation).await.unwrap();
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
async fn spools_go_after_the_end_is_kept_and_before_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(three_pages())).await;
    let ended = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (store, seen) = (Arc::clone(&world.store), Arc::clone(&ended));
    *world.vendor.on_release.lock().unwrap() = Some(Box::new(move || {
        let mut documents = store.documents(Kind::Run, None, 10).unwrap();
        documents.extend(store.documents(Kind::Delivery, None, 10).unwrap());
        let open = documents.iter().filter(|d| d.body.get("ended_at").is_none()).count();
        seen.lock().unwrap().push((documents.len(), open));
    }));
    world.run().await;
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    let delivery = world.start_delivery(&activation).await.unwrap();
    world.ended_delivery(&delivery.id).await;
    let last = format!("release {}", delivery.id);
    world.until("the spool is gone", || world.vendor.calls.lock().unwrap().contains(&last).then_some(())).await;
    assert_eq!(*ended.lock().unwrap(), [(1, 0), (2, 0), (3, 0)], "documents, and those not ended, at each release");
    let calls = world.vendor.calls.lock().unwrap().clone();
    let second = calls.iter().rposition(|call| call.starts_with("read")).unwrap();
    assert_eq!(calls[second - 1], "release persons", "the second run found no spool of the first: {calls:?}");
}

#[tokio::test]
async fn a_full_disk_holds_a_run_up_until_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let tight = attiva_store::Options { pages_max: Some(170), ..attiva_store::Options::default() };
    let store = attiva_store::Sandbox::open(dir.path(), &tight).unwrap();
    let mut pages = three_pages();
    // Larger than what is left in the pages of the file that are begun.
    pages[0][0].title = Some("x".repeat(20_000).leak());
    let vendor = vendor(pages);
    vendor.stuck_reading.store(true, Ordering::SeqCst);
    let world = World::start_in(store, Arc::clone(&vendor)).await;
    let run = world.start_run().await.unwrap();
    world.until("it reads", || vendor.calls.lock().unwrap().contains(&"read 0".to_owned()).then_some(())).await;
    let filled = world.fill().await;
    vendor.stuck_reading.store(false, Ordering::SeqCst);
    // The page does not fit, nor that it did not fit.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stored: attiva_core::run::Run = world.get(Kind::Run, run.id.as_str());
    assert_eq!((stored.status, stored.attempts), (RunStatus::Running, 0));
    for id in filled {
        world.store.delete_document(Kind::Mapping, &id, Expect::Anything).await.unwrap();
    }
    let run = world.ended_run(&run.id).await;
    assert_eq!((run.status, run.streams[0].changed), (RunStatus::Succeeded, 5));
}

#[tokio::test]
async fn of_two_starts_at_once_one_is_refused_and_a_start_that_fails_leaves_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    vendor.discover_faults.lock().unwrap().push_back(fault(FaultKind::Auth, "oauth.invalid_client"));
    let world = World::start(dir.path(), vendor).await;
    assert_eq!(world.start_run().await.unwrap_err().code, "oauth.invalid_client");
    let (one, two) = tokio::join!(world.start_run(), world.start_run());
    let (started, refused) = if one.is_ok() { (one, two) } else { (two, one) };
    assert_eq!(refused.unwrap_err().code, "run.in-progress");
    world.ended_run(&started.unwrap().id).await;
    assert_eq!(world.run().await.status, RunStatus::Succeeded);
}

#[tokio::test]
async fn a_batch_without_an_answer_is_sent_again_or_waited_out_before_it_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(three_pages())).await;
    *world.vendor.class.lock().unwrap() = Some(DeliveryClass::AtLeastOnce);
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("mail", "person.email", false)]).await;
    let silent = || fault(FaultKind::Transient, "http.timeout");
    world.vendor.deliver_faults.lock().unwrap().push_back(silent());
    let delivery = world.start_delivery(&activation).await.unwrap();
    let delivery = world.ended_delivery(&delivery.id).await;
    assert_eq!((delivery.status, delivery.resent_batches), (DeliveryStatus::Succeeded, 1));

    world.vendor.deliver_faults.lock().unwrap().push_back(silent());
    let delivery = world.start_delivery(&activation).await.unwrap().id;
    let stored = || -> attiva_core::delivery::Delivery { world.get(Kind::Delivery, delivery.as_str()) };
    let sure_at = world.until("it is unsure", || stored().sure_at).await;
    world.engine.cancel_delivery(&delivery).await.unwrap();
    let ended = world.ended_delivery(&delivery).await;
    assert_eq!(ended.status, DeliveryStatus::Cancelled);
    assert!(ended.ended_at.unwrap() >= sure_at, "{ended:?}");
    assert!(world.vendor.calls.lock().unwrap().contains(&"abort".to_owned()));
}

#[tokio::test]
async fn one_connection_has_one_run_and_a_cancelled_one_ends() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    vendor.read_faults.lock().unwrap().push_back(fault(FaultKind::RateLimited, "marketo.606").retry_after_ms(600_000));
    let world = World::start(dir.path(), vendor).await;
    let run = world.start_run().await.unwrap();
    world
        .until("it waits", || {
            let stored: attiva_core::run::Run = world.get(Kind::Run, run.id.as_str());
            (stored.status == RunStatus::Waiting).then_some(())
        })
        .await;
    let second = world.start_run().await.unwrap_err();
    assert_eq!(second.code, "run.in-progress");
    let again = world.engine.start_run(&world.connection, run.id.clone()).await.unwrap();
    assert_eq!(again.id, run.id, "the same request again is the same run");
    world.engine.cancel_run(&run.id).await.unwrap();
    assert_eq!(world.ended_run(&run.id).await.status, RunStatus::Cancelled);
}

#[tokio::test]
async fn what_was_cancelled_ends_also_where_a_kill_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    world.settled().await;
    let segment = world.segment("true").await;
    world.settled().await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    vendor.stuck_reading.store(true, Ordering::SeqCst);
    vendor.stuck.store(true, Ordering::SeqCst);
    let run = world.start_run().await.unwrap().id;
    let delivery = world.start_delivery(&activation).await.unwrap().id;
    let calls = || vendor.calls.lock().unwrap().clone();
    let both = ["read 3".to_owned(), "prepare".to_owned()];
    world.until("both go", || both.iter().all(|call| calls().contains(call)).then_some(())).await;
    // Whoever drives them is gone before anybody wants them to end.
    world.engine.drain(Duration::from_secs(5)).await;
    world.engine.cancel_run(&run).await.unwrap();
    world.engine.cancel_delivery(&delivery).await.unwrap();
    drop(world);

    vendor.stuck_reading.store(false, Ordering::SeqCst);
    vendor.stuck.store(false, Ordering::SeqCst);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    assert_eq!(world.ended_run(&run).await.status, RunStatus::Cancelled);
    assert_eq!(world.ended_delivery(&delivery).await.status, DeliveryStatus::Cancelled);
    let left = || world.store.documents(Kind::Cancellation, None, 9).unwrap();
    world.until("nothing is left of it", || left().is_empty().then_some(())).await;
}
