//! Events as columns, a person's together and in the order of time.

use super::columns::NOBODY;
use super::columns_refresh::of_person;
use super::key_list::KeyList;
use super::links::{Kept, Links};
use attiva_core::model::EntityKind;
use attiva_core::ports::store::{EventSeen, EventsWanted, KeysWanted};
use attiva_core::{DataType, Value};
use attiva_expr::Model;
use attiva_segments::Needs;
use attiva_segments::column::{Column, ColumnBuilder, DatasetBuilder, Table};
use std::collections::{BTreeSet, HashMap};

/// What is said of an event beside whose it is.
#[derive(Clone, Copy)]
struct Seen {
    person: u32,
    time: i64,
    number: i64,
    kind: u32,
}

/// A field that events have, by row: few kinds of values, or one for each.
struct Field {
    slot: usize,
    name: String,
    data_type: DataType,
    codes: Vec<u32>,
    values: Vec<Value>,
    known: HashMap<String, u32>,
}

/// A relation of events to something else, by a key among their attributes.
struct Named {
    relation: usize,
    name: String,
    entity: usize,
    /// For each row a place in `keys`.
    rows: Vec<u32>,
    keys: KeyList,
    found: Vec<u32>,
}

/// So far.
pub(super) struct EventTable {
    entity: usize,
    fields: usize,
    seen: Vec<Seen>,
    kinds: Vec<Value>,
    kind_of: HashMap<String, u32>,
    /// By event number; made when all have been told.
    row_of: Vec<u32>,
    time_slot: Option<usize>,
    type_slot: Option<usize>,
    wanted: Vec<Field>,
    /// Whose they are.
    person: Option<usize>,
    named: Vec<Named>,
    /// To the record of the person: by the keys of records, which are not looked up.
    component: Option<Named>,
    lists: Vec<attiva_core::model::EntityName>,
    is_settled: bool,
}

impl EventTable {
    pub(super) fn new(model: &Model, links: &Links, needs: &Needs) -> Self {
        let entity = links.entity(EntityKind::Activity);
        let fields = &model.entities[entity].fields;
        let slot = |name: &str| {
            let slot = links.slot(entity, name)?;
            needs.fields.get(&entity).is_some_and(|slots| slots.contains(&slot)).then_some(slot)
        };
        let (time_slot, type_slot) = (slot("time"), slot("type"));
        let others = needs.fields.get(&entity).into_iter().flatten();
        let others = others.filter(|slot| Some(**slot) != time_slot && Some(**slot) != type_slot);
        let field = |slot: &usize| Field {
            slot: *slot,
            name: fields[*slot].name.clone(),
            data_type: fields[*slot].data_type,
            codes: Vec::new(),
            values: vec![Value::Null],
            known: HashMap::new(),
        };
        let wanted = others.map(field).collect();
        // They are kept by person, whether or not that is asked for.
        let person = of_person(links);
        let (mut named, mut component) = (Vec::new(), None);
        let of_events = needs.relations.iter().filter(|relation| links.relations[**relation].from == entity);
        for relation in of_events.copied() {
            let kept = &links.relations[relation];
            let one = Named {
                relation,
                name: kept.field.clone(),
                entity: kept.to,
                rows: Vec::new(),
                keys: KeyList::default(),
                found: Vec::new(),
            };
            match links.kept(kept.to) {
                _ if links.is_of_person(relation) => {}
                Kept::Component => component = Some(one),
                Kept::Profile | Kept::Event => named.push(one),
            }
        }
        let lists = named.iter().map(|one| links.name(one.entity).clone()).collect();
        Self {
            entity,
            fields: fields.len(),
            seen: Vec::new(),
            kinds: vec![Value::Null],
            kind_of: HashMap::new(),
            row_of: Vec::new(),
            time_slot,
            type_slot,
            wanted,
            person,
            named,
            component,
            lists,
            is_settled: false,
        }
    }

    pub(super) fn wanted(&self) -> EventsWanted {
        let named = self.named.iter().chain(&self.component).map(|named| named.name.clone());
        let names: BTreeSet<String> = self.wanted.iter().map(|field| field.name.clone()).chain(named).collect();
        if names.is_empty() { EventsWanted::Times } else { EventsWanted::Attributes(names) }
    }

    pub(super) fn rows(&self) -> usize {
        self.seen.len()
    }

    pub(super) fn push(&mut self, person: u32, event: &EventSeen<'_>) {
        let kind = match self.kind_of.get(event.event_type) {
            Some(kind) => *kind,
            None => {
                let kind = u32::try_from(self.kinds.len()).unwrap_or(0);
                self.kinds.push(Value::Text(event.event_type.to_owned()));
                self.kind_of.insert(event.event_type.to_owned(), kind);
                kind
            }
        };
        self.seen.push(Seen { person, time: event.time, number: event.number, kind });
    }

    /// All have been told: a person's together, in the order of time.
    fn settle(&mut self) {
        if self.is_settled {
            return;
        }
        self.is_settled = true;
        self.seen.sort_unstable_by_key(|seen| (seen.person, seen.time, seen.number));
        if self.wanted() != EventsWanted::Times {
            let newest = self.seen.iter().map(|seen| seen.number).max().unwrap_or(0);
            self.row_of = vec![NOBODY; usize::try_from(newest).unwrap_or(0) + 1];
            for (row, seen) in (0..).zip(&self.seen) {
                if let Some(place) = usize::try_from(seen.number).ok().and_then(|n| self.row_of.get_mut(n)) {
                    *place = row;
                }
            }
        }
        let rows = self.seen.len();
        self.wanted.iter_mut().for_each(|field| field.codes = vec![0; rows]);
        self.named.iter_mut().chain(&mut self.component).for_each(|named| named.rows = vec![NOBODY; rows]);
    }

    pub(super) fn attributes(&mut self, number: i64, attributes: Vec<(String, Value)>) {
        self.settle();
        let row = usize::try_from(number).ok().and_then(|n| self.row_of.get(n)).copied().unwrap_or(NOBODY);
        if row == NOBODY {
            return;
        }
        for (name, value) in attributes {
            for named in self.named.iter_mut().chain(&mut self.component).filter(|named| named.name == name) {
                named.put(row, &value);
            }
            if let Some(field) = self.wanted.iter_mut().find(|field| field.name == name) {
                field.put(row, value);
            }
        }
    }

    /// What events name, each list once.
    pub(super) fn keys(&mut self) -> Vec<KeysWanted> {
        self.settle();
        let lists = self.named.iter_mut().zip(&self.lists);
        lists
            .map(|(named, entity)| {
                let keys = named.keys.take();
                named.found = vec![NOBODY; keys.len()];
                KeysWanted { entity: entity.clone(), keys }
            })
            .collect()
    }

    pub(super) fn lists(&self) -> usize {
        self.lists.len()
    }

    pub(super) fn key(&mut self, list: usize, key: usize, row: u32) {
        if let Some(place) = self.named.get_mut(list).and_then(|named| named.found.get_mut(key)) {
            *place = row;
        }
    }

    /// `by_key`: the rows of persons' records. Answers the number of each event, by row, where they name nobody but their person
    /// and its record: then their changes can be followed.
    pub(super) fn finish(
        mut self,
        builder: &mut DatasetBuilder,
        by_key: Option<&HashMap<String, u32>>,
    ) -> Option<Vec<u32>> {
        self.settle();
        let are_of_persons = self.person.is_some() && self.named.is_empty();
        let number = |seen: &Seen| u32::try_from(seen.number).ok();
        let numbers = are_of_persons.then(|| self.seen.iter().map(number).collect()).flatten();
        let mut table = Table::new(self.seen.len(), self.fields);
        if let Some(slot) = self.time_slot {
            table.put(slot, Column::timestamps(self.seen.iter().map(|seen| seen.time).collect()));
        }
        if let Some(slot) = self.type_slot {
            table.put(slot, Column::coded(self.seen.iter().map(|seen| seen.kind).collect(), self.kinds));
        }
        for field in self.wanted {
            table.put(field.slot, field.column());
        }
        builder.table(self.entity, table);
        if let Some(relation) = self.person {
            builder.relation(relation, self.seen.iter().map(|seen| seen.person).collect());
        }
        for named in self.named {
            let found = |key: &u32| named.found.get(*key as usize).copied().unwrap_or(NOBODY);
            builder.relation(named.relation, named.rows.iter().map(found).collect());
        }
        if let (Some(named), Some(by_key)) = (self.component, by_key) {
            let rows: Vec<u32> =
                named.keys.keys().iter().map(|key| by_key.get(key).copied().unwrap_or(NOBODY)).collect();
            let found = |key: &u32| rows.get(*key as usize).copied().unwrap_or(NOBODY);
            builder.relation(named.relation, named.rows.iter().map(found).collect());
        }
        numbers
    }
}

impl Named {
    fn put(&mut self, row: u32, value: &Value) {
        let Some(key) = value.as_text() else { return };
        let place = self.keys.place(key);
        if let Some(place_of_row) = self.rows.get_mut(row as usize) {
            *place_of_row = place;
        }
    }
}

impl Field {
    fn put(&mut self, row: u32, value: Value) {
        let key = match &value {
            Value::Text(text) => text.clone(),
            other => format!("{other:?}"),
        };
        let next = u32::try_from(self.values.len()).unwrap_or(0);
        let code = *self.known.entry(key).or_insert(next);
        if code == next {
            self.values.push(value);
        }
        if let Some(place) = self.codes.get_mut(row as usize) {
            *place = code;
        }
    }

    /// Texts and the like stand by their codes; numbers are laid flat.
    fn column(self) -> Column {
        let is_coded = matches!(
            self.data_type,
            DataType::Text | DataType::TextList | DataType::Boolean | DataType::Json | DataType::Bytes
        );
        if is_coded {
            return Column::coded(self.codes, self.values);
        }
        let mut builder = ColumnBuilder::new(self.data_type);
        self.codes.iter().for_each(|code| builder.push(&self.values[*code as usize]));
        builder.finish()
    }
}
