//! Who a target's members are to the vendor: two profiles may be one to it, and who is somebody else now was somebody before.

use crate::activation::{delivered, listed};
use crate::support::*;
use crate::three_pages;
use attiva_core::FaultKind;
use attiva_core::delivery::DeliveryStatus;
use attiva_core::id::ActivationId;
use attiva_core::ports::store::Books;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Three members, whom the vendor knows by their title: one to it.
async fn one_to_the_vendor(dir: &Path) -> (World, ActivationId) {
    let (world, activation) = listed(dir, three_pages()).await;
    *world.vendor.names_by.lock().unwrap() = Some("title");
    world
        .change_activation(&activation, |a| {
            let title = attiva_core::config::ActivationField {
                field: "title".into(),
                expression: "person.job_title".into(),
                required: true,
            };
            a.mapping.push(title);
        })
        .await;
    let first = delivered(&world, &activation).await;
    assert_eq!(first.books.unwrap(), Books { received: 3, created: 3, ..Books::default() });
    (world, activation)
}

async fn change(world: &World, leads: Vec<Lead>) {
    world.vendor.pages.lock().unwrap().push(leads);
    world.run().await;
    world.settled().await;
    world.vendor.batches.lock().unwrap().clear();
    world.vendor.known_as.lock().unwrap().clear();
}

fn held(world: &World, target: &str) -> Vec<String> {
    let entries = world.store.ledger(target, 0, 10).unwrap();
    let mail = |row: &attiva_core::ledger::Row| row["mail"].as_text().unwrap().to_owned();
    let mut mails: Vec<String> = entries.iter().filter_map(|(_, e)| e.standing.held.as_ref().map(mail)).collect();
    mails.sort();
    mails
}

#[tokio::test]
async fn nobody_is_taken_out_who_is_another_member_too() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = one_to_the_vendor(dir.path()).await;
    change(&world, vec![lead("1", 20, "ann@x.com", "CTO")]).await;
    let plan = world.dry_run(&activation).await.plan.unwrap();
    assert_eq!((plan.removals, plan.unchanged), (0, 3), "{plan:?}");
    let delivery = delivered(&world, &activation).await;
    assert_eq!(delivery.books.unwrap(), Books { received: 3, unchanged: 3, ..Books::default() });
    let reasons = world.store.reasons(&delivery.id).unwrap();
    assert!(reasons.iter().any(|it| it.code == "member.shared" && it.members == 1), "{reasons:?}");
    assert_eq!((world.sent().len(), held(&world, &delivery.target).len()), (0, 2));
    // Of those who go together, the last takes it along.
    let left: Vec<Lead> = ["2", "3", "4"].map(|id| lead(id, 30, format!("{id}@x.com").leak(), "CTO")).to_vec();
    change(&world, left).await;
    let delivery = delivered(&world, &activation).await;
    assert_eq!(delivery.plan.unwrap().removals, 1);
    assert_eq!(delivery.books.unwrap(), Books { received: 2, unchanged: 1, removed: 1, ..Books::default() });
    assert_eq!((world.sent().len(), held(&world, &delivery.target).len()), (1, 0));
}

#[tokio::test]
async fn who_changes_does_not_take_along_what_another_has() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = one_to_the_vendor(dir.path()).await;
    change(&world, vec![lead("1", 20, "ann@y.com", "CEO")]).await;
    assert_eq!(delivered(&world, &activation).await.books.unwrap().created, 1);
    let known_as = || world.vendor.known_as.lock().unwrap().iter().map(|(_, name)| name.clone()).collect::<Vec<_>>();
    assert_eq!((world.sent(), known_as()), (vec!["ann@y.com".to_owned()], vec![None]));
    // Once it is hers alone, the vendor is told whom it put in.
    let left: Vec<Lead> = ["2", "3", "4"].map(|id| lead(id, 30, format!("{id}@x.com").leak(), "CTO")).to_vec();
    change(&world, left).await;
    delivered(&world, &activation).await;
    change(&world, vec![lead("1", 40, "ann@z.com", "CEO")]).await;
    delivered(&world, &activation).await;
    assert_eq!((world.sent(), known_as()), (vec!["ann@z.com".to_owned()], vec![Some("CEO".to_owned())]));
}

#[tokio::test]
async fn who_was_put_in_unheard_is_taken_out_by_what_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), three_pages()).await;
    world.vendor.faults_of.lock().unwrap().insert(0, fault(FaultKind::Internal, "plugin.trap"));
    let first = delivered(&world, &activation).await;
    assert_eq!((first.status, first.books.unwrap().failed), (DeliveryStatus::Failed, 3));
    assert!(held(&world, &first.target).is_empty());
    let ids = ["1", "2", "3", "4"];
    change(&world, ids.map(|id| lead(id, 20, format!("{id}@x.com").leak(), "CTO")).to_vec()).await;
    let second = delivered(&world, &activation).await;
    assert_eq!(second.books.unwrap(), Books { received: 2, removed: 2, ..Books::default() });
    let sent = world.sent();
    assert!(
        sent.iter().all(|mail| mail.ends_with("@x.com") && !mail.starts_with(|c: char| c.is_ascii_digit())),
        "{sent:?}"
    );
    assert!(world.store.ledger(&second.target, 0, 10).unwrap().is_empty());
}

/// Nobody knew yet that it was another one to the vendor, which says so when it is gone.
#[tokio::test]
async fn whom_another_takes_along_unheard_is_put_in_again() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = one_to_the_vendor(dir.path()).await;
    change(&world, vec![lead("5", 20, "eve@x.com", "CEO")]).await;
    world.vendor.faults_of.lock().unwrap().insert(0, fault(FaultKind::Internal, "plugin.trap"));
    assert_eq!(delivered(&world, &activation).await.status, DeliveryStatus::Failed);
    change(&world, vec![lead("5", 30, "eve@x.com", "CTO")]).await;
    let second = delivered(&world, &activation).await;
    assert_eq!(second.books.unwrap(), Books { received: 4, unchanged: 3, removed: 1, ..Books::default() });
    assert_eq!((world.sent(), held(&world, &second.target).len()), (vec!["eve@x.com".to_owned()], 0));
    let third = delivered(&world, &activation).await;
    assert_eq!(third.books.unwrap(), Books { received: 3, created: 3, ..Books::default() });
    assert_eq!(held(&world, &third.target).len(), 3);
    let calls = world.vendor.calls.lock().unwrap().len();
    assert_eq!(delivered(&world, &activation).await.books.unwrap().unchanged, 3);
    assert!(world.vendor.calls.lock().unwrap()[calls..].iter().all(|call| call.starts_with("re")));
}

/// As somebody else, whose name was not heard; then as who was there before, unless that is another one as well.
#[tokio::test]
async fn who_became_somebody_else_unheard_is_taken_out_as_both() {
    for is_shared in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (world, activation) = one_to_the_vendor(dir.path()).await;
        if !is_shared {
            let others = ["2", "3", "4"].map(|id| lead(id, 20, format!("{id}@x.com").leak(), "CTO")).to_vec();
            change(&world, others).await;
            delivered(&world, &activation).await;
        }
        change(&world, vec![lead("1", 30, "ann@y.com", "CEO")]).await;
        world.vendor.faults_of.lock().unwrap().insert(0, fault(FaultKind::Internal, "plugin.trap"));
        assert_eq!(delivered(&world, &activation).await.status, DeliveryStatus::Failed);
        change(&world, vec![lead("1", 40, "ann@z.com", "CTO")]).await;
        *world.vendor.names_by.lock().unwrap() = Some("mail");
        let mut rounds = Vec::new();
        for _ in 0..3 {
            delivered(&world, &activation).await;
            let known = world.vendor.known_as.lock().unwrap().drain(..).map(|(_, name)| name).collect::<Vec<_>>();
            rounds.push((world.sent(), known));
            world.vendor.batches.lock().unwrap().clear();
        }
        let by_name = (vec!["ann@x.com".to_owned()], vec![Some("CEO".to_owned())]);
        let of_both = [
            (vec!["ann@y.com".to_owned()], vec![None]),
            if is_shared { Default::default() } else { by_name },
            Default::default(),
        ];
        assert_eq!(rounds, of_both, "shared: {is_shared}");
    }
}

/// By the new address nobody would find them.
#[tokio::test]
async fn who_was_put_in_unheard_and_has_another_address_now_is_first_sent_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), three_pages()).await;
    world.vendor.faults_of.lock().unwrap().insert(0, fault(FaultKind::Internal, "plugin.trap"));
    let target = delivered(&world, &activation).await.target;
    *world.vendor.knows_nobody_by.lock().unwrap() = vec!["lost@x.com"];
    change(&world, vec![lead("1", 20, "lost@x.com", "CEO")]).await;
    let is_held = || held(&world, &target).contains(&"ann@x.com".to_owned());
    let mut rounds = Vec::new();
    for _ in 0..3 {
        assert_eq!(delivered(&world, &activation).await.status, DeliveryStatus::Succeeded);
        let of_her = |mail: &String| mail == "ann@x.com" || mail == "lost@x.com";
        rounds.push((world.sent().into_iter().filter(of_her).collect::<Vec<_>>().join(" "), is_held()));
        world.vendor.batches.lock().unwrap().clear();
    }
    let expected = [("ann@x.com", true), ("lost@x.com", true), ("ann@x.com", false)];
    assert_eq!(rounds, expected.map(|(mail, is_held)| (mail.to_owned(), is_held)));
}

#[tokio::test]
async fn whom_the_vendor_does_not_know_any_more_is_taken_out_as_who_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let (world, activation) = listed(dir.path(), three_pages()).await;
    delivered(&world, &activation).await;
    *world.vendor.knows_nobody_by.lock().unwrap() = vec!["lost@x.com"];
    change(&world, vec![lead("1", 20, "lost@x.com", "CEO")]).await;
    let second = delivered(&world, &activation).await;
    assert_eq!(second.books.unwrap(), Books { received: 3, unchanged: 2, unmatched: 1, ..Books::default() });
    assert_eq!(held(&world, &second.target).len(), 3, "whether or not the vendor let go of it");
    world.vendor.batches.lock().unwrap().clear();
    let third = delivered(&world, &activation).await;
    assert_eq!(third.books.unwrap(), Books { received: 3, unchanged: 2, removed: 1, ..Books::default() });
    assert_eq!((world.sent(), held(&world, &third.target).len()), (vec!["ann@x.com".to_owned()], 2));
    let calls = world.vendor.calls.lock().unwrap().len();
    let fourth = delivered(&world, &activation).await;
    assert_eq!(fourth.books.unwrap(), Books { received: 3, unchanged: 2, unmatched: 1, ..Books::default() });
    let since: Vec<String> = world.vendor.calls.lock().unwrap()[calls..].to_vec();
    assert!(since.iter().all(|call| call.starts_with("re")), "{since:?}");
    assert!(world.vendor.stuck.load(Ordering::SeqCst) || world.sent().len() == 1, "nothing more came");
}
