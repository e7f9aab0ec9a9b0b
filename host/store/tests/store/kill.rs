//! kill -9: a process that commits and says so is killed at seeded moments. Nothing it acknowledged may be missing, and
//! nothing may be half there.

use crate::support::*;
use attiva_core::Value;
use attiva_core::event::{Event, EventChange};
use attiva_core::identity::Identity;
use attiva_core::model::EntityKind;
use attiva_core::ports::store::{Expect, Feed, Kind, MembershipStatus, Order, PageCommit, SandboxStore};
use attiva_core::record::Fields;
use attiva_store::{Options, Sandbox};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const DIRECTORY: &str = "ATTIVA_STORE_KILL_DIRECTORY";
const ROUNDS: usize = 8;
const SEED: u64 = 20_261_123;

/// A page has this many records of its own, and sets these others to its number.
const OWN: usize = 15;
const SHARED: usize = 5;
const CHANGES: u64 = (OWN + SHARED) as u64;

#[test]
fn nothing_acknowledged_is_missing_after_kill_9() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return commit_for_ever(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let mut random = SEED;
    for round in 0..ROUNDS {
        let after_acknowledgements = 1 + next(&mut random) % 60;
        let and_microseconds = next(&mut random) % 4_000;
        println!("round {round}: killed {and_microseconds} us after acknowledgement {after_acknowledgements}");
        let acknowledged = run_and_kill(directory.path(), after_acknowledgements, and_microseconds);
        check(directory.path(), acknowledged);
    }
    let store = Sandbox::open(directory.path(), &Options::default()).unwrap();
    assert!(page_number(&store) > 2, "it was killed before there was anything to lose");
}

/// What the killed process had been told was durable: the newest number of each kind.
#[derive(Debug, Default, Clone, Copy)]
struct Acknowledged {
    page: u64,
    events: u64,
    profiles: u64,
    members: u64,
    document: u64,
}

fn run_and_kill(directory: &Path, after: u64, microseconds: u64) -> Acknowledged {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::nothing_acknowledged_is_missing_after_kill_9", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut acknowledged = Acknowledged::default();
    let mut count = 0;
    // Reading goes on after the kill: what was printed by then had been acknowledged.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((kind, number)) = line.strip_prefix("done ").and_then(|rest| rest.split_once(' ')) else { continue };
        // The last line may be cut; a number cut short is a smaller one.
        let Ok(number) = number.parse::<u64>() else { continue };
        let newest = match kind {
            "page" => &mut acknowledged.page,
            "events" => &mut acknowledged.events,
            "profiles" => &mut acknowledged.profiles,
            "members" => &mut acknowledged.members,
            "document" => &mut acknowledged.document,
            _ => panic!("an unknown line: {line}"),
        };
        *newest = number.max(*newest);
        count += 1;
        if count == after {
            std::thread::sleep(Duration::from_micros(microseconds));
            child.kill().unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(count >= after && !status.success(), "it ended by itself after {count}: {status}");
    acknowledged
}

fn commit_for_ever(directory: &Path) {
    let store = Sandbox::open(directory, &Options::default()).unwrap();
    // Beside the pages, so that commits are shared.
    std::thread::spawn({
        let store = Arc::clone(&store);
        move || {
            loop {
                let version = wait(store.put_document(document(Kind::Run, "run_1", "x"), Expect::Anything)).unwrap();
                say("document", version);
            }
        }
    });
    // Each resumes from its own cursor, as the host does.
    for n in page_number(&store).max(1).. {
        if page_number(&store) < n {
            commit_page(&store, n);
            say("page", n);
        }
        if cursor_of(&store, "activities") < n {
            commit_events(&store, n);
            say("events", n);
        }
        if store.projector_cursor("profiles").unwrap() < n {
            commit_profiles(&store, n);
            say("profiles", n);
        }
        if store.projector_cursor("segments").unwrap() < n {
            commit_members(&store, n);
            say("members", n);
        }
    }
}

/// A line of its own, in one write: the test harness and the other thread write too.
fn say(kind: &str, number: u64) {
    let line = format!("\ndone {kind} {number}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}

fn own(n: u64, i: usize) -> String {
    format!("{n}-{i}@x.M")
}

fn shared(i: usize) -> String {
    format!("shared-{i}@x.M")
}

fn number_of(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap())
}

fn email(n: u64) -> Identity {
    Identity::email(&format!("{n}@x.com")).unwrap()
}

fn commit_page(store: &Sandbox, n: u64) {
    let at = i64::try_from(n).unwrap();
    let own = (0..OWN).map(|i| full(&own(n, i), at, &[("n", number_of(n))]));
    let shared = (0..SHARED).map(|i| full(&shared(i), at, &[("n", number_of(n))]));
    let done = wait(store.commit_page(page("leads", &n.to_string(), own.chain(shared).collect()))).unwrap();
    assert_eq!(done.changed, CHANGES);
}

/// A page of events has this many of its own, and moves one to its number.
const HAPPENED: usize = 4;

fn commit_events(store: &Sandbox, n: u64) {
    let at = i64::try_from(n).unwrap();
    let happened = |key: String| {
        let event = Event {
            time: at,
            event_type: "x".into(),
            subjects: vec![Identity::source_key(&shared(0))],
            attributes: vec![("page".into(), number_of(n))],
            native: Fields::default(),
        };
        EventChange { source_key: key, at, dated: true, event: Some(event) }
    };
    let events = (0..HAPPENED).map(|i| happened(own(n, i))).chain([happened("moved@x.M".into())]).collect();
    let entity = Some(EntityKind::Activity.into());
    let commit = PageCommit { entity, events, ..page("activities", &n.to_string(), vec![]) };
    assert_eq!(wait(store.commit_page(commit)).unwrap().changed, HAPPENED as u64 + 1);
}

/// The profile of page n: one that always is, and one that takes the place of that of the page before.
fn commit_profiles(store: &Sandbox, n: u64) {
    let record = store.record(&PERSON, &shared(0)).unwrap().unwrap().number;
    let always = write("always", &[("n", number_of(n))]);
    let of_page = write(&format!("page-{n}"), &[("n", number_of(n))]);
    let identities = [Identity::source_key(&shared(0)), email(n)];
    let mut commit = profiles(n, vec![always, of_page], vec![link(record, Some("always"), &identities)]);
    commit.removed = vec![(profile_id(&format!("page-{}", n - 1)), Some(profile_id(&format!("page-{n}"))))];
    wait(store.commit_profiles(commit)).unwrap();
}

/// The profile that always is is a member after even pages; each page's profile is one until it is removed.
fn commit_members(store: &Sandbox, n: u64) {
    let number = |name: &str| store.profile(&profile_id(name)).unwrap().unwrap().number;
    let status = if n.is_multiple_of(2) { MembershipStatus::Realized } else { MembershipStatus::Exited };
    let changes = [(1, number("always"), status), (2, number(&format!("page-{n}")), MembershipStatus::Realized)];
    wait(store.commit_memberships(memberships(n, &changes))).unwrap();
}

fn page_number(store: &Sandbox) -> u64 {
    cursor_of(store, "leads")
}

fn cursor_of(store: &Sandbox, stream: &str) -> u64 {
    let state = store.stream_state(&connection(), stream).unwrap();
    state.map_or(0, |state| String::from_utf8(state.cursor.bytes).unwrap().parse().unwrap())
}

fn check(directory: &Path, acknowledged: Acknowledged) {
    let store = Sandbox::open(directory, &Options::default()).unwrap();
    let integrity: String = rusqlite::Connection::open(directory.join("store.db"))
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");

    let n = page_number(&store);
    assert!(n >= acknowledged.page && n <= acknowledged.page + 1, "page {n}, {acknowledged:?}");
    check_records(&store, n);
    let happened = cursor_of(&store, "activities");
    assert!(happened >= acknowledged.events && happened <= n, "events {happened}, {acknowledged:?}");
    check_events(&store, happened);

    let projected = store.projector_cursor("profiles").unwrap();
    assert!(projected >= acknowledged.profiles && projected <= n, "profiles {projected}, {acknowledged:?}");
    let evaluated = store.projector_cursor("segments").unwrap();
    assert!(evaluated >= acknowledged.members && evaluated <= projected, "members {evaluated}, {acknowledged:?}");
    if projected > 0 {
        check_profiles(&store, projected, evaluated);
    }

    let version = store.document(Kind::Run, "run_1").unwrap().map_or(0, |document| document.version);
    assert!(version >= acknowledged.document, "document {version}, {acknowledged:?}");
}

fn check_records(store: &Sandbox, n: u64) {
    let has = |key: &str, expected: u64| {
        let record = store.record(&PERSON, key).unwrap().unwrap_or_else(|| panic!("{key} is missing"));
        assert_eq!(record.body.fields.get("n"), Some(&number_of(expected)), "{key}");
    };
    for of in 1..=n {
        (0..OWN).for_each(|i| has(&own(of, i), of));
    }
    if n > 0 {
        (0..SHARED).for_each(|i| has(&shared(i), n));
    }
    assert_eq!(store.record(&PERSON, &own(n + 1, 0)).unwrap(), None, "half of page {}", n + 1);
    let changes = store.changes(Feed::Records, 0, usize::MAX).unwrap();
    assert_eq!(changes.len() as u64, n * CHANGES);
}

fn check_events(store: &Sandbox, n: u64) {
    let of_pages = n * HAPPENED as u64;
    let changes = store.changes(Feed::Events, 0, usize::MAX).unwrap();
    assert_eq!(changes.len() as u64, of_pages + n, "half of a page of events");
    let numbers: BTreeSet<i64> = changes.iter().map(|change| change.subject).collect();
    let numbers: Vec<i64> = numbers.into_iter().collect();
    let events = store.events_by_number(&numbers).unwrap();
    assert_eq!(events.len() as u64, if n == 0 { 0 } else { of_pages + 1 });
    let moved = events.iter().find(|event| event.source_key == "moved@x.M");
    assert_eq!(moved.map(|event| event.time.cast_unsigned()), (n > 0).then_some(n));
    // Whom the events name has a profile after the first step of the projector, and then all of them.
    if let Some(profile) = store.profile(&profile_id("always")).unwrap() {
        let found = store.events_of(profile.number, None, Order::OldestFirst, usize::MAX).unwrap();
        assert_eq!(found.len(), events.len());
        assert_eq!(store.count_events(profile.number).unwrap(), events.len() as u64);
    }
}

fn check_profiles(store: &Sandbox, projected: u64, evaluated: u64) {
    let always = store.profile(&profile_id("always")).unwrap().unwrap();
    assert_eq!(always.attributes, [("n".to_owned(), number_of(projected))]);
    // The link of this commit, and none of an earlier one.
    let record = store.record(&PERSON, &shared(0)).unwrap().unwrap();
    assert_eq!(record.profile, Some(profile_id("always")));
    let identities = [Identity::source_key(&shared(0)), email(projected)];
    assert_eq!(store.identities_of(&[record.number]).unwrap(), [identities]);
    assert_eq!(carriers(store, &[email(projected)]), [record.number]);
    assert!(carriers(store, &[email(projected - 1)]).is_empty());
    // Of the pages' profiles only the newest is there, and the first leads to it.
    assert_eq!(store.count_profiles(&PERSON).unwrap(), 2);
    let newest = profile_id(&format!("page-{projected}"));
    assert_eq!(store.profile(&profile_id("page-1")).unwrap().unwrap().id, newest);

    let is_member = !store.members(&segment(1), 0, 9).unwrap().is_empty();
    assert_eq!(is_member, evaluated > 0 && evaluated.is_multiple_of(2));
    for n in [1, 2] {
        let members = store.members(&segment(n), 0, 9).unwrap();
        assert_eq!(store.count_members(&segment(n)).unwrap(), members.len() as u64);
    }
    // The page's profile enters once it is evaluated; its predecessor left when it was removed.
    let members: Vec<_> = store.members(&segment(2), 0, 9).unwrap().into_iter().map(|(_, m)| m.profile).collect();
    assert_eq!(members, if evaluated == projected { vec![newest] } else { vec![] });
}

/// A small generator: the test must say again exactly what it said before.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}
