//! The model as a document: what the API serves, and what clients generate from.

use super::custom::{Custom, CustomEntity, CustomField, ModelProblem};
use super::{Entity, EntityKind, Field, Role, VERSION, rolled};
use crate::value::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The whole model of a sandbox: built in and custom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ModelSchema")]
pub struct Schema {
    /// Of the built-in model.
    pub version: u32,
    /// Of what was added.
    pub custom_version: u32,
    pub entities: Vec<SchemaEntity>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaEntity {
    pub name: String,
    pub title: String,
    /// The published class; empty for a custom entity.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub class: String,
    pub custom: bool,
    pub fields: Vec<SchemaField>,
    pub relations: Vec<SchemaRelation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaField {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: DataType,
    pub cardinality: Cardinality,
    pub title: String,
    /// Where the published class has it; empty where it is ours or the operator's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    #[serde(default)]
    pub role: Role,
    /// Worked out by Attiva: no mapping gives it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub derived: bool,
    pub origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FieldCardinality")]
#[serde(rename_all = "kebab-case")]
pub enum Cardinality {
    One,
    Many,
}

/// Who says that there is such a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FieldOwner")]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The published class.
    Published,
    /// Attiva.
    BuiltIn,
    /// The operator.
    Custom,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaRelation {
    pub field: String,
    pub to: String,
    pub name: String,
    pub name_there: String,
}

impl Schema {
    /// The model with what an operator added.
    ///
    /// # Errors
    /// Everything that is wrong with the additions.
    pub fn new(custom: &Custom) -> Result<Self, Vec<ModelProblem>> {
        custom.check()?;
        let built_in = EntityKind::ALL.into_iter().map(|kind| built_in(kind.entity(), custom));
        let entities = built_in.chain(custom.entities.iter().map(added)).collect();
        Ok(Self { version: VERSION, custom_version: custom.version, entities })
    }

    #[must_use]
    pub fn entity(&self, name: &str) -> Option<&SchemaEntity> {
        self.entities.iter().find(|e| e.name == name)
    }

    /// The ways from one entity to others, by the names they have from there: relations, and lists of keys. What is not
    /// stored as profiles is passed over.
    #[must_use]
    pub fn ways(&self, entity: &str) -> Vec<Way> {
        let stored = |e: &&SchemaEntity| EntityKind::parse(&e.name).is_none_or(EntityKind::is_profile);
        let there = self.entity(entity).into_iter().flat_map(|e| &e.relations).map(|r| Way {
            name: r.name.clone(),
            to: r.to.clone(),
            field: r.field.clone(),
            direction: Direction::Names,
        });
        let back = self.entities.iter().filter(stored).flat_map(|e| {
            let named = e.relations.iter().filter(|r| r.to == entity);
            named.map(|r| Way {
                name: r.name_there.clone(),
                to: e.name.clone(),
                field: r.field.clone(),
                direction: Direction::NamedBy,
            })
        });
        there.chain(back).chain(lists(entity)).collect()
    }
}

fn lists(entity: &str) -> impl Iterator<Item = Way> {
    let all = EntityKind::ALL.into_iter().flat_map(|kind| kind.lists().iter().map(move |list| (kind, list)));
    let way = |name: &str, to: EntityKind, field: &str, direction| Way {
        name: name.to_owned(),
        to: to.name().to_owned(),
        field: field.to_owned(),
        direction,
    };
    all.flat_map(move |(kind, list)| {
        let names = (kind.name() == entity).then(|| way(list.name, list.to, list.field, Direction::Names));
        let named = (list.to.name() == entity).then(|| way(list.name_there, kind, list.field, Direction::NamedBy));
        names.into_iter().chain(named)
    })
}

/// From a thing to things it hangs together with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RelationWay")]
pub struct Way {
    /// `account`, `opportunities`.
    pub name: String,
    /// The entity at its end.
    pub to: String,
    /// The field that holds the source key: of this entity where it names, else of the one at the end.
    pub field: String,
    pub direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RelationDirection")]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// It names those at the end.
    Names,
    /// Those at the end name it.
    NamedBy,
}

fn built_in(entity: &Entity, custom: &Custom) -> SchemaEntity {
    let attributes = custom.attributes.iter().filter(|a| a.entity == entity.kind).map(|a| custom_field(&a.field));
    let rolled = rolled::fields(custom).filter(|_| entity.kind == EntityKind::Account);
    let rolled = rolled.map(|field| SchemaField { derived: true, ..custom_field(&field) });
    SchemaEntity {
        name: entity.name.to_owned(),
        title: entity.title.to_owned(),
        class: entity.class.to_owned(),
        custom: false,
        fields: entity.fields.iter().map(built_in_field).chain(attributes).chain(rolled).collect(),
        relations: entity
            .relations
            .iter()
            .map(|r| SchemaRelation {
                field: r.field.to_owned(),
                to: r.to.name().to_owned(),
                name: r.name.to_owned(),
                name_there: r.name_there.to_owned(),
            })
            .collect(),
    }
}

fn built_in_field(field: &Field) -> SchemaField {
    SchemaField {
        path: field.path.to_owned(),
        role: field.role,
        derived: field.derived,
        origin: if field.path.is_empty() { Origin::BuiltIn } else { Origin::Published },
        ..custom_field(&field.into())
    }
}

fn custom_field(field: &CustomField) -> SchemaField {
    let list = field.data_type == DataType::TextList;
    SchemaField {
        name: field.name.clone(),
        data_type: field.data_type,
        cardinality: if list { Cardinality::Many } else { Cardinality::One },
        title: field.title.clone(),
        path: String::new(),
        values: field.values.clone(),
        role: Role::Plain,
        derived: false,
        origin: Origin::Custom,
    }
}

fn added(entity: &CustomEntity) -> SchemaEntity {
    SchemaEntity {
        name: entity.name.clone(),
        title: entity.title.clone(),
        class: String::new(),
        custom: true,
        fields: entity
            .fields
            .iter()
            .map(|field| match entity.relations.iter().any(|r| r.field == field.name) {
                true => SchemaField { role: Role::Reference, ..custom_field(field) },
                false => custom_field(field),
            })
            .collect(),
        relations: entity
            .relations
            .iter()
            .map(|r| SchemaRelation {
                field: r.field.clone(),
                to: r.to.name().to_owned(),
                name: r.to.name().to_owned(),
                name_there: r.name_there.clone(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_go_both_directions_and_end_at_profiles() {
        let schema = Schema::new(&Custom::default()).unwrap();
        let ways = schema.ways("account");
        let way =
            |name: &str| ways.iter().find(|w| w.name == name).map(|w| (w.to.as_str(), w.field.as_str(), w.direction));
        assert_eq!(way("parent"), Some(("account", "parent_key", Direction::Names)));
        assert_eq!(way("children"), Some(("account", "parent_key", Direction::NamedBy)));
        assert_eq!(way("opportunities"), Some(("opportunity", "account_key", Direction::NamedBy)));
        assert_eq!(way("people"), Some(("person", "account_key", Direction::NamedBy)));
        assert_eq!(way("related"), Some(("account_relation", "account_key", Direction::NamedBy)));
        assert_eq!(way("listed_accounts"), Some(("account", "related_account_keys", Direction::Names)));
        assert_eq!(way("listed_by"), Some(("account", "related_account_keys", Direction::NamedBy)));
        // A person's components are no profiles of their own.
        assert_eq!(way("components"), None);
        for kind in EntityKind::ALL.into_iter().filter(|kind| kind.is_profile()) {
            let mut names: Vec<String> = schema.ways(kind.name()).into_iter().map(|w| w.name).collect();
            let all = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all, "two ways from {} have one name", kind.name());
        }
    }
}
