//! Evaluations that read no more than what has changed answer as those that read everything.

use super::support::tables::*;
use attiva_core::Value;
use attiva_core::config::{AudienceEntity, Segment};
use attiva_core::evaluation::{Evaluation, EvaluationStatus};
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::model::EntityName;
use attiva_core::page::RowKind;
use attiva_core::ports::store::{DocumentWrite, Expect, Kind};
use attiva_core::record::{Fields, RecordChange};
use attiva_sync::{Preview, SegmentWish};
use std::sync::Arc;
use std::time::Duration;

/// By person and by account; all go to other records, so that batch evaluations answer them.
const RULES: [Rule; 8] = [
    (AudienceEntity::Person, "person.job_title == \"CMO\" && person.accounts.size() < 5"),
    (AudienceEntity::Person, "person.accounts.exists(a, a.industry == \"Finance\")"),
    (AudienceEntity::Person, "person.opportunities_by_role.exists(o, o.stage == \"Won\")"),
    (AudienceEntity::Person, "person.account_relations.exists(r, r.account.industry == \"Finance\")"),
    (
        AudienceEntity::Person,
        "events.filter(e, e.type == \"view\" && e.page == \"/pricing\").size() >= 2 && person.accounts.size() < 5",
    ),
    (AudienceEntity::Person, "!events.exists(e, e.page == \"/docs\") && person.account.industry == \"Finance\""),
    (AudienceEntity::Account, "account.people.exists(p, p.job_title == \"CMO\")"),
    (AudienceEntity::Account, "account.people.filter(p, p.events.size() > 1).size() >= 2"),
];

/// Those that look at records of persons themselves, and at events of accounts.
const OF_RECORDS: [Rule; 6] = [
    (AudienceEntity::Person, "person.components.exists(c, c.person_score > 50)"),
    (AudienceEntity::Person, "person.components.exists(c, c.is_matched) || person.components.size() > 1"),
    (AudienceEntity::Person, "person.components.exists(c, c.account.industry == \"Finance\" && c.person_score > 20)"),
    (AudienceEntity::Person, "events.exists(e, e.component.person_score > 50)"),
    (AudienceEntity::Account, "account.events.filter(e, e.page == \"/docs\").size() >= 2"),
    (AudienceEntity::Account, "account.people.filter(p, p.events.size() > 1).size() >= 2"),
];

type Rule = (AudienceEntity, &'static str);

struct World {
    office: Office,
    rules: Vec<Rule>,
    segments: Vec<SegmentId>,
    evaluations: usize,
    /// The time of the next change at its source.
    at: i64,
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn key(of: &str, number: usize) -> Value {
    text(&format!("{of}{number}@t.T"))
}

impl World {
    async fn change(&mut self, entity: &str, number: usize, kind: RowKind, fields: Vec<(&str, Value)>) {
        self.at += 1;
        let fields: Fields = fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        let source_key = format!("{entity}{number}@t.T");
        let change = RecordChange { source_key, kind, at: self.at, dated: true, fields, merged_into: None };
        let entity = EntityName::parse(entity).unwrap();
        self.office.engine.ingest(&entity, vec![change]).await.unwrap().unwrap();
    }

    /// Its source has made it a part of another.
    async fn merge(&mut self, number: usize, into: usize) {
        self.at += 1;
        let (source_key, into) = (format!("person{number}@t.T"), format!("person{into}@t.T"));
        let (kind, fields, merged_into) = (RowKind::Merge, Fields::default(), Some(into));
        let change = RecordChange { source_key, kind, at: self.at, dated: true, fields, merged_into };
        self.office.engine.ingest(&EntityName::PERSON, vec![change]).await.unwrap().unwrap();
    }

    async fn person(&mut self, number: usize, mail: usize, account: Option<usize>, title: &str) {
        let score = Value::Integer(i64::try_from(number * 37 % 100).unwrap());
        let mut fields =
            vec![("person_score", score), ("email", text(&format!("p{mail}@mail.com"))), ("job_title", text(title))];
        fields.extend(account.map(|account| ("account_key", key("account", account))));
        self.change("person", number, RowKind::Full, fields).await;
    }

    async fn account(&mut self, number: usize, industry: &str) {
        let fields = vec![("name", text(&format!("Account {number}"))), ("industry", text(industry))];
        self.change("account", number, RowKind::Full, fields).await;
    }

    fn view(person: usize, page: &str, time: i64) -> Vec<(&'static str, Value)> {
        vec![
            ("type", text("view")),
            ("page", text(page)),
            ("time", Value::Timestamp(time)),
            ("person_key", key("person", person)),
        ]
    }

    async fn event(&mut self, number: usize, person: usize, page: &str) {
        let fields = Self::view(person, page, 1_000_000 + self.at);
        self.change("activity", number, RowKind::Full, fields).await;
    }

    async fn between(&mut self, entity: &str, number: usize, person: usize, other: &str, of: usize) {
        let field = format!("{other}_key");
        let fields = vec![("person_key", key("person", person)), (field.as_str(), key(other, of))];
        self.change(entity, number, RowKind::Full, fields).await;
    }

    async fn evaluate(&mut self) -> Evaluation {
        self.office.settled().await;
        self.evaluations += 1;
        let id = EvaluationId::parse(&format!("evl_{:06}", self.evaluations)).unwrap();
        self.office.engine.start_evaluation(Vec::new(), id.clone()).await.unwrap();
        loop {
            let found = self.office.store.document(Kind::Evaluation, id.as_str()).unwrap().unwrap();
            let evaluation: Evaluation = serde_json::from_value(found.body).unwrap();
            if evaluation.status.has_ended() {
                assert_eq!(evaluation.status, EvaluationStatus::Succeeded, "{:?}", evaluation.fault);
                return evaluation;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn preview(&self, expression: &str) -> Preview {
        self.office.settled().await;
        let wish = SegmentWish { expression, entity: AudienceEntity::Person, rank: None, evaluation: None };
        let definition = self.office.engine.check_segment(None, &wish).unwrap().unwrap();
        self.office.engine.preview(definition, 1).await.unwrap()
    }

    /// What was evaluated is as if everything had been read. Answers what was read.
    async fn check(&mut self, what: &str) -> (u64, Option<u64>) {
        // What follows the feeds is none the wiser where they are as short as they may be.
        self.office.settled().await;
        self.office.engine.shorten_feeds().await.unwrap();
        let after = self.evaluate().await;
        // Who came and went by it is followed, too.
        let again = self.evaluate().await;
        assert!(again.segments.iter().all(|it| it.entered + it.left == 0), "after {what}: {:?}", again.segments);
        // What is remembered is forgotten, so that all is read.
        self.office.engine.records_changed();
        let anew = self.evaluate().await;
        assert_eq!(anew.read.refreshed, None);
        for (segment, (_, rule)) in anew.segments.iter().zip(&self.rules) {
            assert_eq!((segment.entered, segment.left), (0, 0), "after {what}: {rule}");
        }
        assert_eq!(after.read.rows, anew.read.rows, "after {what}");
        (after.read.rows, after.read.refreshed)
    }
}

const PERSONS: usize = 120;
const ACCOUNTS: usize = 12;

async fn world(dir: &std::path::Path, rules: &[Rule]) -> World {
    let office = Office::start(dir, &Vendors::default(), 100).await;
    let mut world = World { office, rules: rules.to_vec(), segments: Vec::new(), evaluations: 0, at: 1 };
    for number in 0..ACCOUNTS {
        world.account(number, ["Finance", "Health", "Retail"][number % 3]).await;
    }
    for number in 0..PERSONS {
        let account = (number % 10 > 0).then_some(number % ACCOUNTS);
        world.person(number, number, account, ["CMO", "CIO", "Clerk"][number % 7 % 3]).await;
    }
    for number in 0..PERSONS {
        world.event(number, number * 7 % 40, ["/pricing", "/docs"][number % 2]).await;
    }
    for number in 0..20 {
        let stage = ("stage", text(["Won", "Open"][number % 2]));
        let of = ("account_key", key("account", number % ACCOUNTS));
        world.change("opportunity", number, RowKind::Full, vec![stage, of]).await;
    }
    for number in 0..40 {
        world.between("opportunity_person", number, number * 3, "opportunity", number % 20).await;
        world.between("account_person", number, number * 2, "account", number % 5).await;
    }
    for (number, (entity, rule)) in rules.iter().copied().enumerate() {
        let id = SegmentId::parse(&format!("seg_{number}")).unwrap();
        let segment = Segment { entity, ..Segment::new(id.clone(), id.as_str(), rule, 0) };
        let body = serde_json::to_value(&segment).unwrap();
        let write = DocumentWrite { kind: Kind::Segment, id: id.to_string(), body };
        world.office.store.put_document(write, Expect::Anything).await.unwrap();
        world.segments.push(id);
    }
    world.office.engine.segments_changed();
    world.evaluate().await;
    world
}

#[tokio::test]
async fn an_evaluation_after_a_small_change_reads_little() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), &RULES).await;
    for segment in world.segments.clone() {
        let members = world.office.store.count_members(&segment).unwrap();
        assert!(members > 0, "{segment} has members");
    }
    let (rows, refreshed) = world.check("nothing").await;
    assert_eq!(refreshed, Some(0));
    assert!(rows > 300, "{rows}");
    world.event(500, 1, "/pricing").await;
    let (rows_then, refreshed) = world.check("an event").await;
    assert_eq!((rows_then, refreshed), (rows + 1, Some(1)));
    world.person(1, 1, Some(1), "CMO").await;
    let (_, refreshed) = world.check("another title").await;
    // With the account, whose people are counted, at most.
    assert!(refreshed.is_some_and(|refreshed| (1..10).contains(&refreshed)), "{refreshed:?}");
    // So much at once is better read as a whole.
    for number in 0..PERSONS / 2 {
        world.person(number, number, Some(3), "Clerk").await;
    }
    assert_eq!(world.check("much").await.1, None);
    let World { office, rules, evaluations, at, .. } = world;
    office.stop().await;
    let office = Office::start(dir.path(), &Vendors::default(), 100).await;
    let mut world = World { office, rules, segments: Vec::new(), evaluations, at };
    let evaluation = world.evaluate().await;
    assert_eq!(evaluation.read.refreshed, None, "nothing is known after a start");
    assert!(evaluation.segments.iter().all(|it| it.entered + it.left == 0), "{:?}", evaluation.segments);
}

/// What a rule reads that somebody tries out is kept, and takes the place of nothing.
#[tokio::test]
async fn a_second_attempt_at_a_rule_reads_what_has_changed_since_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), &RULES[..2]).await;
    let attempt = "events.exists(e, e.page == \"/pricing\")";
    let first = world.preview(attempt).await;
    assert_eq!(first.read.refreshed, None, "no evaluation reads events");
    assert_eq!(world.preview(attempt).await.read.refreshed, Some(0));
    world.event(500, 119, "/pricing").await;
    let second = world.preview(attempt).await;
    assert_eq!((second.members.count, second.read.refreshed), (first.members.count + 1, Some(1)));
    assert_eq!(world.evaluate().await.read.refreshed, Some(0), "what is evaluated was kept as well");
    // Another rule is loaded without the events, and beside them; one with events, with what was tried just before.
    let other = "person.opportunities_by_role.exists(o, o.stage == \"Won\")";
    let loaded = world.preview(other).await.read;
    assert!(loaded.refreshed.is_none() && loaded.rows < second.read.rows, "{loaded:?}");
    assert_eq!(world.preview(&format!("{attempt} && person.job_title == \"CMO\"")).await.read.refreshed, None);
    for known in [attempt, other] {
        assert_eq!(world.preview(known).await.read.refreshed, Some(0), "{known}");
    }
}

/// Numbers that look random.
fn next(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap() % below
}

#[tokio::test]
async fn whatever_happens_a_refresh_comes_to_what_a_load_does() {
    walk(&RULES).await;
}

#[tokio::test]
async fn so_it_does_where_records_of_persons_are_looked_at() {
    walk(&OF_RECORDS).await;
}

async fn walk(rules: &[Rule]) {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), rules).await;
    world.change("account", 0, RowKind::Tombstone, Vec::new()).await;
    world.check("an account has gone").await;
    world.account(0, "Finance").await;
    assert!(world.check("it has come again").await.1.is_some(), "little has changed");
    world.merge(7, 8).await;
    assert!(world.check("a person is part of another").await.1.is_some(), "little has changed");
    // Of two names that an event has, the firmer one names nobody any more.
    let mut fields = World::view(30, "/docs", 5_000_000);
    fields.push(("email", text("p36@mail.com")));
    world.change("activity", 400, RowKind::Full, fields).await;
    world.check("an event with two names").await;
    world.change("person", 30, RowKind::Tombstone, Vec::new()).await;
    assert!(world.check("its person has gone").await.1.is_some(), "little has changed");
    let mut seed = u64::from(std::process::id());
    let first = seed;
    let mut refreshes = 0;
    for step in 0..60 {
        let (one, other, kind) = (next(&mut seed, PERSONS + 5), next(&mut seed, PERSONS), next(&mut seed, 13));
        let account = next(&mut seed, ACCOUNTS + 1);
        let what = format!("step {step} of seed {first}: {kind} with {one}, {other}, {account}");
        match kind {
            // One says something else, comes, or goes to another account.
            0 => world.person(one, one, Some(account), "CMO").await,
            // Two are one, by their address; and are two again.
            1 => world.person(one, other, None, "CIO").await,
            2 => world.person(one, one, None, "Clerk").await,
            3 => world.change("person", one, RowKind::Tombstone, Vec::new()).await,
            // Some accounts go, and come again.
            4 => world.account(account % 3, ["Finance", "Retail"][one % 2]).await,
            5 => world.change("account", account % 3, RowKind::Tombstone, Vec::new()).await,
            6 => world.event(one, other, "/docs").await,
            7 => world.event(200 + step, other, "/pricing").await,
            8 => world.change("activity", one, RowKind::Tombstone, Vec::new()).await,
            9 => world.between("opportunity_person", one, other, "opportunity", account).await,
            // What had happened to the one, has happened to the other.
            11 if one != other => world.merge(one, other).await,
            10 => world.between("account_person", one, other, "account", account).await,
            _ => {
                world.change("opportunity", account, RowKind::Full, vec![("stage", text("Won"))]).await;
            }
        }
        refreshes += usize::from(world.check(&what).await.1.is_some());
    }
    assert!(refreshes > 30, "{refreshes} of 60, seed {first}");
}
