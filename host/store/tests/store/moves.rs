//! Who came to an audience and went from it since a cut.

use crate::support::*;
use attiva_core::Value;
use attiva_core::ports::store::MembershipStatus::{Exited, Realized};
use attiva_core::ports::store::{
    Carrier, ChangeSink, Changed, Cut, EventSeen, KeysWanted, PersonsEvent, SandboxStore, SnapshotStore,
    SnapshotWanted, StoredRecord,
};

/// Somebody who knows the members at a cut, or does not, or is wrong about them.
#[derive(Default)]
struct Knower {
    knows: bool,
    is_wrong: bool,
    cut: Cut,
    moves: Option<(Vec<(i64, bool)>, u64)>,
    members: Vec<i64>,
}

impl ChangeSink for Knower {
    fn begun(&mut self, cut: Cut, _: Changed) -> bool {
        self.cut = cut;
        true
    }

    fn knows_members(&mut self, _: usize) -> bool {
        self.knows
    }

    fn moved(&mut self, _: usize, moves: Vec<(i64, bool)>, members: u64) -> bool {
        self.moves = Some((moves, members));
        !self.is_wrong
    }

    fn member(&mut self, _: usize, profile: i64) {
        self.members.push(profile);
    }

    fn profile(&mut self, _: usize, _: i64, _: Option<Vec<(String, Value)>>) {}
    fn referrers(&mut self, _: usize, _: i64) -> Vec<i64> {
        Vec::new()
    }
    fn refers(&mut self, _: usize, _: i64) {}
    fn reference(&mut self, _: usize, _: i64, _: &str, _: Carrier) {}
    fn people_of(&mut self, _: i64) -> Vec<i64> {
        Vec::new()
    }
    fn incomplete(&mut self) -> Vec<i64> {
        Vec::new()
    }
    fn components(&mut self, _: i64, _: Vec<StoredRecord>) {}
    fn person(&mut self, _: i64, _: Vec<PersonsEvent>) {}
    fn strayed(&mut self) -> Vec<i64> {
        Vec::new()
    }
    fn event(&mut self, _: i64, _: Option<EventSeen<'_>>) {}
    fn unread(&mut self) -> Vec<i64> {
        Vec::new()
    }
    fn event_attributes(&mut self, _: i64, _: Vec<(String, Value)>) {}
    fn keys(&mut self) -> Option<KeysWanted> {
        None
    }
    fn key(&mut self, _: usize, _: Option<Carrier>) {}
    fn records(&mut self) -> Option<KeysWanted> {
        None
    }
    fn record(&mut self, _: usize, _: Option<i64>) {}
}

fn told(f: &Fixture, since: Cut, knower: Knower) -> Knower {
    let wanted = SnapshotWanted { audiences: vec![segment(1)], ..SnapshotWanted::default() };
    let mut knower = knower;
    f.store.changed_since(since, &wanted, &mut knower).unwrap();
    knower
}

#[test]
fn who_knows_the_members_of_before_is_told_who_moved() {
    let f = sandbox();
    let n = with_profiles(&f.store, &["a", "b", "c"]);
    let all: Vec<_> = n.iter().map(|number| (1, *number, Realized)).collect();
    wait(f.store.commit_memberships(memberships(1, &all))).unwrap();
    let since = told(&f, Cut::default(), Knower::default()).cut;
    let knower = || Knower { knows: true, ..Knower::default() };
    let still = told(&f, since, knower());
    assert_eq!((still.moves, still.members, still.cut), (Some((vec![], 3)), vec![], since));
    wait(f.store.commit_memberships(memberships(2, &[(1, n[0], Exited), (2, n[1], Realized)]))).unwrap();
    wait(f.store.commit_memberships(memberships(3, &[(1, n[0], Realized), (1, n[1], Exited)]))).unwrap();
    // Who is no more goes as well.
    wait(f.store.commit_profiles(removal(9, "c", None))).unwrap();
    let then = told(&f, since, knower());
    let expected = vec![(n[0], false), (n[0], true), (n[1], false), (n[2], false)];
    assert_eq!((then.moves, then.members), (Some((expected, 1)), vec![]));
    assert_eq!(told(&f, then.cut, knower()).moves, Some((vec![], 1)));
    let stranger = told(&f, since, Knower::default());
    assert_eq!((stranger.moves, stranger.members), (None, vec![n[0]]));
    assert_eq!(told(&f, since, Knower { is_wrong: true, ..knower() }).members, [n[0]]);
    // Where more moved than there are members, these are less to read.
    for round in 0..501 {
        let (at, status) = (10 + 2 * round, [Exited, Realized]);
        for (more, status) in (0..).zip(status) {
            wait(f.store.commit_memberships(memberships(at + more, &[(1, n[0], status)]))).unwrap();
        }
    }
    let many = told(&f, since, knower());
    assert_eq!((many.moves, many.members), (None, vec![n[0]]));
}
