//! Who belongs to which segment.

use crate::support::*;
use attiva_core::ports::store::MembershipStatus::{Exited, Realized};
use attiva_core::ports::store::{Expect, HistoryOf, Kind, MembershipCommit, MembershipDue, SandboxStore, StoreError};

fn history(f: &Fixture) -> Vec<(i64, i64)> {
    let sql = f.sql();
    let mut statement = sql.prepare("SELECT profile, status FROM membership_history ORDER BY number").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn members_enter_and_exit_with_a_history_of_changes_only() {
    let f = sandbox();
    let n = with_profiles(&f.store, &["a", "b", "c"]);
    let mut commit =
        memberships(7, &[(1, n[0], Realized), (1, n[1], Realized), (2, n[0], Realized), (1, n[0], Realized)]);
    commit.documents = vec![(document(Kind::Segment, segment(1).as_str(), "active"), Expect::Anything)];
    wait(f.store.commit_memberships(commit.clone())).unwrap();
    // Told again, nothing changes.
    wait(f.store.commit_memberships(commit)).unwrap();
    wait(f.store.commit_memberships(memberships(8, &[(1, n[1], Exited), (1, n[2], Exited)]))).unwrap();

    let f = f.reopened();
    assert_eq!(f.store.projector_cursor("segments").unwrap(), 8);
    assert_eq!(f.store.memberships(&[n[1], n[0]]).unwrap(), [vec![], vec![segment(1), segment(2)]]);
    assert_eq!(f.store.count_members(&segment(1)).unwrap(), 1);
    assert_eq!(f.store.count_members(&segment(9)).unwrap(), 0);
    assert_eq!(history(&f), [(n[0], 1), (n[1], 1), (n[0], 1), (n[1], 0)]);
    assert_eq!(f.store.document(Kind::Segment, segment(1).as_str()).unwrap().unwrap().version, 2);
}

#[test]
fn members_are_listed_in_pieces() {
    let f = sandbox();
    let n = with_profiles(&f.store, &["a", "b", "c"]);
    let all: Vec<_> = n.iter().rev().map(|number| (1, *number, Realized)).collect();
    wait(f.store.commit_memberships(memberships(1, &all))).unwrap();
    let first = f.store.members(&segment(1), 0, 2).unwrap();
    assert_eq!(first.iter().map(|(number, _)| *number).collect::<Vec<_>>(), n[..2]);
    assert_eq!((first[0].1.profile.clone(), first[0].1.since), (profile_id("a"), 30));
    let rest = f.store.members(&segment(1), first[1].0, 2).unwrap();
    assert_eq!(rest.iter().map(|(number, _)| *number).collect::<Vec<_>>(), n[2..]);
    assert!(f.store.members(&segment(9), 0, 2).unwrap().is_empty());
}

#[test]
fn a_deleted_segment_has_no_members_and_no_cursor() {
    let f = sandbox();
    let n = with_profiles(&f.store, &["a"]);
    let id = segment(1);
    let mut commit = memberships(5, &[(1, n[0], Realized)]);
    commit.cursors = vec![(format!("segment:{id}"), 5)];
    commit.documents = vec![(document(Kind::Segment, id.as_str(), "active"), Expect::Anything)];
    wait(f.store.commit_memberships(commit)).unwrap();
    wait(f.store.delete_document(Kind::Segment, id.as_str(), Expect::Anything)).unwrap();
    assert!(f.store.memberships(&n[..1]).unwrap()[0].is_empty());
    assert_eq!((f.store.count_members(&id).unwrap(), f.store.members(&id, 0, 9).unwrap().len()), (0, 0));
    assert_eq!(f.store.projector_cursor(&format!("segment:{id}")).unwrap(), 0);
}

#[test]
fn what_is_due_is_due_once_and_goes_with_the_profile() {
    let f = sandbox();
    let n = with_profiles(&f.store, &["a", "b", "c"]);
    let due =
        |segment: Option<u8>, profile: i64, at| MembershipDue { segment: segment.map(self::segment), profile, at };
    let commit = |looked_at: &[i64], due: Vec<MembershipDue>| {
        let commit = MembershipCommit { looked_at: looked_at.to_vec(), due, now: 30, ..MembershipCommit::default() };
        wait(f.store.commit_memberships(commit)).unwrap();
    };
    commit(&[], vec![due(Some(1), n[0], 50), due(Some(2), n[0], 40), due(None, n[1], 60), due(Some(1), n[2], 45)]);
    assert_eq!(f.store.next_due_membership().unwrap(), Some(40));
    assert_eq!(f.store.due_memberships(39, 9).unwrap(), Vec::<i64>::new());
    assert_eq!(f.store.due_memberships(50, 9).unwrap(), [n[0], n[2]]);
    // Looked at, it is due by what was found then alone.
    commit(&[n[0]], vec![due(Some(1), n[0], 70)]);
    assert_eq!(f.store.next_due_membership().unwrap(), Some(45));
    // By one segment alone: what others have due stays.
    commit(&[], vec![due(Some(2), n[0], 44)]);
    let by_one = MembershipCommit { looked_at_by: vec![(segment(2), n[0])], now: 30, ..MembershipCommit::default() };
    wait(f.store.commit_memberships(by_one)).unwrap();
    assert_eq!(
        (f.store.next_due_membership().unwrap(), f.store.due_memberships(70, 9).unwrap().contains(&n[0])),
        (Some(45), true)
    );
    wait(f.store.commit_profiles(removal(9, "c", None))).unwrap();
    assert_eq!(f.store.due_memberships(60, 9).unwrap(), [n[1]]);
    // Nothing is due of who is gone.
    commit(&[], vec![due(None, n[2], 1)]);
    assert_eq!(f.store.next_due_membership().unwrap(), Some(60));
    wait(f.store.put_document(document(Kind::Segment, segment(1).as_str(), "x"), Expect::Absent)).unwrap();
    wait(f.store.delete_document(Kind::Segment, segment(1).as_str(), Expect::Anything)).unwrap();
    assert_eq!(f.store.due_memberships(100, 9).unwrap(), [n[1]]);
}

#[test]
fn nothing_is_committed_beside_a_document_that_is_another_by_now() {
    let f = sandbox();
    let n = with_profiles(&f.store, &["a"]);
    let id = segment(1);
    wait(f.store.put_document(document(Kind::Segment, id.as_str(), "1"), Expect::Absent)).unwrap();
    let mut commit = memberships(5, &[(1, n[0], Realized)]);
    commit.documents = vec![(document(Kind::Segment, id.as_str(), "2"), Expect::Version(7))];
    assert!(matches!(wait(f.store.commit_memberships(commit.clone())), Err(StoreError::VersionMismatch { .. })));
    assert_eq!((f.store.count_members(&id).unwrap(), f.store.projector_cursor("segments").unwrap()), (0, 0));
    commit.documents[0].1 = Expect::Version(1);
    wait(f.store.commit_memberships(commit)).unwrap();
    assert_eq!(f.store.count_members(&id).unwrap(), 1);
}

#[test]
fn history_is_read_newest_first_in_pieces_and_members_of_two_are_counted() {
    let f = sandbox();
    let n = with_profiles(&f.store, &["a", "b"]);
    let enter = memberships(1, &[(1, n[0], Realized), (1, n[1], Realized), (2, n[1], Realized)]);
    wait(f.store.commit_memberships(enter)).unwrap();
    assert_eq!(f.store.count_common_members(&segment(1), &segment(2)).unwrap(), 1);
    wait(f.store.commit_memberships(memberships(2, &[(1, n[0], Exited)]))).unwrap();
    let of = HistoryOf::Segment(segment(1));
    let first = f.store.membership_history(&of, None, 2).unwrap();
    let told: Vec<_> = first.iter().map(|it| (it.profile.clone(), it.status, it.cause.as_str())).collect();
    assert_eq!(told, [(profile_id("a"), Exited, "change"), (profile_id("b"), Realized, "change")]);
    let rest = f.store.membership_history(&of, Some(first[1].number), 2).unwrap();
    assert_eq!(rest.iter().map(|it| (it.profile.clone(), it.at)).collect::<Vec<_>>(), [(profile_id("a"), 30)]);
    let of_b = f.store.membership_history(&HistoryOf::Profile(n[1]), None, 9).unwrap();
    assert_eq!(of_b.iter().map(|it| it.segment.clone()).collect::<Vec<_>>(), [segment(2), segment(1)]);
}
