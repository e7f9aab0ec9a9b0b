//! What surrounds a single record, read from the store as it is asked for: for streaming, and for *why in, why not*.

use super::catalog::Audiences;
use super::links::{Kept, Links};
use crate::engine::Inner;
use attiva_core::event::EventReader;
use attiva_core::id::SegmentId;
use attiva_core::identity::Identity;
use attiva_core::merge::MappedRecord;
use attiva_core::model::{EntityKind, EntityName, components, matched_component};
use attiva_core::ports::store::{Order, Profile, Relation, StoreError, StoredEvent, StoredRecord};
use attiva_core::{Fault, FaultKind, Millis, Value};
use attiva_expr::Step;
use attiva_segments::{Graph, Id};
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Numbers of components that no record is behind: from here on, by person. No record has one.
const MATCHED: Id = 1 << 62;

/// One profile and what is around it. Records are numbered as in the store: profiles, records of persons and events each
/// by numbers of their own.
pub(super) struct World<'a> {
    inner: &'a Inner,
    audiences: &'a Audiences,
    links: &'a Links,
    now: Millis,
    /// The profile that it is about.
    root: Row,
    /// Its events, once they are asked for.
    events: OnceCell<(Vec<Id>, HashMap<Id, Vec<Value>>)>,
    others: RefCell<HashMap<(usize, Id), Arc<Row>>>,
    members: RefCell<HashMap<i64, BTreeSet<SegmentId>>>,
    /// What the store could not answer. The trait has no errors: whoever asks looks here afterwards.
    fault: RefCell<Option<Fault>>,
}

/// A record.
struct Row {
    entity: usize,
    id: Id,
    values: Vec<Value>,
    of: Of,
}

/// What is known of it beside its values.
enum Of {
    Profile(Box<Profile>),
    /// The number of the person's profile.
    Component(Option<i64>),
    Event(Option<i64>),
    Nobody,
}

impl<'a> World<'a> {
    /// `members_of`: the audiences that the profile is in.
    pub(super) fn new(
        inner: &'a Inner,
        audiences: &'a Audiences,
        profile: Profile,
        members_of: BTreeSet<SegmentId>,
        now: Millis,
    ) -> Self {
        let links = &audiences.links;
        let entity = links.entities.iter().position(|(name, _)| *name == profile.entity).unwrap_or_default();
        let number = profile.number;
        let root = profile_row(links, entity, profile);
        Self {
            inner,
            audiences,
            links,
            now,
            root,
            events: OnceCell::new(),
            others: RefCell::default(),
            members: RefCell::new(HashMap::from([(number, members_of)])),
            fault: RefCell::default(),
        }
    }

    pub(super) fn id(&self) -> Id {
        self.root.id
    }

    /// Whether the profile is in an audience from now on.
    pub(super) fn put_member(&self, segment: &SegmentId, is_member: bool) {
        let mut members = self.members.borrow_mut();
        let own = members.entry(number(self.root.id)).or_default();
        if is_member {
            own.insert(segment.clone());
        } else {
            own.remove(segment);
        }
    }

    /// # Errors
    /// That the store could not answer something: then what was answered counts for nothing.
    pub(super) fn checked(&self) -> Result<(), Fault> {
        self.fault.borrow_mut().take().map_or(Ok(()), Err)
    }

    fn known<T: Default>(&self, found: Result<T, impl Into<Fault>>) -> T {
        found.unwrap_or_else(|fault| {
            self.fault.borrow_mut().get_or_insert_with(|| fault.into());
            T::default()
        })
    }

    fn events(&self) -> &(Vec<Id>, HashMap<Id, Vec<Value>>) {
        self.events.get_or_init(|| {
            let found = self.inner.store.events_of(number(self.root.id), None, Order::OldestFirst, usize::MAX);
            let events: Vec<StoredEvent> = self.known(found);
            let ids = events.iter().map(|event| id(event.number)).collect();
            let rows = events.into_iter().map(|event| (id(event.number), self.links.stored_event_row(event))).collect();
            (ids, rows)
        })
    }

    /// A record that is not the one it is about.
    fn other(&self, entity: usize, of: Id) -> Arc<Row> {
        if let Some(known) = self.others.borrow().get(&(entity, of)) {
            return Arc::clone(known);
        }
        let row = Arc::new(self.known(self.read(entity, of)).unwrap_or(Row {
            entity,
            id: of,
            values: Vec::new(),
            of: Of::Nobody,
        }));
        self.others.borrow_mut().insert((entity, of), Arc::clone(&row));
        row
    }

    fn read(&self, entity: usize, of: Id) -> Result<Option<Row>, Fault> {
        let store = &self.inner.store;
        Ok(match self.links.kept(entity) {
            Kept::Profile => {
                store.profiles_by_number(&[number(of)])?.pop().map(|it| profile_row(self.links, entity, it))
            }
            Kept::Component if of >= MATCHED => self.matched(entity, number(of - MATCHED))?,
            Kept::Component => match store.records_by_number(&[number(of)])?.pop() {
                Some(record) => Some(self.component(entity, record)?),
                None => None,
            },
            Kept::Event => store.events_by_number(&[number(of)])?.pop().map(|event| Row {
                entity,
                id: of,
                of: Of::Event(event.profile),
                values: self.links.stored_event_row(event),
            }),
        })
    }

    /// The component of the account that a person was matched to, if there is one.
    fn matched(&self, entity: usize, person: i64) -> Result<Option<Row>, Fault> {
        let persons = self.links.entity(EntityKind::Person);
        let slot = self.links.slot(persons, "matched_account_key");
        let Some(account_key) = self.with(persons, id(person), |row| text(&row.values, slot)) else { return Ok(None) };
        let record = self.records_of(person).first().copied();
        let record = record.map(|record| self.inner.store.records_by_number(&[record])).transpose()?;
        let person_key = record.and_then(|mut found| found.pop()).map(|record| record.source_key).unwrap_or_default();
        let values = matched_component(&person_key, &account_key);
        Ok(Some(Row { entity, id: MATCHED + id(person), values, of: Of::Component(Some(person)) }))
    }

    fn component(&self, entity: usize, record: StoredRecord) -> Result<Row, Fault> {
        let mapping = self.inner.catalogs.mapping(self.inner, &record.connection, &record.stream)?;
        let row = match mapping {
            Some(mapping) if !EventReader::reads(mapping.entity()) => mapping.map(&record, self.now).0.row,
            _ => Vec::new(),
        };
        let mapped = MappedRecord { source_key: record.source_key.clone(), at: 0, row };
        let values = components(&[mapped]).pop().unwrap_or_default();
        let profile = match &record.profile {
            Some(profile) => self.inner.store.profile(profile)?.map(|profile| profile.number),
            None => None,
        };
        Ok(Row { entity, id: id(record.number), values, of: Of::Component(profile) })
    }

    fn with<T>(&self, entity: usize, of: Id, ask: impl FnOnce(&Row) -> T) -> T {
        if (self.root.entity, self.root.id) == (entity, of) { ask(&self.root) } else { ask(&self.other(entity, of)) }
    }

    fn one(&self, relation: usize, from: Id) -> Option<Id> {
        let kept = self.links.relations.get(relation)?;
        let person = self.with(kept.from, from, |row| match row.of {
            Of::Component(profile) | Of::Event(profile) => profile,
            Of::Profile(_) | Of::Nobody => None,
        });
        if self.links.is_of_person(relation) || self.links.is_of_component(relation) {
            return person.map(id);
        }
        let key = self.with(kept.from, from, |row| text(&row.values, kept.slot))?;
        match self.links.kept(kept.to) {
            Kept::Profile => self.named(self.links.name(kept.to), &key).map(id),
            // The record that an event came for.
            Kept::Component => self.components_of(person?).into_iter().find(|record| {
                self.with(kept.to, *record, |row| text(&row.values, Some(0)).as_deref() == Some(key.as_str()))
            }),
            Kept::Event => None,
        }
    }

    fn named(&self, entity: &EntityName, key: &str) -> Option<i64> {
        let found = self.inner.store.profile_by_identity(entity, &Identity::source_key(key));
        self.known(found).map(|profile| profile.number)
    }

    fn many(&self, relation: usize, to: Id) -> Vec<Id> {
        let Some(kept) = self.links.relations.get(relation) else { return Vec::new() };
        let is_named = |from: &Id| self.one(relation, *from) == Some(to);
        match self.links.kept(kept.from) {
            Kept::Event if self.links.is_of_person(relation) => self.events_of(to),
            Kept::Event if self.links.kept(kept.to) == Kept::Component => {
                let person = self.with(kept.to, to, |row| match row.of {
                    Of::Component(profile) => profile,
                    _ => None,
                });
                let mut events = person.map(|person| self.events_of(id(person))).unwrap_or_default();
                events.retain(is_named);
                events
            }
            Kept::Event => {
                let message = format!("who is named by `{}` of events is known to batch evaluations alone", kept.field);
                let fault = Fault::new(FaultKind::Unsupported, "segment.events-of", message);
                self.known(Err(fault.action("Preview the rule, or look at the members.")))
            }
            Kept::Component if self.links.is_of_component(relation) => self.components_of(number(to)),
            Kept::Component => {
                // Who belongs to an account is said by records; who refers to it by any of them is found first.
                let by = |field: &str| Relation { entity: EntityName::PERSON, field: field.into() };
                let mut persons = self.referrers(number(to), &by("account_key"));
                persons.extend(self.referrers(number(to), &by("matched_account_key")));
                persons.sort_unstable();
                persons.dedup();
                let mut records: Vec<Id> = persons.into_iter().flat_map(|person| self.components_of(person)).collect();
                records.retain(is_named);
                records
            }
            Kept::Profile => {
                let by = Relation { entity: self.links.name(kept.from).clone(), field: kept.field.clone() };
                let mut found: Vec<Id> = self.referrers(number(to), &by).into_iter().map(id).collect();
                // A person refers to the accounts of all its records; the field says the one that survived.
                if by.entity == EntityName::PERSON {
                    found.retain(is_named);
                }
                found
            }
        }
    }

    fn events_of(&self, person: Id) -> Vec<Id> {
        if self.root.id == person && self.root_is_person() {
            return self.events().0.clone();
        }
        let found = self.inner.store.events_of(number(person), None, Order::OldestFirst, usize::MAX);
        let events = self.known(found);
        let entity = self.links.entity(EntityKind::Activity);
        let mut others = self.others.borrow_mut();
        events
            .into_iter()
            .map(|event| {
                let (event_id, of) = (id(event.number), Of::Event(event.profile));
                let values = self.links.stored_event_row(event);
                others.insert((entity, event_id), Arc::new(Row { entity, id: event_id, values, of }));
                event_id
            })
            .collect()
    }

    fn root_is_person(&self) -> bool {
        *self.links.name(self.root.entity) == EntityName::PERSON
    }

    fn components_of(&self, person: i64) -> Vec<Id> {
        let persons = self.links.entity(EntityKind::Person);
        let slot = self.links.slot(persons, "matched_account_key");
        let is_matched = self.with(persons, id(person), |row| text(&row.values, slot).is_some());
        let matched = is_matched.then(|| MATCHED + id(person));
        self.records_of(person).into_iter().map(id).chain(matched).collect()
    }

    fn records_of(&self, person: i64) -> Vec<i64> {
        let entity = self.links.entity(EntityKind::Person);
        let profile = self.with(entity, id(person), |row| match &row.of {
            Of::Profile(profile) => Some(profile.id.clone()),
            _ => None,
        });
        let Some(profile) = profile else { return Vec::new() };
        self.known(self.inner.store.records_of(&profile))
    }

    fn referrers(&self, to: i64, by: &Relation) -> Vec<i64> {
        const PAGE: usize = 1000;
        let mut all: Vec<i64> = Vec::new();
        loop {
            let after = all.last().copied().unwrap_or(i64::MIN);
            let page: Result<Vec<i64>, StoreError> = self.inner.store.referrers(to, by, after, PAGE);
            let page = self.known(page);
            let is_last = page.len() < PAGE;
            all.extend(page);
            if is_last {
                return all;
            }
        }
    }
}

impl Graph for World<'_> {
    fn row(&self, entity: usize, of: Id) -> Cow<'_, [Value]> {
        if (self.root.entity, self.root.id) == (entity, of) {
            return Cow::Borrowed(&self.root.values);
        }
        // Events of the person are what is looked at most.
        if self.links.kept(entity) == Kept::Event
            && let Some(row) = self.events.get().and_then(|(_, rows)| rows.get(&of))
        {
            return Cow::Borrowed(row);
        }
        Cow::Owned(self.other(entity, of).values.clone())
    }

    fn step(&self, step: Step, of: Id) -> Cow<'_, [Id]> {
        match step {
            Step::One(relation) => Cow::Owned(self.one(relation, of).into_iter().collect()),
            Step::Many(relation)
                if self.links.is_of_person(relation) && of == self.root.id && self.root_is_person() =>
            {
                Cow::Borrowed(&self.events().0)
            }
            Step::Many(relation) => Cow::Owned(self.many(relation, of)),
            // Asked for step by step.
            Step::Ancestors(_) | Step::Descendants(_) => Cow::Borrowed(&[]),
        }
    }

    fn is_member(&self, audience: &str, of: Id) -> Option<bool> {
        let segment = SegmentId::parse(audience)?;
        if !self.audiences.is_known(&segment) {
            return None;
        }
        let profile = number(of);
        let mut members = self.members.borrow_mut();
        let of_one = members.entry(profile).or_insert_with(|| {
            let found = self.known(self.inner.store.memberships(&[profile]));
            found.into_iter().next().unwrap_or_default().into_iter().collect()
        });
        Some(of_one.contains(&segment))
    }
}

fn profile_row(links: &Links, entity: usize, profile: Profile) -> Row {
    let values = links.row(entity, &profile.attributes);
    Row { entity, id: id(profile.number), values, of: Of::Profile(Box::new(profile)) }
}

fn text(values: &[Value], slot: Option<usize>) -> Option<String> {
    values.get(slot?)?.as_text().map(str::to_owned)
}

/// The store's numbers are over 0.
fn id(number: i64) -> Id {
    Id::try_from(number).unwrap_or_default()
}

fn number(id: Id) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
