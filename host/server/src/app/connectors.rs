//! Connections as connectors: a plugin version, with the connection's configuration, secrets, grants, budget and
//! spools. What the engine of a sandbox calls.

use super::authorizations;
use super::connections::Discovered;
use super::disk::Disk;
use super::exchanges::Exchanges;
use super::files::Spools;
use super::grants;
use super::holdings::Holdings;
use super::instances::Instances;
use super::oversight::Oversight;
use super::plugins::{Plugins, Ready};
use super::quotas::KeptQuotas;
use super::refusal::Result;
use super::secrets::Vault;
use super::tenancy::SandboxEntry;
use async_trait::async_trait;
use attiva_core::backfill::WindowSpec;
use attiva_core::config::Connection;
use attiva_core::disk::DiskUse;
use attiva_core::id::{ConnectionId, DeliveryId, OrganisationId, RunId};
use attiva_core::page::{Batch, CheckResult, Cursor, Page};
use attiva_core::ports::clock::Clock;
use attiva_core::ports::connector::{
    Delivered, DeliveryRun, Destination, Erased, Finished, PageLimits, Prepared, Source, Stream, Target, TargetMembers,
    TargetObject, Usage,
};
use attiva_core::ports::objects::Objects;
use attiva_core::ports::store::{ControlKind, ControlStore, Expect, StoreError, StreamState};
use attiva_core::privacy::{Erasures, ReceiptStatus};
use attiva_core::quota::{CallPace, Priority, User};
use attiva_core::spec::{DeliverySpec, MappingSpec};
use attiva_core::{Fault, FaultKind};
use attiva_store::Tombstones;
use attiva_wasm::{
    Bucket, ConnectionContext, EraseResult, EraseStatus, InstanceBudgets, OrganisationMemory, Plugin, ReadRequest,
    TokenCache,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What connections of all sandboxes share: a vendor's budget and tokens do not know our sandboxes.
#[derive(Clone)]
pub struct Shared {
    pub budgets: Arc<InstanceBudgets>,
    pub tokens: Arc<TokenCache>,
    memory: Arc<Mutex<HashMap<OrganisationId, Arc<OrganisationMemory>>>>,
}

impl Shared {
    pub fn new(control: &Arc<dyn ControlStore>, clock: &Arc<dyn Clock>) -> Self {
        let store = Arc::new(KeptQuotas::new(Arc::clone(control)));
        Self {
            budgets: Arc::new(InstanceBudgets::new(store, Arc::clone(clock))),
            tokens: Arc::default(),
            memory: Arc::default(),
        }
    }

    fn memory_of(&self, organisation: &OrganisationId) -> Arc<OrganisationMemory> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(memory.entry(organisation.clone()).or_default())
    }
}

/// The connectors of a sandbox.
pub struct SandboxConnectors {
    pub(super) entry: SandboxEntry,
    pub(super) plugins: Arc<Plugins>,
    pub(super) control: Arc<dyn ControlStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) vault: Vault,
    pub(super) instances: Instances,
    pub(super) holdings: Holdings,
    pub(super) spools: Spools,
    pub(super) tombstones: Arc<Tombstones>,
    pub(super) disk: Disk,
    pub(super) shared: Shared,
    pub(super) oversight: Arc<Oversight>,
    /// Exchanges kept of each connection.
    pub(super) exchanges_kept: usize,
}

/// A plugin with a connection's context, all but the spool.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) plugin: Arc<Plugin>,
    pub(super) context: ConnectionContext,
    spools: Spools,
}

impl SandboxConnectors {
    /// The control store's id of something of a connection: ids of connections are unique within a sandbox only.
    pub(super) fn control_id(&self, connection: &str) -> String {
        format!("{}/{connection}", self.entry.id())
    }

    /// Removes a connection's grants and secrets, and its use of an instance; there may be none.
    pub(super) async fn forget(&self, connection: &str) -> Result<()> {
        let id = self.control_id(connection);
        match self.control.delete_document(ControlKind::Grant, &id, Expect::Anything, None).await {
            Ok(()) | Err(StoreError::Missing) => {}
            Err(error) => return Err(error.into()),
        }
        self.oversight.forget(&id).await?;
        self.vault.forget(&id).await?;
        authorizations::forget(&*self.control, &id).await?;
        self.instances.leave(&self.entry, |each| each == connection).await
    }

    /// The connector of a connection, in a plugin version, with a spool.
    fn connector(&self, connection: &Connection, plugin: &str, spool: &str) -> Result<Connector> {
        let Ready { plugin, installed } = self.plugins.serving(plugin)?;
        let id = self.control_id(connection.id.as_str());
        self.oversight.admit(&id, connection.id.as_str())?;
        let observer = self.oversight.observer(&id, &installed.id, self.exchanges(connection.id.as_str()));
        let granted = grants::read(&*self.control, &id)?;
        let granted: std::result::Result<Vec<_>, Fault> = granted.into_values().map(grants::for_host).collect();
        let context = ConnectionContext {
            connection_id: connection.id.clone(),
            configuration: Arc::new(connection.configuration.clone()),
            instance_id: Some(connection.instance.id.as_str()).filter(|id| !id.is_empty()).map(Into::into),
            secrets: self.vault.source(id.clone(), Arc::clone(&self.clock)),
            grants: granted?.into(),
            spool: Arc::new(self.spools.open(spool)?),
            budget: self.shared.budgets.of(&connection.instance, &installed.id, &plugin.spec.rates),
            user: User {
                organisation: self.entry.organisation.to_string(),
                connection: id,
                plugin: installed.id.clone(),
                stream: None,
            },
            // Checks, discovery, authorisations: somebody looks on.
            priority: Priority::Interactive,
            memory: self.shared.memory_of(&self.entry.organisation),
            tokens: Arc::clone(&self.shared.tokens),
            dry_run: false,
            observer,
        };
        Ok(Connector { plugin, context, spools: self.spools.clone() })
    }

    /// The source of a connection; `spool` names the spool of a stream.
    fn source_with(
        &self,
        connection: &Connection,
        plugin: &str,
        spool: fn(&ConnectionId, &str) -> String,
    ) -> std::result::Result<Arc<dyn Source>, Fault> {
        let connector = self.connector(connection, plugin, &Spools::of_visit(&connection.id)).map_err(|r| r.fault)?;
        Ok(Arc::new(PluginSource { connector, connection: connection.clone(), spool }))
    }

    /// Where a connection's last exchanges are kept.
    pub(super) fn exchanges(&self, connection: &str) -> Exchanges {
        Exchanges::new(self.spools.clone(), connection, self.exchanges_kept)
    }

    /// A connection's plugin, for a call that somebody waits for.
    pub(super) fn visit(&self, connection: &Connection) -> Result<Connector> {
        self.connector(connection, &connection.plugin, &Spools::of_visit(&connection.id))
    }

    /// The id of the vendor instance a connection is, where only its token tells.
    pub(super) async fn learn_instance(&self, connection: &Connection) -> Result<Option<String>> {
        let visit = self.visit(connection)?;
        Ok(visit.plugin.learn_instance(&visit.context).await?)
    }

    /// The named tests of a connection.
    pub(super) async fn check(&self, connection: &Connection) -> Result<Vec<CheckResult>> {
        let visit = self.visit(connection)?;
        Ok(visit.plugin.check(&visit.context).await?)
    }

    /// Tells the source that the cursors of a connection will not be used again, so that nothing of theirs stays at the
    /// vendor. Best effort: a vendor that is away must not keep a connection from being removed.
    pub(super) async fn give_up(&self, connection: &Connection, streams: &[(String, StreamState)]) {
        for (stream, state) in streams {
            let spool = Spools::of_stream(&connection.id, stream);
            told(connection, stream, self.release(connection, stream, &state.cursor, &spool).await);
        }
    }

    async fn release(&self, connection: &Connection, stream: &str, cursor: &Cursor, spool: &str) -> Result<()> {
        let visit = self.connector(connection, &connection.plugin, spool)?;
        Ok(visit.plugin.release(&visit.context, stream, cursor).await?)
    }

    /// What there is to read and to fill.
    pub(super) async fn discover(&self, connection: &Connection) -> Result<Discovered> {
        let visit = self.visit(connection)?;
        let mut found = Discovered::default();
        if visit.plugin.is_source {
            found.streams = visit.plugin.discover_streams(&visit.context).await?;
        }
        if visit.plugin.is_destination {
            found.objects = visit.plugin.discover_targets(&visit.context).await?;
        }
        Ok(found)
    }
}

#[async_trait]
impl attiva_sync::Connectors for SandboxConnectors {
    fn version(&self, connection: &Connection) -> std::result::Result<String, Fault> {
        Ok(self.plugins.beginning(&connection.plugin).map_err(|refusal| refusal.fault)?.installed.id)
    }

    async fn source(
        &self,
        connection: &Connection,
        plugin: &str,
        run: &RunId,
    ) -> std::result::Result<Arc<dyn Source>, Fault> {
        // A spool belongs to a stream, not to a run: the next run finds what an interrupted one had fetched.
        let _ = run;
        self.source_with(connection, plugin, Spools::of_stream)
    }

    async fn source_beside(
        &self,
        connection: &Connection,
        plugin: &str,
        run: &RunId,
    ) -> std::result::Result<Arc<dyn Source>, Fault> {
        // There is one of these runs at a time.
        let _ = run;
        self.source_with(connection, plugin, Spools::of_stream_beside)
    }

    fn window(&self, plugin: &str) -> std::result::Result<Option<WindowSpec>, Fault> {
        let ready = self.plugins.resolve(plugin).map_err(|refusal| refusal.fault)?;
        Ok(ready.plugin.spec.window.clone())
    }

    async fn let_go_beside(&self, connection: &Connection, stream: &str, cursor: &Cursor) {
        let spool = Spools::of_stream_beside(&connection.id, stream);
        told(connection, stream, self.release(connection, stream, cursor, &spool).await);
    }

    async fn destination(
        &self,
        connection: &Connection,
        plugin: &str,
        delivery: &DeliveryId,
    ) -> std::result::Result<(Arc<dyn Destination>, DeliverySpec), Fault> {
        let mut connector = self.connector(connection, plugin, &Spools::of_delivery(delivery)).map_err(|r| r.fault)?;
        connector.context.priority = Priority::Streaming;
        let spec = self.delivery(plugin)?;
        Ok((Arc::new(PluginDestination { connector, delivery: delivery.clone() }), spec))
    }

    fn erasures(&self) -> Arc<dyn Erasures> {
        Arc::clone(&self.tombstones) as Arc<dyn Erasures>
    }

    async fn let_go(&self, connection: &Connection, streams: &[(String, StreamState)]) {
        self.give_up(connection, streams).await;
        for (stream, _) in streams {
            if let Err(refusal) = self.spools.remove(&Spools::of_stream(&connection.id, stream)) {
                tracing::warn!(connection = %connection.id, stream, "its spool stays until the next start: {refusal}");
            }
        }
    }

    async fn forget(&self, connection: &Connection) -> std::result::Result<(), Fault> {
        SandboxConnectors::forget(self, connection.id.as_str()).await.map_err(|refusal| refusal.fault)?;
        self.spools.remove_of(&connection.id).map_err(|refusal| refusal.fault)
    }

    fn disk(&self) -> std::result::Result<DiskUse, Fault> {
        Ok(self.disk.measure()?)
    }

    fn objects(&self, connection: &Connection, prefix: &str) -> std::result::Result<Arc<dyn Objects>, Fault> {
        let Connector { plugin, mut context, .. } = self.visit(connection).map_err(|refusal| refusal.fault)?;
        // Nobody waits for a copy.
        context.priority = Priority::Backfill;
        // Sandboxes may share a prefix: each has a folder of its own there.
        Ok(Arc::new(Bucket::open(&plugin, context, &format!("{prefix}{}/", self.entry.id()))?))
    }

    fn delivery(&self, plugin: &str) -> std::result::Result<DeliverySpec, Fault> {
        let ready = self.plugins.resolve(plugin).map_err(|refusal| refusal.fault)?;
        ready.plugin.spec.delivery.clone().ok_or_else(|| {
            Fault::new(FaultKind::Config, "plugin.no-destination", format!("{plugin} is no destination"))
        })
    }

    fn mappings(&self, plugin: &str) -> std::result::Result<Vec<MappingSpec>, Fault> {
        // Also of one that is not to be called: what was read with it is projected still.
        let ready = self.plugins.resolve(plugin).map_err(|refusal| refusal.fault)?;
        Ok(ready.plugin.spec.mappings.clone())
    }

    fn configuration_keys(&self, plugin: &str) -> std::result::Result<Vec<String>, Fault> {
        let ready = self.plugins.resolve(plugin).map_err(|refusal| refusal.fault)?;
        Ok(ready.plugin.spec.public_scalars())
    }
}

/// What stays at the vendor is no failure of whoever lets go of it.
fn told(connection: &Connection, stream: &str, released: Result<()>) {
    let Err(refusal) = released else { return };
    let fault = refusal.fault;
    if fault.kind != FaultKind::Unsupported {
        tracing::warn!(connection = %connection.id, stream, %fault, "what it holds at the vendor may stay there");
    }
}

/// A source connection, as the engine drives it.
struct PluginSource {
    connector: Connector,
    connection: Connection,
    /// The name of a stream's spool.
    spool: fn(&ConnectionId, &str) -> String,
}

impl PluginSource {
    fn for_stream(&self, stream: &str) -> std::result::Result<ConnectionContext, Fault> {
        let spool = self.connector.spools.open(&(self.spool)(&self.connection.id, stream)).map_err(|r| r.fault)?;
        let user = User { stream: Some(stream.to_owned()), ..self.connector.context.user.clone() };
        Ok(ConnectionContext { spool: Arc::new(spool), user, ..self.connector.context.clone() })
    }
}

#[async_trait]
impl Source for PluginSource {
    async fn check(&self) -> std::result::Result<Vec<CheckResult>, Fault> {
        self.connector.plugin.check(&self.connector.context).await
    }

    async fn discover(&self) -> std::result::Result<Vec<Stream>, Fault> {
        self.connector.plugin.discover_streams(&self.connector.context).await
    }

    async fn read(
        &self,
        stream: &str,
        fields: &[String],
        cursor: Option<&Cursor>,
        keys: &[String],
        limits: PageLimits,
    ) -> std::result::Result<(Page, Usage), Fault> {
        let request = ReadRequest {
            stream: stream.to_owned(),
            fields: fields.to_vec(),
            cursor: cursor.cloned(),
            keys: keys.to_vec(),
            max_rows: limits.max_rows,
            max_bytes: limits.max_bytes,
        };
        let context = ConnectionContext { priority: limits.priority, ..self.for_stream(stream)? };
        self.connector.plugin.read(&context, &request).await
    }

    fn no_room(&self, stream: &str, priority: Priority) -> std::result::Result<Option<Fault>, Fault> {
        let ConnectionContext { budget, user, .. } = &self.connector.context;
        budget.no_room(user, stream, priority)
    }

    fn pace(&self, stream: &str, priority: Priority) -> std::result::Result<Option<CallPace>, Fault> {
        let ConnectionContext { budget, user, .. } = &self.connector.context;
        budget.pace(user, stream, priority)
    }

    fn state_version(&self) -> Option<u32> {
        Some(self.connector.plugin.spec.state_version)
    }

    async fn migrate(&self, cursor: &Cursor) -> std::result::Result<Cursor, Fault> {
        let plugin = &self.connector.plugin;
        let bytes = plugin.migrate_state(cursor.state_version, &cursor.bytes).await?;
        Ok(Cursor { state_version: plugin.spec.state_version, bytes })
    }

    async fn clear_spool(&self, stream: &str) -> std::result::Result<(), Fault> {
        self.connector.spools.remove(&(self.spool)(&self.connection.id, stream)).map_err(|r| r.fault)
    }
}

/// A destination connection in one delivery.
struct PluginDestination {
    connector: Connector,
    delivery: DeliveryId,
}

#[async_trait]
impl Destination for PluginDestination {
    async fn check(&self) -> std::result::Result<Vec<CheckResult>, Fault> {
        self.connector.plugin.check(&self.connector.context).await
    }

    async fn discover(&self) -> std::result::Result<Vec<TargetObject>, Fault> {
        self.connector.plugin.discover_targets(&self.connector.context).await
    }

    async fn prepare(&self, target: &Target, run: &DeliveryRun, dry_run: bool) -> std::result::Result<Prepared, Fault> {
        let context = ConnectionContext { dry_run, ..self.connector.context.clone() };
        Ok(self.connector.plugin.prepare(&context, target, run).await?.0)
    }

    async fn deliver(
        &self,
        target: &Target,
        run: &DeliveryRun,
        state: &[u8],
        batch: &Batch,
    ) -> std::result::Result<Delivered, Fault> {
        Ok(self.connector.plugin.deliver(&self.connector.context, target, run, state, batch).await?.0)
    }

    async fn finish(&self, target: &Target, run: &DeliveryRun, state: &[u8]) -> std::result::Result<Finished, Fault> {
        Ok(self.connector.plugin.finish(&self.connector.context, target, run, state).await?.0)
    }

    async fn poll(&self, target: &Target, run: &DeliveryRun, state: &[u8]) -> std::result::Result<Finished, Fault> {
        Ok(self.connector.plugin.poll(&self.connector.context, target, run, state).await?.0)
    }

    async fn abort(&self, target: &Target, run: &DeliveryRun, state: &[u8]) -> std::result::Result<(), Fault> {
        self.connector.plugin.abort(&self.connector.context, target, run, state).await.map(|_| ())
    }

    async fn erase(&self, target: &Target, identifiers: &[(String, String)]) -> std::result::Result<Erased, Fault> {
        let (EraseResult { status, message }, _) =
            self.connector.plugin.erase(&self.connector.context, target, identifiers).await?;
        let status = match status {
            EraseStatus::Removed => ReceiptStatus::Removed,
            EraseStatus::NotFound => ReceiptStatus::NotFound,
            EraseStatus::Cannot => ReceiptStatus::Cannot,
        };
        Ok(Erased { status, because: message })
    }

    async fn members(&self, target: &Target, after: Option<&[u8]>) -> std::result::Result<TargetMembers, Fault> {
        let context = ConnectionContext { priority: Priority::Backfill, ..self.connector.context.clone() };
        let (page, _) = self.connector.plugin.members(&context, target, after).await?;
        let members = page.members.into_iter().map(|member| member.identifiers).collect();
        Ok(TargetMembers { members, next: page.next })
    }

    async fn clear_spool(&self, _run: &DeliveryRun) -> std::result::Result<(), Fault> {
        self.connector.spools.remove(&Spools::of_delivery(&self.delivery)).map_err(|r| r.fault)
    }
}
