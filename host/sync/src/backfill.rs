//! Runs that read streams anew, beside those that follow changes or in their place; and what is gone at the vendor, since
//! such a run did not find it.

use crate::engine::{Engine, Inner};
use crate::place::lanes;
use crate::projector::blocking;
use crate::schemas;
use crate::source_run::{self, Told};
use attiva_core::backfill::{Backfill, Place, Wish};
use attiva_core::config::Connection;
use attiva_core::id::{ConnectionId, RunId};
use attiva_core::page::{Estimate, RowKind};
use attiva_core::ports::connector::Source;
use attiva_core::ports::store::{Kind, StoredRecord};
use attiva_core::record::{Fields, Presence, RecordChange};
use attiva_core::run::{Event, Run};
use attiva_core::{Fault, FaultKind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Records read at once.
const STRIDE: usize = 1000;
/// Records looked at in one step, where none of them is missing.
const LOOKED_AT: usize = 50_000;

impl Engine {
    /// Starts a run that reads streams anew. One connection has one of them at a time; with `reset` no other run either. A
    /// run with this id, if there is one, was started by the same request before, and is answered.
    ///
    /// # Errors
    /// `run.in-progress`; `stream.missing` for one that was never read; `backfill.window`.
    pub async fn start_backfill(
        &self,
        connection: &ConnectionId,
        streams: &[String],
        wish: Wish,
        id: RunId,
    ) -> Result<Run, Fault> {
        let inner = &self.inner;
        if let Some(started) = inner.find(Kind::Run, id.as_str())? {
            return Ok(started);
        }
        let connection: Connection = inner.get(Kind::Connection, connection.as_str())?;
        let plugin = inner.connectors.version(&connection)?;
        wish.configured(inner.connectors.window(&plugin)?.as_ref(), streams, &connection.configuration)?;
        let run = Run::new(id, connection.id.clone(), plugin, streams, inner.clock.now());
        let run = run.anew(Backfill::new(wish.clone()));
        let place = self.place_of_run(&connection.id, &run.id, lanes(&run)).await?;
        let mut states = Vec::new();
        for stream in streams {
            let Some(state) = inner.store.stream_state(&connection.id, stream)? else {
                let message = format!("nothing was ever read of `{stream}`");
                return Err(Fault::new(FaultKind::Config, "stream.missing", message)
                    .action("Read it first: `attiva run start`.")
                    .field("/streams"));
            };
            states.push((stream.clone(), state));
            inner.store.forget_seen(&connection.id, stream).await?;
        }
        if wish.reset {
            schemas::forget_described(inner, &connection.id).await?;
            inner.connectors.let_go(&connection, &states).await;
        }
        self.begin_run(run, place).await
    }
}

/// The source, as a run asks it: one that reads beside others has spools of its own, and a configuration that says which
/// span of time it reads.
pub(crate) async fn source(inner: &Inner, run: &Run, connection: &Connection) -> Result<Arc<dyn Source>, Fault> {
    let Some(anew) = run.backfill.as_ref().filter(|anew| !anew.wish.reset) else {
        return inner.connectors.source(connection, &run.plugin, &run.id).await;
    };
    let window = inner.connectors.window(&run.plugin)?;
    let streams: Vec<String> = run.streams.iter().map(|progress| progress.stream.clone()).collect();
    let configuration = anew.wish.configured(window.as_ref(), &streams, &connection.configuration)?;
    let configured = Connection { configuration, ..connection.clone() };
    inner.connectors.source_beside(&configured, &run.plugin, &run.id).await
}

/// What was read beside will not be gone on with: its place is given up.
pub(crate) async fn let_go(inner: &Inner, run: &Run, connection: &Connection) {
    let Some(Backfill { place: Place::Reading(Some(kept)), .. }) = &run.backfill else { return };
    let Some(progress) = run.current().and_then(|at| run.streams.get(at)) else { return };
    if let Ok(cursor) = kept.cursor() {
        inner.connectors.let_go_beside(connection, &progress.stream, &cursor).await;
    }
}

/// Takes the next records to be deleted that the run has not found. They are dated to when they last changed: should the vendor
/// list them again, they are there again.
pub(crate) async fn delete_missing(
    inner: &Inner,
    run: &Run,
    connection: &Connection,
    stream: &str,
    wish: &Wish,
    after: i64,
) -> Result<Event, Fault> {
    let (store, id, name) = (Arc::clone(&inner.store), connection.id.clone(), stream.to_owned());
    let (wish, began) = (wish.clone(), run.started_at);
    let (missing, last) = blocking(move || {
        let next = |after| -> Result<(Vec<StoredRecord>, usize, Option<i64>), Fault> {
            let records = store.records_of_stream(&id, &name, after, STRIDE)?;
            let last = records.last().map(|record| record.number);
            let live: Vec<StoredRecord> = records.into_iter().filter(|r| r.body.presence == Presence::Live).collect();
            let is_gone = |record: &&StoredRecord| Backfill::is_gone(record.body.changed_at(), began);
            let numbers: Vec<i64> = live.iter().filter(is_gone).map(|record| record.number).collect();
            let of = live.len();
            let unseen: BTreeSet<i64> = store.unseen(&id, &name, &numbers)?.into_iter().collect();
            let missing = live.into_iter().filter(|record| unseen.contains(&record.number)).collect();
            Ok((missing, of, last))
        };
        if after == 0 {
            let (mut at, mut missing, mut live) = (0, 0, 0);
            loop {
                let (here, of, last) = next(at)?;
                (missing, live) = (missing + here.len() as u64, live + of as u64);
                let Some(last) = last else { break };
                at = last;
            }
            wish.may_delete(&name, missing, live)?;
        }
        let (mut at, mut looked_at) = (after, 0);
        loop {
            let (missing, _, last) = next(at)?;
            looked_at += STRIDE;
            match last {
                Some(last) if missing.is_empty() && looked_at < LOOKED_AT => at = last,
                last => return Ok((missing, last)),
            }
        }
    })
    .await?;
    let gone = |record: StoredRecord| RecordChange {
        at: record.body.changed_at(),
        source_key: record.source_key,
        kind: RowKind::Tombstone,
        dated: true,
        fields: Fields::default(),
        merged_into: None,
    };
    let (more, place) = Backfill::after_records(last);
    let phase = "deleting what is gone at the vendor".to_owned();
    let told =
        Told { more, anew: Some(place), estimate: Some(Estimate { phase, ..Estimate::default() }), ..Told::default() };
    source_run::commit(inner, run, connection, stream, missing.into_iter().map(gone).collect(), &[], told).await
}
