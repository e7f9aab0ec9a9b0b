//! What each connection's streams look like, and the mappings compiled against them.

use crate::engine::{Inner, read};
use crate::mapping::{Constants, MappingProblem, StreamMapping};
use crate::{ingest, policies};
use attiva_core::Fault;
use attiva_core::config::Connection;
use attiva_core::drift::MappedBy;
use attiva_core::id::ConnectionId;
use attiva_core::model::custom::Custom;
use attiva_core::model::{EntityKind, EntityName, Layout, Resolution};
use attiva_core::ports::connector::Stream;
use attiva_core::ports::store::Kind;
use attiva_core::spec::MappingSpec;
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

/// A stream as it was discovered, and the mappings there are for it.
pub(crate) struct Described {
    stream: Stream,
    constants: Constants,
    /// What the connector ships.
    pub(crate) shipped: Option<MappingSpec>,
    /// What was published in its place, and the version of the document.
    pub(crate) published: Option<(MappingSpec, u64)>,
}

impl Described {
    /// `None`: nothing is known yet of the stream.
    pub(crate) fn load(inner: &Inner, connection: &ConnectionId, stream: &str) -> Result<Option<Self>, Fault> {
        if *connection == ConnectionId::of_ingestion() {
            return Ok(ingest::described(inner, stream)?.map(|sent| Self {
                stream: sent.stream,
                constants: Constants::new(&sent.connection, Vec::new()),
                shipped: Some(sent.mapping),
                published: None,
            }));
        }
        let connection: Connection = inner.get(Kind::Connection, connection.as_str())?;
        let Some(catalog) = inner.store.document(Kind::Catalog, connection.id.as_str())? else { return Ok(None) };
        let streams: Vec<Stream> = read(catalog.body)?;
        let Some(described) = streams.into_iter().find(|s| s.name == stream) else { return Ok(None) };
        let published = match inner.store.document(Kind::Mapping, &mapping_id(&connection.id, stream))? {
            Some(document) => Some((read(document.body)?, document.version)),
            None => None,
        };
        Ok(Some(Self {
            stream: described,
            constants: Constants::new(&connection, inner.connectors.configuration_keys(&connection.plugin)?),
            shipped: inner.connectors.mappings(&connection.plugin)?.into_iter().find(|m| m.stream == stream),
            published,
        }))
    }

    /// The mapping that holds.
    pub(crate) fn spec(&self) -> Option<&MappingSpec> {
        self.published.as_ref().map(|(spec, _)| spec).or(self.shipped.as_ref())
    }

    /// By what records become what they become, beside what was published: also by what the model makes of their fields.
    pub(crate) fn mapped_by(&self) -> MappedBy {
        let shipped = serde_json::to_string(&self.shipped).unwrap_or_default();
        let read = self.spec().map(|spec| self.constants.read_by(spec)).unwrap_or_default();
        MappedBy::new(&shipped, &format!("model {}\n{read}", attiva_core::model::VERSION))
    }

    /// The rows of what the stream's records are of; `None`: of nothing.
    pub(crate) fn layout(&self, custom: &Custom) -> Option<Arc<Layout>> {
        self.spec().and_then(|spec| target(spec, custom).ok())
    }

    /// # Errors
    /// That the entity is none that a mapping may make.
    pub(crate) fn compile(&self, spec: &MappingSpec, custom: &Custom) -> Result<StreamMapping, MappingProblem> {
        Ok(StreamMapping::compile(spec, &self.stream, target(spec, custom)?, &self.constants))
    }
}

/// The id of the document of a stream's mapping.
pub(crate) fn mapping_id(connection: &ConnectionId, stream: &str) -> String {
    format!("{connection}:{stream}")
}

fn target(spec: &MappingSpec, custom: &Custom) -> Result<Arc<Layout>, MappingProblem> {
    let entity = &spec.entity;
    let layout = EntityName::parse(entity).and_then(|entity| Layout::new(&entity, custom));
    let layout = layout.ok_or_else(|| {
        let mut names: Vec<&str> = custom.entities.iter().map(|entity| entity.name.as_str()).collect();
        EntityKind::ALL.into_iter().for_each(|kind| names.push(kind.name()));
        MappingProblem::of_entity(
            format!("there is no entity `{entity}`"),
            attiva_expr::closest(entity, names.into_iter()),
        )
    })?;
    if layout.resolution() == Resolution::Derived {
        return Err(MappingProblem::of_entity(format!("nothing maps to `{entity}`: it is derived"), None));
    }
    Ok(layout)
}

fn compile(inner: &Inner, connection: &ConnectionId, stream: &str) -> Result<Option<StreamMapping>, Fault> {
    let Some(described) = Described::load(inner, connection, stream)? else { return Ok(None) };
    let Some(spec) = described.spec() else { return Ok(None) };
    match described.compile(spec, &policies::custom(inner.store.as_ref())?) {
        Ok(compiled) => {
            for problem in &compiled.problems {
                tracing::warn!(%connection, stream, %problem, "a mapped field stays empty");
            }
            Ok(Some(compiled))
        }
        Err(problem) => {
            tracing::warn!(%connection, stream, %problem, "the stream makes nothing");
            Ok(None)
        }
    }
}
