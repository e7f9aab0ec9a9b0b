//! The model and mappings as operators change them: tried, published, and profiles follow from what is stored.

use super::support::attribute;
use super::support::tables::*;
use attiva_core::Value;
use attiva_core::id::ConnectionId;
use attiva_core::model::custom::{Custom, CustomAttribute, CustomEntity, CustomField, CustomRelation};
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::ports::store::{Expect, Feed, Profile};
use attiva_core::spec::MappingSpec;
use attiva_core::{DataType, FaultKind};
use attiva_sync::{MappingProblem, Unpublished};
use std::collections::BTreeMap;
use std::sync::Arc;

const PERSON: EntityName = EntityName::PERSON;

fn con(name: &str) -> ConnectionId {
    ConnectionId::parse(&format!("con_{name}")).unwrap()
}

fn spec(stream: &str, entity: &str, fields: &[(&str, &str)]) -> MappingSpec {
    let fields = fields.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect();
    MappingSpec { stream: stream.into(), entity: entity.into(), fields }
}

fn vendors() -> Vendors {
    let tables = Tables::default()
        .table(
            "leads",
            "person",
            &[
                ("email", "record.mail"),
                ("job_title", "record.title"),
                ("person_score", "record.score"),
                ("city", "record.city"),
            ],
        )
        .table(
            "deals",
            "opportunity",
            &[("name", "record.name"), ("stage", "record.stage"), ("external_key", "record.same")],
        )
        .table("Subscription__c", "subscription", &[("product", "record.product"), ("person_key", "record.person")])
        .table(
            "events",
            "activity",
            &[("person_key", "record.person"), ("ecids", "record.device"), ("time", "record.time")],
        );
    Vendors::from([("m1", Arc::new(tables))])
}

fn text_field(name: &str) -> CustomField {
    CustomField { name: name.into(), data_type: DataType::Text, title: String::new(), values: Vec::new() }
}

fn subscription() -> CustomEntity {
    CustomEntity {
        name: "subscription".into(),
        title: String::new(),
        fields: vec![text_field("product"), text_field("person_key")],
        relations: vec![CustomRelation {
            field: "person_key".into(),
            to: EntityKind::Person,
            name_there: "subscriptions".into(),
        }],
    }
}

fn value(profile: &Profile, name: &str) -> Option<String> {
    attribute(&profile.attributes, name)
}

fn problems<T: std::fmt::Debug>(refused: Result<T, Unpublished<MappingProblem>>) -> Vec<MappingProblem> {
    match refused.unwrap_err() {
        Unpublished::Problems(problems) => problems,
        Unpublished::Fault(fault) => panic!("{fault}"),
    }
}

fn fault<T: std::fmt::Debug, P: std::fmt::Debug>(refused: Result<T, Unpublished<P>>) -> String {
    match refused.unwrap_err() {
        Unpublished::Fault(fault) => {
            assert_eq!(fault.kind, FaultKind::Config);
            fault.code
        }
        Unpublished::Problems(problems) => panic!("{problems:?}"),
    }
}

#[tokio::test]
async fn streams_that_wait_for_an_entity_are_its_as_soon_as_it_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    vendors["m1"].tell("leads", vec![row("1", 10, &[("mail", "a@x.com")])]);
    vendors["m1"].tell("Subscription__c", vec![row("S1", 10, &[("product", "Gold"), ("person", "1@m1.M")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    office.read_all().await;
    let entity = EntityName::parse("subscription").unwrap();
    assert!(office.all(&entity).is_empty());
    let newest = office.store.newest(Feed::Records).unwrap();

    let custom = Custom { entities: vec![subscription()], ..Custom::default() };
    let published = office.engine.publish_model(custom.clone(), Expect::Version(0)).await.unwrap();
    assert_eq!((published.custom.version, published.version, published.streams), (1, 1, 1));
    office.settled().await;
    // Nothing was read again, and nothing else was looked at again.
    let gold = office.by_key(&entity, "S1@m1.M").unwrap();
    assert_eq!(value(&gold, "product").as_deref(), Some("Gold"));
    let person = office.by_key(&PERSON, "1@m1.M").unwrap();
    assert_eq!(office.referrers(&person, &entity, "person_key"), ["S1@m1.M"]);
    assert_eq!(office.store.newest(Feed::Records).unwrap() - newest, 2, "one record, and the profile it made");

    // Made of a version that does not hold, or seen at another; then taken back.
    assert_eq!(fault(office.engine.publish_model(custom.clone(), Expect::Anything).await), "store.version-mismatch");
    let again = Custom { version: 1, ..custom };
    assert_eq!(fault(office.engine.publish_model(again, Expect::Version(0)).await), "store.version-mismatch");
    let empty = Custom { version: 1, ..Custom::default() };
    office.engine.publish_model(empty, Expect::Version(1)).await.unwrap();
    office.settled().await;
    assert!(office.all(&entity).is_empty());
    assert_eq!(office.store.profile(&gold.id).unwrap(), None);
    assert_eq!(office.engine.model().unwrap().0, Custom { version: 2, ..Custom::default() });
}

#[tokio::test]
async fn a_model_that_cannot_be_is_refused_with_each_problem() {
    let dir = tempfile::tempdir().unwrap();
    let office = Office::start(dir.path(), &vendors(), 100).await;
    let attribute = |name: &str| CustomAttribute { entity: EntityKind::Person, field: text_field(name) };
    let custom = Custom { attributes: vec![attribute("email"), attribute("Tier")], ..Custom::default() };
    let Unpublished::Problems(found) = office.engine.publish_model(custom, Expect::Anything).await.unwrap_err() else {
        panic!("it is no fault")
    };
    assert_eq!(found.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["attributes[0]", "attributes[1]"]);
    let many = (0..1_001).map(|n| attribute(&format!("a{n}"))).collect();
    let custom = Custom { attributes: many, ..Custom::default() };
    let Unpublished::Problems(found) = office.engine.publish_model(custom, Expect::Anything).await.unwrap_err() else {
        panic!("it is no fault")
    };
    assert!(found[0].problem.contains("sandbox.custom_attributes"), "{found:?}");

    // An attribute that the rules of identity read stays.
    let custom = Custom { attributes: vec![attribute("badge")], ..Custom::default() };
    office.engine.publish_model(custom, Expect::Anything).await.unwrap();
    let mut rules = attiva_core::identity::Rules::person();
    let mut badge = rules.namespaces["email"].clone();
    (badge.fields, badge.priority) = (vec!["badge".into()], 99);
    rules.namespaces.insert("badge".into(), badge);
    let write = super::support::document(attiva_core::ports::store::Kind::IdentityRules, PERSON.as_str(), &rules);
    office.engine.reconsider(write, vec![], attiva_core::ports::store::Reconsider::All).await.unwrap();
    let empty = Custom { version: 1, ..Custom::default() };
    let Unpublished::Problems(found) = office.engine.publish_model(empty, Expect::Anything).await.unwrap_err() else {
        panic!("it is no fault")
    };
    assert!(found[0].problem.starts_with("the identity rules of person need it"), "{found:?}");
}

#[tokio::test]
async fn a_mapping_is_tried_and_published_and_profiles_follow_from_what_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let told = [
        row("1", 10, &[("mail", "a@x.com"), ("title", "ceo"), ("score", "7"), ("city", "Rome")]),
        row("2", 10, &[("mail", "b@x.com"), ("title", "CTO"), ("score", "many")]),
        row("3", 10, &[("mail", "c@x.com")]),
    ];
    vendors["m1"].tell("leads", told.to_vec());
    let office = Office::start(dir.path(), &vendors, 2).await;
    office.read_all().await;
    let shipped = office.engine.mapping(&con("m1"), "leads").unwrap();
    assert_eq!((shipped.version, shipped.problems.len()), (0, 0));
    assert_eq!(shipped.mapping.unwrap().fields["city"], "record.city");
    let read = vendors["m1"].pages.lock().unwrap()["leads"].len();

    let better = spec(
        "leads",
        "person",
        &[("email", "record.mail"), ("job_title", "record.title.upperAscii()"), ("person_score", "record.title")],
    );
    let preview = office.engine.preview_mapping(&con("m1"), better.clone(), 100).await.unwrap();
    assert_eq!((preview.records, preview.whole, preview.records_changed, preview.profiles_changed), (3, true, 1, 1));
    let changed: BTreeMap<&str, (u64, u64)> =
        preview.fields.iter().map(|(name, field)| (name.as_str(), (field.changed, field.errors))).collect();
    assert_eq!(changed, BTreeMap::from([("city", (1, 0)), ("job_title", (1, 0)), ("person_score", (1, 2))]));
    let title = &preview.fields["job_title"].examples[0];
    assert_eq!(
        (title.source_key.as_str(), &title.before, &title.after),
        ("1@m1.M", &Value::Text("ceo".into()), &Value::Text("CEO".into()))
    );
    assert_eq!(preview.fields["city"].examples[0].after, Value::Null);
    assert_eq!(preview.fields["person_score"].error_sample.as_deref(), Some("1@m1.M"));
    let part = office.engine.preview_mapping(&con("m1"), better.clone(), 2).await.unwrap();
    assert_eq!((part.records, part.whole), (2, false));
    let title_of = |key: &str| value(&office.by_key(&PERSON, key).unwrap(), "job_title");
    assert_eq!(title_of("1@m1.M").as_deref(), Some("ceo"), "nothing is changed by trying");
    // The shipped one left a field empty, and that was counted.
    let errors = office.engine.mapping_errors(&con("m1")).unwrap();
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].field.as_str(), errors[0].count, errors[0].sample.as_str()), ("person_score", 1, "2@m1.M"));

    let state = office.engine.publish_mapping(&con("m1"), better.clone(), Expect::Version(0)).await.unwrap();
    assert_eq!((state.version, state.mapping), (1, Some(better.clone())));
    office.settled().await;
    let first = office.by_key(&PERSON, "1@m1.M").unwrap();
    assert_eq!((title_of("1@m1.M").as_deref(), value(&first, "city")), (Some("CEO"), None));
    assert_eq!(vendors["m1"].pages.lock().unwrap()["leads"].len(), read, "nothing is fetched");
    let errors = office.engine.mapping_errors(&con("m1")).unwrap();
    assert_eq!((errors[0].count, errors[0].code.as_str()), (2, "mapping.value"), "counted anew");

    // Who has not seen it is told; then back to what is shipped, also after a restart.
    let late = office.engine.publish_mapping(&con("m1"), better, Expect::Version(0)).await;
    assert_eq!(fault(late), "store.version-mismatch");
    office.stop().await;
    let office = Office::start(dir.path(), &vendors, 2).await;
    assert_eq!(office.engine.mapping(&con("m1"), "leads").unwrap().version, 1);
    let state = office.engine.restore_mapping(&con("m1"), "leads", Expect::Version(1)).await.unwrap();
    assert_eq!(state.version, 0);
    office.settled().await;
    let first = office.by_key(&PERSON, "1@m1.M").unwrap();
    assert_eq!((value(&first, "job_title").as_deref(), value(&first, "city").as_deref()), (Some("ceo"), Some("Rome")));
}

#[tokio::test]
async fn what_is_wrong_with_a_mapping_is_said_by_field_and_place() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    vendors["m1"].tell("leads", vec![row("1", 10, &[("mail", "a@x.com")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    office.read_all().await;
    let wrong =
        spec("leads", "person", &[("emial", "record.mail"), ("city", "record.title +"), ("state", "record.citi")]);
    let found = problems(office.engine.publish_mapping(&con("m1"), wrong.clone(), Expect::Anything).await);
    let said: Vec<(&str, &str, Option<&str>)> =
        found.iter().map(|p| (p.field.as_str(), p.code, p.suggestion.as_deref())).collect();
    assert_eq!(
        said,
        [
            ("city", "expr.syntax", None),
            ("emial", "mapping.no-field", Some("email")),
            ("state", "expr.unknown-name", Some("city"))
        ]
    );
    assert_eq!(found[2].place, Some((1, 8)));
    assert_eq!(problems(office.engine.preview_mapping(&con("m1"), wrong, 9).await), found);
    assert_eq!(office.engine.mapping(&con("m1"), "leads").unwrap().version, 0);

    let entity = |name: &str, stream: &str| spec(stream, name, &[]);
    let found = problems(office.engine.publish_mapping(&con("m1"), entity("persn", "leads"), Expect::Anything).await);
    assert_eq!(
        (found[0].field.as_str(), found[0].code, found[0].suggestion.as_deref()),
        ("", "mapping.entity", Some("person"))
    );
    let derived = entity("person_component", "leads");
    assert_eq!(
        problems(office.engine.publish_mapping(&con("m1"), derived, Expect::Anything).await)[0].code,
        "mapping.entity"
    );
    let unknown = entity("person", "nothing");
    assert_eq!(fault(office.engine.publish_mapping(&con("m1"), unknown, Expect::Anything).await), "stream.missing");
    // What is stored as records does not become events, nor the reverse.
    for (name, stream) in [("activity", "leads"), ("person", "events")] {
        let found = problems(office.engine.publish_mapping(&con("m1"), entity(name, stream), Expect::Anything).await);
        assert!(found[0].message.contains("a connection of its own"), "{found:?}");
    }
}

#[tokio::test]
async fn a_stream_mapped_to_another_entity_becomes_that_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    vendors["m1"].tell("leads", vec![row("1", 10, &[("mail", "a@x.com"), ("city", "Rome")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    office.read_all().await;
    let person = office.by_key(&PERSON, "1@m1.M").unwrap();
    let accounts = spec("leads", "account", &[("name", "record.city")]);
    let preview = office.engine.preview_mapping(&con("m1"), accounts.clone(), 9).await.unwrap();
    assert_eq!((preview.records_changed, preview.profiles_changed), (1, 1));
    office.engine.publish_mapping(&con("m1"), accounts, Expect::Anything).await.unwrap();
    office.settled().await;
    let account = office.by_key(&EntityName::ACCOUNT, "1@m1.M").unwrap();
    assert_eq!(value(&account, "name").as_deref(), Some("Rome"));
    assert_eq!(office.store.profile(&person.id).unwrap(), None);
}

#[tokio::test]
async fn what_names_nobody_and_what_events_leave_empty_is_counted_too() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    vendors["m1"].tell("leads", vec![row("1", 10, &[("mail", "nobody")]), row("2", 10, &[("mail", "none")])]);
    vendors["m1"].tell("events", vec![row("e1", 10, &[("person", "1@m1.M"), ("time", "soon")])]);
    let office = Office::start(dir.path(), &vendors, 1).await;
    office.read_all().await;
    let counted = |office: &Office| {
        let errors = office.engine.mapping_errors(&con("m1")).unwrap();
        let said = errors.into_iter().map(|e| (e.stream, e.field, e.code, e.count, e.sample));
        said.collect::<Vec<_>>()
    };
    let error = |stream: &str, field: &str, code: &str, count, sample: &str| {
        (stream.to_owned(), field.to_owned(), code.to_owned(), count, sample.to_owned())
    };
    let expected = [
        error("events", "time", "mapping.value", 1, "e1@m1.M"),
        error("leads", "email", "identity.value", 2, "2@m1.M"),
    ];
    assert_eq!(counted(&office), expected);
    // Looked at again as a whole, records count anew; events are not looked at again.
    office.engine.reconsider(vec![], vec![], attiva_core::ports::store::Reconsider::All).await.unwrap();
    office.settled().await;
    assert_eq!(counted(&office), expected);
}

#[tokio::test]
async fn the_stages_of_an_opportunity_are_kept_whatever_order_they_come_in() {
    let dir = tempfile::tempdir().unwrap();
    let vendors = vendors();
    let deal = |stage: &str, at| row("1", at, &[("name", "Big"), ("stage", stage)]);
    // Two pages before the projector sees any; an old row that comes late, and one that says nothing new.
    vendors["m1"].tell("deals", vec![deal("Open", 10), deal("Won", 40)]);
    vendors["m1"].tell("deals", vec![deal("Offer", 20), deal("Won", 50)]);
    vendors["m1"].tell("deals", vec![row("2", 30, &[("stage", "Lost")])]);
    let office = Office::start(dir.path(), &vendors, 100).await;
    office.read_all().await;
    let opportunity = |office: &Office, key: &str| office.by_key(&EntityName::OPPORTUNITY, key).unwrap();
    let stays = |office: &Office, key: &str| {
        let history = office.store.stage_history(opportunity(office, key).number).unwrap();
        history.stays().into_iter().map(|stay| (stay.stage, stay.from)).collect::<Vec<_>>()
    };
    let stay = |stage: &str, from| (stage.to_owned(), from);
    assert_eq!(value(&opportunity(&office, "1@m1.M"), "stage").as_deref(), Some("Won"));
    assert_eq!(stays(&office, "1@m1.M"), [stay("Open", 10), stay("Offer", 20), stay("Won", 40)]);
    assert_eq!(stays(&office, "2@m1.M"), [stay("Lost", 30)]);
    // They turn out to be one: its history is of both records.
    vendors["m1"].tell("deals", vec![row("2", 60, &[("stage", "Lost"), ("same", "1@m1.M")])]);
    office.read_all().await;
    let all = [stay("Open", 10), stay("Offer", 20), stay("Lost", 30), stay("Won", 40), stay("Lost", 60)];
    assert_eq!(stays(&office, "2@m1.M"), all);
    office.stop().await;
    let office = Office::start(dir.path(), &vendors, 100).await;
    assert_eq!(stays(&office, "1@m1.M"), all);
}

/// What a connector's next version ships, and what its configuration says now, holds for records that nobody tells again;
/// what was published in its place goes on to hold, and where nothing changed nothing is looked at.
#[tokio::test]
async fn stored_records_follow_what_is_shipped_and_configured() {
    let dir = tempfile::tempdir().unwrap();
    let shipping = |field: &str, crm: &str| {
        let tables = Tables { configuration: serde_json::json!({ "crm": crm, "other": crm }), ..Tables::default() };
        let key = ("external_key", "source_key(record.crm_id, config.crm, \"S\")");
        let leads = tables.table("leads", "person", &[("email", "record.mail"), (field, "record.title"), key]);
        let leads = leads.table("visits", "activity", &[("email", "record.mail"), ("page", "record.page")]);
        Vendors::from([("m1", Arc::new(leads))])
    };
    let first = shipping("department", "s1");
    first["m1"].tell("leads", vec![row("1", 10, &[("mail", "a@x.com"), ("title", "CEO"), ("crm_id", "7")])]);
    first["m1"].tell("visits", vec![row("9", 10, &[("mail", "a@x.com"), ("page", "/")])]);
    let seen = async |vendors: &Vendors| {
        let office = Office::start(dir.path(), vendors, 100).await;
        office.read_all().await;
        let [one] = office.all(&PERSON).try_into().unwrap();
        let said = ["department", "job_title", "external_key"].map(|name| value(&one, name));
        let looked_at = office.store.changes(Feed::Records, 0, 99).unwrap().last().map(|change| change.seq);
        (office, said, looked_at)
    };
    let text = |text: &str| Some(text.to_owned());
    let (office, said, begun) = seen(&first).await;
    assert_eq!(said, [text("CEO"), None, text("7@s1.S")]);
    office.stop().await;
    let (office, said, again) = seen(&shipping("department", "s1")).await;
    assert_eq!((said, again), ([text("CEO"), None, text("7@s1.S")], begun), "nothing was looked at again");
    office.stop().await;

    let (office, said, _) = seen(&shipping("job_title", "s1")).await;
    assert_eq!(said, [None, text("CEO"), text("7@s1.S")], "by what is shipped now");
    office
        .engine
        .publish_mapping(
            &con("m1"),
            spec("leads", "person", &[("email", "record.mail"), ("city", "record.title")]),
            Expect::Absent,
        )
        .await
        .unwrap();
    office.settled().await;
    office.stop().await;
    let (office, _, published) = seen(&shipping("job_title", "s1")).await;
    office.stop().await;
    let (office, said, again) = seen(&shipping("department", "s2")).await;
    assert_eq!((said, again), ([None, None, None], published), "what was published reads none of it");
    office.engine.restore_mapping(&con("m1"), "leads", Expect::Anything).await.unwrap();
    office.settled().await;
    office.stop().await;
    let (office, said, _) = seen(&shipping("department", "s2")).await;
    assert_eq!(said, [text("CEO"), None, text("7@s2.S")]);
    office.stop().await;
    let (office, said, _) = seen(&shipping("department", "s1")).await;
    assert_eq!(said, [text("CEO"), None, text("7@s1.S")], "by what is configured now");
    office.stop().await;
}
