//! Batches of one delivery that go at once, where the destination says that it takes them.

use crate::activation::listed;
use crate::support::*;
use attiva_core::delivery::{Delivery, DeliveryStatus};
use attiva_core::id::ActivationId;
use attiva_core::spec::AtOnce;
use attiva_core::{Fault, FaultKind};
use std::sync::atomic::Ordering;

/// Twelve members, so six batches; all have one title.
async fn twelve(dir: &std::path::Path, batches: u32, key: &str) -> (World, ActivationId) {
    let ids = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];
    let leads = ids.map(|id| lead(id, 10, format!("{id}@x.com").leak(), "CEO")).to_vec();
    let (world, activation) = listed(dir, vec![leads]).await;
    *world.vendor.at_once.lock().unwrap() = Some(AtOnce { batches, keys: vec![key.into()] });
    let mapping = [("mail", "person.email"), ("title", "person.job_title")];
    world
        .change_activation(&activation, |a| {
            a.mapping = mapping
                .map(|(field, expression)| attiva_core::config::ActivationField {
                    field: field.into(),
                    expression: expression.into(),
                    required: true,
                })
                .to_vec();
        })
        .await;
    (world, activation)
}

async fn delivered(world: &World, activation: &ActivationId) -> Delivery {
    let delivery = world.start_delivery(activation).await.unwrap();
    world.ended_delivery(&delivery.id).await
}

fn numbers(world: &World) -> Vec<u32> {
    let mut numbers = world.vendor.numbers.lock().unwrap().clone();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn as_many_go_at_once_as_the_destination_takes_once_one_has_left_the_state_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = twelve(dir.path(), 3, "mail").await;
    world.vendor.stuck.store(true, Ordering::SeqCst);
    let id = world.start_delivery(&activation).await.unwrap().id;
    let here = |n| (world.vendor.here.load(Ordering::SeqCst) == n).then_some(());
    world.until("the first is here", || here(1)).await;
    world.vendor.stuck.store(false, Ordering::SeqCst);
    let delivery = world.ended_delivery(&id).await;
    assert_eq!((delivery.status, delivery.books.unwrap().created), (DeliveryStatus::Succeeded, 12));
    assert_eq!(numbers(&world), [0, 1, 2, 3, 4, 5], "each batch has a number of its own");
    assert_eq!(delivery.batch, 6);
    assert_eq!(world.vendor.most_here.load(Ordering::SeqCst), 3, "the first went alone, then three, then two");
}

#[tokio::test]
async fn two_rows_that_may_be_one_member_never_go_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = twelve(dir.path(), 3, "title").await;
    let delivery = delivered(&world, &activation).await;
    assert_eq!((delivery.status, delivery.books.unwrap().created), (DeliveryStatus::Succeeded, 12));
    assert_eq!(world.vendor.most_here.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_answered_is_kept_and_only_the_rest_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = twelve(dir.path(), 3, "mail").await;
    let down = Fault::new(FaultKind::Transient, "vendor.down", "try later");
    world.vendor.faults_of.lock().unwrap().insert(2, down);
    let delivery = delivered(&world, &activation).await;
    assert_eq!((delivery.status, delivery.books.unwrap().created), (DeliveryStatus::Succeeded, 12));
    assert_eq!(numbers(&world), [0, 1, 2, 2, 3, 4, 5]);
    assert_eq!(delivery.resent_batches, 1);
    let items = world.store.items(&delivery.id, None, 0, 20).unwrap();
    assert_eq!(items.iter().filter(|item| item.outcome.resent).count(), 2, "of the batch that was not answered");
}

#[tokio::test]
async fn a_poisoned_batch_holds_up_none_that_went_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = twelve(dir.path(), 3, "mail").await;
    let poison = Fault::new(FaultKind::Data, "vendor.poison", "one of these rows cannot be read");
    world.vendor.faults_of.lock().unwrap().insert(2, poison.clone());
    // The first of the two rows, alone.
    world.vendor.faults_of.lock().unwrap().insert(4, poison);
    let delivery = delivered(&world, &activation).await;
    let books = delivery.books.clone().unwrap();
    assert_eq!((delivery.status, books.created, books.failed), (DeliveryStatus::Succeeded, 11, 1), "{books:?}");
    assert_eq!(world.vendor.batches.lock().unwrap().values().map(Vec::len).sum::<usize>(), 11, "nobody came twice");
}

#[tokio::test]
async fn a_connector_that_breaks_its_promise_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = twelve(dir.path(), 3, "mail").await;
    world.vendor.moves_state_in.lock().unwrap().push(2);
    let delivery = delivered(&world, &activation).await;
    assert_eq!(delivery.status, DeliveryStatus::Failed);
    assert_eq!(delivery.fault.unwrap().code, "delivery.state-moved");
    assert_eq!(numbers(&world), [0, 1, 2, 3], "nothing is sent after it");
}
