//! What each connection's streams look like, and the mappings compiled against them.

use crate::engine::{Inner, read};
use crate::mapping::{Constants, StreamMapping};
use crate::policies;
use attiva_core::Fault;
use attiva_core::config::Connection;
use attiva_core::id::ConnectionId;
use attiva_core::model::{EntityName, Layout, Resolution};
use attiva_core::ports::connector::Stream;
use attiva_core::ports::store::Kind;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Compiled mappings, by connection and stream; `None` for a stream that has none.
#[derive(Default)]
pub(crate) struct Catalogs {
    compiled: RwLock<HashMap<ConnectionId, HashMap<String, Option<Arc<StreamMapping>>>>>,
}

impl Catalogs {
    /// Forgets all that was compiled: the model has changed.
    pub(crate) fn forget_all(&self) {
        self.compiled.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets what was compiled for a connection: its streams or its plugin may have changed.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        self.compiled.write().unwrap_or_else(PoisonError::into_inner).remove(connection);
    }

    /// The mapping of a stream, compiled when it is first asked for. A fault means that nothing may be projected now:
    /// records without their mapping would look as if they were gone.
    pub(crate) fn mapping(
        &self,
        inner: &Inner,
        connection: &ConnectionId,
        stream: &str,
    ) -> Result<Option<Arc<StreamMapping>>, Fault> {
        let compiled = self.compiled.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = compiled.get(connection).and_then(|streams| streams.get(stream)) {
            return Ok(known.clone());
        }
        drop(compiled);
        let mapping = compile(inner, connection, stream)?.map(Arc::new);
        let mut compiled = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        compiled.entry(connection.clone()).or_default().insert(stream.to_owned(), mapping.clone());
        Ok(mapping)
    }
}

fn compile(inner: &Inner, connection: &ConnectionId, stream: &str) -> Result<Option<StreamMapping>, Fault> {
    let connection: Connection = inner.get(Kind::Connection, connection.as_str())?;
    let Some(catalog) = inner.store.document(Kind::Catalog, connection.id.as_str())? else { return Ok(None) };
    let streams: Vec<Stream> = read(catalog.body)?;
    let mappings = inner.connectors.mappings(&connection.plugin)?;
    let mapping = mappings.iter().find(|m| m.stream == stream);
    let Some((mapping, described)) = mapping.zip(streams.iter().find(|s| s.name == stream)) else { return Ok(None) };
    let custom = policies::custom(inner.store.as_ref())?;
    let Some(layout) = EntityName::parse(&mapping.entity).and_then(|entity| Layout::new(&entity, &custom)) else {
        tracing::warn!(connection = %connection.id, stream, entity = mapping.entity, "there is no such entity to map to");
        return Ok(None);
    };
    if layout.resolution() == Resolution::Derived {
        tracing::warn!(connection = %connection.id, stream, entity = mapping.entity, "nothing maps to what is derived");
        return Ok(None);
    }
    let constants = Constants::new(&connection, inner.connectors.configuration_keys(&connection.plugin)?);
    let compiled = StreamMapping::compile(mapping, described, layout, &constants);
    for problem in &compiled.problems {
        tracing::warn!(connection = %connection.id, stream, problem, "a mapped field stays empty");
    }
    Ok(Some(compiled))
}
