//! Drives the core's state machines with tokio: source runs, projectors, deliveries, schedules; resumes them after a
//! restart and drains them on shutdown. One [`Engine`] per sandbox.

mod accounts;
mod ahead;
mod backfill;
mod batch;
mod catalog;
pub mod crash;
mod deliveries;
mod delivery_plan;
mod delivery_run;
mod delivery_send;
mod engine;
mod expansion;
mod explain;
mod export;
mod feeds;
mod field_errors;
mod freshness;
mod gate;
mod ingest;
mod intake;
mod keyed;
mod mapping;
mod mappings;
mod model;
mod namesakes;
mod neighbours;
mod outlook;
mod overlap;
mod place;
pub mod policies;
mod privacy;
mod profiles;
mod projector;
mod readbacks;
mod refused;
mod regrouping;
mod remapped;
mod removal;
mod retention;
mod schedule;
mod schemas;
mod segments;
mod sieve;
mod source_run;
mod stream_start;
mod tables;
pub mod trace;
mod usage;
mod what_if;

pub use accounts::{AccountMatch, AtTop, Hierarchy, MATCH_RULES, Rolled, Unmatched, match_rules};
pub use engine::{Engine, EngineOptions, Projection};
pub use explain::{Explanation, FieldOrigin, Pinned, RecordOrigin};
pub use export::{field_of_membership, mapping_scope};
pub use gate::opted_out;
pub use mapping::MappingProblem;
pub use mappings::{FieldExample, FieldPreview, MappingPreview, MappingState};
pub use model::{ModelPublished, Unpublished};
pub use privacy::Standstill;
pub use segments::{
    AskedAudience, AudienceChange, AudienceChanges, Budget, Compared, Cost, Counted, CountedRules, Definition,
    EdgeAnswer, EdgeAudience, EdgeBasis, EdgeEvent, EdgeQuestion, LeftOut, MembershipExplanation, Moved, MovedExample,
    Preview, Ranked, SCHEDULE as EVALUATION_SCHEDULE, SegmentStatement, SegmentWish, Unsound,
};
pub use tables::{BucketState, TablesState, TablesTaken};
pub use what_if::WhatIf;

use async_trait::async_trait;
use attiva_core::backfill::WindowSpec;
use attiva_core::config::Connection;
use attiva_core::disk::DiskUse;
use attiva_core::id::{DeliveryId, RunId};
use attiva_core::page::Cursor;
use attiva_core::ports::connector::{Destination, Source};
use attiva_core::ports::objects::Objects;
use attiva_core::ports::store::StreamState;
use attiva_core::privacy::{Erasures, NoErasures};
use attiva_core::spec::{DeliverySpec, MappingSpec};
use attiva_core::{Fault, FaultKind};
use std::sync::Arc;

/// Makes connectors of connections: implemented where plugins, secrets and grants are known.
#[async_trait]
pub trait Connectors: Send + Sync + 'static {
    /// The plugin version that what begins now for a connection begins with, and keeps.
    fn version(&self, connection: &Connection) -> Result<String, Fault> {
        Ok(connection.plugin.clone())
    }

    /// The source of a connection, in the plugin version named, for one run.
    async fn source(&self, connection: &Connection, plugin: &str, run: &RunId) -> Result<Arc<dyn Source>, Fault>;

    /// As [`source`](Self::source), for a run that reads beside another one of the same connection: what it spools is its own.
    async fn source_beside(
        &self,
        connection: &Connection,
        plugin: &str,
        run: &RunId,
    ) -> Result<Arc<dyn Source>, Fault> {
        self.source(connection, plugin, run).await
    }

    /// How a plugin version is told which span of time it reads; `None`: it cannot be.
    fn window(&self, plugin: &str) -> Result<Option<WindowSpec>, Fault> {
        let _ = plugin;
        Ok(None)
    }

    /// As [`let_go`](Self::let_go), of a place that was read beside.
    async fn let_go_beside(&self, connection: &Connection, stream: &str, cursor: &Cursor) {
        let _ = (connection, stream, cursor);
    }

    /// The destination of a connection, in the plugin version named, for one delivery.
    async fn destination(
        &self,
        connection: &Connection,
        plugin: &str,
        delivery: &DeliveryId,
    ) -> Result<(Arc<dyn Destination>, DeliverySpec), Fault>;

    /// What the sandbox takes of the disk. Unless somebody measures it, nothing is held for want of room.
    fn disk(&self) -> Result<DiskUse, Fault> {
        Ok(DiskUse { used_bytes: 0, free_bytes: None, free_bytes_min: 0 })
    }

    /// Who was erased: nothing that names them is taken. Unless somebody keeps account of it, nobody was.
    fn erasures(&self) -> Arc<dyn Erasures> {
        Arc::new(NoErasures)
    }

    /// Tells a source that cursors of a connection will not be used again, and forgets what was spooled for them. Best
    /// effort.
    async fn let_go(&self, connection: &Connection, streams: &[(String, StreamState)]) {
        let _ = (connection, streams);
    }

    /// A connection is being removed: forgets all that is kept of it beside its document.
    async fn forget(&self, connection: &Connection) -> Result<(), Fault> {
        let _ = connection;
        Ok(())
    }

    /// The bucket of a connection, below a prefix and a folder that is the sandbox's own.
    ///
    /// # Errors
    /// `tables.no-bucket`: what the connection leads to is none.
    fn objects(&self, connection: &Connection, prefix: &str) -> Result<Arc<dyn Objects>, Fault> {
        let _ = prefix;
        let what = format!("{} leads to no bucket", connection.id);
        Err(Fault::new(FaultKind::Config, "tables.no-bucket", what)
            .action("Name a connection of a connector that writes objects into a bucket."))
    }

    /// How a plugin version takes its rows.
    fn delivery(&self, plugin: &str) -> Result<DeliverySpec, Fault>;

    /// The default mappings a plugin version ships, or the version that a connection's range comes to.
    fn mappings(&self, plugin: &str) -> Result<Vec<MappingSpec>, Fault>;

    /// The keys that the configuration of a plugin version may have, but for secrets and what is no single value:
    /// mappings may name them.
    fn configuration_keys(&self, plugin: &str) -> Result<Vec<String>, Fault>;
}
