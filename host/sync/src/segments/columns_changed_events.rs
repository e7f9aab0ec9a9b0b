//! What has changed of events, which are kept by person.

use super::catalog::Audiences;
use super::columns::{Loaded, NOBODY};
use super::columns_refresh::{of_person, to_component};
use attiva_core::model::{EntityKind, EntityName};
use attiva_core::ports::store::{EventSeen, KeysWanted, PersonsEvent};
use attiva_core::{DataType, Millis, Value};
use attiva_segments::column::{Bits, Column, ColumnBuilder, Refresh, Rows, Table};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// An event that is told.
struct Told {
    person: i64,
    time: Millis,
    event_type: String,
    /// None: not told yet.
    attributes: Option<Vec<(String, Value)>>,
}

impl Told {
    /// The last of a name counts.
    fn attribute(&self, name: &str) -> Option<&Value> {
        let found = self.attributes.iter().flatten().rfind(|(own, _)| own == name);
        found.map(|(_, value)| value)
    }
}

/// A field of events that is read.
struct Field {
    slot: usize,
    name: String,
    data_type: DataType,
}

/// Events, by number.
pub(super) struct EventChanges {
    entity: usize,
    fields: usize,
    wanted: Vec<Field>,
    /// The relation that says whose they are.
    person: usize,
    persons: usize,
    told: BTreeMap<i64, Told>,
    /// Those whose rows of before are no more, wherever they stand.
    anew: BTreeSet<i64>,
    /// Rows of before that are no more, of persons who have changed; and the events that were there.
    removed: Bits,
    lost: BTreeSet<i64>,
    /// The relation to the record of the person, where that is followed, and the field that names it.
    component: Option<(usize, String)>,
    /// Keys of records that are named, and the records, by place.
    keys: Vec<String>,
    records: Vec<Option<i64>>,
}

impl EventChanges {
    pub(super) fn new(audiences: &Audiences, before: &Loaded) -> Self {
        let links = &audiences.links;
        let entity = links.entity(EntityKind::Activity);
        let fields = &before.model.entities[entity].fields;
        let field =
            |slot: &usize| Field { slot: *slot, name: fields[*slot].name.clone(), data_type: fields[*slot].data_type };
        Self {
            entity,
            fields: fields.len(),
            wanted: before.needs.fields.get(&entity).into_iter().flatten().map(field).collect(),
            person: of_person(links).unwrap_or_default(),
            persons: links.entity(EntityKind::Person),
            told: BTreeMap::new(),
            anew: BTreeSet::new(),
            removed: Bits::none(before.dataset.rows(entity)),
            lost: BTreeSet::new(),
            component: to_component(links, &before.needs).map(|it| (it, links.relations[it].field.clone())),
            keys: Vec::new(),
            records: Vec::new(),
        }
    }

    /// All that a person has; none for one who is no more.
    pub(super) fn person(&mut self, before: &Loaded, profile: i64, events: Vec<PersonsEvent>) {
        let now: HashSet<i64> = events.iter().map(|event| event.number).collect();
        let mut known: HashSet<i64> = HashSet::new();
        let row = before.numbers[self.persons].binary_search(&profile).ok();
        for row in row.into_iter().flat_map(|row| before.dataset.named_by(self.person, row)) {
            let Some(number) = before.event_numbers.as_ref().and_then(|numbers| numbers.get(row)) else { continue };
            let number = i64::from(*number);
            if !now.contains(&number) {
                self.removed.set(row);
                self.lost.insert(number);
            } else if self.component.is_none() {
                known.insert(number);
            }
        }
        for event in events.into_iter().filter(|event| !known.contains(&event.number)) {
            let PersonsEvent { number, time, event_type } = event;
            self.anew.insert(number);
            self.told.insert(number, Told { person: profile, time, event_type, attributes: None });
        }
    }

    /// Those that somebody had, and nobody was told to have since.
    pub(super) fn strayed(&self) -> Vec<i64> {
        self.lost.iter().copied().filter(|number| !self.told.contains_key(number)).collect()
    }

    pub(super) fn event(&mut self, number: i64, event: Option<EventSeen<'_>>) {
        self.anew.insert(number);
        match event {
            Some(event) => {
                let event_type = event.event_type.to_owned();
                let told = Told { person: event.person.profile, time: event.time, event_type, attributes: None };
                self.told.insert(number, told);
            }
            None => {
                self.told.remove(&number);
            }
        }
    }

    pub(super) fn told(&self) -> u64 {
        self.told.len() as u64
    }

    /// Those of which nothing is known but whose they are, when and what.
    pub(super) fn unread(&self) -> Vec<i64> {
        let unread = self.told.iter().filter(|(_, told)| told.attributes.is_none());
        unread.map(|(number, _)| *number).collect()
    }

    pub(super) fn attributes(&mut self, number: i64, attributes: Vec<(String, Value)>) {
        if let Some(told) = self.told.get_mut(&number) {
            told.attributes = Some(attributes);
        }
    }

    /// The records that events name by their keys, where that is followed.
    pub(super) fn keys(&mut self) -> Option<KeysWanted> {
        self.component.as_ref()?;
        let keys: BTreeSet<String> = self.told.values().filter_map(|told| self.record_key(told)).collect();
        self.keys = keys.into_iter().collect();
        self.records = vec![None; self.keys.len()];
        Some(KeysWanted { entity: EntityName::PERSON, keys: self.keys.clone() })
    }

    pub(super) fn key(&mut self, key: usize, record: Option<i64>) {
        if let Some(place) = self.records.get_mut(key) {
            *place = record;
        }
    }

    fn record_key(&self, told: &Told) -> Option<String> {
        let (_, field) = self.component.as_ref()?;
        told.attribute(field).and_then(Value::as_text).map(str::to_owned)
    }

    /// Answers the numbers of events by row; none where they are not to be followed any more.
    pub(super) fn apply(
        mut self,
        refresh: &mut Refresh,
        numbers: Vec<u32>,
        row: impl Fn(i64) -> u32,
        component: impl Fn(i64) -> u32,
    ) -> Option<Vec<u32>> {
        self.remove_anew(&numbers);
        let mut told: Vec<(u32, Millis, i64, Told)> = std::mem::take(&mut self.told)
            .into_iter()
            .map(|(number, told)| (row(told.person), told.time, number, told))
            .filter(|(person, ..)| *person != NOBODY)
            .collect();
        told.sort_by_key(|(person, time, number, _)| (*person, *time, *number));
        let persons: Vec<u32> = told.iter().map(|(person, ..)| *person).collect();
        let table = self.table(&told);
        if !refresh.clustered(self.person, &self.removed, &persons, table) {
            return None;
        }
        if let Some((relation, _)) = &self.component {
            let named = |told: &Told| {
                let place = self.keys.binary_search(&self.record_key(told)?).ok()?;
                self.records.get(place).copied().flatten().map(&component)
            };
            let places = refresh.rows_of(self.entity).map(Rows::places_told).unwrap_or_default();
            let names = places.into_iter().zip(told.iter().map(|(.., told)| named(told).unwrap_or(NOBODY)));
            refresh.names(*relation, names.collect::<Vec<_>>());
        }
        let told: Option<Vec<u32>> = told.iter().map(|(_, _, number, _)| u32::try_from(*number).ok()).collect();
        let told = told?;
        Some(match refresh.rows_of(self.entity) {
            Some(rows) => rows.spliced(&numbers, &told),
            None => numbers,
        })
    }

    /// Events that are told stood somewhere before, perhaps with somebody of whom nothing is told.
    fn remove_anew(&mut self, numbers: &[u32]) {
        let newest = numbers.iter().copied().max().unwrap_or(0);
        let known = self.anew.iter().filter_map(|number| u32::try_from(*number).ok()).filter(|it| *it <= newest);
        let mut anew = Bits::none(newest as usize + 1);
        let mut count = 0;
        known.for_each(|number| {
            anew.set(number as usize);
            count += 1;
        });
        if count == 0 {
            return;
        }
        let rows = numbers.iter().enumerate().filter(|(_, number)| anew.get(**number as usize));
        rows.for_each(|(row, _)| self.removed.set(row));
    }

    fn table(&self, told: &[(u32, Millis, i64, Told)]) -> Table {
        let mut table = Table::new(told.len(), self.fields);
        for Field { slot, name, data_type } in &self.wanted {
            if name == "time" {
                table.put(*slot, Column::timestamps(told.iter().map(|(_, time, ..)| *time).collect()));
                continue;
            }
            let mut builder = ColumnBuilder::new(*data_type);
            for (.., told) in told {
                match name.as_str() {
                    "type" => builder.push(&Value::Text(told.event_type.clone())),
                    name => builder.push(told.attribute(name).unwrap_or(&Value::Null)),
                }
            }
            table.put(*slot, builder.finish());
        }
        table
    }
}
