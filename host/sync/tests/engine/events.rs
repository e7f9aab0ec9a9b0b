//! Streams of events, from rows to timelines.

use super::support::document;
use super::support::tables::*;
use attiva_core::config::Segment;
use attiva_core::id::SegmentId;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Expect, Feed, Kind, Order, Profile, StoredEvent};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const PERSON: EntityName = EntityName::PERSON;
const ECID: &str = "12345678901234567890123456789012345678";

fn vendors() -> Vendors {
    let tables =
        Tables::default().table("leads", "person", &[("email", "record.mail"), ("ecids", "record.device")]).table(
            "activities",
            "activity",
            &[
                ("type", "record.type"),
                ("time", "record.time"),
                ("person_key", "source_key(record.lead, instance.id, instance.system)"),
                ("email", "record.mail"),
                ("ecids", "record.device"),
                ("page", "record.page"),
            ],
        );
    Vendors::from([("m1", Arc::new(tables))])
}

fn time(second: i64) -> String {
    format!("2026-01-01T00:00:{second:02}Z")
}

fn timeline(office: &Office, profile: &Profile) -> Vec<StoredEvent> {
    let events = office.store.events_of(profile.number, None, Order::OldestFirst, 1_000).unwrap();
    assert_eq!(office.store.count_events(profile.number).unwrap(), events.len() as u64);
    events
}

fn keys(events: &[StoredEvent]) -> Vec<String> {
    events.iter().map(|event| event.source_key.split('@').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn activities_are_events_of_the_person_whom_they_name() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let m1 = &vendors["m1"];
    m1.tell("leads", vec![row("1", 10, &[("mail", "a@x.com")]), row("2", 10, &[("mail", "b@x.com")])]);
    let told = [
        row("901", 10, &[("type", "web.formFilledOut"), ("time", &time(5)), ("lead", "1"), ("page", "/a")]),
        row("902", 10, &[("time", &time(3)), ("mail", "A@X.com"), ("device", ECID)]),
        row("903", 10, &[("time", &time(4)), ("page", "/nobody")]),
        row("904", 10, &[("type", "x"), ("time", &time(6)), ("lead", "2")]),
    ];
    m1.tell("activities", told.to_vec());
    let office = Office::start(dir.path(), &vendors, 100).await;
    let run = office.run("m1").await;
    office.settled().await;
    let progress = run.streams.iter().find(|stream| stream.stream == "activities").unwrap();
    assert_eq!((progress.changed, progress.rejected), (3, 1));
    let rejects = office.store.rejects(&run.id, 0, 9).unwrap();
    assert_eq!((rejects[0].1.code.as_str(), rejects[0].1.key.as_deref()), ("event.nobody", Some("903@m1.M")));

    let first = office.by_key(&PERSON, "1@m1.M").unwrap();
    let events = timeline(&office, &first);
    assert_eq!(keys(&events), ["902", "901"]);
    assert_eq!((events[0].event_type.as_str(), events[1].event_type.as_str()), ("activities", "web.formFilledOut"));
    assert!(events[1].attributes.iter().any(|(name, value)| name == "page" && value.as_text() == Some("/a")));
    assert_eq!(events[1].native.get("lead").and_then(|value| value.as_text()), Some("1"));
    // There are no profiles of them, and no records.
    let activity = EntityName::parse("activity").unwrap();
    assert!(office.all(&activity).is_empty());
    assert_eq!(office.store.record(&activity, "901@m1.M").unwrap(), None);
    // Whoever follows events finds them, and whose they are.
    let changes = office.store.changes(Feed::Events, 0, 9).unwrap();
    let numbers: Vec<i64> = changes.iter().map(|change| change.subject).collect();
    let found = office.store.events_by_number(&numbers).unwrap();
    let second = office.by_key(&PERSON, "2@m1.M").unwrap();
    let whose: BTreeMap<String, Option<i64>> =
        found.iter().map(|event| (event.source_key.clone(), event.profile)).collect();
    let expected = [("901", &first), ("902", &first), ("904", &second)];
    assert_eq!(whose, expected.map(|(key, whose)| (format!("{key}@m1.M"), Some(whose.number))).into());

    // The second turns out to be the first: one timeline, and no event has changed.
    m1.tell("leads", vec![row("2", 20, &[("mail", "a@x.com")])]);
    m1.tell("activities", vec![deleted("902", 30)]);
    office.read_all().await;
    let one = office.by_key(&PERSON, "2@m1.M").unwrap();
    assert_eq!(office.records_of(&one), ["1@m1.M", "2@m1.M"]);
    assert_eq!(keys(&timeline(&office, &one)), ["901", "904"]);
    let newest = office.store.changes(Feed::Events, changes[2].seq, 9).unwrap();
    assert_eq!(newest.len(), 1, "the one that was taken back");
}

/// A row of a person, with an address and a device of a few; or of an event, which names its person in some way.
/// An event may be there before the record of whom it names; that record may say nothing that the person does not say
/// already.
#[tokio::test]
async fn what_happened_to_a_record_that_joins_somebody_counts_for_segments() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let event = |key, lead, second| row(key, 10, &[("time", &time(second)), ("lead", lead)]);
    vendors["m1"].tell("activities", vec![event("901", "1", 1), event("902", "2", 2)]);
    vendors["m1"].tell("leads", vec![row("1", 20, &[("mail", "a@x.com")])]);
    vendors["m1"].tell("leads", vec![row("2", 10, &[("mail", "a@x.com")])]);
    let office = Office::start(dir.path(), &vendors, 1).await;
    let id = SegmentId::parse("seg_busy").unwrap();
    let segment = Segment::new(id.clone(), "busy", "person.events.size() > 1", 0);
    let write = document(Kind::Segment, id.as_str(), &segment).remove(0).0;
    office.store.put_document(write, Expect::Absent).await.unwrap();
    office.engine.segments_changed();
    office.read_all().await;
    let [one] = office.all(&PERSON).try_into().unwrap();
    assert_eq!(keys(&timeline(&office, &one)), ["901", "902"]);
    assert_eq!(office.store.count_members(&id).unwrap(), 1);
}

#[derive(Debug, Clone)]
struct Told {
    table: &'static str,
    row: Row,
}

fn any_row() -> impl Strategy<Value = Told> {
    let person = (0..3_u8, 0..3_u8, any::<bool>(), prop::bool::weighted(0.15)).prop_map(|(key, mail, device, gone)| {
        let mut cells = vec![("mail", format!("{mail}@x.com"))];
        if device {
            cells.push(("device", ECID.to_owned()));
        }
        Told { table: "leads", row: Row { key: key.to_string(), at: 0, deleted: gone, cells } }
    });
    let event = (10..16_u8, 0..8_u8, 0..3_u8, prop::bool::weighted(0.15)).prop_map(|(key, by, second, gone)| {
        let mut cells = vec![("time", time(i64::from(second))), ("page", format!("/{by}"))];
        match by {
            0..3 => cells.push(("lead", by.to_string())),
            3..6 => cells.push(("mail", format!("{}@x.com", by - 3))),
            _ => cells.extend([("device", ECID.to_owned()), ("mail", "0@x.com".to_owned())]),
        }
        Told { table: "activities", row: Row { key: key.to_string(), at: 0, deleted: gone, cells } }
    });
    prop_oneof![person, event]
}

/// Persons by their records, and what happened to each.
async fn outcome(told: &[Told], lengths: &[usize], step: usize, runs: usize, twice: bool) -> BTreeSet<String> {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let mut lengths = lengths.iter().cycle();
    for chunk in told.chunks(told.len().div_ceil(runs).max(1)) {
        for table in ["leads", "activities"] {
            let rows: Vec<Row> = chunk.iter().filter(|told| told.table == table).map(|told| told.row.clone()).collect();
            let rows = if twice { [rows.clone(), rows].concat() } else { rows };
            let mut rest: &[Row] = &rows;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
                vendors["m1"].tell(table, now.to_vec());
                rest = later;
            }
        }
        let office = Office::start(dir.path(), &vendors, step).await;
        office.read_all().await;
        office.stop().await;
    }
    let office = Office::start(dir.path(), &vendors, step).await;
    office.settled().await;
    let mut outcome = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for profile in office.all(&PERSON) {
        let events = timeline(&office, &profile);
        for event in &events {
            assert_eq!(event.profile, Some(profile.number));
            assert!(seen.insert(event.number), "an event of two persons");
        }
        let events: Vec<String> = events.iter().map(|e| format!("{} {:?}", e.source_key, e.attributes)).collect();
        let events: BTreeSet<String> = events.into_iter().collect();
        outcome.insert(format!("{:?} {events:?}", office.records_of(&profile)));
    }
    office.stop().await;
    outcome
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_batches_repeats_and_restarts_never_change_whose_events_are(
        told in vec(any_row(), 1..14),
        lengths in vec(1..5_usize, 1..3),
        turn in 0..14_usize,
        step in 1..4_usize,
        runs in 1..3_usize,
    ) {
        let told: Vec<Told> = (10..).zip(told).map(|(at, mut told)| { told.row.at = at; told }).collect();
        let mut turned = told.clone();
        turned.rotate_left(turn % told.len());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (plain, other) = runtime.block_on(async {
            (outcome(&told, &[100], 100, 1, false).await, outcome(&turned, &lengths, step, runs, true).await)
        });
        prop_assert_eq!(plain, other);
    }
}
