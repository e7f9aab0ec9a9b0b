//! Connections as connectors: a plugin version, with the connection's configuration, secrets, grants, budget and
//! spools. What the engine of a sandbox calls.

use super::files::Spools;
use super::grants;
use super::plugins::{Plugins, Ready};
use super::refusal::Result;
use super::secrets::Vault;
use super::tenancy::SandboxEntry;
use async_trait::async_trait;
use attiva_core::config::Connection;
use attiva_core::id::{DeliveryId, RunId};
use attiva_core::page::{Batch, CheckResult, Cursor, Page};
use attiva_core::ports::connector::{
    Delivered, DeliveryRun, Destination, Finished, PageLimits, Prepared, Source, Stream, Target, TargetObject, Usage,
};
use attiva_core::ports::store::ControlStore;
use attiva_core::spec::{DeliverySpec, MappingSpec};
use attiva_core::{Fault, FaultKind};
use attiva_wasm::{ConnectionContext, InstanceBudgets, Plugin, TokenCache};
use std::sync::Arc;

/// What connections of all sandboxes share: a vendor's budget and tokens do not know our sandboxes.
#[derive(Clone, Default)]
pub struct Shared {
    pub budgets: Arc<InstanceBudgets>,
    pub tokens: Arc<TokenCache>,
}

/// The connectors of a sandbox.
pub struct SandboxConnectors {
    pub(super) entry: SandboxEntry,
    pub(super) plugins: Arc<Plugins>,
    pub(super) control: Arc<dyn ControlStore>,
    pub(super) vault: Vault,
    pub(super) spools: Spools,
    pub(super) shared: Shared,
}

/// A plugin with a connection's context; the spool is chosen by each use.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) plugin: Arc<Plugin>,
    context: ConnectionContext,
    spools: Spools,
}

impl SandboxConnectors {
    /// The connector of a connection, in a plugin version, with a spool.
    pub(super) fn connector(&self, connection: &Connection, plugin: &str, spool: &str) -> Result<Connector> {
        let Ready { plugin, .. } = self.plugins.get(plugin).ok_or_else(|| not_ready(plugin))?;
        let id = format!("{}/{}", self.entry.id(), connection.id);
        let granted = grants::read(&*self.control, &id)?;
        let context = ConnectionContext {
            connection_id: connection.id.clone(),
            configuration: Arc::new(connection.configuration.clone()),
            secrets: self.vault.source(id),
            grants: granted.into_values().map(grants::for_host).collect::<std::result::Result<_, Fault>>()?,
            spool: self.spools.open(spool)?,
            budget: self.shared.budgets.of(&connection.instance, &plugin.spec.rates),
            tokens: Arc::clone(&self.shared.tokens),
            dry_run: false,
            observer: Arc::new(()),
        };
        Ok(Connector { plugin, context, spools: self.spools.clone() })
    }
}

fn not_ready(plugin: &str) -> Fault {
    Fault::new(FaultKind::Config, "plugin.not-ready", format!("the plugin {plugin} is not installed, or not ready"))
        .action("Install this version; the host's log says why one that is installed is not ready.")
}

#[async_trait]
impl attiva_sync::Connectors for SandboxConnectors {
    async fn source(
        &self,
        connection: &Connection,
        plugin: &str,
        run: &RunId,
    ) -> std::result::Result<Arc<dyn Source>, Fault> {
        // A spool belongs to a stream: a later run finds what an interrupted one had fetched.
        let _ = run;
        let connector = self.connector(connection, plugin, &Spools::of_connection(connection)).map_err(|r| r.fault)?;
        Ok(Arc::new(connector))
    }

    async fn destination(
        &self,
        connection: &Connection,
        plugin: &str,
        delivery: &DeliveryId,
    ) -> std::result::Result<(Arc<dyn Destination>, DeliverySpec), Fault> {
        let connector = self.connector(connection, plugin, &Spools::of_delivery(delivery)).map_err(|r| r.fault)?;
        let spec = connector.plugin.spec.delivery.clone();
        let spec = spec.ok_or_else(|| {
            Fault::new(FaultKind::Config, "plugin.no-destination", format!("{plugin} is no destination"))
        })?;
        Ok((Arc::new(connector), spec))
    }

    fn mappings(&self, plugin: &str) -> std::result::Result<Vec<MappingSpec>, Fault> {
        let ready = self.plugins.get(plugin).ok_or_else(|| not_ready(plugin))?;
        Ok(ready.plugin.spec.mappings.clone())
    }
}
