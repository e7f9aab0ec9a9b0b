//! A sandbox told as tables: one moment, parts by number, and which of them are told of.

use crate::support::*;
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::store::MembershipStatus::{Exited, Realized};
use attiva_core::ports::store::SandboxStore;
use attiva_core::ports::tables::{Moment, TableStore};
use attiva_core::tables::{Origin, Stamps, TableCut};
use std::collections::BTreeSet;

fn look<T>(f: &Fixture, what: impl Fn(&dyn Moment) -> T) -> T {
    let mut found = None;
    f.store
        .at_one_moment(&mut |moment| {
            found = Some(what(moment));
            Ok(())
        })
        .unwrap();
    found.unwrap()
}

fn cut(f: &Fixture) -> TableCut {
    look(f, |moment| moment.cut().unwrap())
}

fn told(f: &Fixture, origin: &Origin, after: &TableCut) -> BTreeSet<i64> {
    look(f, |moment| moment.told(origin, after).unwrap())
}

fn stamps(f: &Fixture, origin: &Origin) -> Stamps {
    look(f, |moment| moment.stamps(origin).unwrap())
}

fn people() -> Origin {
    Origin::Profiles(PERSON)
}

fn names(f: &Fixture, part: i64) -> Vec<String> {
    look(f, |moment| {
        let mut names = Vec::new();
        let mut each = |row: attiva_core::ports::tables::TableProfile| {
            names.extend(row.attributes.into_iter().filter_map(|(_, value)| value.as_text().map(str::to_owned)));
            Ok(())
        };
        moment.profiles(&PERSON, part, &mut each).unwrap();
        names
    })
}

/// As if so many profiles and records had been there before.
fn number_on(f: &Fixture, profile: i64, record: i64) {
    f.sql().execute("UPDATE counter SET profile = ?1, record = ?2", [profile, record]).unwrap();
}

#[test]
fn a_change_is_told_of_its_part_alone() {
    let f = sandbox();
    with_profiles(&f.store, &["a", "b"]);
    number_on(&f, 20_000, 0);
    with_profiles(&f.store, &["c"]);
    assert_eq!((names(&f, 0), names(&f, 1)), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
    assert_eq!(stamps(&f, &people()).into_keys().collect::<Vec<_>>(), [0, 1]);
    let before = cut(&f);
    assert!(told(&f, &people(), &before).is_empty());
    wait(f.store.commit_profiles(profiles(2, vec![write("c", &[("name", text("d"))])], vec![]))).unwrap();
    assert_eq!(told(&f, &people(), &before), [1].into());
    assert!(told(&f, &Origin::Profiles(EntityName::ACCOUNT), &before).is_empty());
    wait(f.store.commit_profiles(removal(3, "a", None))).unwrap();
    assert_eq!(told(&f, &people(), &before), [0, 1].into(), "one that is gone as well");
    assert_eq!(names(&f, 0), ["b"]);
}

#[test]
fn a_record_that_belongs_to_another_profile_has_its_part_told() {
    let f = sandbox();
    wait(f.store.commit_page(page("leads", "1", vec![full("1@m.M", 1, &[])]))).unwrap();
    number_on(&f, 0, 40_000);
    wait(f.store.commit_page(page("leads", "2", vec![full("2@m.M", 1, &[])]))).unwrap();
    let (one, two) = (1, 40_001);
    let own = |key: &str| [Identity::source_key(key)];
    let links = vec![link(one, Some("a"), &own("1@m.M")), link(two, Some("b"), &own("2@m.M"))];
    wait(f.store.commit_profiles(profiles(1, vec![write("a", &[]), write("b", &[])], links))).unwrap();
    let before = cut(&f);
    let moved = vec![link(two, Some("a"), &own("2@m.M"))];
    wait(f.store.commit_profiles(profiles(2, vec![write("a", &[])], moved))).unwrap();
    // The second record is in the second part, and no record was told.
    assert!(told(&f, &Origin::Records, &before).contains(&1));
    let carried = look(&f, |moment| {
        let mut carried = Vec::new();
        let mut each = |row: attiva_core::ports::tables::TableRecord| {
            carried.push((row.record.number, row.profile, row.identities.len()));
            Ok(())
        };
        moment.records(1, &mut each).unwrap();
        carried
    });
    let a = f.store.profile(&profile_id("a")).unwrap().unwrap().number;
    assert_eq!(carried, [(two, Some(a), 1)]);
}

#[test]
fn what_no_feed_tells_has_another_stamp() {
    let f = sandbox();
    let records = vec![full("1@m.M", 1, &[]), full("2@m.M", 1, &[])];
    wait(f.store.commit_page(page("leads", "1", records))).unwrap();
    let before = stamps(&f, &Origin::Records);
    f.sql().execute("DELETE FROM record WHERE number = 1", []).unwrap();
    assert_ne!(stamps(&f, &Origin::Records), before);
    // One goes, and one comes: as many rows as before.
    wait(f.store.commit_page(page("leads", "2", vec![full("3@m.M", 1, &[])]))).unwrap();
    assert_ne!(stamps(&f, &Origin::Records), before);
}

#[test]
fn members_are_told_by_their_history_and_by_who_is_gone() {
    let f = sandbox();
    let n = with_profiles(&f.store, &["a", "b"]);
    let before = cut(&f);
    wait(f.store.commit_memberships(memberships(1, &[(1, n[0], Realized), (1, n[1], Realized)]))).unwrap();
    assert_eq!(told(&f, &Origin::Members, &before), [0].into());
    let members = |f: &Fixture| {
        look(f, |moment| {
            let mut members = Vec::new();
            moment
                .members(0, &mut |row| {
                    members.push(row.profile);
                    Ok(())
                })
                .unwrap();
            members
        })
    };
    assert_eq!(members(&f), n);
    let before = cut(&f);
    wait(f.store.commit_memberships(memberships(2, &[(1, n[1], Exited)]))).unwrap();
    assert_eq!((told(&f, &Origin::Members, &before), members(&f)), ([0].into(), vec![n[0]]));
    let moves = look(&f, |moment| {
        let mut moves = Vec::new();
        moment
            .moves(0, &mut |row| {
                moves.push((row.profile, row.status));
                Ok(())
            })
            .unwrap();
        moves
    });
    assert_eq!(moves, [(n[0], Realized), (n[1], Realized), (n[1], Exited)]);
}

#[test]
fn a_moment_does_not_see_what_comes_after_it() {
    let f = sandbox();
    with_profiles(&f.store, &["a"]);
    let (first, second) = look(&f, |moment| {
        let first = moment.cut().unwrap();
        wait(f.store.commit_profiles(profiles(2, vec![write("b", &[("name", text("b"))])], vec![]))).unwrap();
        (first, moment.cut().unwrap())
    });
    assert_eq!(first, second);
    assert!(cut(&f).profiles > first.profiles);
}
