//! A delivery from its first member to its books.

use crate::support::*;
use attiva_core::page::{Operation, OutcomeStatus};
use attiva_core::ports::store::{
    AccountStore, AccountsCommit, Begin, Books, Derived, DerivedWrite, Expect, ItemOutcome, ItemStatus, Kind,
    MembershipStatus, OpenBatch, OpenRow, SandboxStore, StoreError, Wanted,
};
use attiva_core::{DataType, Value};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn outcome(position: u64, status: ItemStatus) -> ItemOutcome {
    ItemOutcome::unsent(position, status, String::new(), None, String::new())
}

fn doc(state: &str) -> attiva_core::ports::store::DocumentWrite {
    document(Kind::Delivery, delivery(1).as_str(), state)
}

fn batch(number: u32, first: u64) -> OpenBatch {
    OpenBatch {
        number,
        parts: 1,
        first,
        taken: 2,
        columns: vec![("email".into(), DataType::Text), ("at".into(), DataType::Timestamp)],
        rows: vec![OpenRow {
            position: first,
            profile: profile_id("a"),
            operation: Operation::Upsert,
            values: vec![text("x"), Value::Timestamp(5)],
            member_id: None,
            part: 0,
        }],
        opened_at: 9,
        resent: false,
    }
}

/// Queues all members of a segment; how many they are.
fn begin(f: &Fixture, number: u8, target: &str, of: u8, state: &str) -> u64 {
    let begin = Begin {
        delivery: delivery(number),
        target: target.into(),
        wanted: Wanted::Members(segment(of)),
        reconcile: None,
        document: doc(state),
    };
    wait(f.store.begin_delivery(begin)).unwrap().queued
}

/// Five members, queued.
fn begun() -> Fixture {
    let f = sandbox();
    let numbers = with_profiles(&f.store, &NAMES);
    let all: Vec<_> = numbers.iter().map(|n| (1, *n, MembershipStatus::Realized)).collect();
    wait(f.store.commit_memberships(memberships(1, &all))).unwrap();
    assert_eq!(begin(&f, 1, "act_1", 1, "queued"), 5);
    f
}

fn in_order_of_ids() -> Vec<attiva_core::id::ProfileId> {
    let mut ids: Vec<_> = NAMES.iter().map(|name| profile_id(name)).collect();
    ids.sort();
    ids
}

#[test]
fn members_are_queued_once_in_the_order_of_their_ids() {
    let f = begun();
    // Who leaves or changes the audience later stays in this delivery; a repeat changes nothing.
    wait(f.store.commit_profiles(profiles(2, vec![write("f", &[])], Vec::new()))).unwrap();
    let number = f.store.profile(&profile_id("f")).unwrap().unwrap().number;
    wait(f.store.commit_memberships(memberships(2, &[(1, number, MembershipStatus::Realized)]))).unwrap();
    assert_eq!(begin(&f, 1, "act_1", 1, "again"), 5);
    assert_eq!(f.store.document(Kind::Delivery, delivery(1).as_str()).unwrap().unwrap().version, 1);

    let queued = f.store.queued(&delivery(1), 0, 10).unwrap();
    assert_eq!(queued.iter().map(|m| m.profile_id.clone()).collect::<Vec<_>>(), in_order_of_ids());
    assert_eq!(queued.iter().map(|m| m.position).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(queued[0].profile.as_ref().unwrap().id, queued[0].profile_id);
    assert_eq!(f.store.queued(&delivery(1), 3, 10).unwrap(), queued[3..]);
    assert_eq!(f.store.queued(&delivery(1), 1, 2).unwrap(), queued[1..3]);
    assert_eq!(f.store.books(&delivery(1)).unwrap(), Books { received: 5, pending: 5, ..Books::default() });
    assert_eq!(begin(&f, 2, "act_1", 9, "queued"), 0);
}

#[test]
fn profiles_are_queued_as_they_are_now_where_no_whole_is_made_and_who_is_gone_is_none() {
    let f = begun();
    wait(f.store.end_whole(&delivery(1))).unwrap();
    wait(f.store.commit_profiles(profiles(2, vec![write("a", &[("name", text("Ann"))])], Vec::new()))).unwrap();
    wait(f.store.commit_profiles(removal(3, "b", Some("a")))).unwrap();
    let queued = f.store.queued(&delivery(1), 0, 10).unwrap();
    let of = |name| queued.iter().find(|m| m.profile_id == profile_id(name)).unwrap();
    assert_eq!(of("a").profile.as_ref().unwrap().attributes, [("name".to_owned(), text("Ann"))]);
    assert_eq!(of("b").profile, None);
}

#[test]
fn an_open_batch_is_kept_as_it_was_taken_until_it_is_closed() {
    let f = begun();
    let settled = vec![outcome(1, ItemStatus::Excluded)];
    wait(f.store.open_batch(&delivery(1), batch(1, 0), settled)).unwrap();
    let f = f.reopened();
    assert_eq!(f.store.opened_batch(&delivery(1)).unwrap(), Some(batch(1, 0)));
    assert_eq!(f.store.books(&delivery(1)).unwrap().excluded, 1);
    // The same batch again is a repeat; another one would make this one forgotten.
    let again = OpenBatch { opened_at: 99, ..batch(1, 0) };
    wait(f.store.open_batch(&delivery(1), again.clone(), Vec::new())).unwrap();
    assert_eq!(wait(f.store.open_batch(&delivery(1), batch(2, 0), Vec::new())), Err(StoreError::Exists));
    assert_eq!(f.store.opened_batch(&delivery(1)).unwrap(), Some(again));

    let mut failed = outcome(2, ItemStatus::Failed);
    (failed.code, failed.field, failed.message) = ("bad".into(), Some("email".into()), "no".into());
    let settled = vec![outcome(0, ItemStatus::Created), failed.clone(), outcome(3, ItemStatus::Pending)];
    wait(f.store.close_batch(&delivery(1), settled, doc("half"), 0)).unwrap();
    assert_eq!(f.store.opened_batch(&delivery(1)).unwrap(), None);
    let books = f.store.books(&delivery(1)).unwrap();
    assert_eq!(books, Books { received: 5, created: 1, excluded: 1, failed: 1, pending: 2, ..Books::default() });
    assert!(books.balance());
    let items = f.store.items(&delivery(1), Some(ItemStatus::Failed), 0, 10).unwrap();
    assert_eq!((items.len(), &items[0].outcome, &items[0].profile), (1, &failed, &in_order_of_ids()[2]));
    assert_eq!(f.store.items(&delivery(1), None, 3, 1).unwrap()[0].outcome, outcome(3, ItemStatus::Pending));
    assert_eq!(f.store.queued(&delivery(1), 0, 10).unwrap().len(), 1);
    assert_eq!(f.store.document(Kind::Delivery, delivery(1).as_str()).unwrap().unwrap().body["state"], "half");
}

#[test]
fn a_part_that_is_answered_is_kept_and_the_rest_stays_open() {
    let f = begun();
    let row = |position: u64, part| OpenRow { position, part, ..batch(1, 0).rows[0].clone() };
    let open = OpenBatch { parts: 3, taken: 4, rows: vec![row(0, 0), row(1, 0), row(2, 1), row(3, 2)], ..batch(1, 0) };
    wait(f.store.open_batch(&delivery(1), open.clone(), Vec::new())).unwrap();
    let parts = open.in_parts();
    let numbers: Vec<_> = parts.iter().map(|part| (part.number, part.rows.len())).collect();
    assert_eq!(numbers, [(1, 2), (2, 1), (3, 1)]);

    let rest = open.clone().without(&parts[1]);
    wait(f.store.close_part(&delivery(1), vec![outcome(2, ItemStatus::Created)], rest.clone(), 0)).unwrap();
    let f = f.reopened();
    let kept = f.store.opened_batch(&delivery(1)).unwrap().unwrap();
    assert_eq!(kept, rest);
    let numbers: Vec<_> = kept.in_parts().iter().map(|part| part.number).collect();
    assert_eq!(numbers, [1, 3], "a repeat has the numbers of the first time");
    let books = f.store.books(&delivery(1)).unwrap();
    assert_eq!((books.created, books.pending), (1, 4));
    // Of a batch that is not open, nothing is left to keep.
    let other = OpenBatch { number: 7, ..rest };
    assert_eq!(wait(f.store.close_part(&delivery(1), Vec::new(), other, 0)), Err(StoreError::Missing));
}

#[test]
fn what_the_vendor_calls_a_member_comes_with_its_next_row_for_the_same_target() {
    let f = begun();
    let named =
        |position, id: &str| ItemOutcome { member_id: Some(id.into()), ..outcome(position, ItemStatus::Pending) };
    wait(f.store.close_batch(&delivery(1), vec![named(0, "v0"), named(1, "v1")], doc("half"), 0)).unwrap();
    let exception = (in_order_of_ids()[1].clone(), named(0, "v1 again"));
    wait(f.store.settle_pending(&delivery(1), OutcomeStatus::Created, vec![exception], doc("done"), 0)).unwrap();
    assert_eq!(f.store.items(&delivery(1), None, 0, 1).unwrap()[0].outcome.member_id.as_deref(), Some("v0"));

    let again = |number, target| {
        begin(&f, number, target, 1, "queued");
        let queued = f.store.queued(&delivery(number), 0, 10).unwrap();
        queued.into_iter().map(|member| member.member_id).collect::<Vec<_>>()
    };
    assert_eq!(again(2, "act_1"), [Some("v0".into()), Some("v1 again".into()), None, None, None]);
    assert_eq!(again(3, "act_2"), [None, None, None, None, None]);
}

#[test]
fn what_is_not_there_cannot_be_settled() {
    let f = begun();
    let settled = vec![outcome(0, ItemStatus::Created), outcome(5, ItemStatus::Created)];
    assert_eq!(wait(f.store.close_batch(&delivery(1), settled, doc("x"), 0)), Err(StoreError::Missing));
    assert_eq!(f.store.books(&delivery(1)).unwrap().pending, 5);
    assert_eq!(wait(f.store.close_batch(&delivery(7), Vec::new(), doc("x"), 0)), Err(StoreError::Missing));
    assert_eq!(wait(f.store.open_batch(&delivery(7), batch(1, 0), Vec::new())), Err(StoreError::Missing));
    assert_eq!(f.store.opened_batch(&delivery(7)), Ok(None));
    assert_eq!(f.store.books(&delivery(7)), Ok(Books::default()));
}

#[test]
fn pending_members_are_settled_together_but_for_the_exceptions() {
    let f = begun();
    let ids = in_order_of_ids();
    let settled = (0..4).map(|p| outcome(p, ItemStatus::Pending)).collect();
    wait(f.store.close_batch(&delivery(1), settled, doc("sent"), 0)).unwrap();
    let exceptions = vec![
        (ids[1].clone(), outcome(0, ItemStatus::Failed)),
        (ids[2].clone(), outcome(0, ItemStatus::Pending)),
        // Still queued: not pending, so not settled.
        (ids[4].clone(), outcome(0, ItemStatus::Failed)),
    ];
    wait(f.store.settle_pending(&delivery(1), OutcomeStatus::Created, exceptions, doc("done"), 0)).unwrap();
    let statuses: Vec<_> = f.store.items(&delivery(1), None, 0, 9).unwrap().iter().map(|i| i.outcome.status).collect();
    use ItemStatus::{Created, Failed, Pending, Queued};
    assert_eq!(statuses, [Created, Failed, Pending, Created, Queued]);
}

#[test]
fn a_delivery_that_ends_before_its_time_settles_the_rest() {
    let f = begun();
    let settled = vec![outcome(0, ItemStatus::Created), outcome(1, ItemStatus::Pending)];
    wait(f.store.close_batch(&delivery(1), settled, doc("half"), 0)).unwrap();
    wait(f.store.open_batch(&delivery(1), batch(2, 2), Vec::new())).unwrap();
    let mut stopped = outcome(99, ItemStatus::Failed);
    stopped.code = "stopped".into();
    wait(f.store.settle_rest(&delivery(1), stopped.clone(), doc("stopped"))).unwrap();
    let books = f.store.books(&delivery(1)).unwrap();
    assert_eq!(books, Books { received: 5, created: 1, failed: 4, ..Books::default() });
    let last = f.store.items(&delivery(1), None, 4, 1).unwrap().remove(0).outcome;
    assert_eq!(last, ItemOutcome { position: 4, ..stopped.clone() });
    assert_eq!(f.store.opened_batch(&delivery(1)).unwrap(), None);
    // One that never began has a document and nobody to settle.
    wait(f.store.settle_rest(&delivery(2), stopped, document(Kind::Delivery, "del_2", "stopped"))).unwrap();
    assert_eq!(f.store.document(Kind::Delivery, "del_2").unwrap().unwrap().version, 1);
}

/// Attributes of `NAMES`, in their order, as a delivery reads them now.
fn rows(f: &Fixture, number: u8) -> Vec<Option<Vec<(String, Value)>>> {
    let members = f.store.queued(&delivery(number), 0, 9).unwrap();
    let of = |name: &&str| members.iter().find(|member| member.profile_id == profile_id(name)).unwrap().profile.clone();
    NAMES.iter().map(|name| of(name).map(|profile| profile.attributes)).collect()
}

#[test]
fn what_makes_a_whole_reads_profiles_as_they_were_when_it_began() {
    let f = begun();
    let number = |name: &str| f.store.profile(&profile_id(name)).unwrap().unwrap().number;
    let place = |profile, place: Option<&str>| {
        let attributes = place.map(|place| ("place".to_owned(), text(place))).into_iter().collect();
        let derived = Derived { attributes, degraded: false };
        let derived = vec![DerivedWrite { derived, ..DerivedWrite::nothing(profile) }];
        wait(f.store.commit_accounts(AccountsCommit { derived, ..AccountsCommit::default() })).unwrap();
    };
    let rename = |name: &str, to: &str| {
        let write = write(name, &[("name", text(to))]);
        wait(f.store.commit_profiles(profiles(2, vec![write], Vec::new()))).unwrap();
    };
    let row = |name: &str, place: Option<&str>| {
        let place = place.map(|place| ("place".to_owned(), text(place)));
        Some([("name".to_owned(), text(name))].into_iter().chain(place).collect::<Vec<_>>())
    };
    // Two of them have a place, and are in a whole that begins then.
    for name in ["b", "c"] {
        place(number(name), Some("Rome"));
    }
    begin(&f, 2, "act_2", 1, "queued");
    let began = [row("a", None), row("b", Some("Rome")), row("c", Some("Rome")), row("d", None), row("e", None)];
    assert_eq!(rows(&f, 2), began);
    let with_no_place = NAMES.map(|name| row(name, None));
    assert_eq!(rows(&f, 1), with_no_place, "the one that began before");
    rename("a", "aa");
    rename("a", "aaa");
    place(number("b"), Some("Oslo"));
    place(number("c"), None);
    place(number("d"), Some("Bonn"));
    rename("d", "dd");
    let f = f.reopened();
    assert_eq!((rows(&f, 1), rows(&f, 2)), (with_no_place.to_vec(), began.to_vec()));
    begin(&f, 3, "act_3", 1, "queued");
    let now = [row("aaa", None), row("b", Some("Oslo")), row("c", None), row("dd", Some("Bonn")), row("e", None)];
    assert_eq!(rows(&f, 3), now);
    // Who is no more is not sent, also as it was.
    wait(f.store.commit_profiles(removal(9, "a", None))).unwrap();
    assert_eq!((rows(&f, 2)[0].clone(), rows(&f, 2)[1].clone()), (None, row("b", Some("Rome"))));
    let frozen = || f.sql().query_row("SELECT count(*) FROM frozen", [], |row| row.get::<_, i64>(0)).unwrap();
    assert!(frozen() > 0);
    for number in 1..=3 {
        wait(f.store.end_whole(&delivery(number))).unwrap();
    }
    assert_eq!((frozen(), rows(&f, 2)[1].clone()), (0, row("b", Some("Oslo"))));
    wait(f.store.commit_profiles(profiles(3, vec![write("b", &[("name", text("bb"))])], Vec::new()))).unwrap();
    assert_eq!(frozen(), 0, "nobody needs it");
}

#[test]
fn a_deleted_delivery_takes_its_members_with_it() {
    let f = begun();
    wait(f.store.open_batch(&delivery(1), batch(1, 0), Vec::new())).unwrap();
    wait(f.store.delete_document(Kind::Delivery, delivery(1).as_str(), Expect::Anything)).unwrap();
    assert_eq!(f.store.books(&delivery(1)).unwrap(), Books::default());
    assert_eq!(f.store.opened_batch(&delivery(1)).unwrap(), None);
}
