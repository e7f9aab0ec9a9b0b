//! Rows of tables, made of what the store tells of a part.

use crate::mapping::StreamMapping;
use attiva_core::config::Segment;
use attiva_core::delivery::Delivery;
use attiva_core::id::ConnectionId;
use attiva_core::identity::Identity;
use attiva_core::model::{EntityName, PERSON_COMPONENT, components};
use attiva_core::ports::store::{Kind, Result, StoreError};
use attiva_core::ports::tables::{Moment, TableFolder, TableRecord, TableWriter};
use attiva_core::run::Run;
use attiva_core::tables::{Origin, TableFile, TableLayout};
use attiva_core::{Millis, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;

/// By connection and stream.
pub(super) type Mappings = HashMap<(ConnectionId, String), Arc<StreamMapping>>;

/// The tables of one origin, a file of each.
pub(super) struct Part<'n> {
    /// The first is that of the entity, where there is one.
    tables: Vec<Table<'n>>,
}

struct Table<'n> {
    layout: &'n TableLayout,
    writer: Box<dyn TableWriter>,
    places: HashMap<&'n str, usize>,
}

impl<'n> Part<'n> {
    pub(super) fn begin(folder: &dyn TableFolder, layouts: &[&'n TableLayout], part: i64) -> Self {
        let table = |layout: &&'n TableLayout| Table {
            layout,
            writer: folder.begin(layout, part),
            places: layout.columns.iter().enumerate().map(|(place, column)| (column.name.as_str(), place)).collect(),
        };
        Self { tables: layouts.iter().map(table).collect() }
    }

    /// Files of tables that have a row.
    pub(super) fn finish(self) -> Result<Vec<(&'n str, TableFile)>> {
        let mut files = Vec::new();
        for table in self.tables {
            let name = table.layout.name.as_str();
            files.extend(table.writer.finish()?.map(|file| (name, file)));
        }
        Ok(files)
    }

    pub(super) fn fill(
        &mut self,
        origin: &Origin,
        part: i64,
        moment: &dyn Moment,
        mappings: &Mappings,
        now: Millis,
    ) -> Result<()> {
        match origin {
            Origin::Profiles(entity) => moment.profiles(entity, part, &mut |row| {
                let own = [("_profile_id", text(row.id.as_str())), ("_records", Value::Integer(row.records.into()))];
                self.thing(row.number, own, row.attributes)
            })?,
            Origin::Records => moment.records(part, &mut |row| self.record(&row, mappings, now))?,
            Origin::Events => moment.events(part, &mut |row| {
                let first = row.subjects.first().map_or(Value::Null, |subject| Value::Integer(*subject));
                let own = [
                    ("_subject_id", first),
                    ("_source_key", text(&row.source_key)),
                    ("time", Value::Timestamp(row.time)),
                    ("type", text(&row.event_type)),
                ];
                self.thing(row.number, own, row.attributes)?;
                for (rank, subject) in row.subjects.iter().enumerate().skip(1) {
                    let row = [Value::Integer(row.number), count(rank as u64), Value::Integer(*subject)];
                    self.push("attiva.activity_subject", &row)?;
                }
                Ok(())
            })?,
            Origin::Subjects => moment.subjects(part, &mut |row| {
                let Identity { namespace, value } = &row.identity;
                self.push(
                    "attiva.subject",
                    &[Value::Integer(row.number), text(&row.entity), text(namespace), text(value)],
                )
            })?,
            Origin::Members => moment.members(part, &mut |row| {
                let row = [text(row.segment.as_str()), Value::Integer(row.profile), Value::Timestamp(row.since)];
                self.push("attiva.audience_member", &row)
            })?,
            Origin::Moves => moment.moves(part, &mut |row| {
                let row = [
                    Value::Integer(row.number),
                    text(row.segment.as_str()),
                    Value::Integer(row.profile),
                    word(&row.status),
                    Value::Timestamp(row.at),
                    text(&row.cause),
                ];
                self.push("attiva.membership_change", &row)
            })?,
            Origin::Outcomes => moment.outcomes(part, &mut |row| {
                let row = [
                    text(row.delivery.as_str()),
                    Value::Integer(row.position),
                    Value::Integer(row.profile),
                    word(&row.status),
                    text(&row.code),
                    row.field.as_deref().map_or(Value::Null, text),
                    text(&row.message),
                    row.operation.as_ref().map_or(Value::Null, word),
                    Value::Boolean(row.resent),
                ];
                self.push("attiva.outcome", &row)
            })?,
            Origin::Segments => {
                for segment in documents::<Segment>(moment, Kind::Segment)? {
                    self.push("attiva.segment", &of_segment(&segment))?;
                }
            }
            Origin::Runs => {
                for run in documents::<Run>(moment, Kind::Run)? {
                    self.push("attiva.run", &of_run(&run))?;
                }
            }
            Origin::Deliveries => {
                for delivery in documents::<Delivery>(moment, Kind::Delivery)? {
                    self.push("attiva.delivery", &of_delivery(&delivery))?;
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, table: &str, row: &[Value]) -> Result<()> {
        match self.tables.iter_mut().find(|of| of.layout.name == table) {
            Some(table) => table.writer.push(row),
            None => Err(StoreError::Corrupt(format!("no table `{table}`"))),
        }
    }

    /// A row of an entity, and those of its lists.
    fn thing<const N: usize>(
        &mut self,
        id: i64,
        own: [(&str, Value); N],
        attributes: Vec<(String, Value)>,
    ) -> Result<()> {
        let Some((table, lists)) = self.tables.split_first_mut() else { return Ok(()) };
        let mut row = vec![Value::Null; table.layout.columns.len()];
        let mut set = |name: &str, value: Value| {
            // An attribute that the model had once has no place.
            if let Some(place) = table.places.get(name).and_then(|place| row.get_mut(*place)) {
                *place = value;
            }
        };
        for (name, value) in attributes {
            let Value::TextList(items) = value else {
                set(&name, value);
                continue;
            };
            set(&format!("_{name}_size"), count(items.len() as u64));
            let of = format!("{}_{name}", table.layout.name);
            if let Some(list) = lists.iter_mut().find(|list| list.layout.name == of) {
                for item in items {
                    list.writer.push(&[Value::Integer(id), Value::Text(item)])?;
                }
            }
        }
        set("_id", Value::Integer(id));
        for (name, value) in own {
            set(name, value);
        }
        table.writer.push(&row)
    }

    fn record(&mut self, row: &TableRecord, mappings: &Mappings, now: Millis) -> Result<()> {
        let record = &row.record;
        let Some(entity) = &record.entity else { return Ok(()) };
        let number = Value::Integer(record.number);
        let name = || text(entity.as_str());
        if let Some(into) = &row.merged_into {
            self.push("attiva.merged", &[number.clone(), name(), text(&record.source_key), text(into)])?;
        }
        let Some(profile) = row.profile else { return Ok(()) };
        for Identity { namespace, value } in &row.identities {
            let is_own = namespace == Identity::SOURCE_KEY && *value == record.source_key;
            let row =
                [number.clone(), name(), text(namespace), text(value), Value::Boolean(is_own), Value::Integer(profile)];
            self.push("attiva.identity", &row)?;
        }
        if *entity != EntityName::PERSON {
            return Ok(());
        }
        let mapping = mappings.get(&(record.connection.clone(), record.stream.clone()));
        let mapped = match mapping.filter(|mapping| *mapping.entity() == EntityName::PERSON) {
            Some(mapping) => mapping.map(record, now).0,
            None => attiva_core::merge::MappedRecord { source_key: record.source_key.clone(), at: 0, row: Vec::new() },
        };
        let values = components(&[mapped]).pop().unwrap_or_default();
        let attributes = PERSON_COMPONENT.iter().map(|field| field.name.to_owned()).zip(values).collect();
        self.thing(record.number, [("_person_id", Value::Integer(profile))], attributes)
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn count(count: u64) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

fn instant(at: Option<Millis>) -> Value {
    at.map_or(Value::Null, Value::Timestamp)
}

/// A word of the API.
fn word<T: Serialize>(of: &T) -> Value {
    match serde_json::to_value(of) {
        Ok(serde_json::Value::String(word)) => Value::Text(word),
        Ok(serde_json::Value::Null) | Err(_) => Value::Null,
        Ok(other) => Value::Text(other.to_string()),
    }
}

fn json<T: Serialize>(of: &T) -> Value {
    serde_json::to_string(of).map_or(Value::Null, Value::Json)
}

fn of_segment(segment: &Segment) -> [Value; 7] {
    [
        text(segment.id.as_str()),
        text(&segment.name),
        word(&segment.entity),
        text(&segment.expression),
        Value::Integer(segment.version.into()),
        Value::Boolean(segment.has_result),
        Value::Timestamp(segment.created_at),
    ]
}

fn of_run(run: &Run) -> [Value; 14] {
    let sum = |of: fn(&attiva_core::run::StreamProgress) -> u64| count(run.streams.iter().map(of).sum());
    [
        text(run.id.as_str()),
        text(run.connection.as_str()),
        text(&run.plugin),
        word(&run.status),
        Value::Timestamp(run.started_at),
        instant(run.ended_at),
        sum(|stream| stream.received),
        sum(|stream| stream.changed),
        sum(|stream| stream.unchanged),
        sum(|stream| stream.stale),
        sum(|stream| stream.rejected),
        run.fault.as_ref().map_or(Value::Null, |fault| text(&fault.code)),
        run.fault.as_ref().map_or(Value::Null, |fault| text(&fault.message)),
        json(&run.streams),
    ]
}

fn of_delivery(delivery: &Delivery) -> [Value; 16] {
    [
        text(delivery.id.as_str()),
        text(delivery.activation.as_str()),
        text(delivery.segment.as_str()),
        text(&delivery.target),
        word(&delivery.mode),
        word(&delivery.cause),
        delivery.evaluation.as_ref().map_or(Value::Null, |id| text(id.as_str())),
        Value::Boolean(delivery.dry_run),
        word(&delivery.status),
        Value::Timestamp(delivery.started_at),
        instant(delivery.ended_at),
        count(delivery.received),
        count(delivery.queued),
        delivery.fault.as_ref().map_or(Value::Null, |fault| text(&fault.code)),
        delivery.fault.as_ref().map_or(Value::Null, |fault| text(&fault.message)),
        delivery.books.as_ref().map_or(Value::Null, json),
    ]
}

/// All documents of a kind at the moment.
pub(super) fn documents<T: DeserializeOwned>(moment: &dyn Moment, kind: Kind) -> Result<Vec<T>> {
    const PAGE: usize = 500;
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = moment.documents(kind, after.as_deref(), PAGE)?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|document| document.id.clone());
        for document in page {
            let read = serde_json::from_value(document.body);
            all.push(read.map_err(|error| StoreError::Corrupt(format!("{kind:?}: {error}")))?);
        }
        if is_last {
            return Ok(all);
        }
    }
}
