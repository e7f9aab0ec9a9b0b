//! Targets that keep their members: only differences are sent, and somebody may say no. What faults and kills do to them
//! is in `tests/simulation`.

use crate::support::*;
use crate::{three_pages, vendor};
use attiva_core::delivery::{Delivery, DeliveryStatus, Hold};
use attiva_core::id::ActivationId;
use attiva_core::page::Operation;
use attiva_core::ports::store::{Books, Kind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A world whose CEOs are wanted in a list.
pub(crate) async fn listed(dir: &std::path::Path, pages: Vec<Vec<Lead>>) -> (World, ActivationId) {
    let vendor = vendor(pages);
    vendor.keeps_members.store(true, Ordering::SeqCst);
    let world = World::start(dir, Arc::clone(&vendor)).await;
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    (world, activation)
}

pub(crate) async fn delivered(world: &World, activation: &ActivationId) -> Delivery {
    let delivery = world.start_delivery(activation).await.unwrap();
    world.ended_delivery(&delivery.id).await
}

fn calls(world: &World) -> usize {
    let calls = world.vendor.calls.lock().unwrap();
    calls.iter().filter(|call| !call.starts_with("re")).count() + world.vendor.batches.lock().unwrap().len()
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_sent_and_a_second_delivery_sends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), three_pages()).await;
    let dry = world.dry_run(&activation).await;
    let plan = dry.plan.unwrap();
    assert_eq!((dry.status, plan.upserts, plan.removals), (DeliveryStatus::Succeeded, 3, 0));
    assert!(plan.samples.iter().all(|s| s.operation == Operation::Upsert && s.row.contains_key("mail")), "{plan:?}");
    assert!(world.vendor.batches.lock().unwrap().is_empty());

    let first = delivered(&world, &activation).await.books.unwrap();
    assert_eq!(first, Books { received: 3, created: 3, ..Books::default() });
    let before = calls(&world);
    let again = delivered(&world, &activation).await;
    assert_eq!(again.books.unwrap(), Books { received: 3, unchanged: 3, ..Books::default() });
    assert_eq!(calls(&world), before, "the vendor was called");
}

#[tokio::test]
async fn who_leaves_is_removed_and_who_changes_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), three_pages()).await;
    delivered(&world, &activation).await;
    let page = vec![lead("1", 20, "ann@x.com", "CTO"), lead("3", 20, "new@x.com", "CEO")];
    world.vendor.pages.lock().unwrap().push(page);
    world.run().await;
    let delivery = delivered(&world, &activation).await;
    let plan = delivery.plan.unwrap();
    assert_eq!((plan.held, plan.upserts, plan.removals, plan.unchanged), (3, 1, 1, 1));
    assert_eq!(
        delivery.books.unwrap(),
        Books { received: 3, updated: 0, created: 1, removed: 1, unchanged: 1, ..Books::default() }
    );
    let held = world.store.ledger(&delivery.target, 0, 10).unwrap();
    let mut mails: Vec<_> = held.iter().map(|(_, e)| e.standing.held.as_ref().unwrap()["mail"].clone()).collect();
    mails.sort_by_key(|mail| mail.as_text().map(ToOwned::to_owned));
    assert_eq!(mails, ["dan@x.com", "new@x.com"].map(|mail| attiva_core::Value::Text(mail.into())));
}

#[tokio::test]
async fn a_pause_holds_a_delivery_and_many_removals_wait_for_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let leads = |at, title| -> Vec<Lead> {
        let ids = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];
        ids.map(|id| lead(id, at, format!("{id}@x.com").leak(), title)).to_vec()
    };
    let (world, activation) = listed(dir.path(), vec![leads(10, "CEO")]).await;
    world.vendor.stuck.store(true, Ordering::SeqCst);
    let delivery = world.start_delivery(&activation).await.unwrap().id;
    let stored = || -> Delivery { world.get(Kind::Delivery, delivery.as_str()) };
    world.until("a batch is open", || world.store.opened_batch(&delivery).unwrap()).await;
    world.change_activation(&activation, |a| a.paused = true).await;
    world.vendor.stuck.store(false, Ordering::SeqCst);
    world.until("it holds", || (stored().status == DeliveryStatus::Held).then_some(())).await;
    assert_eq!(stored().hold(), Some(Hold::Paused));
    world.change_activation(&activation, |a| a.paused = false).await;
    assert_eq!(world.ended_delivery(&delivery).await.books.unwrap().created, 12);

    world.change_activation(&activation, |a| a.paused = true).await;
    assert_eq!(world.start_delivery(&activation).await.unwrap_err().code, "activation.paused");
    world.change_activation(&activation, |a| (a.paused, a.retired) = (false, true)).await;
    let delivery = world.start_delivery(&activation).await.unwrap().id;
    let stored = || -> Delivery { world.get(Kind::Delivery, delivery.as_str()) };
    world.until("it asks", || (stored().hold() == Some(Hold::Removals)).then_some(())).await;
    assert_eq!(stored().plan.unwrap().removals, 12);
    world.until("it may be approved", || (stored().status == DeliveryStatus::Held).then_some(())).await;
    world.engine.approve_delivery(&delivery).await.unwrap();
    assert_eq!(world.ended_delivery(&delivery).await.books.unwrap().removed, 12);
}
