//! Segments over a store: every example of the guide with members known by hand, windows that run out, evaluations that
//! are cut off, budgets.

#[path = "../../../segments/tests/support/bodea.rs"]
mod bodea;
#[path = "../../../segments/tests/support/world.rs"]
#[allow(dead_code, reason = "what is asked of a world is asked of the store here")]
mod world;

/// What the shared world takes its time from.
mod scalar {
    pub mod generate {
        pub const NOW: i64 = 1_795_428_000_000;
    }
}

use super::edge::answers;
use super::support::tables::{Office, Vendors};
use attiva_core::config::{AudienceEntity, Segment};
use attiva_core::evaluation::{Evaluation, EvaluationStatus};
use attiva_core::exchange::{DatedRate, RatesTable};
use attiva_core::id::{EvaluationId, SegmentId};
use attiva_core::model::EntityName;
use attiva_core::model::custom::Custom;
use attiva_core::page::RowKind;
use attiva_core::ports::clock::Clock;
use attiva_core::ports::store::{DocumentWrite, Expect, HistoryOf, Kind, MembershipStatus};
use attiva_core::record::{Fields, RecordChange};
use attiva_core::{Millis, Value};
use attiva_store::{Death, Options};
use attiva_sync::{Budget, EngineOptions};
pub(crate) use scalar::generate::NOW;
use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const GUIDE: &str = include_str!("../../../../docs/segments.md");
const DAY: Millis = 86_400_000;

/// A clock that stands until it is set; who waits for a moment is woken when it is set past that.
pub(crate) struct SetClock(watch::Sender<Millis>);

impl SetClock {
    pub(crate) fn at(now: Millis) -> Arc<Self> {
        Arc::new(Self(watch::channel(now).0))
    }

    pub(crate) fn set(&self, now: Millis) {
        self.0.send_replace(now);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Millis {
        *self.0.borrow()
    }

    fn pass(&self, ms: u64) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let until = self.now() + i64::try_from(ms).unwrap();
        let mut watched = self.0.subscribe();
        Some(Box::pin(async move {
            let _ = watched.wait_for(|now| *now >= until).await;
        }))
    }
}

pub(crate) async fn open(dir: &Path, clock: &Arc<SetClock>, options: EngineOptions, death: Option<Death>) -> Office {
    let store = attiva_store::Sandbox::open(dir, &Options { death, ..Options::default() }).unwrap();
    Office::start_on(store, &Vendors::default(), Arc::clone(clock) as Arc<dyn Clock>, options).await
}

pub(crate) async fn started(dir: &Path, clock: &Arc<SetClock>) -> Office {
    open(dir, clock, EngineOptions::default(), None).await
}

pub(crate) fn change(key: &str, fields: Vec<(&str, Value)>) -> RecordChange {
    let fields: Fields = fields.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
    RecordChange {
        source_key: format!("{key}@t.T"),
        kind: RowKind::Full,
        at: 1,
        dated: true,
        fields,
        merged_into: None,
    }
}

pub(crate) async fn send(office: &Office, entity: &str, changes: Vec<RecordChange>) {
    let entity = EntityName::parse(entity).unwrap();
    office.engine.ingest(&entity, changes).await.unwrap().unwrap();
}

pub(crate) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

pub(crate) fn key(of: &str) -> Value {
    text(format!("{of}@t.T"))
}

async fn put<T: serde::Serialize>(office: &Office, kind: Kind, id: &str, value: &T) {
    let body = serde_json::to_value(value).unwrap();
    office.store.put_document(DocumentWrite { kind, id: id.into(), body }, Expect::Anything).await.unwrap();
    office.engine.segments_changed();
}

async fn define(office: &Office, id: &str, name: &str, entity: AudienceEntity, expression: &str) -> SegmentId {
    let id = SegmentId::parse(&format!("seg_{id}")).unwrap();
    let segment = Segment { entity, ..Segment::new(id.clone(), name, expression, 0) };
    put(office, Kind::Segment, id.as_str(), &segment).await;
    id
}

pub(crate) async fn persons(office: &Office, id: &str, expression: &str) -> SegmentId {
    define(office, id, id, AudienceEntity::Person, expression).await
}

/// The profile that a record belongs to.
pub(crate) fn profile(office: &Office, entity: &str, of: &str) -> i64 {
    office.by_key(&EntityName::parse(entity).unwrap(), &format!("{of}@t.T")).unwrap_or_else(|| panic!("no {of}")).number
}

pub(crate) fn members(office: &Office, segment: &SegmentId) -> Vec<i64> {
    office.store.members(segment, 0, 10_000).unwrap().into_iter().map(|(number, _)| number).collect()
}

pub(crate) async fn evaluate(office: &Office, id: &str) -> Evaluation {
    let id = EvaluationId::parse(&format!("evl_{id}")).unwrap();
    office.engine.start_evaluation(Vec::new(), id.clone()).await.unwrap();
    ended(office, &id).await
}

pub(crate) async fn ended(office: &Office, id: &EvaluationId) -> Evaluation {
    loop {
        let found = office.store.document(Kind::Evaluation, id.as_str()).unwrap().unwrap();
        let evaluation: Evaluation = serde_json::from_value(found.body).unwrap();
        if evaluation.status.has_ended() {
            return evaluation;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The world of the guide as records that are sent: a person is one of a record for each of its companies.
async fn send_world(office: &Office) {
    let (world, model) = (bodea::world(), world::model());
    let component = model.entity("person_component").unwrap();
    let (of_person, of_account) =
        (world::relation("person_component", "person"), world::relation("person_component", "account"));
    let mut companies: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for row in 0..world.rows[component].len() {
        let company = world.names[of_account][row].unwrap();
        companies.entry(world.names[of_person][row].unwrap()).or_default().push(company);
    }
    for (number, entity) in model.entities.iter().enumerate().filter(|(number, _)| *number != component) {
        let mut changes = Vec::new();
        for (row, values) in world.rows[number].iter().enumerate() {
            let named = entity.fields.iter().zip(values).filter(|(_, value)| !value.is_null());
            let mut fields: Vec<(&str, Value)> = named.map(|(f, v)| (f.name.as_str(), v.clone())).collect();
            for (relation, names) in model.relations.iter().zip(&world.names).filter(|(r, _)| r.from == number) {
                let field = match (entity.name.as_str(), relation.name.as_str()) {
                    ("activity", "component") => continue,
                    (_, "parent") => "parent_key".to_owned(),
                    (_, name) => format!("{name}_key"),
                };
                if let Some(to) = names[row] {
                    let field = entity.fields.iter().find(|f| f.name == field).unwrap_or_else(|| panic!("no {field}"));
                    fields.push((field.name.as_str(), key(&format!("{}{to}", model.entities[relation.to].name))));
                }
            }
            if entity.name != "person" {
                changes.push(change(&format!("{}{row}", entity.name), fields));
                continue;
            }
            fields.push(("email", text(format!("p{row}@x.com"))));
            let companies = companies.get(&row).cloned().unwrap_or_default();
            let first = companies.first().map(|company| ("account_key", key(&format!("account{company}"))));
            changes.push(change(&format!("person{row}"), fields.iter().cloned().chain(first).collect()));
            for company in companies.iter().skip(1) {
                let other = ("account_key", key(&format!("account{company}")));
                let fields = fields.iter().cloned().chain([other]).collect();
                changes.push(change(&format!("person{row}-{company}"), fields));
            }
        }
        if !changes.is_empty() {
            send(office, &entity.name, changes).await;
        }
    }
}

fn expected(name: &str) -> &'static [usize] {
    bodea::EXPECTED.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name}")).1
}

#[tokio::test]
async fn every_example_of_the_guide_has_its_members_in_a_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let office = started(dir.path(), &SetClock::at(NOW)).await;
    let custom = Custom { version: 0, ..world::additions() };
    office.engine.publish_model(custom, Expect::Absent).await.unwrap();
    let euro = DatedRate { currency: "EUR".into(), from: "2020-01-01".into(), rate: "1.25".into() };
    put(&office, Kind::ExchangeRates, "USD", &RatesTable { base: "USD".into(), rates: vec![euro] }).await;
    send_world(&office).await;
    // Named as in the text of the one that asks for it.
    let slug = |name: &str| name.to_lowercase().replace(' ', "-");
    let mut defined = Vec::new();
    for (number, (root, name, text)) in bodea::examples(GUIDE).into_iter().enumerate() {
        let entity = if root == "account" { AudienceEntity::Account } else { AudienceEntity::Person };
        let id = define(&office, &format!("{number}"), &slug(&name), entity, &text).await;
        defined.push((id, root, name));
    }
    office.settled().await;
    let world = bodea::world();
    for (id, root, name) in &defined {
        let number = |row: &usize| profile(&office, root, &format!("{root}{row}"));
        let mut wanted: Vec<i64> = expected(name).iter().map(number).collect();
        wanted.sort_unstable();
        assert_eq!(members(&office, id), wanted, "{name}");
        // What is said of one, read from the store, is what was found for all, by columns.
        for row in 0..world.count(root) {
            let number = number(&row);
            let profile = office.store.profiles_by_number(&[number]).unwrap().remove(0);
            let why = office.engine.explain_membership(id, profile).await.unwrap();
            assert_eq!(
                (why.explanation.member, why.is_member),
                (wanted.contains(&number), wanted.contains(&number)),
                "{name}, {root}{row}: {}",
                why.explanation
            );
        }
    }
    // At a request with nothing new in it, who belongs is who belongs.
    for row in 0..world.count("person") {
        let number = profile(&office, "person", &format!("person{row}"));
        let told = answers(&office, &format!("person{row}@t.T")).await;
        for (id, _, name) in defined.iter().filter(|(_, root, _)| *root == "person") {
            assert_eq!(told[id], members(&office, id).contains(&number), "{name}, person{row}");
        }
    }
    // Looked at again, nothing is different, and nothing is told.
    let run = evaluate(&office, "again").await;
    assert_eq!(run.status, EvaluationStatus::Succeeded, "{:?}", run.fault);
    assert!(run.segments.len() > 15 && run.segments.iter().all(|it| it.entered + it.left == 0), "{:?}", run.segments);
}

/// A lead that names no company is among the people of the one it was matched to, whichever way that is asked.
#[tokio::test]
async fn who_was_matched_to_an_account_belongs_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let office = started(dir.path(), &SetClock::at(NOW)).await;
    let lead = |key: &str, mail: &str| change(key, vec![("email", text(mail))]);
    send(&office, "person", vec![lead("ann", "ann@mail.acme.com"), lead("bo", "bo@gmail.com")]).await;
    send(&office, "account", vec![change("acme", vec![("name", text("Acme")), ("website", text("https://acme.com"))])])
        .await;
    office.settled().await;
    let mut found = Vec::new();
    for (n, rule) in [
        "person.accounts.exists(a, a.name == \"Acme\")",
        "person.components.exists(c, c.is_matched && c.account.name == \"Acme\")",
        "person.matched_account.name == \"Acme\"",
        "person.accounts.size() == 1 && person.components.size() == 2",
    ]
    .into_iter()
    .enumerate()
    {
        found.push((persons(&office, &n.to_string(), rule).await, rule));
    }
    let people = define(&office, "p", "p", AudienceEntity::Account, "account.people.size() == 1").await;
    office.settled().await;
    let (ann, bo) = (profile(&office, "person", "ann"), profile(&office, "person", "bo"));
    for (id, rule) in found {
        assert_eq!(members(&office, &id), [ann], "{rule}");
        for number in [ann, bo] {
            let profile = office.store.profiles_by_number(&[number]).unwrap().remove(0);
            let why = office.engine.explain_membership(&id, profile).await.unwrap();
            assert_eq!(why.explanation.member, number == ann, "{rule}: {}", why.explanation);
        }
    }
    assert_eq!(members(&office, &people), [profile(&office, "account", "acme")]);
}

/// A record that does not decide what its person is still says something itself.
#[tokio::test]
async fn what_a_record_says_itself_is_followed_by_the_next_evaluation() {
    let dir = tempfile::tempdir().unwrap();
    let office = started(dir.path(), &SetClock::at(NOW)).await;
    let record = |key: &str, at, score| RecordChange {
        at,
        ..change(key, vec![("email", text("a@x.com")), ("person_score", Value::Integer(score))])
    };
    send(&office, "person", vec![record("a1", 1, 10), record("a2", 100, 50)]).await;
    let ten = persons(&office, "ten", "person.components.exists(c, c.person_score == 10)").await;
    office.settled().await;
    let a = profile(&office, "person", "a1");
    assert_eq!(members(&office, &ten), [a]);
    evaluate(&office, "1").await;
    send(&office, "person", vec![record("a1", 5, 11)]).await;
    office.settled().await;
    assert_eq!(members(&office, &ten), [a]);
    let run = evaluate(&office, "2").await;
    assert_eq!((members(&office, &ten), run.segments[0].left), (vec![], 1));
}

pub(crate) fn view(id: &str, person: &str, time: Millis) -> RecordChange {
    change(
        id,
        vec![
            ("type", text("view")),
            ("page", text("/pricing")),
            ("time", Value::Timestamp(time)),
            ("person_key", key(person)),
        ],
    )
}

#[tokio::test]
async fn a_window_runs_out_on_time_without_an_event_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SetClock::at(NOW);
    let office = started(dir.path(), &clock).await;
    send(
        &office,
        "person",
        vec![change("a", vec![("email", text("a@x.com"))]), change("b", vec![("email", text("b@x.com"))])],
    )
    .await;
    let hot = persons(&office, "hot", "events.exists(e, e.time.within(last(days(1))))").await;
    let cold = persons(&office, "cold", "!inAudience(\"hot\")").await;
    send(&office, "activity", vec![view("e1", "a", NOW - DAY + 1_000), view("e2", "b", NOW - DAY + 60_000)]).await;
    office.settled().await;
    let (a, b) = (profile(&office, "person", "a"), profile(&office, "person", "b"));
    assert_eq!((members(&office, &hot), members(&office, &cold)), (vec![a, b], vec![]));
    // To the millisecond, and who asks for the audience goes with it.
    clock.set(NOW + 999);
    office.settled().await;
    assert_eq!(members(&office, &hot), [a, b]);
    clock.set(NOW + 1_000);
    office.settled().await;
    assert_eq!((members(&office, &hot), members(&office, &cold)), (vec![b], vec![a]));
    let history = office.store.membership_history(&HistoryOf::Profile(a), None, 10).unwrap();
    assert_eq!((history[0].cause.as_str(), history[0].at), ("time", NOW + 1_000));
    office.stop().await;
    clock.set(NOW + 2 * DAY);
    let office = started(dir.path(), &clock).await;
    office.settled().await;
    assert_eq!((members(&office, &hot), members(&office, &cold)), (vec![], vec![a, b]));
}

#[tokio::test]
async fn an_event_that_is_taken_back_takes_the_membership_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SetClock::at(NOW);
    let office = started(dir.path(), &clock).await;
    send(&office, "person", vec![change("a", vec![]), change("b", vec![])]).await;
    let seen = persons(&office, "seen", "person.events.exists(e, e.page == \"/pricing\")").await;
    send(&office, "activity", vec![view("e1", "a", NOW), view("e2", "a", NOW)]).await;
    office.settled().await;
    let (a, b) = (profile(&office, "person", "a"), profile(&office, "person", "b"));
    assert_eq!(members(&office, &seen), [a]);
    // It was somebody else.
    send(&office, "activity", vec![RecordChange { at: 5, ..view("e1", "b", NOW) }]).await;
    office.settled().await;
    assert_eq!(members(&office, &seen), [a, b]);
    send(&office, "activity", vec![RecordChange { at: 5, kind: RowKind::Tombstone, ..change("e2", vec![]) }]).await;
    office.settled().await;
    assert_eq!(members(&office, &seen), [b]);
}

/// The store dies at each write of an evaluation, before and after it is kept: whatever that leaves, the next start ends
/// the evaluation, the members are right, and nobody has entered or left twice.
#[tokio::test]
async fn an_evaluation_cut_off_at_any_write_ends_right_and_doubles_nothing() {
    let mut points = 0;
    for at_write in 1.. {
        for kept in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let clock = SetClock::at(NOW);
            let office = started(dir.path(), &clock).await;
            let account = |company: &str| ("account_key", key(company));
            send(&office, "account", vec![change("x", vec![("industry", text("Finance"))]), change("y", vec![])]).await;
            send(
                &office,
                "person",
                (0..5).map(|n| change(&format!("p{n}"), vec![account(if n < 3 { "x" } else { "y" })])).collect(),
            )
            .await;
            let batch = persons(&office, "batch", "person.accounts.exists(a, a.industry == \"Finance\")").await;
            let top = persons(&office, "top", "inAudience(\"batch\")").await;
            office.settled().await;
            assert_eq!(members(&office, &top).len(), 3);
            // Another company: three leave, two enter.
            send(
                &office,
                "account",
                vec![
                    RecordChange { at: 2, ..change("x", vec![]) },
                    RecordChange { at: 2, ..change("y", vec![("industry", text("Finance"))]) },
                ],
            )
            .await;
            office.settled().await;
            office.stop().await;
            let id = EvaluationId::parse("evl_x").unwrap();
            let office = open(dir.path(), &clock, EngineOptions::default(), Some(Death { at_write, kept })).await;
            let begun = office.engine.start_evaluation(Vec::new(), id.clone()).await.is_ok();
            let died = loop {
                match office.store.document(Kind::Evaluation, id.as_str()) {
                    Err(_) => break true,
                    Ok(found) if !begun && found.is_none() => break true,
                    Ok(Some(found))
                        if serde_json::from_value::<Evaluation>(found.body.clone()).unwrap().status.has_ended()
                            && office.engine.projection().is_ok_and(|p| p.caught_up) =>
                    {
                        break false;
                    }
                    Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            };
            office.stop().await;
            let office = started(dir.path(), &clock).await;
            let evaluation = match office.store.document(Kind::Evaluation, id.as_str()).unwrap() {
                Some(_) => ended(&office, &id).await,
                None => evaluate(&office, "x").await,
            };
            office.settled().await;
            let wanted = [profile(&office, "person", "p3"), profile(&office, "person", "p4")];
            for segment in [&batch, &top] {
                assert_eq!(members(&office, segment), wanted, "{segment} at {at_write}, {kept}");
                let history = office.store.membership_history(&HistoryOf::Segment(segment.clone()), None, 100).unwrap();
                let count = |status| history.iter().filter(|event| event.status == status).count();
                assert_eq!(
                    (count(MembershipStatus::Realized), count(MembershipStatus::Exited)),
                    (5, 3),
                    "{segment} at {at_write}, {kept}: {history:?}"
                );
            }
            let outcome = evaluation.segments.iter().find(|it| it.segment == batch).unwrap();
            assert_eq!((outcome.entered, outcome.left, outcome.members), (2, 3, Some(2)), "at {at_write}, {kept}");
            if !died {
                assert!(points > 5, "{points} writes were cut off");
                return;
            }
            points += 1;
        }
    }
}

#[tokio::test]
async fn a_segment_that_costs_too_much_is_named_and_the_others_have_their_results() {
    let dir = tempfile::tempdir().unwrap();
    let budget = Budget { one: 40, all: 100 };
    let office = open(dir.path(), &SetClock::at(NOW), EngineOptions { budget, ..EngineOptions::default() }, None).await;
    let persons_of =
        (0..30).map(|n| change(&format!("p{n}"), vec![("account_key", key("x")), ("department", text("HR"))]));
    send(&office, "person", persons_of.collect()).await;
    send(&office, "account", vec![change("x", vec![("name", text("X"))])]).await;
    send(&office, "activity", (0..100).map(|n| view(&format!("e{n}"), "p0", NOW - n)).collect()).await;
    // Everybody's colleagues, one by one: thirty times thirty.
    let dear = define(&office, "dear", "dear", AudienceEntity::Person, "person.accounts.people.size() > 5").await;
    let cheap =
        define(&office, "cheap", "cheap", AudienceEntity::Person, "person.accounts.exists(a, a.name == \"X\")").await;
    let above = define(&office, "above", "above", AudienceEntity::Account, "account.people.size() > 3").await;
    let run = loop {
        let found = office.store.documents(Kind::Evaluation, None, 10).unwrap();
        let all: Vec<Evaluation> = found.into_iter().map(|it| serde_json::from_value(it.body).unwrap()).collect();
        let done = |segment: &SegmentId| {
            all.iter().any(|it| it.status.has_ended() && it.segments.iter().any(|s| s.segment == *segment))
        };
        if [&dear, &cheap, &above].into_iter().all(done) {
            break all;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let outcome =
        |segment: &SegmentId| run.iter().flat_map(|it| &it.segments).find(|it| it.segment == *segment).unwrap().clone();
    let fault = outcome(&dear).fault.expect("a fault");
    assert_eq!((fault.code.as_str(), fault.message.contains(dear.as_str())), ("segment.budget", true));
    assert_eq!((outcome(&dear).members, outcome(&cheap).members, outcome(&above).members), (None, Some(30), Some(1)));
    assert_eq!((members(&office, &dear).len(), members(&office, &cheap).len()), (0, 30));
    // One person's, too: who costs too much is out, the others are in.
    let seen =
        persons(&office, "seen", "person.department == \"HR\" && person.events.all(e, e.page == \"/pricing\")").await;
    while !office.store.document(Kind::Segment, seen.as_str()).unwrap().is_some_and(|it| it.body["evaluated"] == true) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(members(&office, &seen).len(), 29, "all but the one with a hundred events");
    let why = office
        .engine
        .explain_membership(
            &seen,
            office.store.profiles_by_number(&[profile(&office, "person", "p0")]).unwrap().remove(0),
        )
        .await;
    assert_eq!(why.unwrap_err().code, "segment.budget");
    // It is not tried again and again.
    assert!(office.store.documents(Kind::Evaluation, None, 100).unwrap().len() <= 4);
}
