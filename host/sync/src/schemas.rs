//! What a connection's streams are taken to be: discovered at the start of a run unless a schedule starts it and they were within
//! the hour, and every hour while it goes on; compared with what was taken over last, and kept as the policy says or as somebody
//! has approved.

use crate::engine::{Engine, Inner, read};
use crate::stream_start;
use attiva_core::backfill::Wish;
use attiva_core::config::Connection;
use attiva_core::drift::{Described, HeldStream, OnChange, SchemaState, decide};
use attiva_core::id::{ConnectionId, RunId};
use attiva_core::ports::connector::Stream;
use attiva_core::ports::store::Kind;
use attiva_core::run::Run;
use attiva_core::{Fault, FaultKind, Millis};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a run begins with.
pub(crate) struct Opened {
    pub(crate) streams: Vec<String>,
    /// Which of them take their keys from which.
    pub(crate) keyed: BTreeMap<String, String>,
    pub(crate) held: Vec<HeldStream>,
    /// Why it does not begin.
    pub(crate) stopped: Option<Fault>,
}

/// Whether a vendor is asked to describe its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Describe {
    Anew,
    /// Not where the last description is believed: descriptions cost calls, and schedules are quick.
    IfOld,
}

/// Connections that somebody has done something about: what they were told before is not believed any more. What a kill
/// forgets of them is believed for its hour.
#[derive(Default)]
pub(crate) struct ToDescribe(Mutex<BTreeSet<ConnectionId>>);

impl ToDescribe {
    fn all(&self) -> MutexGuard<'_, BTreeSet<ConnectionId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, connection: &ConnectionId) {
        self.all().insert(connection.clone());
    }

    fn take(&self, connection: &ConnectionId) -> bool {
        self.all().remove(connection)
    }
}

/// The streams a run of this connection reads: those chosen, or else those suggested. Discovers them, and keeps what is
/// taken over of that. Fails, with nothing written, where this plugin version cannot read what a newer one left.
pub(crate) async fn open(
    inner: &Inner,
    connection: &Connection,
    plugin: &str,
    run: &RunId,
    describe: Describe,
) -> Result<Opened, Fault> {
    let source = inner.connectors.source(connection, plugin, run).await?;
    let connection_version = inner.store.document(Kind::Connection, connection.id.as_str())?.map_or(0, |d| d.version);
    let now = Described { at: inner.clock.now(), plugin: plugin.to_owned(), connection_version };
    let believed =
        |known: &SchemaState, before: &[Stream]| known.believed(before, &now, inner.options.described_for_ms);
    let is_mended = inner.to_describe.take(&connection.id);
    let is_believed = describe == Describe::IfOld
        && !is_mended
        && believed(&state(inner, &connection.id)?, &catalog(inner, &connection.id)?).is_some();
    let fresh = match is_believed {
        true => None,
        false => match source.discover().await {
            Ok(described) => Some(described),
            Err(fault) => {
                if is_mended {
                    inner.to_describe.note(&connection.id);
                }
                return Err(fault);
            }
        },
    };
    let _alone = inner.schemas.lock().await;
    let before = catalog(inner, &connection.id)?;
    let known = state(inner, &connection.id)?;
    let is_fresh = fresh.is_some();
    let described = match fresh {
        Some(described) => described,
        // Somebody may have approved of something meanwhile, or wished for another look.
        None => match believed(&known, &before) {
            Some(described) => described,
            None => source.discover().await?,
        },
    };
    let wanted = choose(connection, &before, &described)?;
    let mut decided = decide(&connection.schema, &before, &described, &wanted, known.clone(), inner.clock.now());
    let is_read = |name: &String| {
        described.iter().any(|stream| stream.name == *name) && !decided.held.iter().any(|held| held.stream == *name)
    };
    let streams: Vec<String> = wanted.into_iter().filter(is_read).collect();
    for stream in &streams {
        stream_start::place(inner, &*source, &connection.id, stream)?;
    }
    if decided.state != known {
        inner.put(Kind::SchemaDrift, connection.id.as_str(), &decided.state).await?;
    }
    if decided.catalog != before {
        inner.put(Kind::Catalog, connection.id.as_str(), &decided.catalog).await?;
    }
    // Last: what a kill leaves out of the above is described anew.
    if is_fresh {
        decided.state.described = Some(now);
        inner.put(Kind::SchemaDrift, connection.id.as_str(), &decided.state).await?;
    }
    inner.catalogs.forget(&connection.id);
    for HeldStream { stream, fault } in &decided.held {
        tracing::warn!(run = %run, stream, %fault, "a stream is not read");
    }
    let keyed = decided.catalog.into_iter().filter_map(|stream| Some((stream.name, stream.keyed_by?.0))).collect();
    Ok(Opened { streams, keyed, held: decided.held, stopped: decided.stopped })
}

/// Describes the streams of a run anew that goes on for long. A vendor that does not answer is asked again later.
pub(crate) async fn describe_again(inner: &Inner, run: &mut Run) {
    let opened = match inner.get::<Connection>(Kind::Connection, run.connection.as_str()) {
        Ok(connection) => open(inner, &connection, &run.plugin, &run.id, Describe::Anew).await,
        Err(fault) => Err(fault),
    };
    match opened {
        Ok(Opened { stopped: Some(fault), .. }) => run.refuse(fault, inner.clock.now()),
        Ok(Opened { held, keyed, .. }) => run.described(held, keyed),
        Err(fault) => tracing::warn!(run = %run.id, %fault, "the streams are not described anew"),
    }
}

/// When a connection's streams were last described.
pub(crate) fn described_at(inner: &Inner, connection: &ConnectionId) -> Result<Option<Millis>, Fault> {
    Ok(state(inner, connection)?.described.map(|described| described.at))
}

/// Believes no description of a connection's streams any more: the next run has them described anew.
pub(crate) async fn forget_described(inner: &Inner, connection: &ConnectionId) -> Result<(), Fault> {
    let _alone = inner.schemas.lock().await;
    let mut state = state(inner, connection)?;
    match state.described.take() {
        Some(_) => inner.put(Kind::SchemaDrift, connection.as_str(), &state).await,
        None => Ok(()),
    }
}

/// By name, or as suggested; a suggested one that is not offered any more is still wanted, so that somebody hears of it.
fn choose(connection: &Connection, before: &[Stream], described: &[Stream]) -> Result<Vec<String>, Fault> {
    let is_in = |streams: &[Stream], name: &str| streams.iter().any(|stream| stream.name == name);
    if connection.streams.is_empty() {
        let gone = before.iter().filter(|stream| !is_in(described, &stream.name));
        return Ok(described.iter().chain(gone).filter(|s| s.suggested).map(|s| s.name.clone()).collect());
    }
    let is_known = |name: &str| {
        is_in(described, name) || (connection.schema.of(name) != OnChange::Propagate && is_in(before, name))
    };
    match connection.streams.iter().find(|wanted| !is_known(wanted)) {
        None => Ok(connection.streams.clone()),
        Some(missing) => {
            Err(Fault::new(FaultKind::Config, "stream.unknown", format!("there is no stream `{missing}`"))
                .action("Choose from the streams that discover lists.")
                .field("streams"))
        }
    }
}

/// The columns that a stream is read with; none named: all. Those that nobody has approved of are left out.
pub(crate) fn fields(inner: &Inner, connection: &ConnectionId, stream: &str) -> Result<Vec<String>, Fault> {
    if !state(inner, connection)?.pending.contains_key(stream) {
        return Ok(Vec::new());
    }
    let taken = catalog(inner, connection)?.into_iter().find(|taken| taken.name == stream);
    Ok(taken.map(|taken| taken.columns.into_iter().map(|column| column.name).collect()).unwrap_or_default())
}

pub(crate) fn catalog(inner: &Inner, connection: &ConnectionId) -> Result<Vec<Stream>, Fault> {
    let catalog = inner.store.document(Kind::Catalog, connection.as_str())?;
    catalog.map_or_else(|| Ok(Vec::new()), |catalog| read(catalog.body))
}

fn state(inner: &Inner, connection: &ConnectionId) -> Result<SchemaState, Fault> {
    Ok(inner.find(Kind::SchemaDrift, connection.as_str())?.unwrap_or_default())
}

impl Engine {
    /// How a connection's streams have changed, and what waits for approval.
    pub fn schema_state(&self, connection: &ConnectionId) -> Result<SchemaState, Fault> {
        state(&self.inner, connection)
    }

    /// Takes over what waits; without streams, all of it. What is read anew for that begins with the next run.
    ///
    /// # Errors
    /// `schema.nothing-pending`.
    pub async fn approve_schema(
        &self,
        connection: &ConnectionId,
        streams: &[String],
        by: &str,
    ) -> Result<SchemaState, Fault> {
        let inner = &self.inner;
        let _alone = inner.schemas.lock().await;
        let connection: Connection = inner.get(Kind::Connection, connection.as_str())?;
        let mut state = state(inner, &connection.id)?;
        let before = catalog(inner, &connection.id)?;
        let catalog = state.approve(streams, &before, &connection.schema, by, inner.clock.now())?;
        // First the columns: what a kill leaves over is noticed as no change at the next run.
        inner.put(Kind::Catalog, connection.id.as_str(), &catalog).await?;
        inner.put(Kind::SchemaDrift, connection.id.as_str(), &state).await?;
        inner.catalogs.forget(&connection.id);
        self.connection_mended(&connection.id);
        Ok(state)
    }

    /// Begins to read anew the streams that have got new columns, where that is wanted and nothing else is being read anew.
    pub(crate) async fn backfill_new_columns(&self, connection: &Connection) -> Result<(), Fault> {
        let inner = &self.inner;
        let _alone = inner.schemas.lock().await;
        let mut state = state(inner, &connection.id)?;
        let mut streams = Vec::new();
        for stream in std::mem::take(&mut state.to_backfill) {
            if inner.store.stream_state(&connection.id, &stream)?.is_some() {
                streams.push(stream);
            }
        }
        if streams.is_empty() {
            return Ok(());
        }
        match self.start_backfill(&connection.id, &streams, Wish::default(), self.fresh(RunId::new)).await {
            Ok(_) => inner.put(Kind::SchemaDrift, connection.id.as_str(), &state).await,
            Err(fault) if fault.code == "run.in-progress" => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}
