//! What decides which records are one, published and taken back while records are there.

use crate::support::*;
use attiva_core::id::ConnectionId;
use attiva_core::identity::{Held, Identity, NeverLink, Rules, Why as Refused};
use attiva_core::merge::{FieldRule, MergePolicy, Why};
use attiva_core::page::RowKind;
use attiva_core::ports::store::{Expect, Kind, Profile, Reconsider};
use attiva_core::run::Run;
use std::sync::Arc;

const IDS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];

impl World {
    async fn synced(&self) {
        self.run().await;
        self.settled().await;
    }

    async fn publish(&self, rules: &Rules) {
        let write = document(Kind::IdentityRules, PERSON.as_str(), rules);
        self.engine.reconsider(write, vec![], Reconsider::All).await.unwrap();
        self.settled().await;
    }

    fn people(&self) -> Vec<Profile> {
        self.store.profiles(&PERSON, 0, 100).unwrap()
    }
}

fn rules(change: impl FnOnce(&mut Rules)) -> Rules {
    let mut rules = Rules::person();
    change(&mut rules);
    rules
}

fn joins_by_address(joins: bool) -> Rules {
    rules(|rules| rules.namespaces.get_mut("email").unwrap().joins = joins)
}

#[tokio::test]
async fn an_address_that_too_many_share_joins_nobody_and_that_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let leads = IDS.map(|id| lead(id, 10, "info@x.com", "CEO")).to_vec();
    let vendor = crate::vendor(vec![leads]);
    let world = World::start_by_ones(dir.path(), Arc::clone(&vendor)).await;
    world.synced().await;
    assert_eq!(world.people().len(), 12);
    assert_eq!(world.store.degraded_profiles(&PERSON, 0, 100).unwrap().len(), 12);
    let told = world.engine.explain(&world.people()[0].id).await.unwrap().unwrap();
    assert_eq!((told.degraded, told.held), (true, vec![Held::Shared(Identity::email("info@x.com").unwrap())]));

    // Ten may share it.
    let gone = |id| Lead { id, kind: RowKind::Tombstone, at: 20, email: None, title: None, into: None };
    vendor.pages.lock().unwrap().push(vec![gone("3"), gone("12")]);
    world.synced().await;
    let people = world.people();
    assert_eq!((people.len(), people[0].records, people[0].degraded), (1, 10, false));
    assert!(world.store.degraded_profiles(&PERSON, 0, 100).unwrap().is_empty());
    // And an eleventh divides them again.
    vendor.pages.lock().unwrap().push(vec![lead("12", 30, "info@x.com", "CEO")]);
    world.synced().await;
    assert_eq!((world.people().len(), world.store.degraded_profiles(&PERSON, 0, 100).unwrap().len()), (11, 11));
}

#[tokio::test]
async fn rules_are_tried_published_and_hold_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let pages =
        vec![vec![lead("1", 10, "a@x.com", "CEO"), lead("2", 20, "a@x.com", "CTO"), lead("3", 10, "b@x.com", "CFO")]];
    let vendor = crate::vendor(pages);
    let world = World::start_by_ones(dir.path(), Arc::clone(&vendor)).await;
    let segment = world.segment("person.job_title == 'CEO'").await;
    world.synced().await;
    let before = world.people();
    assert_eq!((before.len(), world.store.count_members(&segment).unwrap()), (2, 0));

    let apart = joins_by_address(false);
    let tried = world.engine.what_if(apart.clone(), 100).await.unwrap();
    let counts = (tried.records, tried.whole, tried.difference.profiles_before, tried.difference.profiles_after);
    assert_eq!(counts, (3, true, 2, 3));
    assert_eq!((tried.difference.merges, tried.difference.splits), (0, 1));
    let part = world.engine.what_if(apart.clone(), 1).await.unwrap();
    assert_eq!((part.records, part.whole), (1, false));
    assert_eq!(world.people(), before, "trying changes nothing");

    world.publish(&apart).await;
    assert_eq!((world.people().len(), world.store.count_members(&segment).unwrap()), (3, 1));
    let World { store, engine, .. } = world;
    engine.drain(std::time::Duration::from_secs(5)).await;
    drop((engine, store));
    let world = World::start_by_ones(dir.path(), Arc::clone(&vendor)).await;
    vendor.pages.lock().unwrap().push(vec![lead("4", 10, "b@x.com", "CEO")]);
    world.synced().await;
    assert_eq!(world.people().len(), 4, "the rules still hold");

    world.publish(&joins_by_address(true)).await;
    let people = world.people();
    assert_eq!((people.len(), &people[0].id), (2, &before[0].id), "who was one is one again, under the same id");
    // Which of two that join keeps its id is chance; the other leads there.
    assert_eq!(world.store.profile(&before[1].id).unwrap().unwrap().id, people[1].id);
    assert_eq!(world.store.count_members(&segment).unwrap(), 0);
}

#[tokio::test]
async fn fields_that_nothing_is_stored_of_cannot_be_tried() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start_by_ones(dir.path(), crate::vendor(vec![vec![lead("1", 10, "a@x.com", "CEO")]])).await;
    let other = rules(|rules| rules.namespaces.get_mut("email").unwrap().fields = vec!["job_title".into()]);
    let fault = world.engine.what_if(other, 100).await.unwrap_err();
    assert_eq!(fault.code, "identity.what-if-fields");
}

#[tokio::test]
async fn who_is_never_one_stays_apart_until_it_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = crate::vendor(vec![vec![lead("1", 10, "a@x.com", "CEO"), lead("2", 20, "a@x.com", "CTO")]]);
    let world = World::start_by_ones(dir.path(), Arc::clone(&vendor)).await;
    world.synced().await;
    let one = world.people()[0].clone();
    let never = NeverLink::new(&PERSON, "2@i.Fake", "1@i.Fake", "two people", "ann", 5).unwrap();
    let (id, both) = (never.id(), Reconsider::Records(PERSON, vec![never.a.clone(), never.b.clone()]));
    let write = document(Kind::NeverLink, id.as_str(), &never);
    world.engine.reconsider(write, vec![], both.clone()).await.unwrap();
    world.settled().await;
    assert_eq!(world.emails(), ["a@x.com", "a@x.com"]);
    let told = world.engine.explain(&one.id).await.unwrap().unwrap();
    let [Held::Refused(refusal)] = told.held.as_slice() else { panic!("{:?}", told.held) };
    assert_eq!((&refusal.why, told.degraded), (&Refused::NeverLink, false), "a wish is no degradation");

    // Another word of either changes nothing of it.
    vendor.pages.lock().unwrap().push(vec![lead("2", 30, "a@x.com", "CFO")]);
    world.synced().await;
    assert_eq!(world.people().len(), 2);

    world.engine.reconsider(vec![], vec![(Kind::NeverLink, id.to_string())], both).await.unwrap();
    world.settled().await;
    let people = world.people();
    assert_eq!((people.len(), &people[0].id), (1, &one.id));
}

#[tokio::test]
async fn a_value_comes_from_the_newest_record_or_the_source_that_is_preferred() {
    let dir = tempfile::tempdir().unwrap();
    let vendor = crate::vendor(vec![vec![lead("1", 20, "a@x.com", "CTO")]]);
    let world = World::start_by_ones(dir.path(), Arc::clone(&vendor)).await;
    world.synced().await;
    // Another instance of the vendor, which knew the person earlier.
    let mut other: attiva_core::config::Connection = world.get(Kind::Connection, world.connection.as_str());
    other.id = ConnectionId::parse("con_other").unwrap();
    other.instance.id = "j".into();
    let write = document(Kind::Connection, other.id.as_str(), &other).remove(0).0;
    world.store.put_document(write, Expect::Absent).await.unwrap();
    *vendor.pages.lock().unwrap() = vec![vec![lead("1", 10, "a@x.com", "CEO")]];
    let run: Run = world.engine.start_run(&other.id, attiva_core::id::RunId::new(1, [9; 6])).await.unwrap();
    world.ended_run(&run.id).await;
    world.settled().await;

    let title = async || {
        let people = world.people();
        let told = world.engine.explain(&people[0].id).await.unwrap().unwrap();
        let field = told.fields.into_iter().find(|f| f.field == "job_title").unwrap();
        let from = field.from.unwrap();
        assert_eq!(attribute(&people[0].attributes, "job_title").as_deref(), field.value.as_text());
        assert_eq!(from.expression, "record.title");
        (people.len(), people[0].records, field.value.as_text().unwrap().to_owned(), field.why, from.source_key)
    };
    assert_eq!(title().await, (1, 2, "CTO".into(), Why::Newest, "1@i.Fake".into()));
    let precedence = FieldRule::Precedence { sources: vec!["j.Fake".into()] };
    let policy =
        MergePolicy { version: 2, fields: [("job_title".to_owned(), precedence)].into(), ..MergePolicy::default() };
    let write = document(Kind::MergePolicy, PERSON.as_str(), &policy);
    world.engine.reconsider(write, vec![], Reconsider::All).await.unwrap();
    world.settled().await;
    assert_eq!(title().await, (1, 2, "CEO".into(), Why::Precedence, "1@j.Fake".into()));
}
