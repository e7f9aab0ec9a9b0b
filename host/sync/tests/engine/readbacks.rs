//! Targets are read back: what others did there is seen, and put right where that is asked for. Nobody who was never ours
//! is touched.

use crate::activation::{delivered, listed};
use crate::support::*;
use attiva_core::FaultKind;
use attiva_core::id::{ActivationId, ProfileId, ReadbackId};
use attiva_core::ports::store::Kind;
use attiva_core::readback::{Counts, DriftKind, OnDrift, Readback, ReadbackSetting, ReadbackStatus};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Five of whom the last was taken out again, at a vendor that names its members.
async fn five(dir: &Path) -> (World, ActivationId) {
    let leads = ["a", "b", "c", "d", "e"].map(|name| lead(name, 10, format!("{name}@x.com").leak(), "CEO"));
    let (world, activation) = listed(dir, vec![leads.to_vec()]).await;
    world.vendor.names_members.store(true, Ordering::SeqCst);
    assert_eq!(delivered(&world, &activation).await.books.unwrap().created, 5);
    world.vendor.pages.lock().unwrap().push(vec![lead("e", 20, "e@x.com", "CTO")]);
    world.run().await;
    assert_eq!(delivered(&world, &activation).await.books.unwrap().removed, 1);
    (world, activation)
}

fn profile(world: &World, name: &str) -> ProfileId {
    let mail = format!("{name}@x.com");
    let all = world.store.profiles(&PERSON, 0, 100).unwrap();
    all.into_iter().find(|p| attribute(&p.attributes, "email").as_deref() == Some(&mail)).unwrap().id
}

fn told(field: &str, value: impl Into<String>) -> (String, String) {
    (field.to_owned(), value.into())
}

/// What is there: two by the vendor's name for them, one by an address in other letters, nobody in c's place, e whom we took
/// out, and one of somebody else's.
fn tell(world: &World) {
    let named = |name: &str| vec![told("id", format!("m-{}", profile(world, name)))];
    let stranger = vec![told("id", "m-9"), told("mail", "zoe@y.com")];
    let pages = vec![
        vec![named("a"), named("b")],
        vec![vec![told("id", "77"), told("mail", "D@X.com")], named("e")],
        vec![stranger, named("a")],
    ];
    *world.vendor.listed.lock().unwrap() = pages;
}

async fn start(world: &World, activation: &ActivationId) -> Readback {
    // What was acknowledged in the same millisecond is not judged.
    tokio::time::sleep(Duration::from_millis(3)).await;
    let id = ReadbackId::new(wall(), fresh());
    world.engine.start_readback(activation, id).await.unwrap()
}

async fn ended(world: &World, id: &ReadbackId) -> Readback {
    world
        .until("the reading ends", || {
            let readback: Readback = world.get(Kind::Readback, id.as_str());
            readback.status.has_ended().then_some(readback)
        })
        .await
}

async fn read(world: &World, activation: &ActivationId) -> Readback {
    let id = start(world, activation).await.id;
    ended(world, &id).await
}

/// Starts a reading whose vendor does not answer for the second page, until it is let go on.
async fn stuck_at_the_second_page(world: &World, activation: &ActivationId) -> ReadbackId {
    world.vendor.stuck_telling.store(true, Ordering::SeqCst);
    let id = start(world, activation).await.id;
    world.until("the second page is asked for", || calls(world, "members 1").pop()).await;
    id
}

fn drift(world: &World, readback: &Readback) -> Vec<(ProfileId, DriftKind, bool)> {
    let found = world.store.drift(&readback.id, None, 0, 100).unwrap();
    let mut all: Vec<_> = found.into_iter().map(|(_, d)| (d.profile, d.kind, d.repaired)).collect();
    all.sort_by_key(|(_, kind, _)| *kind);
    all
}

fn calls(world: &World, of: &str) -> Vec<String> {
    world.vendor.calls.lock().unwrap().iter().filter(|call| call.starts_with(of)).cloned().collect()
}

const FOUND: Counts =
    Counts { there: 5, as_known: 3, missing: 1, returned: 1, foreign: 1, unnamed: 0, unsettled: 0, repaired: 0 };

#[tokio::test]
async fn what_others_did_is_shown_down_to_the_member_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = five(dir.path()).await;
    tell(&world);
    let ledger = world.store.ledger("act_test", 0, 100).unwrap();
    let before = world.vendor.calls.lock().unwrap().len();
    let readback = read(&world, &activation).await;
    assert_eq!((readback.status, readback.counts, readback.read), (ReadbackStatus::Succeeded, FOUND, 6));
    let expected =
        [(profile(&world, "c"), DriftKind::Missing, false), (profile(&world, "e"), DriftKind::Returned, false)];
    assert_eq!(drift(&world, &readback), expected);
    assert_eq!(readback.strangers, ["id m-9, mail z…@y.com"]);
    let after: Vec<String> = world.vendor.calls.lock().unwrap().split_off(before);
    let asked = ["members first", "members 1", "members 2"];
    assert!(after.iter().all(|call| asked.contains(&call.as_str()) || call.starts_with("release")), "{after:?}");
    assert_eq!(world.store.ledger("act_test", 0, 100).unwrap(), ledger);
    assert!(world.store.read_pages(&readback.id, 0, 9).unwrap().is_empty(), "what only the reading needed is kept");
    assert_eq!(delivered(&world, &activation).await.books.unwrap().unchanged, 4, "the next delivery sends nothing");
}

#[tokio::test]
async fn what_is_ours_is_put_right_by_the_next_delivery_and_nobody_else_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = five(dir.path()).await;
    tell(&world);
    let repair = ReadbackSetting { on_drift: OnDrift::Repair, every_seconds: None };
    world.change_activation(&activation, |a| a.readback = Some(repair)).await;
    let readback = read(&world, &activation).await;
    assert_eq!(readback.counts, Counts { repaired: 2, ..FOUND });
    assert!(drift(&world, &readback).iter().all(|(_, _, repaired)| *repaired));
    let delivery = delivered(&world, &activation).await;
    let books = delivery.books.unwrap();
    assert_eq!((books.created, books.removed, books.unchanged), (1, 1, 3), "{books:?}");
    let items = world.store.items(&delivery.id, None, 0, 100).unwrap();
    let sent: Vec<ProfileId> = items.into_iter().map(|item| item.profile).collect();
    assert_eq!(sent, [profile(&world, "e"), profile(&world, "c")], "leavers first, and nobody else");
    let again = delivered(&world, &activation).await.books.unwrap();
    assert_eq!((again.received, again.unchanged), (4, 4));
}

#[tokio::test]
async fn where_nobody_is_recognised_or_somebody_has_no_name_nothing_is_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = five(dir.path()).await;
    let repair = ReadbackSetting { on_drift: OnDrift::Repair, every_seconds: None };
    world.change_activation(&activation, |a| a.readback = Some(repair)).await;
    *world.vendor.listed.lock().unwrap() = vec![vec![vec![told("phone", "1")], vec![told("phone", "2")]]];
    let readback = read(&world, &activation).await;
    assert_eq!((readback.counts.missing, readback.counts.foreign, readback.counts.repaired), (4, 2, 0));
    assert!(readback.left_alone.unwrap().contains("none of them was recognised"));
    // Who emptied the list left nobody to be mistaken for: it is filled again.
    world.vendor.listed.lock().unwrap().clear();
    assert_eq!(read(&world, &activation).await.counts, Counts { missing: 4, repaired: 4, ..Counts::default() });
    assert_eq!(delivered(&world, &activation).await.books.unwrap().created, 4);
}

#[tokio::test]
async fn a_reading_goes_on_at_the_next_page_after_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = five(dir.path()).await;
    tell(&world);
    let vendor = Arc::clone(&world.vendor);
    let id = stuck_at_the_second_page(&world, &activation).await;
    let refused = world.engine.start_readback(&activation, ReadbackId::new(wall(), fresh())).await.unwrap_err();
    assert_eq!(refused.code, "readback.in-progress");
    world.engine.drain(Duration::from_secs(10)).await;
    drop(world);
    vendor.stuck_telling.store(false, Ordering::SeqCst);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    let readback = ended(&world, &id).await;
    assert_eq!((readback.counts, readback.pages, readback.read), (FOUND, 3, 6));
    assert_eq!(calls(&world, "members"), ["members first", "members 1", "members 1", "members 2"]);
}

/// A reading that may repair is cancelled with a page in hand: by a word, and where a kill comes between the word and the end.
#[tokio::test]
async fn a_reading_that_is_cancelled_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, activation) = five(dir.path()).await;
    tell(&world);
    let before = read(&world, &activation).await;
    let (ledger, found) = (world.store.ledger("act_test", 0, 100).unwrap(), drift(&world, &before));
    assert_eq!(found.len(), 2);
    let repair = ReadbackSetting { on_drift: OnDrift::Repair, every_seconds: None };
    world.change_activation(&activation, |a| a.readback = Some(repair)).await;
    for is_killed in [false, true] {
        world.vendor.calls.lock().unwrap().clear();
        let id = stuck_at_the_second_page(&world, &activation).await;
        assert_eq!(world.store.read_pages(&id, 0, 9).unwrap().len(), 1);
        if is_killed {
            // The word is kept, and the engine that would have heard it is no more.
            let vendor = Arc::clone(&world.vendor);
            world.engine.drain(Duration::from_secs(10)).await;
            assert_eq!(world.engine.cancel_readback(&id).await.unwrap().status, ReadbackStatus::Running);
            drop(world);
            world = World::start(dir.path(), vendor).await;
        } else {
            world.engine.cancel_readback(&id).await.unwrap();
        }
        let ended = ended(&world, &id).await;
        assert_eq!((ended.status, ended.counts, ended.fault), (ReadbackStatus::Cancelled, Counts::default(), None));
        assert!(world.store.read_pages(&id, 0, 9).unwrap().is_empty());
        assert_eq!(world.store.ledger("act_test", 0, 100).unwrap(), ledger);
        assert_eq!(drift(&world, &before), found, "the result of before counts on");
        world.vendor.stuck_telling.store(false, Ordering::SeqCst);
        assert_eq!(world.engine.cancel_readback(&id).await.unwrap().status, ReadbackStatus::Cancelled, "once more");
        let is_forgotten = || world.store.documents(Kind::Cancellation, None, 9).unwrap().is_empty().then_some(());
        world.until("the word is forgotten", is_forgotten).await;
    }
    assert_eq!(delivered(&world, &activation).await.books.unwrap().unchanged, 4, "nothing follows from it");
    assert_eq!(read(&world, &activation).await.counts, Counts { repaired: 2, ..FOUND }, "and the next goes to its end");
}

#[tokio::test]
async fn a_reading_ends_before_its_activation_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = five(dir.path()).await;
    tell(&world);
    let id = stuck_at_the_second_page(&world, &activation).await;
    world.engine.end_readback_of(&activation).await.unwrap();
    let readback: Readback = world.get(Kind::Readback, id.as_str());
    assert_eq!(readback.status, ReadbackStatus::Cancelled);
}

#[tokio::test]
async fn a_place_that_the_vendor_forgot_is_begun_anew_and_what_passes_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = five(dir.path()).await;
    tell(&world);
    let vendor = Arc::clone(&world.vendor);
    let id = stuck_at_the_second_page(&world, &activation).await;
    let lost = fault(FaultKind::Data, "token.expired");
    vendor.members_faults.lock().unwrap().extend([lost, fault(FaultKind::Transient, "busy")]);
    vendor.stuck_telling.store(false, Ordering::SeqCst);
    let readback = ended(&world, &id).await;
    assert_eq!((readback.counts, readback.restarts, readback.pages), (FOUND, 1, 3), "no page counts twice");
}

#[tokio::test]
async fn who_changes_while_the_target_is_read_is_not_judged() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = five(dir.path()).await;
    tell(&world);
    let vendor = Arc::clone(&world.vendor);
    let id = stuck_at_the_second_page(&world, &activation).await;
    // Meanwhile c leaves by our own hand, and f joins.
    let changed = vec![lead("c", 30, "c@x.com", "CTO"), lead("f", 30, "f@x.com", "CEO")];
    vendor.pages.lock().unwrap().push(changed);
    world.run().await;
    let books = delivered(&world, &activation).await.books.unwrap();
    assert_eq!((books.created, books.removed), (1, 1), "a reading holds nobody up");
    vendor.stuck_telling.store(false, Ordering::SeqCst);
    let counts = ended(&world, &id).await.counts;
    assert_eq!((counts.as_known, counts.missing, counts.returned, counts.unsettled), (3, 0, 1, 1), "{counts:?}");
}

#[tokio::test]
async fn what_a_connector_declares_is_held_against_what_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = five(dir.path()).await;
    let unsupported = || world.vendor.members_faults.lock().unwrap().push_back(fault(FaultKind::Unsupported, "none"));
    unsupported();
    assert_eq!(read(&world, &activation).await.fault.unwrap().code, "none");
    *world.vendor.read_back.lock().unwrap() = Some(true);
    unsupported();
    let found = read(&world, &activation).await.fault.unwrap();
    assert_eq!((found.code.as_str(), found.kind), ("readback.declared", FaultKind::Internal));
    *world.vendor.read_back.lock().unwrap() = Some(false);
    let refused = world.engine.start_readback(&activation, ReadbackId::new(wall(), fresh())).await.unwrap_err();
    assert_eq!(refused.code, "readback.unsupported");
}

#[tokio::test]
async fn a_target_is_read_by_itself_and_only_the_newest_result_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = five(dir.path()).await;
    tell(&world);
    let first = read(&world, &activation).await;
    let all = || world.store.documents(Kind::Readback, None, 10).unwrap();
    assert_eq!(all().len(), 1);
    let second = read(&world, &activation).await;
    world.until("the first is forgotten", || (all().len() == 1).then_some(())).await;
    assert_eq!(all()[0].id, second.id.as_str());
    assert!(world.store.drift(&first.id, None, 0, 10).unwrap().is_empty());
    // Nothing was read since the engine began by what it knows: it is due at once.
    world.engine.drain(Duration::from_secs(10)).await;
    let vendor = Arc::clone(&world.vendor);
    let hourly = ReadbackSetting { on_drift: OnDrift::Report, every_seconds: Some(3600) };
    world.change_activation(&activation, |a| a.readback = Some(hourly)).await;
    world
        .store
        .delete_document(Kind::Readback, second.id.as_str(), attiva_core::ports::store::Expect::Anything)
        .await
        .unwrap();
    drop(world);
    let world = World::start(dir.path(), vendor).await;
    world.until("it is read by itself", || world.store.documents(Kind::Readback, None, 10).unwrap().pop()).await;
}
