//! Profiles by the beginning of a name, and of what identifies them.

use crate::support::*;
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Found, FoundPlace, ProfileWrite, SandboxStore};
use attiva_store::Sandbox;

fn named(id: &str, first: &str, last: &str) -> ProfileWrite {
    write(id, &[("first_name", text(first)), ("last_name", text(last))])
}

fn put(store: &Sandbox, writes: Vec<ProfileWrite>) {
    wait(store.commit_profiles(profiles(1, writes, Vec::new()))).unwrap();
}

fn numbers(found: &[Found]) -> Vec<i64> {
    found.iter().map(|f| f.profile.number).collect()
}

fn by_name(store: &Sandbox, entity: &EntityName, prefix: &str) -> Vec<i64> {
    numbers(&store.profiles_named(entity, prefix, None, 100).unwrap())
}

/// All pages of `limit`, each after the one before.
fn pages(limit: usize, page: impl Fn(Option<&FoundPlace>) -> Vec<Found>) -> Vec<i64> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let found = page(after.as_ref());
        all.extend(numbers(&found));
        match found.last() {
            Some(last) if found.len() == limit => after = Some(last.place.clone()),
            _ => return all,
        }
    }
}

#[test]
fn people_are_found_by_the_beginning_of_either_name() {
    let f = sandbox();
    let account = ProfileWrite { entity: EntityName::ACCOUNT, ..write("x", &[("name", text("Zola & Sons"))]) };
    put(&f.store, vec![named("a", "Émile", "Zola"), named("b", "Ada", "Zoladz"), named("c", "Zoe", "Adams"), account]);
    let find = |prefix: &str| by_name(&f.store, &PERSON, prefix);
    assert_eq!(find("ZOL"), [1, 2]);
    assert_eq!((find("émile z"), find("ad"), find("zo")), (vec![1], vec![2, 3], vec![3, 1, 2]));
    assert_eq!((find("ola"), find("zola & s")), (vec![], vec![]));
    assert_eq!(by_name(&f.store, &EntityName::ACCOUNT, "zola &"), [4]);
    assert_eq!(by_name(&f.store, &EntityName::OPPORTUNITY, "z"), Vec::<i64>::new());
}

#[test]
fn who_is_renamed_or_gone_is_found_by_what_they_are_called_now() {
    let f = sandbox();
    put(&f.store, vec![named("a", "Ada", "Byron"), named("b", "Bea", "Byron")]);
    put(&f.store, vec![named("a", "Ada", "Lovelace")]);
    assert_eq!((by_name(&f.store, &PERSON, "byr"), by_name(&f.store, &PERSON, "lov")), (vec![2], vec![1]));
    wait(f.store.commit_profiles(removal(2, "b", None))).unwrap();
    assert_eq!(by_name(&f.store, &PERSON, "b"), Vec::<i64>::new());
    let rows: i64 = f.sql().query_row("SELECT count(*) FROM search", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2, "what nobody is called any more is not kept");
    put(&f.store, vec![named("b", "Bea", "Byron")]);
    assert_eq!(by_name(&f.store, &PERSON, "byron b"), [2]);
}

#[test]
fn a_row_nobody_answers_to_is_passed_over_and_pages_go_on_behind_it() {
    let f = sandbox();
    let all = (0..7).map(|n| named(&format!("p{n}"), "Ann", &format!("Smith{n}"))).collect();
    put(&f.store, all);
    f.sql().execute("UPDATE search SET term = 'smith3 stale' WHERE term = 'smith3 ann'", []).unwrap();
    let page = |after: Option<&FoundPlace>| f.store.profiles_named(&PERSON, "smith", after, 2).unwrap();
    assert_eq!(pages(2, page), [1, 2, 3, 5, 6, 7]);
}

#[test]
fn pages_stay_what_they_are_while_others_are_written() {
    let f = sandbox();
    put(&f.store, (0..4).map(|n| named(&format!("p{n}"), "Ann", &format!("Smith{n}"))).collect());
    let first = f.store.profiles_named(&PERSON, "smith", None, 2).unwrap();
    put(&f.store, vec![named("q", "Ann", "Smith0"), named("r", "Ann", "Smith9")]);
    let rest = f.store.profiles_named(&PERSON, "smith", Some(&first[1].place), 9).unwrap();
    assert_eq!((numbers(&first), numbers(&rest)), (vec![1, 2], vec![3, 4, 6]));
}

#[test]
fn identities_are_found_by_their_beginning_once_a_value() {
    let f = sandbox();
    let records = (0..4).map(|n| full(&key(n), 1, &[("n", text("x"))])).collect();
    wait(f.store.commit_page(page("leads", "a", records))).unwrap();
    let email = |address: &str| Identity::email(address).unwrap();
    let links = vec![
        link(1, Some("a"), &[Identity::source_key(&key(0)), email("ann@x.com")]),
        link(2, Some("a"), &[Identity::source_key(&key(1)), email("ann@x.com"), email("anna@y.com")]),
        link(3, Some("b"), &[Identity::source_key(&key(2)), email("anne@z.com")]),
        link(4, Some("c"), &[Identity::source_key(&key(3)), email("bob@z.com")]),
    ];
    let writes = ["a", "b", "c"].map(|id| named(id, "A", id)).to_vec();
    wait(f.store.commit_profiles(profiles(4, writes, links))).unwrap();
    let page = |limit| {
        let store = &f.store;
        move |after: Option<&FoundPlace>| {
            store.profiles_identified(&PERSON, Identity::EMAIL, "ann", after, limit).unwrap()
        }
    };
    // Two records say the first, one says the second: the profile comes once for each.
    assert_eq!(numbers(&page(9)(None)), [1, 1, 2]);
    assert_eq!((pages(1, page(1)), pages(2, page(2))), (vec![1, 1, 2], vec![1, 1, 2]));
    let none = f.store.profiles_identified(&PERSON, "ecid", "a", None, 9).unwrap();
    assert_eq!(numbers(&none), Vec::<i64>::new());
}
