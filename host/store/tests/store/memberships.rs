//! Who belongs to which segment.

use crate::support::*;
use attiva_core::ports::store::MembershipStatus::{Exited, Realized};
use attiva_core::ports::store::{Expect, Kind, SandboxStore};

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
    commit.document = Some(document(Kind::Segment, segment(1).as_str(), "active"));
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
    assert_eq!((first[0].1.profile.clone(), first[0].1.status, first[0].1.since), (profile_id("a"), Realized, 30));
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
    commit.projector = format!("segment:{id}");
    commit.document = Some(document(Kind::Segment, id.as_str(), "active"));
    wait(f.store.commit_memberships(commit)).unwrap();
    wait(f.store.delete_document(Kind::Segment, id.as_str(), Expect::Anything)).unwrap();
    assert!(f.store.memberships(&n[..1]).unwrap()[0].is_empty());
    assert_eq!((f.store.count_members(&id).unwrap(), f.store.members(&id, 0, 9).unwrap().len()), (0, 0));
    assert_eq!(f.store.projector_cursor(&format!("segment:{id}")).unwrap(), 0);
}
