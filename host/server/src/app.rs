//! The application layer: everything Attiva can be asked to do. The HTTP API is thin over it, and the command line is
//! thin over the HTTP API.

pub mod activations;
pub mod answers;
mod audit;
pub mod chance;
pub mod conduct;
pub mod connections;
mod connectors;
mod deliveries;
mod documents;
pub mod expressions;
mod files;
pub mod grants;
mod identity;
pub mod ingestion;
pub mod keys;
mod learning;
pub(crate) mod name;
pub mod operations;
pub mod oversight;
pub mod plugins;
pub mod profiles;
mod reconcile;
pub mod refusal;
pub mod retirement;
pub mod runs;
pub mod sandbox;
mod secrets;
mod segments;
pub mod stamp;
pub mod targets;
pub mod tenancy;
pub mod upgrades;

pub(crate) use files::DEVELOPMENT_KEY;

use crate::compiler;
use answers::Answers;
use attiva_core::ports::clock::{Chance, Clock};
use attiva_core::ports::store::{AuditEvent, ControlStore, SandboxStore, StoreError};
use attiva_store::{Control, DataDir, Options, Sealer};
use attiva_sync::{Engine, EngineOptions};
use attiva_wasm::{HostOptions, PluginHost};
use chance::{SystemChance, SystemClock};
use connectors::{SandboxConnectors, Shared};
use files::{PluginFiles, Spools};
use keys::{Caller, Keys, NewKey};
use oversight::Oversight;
use plugins::Plugins;
use refusal::{Refusal, Result};
use sandbox::Sandbox;
use secrets::Vault;
use stamp::Stamp;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tenancy::{SandboxEntry, Tenancy};

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    data: DataDir,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    control: Arc<dyn ControlStore>,
    keys: Keys,
    answers: Answers,
    tenancy: Tenancy,
    plugins: Arc<Plugins>,
    vault: Vault,
    shared: Shared,
    oversight: Arc<Oversight>,
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
    pub async fn open(data_dir: &Path) -> Result<Opened> {
        Self::open_at(data_dir, Arc::new(SystemClock)).await
    }

    /// As [`open`](Self::open), at the time that a clock tells.
    async fn open_at(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<Opened> {
        let chance: Arc<dyn Chance> = Arc::new(SystemChance);
        let data = DataDir::open(data_dir)?;
        let sealer = Arc::new(Sealer::load(data.keys())?);
        let control: Arc<dyn ControlStore> = Control::open(data.control(), &Options::default())?;
        let plugins = Arc::new(plugins(&data, &control, &clock)?);
        let inner = Inner {
            keys: Keys::new(Arc::clone(&control), Arc::clone(&clock)),
            answers: Answers::new(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&chance), Arc::clone(&sealer)),
            tenancy: Tenancy::new(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&chance)),
            vault: Vault::new(Arc::clone(&control), sealer),
            shared: Shared::default(),
            oversight: Oversight::start(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&plugins)),
            sandboxes: RwLock::default(),
            data,
            clock,
            chance,
            control,
            plugins,
        };
        let app = Self { inner: Arc::new(inner) };
        let first_key = app.begin().await?;
        Ok(Opened { app, first_key })
    }

    /// Makes a key for the first organisation in a data directory that no host has open.
    pub async fn create_key_offline(data_dir: &Path, name: &str) -> Result<NewKey> {
        let name = name::checked("name", name)?;
        let (clock, chance): (Arc<dyn Clock>, Arc<dyn Chance>) = (Arc::new(SystemClock), Arc::new(SystemChance));
        let data = DataDir::open(data_dir)?;
        let control: Arc<dyn ControlStore> = Control::open(data.control(), &Options::default())?;
        let tenancy = Tenancy::new(Arc::clone(&control), Arc::clone(&clock), Arc::clone(&chance));
        let organisation = tenancy.ensure_default().await?;
        let stamp = Stamp::fresh(&*clock, &*chance);
        Keys::new(control, clock).create(&organisation.id, name, "host", stamp).await
    }

    async fn begin(&self) -> Result<Option<NewKey>> {
        let organisation = self.tenancy().ensure_default().await?;
        self.plugins().load().await?;
        for bundled in attiva_plugins::bundled() {
            // The host is of use without one of them, and says what is wrong with it.
            if let Err(refusal) = self.plugins().install_bundled(bundled.component, self.fresh_stamp()).await {
                tracing::error!(plugin = bundled.name, "what came with the host cannot be installed: {refusal}");
            }
        }
        for entry in self.tenancy().all_sandboxes()? {
            self.open_sandbox(entry).await?;
        }
        self.watch_drains();
        if self.keys().any()? {
            return Ok(None);
        }
        Ok(Some(self.keys().create(&organisation.id, "first", "host", self.fresh_stamp()).await?))
    }

    async fn open_sandbox(&self, entry: SandboxEntry) -> Result<Arc<Sandbox>> {
        let inner = &self.inner;
        let id = entry.id();
        let place = inner.data.sandbox(&id).ok_or_else(|| Refusal::internal(format!("`{id}` is no sandbox's id")))?;
        let store: Arc<dyn SandboxStore> = attiva_store::Sandbox::open(&place, &Options::default())?;
        let connectors = Arc::new(SandboxConnectors {
            entry: entry.clone(),
            plugins: Arc::clone(&inner.plugins),
            control: Arc::clone(&inner.control),
            vault: inner.vault.clone(),
            spools: Spools::new(inner.data.spool(), &id)?,
            shared: inner.shared.clone(),
            oversight: Arc::clone(&inner.oversight),
        });
        reconcile::reconcile(&*store, &connectors).await?;
        let (clock, chance) = (Arc::clone(&inner.clock), Arc::clone(&inner.chance));
        let engine = Engine::start(
            Arc::clone(&store),
            Arc::clone(&connectors) as Arc<dyn attiva_sync::Connectors>,
            Arc::clone(&clock),
            chance,
            EngineOptions::default(),
        );
        let sandbox = Sandbox {
            entry,
            store,
            engine: engine.await?,
            connectors,
            plugins: Arc::clone(&inner.plugins),
            control: Arc::clone(&inner.control),
            vault: inner.vault.clone(),
            clock,
            connections_change: tokio::sync::Mutex::default(),
        };
        let sandbox = Arc::new(sandbox);
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

    /// An open sandbox of the caller's organisation.
    pub fn sandbox(&self, caller: &Caller, name: &str) -> Result<Arc<Sandbox>> {
        let id = tenancy::sandbox_id(&caller.organisation, name);
        let open = self.inner.sandboxes.read().unwrap_or_else(PoisonError::into_inner);
        open.get(&id).cloned().ok_or_else(|| Refusal::missing("sandbox", name))
    }

    /// Makes a sandbox in the caller's organisation, and opens it.
    pub async fn create_sandbox(&self, caller: &Caller, stamp: Stamp, name: &str) -> Result<SandboxEntry> {
        let name = name::checked_slug("/name", name)?;
        let entry = self.tenancy().create_sandbox(&caller.organisation, name, caller.key.as_str(), stamp).await?;
        // What a repeat finds is open, unless it was the opening that failed.
        if self.sandbox(caller, name).is_err() {
            self.open_sandbox(entry.clone()).await?;
        }
        Ok(entry)
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
        if let Err(refusal) = self.inner.oversight.flush().await {
            tracing::warn!("what plugins used last is not on record: {refusal}");
        }
    }

    fn open_sandboxes(&self) -> Vec<Arc<Sandbox>> {
        self.inner.sandboxes.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

fn plugins(data: &DataDir, control: &Arc<dyn ControlStore>, clock: &Arc<dyn Clock>) -> Result<Plugins> {
    let io = |e: std::io::Error| Refusal::from(StoreError::Io(format!("plugins: {e}")));
    let aot = data.aot().try_clone().map_err(io)?;
    let options = HostOptions { compiler: compiler::compiler(), ..HostOptions::new(aot, files::aot_key(data.keys())?) };
    let host = PluginHost::new(options).map_err(|e| Refusal::internal(e.to_string()))?;
    let plugin_files = PluginFiles::new(data.plugins().try_clone().map_err(io)?);
    let development = files::development_key(data.keys())?.public();
    Ok(Plugins::new(host, plugin_files, Arc::clone(control), Arc::clone(clock), development))
}
