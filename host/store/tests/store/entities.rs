//! Records and profiles of several entities: apart where keys are equal, and found from each other.

use crate::support::*;
use attiva_core::id::ProfileId;
use attiva_core::identity::{Ask, Identity, Level};
use attiva_core::model::EntityName;
use attiva_core::ports::store::{
    Feed, PageCommit, ProfileCommit, ProfileWrite, Reconsider, RecordLink, Reference, Referred, Relation, SandboxStore,
};
use attiva_store::Sandbox;

const ACCOUNT: EntityName = EntityName::ACCOUNT;
const OPPORTUNITY: EntityName = EntityName::OPPORTUNITY;

fn page_of(entity: Option<EntityName>, stream: &str, keys: &[&str]) -> PageCommit {
    let records = keys.iter().map(|key| full(key, 10, &[("name", text(stream))])).collect();
    PageCommit { entity, ..page(stream, "a", records) }
}

/// A profile of a record, with the keys the record gives itself beside its own, and what it refers to.
struct Thing<'a> {
    entity: EntityName,
    key: &'a str,
    same_as: &'a [&'a str],
    refers: &'a [(&'a str, EntityName, &'a str)],
}

/// Commits the record and the profile it founds; returns the profile's number.
fn put(store: &Sandbox, thing: &Thing<'_>) -> i64 {
    let Thing { entity, key, same_as, refers } = thing;
    wait(store.commit_page(page_of(Some(entity.clone()), entity.as_str(), &[key]))).unwrap();
    let record = store.record(entity, key).unwrap().unwrap().number;
    let id = ProfileId::founded(entity, key);
    let references =
        refers.iter().map(|(field, to, key)| Reference { field: (*field).into(), to: to.clone(), key: (*key).into() });
    let write = ProfileWrite {
        entity: entity.clone(),
        id: id.clone(),
        references: references.collect(),
        ..write("", &[("name", text(key))])
    };
    let identities = std::iter::once(key).chain(*same_as).map(|key| Identity::source_key(key)).collect();
    let link = RecordLink { record, identities, profile: Some(id.clone()), level: Level::Full };
    wait(store.commit_profiles(profiles(9, vec![write], vec![link]))).unwrap();
    store.profile(&id).unwrap().unwrap().number
}

fn relation(entity: EntityName, field: &str) -> Relation {
    Relation { entity, field: field.into() }
}

fn leads_to(store: &Sandbox, profile: i64) -> Vec<Option<i64>> {
    store.references(&[profile]).unwrap()[0].iter().map(|referred| referred.profile).collect()
}

#[test]
fn a_key_names_one_record_of_each_entity() {
    let f = sandbox();
    let key = "1001@m.Marketo";
    for (entity, stream) in [(Some(PERSON), "leads"), (Some(ACCOUNT), "companies"), (None, "odd"), (None, "other")] {
        assert_eq!(wait(f.store.commit_page(page_of(entity, stream, &[key]))).unwrap().changed, 1, "{stream}");
    }
    let stream = |entity: &EntityName| f.store.record(entity, key).unwrap().map(|record| record.stream);
    assert_eq!((stream(&PERSON).as_deref(), stream(&ACCOUNT).as_deref()), (Some("leads"), Some("companies")));
    assert_eq!((stream(&OPPORTUNITY), f.store.presence(&OPPORTUNITY, key).unwrap()), (None, None));
    let of: Vec<Option<EntityName>> =
        f.store.records_by_number(&[1, 2, 3, 4]).unwrap().into_iter().map(|record| record.entity).collect();
    assert_eq!(of, [Some(PERSON), Some(ACCOUNT), None, None]);
    assert_eq!(f.store.record_numbers(&ACCOUNT, 0, 9).unwrap(), [2]);
    // Said again, each finds its own.
    assert_eq!(wait(f.store.commit_page(page_of(None, "odd", &[key]))).unwrap().unchanged, 1);
}

#[test]
fn identities_of_two_entities_never_meet() {
    let f = sandbox();
    let put = |entity, key, same_as| put(&f.store, &Thing { entity, key, same_as, refers: &[] });
    let person = put(PERSON, "7@m.Marketo", &["001@o.Salesforce"][..]);
    let account = put(ACCOUNT, "7@m.Marketo", &["001@o.Salesforce"]);
    for key in ["7@m.Marketo", "001@o.Salesforce"] {
        let identity = Identity::source_key(key);
        let found = |entity| f.store.profile_by_identity(entity, &identity).unwrap().map(|p| (p.number, p.entity));
        assert_eq!(found(&PERSON), Some((person, PERSON)));
        assert_eq!(found(&ACCOUNT), Some((account, ACCOUNT)));
        assert_eq!(found(&OPPORTUNITY), None);
        let ask = [Ask { identity, records_max: 9 }];
        assert_eq!(f.store.records_with(&PERSON, &ask).unwrap()[0].len(), 1);
    }
    let count = |entity| f.store.count_profiles(entity).unwrap();
    assert_eq!((count(&PERSON), count(&ACCOUNT), count(&OPPORTUNITY)), (1, 1, 0));
    let listed = |entity| f.store.profiles(entity, 0, 9).unwrap().iter().map(|p| p.number).collect::<Vec<_>>();
    assert_eq!((listed(&PERSON), listed(&ACCOUNT), listed(&OPPORTUNITY)), (vec![person], vec![account], vec![]));
    // The count goes down where the profile is gone.
    let removed = vec![(ProfileId::founded(&ACCOUNT, "7@m.Marketo"), None)];
    wait(f.store.commit_profiles(ProfileCommit { upto: 9, removed, now: 20, ..Default::default() })).unwrap();
    assert_eq!((count(&PERSON), count(&ACCOUNT)), (1, 0));
}

#[test]
fn references_are_found_both_ways_whatever_came_first() {
    let f = sandbox();
    let crm = "001@o.Salesforce";
    let refers = [("account_key", ACCOUNT, crm), ("account_key", ACCOUNT, "9@m.Marketo")];
    let person = put(&f.store, &Thing { entity: PERSON, key: "1@m.Marketo", same_as: &[], refers: &refers });
    let deal = Thing { entity: OPPORTUNITY, key: "006@o.Salesforce", same_as: &[], refers: &refers[..1] };
    let deal = put(&f.store, &deal);
    assert_eq!(leads_to(&f.store, person), [None, None], "nothing of these keys is there yet");

    // The account is known by the key that its record gives itself in the other system.
    let account = put(&f.store, &Thing { entity: ACCOUNT, key: "8@m.Marketo", same_as: &[crm], refers: &[] });
    let reference = Reference { field: "account_key".into(), to: ACCOUNT, key: crm.into() };
    assert_eq!(
        f.store.references(&[deal, account]).unwrap(),
        [vec![Referred { reference, profile: Some(account) }], vec![]]
    );
    assert_eq!(leads_to(&f.store, person), [Some(account), None]);
    let referrers = |entity, field, after| f.store.referrers(account, &relation(entity, field), after, 9).unwrap();
    assert_eq!(referrers(PERSON, "account_key", 0), [person]);
    assert_eq!(referrers(OPPORTUNITY, "account_key", 0), [deal]);
    assert_eq!(referrers(PERSON, "account_key", person), Vec::<i64>::new());
    assert_eq!(referrers(PERSON, "matched_account_key", 0), Vec::<i64>::new());
    assert_eq!(f.store.referrers(person, &relation(OPPORTUNITY, "account_key"), 0, 9).unwrap(), Vec::<i64>::new());

    // What refers to nothing any more, or is gone, is not found from there.
    let before = f.store.newest(Feed::Profiles).unwrap();
    put(&f.store, &Thing { entity: PERSON, key: "1@m.Marketo", same_as: &[], refers: &[] });
    assert!(f.store.newest(Feed::Profiles).unwrap() > before, "what a profile refers to is a change of it");
    assert_eq!(referrers(PERSON, "account_key", 0), Vec::<i64>::new());
    let removed = vec![(ProfileId::founded(&OPPORTUNITY, "006@o.Salesforce"), None)];
    wait(f.store.commit_profiles(ProfileCommit { upto: 9, removed, now: 20, ..Default::default() })).unwrap();
    assert_eq!(referrers(OPPORTUNITY, "account_key", 0), Vec::<i64>::new());
}

/// Two records carry a key and are kept apart: it leads to one of them, and only that one is found the other way.
#[test]
fn a_key_of_two_profiles_leads_to_one() {
    let f = sandbox();
    let crm = "001@o.Salesforce";
    let a = put(&f.store, &Thing { entity: ACCOUNT, key: "8@m.Marketo", same_as: &[crm], refers: &[] });
    let b = put(&f.store, &Thing { entity: ACCOUNT, key: "9@m.Marketo", same_as: &[crm], refers: &[] });
    let refers = [("account_key", ACCOUNT, crm)];
    let person = put(&f.store, &Thing { entity: PERSON, key: "1@m.Marketo", same_as: &[], refers: &refers });
    let people = relation(PERSON, "account_key");
    let from = |account| f.store.referrers(account, &people, 0, 9).unwrap();
    assert_eq!(leads_to(&f.store, person), [Some(a)]);
    assert_eq!((from(a), from(b)), (vec![person], vec![]));
    // The account's own record takes its key over.
    let own = put(&f.store, &Thing { entity: ACCOUNT, key: crm, same_as: &[], refers: &[] });
    assert_eq!(leads_to(&f.store, person), [Some(own)]);
    assert_eq!((from(a), from(own)), (vec![], vec![person]));
}

#[test]
fn referrers_come_in_pages() {
    let f = sandbox();
    let keys: Vec<String> = (0..5).map(|n| format!("{n}@m.Marketo")).collect();
    let account = put(&f.store, &Thing { entity: ACCOUNT, key: "8@m.Marketo", same_as: &["9@m.Marketo"], refers: &[] });
    let people: Vec<i64> = (0..5)
        .map(|n| {
            let target = ["8@m.Marketo", "9@m.Marketo"][n % 2];
            let refers = [("account_key", ACCOUNT, target)];
            put(&f.store, &Thing { entity: PERSON, key: &keys[n], same_as: &[], refers: &refers })
        })
        .collect();
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = f.store.referrers(account, &relation(PERSON, "account_key"), after, 2).unwrap();
        let Some(last) = page.last() else { break };
        after = *last;
        found.extend(page);
    }
    assert_eq!(found, people);
}

/// A stream that nobody mapped is mapped, and then mapped to something else: its records go with it, and what they made
/// before is gone.
#[test]
fn records_follow_their_streams_mapping() {
    let f = sandbox();
    let is_of = |entity: Option<&EntityName>| f.store.stream_is_of(&connection(), "objects", entity).unwrap();
    assert!(is_of(None) && is_of(Some(&PERSON)), "there are none yet");
    let shared = "2@m.Marketo";
    wait(f.store.commit_page(page_of(None, "objects", &["1@m.Marketo", shared]))).unwrap();
    assert!(is_of(None) && !is_of(Some(&PERSON)));
    let upto = f.store.newest(Feed::Records).unwrap();

    wait(f.store.commit_page(page_of(Some(PERSON), "objects", &["3@m.Marketo"]))).unwrap();
    let told = f.store.changes(Feed::Records, upto, 9).unwrap();
    assert_eq!(told.iter().map(|c| c.subject).collect::<Vec<_>>(), [1, 2, 3], "moved, and the new one");
    assert_eq!(f.store.record_numbers(&PERSON, 0, 9).unwrap(), [1, 2, 3]);

    // As persons they have profiles; one of them shares its profile with a record of another stream.
    wait(f.store.commit_page(page_of(Some(PERSON), "leads", &["4@m.Marketo"]))).unwrap();
    let (a, b) = (write("a", &[]), write("b", &[]));
    let links = [(1, "a"), (2, "b"), (4, "b")]
        .map(|(record, profile)| link(record, Some(profile), &[Identity::email(&format!("{profile}@x.com")).unwrap()]));
    wait(f.store.commit_profiles(profiles(9, vec![a, b], links.to_vec()))).unwrap();
    let upto = f.store.newest(Feed::Records).unwrap();

    // An account of the same key is there, and older.
    wait(f.store.commit_page(PageCommit { ..page_of(Some(ACCOUNT), "companies", &[]) })).unwrap();
    let older = full(shared, 5, &[("name", text("old"))]);
    wait(f.store.commit_page(PageCommit { entity: Some(ACCOUNT), ..page("companies", "b", vec![older]) })).unwrap();
    wait(f.store.commit_page(page_of(Some(ACCOUNT), "objects", &[]))).unwrap();
    assert_eq!(f.store.record_numbers(&PERSON, 0, 9).unwrap(), [4]);
    assert_eq!(f.store.record_numbers(&ACCOUNT, 0, 9).unwrap(), [1, 2, 3], "the newer of two stays");
    assert_eq!(f.store.profile(&profile_id("a")).unwrap(), None, "nothing is left of it");
    assert!(f.store.profile(&profile_id("b")).unwrap().is_some());
    assert_eq!(f.store.count_profiles(&PERSON).unwrap(), 1);
    assert_eq!(carriers(&f.store, &[Identity::email("a@x.com").unwrap()]), Vec::<i64>::new());
    assert_eq!(carriers(&f.store, &[Identity::email("b@x.com").unwrap()]), [4]);
    let told: Vec<i64> = f.store.changes(Feed::Records, upto, 99).unwrap().iter().map(|c| c.subject).collect();
    assert!([1, 2, 3, 4].iter().all(|record| told.contains(record)), "{told:?}");

    // Some are looked at again by the entity's own keys.
    let upto = f.store.newest(Feed::Records).unwrap();
    let some = Reconsider::Records(ACCOUNT, vec![shared.into(), "4@m.Marketo".into()]);
    wait(f.store.reconsider(Vec::new(), Vec::new(), some, 9)).unwrap();
    let told: Vec<i64> = f.store.changes(Feed::Records, upto, 9).unwrap().iter().map(|c| c.subject).collect();
    assert_eq!(told, [2]);
}
