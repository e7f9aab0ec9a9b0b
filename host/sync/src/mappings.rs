//! Mappings in the place of those that connectors ship: looked at, tried on stored records, published, taken back.
//! Profiles follow from the stored records; nothing is fetched again.

use crate::catalog::{Described, mapping_id};
use crate::engine::{Engine, Inner, write};
use crate::mapping::{Mapped, MappingProblem, StreamMapping};
use crate::model::{Unpublished, same_version};
use crate::policies;
use crate::projector::blocking;
use attiva_core::config::Connection;
use attiva_core::event::EventReader;
use attiva_core::id::ConnectionId;
use attiva_core::model::custom::Custom;
use attiva_core::ports::store::{Expect, FieldError, Kind, Reconsider, StoredRecord, StreamMove};
use attiva_core::record::Presence;
use attiva_core::spec::MappingSpec;
use attiva_core::{Fault, FaultKind, Millis, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A stream's mapping as it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct MappingState {
    /// `None`: the stream has none, and its records are kept and make nothing.
    pub mapping: Option<MappingSpec>,
    /// Of the published one; 0: it is what the connector ships.
    pub version: u64,
    /// What is wrong with it here: those fields stay empty.
    pub problems: Vec<MappingProblem>,
}

/// What a mapping would change, told before it is published.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MappingPreview {
    /// Records looked at; not all of the stream's, if `whole` is false.
    pub records: u64,
    pub whole: bool,
    /// Records of which it makes something else.
    pub records_changed: u64,
    /// Profiles that have such a record; a record that makes none yet counts for itself.
    pub profiles_changed: u64,
    /// By name; those that nothing changes and nothing fails in are left out.
    pub fields: BTreeMap<String, FieldPreview>,
    /// The stream's records are events: those that are stored stay as they were taken.
    pub only_new_events: bool,
}

/// What would become of one field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FieldPreview {
    pub changed: u64,
    pub examples: Vec<FieldExample>,
    /// Records in which it cannot be computed, or may not stand.
    pub errors: u64,
    /// The source key of the first of them.
    pub error_sample: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FieldExample {
    pub source_key: String,
    pub before: Value,
    pub after: Value,
}

/// Examples of each field at most.
const EXAMPLES: usize = 3;
/// Records read at once.
const STRIDE: usize = 500;

impl Engine {
    /// The mapping of a stream.
    ///
    /// # Errors
    /// `stream.unknown` for a stream that was not discovered.
    pub fn mapping(&self, connection: &ConnectionId, stream: &str) -> Result<MappingState, Fault> {
        let (described, custom) = described(&self.inner, connection, stream)?;
        let mapping = described.spec().cloned();
        let problems = match mapping.as_ref().map(|spec| described.compile(spec, &custom)) {
            None => Vec::new(),
            Some(Ok(compiled)) => compiled.problems,
            Some(Err(problem)) => vec![problem],
        };
        Ok(MappingState { mapping, version: version(&described), problems })
    }

    /// Every stream of a connection that was discovered, with its mapping.
    pub fn mappings(&self, connection: &ConnectionId) -> Result<Vec<(String, MappingState)>, Fault> {
        let _: Connection = self.inner.get(Kind::Connection, connection.as_str())?;
        let Some(catalog) = self.inner.store.document(Kind::Catalog, connection.as_str())? else { return Ok(vec![]) };
        let streams: Vec<attiva_core::ports::connector::Stream> = crate::engine::read(catalog.body)?;
        streams.into_iter().map(|stream| Ok((stream.name.clone(), self.mapping(connection, &stream.name)?))).collect()
    }

    /// Fields that mappings of a connection left empty, counted since each mapping was published.
    pub fn mapping_errors(&self, connection: &ConnectionId) -> Result<Vec<FieldError>, Fault> {
        let _: Connection = self.inner.get(Kind::Connection, connection.as_str())?;
        Ok(self.inner.store.mapping_errors(connection)?)
    }

    /// What a mapping would make of the first `records_max` stored records of its stream; nothing is changed.
    ///
    /// # Errors
    /// Everything that is wrong with it, as for publishing.
    pub async fn preview_mapping(
        &self,
        connection: &ConnectionId,
        spec: MappingSpec,
        records_max: usize,
    ) -> Result<MappingPreview, Unpublished<MappingProblem>> {
        let (described, custom) = described(&self.inner, connection, &spec.stream)?;
        let after = usable(&self.inner, &described, connection, &spec, &custom)?;
        let before = described.spec().and_then(|spec| described.compile(spec, &custom).ok());
        let preview = Previewer {
            inner: Arc::clone(&self.inner),
            connection: connection.clone(),
            stream: spec.stream,
            before,
            after,
            now: self.inner.clock.now(),
        };
        Ok(blocking(move || preview.of_first(records_max)).await?)
    }

    /// Publishes a mapping: the stream's records are looked at again, under it. Events that are stored stay as they were
    /// taken: each is what its source said then. `expect`: the document's version, 0 where the shipped one holds.
    ///
    /// # Errors
    /// Every problem with its field and place; `store.version-mismatch`.
    pub async fn publish_mapping(
        &self,
        connection: &ConnectionId,
        spec: MappingSpec,
        expect: Expect,
    ) -> Result<MappingState, Unpublished<MappingProblem>> {
        // No page is committed meanwhile by what was.
        let pages = self.inner.publishing.write().await;
        let (described, custom) = described(&self.inner, connection, &spec.stream)?;
        let now = version(&described);
        same_version(expect, now)?;
        let compiled = usable(&self.inner, &described, connection, &spec, &custom)?;
        let stream = spec.stream.clone();
        let id = mapping_id(connection, &stream);
        let expect = if now == 0 { Expect::Absent } else { Expect::Version(now) };
        let of = StreamMove {
            connection: connection.clone(),
            stream: stream.clone(),
            entity: Some(compiled.entity().clone()),
        };
        let document = (write(Kind::Mapping, &id, &spec)?, expect);
        self.reconsider(vec![document], Vec::new(), Reconsider::Streams(vec![of])).await?;
        drop(pages);
        Ok(self.mapping(connection, &stream)?)
    }

    /// Goes back to the mapping that the connector ships. Where that holds already, nothing happens.
    ///
    /// # Errors
    /// `mapping.entity` where the shipped one makes events of what is stored as records, or the reverse.
    pub async fn restore_mapping(
        &self,
        connection: &ConnectionId,
        stream: &str,
        expect: Expect,
    ) -> Result<MappingState, Unpublished<MappingProblem>> {
        let pages = self.inner.publishing.write().await;
        let (described, custom) = described(&self.inner, connection, stream)?;
        let now = version(&described);
        same_version(expect, now)?;
        if now > 0 {
            let layout = described.shipped.as_ref().and_then(|spec| described.compile(spec, &custom).ok());
            let entity = layout.map(|mapping| mapping.entity().clone());
            let is_events = entity.as_ref().is_some_and(EventReader::reads);
            if let Some(problem) = other_kind(&self.inner, &described, connection, stream, &custom, is_events)? {
                return Err(Unpublished::Problems(vec![problem]));
            }
            let of = StreamMove { connection: connection.clone(), stream: stream.to_owned(), entity };
            let gone = vec![(Kind::Mapping, mapping_id(connection, stream))];
            self.reconsider(Vec::new(), gone, Reconsider::Streams(vec![of])).await?;
        }
        drop(pages);
        Ok(self.mapping(connection, stream)?)
    }
}

fn version(described: &Described) -> u64 {
    described.published.as_ref().map_or(0, |(_, version)| *version)
}

fn described(inner: &Inner, connection: &ConnectionId, stream: &str) -> Result<(Described, Custom), Fault> {
    let custom = policies::custom(inner.store.as_ref())?;
    match Described::load(inner, connection, stream)? {
        Some(described) => Ok((described, custom)),
        None => {
            Err(Fault::new(FaultKind::Config, "stream.missing", "the connection has no such stream, or was never read")
                .action("Start a run of the connection, and choose from the streams it lists."))
        }
    }
}

/// Compiled, if all of it can be.
fn usable(
    inner: &Inner,
    described: &Described,
    connection: &ConnectionId,
    spec: &MappingSpec,
    custom: &Custom,
) -> Result<StreamMapping, Unpublished<MappingProblem>> {
    let compiled = match described.compile(spec, custom) {
        Ok(compiled) => compiled,
        Err(problem) => return Err(Unpublished::Problems(vec![problem])),
    };
    // What the connector ships may name columns that this vendor instance does not have; who edits another field need not
    // take those out. They stay empty, and the mapping says so.
    let as_shipped = |problem: &&MappingProblem| {
        let shipped = described.shipped.as_ref().and_then(|shipped| shipped.fields.get(&problem.field));
        shipped.is_some() && shipped == spec.fields.get(&problem.field)
    };
    let mut problems: Vec<MappingProblem> =
        compiled.problems.iter().filter(|problem| !as_shipped(problem)).cloned().collect();
    let is_events = EventReader::reads(compiled.entity());
    problems.extend(other_kind(inner, described, connection, &spec.stream, custom, is_events)?);
    if problems.is_empty() { Ok(compiled) } else { Err(Unpublished::Problems(problems)) }
}

/// Records are kept to be mapped again, events as they were taken: what is stored of the one is not the other.
fn other_kind(
    inner: &Inner,
    described: &Described,
    connection: &ConnectionId,
    stream: &str,
    custom: &Custom,
    is_events: bool,
) -> Result<Option<MappingProblem>, Fault> {
    let was_read = inner.store.stream_state(connection, stream)?.is_some();
    let were_events = described.layout(custom).is_some_and(|layout| EventReader::reads(layout.entity()));
    if !was_read || were_events == is_events {
        return Ok(None);
    }
    let (are, become_) = if were_events { ("events", "records") } else { ("records", "events") };
    let message = format!(
        "what was read of the stream is stored as {are} and does not become {become_}: make a connection of its own for this"
    );
    Ok(Some(MappingProblem::of_entity(message, None)))
}

/// What a preview works with.
struct Previewer {
    inner: Arc<Inner>,
    connection: ConnectionId,
    stream: String,
    before: Option<StreamMapping>,
    after: StreamMapping,
    now: Millis,
}

impl Previewer {
    fn of_first(&self, records_max: usize) -> Result<MappingPreview, Fault> {
        let mut preview = MappingPreview::default();
        if EventReader::reads(self.after.entity()) {
            return Ok(MappingPreview { only_new_events: true, whole: true, ..preview });
        }
        let store = self.inner.store.as_ref();
        let (mut after, mut looked_at) = (0, 0);
        let mut profiles = BTreeSet::new();
        let mut of_none = 0;
        while looked_at < records_max {
            let limit = STRIDE.min(records_max - looked_at);
            let stored = store.records_of_stream(&self.connection, &self.stream, after, limit)?;
            let Some(last) = stored.last() else { break };
            after = last.number;
            looked_at += stored.len();
            for record in stored.iter().filter(|record| record.body.presence == Presence::Live) {
                if self.compare(record, &mut preview) {
                    preview.records_changed += 1;
                    match &record.profile {
                        Some(profile) => _ = profiles.insert(profile.clone()),
                        None => of_none += 1,
                    }
                }
            }
        }
        preview.records = looked_at as u64;
        preview.whole = store.records_of_stream(&self.connection, &self.stream, after, 1)?.is_empty();
        preview.profiles_changed = profiles.len() as u64 + of_none;
        Ok(preview)
    }

    /// Whether anything would change.
    fn compare(&self, record: &StoredRecord, preview: &mut MappingPreview) -> bool {
        let named = |mapping: &StreamMapping, mapped: Mapped| -> HashMap<String, Value> {
            let names = mapping.layout().fields().iter().map(|field| field.name.to_string());
            names.zip(mapped.row).filter(|(_, value)| !value.is_null()).collect()
        };
        let of = |mapping: &StreamMapping| mapping.row(&record.body.fields, self.now);
        let mut before = self.before.as_ref().map(|mapping| named(mapping, of(mapping))).unwrap_or_default();
        let mapped = of(&self.after);
        for field in &mapped.failed {
            let field = preview.fields.entry(field.to_string()).or_default();
            field.errors += 1;
            field.error_sample.get_or_insert_with(|| record.source_key.clone());
        }
        let mut is_changed = self.before.as_ref().is_none_or(|mapping| mapping.entity() != self.after.entity());
        let mut changed = |name: String, before: Value, after: Value| {
            is_changed = true;
            let field = preview.fields.entry(name).or_default();
            field.changed += 1;
            if field.examples.len() < EXAMPLES {
                field.examples.push(FieldExample { source_key: record.source_key.clone(), before, after });
            }
        };
        for (name, after) in named(&self.after, mapped) {
            let was = before.remove(&name).unwrap_or(Value::Null);
            if was != after {
                changed(name, was, after);
            }
        }
        for (name, was) in before {
            changed(name, was, Value::Null);
        }
        is_changed
    }
}
