//! How a row of an entity is laid out: the model's fields in their order, then what the operator added, attributes
//! before roll-ups. Mapping, merge,
//! identity and look-up work on rows, and take from here what stands where.

use super::custom::{Custom, CustomField};
use super::{EntityKind, EntityName, Field, FieldProblem, Resolution, Role, rolled};
use crate::key::SourceKey;
use crate::value::{DataType, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// The fields of an entity, each with its place in a row: its *slot*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    entity: EntityName,
    fields: Vec<LayoutField>,
    slots: HashMap<Cow<'static, str>, usize>,
}

/// A field of an entity, whoever declared it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutField {
    pub name: Cow<'static, str>,
    pub data_type: DataType,
    pub role: Role,
    /// For a reference: to what.
    pub to: Option<EntityName>,
    /// Worked out by Attiva: no mapping gives it.
    pub derived: bool,
    says: Says,
}

/// Who says what may stand in the field.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Says {
    Model(&'static Field),
    /// The values it may have; empty: any of its type.
    Operator(Vec<String>),
}

impl Layout {
    /// An entity's rows with what was added; `None` for an entity that is neither the model's nor among those added.
    #[must_use]
    pub fn new(entity: &EntityName, custom: &Custom) -> Option<Arc<Self>> {
        let fields: Vec<LayoutField> = match entity {
            EntityName::Model(kind) => {
                let added = custom.attributes.iter().filter(|a| a.entity == *kind);
                let rolled = rolled::fields(custom).filter(|_| *kind == EntityKind::Account);
                let rolled = rolled.map(|field| LayoutField { derived: true, ..of_operator(&field, None) });
                of_model(*kind).chain(added.map(|a| of_operator(&a.field, None))).chain(rolled).collect()
            }
            EntityName::Custom(name) => {
                let own = custom.entities.iter().find(|e| e.name == **name)?;
                let to = |field: &CustomField| own.relations.iter().find(|r| r.field == field.name).map(|r| r.to);
                own.fields.iter().map(|field| of_operator(field, to(field))).collect()
            }
        };
        let slots = fields.iter().enumerate().map(|(slot, field)| (field.name.clone(), slot)).collect();
        Some(Arc::new(Self { entity: entity.clone(), fields, slots }))
    }

    /// The model's fields alone.
    #[must_use]
    pub fn of(kind: EntityKind) -> Arc<Self> {
        static OF_MODEL: LazyLock<HashMap<EntityKind, Arc<Layout>>> = LazyLock::new(|| {
            let layout = |kind: EntityKind| Some((kind, Layout::new(&kind.into(), &Custom::default())?));
            EntityKind::ALL.into_iter().filter_map(layout).collect()
        });
        Arc::clone(&OF_MODEL[&kind])
    }

    #[must_use]
    pub fn entity(&self) -> &EntityName {
        &self.entity
    }

    /// How records become one of the entity, unless rules say otherwise.
    #[must_use]
    pub fn resolution(&self) -> Resolution {
        self.entity.kind().map_or(Resolution::Key, |kind| kind.entity().resolution)
    }

    #[must_use]
    pub fn fields(&self) -> &[LayoutField] {
        &self.fields
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    #[must_use]
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.slots.get(name).copied()
    }

    #[must_use]
    pub fn find(&self, name: &str) -> Option<(usize, &LayoutField)> {
        let slot = self.slot(name)?;
        Some((slot, self.fields.get(slot)?))
    }

    /// Fields that name other things, with their slots.
    pub fn references(&self) -> impl Iterator<Item = (usize, &LayoutField, &EntityName)> {
        self.fields.iter().enumerate().filter_map(|(slot, field)| field.to.as_ref().map(|to| (slot, field, to)))
    }

    /// Attributes by name as a row; names that the entity does not have are left out.
    #[must_use]
    pub fn row(&self, attributes: &[(String, Value)]) -> Vec<Value> {
        let mut row = vec![Value::Null; self.len()];
        for (name, value) in attributes {
            if let Some(place) = self.slot(name).and_then(|slot| row.get_mut(slot)) {
                *place = value.clone();
            }
        }
        row
    }
}

impl LayoutField {
    /// Whether a value may stand in the field. Null may stand anywhere.
    pub fn accepts(&self, value: &Value) -> Result<(), FieldProblem> {
        let values = match &self.says {
            Says::Model(field) => return field.accepts(value),
            Says::Operator(values) => values,
        };
        let Some(given) = value.data_type() else { return Ok(()) };
        if given != self.data_type {
            return Err(FieldProblem::Type { wanted: self.data_type, given });
        }
        let Some(text) = value.as_text() else { return Ok(()) };
        if !values.is_empty() && !values.iter().any(|allowed| allowed == text) {
            return Err(FieldProblem::NotAllowed(values.clone()));
        }
        if self.role == Role::Reference {
            SourceKey::read(text)?;
        }
        Ok(())
    }
}

fn of_model(kind: EntityKind) -> impl Iterator<Item = LayoutField> {
    let entity = kind.entity();
    entity.fields.iter().map(move |field| LayoutField {
        name: Cow::Borrowed(field.name),
        data_type: field.data_type,
        role: field.role,
        derived: field.derived,
        to: entity.relations.iter().chain(kind.lists()).find(|r| r.field == field.name).map(|r| r.to.into()),
        says: Says::Model(field),
    })
}

fn of_operator(field: &CustomField, to: Option<EntityKind>) -> LayoutField {
    LayoutField {
        name: Cow::Owned(field.name.clone()),
        data_type: field.data_type,
        role: if to.is_some() { Role::Reference } else { Role::Plain },
        to: to.map(Into::into),
        derived: false,
        says: Says::Operator(field.values.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::custom::{CustomAttribute, CustomEntity, CustomRelation};
    use super::super::{PERSON, person_slot};
    use super::*;

    fn field(name: &str, values: &[&str]) -> CustomField {
        let values = values.iter().map(|v| (*v).to_owned()).collect();
        CustomField { name: name.into(), data_type: DataType::Text, title: String::new(), values }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn the_model_comes_first_and_what_was_added_after_it() {
        let custom = Custom {
            attributes: vec![CustomAttribute { entity: EntityKind::Person, field: field("tier", &["gold"]) }],
            ..Custom::default()
        };
        let layout = Layout::new(&EntityName::PERSON, &custom).unwrap();
        assert_eq!(layout.slot("email"), person_slot("email"));
        let (slot, tier) = layout.find("tier").unwrap();
        assert_eq!((slot, layout.len()), (PERSON.len(), PERSON.len() + 1));
        assert_eq!(tier.accepts(&text("gold")), Ok(()));
        assert_eq!(tier.accepts(&text("tin")), Err(FieldProblem::NotAllowed(vec!["gold".into()])));
        assert!(tier.accepts(&Value::Integer(1)).is_err());
        let named: Vec<(&str, &str)> = layout.references().map(|(_, f, to)| (&*f.name, to.as_str())).collect();
        assert_eq!(named, [("account_key", "account"), ("matched_account_key", "account")]);
        let row = layout.row(&[("tier".into(), text("gold")), ("nowhere".into(), text("x"))]);
        assert_eq!((row.len(), &row[slot]), (layout.len(), &text("gold")));
        assert_eq!(Layout::of(EntityKind::Account).slot("tier"), None);
    }

    #[test]
    fn an_operators_entity_refers_by_its_relations() {
        let custom = Custom {
            entities: vec![CustomEntity {
                name: "subscription".into(),
                title: String::new(),
                fields: vec![field("product", &[]), field("account_key", &[])],
                relations: vec![CustomRelation {
                    field: "account_key".into(),
                    to: EntityKind::Account,
                    name_there: "subscriptions".into(),
                }],
            }],
            ..Custom::default()
        };
        let name = EntityName::parse("subscription").unwrap();
        let layout = Layout::new(&name, &custom).unwrap();
        let (_, key) = layout.find("account_key").unwrap();
        assert_eq!((key.role, key.to.clone()), (Role::Reference, Some(EntityName::ACCOUNT)));
        assert!(key.accepts(&text("001")).is_err() && key.accepts(&text("001@00D.Salesforce")).is_ok());
        assert_eq!(Layout::new(&EntityName::parse("nothing").unwrap(), &custom), None);
    }

    /// A field of the model that refers to something says to what.
    #[test]
    fn every_reference_leads_somewhere() {
        let derived = |kind: &EntityKind| kind.entity().resolution == Resolution::Derived;
        for kind in EntityKind::ALL.into_iter().filter(|kind| !derived(kind)) {
            for field in Layout::of(kind).fields() {
                assert_eq!(field.to.is_some(), field.role == Role::Reference, "{kind:?}.{}", field.name);
            }
        }
    }
}
