//! Mappings that are others than those by which stored records were looked at last, although nobody published any: another
//! version of the connector ships them, or what of the connection's configuration they read is another.

use crate::catalog::Described;
use crate::engine::{Engine, write};
use crate::{policies, schemas};
use attiva_core::Fault;
use attiva_core::config::Connection;
use attiva_core::drift::SchemaState;
use attiva_core::event::EventReader;
use attiva_core::ports::store::{Expect, Kind, Reconsider, StreamMove};

impl Engine {
    /// Has the records of such streams looked at again. Events stay as they were taken. Where it cannot be done now, the next
    /// run does it.
    pub(crate) async fn remap(&self, connection: &Connection) {
        if let Err(fault) = self.try_remap(connection).await {
            tracing::warn!(connection = %connection.id, %fault, "records are not looked at by other mappings yet");
        }
    }

    async fn try_remap(&self, connection: &Connection) -> Result<(), Fault> {
        let inner = &self.inner;
        let _alone = inner.schemas.lock().await;
        let known: SchemaState = inner.find(Kind::SchemaDrift, connection.id.as_str())?.unwrap_or_default();
        let custom = policies::custom(inner.store.as_ref())?;
        let (mut state, mut moves) = (known.clone(), Vec::new());
        for stream in schemas::catalog(inner, &connection.id)? {
            let Some(described) = Described::load(inner, &connection.id, &stream.name)? else { continue };
            let now = described.mapped_by();
            let before = state.mapped.insert(stream.name.clone(), now);
            let is_published = described.published.is_some();
            if before.is_some_and(|before| !now.is_another_than(before, is_published)) {
                continue;
            }
            // What has no state was never read.
            let layout = described.layout(&custom).filter(|layout| !EventReader::reads(layout.entity()));
            if let Some(layout) = layout
                && inner.store.stream_state(&connection.id, &stream.name)?.is_some()
            {
                let entity = Some(layout.entity().clone());
                moves.push(StreamMove { connection: connection.id.clone(), stream: stream.name, entity });
            }
        }
        if state.mapped == known.mapped {
            return Ok(());
        }
        if moves.is_empty() {
            return inner.put(Kind::SchemaDrift, connection.id.as_str(), &state).await;
        }
        // No page is committed meanwhile by what was.
        let _pages = inner.publishing.write().await;
        tracing::info!(connection = %connection.id, streams = moves.len(), "records are looked at again by other mappings");
        let document = (write(Kind::SchemaDrift, connection.id.as_str(), &state)?, Expect::Anything);
        self.reconsider(vec![document], Vec::new(), Reconsider::Streams(moves)).await
    }
}
