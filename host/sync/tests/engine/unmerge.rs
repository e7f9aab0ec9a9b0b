//! Two people whom something made one are made two again: as if they had never been one, and for good.

use crate::support::tables::{Office, Row, Tables, Vendors};
use crate::support::{PERSON, document};
use attiva_core::config::Segment;
use attiva_core::id::SegmentId;
use attiva_core::identity::{NeverLink, unmerge};
use attiva_core::ports::store::{DocumentWrite, Expect, Kind, Order, Reconsider};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const DEVICE: &str = "12345678901234567890123456789012345678";
const SEGMENTS: [(&str, &str); 3] = [
    ("chiefs", "person.job_title == \"CEO\""),
    ("readers", "events.exists(e, e.page == \"/1\")"),
    ("busy", "person.events.size() > 1"),
];

fn vendors() -> Vendors {
    const LEAD: &str = "source_key(record.lead, instance.id, instance.system)";
    const COMPANY: &str = "source_key(record.company, instance.id, instance.system)";
    let tables = Tables::default()
        .table(
            "leads",
            "person",
            &[
                ("email", "record.mail"),
                ("job_title", "record.title"),
                ("account_key", COMPANY),
                ("ecids", "record.device"),
            ],
        )
        .table("companies", "account", &[("name", "record.name"), ("website", "record.site")])
        .table(
            "activities",
            "activity",
            &[("person_key", LEAD), ("email", "record.mail"), ("ecids", "record.device"), ("page", "record.page")],
        );
    Vendors::from([("m1", Arc::new(tables))])
}

/// Persons by their records: what each is, is named by, has done and belongs to. Not when its account was found: it is
/// found anew after somebody was another meanwhile.
fn outcome(office: &Office) -> BTreeMap<Vec<String>, String> {
    let of = |profile: &attiva_core::ports::store::Profile| {
        let mut attributes = profile.attributes.clone();
        attributes.retain(|(name, _)| name != "matched_account_date");
        attributes.sort_by(|a, b| a.0.cmp(&b.0));
        let events = office.store.events_of(profile.number, None, Order::OldestFirst, 1_000).unwrap();
        let events: Vec<String> = events.into_iter().map(|event| event.source_key).collect();
        let references = office.store.references(&[profile.number]).unwrap().remove(0);
        let references: BTreeSet<String> = references.iter().map(|r| format!("{r:?}")).collect();
        let segments: BTreeSet<_> =
            office.store.memberships(&[profile.number]).unwrap().remove(0).into_iter().collect();
        format!("{attributes:?} {events:?} {references:?} {segments:?} {}", profile.degraded)
    };
    office.all(&PERSON).iter().map(|profile| (office.records_of(profile), of(profile))).collect()
}

async fn defined(office: &Office) {
    for (name, text) in SEGMENTS {
        let id = SegmentId::parse(&format!("seg_{name}")).unwrap();
        let write = document(Kind::Segment, id.as_str(), &Segment::new(id.clone(), name, text, 0)).remove(0).0;
        office.store.put_document(write, Expect::Anything).await.unwrap();
    }
    office.engine.segments_changed();
}

async fn told(office: &Office, rows: &[(&'static str, Row)]) {
    for (table, row) in rows {
        office.vendors["m1"].tell(table, vec![row.clone()]);
        office.read_all().await;
    }
}

async fn kept_apart(office: &Office, links: &[NeverLink]) {
    let records = links.iter().flat_map(|link| [link.a.clone(), link.b.clone()]).collect();
    let write =
        |link: &NeverLink| -> (DocumentWrite, Expect) { document(Kind::NeverLink, link.id().as_str(), link).remove(0) };
    let writes = links.iter().map(write).collect();
    office.engine.reconsider(writes, vec![], Reconsider::Records(PERSON, records)).await.unwrap();
    office.settled().await;
}

fn lead(key: String, mail: &str, title: usize, company: u8) -> Row {
    let mut cells = vec![("mail", mail.to_owned()), ("title", ["CEO", "CTO"][title].to_owned())];
    if company < 2 {
        cells.push(("company", company.to_string()));
    }
    Row { key, at: 0, deleted: false, cells }
}

fn group(letter: &'static str, mail: &'static str) -> impl Strategy<Value = Vec<Row>> {
    vec((0..2_usize, 0..4_u8), 1..4).prop_map(move |records| {
        let records = records.into_iter().enumerate();
        records.map(|(n, (title, company))| lead(format!("{letter}{n}"), mail, title, company)).collect()
    })
}

fn events() -> impl Strategy<Value = Vec<Row>> {
    vec((0..5_u8, 0..2_u8), 0..6).prop_map(|events| {
        let event = |(n, (by, page)): (usize, (u8, u8))| {
            let by = match by {
                0 => ("lead", "a0".to_owned()),
                1 => ("lead", "b0".to_owned()),
                2 => ("mail", "a@c0.com".to_owned()),
                3 => ("mail", "b@c1.com".to_owned()),
                _ => ("device", DEVICE.to_owned()),
            };
            Row { key: format!("9{n}"), at: 0, deleted: false, cells: vec![by, ("page", format!("/{page}"))] }
        };
        events.into_iter().enumerate().map(event).collect()
    })
}

fn keys(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| format!("{}@m1.M", row.key)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unmerge_undoes_a_merge_and_goes_on_to(
        (ann, mut bob) in (group("a", "a@c0.com"), group("b", "b@c1.com")),
        (events, more) in (events(), events()),
        turn in 0..20_usize,
        step in prop::sample::select(vec![1_usize, 100]),
        title in 0..2_usize,
        with_bridge in any::<bool>(),
    ) {
        // What will join them: a device that one of them has, and a record of the other's address says as well.
        bob[0].cells.push(("device", DEVICE.to_owned()));
        let mut bridge = lead("x".into(), "a@c0.com", title, 9);
        bridge.cells.push(("device", DEVICE.to_owned()));
        let company = |n: u8| Row {
            key: n.to_string(),
            at: 0,
            deleted: false,
            cells: vec![("name", format!("C{n}")), ("site", format!("c{n}.com"))],
        };
        let mut first: Vec<(&'static str, Row)> = ann.iter().chain(&bob).map(|row| ("leads", row.clone())).collect();
        first.extend((0..2).map(|n| ("companies", company(n))));
        first.extend(events.into_iter().map(|row| ("activities", row)));
        let turn = turn % first.len();
        first.rotate_left(turn);
        // Later: everybody says something else, something happens, and somebody else comes who looks like both.
        let mut later: Vec<(&'static str, Row)> = Vec::new();
        for row in [&ann[0], &bob[0]] {
            let mut row = row.clone();
            row.cells[1].1 = ["CTO", "CEO"][title].to_owned();
            later.push(("leads", row));
        }
        later.push(("leads", Row { key: "y".into(), ..bridge.clone() }));
        later.extend(more.into_iter().map(|row| ("activities", Row { key: format!("8{}", row.key), ..row })));
        let mut at = 10;
        for (_, row) in first.iter_mut().chain(&mut later) {
            (at, row.at) = (at + 1, at);
        }
        bridge.at = 5;

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let office = Office::start(dir.path(), &vendors(), step).await;
            defined(&office).await;
            told(&office, &first).await;
            let before = outcome(&office);
            let (anns, bobs) = (keys(&ann), keys(&bob));
            assert_eq!(before.keys().cloned().collect::<Vec<_>>(), [anns.clone(), bobs.clone()]);

            told(&office, &[("leads", bridge.clone())]).await;
            let [one] = office.all(&PERSON).try_into().unwrap();
            let all = office.records_of(&one);
            let bridges = vec!["x@m1.M".to_owned()];
            // The record that joined them is somebody's, or nobody's.
            let groups = if with_bridge {
                vec![anns.clone(), bobs.clone()]
            } else {
                vec![[anns.clone(), bridges.clone()].concat(), bobs.clone()]
            };
            let links = unmerge(&PERSON, &all, &groups, "two people", "ann", 5).unwrap();
            kept_apart(&office, &links).await;
            let after = outcome(&office);
            assert_eq!(after.get(&bobs), before.get(&bobs), "who has no part in what joined them");
            if with_bridge {
                assert_eq!((after.get(&anns), after.len()), (before.get(&anns), 3));
            } else {
                assert_eq!(after.len(), 2);
            }
            office.engine.reconsider(vec![], vec![], Reconsider::All).await.unwrap();
            office.settled().await;
            assert_eq!(outcome(&office), after, "looked at again");

            told(&office, &later).await;
            let now = outcome(&office);
            for records in now.keys() {
                let has = |of: &[String]| records.iter().any(|record| of.contains(record));
                assert!(!(has(&anns) && has(&bobs)), "{records:?}");
            }
            office.stop().await;

            // Had they been told apart from the start, everything would be the same.
            let dir = tempfile::tempdir().unwrap();
            let office = Office::start(dir.path(), &vendors(), step).await;
            defined(&office).await;
            kept_apart(&office, &links).await;
            told(&office, &first).await;
            told(&office, &[("leads", bridge)]).await;
            told(&office, &later).await;
            assert_eq!(outcome(&office), now, "told apart from the start");
            office.stop().await;
        });
    }
}
