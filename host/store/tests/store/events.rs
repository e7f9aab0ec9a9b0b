//! Events: each once, whatever is repeated, late or taken back; and a person's timeline, which no merge rewrites.

use crate::support::*;
use attiva_core::event::{Event, EventChange};
use attiva_core::id::ProfileId;
use attiva_core::identity::{Identity, Level};
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::page::RowKind;
use attiva_core::ports::store::{
    EventPlace, Feed, MembershipCommit, Order, PageCommit, ProfileCommit, RecordLink, SandboxStore, StoredEvent,
};
use attiva_core::record::{Fields, RecordChange};
use attiva_core::removal::Place;
use attiva_core::{Millis, Value};
use attiva_store::Sandbox;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

const ECID: [&str; 2] = ["12345678901234567890123456789012345678", "22345678901234567890123456789012345678"];

fn ecid(n: usize) -> Identity {
    Identity::ecid(ECID[n]).unwrap()
}

fn email(address: &str) -> Identity {
    Identity::email(address).unwrap()
}

fn event(key: &str, at: Millis, time: Millis, subjects: &[Identity]) -> EventChange {
    let event = Event {
        time,
        event_type: "web.formFilledOut".into(),
        subjects: subjects.to_vec(),
        attributes: vec![("page".into(), text("/a"))],
        native: [("Page URL".into(), text("/a")), ("at".into(), Value::Timestamp(at))].into_iter().collect::<Fields>(),
    };
    EventChange { source_key: key.into(), at, dated: true, event: Some(event) }
}

fn gone(key: &str, at: Millis) -> EventChange {
    EventChange { source_key: key.into(), at, dated: true, event: None }
}

fn events(events: Vec<EventChange>) -> PageCommit {
    PageCommit { entity: Some(EntityName::from(EntityKind::Activity)), events, ..page("activities", "a", vec![]) }
}

fn tell(store: &Sandbox, told: Vec<EventChange>) -> (u64, u64, u64) {
    let done = wait(store.commit_page(events(told))).unwrap();
    (done.changed, done.unchanged, done.stale)
}

/// A person of one record with these other names; returns the profile's number.
fn person(store: &Sandbox, key: &str, others: &[Identity]) -> i64 {
    if store.record(&PERSON, key).unwrap().is_none() {
        wait(store.commit_page(page("leads", "a", vec![full(key, 10, &[("n", text(key))])]))).unwrap();
    }
    joined(store, key, &[(key, others)])
}

/// Puts records into the profile that one of them founds.
fn joined(store: &Sandbox, founder: &str, records: &[(&str, &[Identity])]) -> i64 {
    let id = ProfileId::founded_by(founder);
    let links = records.iter().map(|(key, others)| RecordLink {
        record: store.record(&PERSON, key).unwrap().unwrap().number,
        identities: std::iter::once(Identity::source_key(key)).chain(others.iter().cloned()).collect(),
        profile: Some(id.clone()),
        level: Level::Full,
    });
    let commit = profiles(9, vec![write(founder, &[("n", text(founder))])], links.collect());
    wait(store.commit_profiles(commit)).unwrap();
    store.profile(&id).unwrap().unwrap().number
}

fn remove(store: &Sandbox, key: &str) {
    wait(store.commit_profiles(ProfileCommit { removed: vec![(profile_id(key), None)], ..removal(9, key, None) }))
        .unwrap();
}

fn timeline(store: &Sandbox, profile: i64) -> Vec<String> {
    let events = store.events_of(profile, None, Order::OldestFirst, 1_000).unwrap();
    assert_eq!(store.count_events(profile).unwrap(), events.len() as u64);
    assert!(events.iter().all(|event| event.profile == Some(profile)), "{events:?}");
    let mut back = store.events_of(profile, None, Order::NewestFirst, 1_000).unwrap();
    back.reverse();
    assert_eq!(back, events);
    keys(&events)
}

fn keys(events: &[StoredEvent]) -> Vec<String> {
    events.iter().map(|event| event.source_key.split('@').next().unwrap().to_owned()).collect()
}

#[test]
fn an_event_that_was_told_again_later_makes_what_lies_between_old() {
    let f = sandbox();
    let lead = person(&f.store, &key(1), &[]);
    let told = |at, dated| EventChange { at, dated, ..event("5@m.M", 10, 100, &[Identity::source_key(&key(1))]) };
    assert_eq!(tell(&f.store, vec![told(10, true)]), (1, 0, 0));
    // The time of reading is not the vendor's word.
    assert_eq!(tell(&f.store, vec![told(50, false), told(30, true)]), (0, 2, 0));
    assert_eq!(tell(&f.store, vec![gone("5@m.M", 20)]), (0, 0, 1));
    assert_eq!(timeline(&f.store, lead), ["5"]);
    assert_eq!(tell(&f.store, vec![gone("5@m.M", 40)]), (1, 0, 0));
    assert_eq!(tell(&f.store, vec![gone("5@m.M", 60), told(55, true)]), (0, 1, 1));
    assert_eq!(timeline(&f.store, lead), [""; 0]);
}

#[test]
fn an_event_is_there_once_as_it_was_told_last() {
    let f = sandbox();
    let lead = person(&f.store, &key(1), &[]);
    let by = [Identity::source_key(&key(1))];
    assert_eq!(tell(&f.store, vec![event("5@m.M", 10, 100, &by), event("6@m.M", 10, 50, &by)]), (2, 0, 0));
    assert_eq!(timeline(&f.store, lead), ["6", "5"], "by time");
    // The same again, also read later; then something older, and something newer that moves it.
    assert_eq!(tell(&f.store, vec![event("5@m.M", 10, 100, &by)]), (0, 1, 0));
    assert_eq!(tell(&f.store, vec![event("5@m.M", 9, 1, &by)]), (0, 0, 1));
    assert_eq!(tell(&f.store, vec![event("5@m.M", 11, 40, &by)]), (1, 0, 0));
    assert_eq!(timeline(&f.store, lead), ["5", "6"]);
    let all = f.store.events_of(lead, None, Order::OldestFirst, 9).unwrap();
    assert_eq!(
        (all[0].time, all[0].event_type.as_str(), all[0].stream.as_str()),
        (40, "web.formFilledOut", "activities")
    );
    assert_eq!(all[0].attributes, [("page".to_owned(), text("/a"))]);
    assert_eq!(all[0].native.get("at"), Some(&Value::Timestamp(11)));
    assert_eq!(all[0].connection, connection());
    // Each change has its place in the sequence, after that of the record.
    let changes = f.store.changes(Feed::Events, 0, 9).unwrap();
    let subjects: Vec<i64> = changes.iter().map(|change| change.subject).collect();
    assert_eq!(subjects, [all[0].number, all[1].number, all[0].number]);
    assert_eq!(f.store.newest(Feed::Events).unwrap(), changes[2].seq);
    assert_eq!(f.store.changes(Feed::Records, 0, 9).unwrap().len(), 1, "events are no records");
    assert_eq!(keys(&f.store.events_by_number(&[subjects[1], 99, subjects[0]]).unwrap()), ["6", "5"]);
}

#[test]
fn who_loses_an_event_is_looked_at_again() {
    let f = sandbox();
    let (one, other) = (person(&f.store, &key(1), &[]), person(&f.store, &key(2), &[]));
    let by = |n: usize| [Identity::source_key(&key(n))];
    tell(
        &f.store,
        vec![event("5@m.M", 10, 100, &by(1)), event("6@m.M", 10, 50, &by(1)), event("7@m.M", 10, 50, &by(2))],
    );
    assert_eq!(f.store.next_due_membership().unwrap(), None, "an event that comes is followed by its number");
    // It was somebody else's.
    tell(&f.store, vec![event("5@m.M", 20, 100, &by(2))]);
    assert_eq!(f.store.due_memberships(20, 9).unwrap(), [one]);
    let settled = MembershipCommit { looked_at: vec![one, other], ..MembershipCommit::default() };
    wait(f.store.commit_memberships(settled)).unwrap();
    // All that the stream brought is taken away.
    wait(f.store.remove_of_stream(&connection(), "activities", Place::Events(0), 9, 30)).unwrap();
    assert_eq!(f.store.due_memberships(30, 9).unwrap(), [one, other]);
}

#[test]
fn what_was_taken_back_stays_away_until_it_is_told_anew() {
    let f = sandbox();
    let lead = person(&f.store, &key(1), &[]);
    let by = [Identity::source_key(&key(1))];
    tell(&f.store, vec![event("5@m.M", 10, 100, &by), event("6@m.M", 10, 50, &by)]);
    assert_eq!(tell(&f.store, vec![gone("5@m.M", 20)]), (1, 0, 0));
    assert_eq!(timeline(&f.store, lead), ["6"]);
    assert_eq!(tell(&f.store, vec![gone("5@m.M", 20), event("5@m.M", 10, 100, &by)]), (0, 1, 1));
    assert_eq!(timeline(&f.store, lead), ["6"]);
    assert_eq!(f.store.events_by_number(&[1, 2]).unwrap().len(), 1);
    // Taken back before it came.
    assert_eq!(tell(&f.store, vec![gone("7@m.M", 20), event("7@m.M", 19, 1, &by)]), (0, 1, 1));
    assert_eq!(tell(&f.store, vec![event("5@m.M", 30, 10, &by)]), (1, 0, 0));
    assert_eq!(timeline(&f.store, lead), ["5", "6"]);
}

#[test]
fn who_it_was_is_the_firmest_name_that_names_anybody() {
    let f = sandbox();
    let told = vec![
        event("1@m.M", 1, 10, &[ecid(0), ecid(1), email("a@x.com")]),
        event("2@m.M", 1, 20, &[email("a@x.com")]),
        event("3@m.M", 1, 30, &[Identity::source_key(&key(2))]),
    ];
    tell(&f.store, told);
    let of = || f.store.events_by_number(&[1, 2, 3]).unwrap().iter().map(|event| event.profile).collect::<Vec<_>>();
    assert_eq!(of(), [None, None, None], "nobody is known yet");
    // The address is known first: both are its person's. Then the second device turns up with another person.
    let first = person(&f.store, &key(1), &[email("a@x.com")]);
    assert_eq!((timeline(&f.store, first), of()), (vec!["1".into(), "2".into()], vec![Some(first), Some(first), None]));
    let second = person(&f.store, &key(2), &[ecid(1)]);
    assert_eq!(timeline(&f.store, first), ["2"]);
    assert_eq!(timeline(&f.store, second), ["1", "3"]);
    // One person with both devices and the address has each event once.
    joined(&f.store, &key(1), &[(&key(1), &[email("a@x.com"), ecid(0)]), (&key(2), &[ecid(1)])]);
    assert_eq!(timeline(&f.store, first), ["1", "2", "3"]);
    remove(&f.store, &key(2));
    assert_eq!(timeline(&f.store, second), Vec::<String>::new());
}

/// All rows of events, as they stand.
fn rows(f: &Fixture) -> Vec<String> {
    let sql = f.sql();
    let mut statement = sql
        .prepare(
            "SELECT 'e' || subject || ' ' || time || ' ' || number || ' ' || rank FROM event
             UNION ALL SELECT 's' || number || ' ' || namespace || ' ' || value FROM event_subject
             UNION ALL SELECT 'p' || number || ' ' || at || ' ' || subjects || ' ' || body FROM event_payload",
        )
        .unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn merging_two_persons_unites_their_timelines_and_rewrites_no_row() {
    let f = sandbox();
    let (a, b) = (person(&f.store, &key(1), &[]), person(&f.store, &key(2), &[]));
    let by = |n| [Identity::source_key(&key(n))];
    let told = (0..10_usize).map(|n| event(&format!("{n}@m.M"), 1, n as i64, &by(1 + n % 2)));
    tell(&f.store, told.collect());
    assert_eq!((timeline(&f.store, a).len(), timeline(&f.store, b).len()), (5, 5));
    let (before, newest) = (rows(&f), f.store.newest(Feed::Events).unwrap());

    joined(&f.store, &key(1), &[(&key(1), &[]), (&key(2), &[])]);
    remove(&f.store, &key(2));
    let all: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!((timeline(&f.store, a), timeline(&f.store, b)), (all, vec![]));
    // And apart again.
    let b = person(&f.store, &key(2), &[]);
    assert_eq!(
        (timeline(&f.store, a), timeline(&f.store, b).len()),
        (["0", "2", "4", "6", "8"].map(str::to_owned).to_vec(), 5)
    );
    assert_eq!((rows(&f), f.store.newest(Feed::Events).unwrap()), (before, newest));
}

/// A merge at the source takes the one record away: what it did is the other's from then on.
#[test]
fn events_of_a_record_that_its_source_merged_away_are_the_others() {
    let f = sandbox();
    let a = person(&f.store, &key(1), &[]);
    person(&f.store, &key(2), &[]);
    person(&f.store, &key(3), &[]);
    for n in 1..=3 {
        tell(&f.store, vec![event(&format!("{n}@m.M"), 1, n, &[Identity::source_key(&key(n as usize))])]);
    }
    let before = rows(&f);
    let merge = |from: usize, into: usize, at| RecordChange {
        merged_into: Some(key(into)),
        kind: RowKind::Merge,
        ..full(&key(from), at, &[])
    };
    // The third into the second, and that into the first.
    wait(f.store.commit_page(page("leads", "b", vec![merge(3, 2, 20), merge(2, 1, 21)]))).unwrap();
    for n in [2, 3] {
        let record = f.store.record(&PERSON, &key(n)).unwrap().unwrap().number;
        let links = vec![RecordLink { record, identities: vec![], profile: None, level: Level::Full }];
        let commit = ProfileCommit { links, ..removal(9, &key(n), Some(&key(1))) };
        wait(f.store.commit_profiles(commit)).unwrap();
    }
    assert_eq!(timeline(&f.store, a), ["1", "2", "3"]);
    assert_eq!(rows(&f), before);
    // The second comes back, and what was merged into it with it.
    wait(f.store.commit_page(page("leads", "c", vec![full(&key(2), 30, &[("n", text("x"))])]))).unwrap();
    let b = person(&f.store, &key(2), &[]);
    assert_eq!((timeline(&f.store, a), timeline(&f.store, b)), (vec!["1".into()], vec!["2".into(), "3".into()]));
}

#[test]
fn pages_of_a_timeline_go_both_ways_and_stand_still_under_writes() {
    let f = sandbox();
    let lead = person(&f.store, &key(1), &[ecid(0)]);
    let by = |n: usize| if n.is_multiple_of(3) { ecid(0) } else { Identity::source_key(&key(1)) };
    // Several at one time.
    let told = (0..20_usize).map(|n| event(&format!("{n}@m.M"), 1, (n / 4) as i64, &[by(n)]));
    tell(&f.store, told.collect());
    let all = f.store.events_of(lead, None, Order::OldestFirst, 99).unwrap();
    assert_eq!(all.len(), 20);
    for order in [Order::OldestFirst, Order::NewestFirst] {
        for limit in [1, 3, 7] {
            let (mut seen, mut after): (Vec<i64>, Option<EventPlace>) = (vec![], None);
            loop {
                let page = f.store.events_of(lead, after, order, limit).unwrap();
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                after = Some(last.place());
                seen.extend(page.iter().map(|event| event.number));
                assert!(seen.len() <= all.len(), "it never ends");
            }
            if order == Order::NewestFirst {
                seen.reverse();
            }
            assert_eq!(seen, all.iter().map(|event| event.number).collect::<Vec<_>>(), "{order:?} {limit}");
        }
    }
    let page = f.store.events_of(lead, None, Order::NewestFirst, 5).unwrap();
    tell(&f.store, vec![event("new@m.M", 1, 100, &[by(1)])]);
    let next = f.store.events_of(lead, Some(page[4].place()), Order::NewestFirst, 5).unwrap();
    assert_eq!(next[0].number, all[14].number);
}

/// What was told of an event: when, and when it happened; or that it was taken back.
type Told = (u8, Millis, Option<i64>);

fn change((key, at, time): &Told) -> EventChange {
    let key = format!("{key}@m.M");
    match time {
        None => gone(&key, *at),
        Some(time) => event(&key, *at, *time, &[if time % 2 == 0 { ecid(0) } else { email("a@x.com") }]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Pages, repeats and the order of arrival never matter: of each event what was told last counts.
    #[test]
    fn batches_repeats_and_reopening_keep_events_exact(
        told in vec((0..6_u8, prop::option::weighted(0.8, 0..8_i64)), 1..20),
        lengths in vec(1..5_usize, 1..4),
        turn in 0..20_usize,
    ) {
        // Times differ, so that what is newest does not depend on the order.
        let told: Vec<Told> = (1..).zip(told).map(|(at, (key, time))| (key, at, time)).collect();
        let mut expected: BTreeMap<u8, Option<i64>> = BTreeMap::new();
        for (key, _, time) in &told {
            expected.insert(*key, *time);
        }
        let mut expected: Vec<(i64, String)> =
            expected.into_iter().filter_map(|(key, time)| Some((time?, key.to_string()))).collect();
        expected.sort();

        let mut turned = told.clone();
        turned.rotate_left(turn % told.len());
        turned.extend(&told);
        let mut f = sandbox();
        let mut lengths = lengths.iter().cycle();
        let mut rest: &[Told] = &turned;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
            tell(&f.store, now.iter().map(change).collect());
            rest = later;
        }
        f = f.reopened();
        let lead = person(&f.store, &key(1), &[ecid(0), email("a@x.com")]);
        let mut found: Vec<(i64, String)> = f
            .store
            .events_of(lead, None, Order::OldestFirst, 99)
            .unwrap()
            .into_iter()
            .map(|event| (event.time, event.source_key.split('@').next().unwrap().to_owned()))
            .collect();
        found.sort();
        prop_assert_eq!(f.store.count_events(lead).unwrap(), found.len() as u64);
        prop_assert_eq!(found, expected);
    }
}
