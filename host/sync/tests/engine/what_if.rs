//! What is told of rules before they are published, held against what they do once they are.

use crate::support::tables::{Office, Row, Tables, Vendors, row};
use crate::support::{PERSON, document};
use attiva_core::config::{AudienceEntity, Segment};
use attiva_core::evaluation::Evaluation;
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::identity::{NeverLink, Rules};
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Expect, Kind, Reconsider};
use attiva_sync::{AudienceChange, WhatIf};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const ACCOUNT: EntityName = EntityName::ACCOUNT;

fn vendors() -> Vendors {
    const LEAD: &str = "source_key(record.lead, instance.id, instance.system)";
    const COMPANY: &str = "source_key(record.company, instance.id, instance.system)";
    let tables = Tables::default()
        .table("leads", "person", &[("email", "record.mail"), ("job_title", "record.title"), ("account_key", COMPANY)])
        .table("companies", "account", &[("name", "record.name"), ("website", "record.site")])
        .table("places", "account_person", &[("account_key", COMPANY), ("person_key", LEAD)])
        .table("roles", "opportunity_person", &[("person_role", "record.role"), ("person_key", LEAD)])
        .table(
            "activities",
            "activity",
            &[("type", "record.type"), ("person_key", LEAD), ("email", "record.mail"), ("page", "record.page")],
        );
    Vendors::from([("m1", Arc::new(tables))])
}

/// One of each way on which a rule gets from a person, or to one.
const SEGMENTS: [(&str, AudienceEntity, &str); 12] = [
    ("chiefs", AudienceEntity::Person, "person.job_title == \"CEO\""),
    ("readers", AudienceEntity::Person, "events.exists(e, e.page == \"/1\")"),
    ("busy", AudienceEntity::Person, "person.events.size() > 1"),
    ("placed", AudienceEntity::Person, "person.accounts.exists(a, a.name == \"C1\")"),
    ("twice", AudienceEntity::Person, "person.components.size() > 1"),
    ("by-record", AudienceEntity::Person, "person.components.exists(c, !c.is_matched && c.account.name == \"C0\")"),
    ("matched", AudienceEntity::Person, "person.matched_account.name == \"C1\""),
    ("colleagues", AudienceEntity::Person, "person.accounts.exists(a, a.people.size() > 1)"),
    ("deciders", AudienceEntity::Person, "person.opportunity_relations.exists(r, r.person_role == \"d\")"),
    ("neither", AudienceEntity::Person, "!inAudience(\"chiefs\") && !inAudience(\"readers\")"),
    ("peopled", AudienceEntity::Account, "account.people.size() > 1"),
    ("led", AudienceEntity::Account, "account.people.exists(p, p.job_title == \"CEO\")"),
];

async fn define(office: &Office, segments: &[(&str, AudienceEntity, &str)]) {
    for (name, entity, text) in segments {
        let id = SegmentId::parse(&format!("seg_{name}")).unwrap();
        let segment = Segment { entity: *entity, ..Segment::new(id.clone(), name, text, 0) };
        let write = document(Kind::Segment, id.as_str(), &segment).remove(0).0;
        office.store.put_document(write, Expect::Anything).await.unwrap();
    }
    office.engine.segments_changed();
}

async fn publish(office: &Office, rules: &Rules, name: &str) {
    let write = document(Kind::IdentityRules, PERSON.as_str(), rules);
    office.engine.reconsider(write, vec![], Reconsider::All).await.unwrap();
    evaluated(office, name).await;
}

/// Everybody is where the segments, as they are now, want them.
async fn evaluated(office: &Office, name: &str) {
    office.settled().await;
    let id = EvaluationId::parse(&format!("evl_{name}")).unwrap();
    office.engine.start_evaluation(Vec::new(), id.clone()).await.unwrap();
    loop {
        let found = office.store.document(Kind::Evaluation, id.as_str()).unwrap().unwrap();
        let evaluation: Evaluation = serde_json::from_value(found.body).unwrap();
        if evaluation.status.has_ended() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    office.settled().await;
}

/// By segment, the members: the id of each, and the keys of its records.
type Members = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn members(office: &Office) -> Members {
    let profiles: Vec<_> = office.all(&PERSON).into_iter().chain(office.all(&ACCOUNT)).collect();
    let of = |name: &str| {
        let id = SegmentId::parse(&format!("seg_{name}")).unwrap();
        let found = office.store.members(&id, 0, 1_000).unwrap();
        let found = found.iter().map(|(number, _)| profiles.iter().find(|p| p.number == *number).unwrap());
        found.map(|p| (p.id.to_string(), office.records_of(p).into_iter().collect())).collect()
    };
    SEGMENTS.iter().map(|(name, ..)| ((*name).to_owned(), of(name))).collect()
}

/// Members none of whose records are of a member on the other side.
fn alone(these: &BTreeMap<String, BTreeSet<String>>, those: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let others: BTreeSet<&String> = those.values().flatten().collect();
    let is_alone = |records: &BTreeSet<String>| !records.iter().any(|record| others.contains(record));
    these.iter().filter(|(_, records)| is_alone(records)).map(|(id, _)| id.clone()).collect()
}

fn ids(moved: &attiva_sync::Moved) -> BTreeSet<String> {
    assert_eq!(moved.count, moved.examples.len() as u64, "there are few enough for all to be examples");
    moved.examples.iter().map(|example| example.profile.clone()).collect()
}

/// That what was told is what came about.
fn held(told: &WhatIf, before: &Members, after: &Members) {
    let effect = &told.audiences;
    assert!(effect.steady && effect.left_out.is_empty(), "{effect:?}");
    assert_eq!(effect.evaluated, SEGMENTS.len() as u64);
    for (name, ..) in SEGMENTS {
        let (was, is) = (&before[name], &after[name]);
        let change: Option<&AudienceChange> = effect.changed.iter().find(|change| change.name == name);
        let (entering, leaving) = (alone(is, was), alone(was, is));
        let Some(change) = change else {
            assert_eq!((was.len(), entering.len(), leaving.len()), (is.len(), 0, 0), "{name} changed untold");
            continue;
        };
        assert_eq!((change.members_before, change.members_after), (was.len() as u64, is.len() as u64), "{name}");
        assert_eq!((ids(&change.leaving), change.entering.count), (leaving, entering.len() as u64), "{name}");
        assert_eq!(ids(&change.entering), entering, "{name}");
        let comes_to = change.members_before + change.entering.count + change.divided;
        assert_eq!(comes_to, change.members_after + change.leaving.count + change.joined, "{name}");
    }
}

fn rules(joins: bool, records_max: u32) -> Rules {
    let mut rules = Rules::person();
    let email = rules.namespaces.get_mut("email").unwrap();
    (email.joins, email.records_max) = (joins, records_max);
    rules
}

/// A merge and a split of the same people, with all that is told of them.
#[tokio::test]
async fn who_enters_and_leaves_is_told_before_rules_are_published() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let m1 = &vendors["m1"];
    let person = |key: &str, at, mail: &str, title: &str| row(key, at, &[("mail", mail), ("title", title)]);
    m1.tell(
        "leads",
        vec![
            person("1", 10, "a@x.com", "CEO"),
            person("2", 20, "a@x.com", "CTO"),
            person("3", 10, "b@x.com", "CEO"),
            person("4", 20, "b@x.com", "CEO"),
            person("5", 20, "c@x.com", "CEO"),
        ],
    );
    let visit = |key: &str, lead: &str| row(key, 10, &[("type", "view"), ("lead", lead), ("page", "/0")]);
    m1.tell("activities", vec![visit("901", "1"), visit("902", "2")]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    define(&office, &SEGMENTS[..3]).await;
    office.read_all().await;
    publish(&office, &rules(false, 10), "0").await;
    let told = office.engine.what_if(rules(true, 10), 100).await.unwrap();
    let [busy, chiefs] = told.audiences.changed.as_slice() else { panic!("{:?}", told.audiences) };
    assert_eq!((busy.members_before, busy.entering.count), (0, 1), "what happened to both has happened to one");
    let counts = (chiefs.members_before, chiefs.members_after, chiefs.joined, chiefs.divided);
    assert_eq!(counts, (4, 2, 1, 0), "one is a CTO by the newer record, two are one");
    let [left] = chiefs.leaving.examples.as_slice() else { panic!("{chiefs:?}") };
    let one = office.by_key(&PERSON, "1@m1.M").unwrap();
    assert_eq!((&left.profile, left.records.as_slice()), (&one.id.to_string(), &["1@m1.M".to_owned()][..]));
    assert_eq!((left.counterparts.len(), chiefs.entering.count), (1, 0));

    publish(&office, &rules(true, 10), "1").await;
    assert_eq!(office.by_key(&PERSON, "1@m1.M").unwrap().id.to_string(), left.counterparts[0]);
    let back = office.engine.what_if(rules(false, 10), 100).await.unwrap();
    let [busy, chiefs] = back.audiences.changed.as_slice() else { panic!("{:?}", back.audiences) };
    assert_eq!((busy.members_before, busy.leaving.count), (1, 1));
    let counts = (chiefs.members_before, chiefs.members_after, chiefs.joined, chiefs.divided);
    assert_eq!((counts, chiefs.entering.count), ((2, 4, 0, 1), 1));
    let [entered] = chiefs.entering.examples.as_slice() else { panic!("{chiefs:?}") };
    assert_eq!((entered.records.as_slice(), &entered.counterparts), (&["1@m1.M".to_owned()][..], &left.counterparts));

    // Of part of the records nobody is made of half of what is known: whoever is looked at is whole.
    let part = office.engine.what_if(rules(false, 10), 1).await.unwrap();
    let [_, chiefs] = part.audiences.changed.as_slice() else { panic!("{:?}", part.audiences) };
    assert_eq!((part.whole, chiefs.members_before, chiefs.members_after), (false, 2, 3));
    assert_eq!((part.records, part.records_stored, back.records, back.records_stored), (1, 5, 5, 5));

    // What cannot be evaluated is said.
    define(&office, &[("typo", AudienceEntity::Person, "person.job_titel == \"CEO\"")]).await;
    let told = office.engine.what_if(rules(false, 10), 100).await.unwrap();
    let [left_out] = told.audiences.left_out.as_slice() else { panic!("{:?}", told.audiences) };
    assert_eq!((left_out.name.as_str(), told.audiences.evaluated), ("typo", 3));
    assert!(left_out.why.contains("job_titel"), "{}", left_out.why);
    office.stop().await;
}

#[derive(Debug, Clone)]
struct Told {
    table: &'static str,
    row: Row,
}

fn any_row() -> impl Strategy<Value = Told> {
    let told = |table, key: u8, cells: Vec<(&'static str, String)>| Told {
        table,
        row: Row { key: key.to_string(), at: 0, deleted: false, cells },
    };
    let lead = (0..6_u8, 0..3_u8, 0..2_usize, 0..5_u8).prop_map(move |(key, mail, title, company)| {
        let mut cells = vec![("mail", format!("{mail}@c{mail}.com")), ("title", ["CEO", "CTO"][title].to_owned())];
        if company < 2 {
            cells.push(("company", company.to_string()));
        }
        told("leads", key, cells)
    });
    let company = (0..2_u8).prop_map(move |key| {
        told("companies", key, vec![("name", format!("C{key}")), ("site", format!("c{key}.com"))])
    });
    let place = (20..23_u8, 0..2_u8, 0..6_u8).prop_map(move |(key, company, lead)| {
        told("places", key, vec![("company", company.to_string()), ("lead", lead.to_string())])
    });
    let role = (30..33_u8, 0..6_u8)
        .prop_map(move |(key, lead)| told("roles", key, vec![("role", "d".into()), ("lead", lead.to_string())]));
    let event = (40..46_u8, 0..9_u8, 0..2_u8).prop_map(move |(key, by, page)| {
        let by = if by < 6 { ("lead", by.to_string()) } else { ("mail", format!("{}@c{}.com", by - 6, by - 6)) };
        told("activities", key, vec![("type", "view".into()), by, ("page", format!("/{page}"))])
    });
    prop_oneof![4 => lead, 1 => company, 1 => place, 1 => role, 2 => event]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_of_audiences_is_what_comes_about(
        told in vec(any_row(), 4..24),
        (before, after) in ((any::<bool>(), 1..4_u32), (any::<bool>(), 1..4_u32)),
        apart in (0..6_u8, 0..6_u8),
    ) {
        let mut newest: BTreeMap<(&'static str, String), Row> = BTreeMap::new();
        for (at, mut told) in (10..).zip(told) {
            told.row.at = at;
            newest.insert((told.table, told.row.key.clone()), told.row);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let vendors = vendors();
            for ((table, _), row) in newest {
                vendors["m1"].tell(table, vec![row]);
            }
            let office = Office::start(dir.path(), &vendors, 100).await;
            define(&office, &SEGMENTS).await;
            let (a, b) = (format!("{}@m1.M", apart.0), format!("{}@m1.M", apart.1));
            if let Some(never) = NeverLink::new(&PERSON, &a, &b, "two people", "ann", 5) {
                let write = document(Kind::NeverLink, never.id().as_str(), &never);
                office.engine.reconsider(write, vec![], Reconsider::All).await.unwrap();
            }
            office.read_all().await;
            publish(&office, &rules(before.0, before.1), "0").await;
            let was = members(&office);
            let told = office.engine.what_if(rules(after.0, after.1), 100).await.unwrap();
            assert_eq!(members(&office), was, "trying changes nothing");
            publish(&office, &rules(after.0, after.1), "1").await;
            held(&told, &was, &members(&office));
            office.stop().await;
        });
    }
}
