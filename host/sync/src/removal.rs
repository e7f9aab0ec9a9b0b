//! Removes what a connection, or some of its datasets, brought: told first, then done step by step, and gone on with after
//! any stop.

use crate::crash;
use crate::engine::{Engine, Inner};
use crate::mapping::StreamMapping;
use crate::neighbours::created;
use crate::place::EVERYTHING;
use crate::policies::Policies;
use crate::projector::blocking;
use attiva_core::config::{Activation, Connection};
use attiva_core::event::EventReader;
use attiva_core::id::{ConnectionId, ProfileId, RunId};
use attiva_core::identity::{Neighbourhood, Node, resolve};
use attiva_core::merge::{MappedRecord, merge};
use attiva_core::ports::connector::Stream;
use attiva_core::ports::store::{Expect, Kind, Profile, StoreError, StoredRecord};
use attiva_core::record::Presence;
use attiva_core::removal::{Effect, Removal};
use attiva_core::{Fault, FaultKind, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Records removed at once: nobody projects meanwhile.
const STEP: usize = 500;
/// Records read at once.
const STRIDE: usize = 500;

impl Engine {
    /// What would become of profiles, audiences and activations; nothing is changed. Looks at the first `records_max`
    /// records.
    ///
    /// # Errors
    /// `stream.missing` for a dataset that was never read.
    pub async fn removal_effect(
        &self,
        connection: &ConnectionId,
        streams: &[String],
        records_max: usize,
    ) -> Result<Effect, Fault> {
        let (inner, connection, streams) = (Arc::clone(&self.inner), connection.clone(), streams.to_vec());
        blocking(move || effect(&inner, &connection, &streams, records_max)).await
    }

    /// Begins a removal, which goes on by itself. No run of the connection may go on, and none starts until its end.
    ///
    /// # Errors
    /// `run.in-progress`.
    pub async fn start_removal(&self, removal: Removal) -> Result<(), Fault> {
        let place = self.place_of_run(&removal.connection, &standing_in(&removal), EVERYTHING).await?;
        self.inner.put(Kind::Removal, removal.id.as_str(), &removal).await?;
        place.keep();
        self.drive_removal(removal);
        Ok(())
    }

    /// Those that a stop or a kill has left unfinished: before any run may start.
    pub(crate) fn resume_removals(&self) -> Result<(), Fault> {
        for removal in self.inner.all::<Removal>(Kind::Removal)?.into_iter().filter(|removal| !removal.has_ended()) {
            self.inner.hold_run_place(&removal.connection, standing_in(&removal));
            self.drive_removal(removal);
        }
        Ok(())
    }

    fn drive_removal(&self, removal: Removal) {
        let engine = self.clone();
        self.go_on(async move { engine.remove(removal).await });
    }

    async fn remove(&self, mut removal: Removal) {
        let place = standing_in(&removal);
        loop {
            match self.step(&mut removal).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(fault) if self.inner.may_store_again(removal.id.as_str(), &fault).await => {}
                Err(_) => return,
            }
        }
        tracing::info!(removal = %removal.id, records = removal.records_removed, "a removal has ended");
        self.inner.run_place_is_free(&place);
    }

    /// True at the end. A step that a kill repeats removes nothing twice.
    async fn step(&self, removal: &mut Removal) -> Result<bool, Fault> {
        let inner = &self.inner;
        let (id, connection) = (removal.id.to_string(), removal.connection.clone());
        let Some((stream, place)) = removal.next().map(|(stream, place)| (stream.to_owned(), place)) else {
            if removal.whole {
                self.let_connection_go(&connection).await?;
            }
            removal.ended_at = Some(inner.clock.now());
            inner.put(Kind::Removal, &id, removal).await?;
            return Ok(true);
        };
        let standstill = self.standstill().await;
        let removed = inner.store.remove_of_stream(&connection, &stream, place, STEP, inner.clock.now()).await?;
        drop(standstill);
        crash::point("removal.removed");
        if removal.step(removed) {
            if let (Some(known), Some(state)) = (
                inner.find::<Connection>(Kind::Connection, connection.as_str())?,
                inner.store.stream_state(&connection, &stream)?,
            ) {
                inner.connectors.let_go(&known, &[(stream.clone(), state)]).await;
            }
            inner.store.forget_stream(&connection, &stream).await?;
            inner.forget_document(Kind::Mapping, &crate::catalog::mapping_id(&connection, &stream)).await?;
            inner.catalogs.forget(&connection);
        }
        inner.put(Kind::Removal, &id, removal).await?;
        crash::point("removal.kept");
        Ok(false)
    }

    async fn let_connection_go(&self, id: &ConnectionId) -> Result<(), Fault> {
        let inner = &self.inner;
        inner.store.forget_rejects(id).await?;
        let Some(connection) = inner.find::<Connection>(Kind::Connection, id.as_str())? else { return Ok(()) };
        inner.connectors.forget(&connection).await?;
        inner.forget_document(Kind::Catalog, id.as_str()).await?;
        inner.forget_document(Kind::SchemaDrift, id.as_str()).await?;
        // Last: whatever a kill leaves is found by it.
        inner.forget_document(Kind::Connection, id.as_str()).await?;
        inner.catalogs.forget(id);
        Ok(())
    }
}

impl Inner {
    /// There may be none.
    async fn forget_document(&self, kind: Kind, id: &str) -> Result<(), Fault> {
        match self.store.delete_document(kind, id, Expect::Anything).await {
            Ok(()) | Err(StoreError::Missing) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What holds the place of a run meanwhile.
fn standing_in(removal: &Removal) -> RunId {
    RunId::parse(&format!("{}{}", RunId::PREFIX, removal.id)).unwrap_or_else(RunId::of_ingestion)
}

/// The streams of a connection that a run reads unless some are chosen, as they were last discovered.
pub(crate) fn suggested(inner: &Inner, connection: &ConnectionId) -> Result<Vec<String>, Fault> {
    let Some(catalog) = inner.store.document(Kind::Catalog, connection.as_str())? else { return Ok(Vec::new()) };
    let streams: Vec<Stream> = crate::engine::read(catalog.body)?;
    Ok(streams.into_iter().filter(|stream| stream.suggested).map(|stream| stream.name).collect())
}

impl Engine {
    /// The streams that a run of a connection reads.
    pub fn streams_read(&self, connection: &Connection) -> Result<Vec<String>, Fault> {
        if connection.streams.is_empty() {
            suggested(&self.inner, &connection.id)
        } else {
            Ok(connection.streams.clone())
        }
    }
}

fn effect(inner: &Inner, of: &ConnectionId, streams: &[String], records_max: usize) -> Result<Effect, Fault> {
    let store = inner.store.as_ref();
    let (mut effect, mut losers) = (Effect { whole: true, ..Effect::default() }, BTreeSet::new());
    for stream in streams {
        if store.stream_state(of, stream)?.is_none() {
            let message = format!("nothing was ever read of `{stream}`");
            return Err(Fault::new(FaultKind::Config, "stream.missing", message).field("/streams"));
        }
        let (records, events) = store.stream_size(of, stream)?;
        (effect.records, effect.events) = (effect.records + records, effect.events + events);
        let mut after = 0;
        loop {
            let left = records_max - usize::try_from(effect.looked_at).unwrap_or(records_max).min(records_max);
            let page = store.records_of_stream(of, stream, after, STRIDE.min(left))?;
            let Some(last) = page.last() else {
                effect.whole &= left > 0 || store.records_of_stream(of, stream, after, 1)?.is_empty();
                break;
            };
            (after, effect.looked_at) = (last.number, effect.looked_at + page.len() as u64);
            losers.extend(page.into_iter().filter_map(|record| record.profile));
        }
    }
    for profile in losers {
        note(inner, of, streams, &profile, &mut effect)?;
    }
    for activation in inner.all::<Activation>(Kind::Activation)? {
        if effect.audiences.contains_key(activation.segment.as_str()) {
            effect.activations.push(activation.id.to_string());
        }
    }
    Ok(effect)
}

/// Counts what becomes of one profile that loses records.
fn note(
    inner: &Inner,
    of: &ConnectionId,
    streams: &[String],
    id: &ProfileId,
    effect: &mut Effect,
) -> Result<(), Fault> {
    let store = inner.store.as_ref();
    let Some(profile) = store.profile(id)?.filter(|profile| profile.id == *id) else { return Ok(()) };
    let goes = |record: &StoredRecord| record.connection == *of && streams.contains(&record.stream);
    let rest: Vec<StoredRecord> =
        store.records_by_number(&store.records_of(id)?)?.into_iter().filter(|record| !goes(record)).collect();
    let segments = store.memberships(&[profile.number])?.pop().unwrap_or_default();
    if rest.is_empty() {
        effect.disappear += 1;
    } else if stays(inner, &profile, &rest)? {
        effect.stay += 1;
        return Ok(());
    } else {
        effect.change += 1;
    }
    for segment in segments {
        let audience = effect.audiences.entry(segment.to_string()).or_default();
        *(if rest.is_empty() { &mut audience.leave } else { &mut audience.change }) += 1;
    }
    Ok(())
}

/// Whether what is left of a profile is one still, and says the same.
fn stays(inner: &Inner, profile: &Profile, rest: &[StoredRecord]) -> Result<bool, Fault> {
    let policies = inner.policies.get(inner, &profile.entity)?;
    let (mut mapped, mut nodes) = (Vec::new(), Vec::new());
    for record in rest {
        let Some(mapping) = live_mapping(inner, record)? else { continue };
        let (row, _) = mapping.map(record, inner.clock.now());
        nodes.push(node(&policies, record, &row));
        mapped.push(row);
    }
    let neighbourhood = Neighbourhood::whole(nodes, &policies.rules);
    let founded = |key: &str| ProfileId::founded(&profile.entity, key);
    let resolution =
        resolve(&neighbourhood, &policies.rules, &policies.never, founded, |_: &ProfileId| Ok::<_, Fault>(false))?;
    if resolution.components.len() != 1 {
        return Ok(false);
    }
    let chosen = merge(&mapped, &policies.survivorship, &policies.pins(&mapped));
    let fields = policies.layout.fields().iter().zip(chosen).filter(|(_, chosen)| !chosen.value.is_null());
    let then: BTreeMap<String, Value> = fields.map(|(field, chosen)| (field.name.to_string(), chosen.value)).collect();
    // What is worked out from other profiles follows later.
    let of_records = |name: &str| policies.layout.find(name).is_some_and(|(_, field)| !field.derived);
    let now = profile.attributes.iter().filter(|(name, _)| of_records(name)).cloned();
    let now: BTreeMap<String, Value> = now.collect();
    Ok(then == now)
}

fn live_mapping(inner: &Inner, record: &StoredRecord) -> Result<Option<Arc<StreamMapping>>, Fault> {
    if record.body.presence != Presence::Live {
        return Ok(None);
    }
    let mapping = inner.catalogs.mapping(inner, &record.connection, &record.stream)?;
    Ok(mapping.filter(|mapping| !EventReader::reads(mapping.entity())))
}

fn node(policies: &Policies, record: &StoredRecord, mapped: &MappedRecord) -> Node<ProfileId> {
    Node {
        source_key: record.source_key.clone(),
        at: created(&policies.layout, mapped),
        claims: policies.reader.read(&record.source_key, &mapped.row).0,
        profile: record.profile.clone(),
        level: record.level,
    }
}
