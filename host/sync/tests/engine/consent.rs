//! Consent and suppression at send time: whom a delivery leaves out, and who is looked at again when something is said.

use crate::support::*;
use crate::{three_pages, vendor};
use attiva_core::FaultKind;
use attiva_core::consent::{ANY, Consent, ConsentRules, Needs, OptOut, Rule, Suppression, Unnamed, Use};
use attiva_core::delivery::{Delivery, DeliveryStatus};
use attiva_core::id::ActivationId;
use attiva_core::identity::Identity;
use attiva_core::ports::store::{Books, Expect, ItemStatus, Kind};
use attiva_core::spec::AtOnce;
use std::path::Path;
use std::sync::atomic::Ordering;

/// The three CEOs are wanted in a list.
async fn listed(dir: &Path, keeps_members: bool, of: Option<Use>) -> (World, ActivationId) {
    let vendor = vendor(three_pages());
    vendor.keeps_members.store(keeps_members, Ordering::SeqCst);
    let world = World::start(dir, vendor).await;
    world.run().await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    let activation = world.activation(&segment, &[("mail", "person.email", true)]).await;
    world.change_activation(&activation, |a| a.consent = of).await;
    (world, activation)
}

fn news() -> Use {
    Use { channel: "email".into(), purpose: "news".into() }
}

async fn delivered(world: &World, activation: &ActivationId) -> Books {
    let delivery = world.start_delivery(activation).await.unwrap();
    let ended = world.ended_delivery(&delivery.id).await;
    let books = ended.books.unwrap();
    assert!(books.balance() && books.pending == 0, "{books:?} {:?}", ended.fault);
    books
}

async fn say(world: &World, address: &str, given: bool, at: i64) {
    let identity = Identity::email(address).unwrap();
    let consent = Consent { identity, channel: "email".into(), purpose: ANY.into(), given, source: "form".into(), at };
    world.store.put_consents(vec![consent]).await.unwrap();
}

fn suppression(address: &str, channel: &str) -> Suppression {
    let identity = Identity::email(address).unwrap();
    Suppression { identity, channel: channel.into(), reason: "asked".into(), source: "desk".into(), at: 1 }
}

/// Counts of excluded members by code.
fn excluded(world: &World, delivery: &attiva_core::id::DeliveryId) -> Vec<(String, u64)> {
    let reasons = world.store.reasons(delivery).unwrap();
    reasons.into_iter().filter(|r| r.status == ItemStatus::Excluded).map(|r| (r.code, r.members)).collect()
}

#[tokio::test]
async fn only_who_consented_is_sent_and_a_word_moves_them_with_the_next_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), true, Some(news())).await;
    assert_eq!(delivered(&world, &activation).await, Books { received: 3, excluded: 3, ..Books::default() });

    say(&world, "ann@x.com", true, 10).await;
    say(&world, "cat@x.com", true, 10).await;
    let delivery = world.start_delivery(&activation).await.unwrap().id;
    let books = world.ended_delivery(&delivery).await.books.unwrap();
    assert_eq!(books, Books { received: 3, created: 2, excluded: 1, ..Books::default() });
    assert_eq!(excluded(&world, &delivery), [("consent.not-covered".to_owned(), 1)]);

    // Nothing was said since: nobody is looked at, and the books say the same.
    let again = Books { received: 3, unchanged: 2, excluded: 1, ..Books::default() };
    assert_eq!(delivered(&world, &activation).await, again);

    say(&world, "ann@x.com", false, 20).await;
    world.store.put_suppressions(vec![suppression("cat@x.com", "email")]).await.unwrap();
    assert_eq!(
        delivered(&world, &activation).await,
        Books { received: 3, removed: 2, excluded: 1, ..Books::default() }
    );
    let delivery = world.start_delivery(&activation).await.unwrap().id;
    assert_eq!(world.ended_delivery(&delivery).await.books.unwrap().excluded, 3);
    let codes = ["consent.not-covered", "consent.suppressed", "consent.withdrawn"].map(|code| (code.to_owned(), 1));
    assert_eq!(excluded(&world, &delivery), codes);

    world.store.remove_suppressions(vec![(Identity::email("cat@x.com").unwrap(), "email".into())]).await.unwrap();
    assert_eq!(
        delivered(&world, &activation).await,
        Books { received: 3, created: 1, excluded: 2, ..Books::default() }
    );
}

#[tokio::test]
async fn a_plan_counts_who_is_left_out_and_shows_nothing_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), true, Some(news())).await;
    say(&world, "dan@x.com", true, 10).await;
    let plan = world.dry_run(&activation).await.plan.unwrap();
    assert_eq!((plan.upserts, plan.excluded), (1, 2));
    let shown: Vec<_> = plan.samples.iter().map(|sample| sample.row["mail"].as_text().unwrap()).collect();
    assert_eq!(shown, ["dan@x.com"]);
}

#[tokio::test]
async fn a_file_has_only_who_may_be_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), false, Some(news())).await;
    say(&world, "ann@x.com", true, 10).await;
    say(&world, "cat@x.com", true, 10).await;
    assert_eq!(
        delivered(&world, &activation).await,
        Books { received: 3, created: 2, excluded: 1, ..Books::default() }
    );
    let batches = world.vendor.batches.lock().unwrap();
    let mut sent: Vec<_> = batches.values().flatten().filter_map(|(_, v)| v[0].clone()).collect();
    sent.sort_by_key(|value| value.as_text().map(ToOwned::to_owned));
    assert_eq!(sent, ["ann@x.com", "cat@x.com"].map(|mail| attiva_core::Value::Text(mail.into())));
}

#[tokio::test]
async fn an_activation_that_names_nothing_sends_to_whom_refused_nothing_until_the_rules_refuse_it() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), true, None).await;
    world.store.put_suppressions(vec![suppression("ann@x.com", ANY), suppression("cat@x.com", "ads")]).await.unwrap();
    say(&world, "dan@x.com", false, 10).await;
    let delivery = world.start_delivery(&activation).await.unwrap().id;
    let books = world.ended_delivery(&delivery).await.books.unwrap();
    assert_eq!(books, Books { received: 3, excluded: 3, ..Books::default() });
    let codes = [("consent.suppressed".to_owned(), 2), ("consent.withdrawn".to_owned(), 1)];
    assert_eq!(excluded(&world, &delivery), codes);

    // What was refused of one use and given again, and what is taken back, is no refusal any more.
    say(&world, "dan@x.com", true, 20).await;
    world.store.remove_suppressions(vec![(Identity::email("cat@x.com").unwrap(), "ads".into())]).await.unwrap();
    assert_eq!(
        delivered(&world, &activation).await,
        Books { received: 3, created: 2, excluded: 1, ..Books::default() }
    );

    // Other rules ask about everybody again, although no profile changed.
    let rules = ConsentRules { unnamed: Unnamed::Refuse, ..ConsentRules::default() };
    let (write, _) = document(Kind::ConsentRules, "sandbox", &rules).remove(0);
    world.store.put_document(write, Expect::Absent).await.unwrap();
    assert_eq!(
        delivered(&world, &activation).await,
        Books { received: 3, removed: 2, excluded: 1, ..Books::default() }
    );

    let opt_out =
        Rule { channel: "email".into(), purpose: ANY.into(), needs: Needs::NoRefusal, opt_out: OptOut::Refuses };
    let rules = ConsentRules { rules: vec![opt_out], ..rules };
    let (write, _) = document(Kind::ConsentRules, "sandbox", &rules).remove(0);
    world.store.put_document(write, Expect::Anything).await.unwrap();
    world.change_activation(&activation, |a| a.consent = Some(news())).await;
    assert_eq!(
        delivered(&world, &activation).await,
        Books { received: 3, created: 2, excluded: 1, ..Books::default() }
    );
    world
        .change_activation(&activation, |a| a.consent = Some(Use { channel: "ads".into(), purpose: "x".into() }))
        .await;
    assert_eq!(
        delivered(&world, &activation).await,
        Books { received: 3, removed: 2, excluded: 1, ..Books::default() }
    );
}

/// What one record is suppressed for, the person is: also when the records become one after the delivery.
#[tokio::test]
async fn a_word_about_any_of_the_persons_identities_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), true, None).await;
    assert_eq!(delivered(&world, &activation).await.created, 3);
    // A key of a record, not its address.
    let key = Identity::source_key("3@i.Fake");
    world.store.put_suppressions(vec![Suppression { identity: key, ..suppression("z@x.com", ANY) }]).await.unwrap();
    assert_eq!(
        delivered(&world, &activation).await,
        Books { received: 3, removed: 1, unchanged: 2, ..Books::default() }
    );
    // Record 9 is suppressed, and turns out to be who record 1 is: nothing else of that person changes.
    let nine = Identity::source_key("9@i.Fake");
    world.store.put_suppressions(vec![Suppression { identity: nine, ..suppression("z@x.com", ANY) }]).await.unwrap();
    world.vendor.pages.lock().unwrap().push(vec![lead("9", 5, "ann@x.com", "CEO")]);
    world.run().await;
    world.settled().await;
    assert_eq!(world.emails().len(), 5);
    assert_eq!(
        delivered(&world, &activation).await,
        Books { received: 3, removed: 1, unchanged: 1, excluded: 1, ..Books::default() }
    );
}

/// A batch that is open may have waited for as long as a pause.
#[tokio::test]
async fn who_withdraws_while_a_delivery_is_paused_is_not_sent_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), true, Some(news())).await;
    *world.vendor.at_once.lock().unwrap() = Some(AtOnce { batches: 2, keys: vec!["mail".into()] });
    for address in ["ann@x.com", "cat@x.com", "dan@x.com"] {
        say(&world, address, true, 10).await;
    }
    world.vendor.stuck.store(true, Ordering::SeqCst);
    let delivery = world.start_delivery(&activation).await.unwrap().id;
    let open = world.until("a batch is open", || world.store.opened_batch(&delivery).unwrap()).await;
    assert_eq!(open.rows.len(), 2);
    world.change_activation(&activation, |a| a.paused = true).await;
    world.vendor.deliver_faults.lock().unwrap().push_back(fault(FaultKind::Transient, "vendor.down"));
    world.vendor.stuck.store(false, Ordering::SeqCst);
    let stored = || -> Delivery { world.get(Kind::Delivery, delivery.as_str()) };
    world.until("it holds", || (stored().status == DeliveryStatus::Held).then_some(())).await;
    assert!(world.store.opened_batch(&delivery).unwrap().is_some(), "what was sent has no answer yet");

    let withdrawn = open.rows[0].values[0].as_text().unwrap().to_owned();
    say(&world, &withdrawn, false, 20).await;
    world.change_activation(&activation, |a| a.paused = false).await;
    let books = world.ended_delivery(&delivery).await.books.unwrap();
    assert_eq!(books, Books { received: 3, created: 2, removed: 1, ..Books::default() });
    let batches = world.vendor.batches.lock().unwrap().clone();
    let of_them = batches
        .values()
        .flatten()
        .filter(|(_, values)| values[0].as_ref().and_then(attiva_core::Value::as_text) == Some(withdrawn.as_str()));
    assert_eq!(of_them.count(), 1, "the row that takes them out: {batches:?}");
    assert_eq!(
        delivered(&world, &activation).await,
        Books { received: 3, unchanged: 2, excluded: 1, ..Books::default() }
    );
}
