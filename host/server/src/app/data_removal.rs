//! Taking back what a connection, or some of its datasets, brought: shown first, then done.

use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use super::stamp::Stamp;
use attiva_core::config::{Activation, Connection};
use attiva_core::id::{ConnectionId, RemovalId};
use attiva_core::ports::store::{Expect, Kind};
use attiva_core::removal::{Effect, Place, Removal};
use attiva_core::{Fault, FaultKind};
use serde_json::json;

impl Sandbox {
    /// What would become of profiles, audiences and activations; nothing is changed. Without streams, all of the
    /// connection's.
    ///
    /// # Errors
    /// `connection.missing`, `stream.missing`.
    pub async fn removal_effect(&self, id: &str, streams: Option<&[String]>, records_max: usize) -> Result<Effect> {
        let connection = self.connection(id)?.value;
        let streams = self.removed_streams(&connection, streams)?;
        Ok(self.engine.removal_effect(&connection.id, &streams, records_max).await?)
    }

    /// Begins to take it back; without streams the connection goes, too. Read again, it comes back: nothing is kept that
    /// would keep it out.
    ///
    /// # Errors
    /// `connection.in-use`, `run.in-progress`, `stream.missing`; `removal.last-stream` where nothing would be left to read.
    pub async fn start_removal(
        &self,
        caller: &Caller,
        stamp: Stamp,
        id: &str,
        streams: Option<&[String]>,
        records_max: usize,
    ) -> Result<Removal> {
        let removal = stamp.id(RemovalId::new);
        if let Some(begun) = self.find(Kind::Removal, removal.as_str())? {
            return Ok(begun.value);
        }
        let _alone = self.connections_change.lock().await;
        let Versioned { value: mut connection, version } = self.connection(id)?;
        let whole = streams.is_none();
        if whole {
            self.nothing_stands_on(&connection.id)?;
        }
        let streams = self.removed_streams(&connection, streams)?;
        let effect = self.engine.removal_effect(&connection.id, &streams, records_max).await?;
        let rest: Vec<String> =
            self.engine.streams_read(&connection)?.into_iter().filter(|stream| !streams.contains(stream)).collect();
        if !whole && rest.is_empty() {
            let message = "nothing would be left for the connection to read";
            return Err(Fault::new(FaultKind::Config, "removal.last-stream", message)
                .action("Remove the connection with all that it brought.")
                .field("/streams")
                .into());
        }
        let begun = Removal {
            id: removal,
            connection: connection.id.clone(),
            streams,
            whole,
            by: caller.key.to_string(),
            started_at: self.now(),
            ended_at: None,
            effect,
            records_removed: 0,
            events_removed: 0,
            done: 0,
            place: Place::default(),
        };
        self.engine.start_removal(begun.clone()).await?;
        if !whole {
            // The next run would read it anew.
            connection.streams = rest;
            self.put(Kind::Connection, id, &connection, Expect::Version(version)).await?;
        }
        let detail = json!({ "removal": begun.id, "streams": begun.streams, "whole": whole });
        self.tell(caller, "connection.data-removed", id, detail).await?;
        Ok(begun)
    }

    /// # Errors
    /// `removal.missing`.
    pub fn removal(&self, id: &str) -> Result<Removal> {
        Ok(self.get(Kind::Removal, "removal", id)?.value)
    }

    /// In the order in which they were begun, after `after`.
    pub fn removals(&self, after: Option<&str>, limit: usize) -> Result<Vec<Removal>> {
        self.list(Kind::Removal, after, limit, |_| true)
    }

    fn removed_streams(&self, connection: &Connection, streams: Option<&[String]>) -> Result<Vec<String>> {
        let read = self.store.stream_states(&connection.id)?.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let Some(streams) = streams else { return Ok(read) };
        let unknown = streams.iter().enumerate().filter(|(_, stream)| !read.contains(stream));
        let problems: Vec<FieldProblem> = unknown
            .map(|(i, _)| FieldProblem::new(format!("/streams/{i}"), "was never read"))
            .chain(streams.is_empty().then(|| FieldProblem::new("/streams", "name at least one, or leave it out")))
            .collect();
        if !problems.is_empty() {
            return Err(Refusal::invalid("stream.missing", "not all of these datasets can be removed", problems));
        }
        let mut streams = streams.to_vec();
        streams.sort_unstable();
        streams.dedup();
        Ok(streams)
    }

    /// # Errors
    /// `connection.in-use`.
    pub(super) fn nothing_stands_on(&self, connection: &ConnectionId) -> Result<()> {
        let uses = |activation: &Activation| activation.connection == *connection;
        match self.list(Kind::Activation, None, 1, uses)?.first() {
            Some(activation) => Err(super::connections::in_use(connection, activation.id.as_str())),
            None => self.no_tables_go_through(connection),
        }
    }

    /// # Errors
    /// `connection.has-data`: what it brought would have no connection any more, and could not be mapped anew.
    pub(super) fn brought_nothing(&self, connection: &ConnectionId) -> Result<()> {
        for (stream, _) in self.store.stream_states(connection)? {
            if self.store.stream_size(connection, &stream)? != (0, 0) {
                let message = format!("{connection} brought records or events, `{stream}` among them");
                return Err(Fault::new(FaultKind::Config, "connection.has-data", message)
                    .action("Remove it with what it brought: POST …/removal, after …/removal/preview has shown what becomes of profiles.")
                    .into());
            }
        }
        Ok(())
    }
}
