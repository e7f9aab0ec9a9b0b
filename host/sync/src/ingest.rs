//! Records that clients send. They are kept as those that connectors read, with a stream for each entity, and mapped
//! field by field to themselves.

use crate::engine::{Engine, Inner};
use crate::intake::{self, Origin, Taken};
use crate::policies;
use crate::{sieve, trace};
use attiva_core::Fault;
use attiva_core::config::Connection;
use attiva_core::id::{ConnectionId, RunId};
use attiva_core::key::Instance;
use attiva_core::model::{EntityName, Layout};
use attiva_core::page::{Cursor, Reject};
use attiva_core::ports::connector::{ColumnSpec, Stream};
use attiva_core::ports::store::{PageCommit, PageCommitted, PageDocument, StreamState};
use attiva_core::record::RecordChange;
use attiva_core::spec::MappingSpec;
use std::sync::Arc;
use tracing::Instrument;

impl Engine {
    /// Keeps records of one entity, or events; returns when they are durable. Sent again, they are unchanged. Where some
    /// cannot be taken, nothing is kept, and those are answered.
    pub async fn ingest(
        &self,
        entity: &EntityName,
        changes: Vec<RecordChange>,
    ) -> Result<Result<PageCommitted, Vec<Reject>>, Fault> {
        let inner = &self.inner;
        let (connection, stream, now) = (ConnectionId::of_ingestion(), entity.as_str(), inner.clock.now());
        let _mappings = inner.publishing.read().await;
        let mapping = inner.catalogs.mapping(inner, &connection, stream)?;
        let from = Origin { connection: &connection, stream };
        let limits = policies::guardrails(inner.store.as_ref())?;
        let (changes, erased) = sieve::sift(inner, &connection, stream, changes, now)?;
        let Taken { records, events, stages, rejects, errors } =
            intake::take(changes, mapping.as_deref(), from, limits, now);
        if !rejects.is_empty() {
            return Ok(Err(rejects));
        }
        // A name that was a custom entity's, and is another's now.
        let _step = match inner.store.stream_is_of(&connection, stream, Some(entity))? {
            true => None,
            false => Some(inner.projecting.lock().await),
        };
        let page = PageCommit {
            stream: stream.to_owned(),
            entity: Some(entity.clone()),
            run: RunId::of_ingestion(),
            records,
            events,
            stages,
            errors,
            // Who was erased does not keep the others out.
            rejects: erased,
            state: Some(StreamState { cursor: Cursor { state_version: 0, bytes: Vec::new() }, more: false }),
            notes_seen: false,
            document: PageDocument(Arc::new(|_| None)),
            connection,
            now,
        };
        let span = trace::of_commit(entity.as_str());
        inner.trail.page_begins(inner.store.as_ref(), &span)?;
        let committed = inner.store.commit_page(page).instrument(span.clone()).await;
        inner.trail.page(&span, committed.as_ref().ok());
        let committed = committed?;
        inner.records_changed.notify_one();
        // Events need no projection: memberships follow them at once.
        inner.profiles_changed.notify_one();
        Ok(Ok(committed))
    }
}

/// What a connector would have discovered and shipped.
pub(crate) struct Described {
    pub(crate) stream: Stream,
    pub(crate) mapping: MappingSpec,
    pub(crate) connection: Connection,
}

/// `None` for a stream whose entity is no more.
pub(crate) fn described(inner: &Inner, stream: &str) -> Result<Option<Described>, Fault> {
    let custom = policies::custom(inner.store.as_ref())?;
    let Some(layout) = EntityName::parse(stream).and_then(|entity| Layout::new(&entity, &custom)) else {
        return Ok(None);
    };
    let columns = layout.fields().iter().map(|field| ColumnSpec {
        name: field.name.to_string(),
        data_type: field.data_type,
        nullable: true,
        label: String::new(),
    });
    let fields = layout.fields().iter().map(|field| (field.name.to_string(), format!("record.{}", field.name)));
    Ok(Some(Described {
        stream: Stream {
            name: stream.to_owned(),
            title: String::new(),
            columns: columns.collect(),
            key: String::new(),
            cursor_column: None,
            deletes: true,
            keyed_by: None,
            suggested: false,
        },
        mapping: MappingSpec { stream: stream.to_owned(), entity: stream.to_owned(), fields: fields.collect() },
        connection: Connection {
            id: ConnectionId::of_ingestion(),
            name: String::new(),
            plugin: String::new(),
            configuration: serde_json::Value::Null,
            instance: Instance { system: String::new(), id: String::new() },
            streams: Vec::new(),
            schedule: None,
            schema: attiva_core::drift::SchemaPolicy::default(),
            created_at: 0,
        },
    }))
}
