//! What is not kept for ever goes a few rows at a time; what it came to, and what others go by, stays.

use crate::support::*;
use attiva_core::id::ActivationId;
use attiva_core::page::Reject;
use attiva_core::ports::retention::{PastDeliveries, RetentionStore};
use attiva_core::ports::store::MembershipStatus::{Exited, Realized};
use attiva_core::ports::store::{
    AuditEvent, Begin, Books, ControlStore, Expect, HistoryOf, ItemOutcome, ItemStatus, Kind, SandboxStore, StoreError,
    Wanted,
};
use attiva_store::{Control, Options};
use serde_json::json;

fn activation() -> ActivationId {
    ActivationId::new(1, [7; 6])
}

/// A delivery of five members, of whom the first were created, the next failed, and the rest are as they were.
fn ended(f: &Fixture, number: u8, created: u64, failed: u64) {
    let document = document(Kind::Delivery, delivery(number).as_str(), "ended");
    let begin = Begin {
        delivery: delivery(number),
        target: "t".into(),
        wanted: Wanted::Members(segment(1)),
        reconcile: None,
        document: document.clone(),
    };
    assert_eq!(wait(f.store.begin_delivery(begin)).unwrap().queued, 5);
    let outcome = |position| match position {
        at if at < created => ItemOutcome::unsent(at, ItemStatus::Created, String::new(), None, String::new()),
        at if at < created + failed => ItemOutcome::unsent(at, ItemStatus::Failed, "bad".into(), None, "no".into()),
        at => ItemOutcome::unsent(at, ItemStatus::Unchanged, String::new(), None, String::new()),
    };
    wait(f.store.close_batch(&delivery(number), (0..5).map(outcome).collect(), document, 9)).unwrap();
}

fn members() -> Fixture {
    let f = sandbox();
    let numbers = with_profiles(&f.store, &["a", "b", "c", "d", "e"]);
    let all: Vec<_> = numbers.iter().map(|n| (1, *n, Realized)).collect();
    wait(f.store.commit_memberships(memberships(1, &all))).unwrap();
    let of = document(Kind::Activation, activation().as_str(), "made");
    wait(f.store.put_document(of, Expect::Absent)).unwrap();
    f
}

#[test]
fn what_deliveries_came_to_is_kept_when_they_are_not() {
    let f = members();
    ended(&f, 1, 3, 1);
    ended(&f, 2, 1, 2);
    ended(&f, 3, 5, 0);
    let books = |number| f.store.books(&delivery(number)).unwrap();
    let sum = books(1).plus(books(2));
    assert_eq!(sum, Books { received: 10, created: 4, failed: 3, unchanged: 3, ..Books::default() });
    let write = |version| {
        let write = document(Kind::Delivery, delivery(1).as_str(), "forgotten");
        (write, Expect::Version(version))
    };
    let forget = |version| wait(f.store.forget_items(&delivery(1), write(version), 2));
    // Somebody changed the document: nothing goes.
    assert!(matches!(forget(7), Err(StoreError::VersionMismatch { .. })));
    assert_eq!(f.store.items(&delivery(1), None, 0, 9).unwrap().len(), 5);
    for (version, more) in [(2, true), (3, true), (4, false)] {
        let before = books(1);
        assert_eq!(forget(version), Ok(more));
        assert_eq!(books(1), before);
    }
    for number in [1, 2] {
        wait(f.store.forget_delivery(&delivery(number), &activation(), false, i64::from(number) * 10)).unwrap();
    }
    // A dry run comes to nothing.
    wait(f.store.forget_delivery(&delivery(3), &activation(), true, 1)).unwrap();
    let f = f.reopened();
    let past = f.store.past_deliveries(&activation()).unwrap();
    assert_eq!((past.deliveries, past.since, past.books()), (2, Some(10), sum));
    let codes: Vec<_> = past.reasons.iter().map(|it| (it.status, it.code.as_str(), it.members)).collect();
    assert_eq!(codes, [(ItemStatus::Created, "", 4), (ItemStatus::Unchanged, "", 3), (ItemStatus::Failed, "bad", 3)]);
    assert!(f.store.documents(Kind::Delivery, None, 9).unwrap().is_empty());
    for table in ["item", "carried", "delivery"] {
        let left: i64 = f.sql().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
    wait(f.store.delete_document(Kind::Activation, activation().as_str(), Expect::Anything)).unwrap();
    assert_eq!(f.store.past_deliveries(&activation()).unwrap(), PastDeliveries::default());
    // Nobody will ask what one comes to whose activation is gone.
    ended(&f, 4, 5, 0);
    wait(f.store.forget_delivery(&delivery(4), &activation(), false, 1)).unwrap();
    assert_eq!(f.store.past_deliveries(&activation()).unwrap(), PastDeliveries::default());
}

#[test]
fn rejects_go_a_few_at_a_time_and_a_stop_between_loses_no_place() {
    let f = sandbox();
    let mut commit = page("leads", "a", Vec::new());
    let reject = |n: usize| Reject {
        key: Some(key(n)),
        code: "c".into(),
        field: None,
        message: String::new(),
        sample: "{}".into(),
    };
    commit.rejects = (0..5).map(reject).collect();
    commit.document = always(document(Kind::Run, run().as_str(), "ended"));
    wait(f.store.commit_page(commit)).unwrap();
    let write = |version| (document(Kind::Run, run().as_str(), "forgotten"), Expect::Version(version));
    assert_eq!(wait(f.store.forget_rejects_of(&run(), write(1), 2)), Ok(true));
    let f = f.reopened();
    assert_eq!(f.store.rejects(&run(), 0, 9).unwrap().len(), 3);
    assert!(matches!(wait(f.store.forget_rejects_of(&run(), write(1), 2)), Err(StoreError::VersionMismatch { .. })));
    assert_eq!(wait(f.store.forget_rejects_of(&run(), write(2), 2)), Ok(true));
    assert_eq!(wait(f.store.forget_rejects_of(&run(), write(3), 2)), Ok(false));
    assert!(f.store.rejects(&run(), 0, 9).unwrap().is_empty());
}

#[test]
fn old_changes_of_memberships_go_and_the_newest_of_each_segment_stays() {
    let f = sandbox();
    let n = with_profiles(&f.store, &["a", "b", "c"]);
    let at = |now, upto, changes: &[_]| {
        let mut commit = memberships(upto, changes);
        commit.now = now;
        wait(f.store.commit_memberships(commit)).unwrap();
    };
    at(10, 1, &[(1, n[0], Realized), (1, n[1], Realized), (2, n[0], Realized)]);
    at(20, 2, &[(1, n[1], Exited)]);
    at(30, 3, &[(1, n[2], Realized)]);
    let told = |s| {
        let of = HistoryOf::Segment(segment(s));
        let history = f.store.membership_history(&of, None, 9).unwrap();
        history.iter().map(|it| (it.number, it.at)).collect::<Vec<_>>()
    };
    assert_eq!(told(1), [(5, 30), (4, 20), (2, 10), (1, 10)]);
    // By twos; the last step finds what is young enough.
    let mut places = vec![0];
    while let Some(next) = wait(f.store.forget_memberships(25, *places.last().unwrap(), 2)).unwrap() {
        places.push(next);
    }
    assert_eq!(places, [0, 2, 4]);
    assert_eq!((told(1), told(2)), (vec![(5, 30)], vec![(3, 10)]));
    assert_eq!(f.store.count_members(&segment(1)).unwrap(), 2);
    // However old, the newest stays: whether anybody has moved since, and the next number, hang on it.
    assert_eq!(wait(f.store.forget_memberships(99, 0, 9)).unwrap(), Some(5));
    assert_eq!(wait(f.store.forget_memberships(99, 5, 9)).unwrap(), None);
    assert_eq!((told(1), told(2)), (vec![(5, 30)], vec![(3, 10)]));
    at(40, 4, &[(2, n[1], Realized)]);
    assert_eq!(told(2), [(6, 40), (3, 10)]);
}

#[test]
fn old_entries_of_the_audit_log_go_and_that_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Control::open(directory.path(), &Options::default()).unwrap();
    let store = open();
    let event = |at, action: &str| AuditEvent {
        at,
        actor: "host".into(),
        action: action.into(),
        subject: "s".into(),
        detail: json!({ "n": 1 }),
    };
    let told = |store: &Control| {
        let events = store.audit_events(0, 99).unwrap();
        events.into_iter().map(|(number, event)| (number, event.action, event.detail)).collect::<Vec<_>>()
    };
    // A clock was set back once: what is behind something young waits for it.
    for (at, action) in [(10, "a"), (20, "b"), (30, "c"), (90, "d"), (40, "e"), (91, "f")] {
        wait(store.audit(event(at, action))).unwrap();
    }
    let forget = |store: &Control, before| wait(store.forget_audit(before, 2, event(100, "audit.forgotten")));
    assert_eq!(forget(&store, 50), Ok(true));
    drop(store);
    let store = open();
    assert_eq!(forget(&store, 50), Ok(false));
    let rest = [(4, "d"), (5, "e"), (6, "f")].map(|(n, action)| (n, action.to_owned(), json!({ "n": 1 })));
    let noted =
        [(7, 2), (8, 1)].map(|(n, entries)| (n, "audit.forgotten".into(), json!({ "n": 1, "entries": entries })));
    assert_eq!(told(&store), rest.into_iter().chain(noted).collect::<Vec<_>>());
    // Nothing old: nothing is told.
    assert_eq!(forget(&store, 50), Ok(false));
    assert_eq!(told(&store).len(), 5);
    // All are old: numbers go on all the same.
    while forget(&store, 1_000) == Ok(true) {}
    wait(store.audit(event(101, "g"))).unwrap();
    let numbers: Vec<u64> = told(&store).iter().map(|(number, ..)| *number).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]) && numbers[0] > 8, "{numbers:?}");
}
