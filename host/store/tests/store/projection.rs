//! What the profile projector commits: links, profiles, redirects, its cursor.

use crate::support::*;
use attiva_core::id::ProfileId;
use attiva_core::identity::{Ask, Identity, Level};
use attiva_core::ports::store::{
    DocumentWrite, Expect, Feed, Kind, MembershipStatus, ProfileWrite, Reconsider, RecordLink, SandboxStore, StoreError,
};

fn email(address: &str) -> Identity {
    Identity::email(address).unwrap()
}

/// Records 1..=n.
fn with_records(n: usize) -> Fixture {
    let f = sandbox();
    let rows = (1..=n).map(|n| full(&key(n), 10, &[])).collect();
    wait(f.store.commit_page(page("leads", "a", rows))).unwrap();
    f
}

#[test]
fn records_are_found_by_what_names_them() {
    let f = with_records(3);
    let own = |n| Identity::source_key(&key(n));
    let links = vec![
        link(1, Some("a"), &[own(1), email("ann@x.com")]),
        link(2, Some("a"), &[own(2), email("ann@x.com"), email("ann@y.com")]),
        // Its own key does not name it; another's does.
        link(3, Some("b"), &[own(99)]),
    ];
    let writes = vec![write("a", &[("name", text("Ann"))]), write("b", &[])];
    wait(f.store.commit_profiles(profiles(3, writes, links))).unwrap();

    let f = f.reopened();
    assert_eq!(f.store.projector_cursor("profiles").unwrap(), 3);
    assert_eq!(carriers(&f.store, &[email("ann@x.com")]), [1, 2]);
    assert_eq!(carriers(&f.store, &[email("ann@y.com"), own(1)]), [1, 2]);
    assert_eq!(carriers(&f.store, &[own(3)]), [] as [i64; 0]);
    assert_eq!(carriers(&f.store, &[own(99)]), [3]);
    assert_eq!(f.store.identities_of(&[9, 2]).unwrap(), [vec![], vec![own(2), email("ann@x.com"), email("ann@y.com")]]);
    assert_eq!(f.store.records_of(&profile_id("a")).unwrap(), [1, 2]);
    assert_eq!(f.store.record(&PERSON, &key(3)).unwrap().unwrap().profile, Some(profile_id("b")));
    let found = f.store.profile_by_identity(&PERSON, &email("ann@y.com")).unwrap().unwrap();
    assert_eq!((found.id, found.attributes), (profile_id("a"), vec![("name".to_owned(), text("Ann"))]));
    assert_eq!(f.store.profile_by_identity(&PERSON, &email("nobody@x.com")).unwrap(), None);
}

#[test]
fn of_a_value_that_many_carry_no_more_than_asked_for_are_told() {
    let f = with_records(5);
    let own = Identity::source_key(&key(1));
    // The second says that it is the first.
    let links = (1..=5).map(|n| match n {
        1 => link(1, Some("a"), &[own.clone(), email("all@x.com")]),
        n => link(n, Some("a"), &[own.clone(), email("all@x.com")]),
    });
    wait(f.store.commit_profiles(profiles(5, vec![write("a", &[])], links.collect()))).unwrap();
    let ask = |identity: &Identity, records_max| Ask { identity: identity.clone(), records_max };
    let asks = [ask(&email("all@x.com"), 3), ask(&own, 1), ask(&email("nobody@x.com"), 9), ask(&own, 9)];
    let found = f.store.records_with(&PERSON, &asks).unwrap();
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 0, 5]);
    assert_eq!((found[1][0], found[3][0]), (1, 1), "the record whose key it is comes first");
}

#[test]
fn levels_and_degraded_profiles_are_kept() {
    let f = with_records(2);
    let commit = |degraded, level| {
        let write = ProfileWrite { degraded, ..write("a", &[]) };
        let link = RecordLink { level, ..link(1, Some("a"), &[email("a@x.com")]) };
        wait(f.store.commit_profiles(profiles(2, vec![write, self::write("b", &[])], vec![link]))).unwrap();
        let listed: Vec<ProfileId> =
            f.store.degraded_profiles(&PERSON, 0, 9).unwrap().into_iter().map(|p| p.id).collect();
        let shown = f.store.profile(&profile_id("a")).unwrap().unwrap().degraded;
        (listed, shown, f.store.record(&PERSON, &key(1)).unwrap().unwrap().level)
    };
    assert_eq!(commit(true, Level::Firm), (vec![profile_id("a")], true, Level::Firm));
    assert_eq!(commit(true, Level::Alone), (vec![profile_id("a")], true, Level::Alone));
    assert_eq!(commit(false, Level::Full), (vec![], false, Level::Full));
    assert_eq!(f.store.record(&PERSON, &key(2)).unwrap().unwrap().level, Level::Full);
}

#[test]
fn a_link_is_replaced_whole_and_a_record_that_is_gone_leaves_no_trace() {
    let f = with_records(1);
    let own = Identity::source_key(&key(1));
    let writes = || vec![write("a", &[("x", text("1"))])];
    let commit = |links| wait(f.store.commit_profiles(profiles(1, writes(), links)));
    commit(vec![link(1, Some("a"), &[own.clone(), email("old@x.com"), email("same@x.com")])]).unwrap();
    commit(vec![link(1, Some("a"), &[own.clone(), email("same@x.com"), email("new@x.com")])]).unwrap();
    assert_eq!(carriers(&f.store, &[email("old@x.com")]), [] as [i64; 0]);
    assert_eq!(carriers(&f.store, &[email("same@x.com")]), [1]);
    assert_eq!(carriers(&f.store, &[email("new@x.com")]), [1]);

    commit(vec![link(1, None, &[])]).unwrap();
    assert_eq!(carriers(&f.store, &[own, email("same@x.com"), email("new@x.com")]), [] as [i64; 0]);
    assert!(f.store.identities_of(&[1]).unwrap()[0].is_empty());
    assert!(f.store.records_of(&profile_id("a")).unwrap().is_empty());
    let left: i64 = f
        .sql()
        .query_row("SELECT (SELECT count(*) FROM link) + (SELECT count(*) FROM identity)", [], |r| r.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn a_link_to_what_is_not_there_undoes_the_whole_commit() {
    let f = with_records(1);
    for bad in [link(1, Some("nobody"), &[]), link(99, Some("a"), &[])] {
        let result = wait(f.store.commit_profiles(profiles(1, vec![write("a", &[("x", text("1"))])], vec![bad])));
        assert_eq!(result, Err(StoreError::Missing));
    }
    assert_eq!((f.store.count_profiles(&PERSON).unwrap(), f.store.projector_cursor("profiles").unwrap()), (0, 0));
}

#[test]
fn a_profile_with_the_same_attributes_is_not_a_change() {
    let f = sandbox();
    let commit = |attributes: &[(&str, attiva_core::Value)], records, changed_at| {
        let mut profile = write("a", attributes);
        (profile.records, profile.changed_at) = (records, changed_at);
        wait(f.store.commit_profiles(profiles(1, vec![profile], Vec::new()))).unwrap();
        (f.store.newest(Feed::Profiles).unwrap(), f.store.profile(&profile_id("a")).unwrap().unwrap())
    };
    assert_eq!(commit(&[("x", text("1")), ("y", text("2"))], 1, 5).0, 1);
    assert_eq!(commit(&[("x", text("1")), ("y", text("2"))], 1, 5).0, 1);
    // Another order says the same, and what is beside the attributes is kept all the same.
    let (seq, profile) = commit(&[("y", text("2")), ("x", text("1"))], 1, 6);
    assert_eq!((seq, profile.records, profile.changed_at), (1, 1, 6));
    // One more record that says nothing new: what happened to whom it names may be this one's now.
    let (seq, profile) = commit(&[("y", text("2")), ("x", text("1"))], 2, 7);
    assert_eq!((seq, profile.records, profile.changed_at), (2, 2, 7));
    assert_eq!(commit(&[("x", text("2")), ("y", text("1"))], 2, 7).0, 3);
    assert_eq!(f.store.changes(Feed::Profiles, 2, 10).unwrap()[0].subject, 1);
    assert_eq!(f.store.count_profiles(&PERSON).unwrap(), 1);
}

#[test]
fn profiles_are_listed_and_found_by_number() {
    let f = sandbox();
    let numbers = with_profiles(&f.store, &["a", "b", "c"]);
    let ids = |found: Vec<attiva_core::ports::store::Profile>| found.into_iter().map(|p| p.id).collect::<Vec<_>>();
    assert_eq!(ids(f.store.profiles(&PERSON, 0, 2).unwrap()), [profile_id("a"), profile_id("b")]);
    assert_eq!(ids(f.store.profiles(&PERSON, numbers[1], 2).unwrap()), [profile_id("c")]);
    assert_eq!(
        ids(f.store.profiles_by_number(&[numbers[2], 99, numbers[0]]).unwrap()),
        [profile_id("c"), profile_id("a")]
    );
    assert_eq!(f.store.count_profiles(&PERSON).unwrap(), 3);
}

#[test]
fn who_was_merged_away_is_answered_by_who_took_the_place() {
    let f = sandbox();
    let numbers = with_profiles(&f.store, &["a", "b", "c"]);
    wait(f.store.commit_profiles(removal(2, "a", Some("b")))).unwrap();
    wait(f.store.commit_profiles(removal(3, "b", Some("c")))).unwrap();
    assert_eq!(f.store.profile(&profile_id("a")).unwrap().unwrap().id, profile_id("c"));
    let ids = ["c", "a", "unknown"].map(profile_id);
    assert_eq!(f.store.profiles_exist(&ids).unwrap(), [true, false, false], "an id that redirects is no profile");
    assert_eq!(f.store.profiles_by_number(&numbers).unwrap().len(), 1);
    assert_eq!(f.store.profiles(&PERSON, 0, 10).unwrap().len(), 1);
    assert_eq!(f.store.count_profiles(&PERSON).unwrap(), 1);
    // Three that appeared, two that went.
    let subjects: Vec<i64> = f.store.changes(Feed::Profiles, 0, 10).unwrap().iter().map(|c| c.subject).collect();
    assert_eq!(subjects, [1, 2, 3, numbers[0], numbers[1]]);
    // Told again, it is no change.
    wait(f.store.commit_profiles(removal(3, "b", Some("c")))).unwrap();
    assert_eq!(f.store.changes(Feed::Profiles, 0, 10).unwrap().len(), 5);

    // Without a successor, and in a ring: no answer, and an end.
    wait(f.store.commit_profiles(removal(4, "c", None))).unwrap();
    assert_eq!(f.store.profile(&profile_id("a")).unwrap(), None);
    wait(f.store.commit_profiles(removal(5, "c", Some("a")))).unwrap();
    assert_eq!(f.store.profile(&profile_id("a")).unwrap(), None);
    assert_eq!(f.store.profile(&profile_id("unknown")).unwrap(), None);
}

#[test]
fn a_profile_that_comes_back_is_itself_again() {
    let f = sandbox();
    let numbers = with_profiles(&f.store, &["a", "b"]);
    wait(f.store.commit_profiles(removal(2, "a", Some("b")))).unwrap();
    wait(f.store.commit_profiles(profiles(3, vec![write("a", &[("name", text("a"))])], Vec::new()))).unwrap();
    let back = f.store.profile(&profile_id("a")).unwrap().unwrap();
    assert_eq!((back.id, back.number), (profile_id("a"), numbers[0]));
    assert_eq!(f.store.count_profiles(&PERSON).unwrap(), 2);
    assert_eq!(f.store.changes(Feed::Profiles, 0, 10).unwrap().last().unwrap().subject, numbers[0]);
}

#[test]
fn a_removed_profile_leaves_its_segments() {
    let f = sandbox();
    let numbers = with_profiles(&f.store, &["a", "b"]);
    let enter = [(1, numbers[0], MembershipStatus::Realized), (1, numbers[1], MembershipStatus::Realized)];
    wait(f.store.commit_memberships(memberships(1, &enter))).unwrap();
    wait(f.store.commit_profiles(removal(2, "a", Some("b")))).unwrap();
    assert_eq!(f.store.count_members(&segment(1)).unwrap(), 1);
    assert!(f.store.memberships(&numbers[..1]).unwrap()[0].is_empty());
    let last: (i64, i64, i64, String) = f
        .sql()
        .query_row("SELECT profile, status, at, cause FROM membership_history ORDER BY number DESC LIMIT 1", [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
        })
        .unwrap();
    assert_eq!(last, (numbers[0], 0, 20, "profile-removed".into()));
    // Coming back does not make it a member again, and nothing does while it is gone.
    wait(f.store.commit_profiles(removal(3, "b", None))).unwrap();
    wait(f.store.commit_memberships(memberships(2, &enter))).unwrap();
    assert_eq!(f.store.count_members(&segment(1)).unwrap(), 0);
}

#[test]
fn records_are_looked_at_again_with_what_they_hang_on() {
    let f = with_records(3);
    wait(f.store.commit_profiles(profiles(3, vec![write("a", &[])], Vec::new()))).unwrap();
    let rules = |n: u64| {
        let write =
            DocumentWrite { kind: Kind::IdentityRules, id: "person".into(), body: serde_json::json!({ "n": n }) };
        vec![(write, Expect::Version(n))]
    };
    // What is refused changes nothing of it.
    let refused = f.store.reconsider(rules(7), Vec::new(), Reconsider::All, 9);
    assert_eq!(wait(refused), Err(StoreError::Missing));
    assert_eq!(f.store.projector_cursor("profiles").unwrap(), 3);

    let some = Reconsider::Records(PERSON, vec![key(2), key(99)]);
    let new = vec![(rules(0).remove(0).0, Expect::Absent)];
    wait(f.store.reconsider(new, Vec::new(), some, 9)).unwrap();
    let told: Vec<i64> = f.store.changes(Feed::Records, 3, 9).unwrap().iter().map(|c| c.subject).collect();
    assert_eq!((told, f.store.projector_cursor("profiles").unwrap()), (vec![2], 3));

    let gone = vec![(Kind::IdentityRules, "person".to_owned())];
    wait(f.store.reconsider(Vec::new(), gone, Reconsider::All, 9)).unwrap();
    let f = f.reopened();
    assert_eq!(f.store.projector_cursor("profiles").unwrap(), 0);
    assert_eq!(f.store.document(Kind::IdentityRules, "person").unwrap(), None);
    assert_eq!(
        (f.store.record_numbers(&PERSON, 0, 2).unwrap(), f.store.record_numbers(&PERSON, 2, 9).unwrap()),
        (vec![1, 2], vec![3])
    );
}
