//! Relations of the segments' model as they stand in the store: which field says it, and where the field is kept.

use attiva_core::model::{EntityKind, EntityName, Schema};
use attiva_core::ports::store::StoredEvent;
use attiva_core::{Millis, Value};
use attiva_expr::Model;
use std::collections::HashMap;

/// What the records of an entity are to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Profile,
    /// Records of persons, mapped.
    Component,
    Event,
}

/// A relation of the model, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RelationKept {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The place of the field that holds the key.
    pub(super) slot: Option<usize>,
    pub(super) field: String,
}

/// The model, as the store keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    pub(super) entities: Vec<(EntityName, Kept)>,
    pub(super) relations: Vec<RelationKept>,
    /// By entity, the place of each field.
    slots: Vec<HashMap<String, usize>>,
}

impl Links {
    pub(super) fn new(schema: &Schema, model: &Model) -> Self {
        let entities = model.entities.iter().map(|entity| {
            // Names of the schema always parse.
            let name = EntityName::parse(&entity.name).unwrap_or(EntityName::PERSON);
            let kept = match name.kind() {
                Some(EntityKind::Activity) => Kept::Event,
                Some(EntityKind::PersonComponent) => Kept::Component,
                _ => Kept::Profile,
            };
            (name, kept)
        });
        // The model has them in the order of the schema, and after them what no schema declares: that events name the
        // record of their person.
        let declared: Vec<&str> = schema.entities.iter().flat_map(|e| &e.relations).map(|r| r.field.as_str()).collect();
        let relations = model.relations.iter().enumerate().map(|(number, relation)| {
            let field = declared.get(number).copied().unwrap_or("person_key").to_owned();
            let slot = model.entities[relation.from].field(&field);
            RelationKept { from: relation.from, to: relation.to, slot, field }
        });
        let slots = model
            .entities
            .iter()
            .map(|entity| entity.fields.iter().enumerate().map(|(slot, field)| (field.name.clone(), slot)).collect());
        Self { entities: entities.collect(), relations: relations.collect(), slots: slots.collect() }
    }

    /// Attributes by name as a row.
    pub(super) fn row(&self, entity: usize, attributes: &[(String, Value)]) -> Vec<Value> {
        let mut row = vec![Value::Null; self.slots[entity].len()];
        for (name, value) in attributes {
            if let Some(place) = self.slot(entity, name).and_then(|slot| row.get_mut(slot)) {
                *place = value.clone();
            }
        }
        row
    }

    pub(super) fn stored_event_row(&self, event: StoredEvent) -> Vec<Value> {
        self.event_row(event.time, event.event_type, event.attributes)
    }

    pub(super) fn event_row(
        &self,
        time: Millis,
        event_type: String,
        mut attributes: Vec<(String, Value)>,
    ) -> Vec<Value> {
        attributes.push(("time".to_owned(), Value::Timestamp(time)));
        attributes.push(("type".to_owned(), Value::Text(event_type)));
        self.row(self.entity(EntityKind::Activity), &attributes)
    }

    pub(super) fn slot(&self, entity: usize, field: &str) -> Option<usize> {
        self.slots[entity].get(field).copied()
    }

    /// The number of an entity of the model's own.
    pub(super) fn entity(&self, kind: EntityKind) -> usize {
        self.entities.iter().position(|(name, _)| name.kind() == Some(kind)).unwrap_or_default()
    }

    pub(super) fn kept(&self, entity: usize) -> Kept {
        self.entities[entity].1
    }

    pub(super) fn name(&self, entity: usize) -> &EntityName {
        &self.entities[entity].0
    }

    /// Whose the events of persons are: not by a field, since names lead there that are no keys.
    pub(super) fn is_of_person(&self, relation: usize) -> bool {
        let RelationKept { from, to, .. } = &self.relations[relation];
        self.kept(*from) == Kept::Event && *self.name(*to) == EntityName::PERSON
    }

    /// The records of a person: not by a field, either.
    pub(super) fn is_of_component(&self, relation: usize) -> bool {
        let RelationKept { from, to, .. } = &self.relations[relation];
        self.kept(*from) == Kept::Component && *self.name(*to) == EntityName::PERSON
    }
}
