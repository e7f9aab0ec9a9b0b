//! Deliveries that start by themselves, over restarts.

use crate::activation::{delivered, listed};
use crate::support::*;
use crate::three_pages;
use attiva_core::FaultKind;
use attiva_core::activation::{ActivationSchedule, After, DeliveryCause};
use attiva_core::config::{Activation, Connection};
use attiva_core::delivery::{Delivery, DeliveryStatus, Hold};
use attiva_core::id::ActivationId;
use attiva_core::ports::store::{DocumentWrite, Expect, Kind};
use attiva_core::run::{Run, RunStatus};
use attiva_core::schedule::Schedule;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn schedule(every_seconds: Option<u32>, after: Option<After>) -> Option<ActivationSchedule> {
    Some(ActivationSchedule { every_seconds, cron: None, after })
}

fn deliveries(world: &World, activation: &ActivationId) -> Vec<Delivery> {
    let all = world.store.documents(Kind::Delivery, None, 100).unwrap();
    let all = all.into_iter().map(|document| serde_json::from_value::<Delivery>(document.body).unwrap());
    all.filter(|delivery| delivery.activation == *activation).collect()
}

/// The same activation once more, into a target of its own.
async fn another(world: &World, of: &ActivationId, schedule: Option<ActivationSchedule>) -> ActivationId {
    let mut activation: Activation = world.get(Kind::Activation, of.as_str());
    activation.id = ActivationId::parse("act_zz").unwrap();
    activation.target.name = "another".into();
    activation.schedule = schedule;
    let body = serde_json::to_value(&activation).unwrap();
    let write = DocumentWrite { kind: Kind::Activation, id: activation.id.to_string(), body };
    world.store.put_document(write, Expect::Absent).await.unwrap();
    activation.id
}

#[tokio::test]
async fn what_was_delivered_before_a_restart_is_not_delivered_again() {
    let dir = tempfile::tempdir().unwrap();
    let (world, hourly) = listed(dir.path(), three_pages()).await;
    delivered(&world, &hourly).await;
    world.change_activation(&hourly, |it| it.schedule = schedule(Some(3600), None)).await;
    let vendor = Arc::clone(&world.vendor);
    world.engine.drain(Duration::from_secs(10)).await;
    drop(world);
    let world = World::start(dir.path(), vendor).await;
    // It is looked at with every other, and after the first: once this one has begun, that one has not.
    let new = another(&world, &hourly, schedule(Some(3600), None)).await;
    let begun = world.until("the new one begins", || deliveries(&world, &new).pop()).await;
    assert_eq!(begun.cause, DeliveryCause::Scheduled);
    world.ended_delivery(&begun.id).await;
    assert_eq!(deliveries(&world, &hourly).len(), 1);
}

#[tokio::test]
async fn a_delivery_is_not_overtaken_and_what_came_due_meanwhile_is_made_up_for() {
    let dir = tempfile::tempdir().unwrap();
    let (world, slow) = listed(dir.path(), three_pages()).await;
    world.vendor.stuck.store(true, Ordering::SeqCst);
    world.change_activation(&slow, |it| it.schedule = schedule(Some(1), None)).await;
    let first = world.until("it begins", || deliveries(&world, &slow).pop()).await;
    world.until("the vendor has it", || world.store.opened_batch(&first.id).unwrap()).await;
    // Another, of which none gets as far as the vendor, is started with every look.
    let often = another(&world, &slow, None).await;
    world.change_activation(&often, |it| it.mapping.push(it.mapping[0].clone())).await;
    world.change_activation(&often, |it| it.schedule = schedule(Some(1), None)).await;
    world.until("time has passed", || (deliveries(&world, &often).len() >= 3).then_some(())).await;
    assert_eq!(deliveries(&world, &slow).len(), 1);
    world.vendor.stuck.store(false, Ordering::SeqCst);
    world.until("the next begins", || (deliveries(&world, &slow).len() >= 2).then_some(())).await;
    assert!(world.ended_delivery(&first.id).await.fault.is_none());
}

#[tokio::test]
async fn what_has_failed_rests_and_a_change_does_not_hurry_it() {
    let dir = tempfile::tempdir().unwrap();
    let (world, follows) = listed(dir.path(), three_pages()).await;
    // It maps a field twice: no delivery of it can be made.
    world.change_activation(&follows, |it| it.mapping.push(it.mapping[0].clone())).await;
    world.change_activation(&follows, |it| it.schedule = schedule(None, Some(After::Change))).await;
    let first = world.until("it begins", || deliveries(&world, &follows).pop()).await;
    assert_eq!(first.cause, DeliveryCause::Change);
    assert!(world.ended_delivery(&first.id).await.fault.is_some());
    // Another is looked at after it, second after second.
    let often = another(&world, &follows, None).await;
    world.change_activation(&often, |it| it.mapping.truncate(1)).await;
    world.change_activation(&often, |it| it.schedule = schedule(Some(1), None)).await;
    world.until("the other was delivered twice", || (deliveries(&world, &often).len() >= 2).then_some(())).await;
    assert_eq!(deliveries(&world, &follows).len(), 1);
}

/// Leavers come a few at a time, and nobody is asked of any few.
#[tokio::test]
async fn many_small_removals_within_an_hour_wait_for_a_word_as_one_would() {
    let dir = tempfile::tempdir().unwrap();
    let leads = |from: u8, at, title| -> Vec<Lead> {
        let lead = |n: u8| lead(format!("{n}").leak(), at, format!("{n}@x.com").leak(), title);
        (from..from + 6).map(lead).collect()
    };
    let (world, activation) = listed(dir.path(), vec![leads(0, 10, "CEO"), leads(6, 10, "CEO")]).await;
    world.change_activation(&activation, |it| it.schedule = schedule(None, Some(After::Change))).await;
    let ended = |count: usize| {
        let all = deliveries(&world, &activation);
        (all.len() >= count && all.iter().all(|it| it.status.has_ended())).then(|| all[count - 1].clone())
    };
    assert_eq!(world.until("everybody is there", || ended(1)).await.books.unwrap().created, 12);
    world.vendor.pages.lock().unwrap().push(leads(0, 20, "CTO"));
    world.run().await;
    let mut removed = 0;
    world
        .until("six have left", || {
            let all = deliveries(&world, &activation);
            removed = all.iter().filter_map(|it| it.books).map(|books| books.removed).sum();
            (removed == 6).then_some(())
        })
        .await;
    world.vendor.pages.lock().unwrap().push(leads(6, 20, "CTO"));
    world.run().await;
    let held = || deliveries(&world, &activation).into_iter().find(|it| it.status == DeliveryStatus::Held);
    let held = world.until("it asks", held).await;
    let plan = held.plan.as_ref().unwrap();
    assert_eq!((held.hold(), plan.removals + plan.removed_lately), (Some(Hold::Removals), 12), "{plan:?}");
    world.engine.approve_delivery(&held.id).await.unwrap();
    let last = world.ended_delivery(&held.id).await;
    assert_eq!((last.status, last.books.unwrap().removed > 0), (DeliveryStatus::Succeeded, true));
}

fn runs(world: &World) -> Vec<Run> {
    let all = world.store.documents(Kind::Run, None, 100).unwrap();
    all.into_iter().map(|document| serde_json::from_value(document.body).unwrap()).collect()
}

/// As if the connection had been made then.
async fn scheduled(world: &World, schedule: Option<Schedule>, created_at: i64) {
    let mut connection: Connection = world.get(Kind::Connection, world.connection.as_str());
    (connection.schedule, connection.created_at) = (schedule, created_at);
    let body = serde_json::to_value(&connection).unwrap();
    let write = DocumentWrite { kind: Kind::Connection, id: connection.id.to_string(), body };
    world.store.put_document(write, Expect::Anything).await.unwrap();
}

#[tokio::test]
async fn a_run_is_not_overtaken_and_what_came_due_meanwhile_or_before_is_made_up_for() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = crate::vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    vendor.stuck_reading.store(true, Ordering::SeqCst);
    // By times that come every minute: many have passed since the connection was made.
    scheduled(&world, Some(Schedule { every_seconds: None, cron: Some("* * * * *".into()) }), 0).await;
    let first = world.until("it begins", || runs(&world).pop()).await;
    // By an interval that has passed long before the first one ends.
    scheduled(&world, Some(Schedule { every_seconds: Some(1), cron: None }), 0).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(runs(&world).len(), 1, "it is still going");
    vendor.stuck_reading.store(false, Ordering::SeqCst);
    world.ended_run(&first.id).await;
    world.until("the next begins", || (runs(&world).len() >= 2).then_some(())).await;
    scheduled(&world, None, 0).await;
}

#[tokio::test]
async fn a_scheduled_run_that_cannot_begin_says_so_where_somebody_has_to_act() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = crate::vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    vendor.discover_faults.lock().unwrap().push_back(fault(FaultKind::Auth, "oauth.invalid_client"));
    scheduled(&world, Some(Schedule { every_seconds: Some(3600), cron: None }), 0).await;
    let refused = world.until("it does not begin", || runs(&world).pop()).await;
    assert_eq!((refused.status, refused.fault.unwrap().code), (RunStatus::Failed, "oauth.invalid_client".into()));
}

/// The vendor wants other credentials, every second. Another connection, whose runs succeed, shows that time passes.
#[tokio::test]
async fn what_somebody_has_to_act_on_is_one_run_and_is_tried_at_once_when_they_have() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = crate::vendor(three_pages());
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    let every_second = Some(Schedule { every_seconds: Some(1), cron: None });
    let refuse = |code: &str| vendor.discover_faults.lock().unwrap().push_back(fault(FaultKind::Auth, code));
    refuse("oauth.invalid_client");
    scheduled(&world, every_second.clone(), 0).await;
    let first = world.until("it does not begin", || runs(&world).pop()).await;
    let (tried_at, again_at) = (first.ended_at.unwrap(), first.next_try_at.unwrap());
    assert_eq!((first.status, first.attempts, again_at - tried_at), (RunStatus::Failed, 1, 60_000));

    // Nobody has acted, also not after a restart: it rests, while another one's interval passes.
    world.engine.drain(Duration::from_secs(10)).await;
    drop(world);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    scheduled(&world, every_second, 0).await;
    let mut other: Connection = world.get(Kind::Connection, world.connection.as_str());
    other.id = attiva_core::id::ConnectionId::parse("con_zz").unwrap();
    let body = serde_json::to_value(&other).unwrap();
    let write = DocumentWrite { kind: Kind::Connection, id: other.id.to_string(), body };
    world.store.put_document(write, Expect::Absent).await.unwrap();
    let of_other = || runs(&world).into_iter().filter(|run| run.connection == other.id).count();
    world.until("the other was read twice", || (of_other() >= 2).then_some(())).await;
    let of_first = || runs(&world).into_iter().filter(|run| run.connection == first.connection).collect::<Vec<_>>();
    assert_eq!(of_first(), std::slice::from_ref(&first), "it is not asked for every second");
    let mut other: Connection = world.get(Kind::Connection, other.id.as_str());
    other.schedule = None;
    let body = serde_json::to_value(&other).unwrap();
    let write = DocumentWrite { kind: Kind::Connection, id: other.id.to_string(), body };
    world.store.put_document(write, Expect::Anything).await.unwrap();
    let is_idle = || runs(&world).iter().all(|run| run.status.has_ended()).then_some(());
    world.until("the other has ended", is_idle).await;

    // What they did was not it: the same run, once more, and later the next time.
    refuse("oauth.invalid_client");
    world.engine.connection_mended(&first.connection);
    let tried = || of_first().into_iter().find(|run| run.attempts == 2);
    let second = world.until("it is tried at once", tried).await;
    assert_eq!((second.id.clone(), of_first().len()), (first.id.clone(), 1));
    assert_eq!(second.next_try_at.unwrap() - second.ended_at.unwrap(), 120_000);
    // Another reason is another run.
    refuse("oauth.expired");
    world.engine.connection_mended(&first.connection);
    let another = world.until("another reason", || of_first().into_iter().find(|run| run.id != first.id)).await;
    assert_eq!((another.attempts, another.fault.unwrap().code), (1, "oauth.expired".to_owned()));
    // And now it was.
    world.engine.connection_mended(&first.connection);
    let begun = || of_first().into_iter().find(|run| run.next_try_at.is_none());
    let run = world.until("it begins", begun).await;
    scheduled(&world, None, 0).await;
    assert_eq!(world.ended_run(&run.id).await.status, RunStatus::Succeeded);
}
