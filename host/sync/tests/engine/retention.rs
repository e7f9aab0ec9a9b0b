//! What became of each member of a delivery is forgotten in time; books, ledger and receipts stay what they are.

use crate::support::*;
use crate::{three_pages, vendor};
use attiva_core::delivery::Delivery;
use attiva_core::id::DeliveryId;
use attiva_core::identity::Identity;
use attiva_core::ports::store::{Books, Expect, Kind};
use attiva_core::privacy::Subject;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const DAY: i64 = 24 * 60 * 60 * 1000;

async fn restarted(world: World, dir: &Path, items_kept_ms: i64) -> World {
    let World { store, engine, vendor, .. } = world;
    engine.drain(Duration::from_secs(5)).await;
    drop((store, engine));
    World::start_keeping(dir, vendor, items_kept_ms).await
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
    let world = restarted(world, dir.path(), 5 * DAY).await;
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
    let world = restarted(world, dir.path(), 0).await;
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
