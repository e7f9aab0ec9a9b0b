//! Somebody is forgotten while the sandbox is at work: nothing of them is left, others' books stand, and nothing comes back.

use crate::support::*;
use crate::vendor;
use attiva_core::id::{PrivacyId, ProfileId};
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Books, Kind, SandboxStore};
use attiva_core::privacy::{Mentions, Place, Subject};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn subject(address: &str) -> Subject {
    Subject { entity: EntityName::PERSON, identity: Identity::email(address).unwrap() }
}

fn request() -> PrivacyId {
    PrivacyId::new(1, [1; 6])
}

async fn forget(store: &Arc<dyn SandboxStore>, address: &str) -> attiva_core::privacy::Counts {
    let footprint = store.footprint(&[subject(address)]).unwrap();
    let counts = store.erase(&request(), footprint, 5).await.unwrap();
    let of = Mentions::new([address.to_owned()]);
    store.sweep(of).await.unwrap();
    counts
}

#[tokio::test]
async fn who_is_erased_leaves_every_table_and_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let pages = vec![
        vec![lead("1", 10, "ann@x.com", "CEO"), lead("2", 10, "bob@x.com", "CEO")],
        // Who they were before is in the file, too: in what was overwritten.
        vec![lead("1", 20, "ann@new.com", "CEO"), lead("3", 20, "ann@new.com", "CFO")],
    ];
    let vendor = vendor(pages);
    vendor.keeps_members.store(true, Ordering::SeqCst);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    let segment = world.segment("person.email != ''").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    let delivery = world.start_delivery(&activation).await.unwrap();
    assert_eq!(world.ended_delivery(&delivery.id).await.books.unwrap().created, 2);
    let dry = world.dry_run(&activation).await;
    world.settled().await;

    let standstill = world.engine.standstill().await;
    let footprint = world.store.footprint(&[subject("ann@new.com")]).unwrap();
    assert_eq!((footprint.profiles.len(), footprint.records.len(), footprint.sent.len()), (1, 2, 1));
    assert!(footprint.names.iter().all(|name| !name.shared));
    let held = &footprint.sent[0].rows[0]["mail"];
    assert_eq!(held.as_text(), Some("ann@new.com"));
    let told = world.store.export(&footprint).unwrap();
    assert_eq!((told["records"].as_array().unwrap().len(), &told["targets"][0]["holds"]["mail"]), (2, held_json(held)));
    let counts = forget(&world.store, "ann@new.com").await;
    assert_eq!((counts[&Place::Records], counts[&Place::Profiles], counts[&Place::Memberships]), (2, 1, 2));
    assert!(counts[&Place::Ledger] >= 2 && counts[&Place::Outcomes] >= 1, "{counts:?}");
    drop(standstill);
    world.settled().await;

    assert_eq!(world.emails(), ["bob@x.com"]);
    assert!(world.store.footprint(&[subject("ann@new.com")]).unwrap().records.is_empty());
    // Books of before stand; the next delivery has nothing to do with her.
    let before: attiva_core::delivery::Delivery = world.get(Kind::Delivery, delivery.id.as_str());
    assert_eq!(world.store.books(&before.id).unwrap(), Books { received: 2, created: 2, ..Books::default() });
    let next = world.start_delivery(&activation).await.unwrap();
    let books = world.ended_delivery(&next.id).await.books.unwrap();
    assert_eq!(books, Books { received: 1, unchanged: 1, ..Books::default() });
    assert!(world.store.document(Kind::Delivery, dry.id.as_str()).unwrap().is_some());

    nothing_is_left(&world, dir.path(), &["ann@new.com", "ann@x.com"]).await;
}

async fn nothing_is_left(world: &World, dir: &Path, of: &[&str]) {
    let of = Mentions::new(of.iter().map(|text| (*text).to_owned()));
    world.until("the log is empty", || Some(())).await;
    assert!(world.store.empty_log().await.unwrap());
    let searched = attiva_store::search(&[dir.to_owned()], &of).unwrap();
    if !searched.found.is_empty() {
        world.store.rewrite().await.unwrap();
        assert!(world.store.empty_log().await.unwrap());
    }
    let searched = attiva_store::search(&[dir.to_owned()], &of).unwrap();
    assert_eq!((searched.found, searched.bytes > 100_000), (vec![], true));
}

/// Two rows go at a time; all five change while the first are on their way.
#[tokio::test]
async fn a_file_in_the_making_has_who_changed_as_they_were_and_nobody_who_was_erased() {
    let dir = tempfile::tempdir().unwrap();
    let leads = |at, host: &str| -> Vec<Lead> {
        ["1", "2", "3", "4", "5"].map(|id| lead(id, at, format!("lead{id}@{host}").leak(), "CEO")).to_vec()
    };
    let world = World::start(dir.path(), vendor(vec![leads(10, "old.com")])).await;
    world.run().await;
    let segment = world.segment("person.email != ''").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    world.vendor.stuck.store(true, Ordering::SeqCst);
    let delivery = world.start_delivery(&activation).await.unwrap().id;
    let open = world.until("a batch is open", || world.store.opened_batch(&delivery).unwrap()).await;
    world.vendor.pages.lock().unwrap().push(leads(20, "new.com"));
    world.run().await;
    world.settled().await;

    let members = world.store.members(&segment, 0, 9).unwrap();
    let waits = |id: &ProfileId| open.rows.iter().all(|row| row.profile != *id);
    let erased = members.iter().find(|(_, member)| waits(&member.profile)).unwrap().1.profile.clone();
    let mail = world.store.profile(&erased).unwrap().unwrap().attributes.into_iter().find(|(name, _)| name == "email");
    let mail = mail.unwrap().1.as_text().unwrap().to_owned();
    let standstill = world.engine.standstill().await;
    assert!(forget(&world.store, &mail).await[&Place::Outcomes] >= 2, "its row, and what was kept of it");
    drop(standstill);
    world.vendor.stuck.store(false, Ordering::SeqCst);
    let ended = world.ended_delivery(&delivery).await;
    assert_eq!(ended.books.unwrap(), Books { received: 5, created: 4, excluded: 1, ..Books::default() });
    let old = mail.replace("new.com", "old.com");
    let mut sent = world.sent();
    sent.sort();
    let expected: Vec<String> =
        (1..=5).map(|id| format!("lead{id}@old.com")).filter(|expected| *expected != old).collect();
    assert_eq!(sent, expected);
    nothing_is_left(&world, dir.path(), &[&mail, &old]).await;

    world.vendor.batches.lock().unwrap().clear();
    let next = world.start_delivery(&activation).await.unwrap();
    assert_eq!(world.ended_delivery(&next.id).await.books.unwrap().created, 4);
    assert!(world.sent().iter().all(|mail| mail.ends_with("@new.com")), "{:?}", world.sent());
}

/// What was sent of a profile that was merged into another one by now is hers as well: to whoever asks, as to an erasure.
#[tokio::test]
async fn who_asks_hears_of_what_was_sent_before_profiles_were_merged() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(vec![vec![lead("1", 10, "ann@x.com", "CEO"), lead("2", 10, "ann@y.com", "CEO")]]);
    vendor.keeps_members.store(true, Ordering::SeqCst);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    let segment = world.segment("person.email != ''").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    let delivery = world.start_delivery(&activation).await.unwrap();
    assert_eq!(world.ended_delivery(&delivery.id).await.books.unwrap().created, 2);
    vendor.pages.lock().unwrap().push(vec![lead("2", 20, "ann@x.com", "CEO")]);
    world.run().await;
    world.settled().await;

    let footprint = world.store.footprint(&[subject("ann@x.com")]).unwrap();
    assert_eq!((footprint.profiles.len(), footprint.sent.len()), (1, 1));
    let told = world.store.export(&footprint).unwrap();
    let rows = |list: &str| told[list].as_array().unwrap().clone();
    let mut held: Vec<String> = rows("targets").iter().map(|it| it["holds"]["mail"].as_str().unwrap().into()).collect();
    held.sort();
    assert_eq!(held, ["ann@x.com", "ann@y.com"]);
    let mut asked: Vec<&str> = footprint.sent[0].rows.iter().filter_map(|row| row["mail"].as_text()).collect();
    asked.sort_unstable();
    assert_eq!(asked, held, "an erasure asks for the same");
    assert_eq!(rows("outcomes").len(), 2);
    let history = rows("profiles")[0]["membership_history"].as_array().unwrap().clone();
    let entered = history.iter().filter(|it| it["status"] == "realized").count();
    assert_eq!(entered, 2, "both entered: {history:?}");
}

fn held_json(held: &attiva_core::Value) -> &'static serde_json::Value {
    Box::leak(Box::new(held.to_json()))
}

/// What is with the vendor when somebody is erased is answered later: nothing of the answer is kept but that it came.
#[tokio::test]
async fn an_answer_that_comes_after_the_erasure_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = vendor(vec![vec![lead("1", 10, "ann@x.com", "CEO")]]);
    vendor.keeps_members.store(true, Ordering::SeqCst);
    vendor.stuck.store(true, Ordering::SeqCst);
    let world = World::start(dir.path(), Arc::clone(&vendor)).await;
    world.run().await;
    let segment = world.segment("person.email != ''").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    let delivery = world.start_delivery(&activation).await.unwrap().id;
    world.until("a batch is open", || world.store.opened_batch(&delivery).unwrap()).await;
    forget(&world.store, "ann@x.com").await;
    assert_eq!(world.store.on_their_way(&request()).unwrap(), std::slice::from_ref(&delivery));
    vendor.stuck.store(false, Ordering::SeqCst);
    let books = world.ended_delivery(&delivery).await.books.unwrap();
    assert_eq!((books.received, books.pending, books.balance()), (1, 0, true));
    assert!(world.store.on_their_way(&request()).unwrap().is_empty());
    let target = world.get::<attiva_core::delivery::Delivery>(Kind::Delivery, delivery.as_str()).target;
    assert!(world.store.ledger(&target, 0, 10).unwrap().is_empty());
}

/// The same is told by a repeat: what a kill after the commit has left to tell.
#[tokio::test]
async fn an_erasure_that_is_repeated_tells_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path(), vendor(vec![vec![lead("1", 10, "ann@x.com", "CEO")]])).await;
    world.run().await;
    world.settled().await;
    let first = forget(&world.store, "ann@x.com").await;
    assert_eq!(first[&Place::Records], 1);
    assert_eq!(forget(&world.store, "ann@x.com").await, first);
    assert_eq!(world.store.erased_by().unwrap(), [request()]);
}
