//! The application layer: everything Attiva can be asked to do. The HTTP API is thin over it, and the command line is
//! thin over the HTTP API.

mod accounts;
mod activation_schedules;
pub mod activations;
pub mod answers;
mod audit;
pub mod authorizations;
mod backfills;
pub mod backups;
mod caller;
pub mod chance;
pub mod conduct;
pub mod connections;
mod connectors;
mod consent_rules;
pub mod consents;
mod data_removal;
pub mod deliveries;
pub mod disk;
mod documents;
pub mod edge;
mod evaluations;
mod exchange_rates;
pub mod exchanges;
pub mod expressions;
mod files;
pub mod freshness;
pub mod grants;
pub mod guardrails;
pub mod holdings;
mod identity;
pub mod ingestion;
pub mod instances;
mod key_uses;
pub mod keys;
mod learning;
pub mod mappings;
pub mod metrics;
mod model;
pub(crate) mod name;
pub mod operations;
pub mod oversight;
pub mod pins;
pub mod plugins;
pub mod privacy;
pub mod profiles;
pub mod quotas;
mod readbacks;
mod recipients;
mod reconcile;
pub mod refusal;
pub mod removal;
mod retention;
pub mod retirement;
mod rotation;
pub mod runs;
pub mod sandbox;
mod schemas;
mod secrets;
pub mod segments;
pub mod settings;
pub mod stamp;
pub mod tables;
pub mod targets;
pub mod tenancy;
mod timeline;
pub mod upgrades;
mod usage_policy;
pub mod waterfalls;

pub(crate) use files::DEVELOPMENT_KEY;

use crate::compiler;
use answers::Answers;
use attiva_core::access::{Given, Role, Scope};
use attiva_core::id::OrganisationId;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::{AuditEvent, ControlStore, SandboxStore, StoreError};
use attiva_core::{Fault, FaultKind};
use attiva_store::{Control, DataDir, Options, Sealer, TombstoneKey, Tombstones};
use attiva_sync::{Engine, EngineOptions};
use attiva_wasm::{HostOptions, Limits, PluginHost};
use backups::Backups;
use chance::{SystemChance, SystemClock};
use connectors::{SandboxConnectors, Shared};
use disk::Disk;
use files::{PluginFiles, SandboxFiles, Spools};
use holdings::Holdings;
use instances::Instances;
use keys::{Caller, Keys, NewKey, NewKeyOf};
use oversight::Oversight;
use plugins::Plugins;
use refusal::{Refusal, Result};
use sandbox::Sandbox;
use secrets::Vault;
use settings::Settings;
use stamp::Stamp;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tenancy::{Organisation, SandboxEntry, Tenancy};
use tokio_util::task::TaskTracker;

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    data: Arc<DataDir>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    control: Arc<dyn ControlStore>,
    /// The same, for copies of it.
    control_file: Arc<Control>,
    backups: Backups,
    keys: Keys,
    answers: Answers,
    tenancy: Tenancy,
    plugins: Arc<Plugins>,
    vault: Vault,
    sealer: Arc<Sealer>,
    tombstone_key: TombstoneKey,
    instances: Instances,
    holdings: Holdings,
    shared: Shared,
    oversight: Arc<Oversight>,
    /// Held while a sandbox or an organisation is made or removed, the key of secrets is changed, or a backup is made.
    tenancy_change: tokio::sync::Mutex<()>,
    /// Removals that go on since the last stop, and a backup.
    removals: TaskTracker,
    /// Open sandboxes, by their id across organisations.
    sandboxes: RwLock<HashMap<String, Arc<Sandbox>>>,
}

/// An application that was just opened.
pub struct Opened {
    pub app: App,
    /// The first key of all, made because there was none.
    pub first_key: Option<NewKey>,
}

impl App {
    /// Opens a data directory: makes what the first start needs, installs the plugins that came with the host, and
    /// lets every sandbox go on where it stopped.
    ///
    /// # Errors
    /// `store.in-use`, `store.unusable`, `store.full`, `store.too-new`, `store.corrupt`.
    pub async fn open(data_dir: &Path, settings: Settings) -> Result<Opened> {
        Self::open_at(data_dir, settings, Arc::new(SystemClock)).await
    }

    /// As [`open`](Self::open), at the time that a clock tells.
    async fn open_at(data_dir: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<Opened> {
        let chance: Arc<dyn Chance> = Arc::new(SystemChance);
        let data = Arc::new(DataDir::open(data_dir)?);
        let sealer = Arc::new(rotation::sealer(&data, &settings)?);
        let tombstone_key = TombstoneKey::load(data.keys())?;
        let control_file = Control::open(data.control(), &Options::default())?;
        let control: Arc<dyn ControlStore> = Arc::clone(&control_file) as _;
        let plugins = Arc::new(plugins(&data, &settings, &control, &clock)?);
        let inner = Inner {
            control_file,
            backups: Backups::default(),
            keys: Keys::new(Arc::clone(&control), Arc::clone(&clock)),
            answers: Answers::new(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&chance), Arc::clone(&sealer)),
            shared: Shared::new(&control, &clock),
            tenancy: Tenancy::new(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&chance)),
            vault: Vault::new(Arc::clone(&control), Arc::clone(&sealer)),
            sealer,
            tombstone_key,
            instances: Instances::new(Arc::clone(&control)),
            holdings: Holdings::new(Arc::clone(&control)),
            oversight: Oversight::start(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&plugins)),
            tenancy_change: tokio::sync::Mutex::default(),
            removals: TaskTracker::new(),
            sandboxes: RwLock::default(),
            data,
            settings,
            clock,
            chance,
            control,
            plugins,
        };
        let app = Self { inner: Arc::new(inner) };
        let first_key = app.begin().await?;
        Ok(Opened { app, first_key })
    }

    /// Makes an operator's key, bound to the first organisation, in a data directory that no host has open.
    pub async fn create_key_offline(data_dir: &Path, name: &str) -> Result<NewKey> {
        let name = name::checked("name", name)?;
        let (clock, chance): (Arc<dyn Clock>, Arc<dyn Chance>) = (Arc::new(SystemClock), Arc::new(SystemChance));
        let data = DataDir::open(data_dir)?;
        let control: Arc<dyn ControlStore> = Control::open(data.control(), &Options::default())?;
        let tenancy = Tenancy::new(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&chance));
        let organisation = tenancy.ensure_default().await?;
        let stamp = Stamp::fresh(&*clock, &*chance);
        // Whoever may open the data directory operates the host.
        let new = NewKeyOf { organisation: &organisation.id, name, given: &Given::role(Role::Operator) };
        Keys::new(control, clock).create(new, "host", stamp).await
    }

    async fn begin(&self) -> Result<Option<NewKey>> {
        let organisation = self.tenancy().ensure_default().await?;
        self.plugins().load().await?;
        self.finish_rotation().await?;
        for bundled in attiva_plugins::bundled() {
            // The host is of use without one of them, and says what is wrong with it.
            if let Err(refusal) = self.plugins().install_bundled(bundled.component, self.fresh_stamp()).await {
                tracing::error!(plugin = bundled.name, "what came with the host cannot be installed: {refusal}");
            }
        }
        for entry in self.tenancy().all_sandboxes()? {
            if entry.removing_since.is_none() {
                self.open_sandbox(entry).await?;
            }
        }
        self.watch_drains();
        self.watch_audit();
        self.resume_removals().await?;
        if self.keys().any()? {
            return Ok(None);
        }
        let given = Given::role(Role::Operator);
        let new = NewKeyOf { organisation: &organisation.id, name: "first", given: &given };
        Ok(Some(self.keys().create(new, "host", self.fresh_stamp()).await?))
    }

    /// A sandbox's store and connectors, with nothing at work.
    fn parts(&self, entry: &SandboxEntry) -> Result<(Arc<attiva_store::Sandbox>, Arc<SandboxConnectors>)> {
        let inner = &self.inner;
        let id = entry.id();
        let place = inner.data.sandbox(&id).ok_or_else(|| Refusal::internal(format!("`{id}` is no sandbox's id")))?;
        let store = attiva_store::Sandbox::open(&place, &Options::default())?;
        let hashes = inner.control.tombstones(&id)?;
        let connectors = Arc::new(SandboxConnectors {
            entry: entry.clone(),
            plugins: Arc::clone(&inner.plugins),
            control: Arc::clone(&inner.control),
            clock: Arc::clone(&inner.clock),
            vault: inner.vault.clone(),
            instances: inner.instances.clone(),
            holdings: inner.holdings.clone(),
            spools: Spools::new(inner.data.spool(), &id)?,
            tombstones: Arc::new(Tombstones::new(inner.tombstone_key.clone(), id.clone(), hashes)),
            disk: Disk::new(Arc::clone(&inner.data), id, inner.settings.disk_free_bytes_min),
            shared: inner.shared.clone(),
            oversight: Arc::clone(&inner.oversight),
            exchanges_kept: inner.settings.exchanges_kept,
        });
        Ok((store, connectors))
    }

    async fn open_sandbox(&self, entry: SandboxEntry) -> Result<Arc<Sandbox>> {
        let inner = &self.inner;
        let id = entry.id();
        let (stored, connectors) = self.parts(&entry)?;
        let store: Arc<dyn SandboxStore> = Arc::clone(&stored) as _;
        let replayed = privacy::replay(&*store, &connectors, inner.clock.now()).await?;
        reconcile::reconcile(&*store, &connectors).await?;
        let (clock, chance) = (Arc::clone(&inner.clock), Arc::clone(&inner.chance));
        let engine = Engine::start(
            Arc::clone(&store),
            Arc::clone(&connectors) as Arc<dyn attiva_sync::Connectors>,
            Arc::clone(&clock),
            chance,
            EngineOptions { kept: inner.settings.kept, ..EngineOptions::default() },
        );
        let engine = engine.await?;
        // Before anything that goes on by itself: an erasure takes tables again.
        tables::keep(&engine, &inner.data, &id, inner.settings.tables)?;
        let sandbox = Sandbox {
            entry,
            consents: Arc::clone(&stored) as _,
            stored,
            store,
            engine,
            connectors,
            plugins: Arc::clone(&inner.plugins),
            control: Arc::clone(&inner.control),
            vault: inner.vault.clone(),
            sealer: Arc::clone(&inner.sealer),
            clock,
            connections_change: tokio::sync::Mutex::default(),
            files: SandboxFiles::new(inner.data.control(), &id),
            erasing: tokio::sync::Mutex::default(),
            erasing_on: tokio::sync::Notify::new(),
        };
        let sandbox = Arc::new(sandbox);
        sandbox.resume_erasures()?;
        if let Some(replayed) = replayed {
            sandbox.finish_replay(replayed);
        }
        inner.sandboxes.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&sandbox));
        Ok(sandbox)
    }

    #[must_use]
    pub fn chance(&self) -> &dyn Chance {
        &*self.inner.chance
    }

    /// A stamp for a request that carries no idempotency key.
    #[must_use]
    pub fn fresh_stamp(&self) -> Stamp {
        Stamp::fresh(&*self.inner.clock, &*self.inner.chance)
    }

    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    #[must_use]
    pub fn answers(&self) -> &Answers {
        &self.inner.answers
    }

    #[must_use]
    pub fn tenancy(&self) -> &Tenancy {
        &self.inner.tenancy
    }

    #[must_use]
    pub fn plugins(&self) -> &Plugins {
        &self.inner.plugins
    }

    /// Which sandboxes fill which targets.
    #[must_use]
    pub fn holdings(&self) -> &Holdings {
        &self.inner.holdings
    }

    /// Which connections use which instances.
    #[must_use]
    pub fn instances(&self) -> &Instances {
        &self.inner.instances
    }

    /// An open sandbox of the caller's organisation.
    pub fn sandbox(&self, caller: &Caller, name: &str) -> Result<Arc<Sandbox>> {
        // To a key that is bound to another, it is as if it were not there.
        if !caller.sees_name(name) {
            return Err(Refusal::missing("sandbox", name));
        }
        self.opened(&caller.organisation, name)
    }

    /// The sandboxes that the caller sees, by name, after `after`.
    pub fn sandboxes_of(&self, caller: &Caller, after: Option<&str>, limit: usize) -> Result<Vec<SandboxEntry>> {
        let Some(bound) = &caller.sandbox else {
            return self.tenancy().sandboxes(&caller.organisation, after, limit);
        };
        let is_before = after.is_some_and(|after| bound.as_str() <= after);
        if is_before { Ok(Vec::new()) } else { Ok(vec![self.tenancy().sandbox(&caller.organisation, bound)?]) }
    }

    /// An open sandbox of any organisation.
    pub fn sandbox_of(&self, caller: &Caller, organisation: &str, name: &str) -> Result<Arc<Sandbox>> {
        caller.must(Scope::OrganisationsRead)?;
        self.opened(&self.tenancy().organisation(organisation)?.id, name)
    }

    fn opened(&self, organisation: &OrganisationId, name: &str) -> Result<Arc<Sandbox>> {
        let id = tenancy::sandbox_id(organisation, name);
        let open = self.inner.sandboxes.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        open.filter(|sandbox| !sandbox.engine.is_retired())
            .ok_or_else(|| removal::absent(self.tenancy().sandbox(organisation, name), name))
    }

    /// Makes a sandbox in an organisation, and opens it.
    ///
    /// # Errors
    /// `store.exists`; `sandbox.removing`; `organisation.removing`.
    pub async fn create_sandbox(
        &self,
        caller: &Caller,
        organisation: &OrganisationId,
        stamp: Stamp,
        name: &str,
    ) -> Result<SandboxEntry> {
        let name = name::checked_slug("/name", name)?;
        let _alone = self.inner.tenancy_change.lock().await;
        self.must_stay(&self.tenancy().organisation(organisation.as_str())?)?;
        let entry = self.tenancy().create_sandbox(organisation, name, caller.key.as_str(), stamp).await?;
        // What a repeat finds is open, unless it was the opening that failed.
        if self.opened(organisation, name).is_err() {
            self.open_sandbox(entry.clone()).await?;
        }
        Ok(entry)
    }

    /// Nothing is made in what is being removed.
    pub fn must_stay(&self, organisation: &Organisation) -> Result<()> {
        if organisation.removing_since.is_none() {
            return Ok(());
        }
        let message = "the organisation is being removed";
        Err(Fault::new(FaultKind::Config, "organisation.removing", message).action("Use another organisation.").into())
    }

    /// What happened, as far as the caller may see it.
    pub fn audit(&self, caller: &Caller, after: u64, limit: usize) -> Result<Vec<(u64, AuditEvent)>> {
        audit::list(&*self.inner.control, caller, after, limit)
    }

    /// Whether the stores answer.
    pub fn ready(&self) -> Result<()> {
        self.inner.control.kept_request("")?;
        for sandbox in self.open_sandboxes() {
            sandbox.store.projector_cursor("ready")?;
        }
        Ok(())
    }

    /// Stops every sandbox at its next page and batch boundaries. What is unfinished goes on at the next start.
    pub async fn drain(&self, deadline: Duration) {
        let mut draining = tokio::task::JoinSet::new();
        for sandbox in self.open_sandboxes() {
            draining.spawn(async move { sandbox.engine.drain(deadline).await });
        }
        draining.join_all().await;
        self.inner.shared.budgets.rest().await;
        if let Err(refusal) = self.inner.oversight.flush().await {
            tracing::warn!("what plugins used last is not on record: {refusal}");
        }
        self.inner.backups.stop();
        self.inner.removals.close();
        if tokio::time::timeout(deadline, self.inner.removals.wait()).await.is_err() {
            tracing::warn!("a removal goes on at the next start; a backup was given up");
        }
    }

    fn open_sandboxes(&self) -> Vec<Arc<Sandbox>> {
        self.inner.sandboxes.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// Runs what reads much off the runtime's threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Refusal::internal(error.to_string())))
}

fn plugins(
    data: &DataDir,
    settings: &Settings,
    control: &Arc<dyn ControlStore>,
    clock: &Arc<dyn Clock>,
) -> Result<Plugins> {
    let io = |e: std::io::Error| Refusal::from(StoreError::Io(format!("plugins: {e}")));
    let aot = data.aot().try_clone().map_err(io)?;
    let base = HostOptions::new(aot, files::aot_key(data.keys())?);
    let limits = Limits {
        host_memory_bytes: settings.plugin_memory_bytes,
        organisation_memory_bytes: settings.organisation_memory_bytes,
        connections: settings.plugin_connections as usize,
        host_connections: settings.connections as usize,
        // What comes with the host is taken in the same way, however small what others bring has to be.
        component_bytes: settings.plugin_bytes.max(base.limits.component_bytes),
        ..base.limits
    };
    let options = HostOptions {
        compiler: compiler::compiler(),
        limits,
        domains: settings.egress_domains.clone().map(Arc::from),
        pool_instances: settings.plugin_pool,
        ..base
    };
    let host = PluginHost::new(options).map_err(|e| Refusal::internal(e.to_string()))?;
    let plugin_files = PluginFiles::new(data.plugins().try_clone().map_err(io)?);
    let development = files::development_key(data.keys())?.public();
    Ok(Plugins::new(host, plugin_files, Arc::clone(control), Arc::clone(clock), development))
}
