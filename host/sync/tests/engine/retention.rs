//! What became of each member of a delivery is forgotten in time; books, ledger and receipts stay what they are.

use crate::support::*;
use crate::{three_pages, vendor};
use attiva_core::delivery::Delivery;
use attiva_core::id::{DeliveryId, RemovalId, RunId};
use attiva_core::identity::Identity;
use attiva_core::page::{Cursor, Reject};
use attiva_core::ports::store::{
    Books, Expect, HistoryOf, Kind, MembershipStatus, PageCommit, PageDocument, StreamState,
};
use attiva_core::privacy::Subject;
use attiva_core::removal::{Effect, Removal};
use attiva_core::retention::Kept;
use attiva_core::run::{Run, RunStatus};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const DAY: i64 = 24 * 60 * 60 * 1000;

async fn restarted(world: World, dir: &Path, kept: Kept) -> World {
    let World { store, engine, vendor, .. } = world;
    engine.drain(Duration::from_secs(5)).await;
    drop((store, engine));
    World::start_keeping(dir, vendor, kept).await
}

/// Says that a delivery ended so long ago.
async fn aged(world: &World, id: &DeliveryId, ms: i64) {
    let mut delivery: Delivery = world.get(Kind::Delivery, id.as_str());
    delivery.ended_at = delivery.ended_at.map(|ended| ended - ms);
    let write = document(Kind::Delivery, id.as_str(), &delivery).remove(0).0;
    world.store.put_document(write, Expect::Anything).await.unwrap();
}

#[tokio::test]
async fn old_outcomes_are_forgotten_and_books_ledger_and_receipts_stay() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    vendor.keeps_members.store(true, Ordering::SeqCst);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    let first = world.start_delivery(&activation).await.unwrap();
    assert_eq!(world.ended_delivery(&first.id).await.books.unwrap().created, 3);
    // One of them is refused later, one has changed, one has left: all kinds of rows.
    vendor.pages.lock().unwrap().push(vec![lead("1", 30, "ann@new.com", "CEO"), lead("3", 30, "cat@x.com", "CFO")]);
    world.run().await;
    world.settled().await;
    let second = world.start_delivery(&activation).await.unwrap();
    let books = world.ended_delivery(&second.id).await.books.unwrap();
    assert_eq!((books.received, books.removed, books.balance()), (3, 1, true), "{books:?}");
    let reasons = world.store.reasons(&second.id).unwrap();
    let ledger = |world: &World| {
        let target = world.get::<Delivery>(Kind::Delivery, second.id.as_str()).target;
        world.store.ledger(&target, 0, 10).unwrap()
    };
    let held = ledger(&world);
    assert!(!world.store.items(&second.id, None, 0, 10).unwrap().is_empty());

    // The first ended yesterday, the second a week ago: once that one is forgotten, the first was passed over.
    aged(&world, &first.id, DAY).await;
    aged(&world, &second.id, 7 * DAY).await;
    let world = restarted(world, dir.path(), Kept { outcomes_ms: Some(5 * DAY), ..Kept::default() }).await;
    let items = |world: &World, id: &DeliveryId| world.store.items(id, None, 0, 10).unwrap().len();
    world.until("the old one is forgotten", || (items(&world, &second.id) == 0).then_some(())).await;
    assert_eq!(items(&world, &first.id), 3, "what is young is kept");
    let kept: Delivery = world.get(Kind::Delivery, second.id.as_str());
    assert!(kept.items_forgotten_at.is_some());
    assert!(world.get::<Delivery>(Kind::Delivery, first.id.as_str()).items_forgotten_at.is_none());
    assert_eq!((kept.books, world.store.books(&second.id).unwrap()), (Some(books), books));
    assert_eq!((world.store.reasons(&second.id).unwrap(), ledger(&world)), (reasons, held));

    // The next delivery is the difference to what the ledger says, as ever.
    let delivered = || vendor.calls.lock().unwrap().iter().filter(|call| *call == "prepare").count();
    let calls = delivered();
    let third = world.start_delivery(&activation).await.unwrap();
    let books = world.ended_delivery(&third.id).await.books.unwrap();
    assert_eq!(books, Books { received: 2, unchanged: 2, ..Books::default() });
    assert_eq!((delivered(), calls > 0), (calls, true), "nothing is sent");
}

/// A file has no ledger: that somebody was in it is known from its rows alone, and an erasure has to say so.
#[tokio::test]
async fn whom_a_file_was_about_is_known_when_its_rows_are_not_kept_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(three_pages())).await;
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    let delivery = world.start_delivery(&activation).await.unwrap();
    let books = world.ended_delivery(&delivery.id).await.books.unwrap();
    let world = restarted(world, dir.path(), Kept { outcomes_ms: Some(0), ..Kept::default() }).await;
    let left = || world.store.items(&delivery.id, None, 0, 10).unwrap().len();
    world.until("it is forgotten", || (left() == 0).then_some(())).await;
    assert_eq!(world.store.books(&delivery.id).unwrap(), books);
    let sent = |address: &str| {
        let of = Subject { entity: PERSON, identity: Identity::email(address).unwrap() };
        let footprint = world.store.footprint(&[of]).unwrap();
        footprint.sent.into_iter().flat_map(|sent| sent.activations).collect::<Vec<_>>()
    };
    assert_eq!((sent("ann@x.com"), sent("bob@x.com")), (vec![activation], vec![]));
}

/// Deliveries go, and what they came to is added up; the one that schedules go by stays, and the ledger with it.
#[tokio::test]
async fn old_deliveries_go_and_the_sum_of_all_stays_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    vendor.keeps_members.store(true, Ordering::SeqCst);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    let mut sum = Books::default();
    let mut all = Vec::new();
    for _ in 0..3 {
        let delivery = world.start_delivery(&activation).await.unwrap();
        sum = sum.plus(world.ended_delivery(&delivery.id).await.books.unwrap());
        all.push(delivery.id);
    }
    let tried = world.dry_run(&activation).await.id;
    assert_eq!((sum.received, sum.balance()), (9, true), "{sum:?}");
    // All are old, the last of them as well.
    for id in all.iter().chain([&tried]) {
        aged(&world, id, 7 * DAY).await;
    }
    let kept = Kept { deliveries_ms: Some(5 * DAY), ..Kept::default() };
    let world = restarted(world, dir.path(), kept).await;
    let left = |world: &World| {
        let documents = world.store.documents(Kind::Delivery, None, 9).unwrap();
        documents.into_iter().map(|document| document.id).collect::<Vec<_>>()
    };
    world.until("the old ones are forgotten", || (left(&world).len() == 1).then_some(())).await;
    assert_eq!(left(&world), [all[2].to_string()]);
    let past = world.store.past_deliveries(&activation).unwrap();
    assert_eq!((past.deliveries, past.books().plus(world.store.books(&all[2]).unwrap())), (2, sum));
    // The next is the difference to what the target has, as ever.
    let next = world.start_delivery(&activation).await.unwrap();
    let books = world.ended_delivery(&next.id).await.books.unwrap();
    assert_eq!(books, Books { received: 3, unchanged: 3, ..Books::default() });
}

async fn ran(world: &World, n: u8, ended_at: i64, status: RunStatus, rejects: usize) -> RunId {
    let id = RunId::new(i64::from(n), [n; 6]);
    let mut run = Run::new(id.clone(), world.connection.clone(), "fake@1.0.0".into(), &["odd".into()], ended_at);
    (run.status, run.ended_at) = (status, Some(ended_at));
    run.streams[0].rejected = rejects as u64;
    let body = document(Kind::Run, id.as_str(), &run).remove(0).0;
    let reject = |n: usize| Reject {
        key: Some(n.to_string()),
        code: "c".into(),
        field: None,
        message: String::new(),
        sample: "{}".into(),
    };
    let page = PageCommit {
        connection: world.connection.clone(),
        stream: "odd".into(),
        entity: None,
        run: id.clone(),
        records: Vec::new(),
        events: Vec::new(),
        stages: Vec::new(),
        errors: Vec::new(),
        rejects: (0..rejects).map(reject).collect(),
        state: Some(StreamState { cursor: Cursor { state_version: 1, bytes: Vec::new() }, more: false }),
        notes_seen: false,
        document: PageDocument(Arc::new(move |_| Some(body.clone()))),
        now: ended_at,
    };
    world.store.commit_page(page).await.unwrap();
    id
}

#[tokio::test]
async fn old_rejects_go_before_their_runs_and_runs_that_others_go_by_stay() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(three_pages())).await;
    let now = world.run().await.ended_at.unwrap();
    // Ids in the order they began: all of these before the one that really ran.
    let oldest = ran(&world, 1, now - 9 * DAY, RunStatus::Succeeded, 4_100).await;
    let odd = ran(&world, 2, now - 4 * DAY, RunStatus::Failed, 3).await;
    let young = ran(&world, 3, now - DAY, RunStatus::Failed, 3).await;
    let kept = Kept { rejects_ms: Some(3 * DAY), runs_ms: Some(5 * DAY), ..Kept::default() };
    let world = restarted(world, dir.path(), kept).await;
    let is_there = |world: &World, id: &RunId| world.store.document(Kind::Run, id.as_str()).unwrap().is_some();
    world.until("the old run is forgotten", || (!is_there(&world, &oldest)).then_some(())).await;
    let rejects = |id: &RunId| world.store.rejects(id, 0, 9).unwrap().len();
    assert_eq!((rejects(&oldest), rejects(&odd), rejects(&young)), (0, 0, 3));
    let of = |id: &RunId| world.get::<Run>(Kind::Run, id.as_str());
    assert!(of(&odd).rejects_forgotten_at.is_some() && of(&young).rejects_forgotten_at.is_none());
    assert_eq!(of(&odd).streams[0].rejected, 3, "how many they were stays");
}

/// The last run of a connection, and the last that succeeded, are what schedules and freshness go by.
#[tokio::test]
async fn the_newest_run_stays_however_old_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(vec![])).await;
    let mut ids = Vec::new();
    for (n, status) in
        [(1, RunStatus::Succeeded), (2, RunStatus::Succeeded), (3, RunStatus::Failed), (4, RunStatus::Failed)]
    {
        ids.push(ran(&world, n, i64::from(n), status, 1).await.to_string());
    }
    let world = restarted(world, dir.path(), Kept { runs_ms: Some(DAY), ..Kept::default() }).await;
    let left = || {
        let runs = world.store.documents(Kind::Run, None, 9).unwrap();
        runs.into_iter().map(|document| document.id).collect::<Vec<_>>()
    };
    world.until("the others are forgotten", || (left().len() == 2).then_some(())).await;
    assert_eq!(left(), [ids[1].clone(), ids[3].clone()]);
}

#[tokio::test]
async fn ended_removals_and_old_moves_go() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    world.settled().await;
    vendor.pages.lock().unwrap().push(vec![lead("3", 30, "cat@x.com", "CFO")]);
    world.run().await;
    world.settled().await;
    let moves = |world: &World| {
        let history = world.store.membership_history(&HistoryOf::Segment(segment.clone()), None, 9).unwrap();
        history.into_iter().map(|it| it.status).collect::<Vec<_>>()
    };
    assert_eq!(moves(&world).len(), 4);
    let removal = |n: u8, ended_at| Removal {
        id: RemovalId::new(i64::from(n), [n; 6]),
        connection: world.connection.clone(),
        streams: Vec::new(),
        whole: false,
        by: "key_x".into(),
        started_at: 0,
        ended_at,
        effect: Effect::default(),
        records_removed: 0,
        events_removed: 0,
        done: 0,
        place: attiva_core::removal::Place::default(),
    };
    for it in [removal(1, Some(5)), removal(2, Some(i64::MAX))] {
        let write = document(Kind::Removal, it.id.as_str(), &it).remove(0).0;
        world.store.put_document(write, Expect::Absent).await.unwrap();
    }
    let kept = Kept { removals_ms: Some(DAY), memberships_ms: Some(0), ..Kept::default() };
    let world = restarted(world, dir.path(), kept).await;
    let removals = || world.store.documents(Kind::Removal, None, 9).unwrap().len();
    world.until("both went", || (removals() == 1 && moves(&world).len() == 1).then_some(())).await;
    assert_eq!(moves(&world), [MembershipStatus::Exited]);
    assert_eq!(world.store.count_members(&segment).unwrap(), 2);
}
