//! Every entity of the model, and an operator's own, from rows to profiles that refer to each other.

use super::support::tables::*;
use super::support::{attribute, document};
use attiva_core::identity::Identity;
use attiva_core::model::EntityName;
use attiva_core::model::custom::{Custom, CustomAttribute, CustomEntity, CustomField, CustomRelation};
use attiva_core::model::{EntityKind, Layout};
use attiva_core::ports::store::{Kind, Reconsider};
use attiva_core::{DataType, Value};
use attiva_sync::policies::MODEL;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const PERSON: EntityName = EntityName::PERSON;
const ACCOUNT: EntityName = EntityName::ACCOUNT;
const OPPORTUNITY: EntityName = EntityName::OPPORTUNITY;

/// A marketing system that knows the CRM's keys, and numbers its things apart by kind.
fn marketing() -> Tables {
    Tables { configuration: serde_json::json!({"crm": "s1"}), ..Tables::default() }
        .table(
            "leads",
            "person",
            &[
                ("email", "record.mail"),
                ("external_key", "source_key(record.crm_id, config.crm, \"S\")"),
                ("account_key", "source_key(record.company, instance.id, instance.system)"),
            ],
        )
        .table(
            "companies",
            "account",
            &[
                ("name", "record.name"),
                ("external_key", "source_key(record.crm_id, config.crm, \"S\")"),
                ("parent_key", "source_key(record.parent, instance.id, instance.system)"),
            ],
        )
        .table(
            "deals",
            "opportunity",
            &[
                ("name", "record.name"),
                ("stage", "record.stage"),
                ("external_key", "source_key(record.crm_id, config.crm, \"S\")"),
                ("account_key", "source_key(record.company, instance.id, instance.system)"),
            ],
        )
        .table("lists", "marketing_list", &[("name", "record.name")])
        .table(
            "members",
            "marketing_list_member",
            &[
                ("marketing_list_key", "source_key(record.list, instance.id, instance.system)"),
                ("person_key", "source_key(record.lead, instance.id, instance.system)"),
            ],
        )
}

/// The CRM itself.
fn crm() -> Tables {
    Tables::default()
        .table(
            "Contact",
            "person",
            &[("email", "record.mail"), ("account_key", "source_key(record.account, instance.id, instance.system)")],
        )
        .table("Account", "account", &[("name", "record.name"), ("industry", "record.industry")])
        .table(
            "Opportunity",
            "opportunity",
            &[
                ("name", "record.name"),
                ("stage", "record.stage"),
                ("account_key", "source_key(record.account, instance.id, instance.system)"),
            ],
        )
        .table(
            "Role",
            "opportunity_person",
            &[
                ("opportunity_key", "source_key(record.opportunity, instance.id, instance.system)"),
                ("person_key", "source_key(record.contact, instance.id, instance.system)"),
            ],
        )
}

fn both() -> Vendors {
    Vendors::from([("m1", Arc::new(marketing())), ("s1", Arc::new(crm()))])
}

#[tokio::test]
async fn what_comes_through_marketing_and_from_the_crm_is_one_and_hangs_together() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = both();
    let (m1, s1) = (&vendors["m1"], &vendors["s1"]);
    // Everything is numbered 1001 there.
    m1.tell("leads", vec![row("1001", 10, &[("mail", "a@x.com"), ("crm_id", "C1"), ("company", "1001")])]);
    m1.tell("companies", vec![row("1001", 10, &[("name", "Acme"), ("crm_id", "A1"), ("parent", "1002")])]);
    m1.tell("deals", vec![row("1001", 10, &[("name", "Big"), ("stage", "1"), ("crm_id", "O1"), ("company", "1001")])]);
    m1.tell("lists", vec![row("1001", 10, &[("name", "Friends")])]);
    m1.tell("members", vec![row("1001-1001", 10, &[("list", "1001"), ("lead", "1001")])]);
    s1.tell("Contact", vec![row("C1", 20, &[("mail", "other@x.com"), ("account", "A2")])]);
    s1.tell("Account", vec![row("A1", 20, &[("name", "Acme Inc"), ("industry", "Toys")]), row("A2", 20, &[])]);
    s1.tell("Opportunity", vec![row("O1", 20, &[("stage", "2"), ("account", "A1")])]);
    s1.tell("Role", vec![row("R1", 20, &[("opportunity", "O1"), ("contact", "C1")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    office.read_all().await;

    let person = office.by_key(&PERSON, "C1@s1.S").unwrap();
    let account = office.by_key(&ACCOUNT, "A1@s1.S").unwrap();
    let deal = office.by_key(&OPPORTUNITY, "O1@s1.S").unwrap();
    assert_eq!(office.records_of(&person), ["1001@m1.M", "C1@s1.S"]);
    assert_eq!(office.records_of(&account), ["1001@m1.M", "A1@s1.S"]);
    assert_eq!(office.records_of(&deal), ["1001@m1.M", "O1@s1.S"]);
    let kinds: Vec<&str> = [&person, &account, &deal].map(|profile| &profile.id.as_str()[..4]).to_vec();
    assert_eq!(kinds, ["prf_", "acc_", "opp_"]);
    let of_account = |name| attribute(&account.attributes, name);
    assert_eq!((of_account("name").as_deref(), of_account("industry").as_deref()), (Some("Acme Inc"), Some("Toys")));
    assert_eq!(attribute(&deal.attributes, "stage").as_deref(), Some("2"), "the newer");
    assert_eq!(attribute(&deal.attributes, "name").as_deref(), Some("Big"));

    // A person of two records is in both of their accounts; the parent is not known yet.
    let leads_to = |profile: &attiva_core::ports::store::Profile| -> Vec<(String, Option<i64>)> {
        let references = office.store.references(&[profile.number]).unwrap().remove(0);
        references.into_iter().map(|referred| (referred.reference.key, referred.profile)).collect()
    };
    let other = office.by_key(&ACCOUNT, "A2@s1.S").unwrap();
    assert_eq!(leads_to(&person), [("1001@m1.M".into(), Some(account.number)), ("A2@s1.S".into(), Some(other.number))]);
    assert_eq!(leads_to(&account), [("1002@m1.M".into(), None)]);
    assert_eq!(office.referrers(&account, &PERSON, "account_key"), ["1001@m1.M"]);
    assert_eq!(office.referrers(&account, &OPPORTUNITY, "account_key"), ["1001@m1.M"]);
    let list = office.by_key(&EntityKind::MarketingList.into(), "1001@m1.M").unwrap();
    let member = EntityKind::MarketingListMember.into();
    assert_eq!(office.referrers(&list, &member, "marketing_list_key"), ["1001-1001@m1.M"]);
    assert_eq!(office.referrers(&person, &member, "person_key"), ["1001-1001@m1.M"]);
    assert_eq!(office.referrers(&deal, &EntityKind::OpportunityPerson.into(), "opportunity_key"), ["R1@s1.S"]);
    assert_eq!(office.referrers(&person, &EntityKind::OpportunityPerson.into(), "person_key"), ["R1@s1.S"]);

    // The parent arrives, then the company's CRM key is taken back: two accounts again, and what referred goes along.
    m1.tell("companies", vec![row("1002", 30, &[("name", "Parent")]), row("1001", 30, &[("name", "Acme")])]);
    office.read_all().await;
    let parent = office.by_key(&ACCOUNT, "1002@m1.M").unwrap();
    let company = office.by_key(&ACCOUNT, "1001@m1.M").unwrap();
    let own = office.by_key(&ACCOUNT, "A1@s1.S").unwrap();
    assert_ne!(company.id, own.id);
    assert_eq!(office.referrers(&parent, &ACCOUNT, "parent_key"), Vec::<String>::new(), "it names no parent any more");
    assert_eq!(leads_to(&deal), [("A1@s1.S".into(), Some(own.number))]);
    assert_eq!(leads_to(&person)[0], ("1001@m1.M".into(), Some(company.number)));
    assert_eq!(office.referrers(&company, &PERSON, "account_key"), ["1001@m1.M"]);
    assert_eq!(office.referrers(&own, &PERSON, "account_key"), Vec::<String>::new());
}

fn text_field(name: &str) -> CustomField {
    CustomField { name: name.into(), data_type: DataType::Text, title: String::new(), values: Vec::new() }
}

/// An object of the CRM that is an entity of the operator's own hangs on the account that came through marketing.
#[tokio::test]
async fn an_entity_of_the_operators_own_is_joined_by_the_crm_key() {
    let dir = tempfile::tempdir().unwrap();
    let marketing = marketing();
    marketing.tell("companies", vec![row("8", 10, &[("name", "Acme"), ("crm_id", "A1")])]);
    let crm = Tables::default().table(
        "Subscription__c",
        "subscription",
        &[("product", "record.product"), ("account_key", "source_key(record.account, instance.id, instance.system)")],
    );
    crm.tell("Subscription__c", vec![row("S1", 10, &[("product", "Gold"), ("account", "A1")])]);
    let vendors = Vendors::from([("m1", Arc::new(marketing)), ("s1", Arc::new(crm))]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    // Nobody has declared it: the records wait, apart.
    office.read_all().await;
    let subscription = EntityName::parse("subscription").unwrap();
    assert!(office.all(&subscription).is_empty());

    let custom = Custom {
        version: 1,
        roll_ups: vec![],
        attributes: vec![CustomAttribute { entity: EntityKind::Account, field: text_field("tier") }],
        entities: vec![CustomEntity {
            name: "subscription".into(),
            title: String::new(),
            fields: vec![text_field("product"), text_field("account_key")],
            relations: vec![CustomRelation {
                field: "account_key".into(),
                to: EntityKind::Account,
                name_there: "subscriptions".into(),
            }],
        }],
    };
    let write = document(Kind::CustomModel, MODEL, &custom);
    office.engine.reconsider(write, vec![], Reconsider::All).await.unwrap();
    office.vendors["s1"].tell("Subscription__c", vec![row("S2", 20, &[("product", "Tin"), ("account", "A1")])]);
    office.read_all().await;
    let all = office.all(&subscription);
    assert_eq!(all.len(), 2, "the one that waited is there, too");
    assert!(all.iter().all(|profile| profile.id.as_str().starts_with("ent_")));
    let account = office.by_key(&ACCOUNT, "8@m1.M").unwrap();
    assert_eq!(office.referrers(&account, &subscription, "account_key"), ["S1@s1.S", "S2@s1.S"]);
    let gold = office.by_key(&subscription, "S1@s1.S").unwrap();
    assert_eq!(attribute(&gold.attributes, "product").as_deref(), Some("Gold"));
}

/// A row of one of two vendors: which table, key, time, and the key it gives itself in the CRM, the address, and what it
/// names.
#[derive(Debug, Clone)]
struct Event {
    vendor: &'static str,
    table: &'static str,
    row: Row,
}

fn any_event() -> impl Strategy<Value = Event> {
    let (m1, s1) = (["leads", "leads", "companies", "deals", "members"], ["Contact", "Account", "Opportunity", "Role"]);
    let tables = m1.map(|table| ("m1", table)).into_iter().chain(s1.map(|table| ("s1", table)));
    let tables = prop::sample::select(tables.collect::<Vec<_>>());
    (tables, 0..3_u8, 0..3_u8, 0..3_u8, any::<bool>(), prop::bool::weighted(0.15)).prop_map(
        |((vendor, table), key, crm, account, named, gone)| {
            let (crm, account) = (format!("{crm}"), format!("{account}"));
            let mut cells = vec![("name", format!("{table}{key}{crm}{account}"))];
            match (vendor, table) {
                ("m1", "leads") => {
                    cells.extend([("mail", format!("{account}@x.com")), ("crm_id", crm), ("company", account)])
                }
                ("s1", "Contact") => cells.extend([("mail", format!("{crm}@x.com")), ("account", account)]),
                ("m1", "members") => cells.extend([("list", crm), ("lead", account)]),
                ("s1", "Role") => cells.extend([("opportunity", crm), ("contact", account)]),
                ("m1", "companies") => cells.extend([("crm_id", crm), ("parent", account)]),
                ("m1", _) => cells.extend([("crm_id", crm), ("company", account), ("stage", "x".into())]),
                (_, "Opportunity") => cells.push(("account", account)),
                _ => {}
            }
            cells.truncate(if named { 4 } else { 1 });
            let row = Row { key: format!("{key}"), at: 0, deleted: gone, cells };
            Event { vendor, table, row }
        },
    )
}

/// What profiles there are, by entity: the records of each, its values, and the first record of what it refers to.
type Outcome = BTreeMap<EntityName, BTreeSet<String>>;

fn outcome(office: &Office) -> Outcome {
    let mut outcome = Outcome::new();
    let parts = [EntityKind::OpportunityPerson, EntityKind::MarketingListMember].map(EntityName::from);
    for entity in [PERSON, ACCOUNT, OPPORTUNITY].into_iter().chain(parts) {
        for profile in office.all(&entity) {
            let layout = Layout::of(entity.kind().unwrap());
            let values: Vec<Value> = layout.row(&profile.attributes);
            let references = office.store.references(&[profile.number]).unwrap().remove(0);
            let leads_to = references.into_iter().map(|referred| {
                let there = referred.profile.map(|number| {
                    let found = office.store.profiles_by_number(&[number]).unwrap().remove(0);
                    // Both ways agree.
                    let back = office.referrers(&found, &entity, &referred.reference.field);
                    assert!(back.contains(&office.records_of(&profile)[0]));
                    assert_eq!(found.entity, referred.reference.to);
                    office.records_of(&found)
                });
                format!("{} {} {there:?}", referred.reference.field, referred.reference.key)
            });
            let leads_to: Vec<String> = leads_to.collect();
            let said = format!("{:?} {values:?} {leads_to:?} {}", office.records_of(&profile), profile.degraded);
            outcome.entry(entity.clone()).or_default().insert(said);
        }
    }
    outcome
}

/// Tells the events in pages of these lengths, each vendor's tables one after the other, and stops and starts anew
/// between the runs.
async fn told(events: &[Event], lengths: &[usize], step: usize, runs: usize, twice: bool) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let vendors = both();
    let mut lengths = lengths.iter().cycle();
    for chunk in events.chunks(events.len().div_ceil(runs).max(1)) {
        let mut by_table: BTreeMap<(&str, &'static str), Vec<Row>> = BTreeMap::new();
        for Event { vendor, table, row } in chunk {
            by_table.entry((vendor, table)).or_default().push(row.clone());
        }
        for ((vendor, table), rows) in by_table {
            let told = if twice { [rows.clone(), rows].concat() } else { rows };
            let mut rest: &[Row] = &told;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
                vendors[vendor].tell(table, now.to_vec());
                rest = later;
            }
        }
        let office = Office::start(dir.path(), &vendors, step).await;
        office.read_all().await;
        office.stop().await;
    }
    let office = Office::start(dir.path(), &vendors, step).await;
    office.read_all().await;
    let outcome = outcome(&office);
    office.stop().await;
    outcome
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_batches_repeats_and_restarts_never_change_what_profiles_become(
        events in vec(any_event(), 1..20),
        lengths in vec(1..5_usize, 1..3),
        places in vec(any::<usize>(), 20),
        step in 1..4_usize,
        runs in 1..3_usize,
    ) {
        // Each row has a time of its own, so that what is newest does not depend on the order of arrival.
        let events: Vec<Event> = (10..).zip(events).map(|(at, mut event)| { event.row.at = at; event }).collect();
        let mut turned = events.clone();
        for (i, other) in (0..events.len()).zip(places) {
            turned.swap(i, other % events.len());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (plain, other) = runtime.block_on(async {
            (told(&events, &[100], 100, 1, false).await, told(&turned, &lengths, step, runs, true).await)
        });
        prop_assert_eq!(plain, other);
    }
}

/// Persons who become one are looked at along with everything else, in one step.
#[tokio::test]
async fn who_becomes_another_is_gone_whatever_else_changes_in_the_same_step() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = both();
    let lead = |key: &str| row(key, 10, &[("mail", "a@x.com")]);
    vendors["m1"].tell("leads", vec![lead("1"), lead("2")]);
    vendors["m1"].tell("companies", vec![row("7", 10, &[("name", "Acme")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    let publish = async |joins: bool| {
        let mut rules = attiva_core::identity::Rules::person();
        rules.namespaces.get_mut("email").unwrap().joins = joins;
        let write = document(Kind::IdentityRules, PERSON.as_str(), &rules);
        office.engine.reconsider(write, vec![], Reconsider::All).await.unwrap();
        office.settled().await;
    };
    publish(false).await;
    office.read_all().await;
    let two = office.all(&PERSON);
    assert_eq!(two.len(), 2);
    publish(true).await;
    let [one] = office.all(&PERSON).try_into().unwrap();
    assert_eq!(office.records_of(&one), ["1@m1.M", "2@m1.M"]);
    assert_eq!(office.store.count_profiles(&PERSON).unwrap(), 1);
    for before in two {
        assert_eq!(office.store.profile(&before.id).unwrap().unwrap().id, one.id, "the other leads there");
    }
    assert_eq!(office.all(&ACCOUNT).len(), 1);
}

#[tokio::test]
async fn what_is_deleted_leaves_its_references_dangling_until_it_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = both();
    vendors["s1"].tell("Account", vec![row("A1", 10, &[("name", "Acme")])]);
    vendors["s1"].tell("Opportunity", vec![row("O1", 10, &[("name", "Big"), ("account", "A1")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    office.read_all().await;
    let deal = office.by_key(&OPPORTUNITY, "O1@s1.S").unwrap();
    let there = || office.store.references(&[deal.number]).unwrap()[0][0].profile;
    let account = office.by_key(&ACCOUNT, "A1@s1.S").unwrap();
    assert_eq!(there(), Some(account.number));
    vendors["s1"].tell("Account", vec![deleted("A1", 20)]);
    office.read_all().await;
    assert_eq!((there(), office.by_key(&ACCOUNT, "A1@s1.S")), (None, None));
    vendors["s1"].tell("Account", vec![row("A1", 30, &[("name", "Acme again")])]);
    office.read_all().await;
    assert_eq!(there(), Some(account.number), "its number is its own");
    assert_eq!(office.store.profile_by_identity(&PERSON, &Identity::source_key("A1@s1.S")).unwrap(), None);
}
