//! One snapshot of the store as two sandboxes: as it is, and as it would be if persons were grouped otherwise.

use super::catalog::Audiences;
use super::columns::Loaded;
use super::columns_load::Loader;
use crate::regrouping::Regrouping;
use attiva_core::id::SegmentId;
use attiva_core::model::EntityName;
use attiva_core::ports::store::{Carrier, Cut, EventSeen, KeysWanted, SnapshotSink, SnapshotWanted, StoredRecord};
use attiva_core::{Fault, Value};

const PERSON: EntityName = EntityName::PERSON;

/// Tells one loader what is there, and another what would be.
pub(super) struct Regrouped<'a> {
    wanted: &'a SnapshotWanted,
    regrouping: &'a Regrouping,
    before: Loader<'a>,
    after: Loader<'a>,
    /// The place of persons among the entities that are wanted.
    persons: Option<usize>,
    persons_told: bool,
    references_told: bool,
    /// How many lists of keys are those of `before`; what the others are of.
    lists: usize,
    lists_after: Vec<EntityName>,
    pub(super) cut: Cut,
}

impl<'a> Regrouped<'a> {
    pub(super) fn new(
        wanted: &'a SnapshotWanted,
        regrouping: &'a Regrouping,
        before: Loader<'a>,
        after: Loader<'a>,
    ) -> Self {
        let persons = wanted.entities.iter().position(|wanted| wanted.entity == PERSON);
        Self {
            wanted,
            regrouping,
            before,
            after,
            persons,
            persons_told: false,
            references_told: false,
            lists: 0,
            lists_after: Vec::new(),
            cut: Cut::default(),
        }
    }

    /// As it is, and as it would be.
    pub(super) fn finish(self, audiences: &Audiences, members: &[SegmentId]) -> Result<(Loaded, Loaded), Fault> {
        Ok((self.before.finish(audiences, members)?, self.after.finish(audiences, members)?))
    }

    /// After the persons that stay as they are, those that would be.
    fn tell_persons(&mut self) {
        if std::mem::replace(&mut self.persons_told, true) {
            return;
        }
        let Some(persons) = self.persons else { return };
        for person in &self.regrouping.would_be {
            self.after.profile(persons, person.number, person.attributes.clone());
        }
    }

    /// What they would refer to, once all that they could is told.
    fn tell_references(&mut self) {
        self.tell_persons();
        if std::mem::replace(&mut self.references_told, true) {
            return;
        }
        for (number, relation) in self.wanted.relations.iter().enumerate().filter(|(_, it)| it.entity == PERSON) {
            for person in &self.regrouping.would_be {
                // What survived stands in its attributes; other records may name others.
                let survived = person.attributes.iter().find(|(name, _)| *name == relation.field);
                let survived = survived.and_then(|(_, value)| value.as_text());
                for refers in &person.references {
                    let reference = &refers.reference;
                    let is_of = reference.field == relation.field && reference.to == relation.to;
                    if is_of && (relation.of_all_records || survived == Some(reference.key.as_str())) {
                        // By which record it is named matters to nobody any more.
                        let to = Carrier { record: 0, profile: refers.to };
                        self.after.reference(number, person.number, &reference.key, to);
                    }
                }
            }
        }
    }

    /// Where what leads to a person today would lead.
    fn moved(&self, entity: &EntityName, to: Carrier) -> Carrier {
        match *entity == PERSON {
            true => Carrier { profile: self.regrouping.whose(to.record, to.profile), ..to },
            false => to,
        }
    }
}

impl SnapshotSink for Regrouped<'_> {
    fn begun(&mut self, cut: Cut) -> bool {
        self.cut = cut;
        self.before.begun(cut) && self.after.begun(cut)
    }

    fn profile(&mut self, entity: usize, number: i64, attributes: Vec<(String, Value)>) {
        let is_person = self.persons == Some(entity);
        if self.persons.is_some_and(|persons| entity > persons) {
            self.tell_persons();
        }
        if !(is_person && self.regrouping.today.contains_key(&number)) {
            self.after.profile(entity, number, attributes.clone());
        }
        self.before.profile(entity, number, attributes);
    }

    fn reference(&mut self, relation: usize, from: i64, key: &str, to: Carrier) {
        self.tell_references();
        self.before.reference(relation, from, key, to);
        let Some(wanted) = self.wanted.relations.get(relation) else { return };
        if !(wanted.entity == PERSON && self.regrouping.today.contains_key(&from)) {
            let to = self.moved(&wanted.to, to);
            self.after.reference(relation, from, key, to);
        }
    }

    fn component(&mut self, profile: i64, record: StoredRecord) {
        self.tell_references();
        self.after.component(self.regrouping.whose(record.number, profile), record.clone());
        self.before.component(profile, record);
    }

    fn event(&mut self, event: EventSeen<'_>) {
        self.tell_references();
        self.before.event(event);
        let person = self.moved(&PERSON, event.person);
        self.after.event(EventSeen { person, ..event });
    }

    fn event_attributes(&mut self, number: i64, attributes: Vec<(String, Value)>) {
        self.before.event_attributes(number, attributes.clone());
        self.after.event_attributes(number, attributes);
    }

    fn keys(&mut self) -> Vec<KeysWanted> {
        self.tell_references();
        let mut keys = self.before.keys();
        self.lists = keys.len();
        let after = self.after.keys();
        self.lists_after = after.iter().map(|wanted| wanted.entity.clone()).collect();
        keys.extend(after);
        keys
    }

    fn key(&mut self, list: usize, key: usize, named: Carrier) {
        match list.checked_sub(self.lists) {
            None => self.before.key(list, key, named),
            Some(list) => {
                let Some(entity) = self.lists_after.get(list) else { return };
                let named = self.moved(entity, named);
                self.after.key(list, key, named);
            }
        }
    }

    fn member(&mut self, audience: usize, profile: i64) {
        self.before.member(audience, profile);
        self.after.member(audience, profile);
    }
}
