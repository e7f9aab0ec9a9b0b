use super::custom::{Custom, CustomAttribute, CustomEntity, CustomField, CustomRelation};
use super::schema::Origin;
use super::*;
use std::collections::HashSet;

#[test]
fn names_are_unique_and_every_field_has_a_slot() {
    for kind in EntityKind::ALL {
        let entity = kind.entity();
        assert_eq!((entity.kind, EntityKind::parse(entity.name)), (kind, Some(kind)));
        for (i, field) in entity.fields.iter().enumerate() {
            assert_eq!(slot(kind, field.name), Some(i), "{}.{}", entity.name, field.name);
        }
        // An entity's name in the schema is its name in JSON.
        assert_eq!(serde_json::to_value(kind).unwrap(), entity.name);
    }
    assert!(entity("person").is_some());
    assert!(entity("persons").is_none());
}

#[test]
fn relations_hold_source_keys_and_their_names_are_free_on_both_sides() {
    let mut there: HashSet<(EntityKind, &str)> = HashSet::new();
    for kind in EntityKind::ALL {
        let entity = kind.entity();
        for relation in entity.relations {
            let field = entity.fields.iter().find(|f| f.name == relation.field).unwrap();
            assert_eq!(field.role, Role::Reference, "{}.{}", entity.name, field.name);
            assert_eq!(slot(kind, relation.name), None, "{}.{}", entity.name, relation.name);
            assert_eq!(slot(relation.to, relation.name_there), None, "{}", relation.name_there);
            if kind != EntityKind::Activity && kind != EntityKind::PersonComponent {
                assert!(there.insert((relation.to, relation.name_there)), "{}", relation.name_there);
            }
        }
    }
}

#[test]
fn money_never_comes_without_its_currency() {
    for kind in EntityKind::ALL.into_iter().filter(|k| *k != EntityKind::Person) {
        let money = kind.entity().fields.iter().filter(|f| f.path.ends_with(".amount"));
        for field in money {
            assert!(slot(kind, &format!("{}_currency", field.name)).is_some(), "{}", field.name);
        }
    }
}

fn custom() -> Custom {
    let text = |name: &str| CustomField {
        name: name.into(),
        data_type: DataType::Text,
        title: String::new(),
        values: Vec::new(),
    };
    Custom {
        roll_ups: Vec::new(),
        version: 3,
        attributes: vec![CustomAttribute { entity: EntityKind::Person, field: text("shoe_size") }],
        entities: vec![CustomEntity {
            name: "subscription".into(),
            title: "Subscription".into(),
            fields: vec![text("account_key"), text("plan")],
            relations: vec![CustomRelation {
                field: "account_key".into(),
                to: EntityKind::Account,
                name_there: "subscriptions".into(),
            }],
        }],
    }
}

#[test]
fn the_schema_has_what_is_built_in_and_what_was_added() {
    let schema = Schema::new(&custom()).unwrap();
    assert_eq!((schema.version, schema.custom_version), (VERSION, 3));
    let person = schema.entity("person").unwrap();
    let origin = |name: &str| person.fields.iter().find(|f| f.name == name).unwrap().origin;
    assert_eq!(
        [origin("job_title"), origin("industry"), origin("shoe_size")],
        [Origin::Published, Origin::BuiltIn, Origin::Custom]
    );
    assert_eq!(person.fields.iter().find(|f| f.name == "person_type").unwrap().values, ["Lead", "Contact"]);
    let subscription = schema.entity("subscription").unwrap();
    assert!(subscription.custom);
    assert_eq!((subscription.fields[0].role, subscription.relations[0].to.as_str()), (Role::Reference, "account"));
    let text = serde_json::to_string(&schema).unwrap();
    assert_eq!(serde_json::from_str::<Schema>(&text).unwrap(), schema);
}

#[test]
fn what_cannot_be_added_is_named() {
    let check = |change: &dyn Fn(&mut Custom), expected: &str| {
        let mut custom = custom();
        change(&mut custom);
        let problems = custom.check().unwrap_err();
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|p| p.contains(expected)), "{expected}: {said:?}");
    };
    check(&|c| c.attributes[0].field.name = "email".into(), "attributes[0]: person has `email` already");
    check(&|c| c.attributes[0].field.name = "opportunity_relations".into(), "already");
    check(&|c| c.attributes[0].field.name = "Shoe size".into(), "a letter first");
    check(&|c| c.attributes.push(c.attributes[0].clone()), "attributes[1]: `shoe_size` is declared twice");
    check(
        &|c| {
            c.attributes[0].field.values = vec!["1".into()];
            c.attributes[0].field.data_type = DataType::Integer;
        },
        "only text",
    );
    check(&|c| c.entities[0].name = "account".into(), "there is an entity `account` already");
    check(&|c| c.entities.push(c.entities[0].clone()), "entities[1]");
    check(&|c| c.entities[0].relations.clear(), "add a relation");
    check(&|c| c.entities[0].relations[0].to = EntityKind::Campaign, "person, account or opportunity");
    check(&|c| c.entities[0].relations[0].field = "nothing".into(), "`nothing` must be a text field");
    check(&|c| c.entities[0].relations[0].name_there = "opportunities".into(), "account has `opportunities` already");
    check(&|c| c.entities[0].fields.extend_from_within(..1), "fields[2]: `account_key` is declared twice");
}

/// A field that a newer model has may be one that an operator had declared: the sandbox goes on with it.
#[test]
fn what_the_model_has_meanwhile_is_the_models() {
    let mut declared = custom();
    declared.attributes[0].field.name = "created_by".into();
    assert!(declared.check().is_err());
    let adopted = declared.adopted();
    assert_eq!((adopted.check(), adopted.attributes.len(), adopted.entities.len()), (Ok(()), 0, 1));
    assert_eq!(custom().adopted(), custom());
}

/// The audit of the published classes.
#[test]
fn every_class_says_who_touched_it_and_when() {
    for kind in EntityKind::ALL.into_iter().filter(|kind| kind.is_profile()) {
        for field in ["created_by", "created_date", "last_updated_by", "last_updated_date"] {
            assert!(slot(kind, field).is_some(), "{}.{field}", kind.name());
        }
        // What is ours alone has no second key.
        if kind != EntityKind::AccountRelation {
            assert!(
                slot(kind, "last_activity_date").is_some() && slot(kind, "external_key").is_some(),
                "{}",
                kind.name()
            );
        }
    }
}

#[test]
fn additions_refuse_unknown_keys() {
    let known = r#"{"version":1,"attributes":[{"entity":"person","field":{"name":"x","data_type":"text"}}]}"#;
    assert!(serde_json::from_str::<Custom>(known).is_ok());
    for bad in [
        r#"{"version":1,"entity":[]}"#,
        r#"{"version":1,"attributes":[{"entity":"person","field":{"name":"x","data_type":"text","typo":1}}]}"#,
        r#"{"version":1,"attributes":[{"entity":"people","field":{"name":"x","data_type":"text"}}]}"#,
    ] {
        assert!(serde_json::from_str::<Custom>(bad).is_err(), "{bad}");
    }
}
