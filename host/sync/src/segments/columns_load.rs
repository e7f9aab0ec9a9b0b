//! Makes columns of what the store tells in one snapshot.

use super::catalog::Audiences;
use super::columns::{Loaded, NOBODY, member_entities, put_audiences};
use super::columns_components::MATCHED as MATCHES;
use super::columns_events::EventTable;
use super::key_list::KeyList;
use super::links::{Kept, Links};
use crate::engine::Inner;
use attiva_core::id::SegmentId;
use attiva_core::merge::MappedRecord;
use attiva_core::model::{EntityKind, EntityName, components, matched_component};
use attiva_core::ports::store::{
    Carrier, Cut, EntityWanted, EventSeen, EventsWanted, KeysWanted, RelationWanted, SnapshotSink, SnapshotWanted,
    StoredRecord,
};
use attiva_core::{Fault, Millis, Value};
use attiva_expr::Step;
use attiva_segments::Needs;
use attiva_segments::column::{Bits, ColumnBuilder, DatasetBuilder, Table};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) fn load(
    inner: &Inner,
    audiences: &Audiences,
    needs: &Needs,
    members: &[SegmentId],
) -> Result<Loaded, Fault> {
    let mut loader = Loader::new(inner, audiences, needs, members);
    let wanted = loader.wanted(members);
    inner.store.snapshot(&wanted, &mut loader)?;
    loader.finish(audiences, members)
}

/// What is told of a sandbox whose columns were loaded for these needs.
pub(super) fn wanted(inner: &Inner, audiences: &Audiences, needs: &Needs, members: &[SegmentId]) -> SnapshotWanted {
    Loader::new(inner, audiences, needs, members).wanted(members)
}

/// Relations between profiles, in the order in which they are wanted.
pub(super) fn followed(links: &Links, needs: &Needs) -> Vec<usize> {
    let is_of_profiles = |relation: &usize| links.kept(links.relations[*relation].from) == Kept::Profile;
    needs.relations.iter().copied().filter(is_of_profiles).collect()
}

/// Of one entity, so far.
pub(super) struct Rows {
    entity: usize,
    /// The fields wanted, each with its place among the builders.
    places: HashMap<String, usize>,
    slots: Vec<usize>,
    builders: Vec<ColumnBuilder>,
    count: usize,
}

impl Rows {
    pub(super) fn new(audiences: &Audiences, needs: &Needs, entity: usize) -> Self {
        let fields = &audiences.language.model.entities[entity].fields;
        let slots: Vec<usize> = needs.fields.get(&entity).into_iter().flatten().copied().collect();
        let places = slots.iter().enumerate().map(|(place, slot)| (fields[*slot].name.clone(), place)).collect();
        let builders = slots.iter().map(|slot| ColumnBuilder::new(fields[*slot].data_type)).collect();
        Self { entity, places, slots, builders, count: 0 }
    }

    pub(super) fn entity(&self) -> usize {
        self.entity
    }

    pub(super) fn push(&mut self, attributes: Vec<(String, Value)>) -> u32 {
        let mut row = vec![Value::Null; self.builders.len()];
        for (name, value) in attributes {
            if let Some(place) = self.places.get(&name) {
                row[*place] = value;
            }
        }
        self.push_row(&row)
    }

    fn push_row(&mut self, row: &[Value]) -> u32 {
        self.builders.iter_mut().zip(row).for_each(|(builder, value)| builder.push(value));
        self.count += 1;
        u32::try_from(self.count - 1).unwrap_or(NOBODY)
    }

    pub(super) fn finish(self, fields: usize) -> (usize, Table) {
        let mut table = Table::new(self.count, fields);
        for (slot, builder) in self.slots.into_iter().zip(self.builders) {
            table.put(slot, builder.finish());
        }
        (self.entity, table)
    }
}

pub(super) struct Loader<'a> {
    inner: &'a Inner,
    links: &'a Links,
    now: Millis,
    needs: Needs,
    cut: Cut,
    /// Profiles, in the order in which they are wanted.
    profiles: Vec<Rows>,
    numbers: Vec<Vec<i64>>,
    /// By profile number: every profile is of one entity.
    row_of: Vec<u32>,
    /// Profiles that there are not but would be have numbers below 0: from -1 down, in the order in which they are told.
    would_be: Vec<u32>,
    /// Relations between profiles, in the order in which they are wanted.
    followed: Vec<usize>,
    /// By relation, for each row of the many the row it names.
    names: BTreeMap<usize, Vec<u32>>,
    components: Option<Components>,
    events: Option<EventTable>,
    members: Vec<Bits>,
    member_entities: Vec<usize>,
    fault: Option<Fault>,
}

/// Records of persons.
struct Components {
    /// Nothing is asked of them themselves: what persons refer to suffices, and no record is read.
    are_named: bool,
    rows: Rows,
    person: Vec<u32>,
    /// Places in `keys`, or rows where they are named.
    account: Vec<u32>,
    keys: KeyList,
    account_rows: Vec<u32>,
    /// Of those that are named: whether each is of a match.
    are_matched: Vec<bool>,
    /// Of those that are not: the numbers of their records, and after these what persons are matched to.
    numbers: Vec<i64>,
    by_key: HashMap<String, u32>,
    /// Persons who were matched to an account, by row, until they are added.
    matched: HashMap<u32, Matched>,
}

/// The field that says which account a person was matched to.
const MATCHED: &str = "matched_account_key";

struct Matched {
    account_key: String,
    /// The first of the person's records.
    person_key: Option<String>,
}

impl Components {
    fn name(&mut self, person: u32, key: &str, account: u32, is_matched: bool) {
        if self.are_named {
            self.are_matched.push(is_matched);
            self.person.push(person);
            self.account.push(account);
            self.rows.push_row(&[]);
        } else {
            self.matched.insert(person, Matched { account_key: key.to_owned(), person_key: None });
        }
    }

    fn add(&mut self, number: i64, person: u32, values: &[Value]) -> u32 {
        let account = values.get(1).and_then(Value::as_text).map_or(NOBODY, |key| self.keys.place(key));
        let wanted: Vec<Value> =
            self.rows.slots.iter().map(|slot| values.get(*slot).cloned().unwrap_or(Value::Null)).collect();
        self.person.push(person);
        self.account.push(account);
        self.numbers.push(number);
        self.rows.push_row(&wanted)
    }

    /// Accounts that persons were matched to, as one more component each.
    fn add_matched(&mut self, persons: &[i64]) {
        let mut matched: Vec<(u32, Matched)> = std::mem::take(&mut self.matched).into_iter().collect();
        matched.sort_unstable_by_key(|(person, _)| *person);
        for (person, Matched { account_key, person_key }) in matched {
            let number = persons.get(person as usize).map_or(MATCHES, |number| MATCHES + number);
            self.add(number, person, &matched_component(&person_key.unwrap_or_default(), &account_key));
        }
    }
}

impl<'a> Loader<'a> {
    pub(super) fn new(inner: &'a Inner, audiences: &'a Audiences, needs: &Needs, members: &[SegmentId]) -> Self {
        let links = &audiences.links;
        let mut needs = needs.clone();
        // Events are told with their person, and records of persons with theirs.
        let entity = |kind| links.entity(kind);
        for (part, whole) in [
            (EntityKind::Activity, EntityKind::Person),
            (EntityKind::PersonComponent, EntityKind::Person),
            (EntityKind::PersonComponent, EntityKind::Account),
        ] {
            if needs.fields.contains_key(&entity(part)) {
                needs.fields.entry(entity(whole)).or_default();
            }
        }
        let member_entities = member_entities(audiences, members);
        member_entities.iter().for_each(|entity| {
            needs.fields.entry(*entity).or_default();
        });
        let of_profiles = needs.fields.keys().filter(|entity| links.kept(**entity) == Kept::Profile);
        let profiles = of_profiles.map(|entity| Rows::new(audiences, &needs, *entity)).collect();
        let followed = followed(links, &needs);
        let components = needs.fields.contains_key(&entity(EntityKind::PersonComponent)).then(|| Components {
            are_named: are_passed(links, &needs),
            rows: Rows::new(audiences, &needs, entity(EntityKind::PersonComponent)),
            person: Vec::new(),
            account: Vec::new(),
            keys: KeyList::default(),
            account_rows: Vec::new(),
            are_matched: Vec::new(),
            numbers: Vec::new(),
            by_key: HashMap::new(),
            matched: HashMap::new(),
        });
        let has_events = needs.fields.contains_key(&entity(EntityKind::Activity));
        let events = has_events.then(|| EventTable::new(&audiences.language.model, links, &needs));
        Self {
            inner,
            links,
            now: inner.clock.now(),
            cut: Cut::default(),
            profiles,
            numbers: vec![Vec::new(); links.entities.len()],
            row_of: Vec::new(),
            would_be: Vec::new(),
            followed,
            names: BTreeMap::new(),
            components,
            events,
            members: Vec::new(),
            member_entities,
            fault: None,
            needs,
        }
    }

    pub(super) fn wanted(&self, members: &[SegmentId]) -> SnapshotWanted {
        let entity = |rows: &Rows| EntityWanted {
            entity: self.links.name(rows.entity).clone(),
            attributes: rows.places.keys().cloned().collect(),
        };
        let relation = |number: &usize| {
            let kept = &self.links.relations[*number];
            RelationWanted {
                entity: self.links.name(kept.from).clone(),
                field: kept.field.clone(),
                to: self.links.name(kept.to).clone(),
                of_all_records: false,
            }
        };
        let mut relations: Vec<RelationWanted> = self.followed.iter().map(relation).collect();
        // Accounts of persons: those that their records name, and that to which one was matched that names none.
        let account_by = |field: &str| RelationWanted {
            entity: EntityName::PERSON,
            field: field.to_owned(),
            to: EntityName::ACCOUNT,
            of_all_records: true,
        };
        if self.components.is_some() {
            relations.push(account_by(MATCHED));
        }
        if self.are_named() {
            relations.push(account_by("account_key"));
        }
        SnapshotWanted {
            entities: self.profiles.iter().map(entity).collect(),
            relations,
            components: self.components.is_some() && !self.are_named(),
            events: self.events.as_ref().map_or(EventsWanted::None, EventTable::wanted),
            audiences: members.to_vec(),
        }
    }

    /// Whether records of persons are but a way between persons and accounts.
    fn are_named(&self) -> bool {
        self.components.as_ref().is_some_and(|components| components.are_named)
    }

    fn row(&self, profile: i64) -> u32 {
        let found = match usize::try_from(profile) {
            Ok(number) => self.row_of.get(number),
            Err(_) => usize::try_from(-1 - profile).ok().and_then(|place| self.would_be.get(place)),
        };
        found.copied().unwrap_or(NOBODY)
    }

    /// Which accounts the records of persons name is known once their keys are.
    pub(super) fn finish(mut self, audiences: &Audiences, members: &[SegmentId]) -> Result<Loaded, Fault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let model = Arc::clone(&audiences.language.model);
        let mut builder = DatasetBuilder::new(Arc::clone(&model));
        let fields = |entity: usize| model.entities[entity].fields.len();
        let mut rows = 0;
        for one in self.profiles {
            let count = fields(one.entity);
            let (entity, table) = one.finish(count);
            rows += table.rows() as u64;
            builder.table(entity, table);
        }
        let by_key = self.components.as_ref().map(|components| &components.by_key);
        let mut event_numbers = None;
        if let Some(events) = self.events {
            rows += events.rows() as u64;
            event_numbers = events.finish(&mut builder, by_key);
        }
        let (mut matched, mut component_keys) = (Vec::new(), None);
        if let Some(components) = self.components {
            let found = |key: &u32| components.account_rows.get(*key as usize).copied().unwrap_or(NOBODY);
            let account: Vec<u32> = match components.are_named {
                true => components.account.clone(),
                false => components.account.iter().map(found).collect(),
            };
            for (number, relation) in self.links.relations.iter().enumerate() {
                if self.links.kept(relation.from) == Kept::Component {
                    let is_person = self.links.is_of_component(number);
                    builder.relation(number, if is_person { components.person.clone() } else { account.clone() });
                }
            }
            rows += components.rows.count as u64;
            component_keys = (!components.are_named).then_some(components.numbers);
            matched = components.are_matched;
            let count = fields(components.rows.entity);
            let (entity, table) = components.rows.finish(count);
            builder.table(entity, table);
        }
        for (relation, names) in self.names {
            builder.relation(relation, names);
        }
        let dataset = builder.finish();
        let bits = self.members.into_iter();
        let members: HashMap<SegmentId, Bits> = members.iter().cloned().zip(bits).collect();
        let (numbers, cut, needs) = (self.numbers, self.cut, self.needs);
        let mut loaded = Loaded {
            dataset,
            numbers,
            event_numbers,
            matched,
            component_keys,
            members,
            cut,
            rows,
            refreshed: None,
            needs,
            model,
            used_at: self.now,
        };
        put_audiences(audiences, &mut loaded);
        Ok(loaded)
    }
}

impl SnapshotSink for Loader<'_> {
    fn begun(&mut self, cut: Cut) -> bool {
        self.cut = cut;
        true
    }

    fn profile(&mut self, entity: usize, number: i64, attributes: Vec<(String, Value)>) {
        let rows = &mut self.profiles[entity];
        let row = rows.push(attributes);
        self.numbers[rows.entity].push(number);
        let Ok(place) = usize::try_from(number) else {
            self.would_be.push(row);
            return;
        };
        if self.row_of.len() <= place {
            self.row_of.resize((place + 1).next_power_of_two(), NOBODY);
        }
        self.row_of[place] = row;
    }

    fn reference(&mut self, relation: usize, from: i64, key: &str, to: Carrier) {
        let (from, to) = (self.row(from), self.row(to.profile));
        let Some(number) = self.followed.get(relation).copied() else {
            if let Some(components) = &mut self.components {
                components.name(from, key, to, relation == self.followed.len());
            }
            return;
        };
        let rows = self.numbers[self.links.relations[number].from].len();
        let names = self.names.entry(number).or_insert_with(|| vec![NOBODY; rows]);
        if let Some(place) = names.get_mut(from as usize) {
            *place = to;
        }
    }

    fn component(&mut self, profile: i64, record: StoredRecord) {
        let person = self.row(profile);
        let key = record.source_key.clone();
        let number = record.number;
        let values = as_component(self.inner, &record, self.now).unwrap_or_else(|fault| {
            self.fault.get_or_insert(fault);
            Vec::new()
        });
        let Some(components_rows) = self.components.as_mut() else { return };
        if let Some(matched) = components_rows.matched.get_mut(&person) {
            matched.person_key.get_or_insert_with(|| key.clone());
        }
        let row = components_rows.add(number, person, &values);
        components_rows.by_key.insert(key, row);
    }

    fn event(&mut self, event: EventSeen<'_>) {
        let person = self.row(event.person.profile);
        if let Some(events) = &mut self.events {
            events.push(person, &event);
        }
    }

    fn event_attributes(&mut self, number: i64, attributes: Vec<(String, Value)>) {
        if let Some(events) = &mut self.events {
            events.attributes(number, attributes);
        }
    }

    fn keys(&mut self) -> Vec<KeysWanted> {
        // Events come first, and then the records.
        let mut keys = self.events.as_mut().map(EventTable::keys).unwrap_or_default();
        if let Some(components) = &mut self.components {
            components.add_matched(&self.numbers[self.links.entity(EntityKind::Person)]);
            let named = components.keys.take();
            components.account_rows = vec![NOBODY; named.len()];
            keys.push(KeysWanted { entity: EntityName::ACCOUNT, keys: named });
        }
        self.members = self.member_entities.iter().map(|entity| Bits::none(self.numbers[*entity].len())).collect();
        keys
    }

    fn key(&mut self, list: usize, key: usize, named: Carrier) {
        let row = self.row(named.profile);
        let of_events = self.events.as_ref().map_or(0, EventTable::lists);
        match (&mut self.events, &mut self.components) {
            (Some(events), _) if list < of_events => events.key(list, key, row),
            (_, Some(components)) => {
                if let Some(place) = components.account_rows.get_mut(key) {
                    *place = row;
                }
            }
            _ => {}
        }
    }

    fn member(&mut self, audience: usize, profile: i64) {
        let row = self.row(profile);
        if row != NOBODY {
            self.members[audience].set(row as usize);
        }
    }
}

/// What a record of a person says itself.
pub(super) fn as_component(inner: &Inner, record: &StoredRecord, now: Millis) -> Result<Vec<Value>, Fault> {
    let row = match inner.catalogs.mapping(inner, &record.connection, &record.stream)? {
        Some(mapping) if *mapping.entity() == EntityName::PERSON => mapping.map(record, now).0.row,
        _ => Vec::new(),
    };
    let mapped = MappedRecord { source_key: record.source_key.clone(), at: 0, row };
    Ok(components(&[mapped]).pop().unwrap_or_default())
}

/// Whether all ways through records of persons lead from persons to accounts or back, and nothing is asked of a record.
fn are_passed(links: &Links, needs: &Needs) -> bool {
    let is_component = |relation: usize| links.kept(links.relations[relation].from) == Kept::Component;
    let is_through = |two: &(Step, Step)| match *two {
        (Step::Many(one), Step::One(other)) if is_component(one) && is_component(other) => one != other,
        (Step::Many(one), _) => !is_component(one),
        _ => true,
    };
    let leads_there = |relation: &usize| links.kept(links.relations[*relation].to) == Kept::Component;
    !needs.looked_at.contains(&links.entity(EntityKind::PersonComponent))
        && needs.turns.iter().all(is_through)
        && !needs.relations.iter().any(leads_there)
}
