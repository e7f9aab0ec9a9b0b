//! Installed plugins: admitted, kept on disk by digest, and ready. A version never changes: other bytes need another
//! version. Each step of its life is told in the audit log (`attiva_core::plugin::lifecycle`).

mod audit;
mod install;
mod publishers;
mod stages;
mod versions;

pub use audit::{Audited, Problem};
pub use install::{Package, Upload};
pub use publishers::NewTrust;
pub use versions::InUse;

use super::documents;
use super::files::PluginFiles;
use super::refusal::{Refusal, Result};
use super::stamp::Stamp;
use attiva_core::plugin::capability::{Capability, Change, capabilities, difference};
use attiva_core::plugin::lifecycle::{Event, Stage};
use attiva_core::plugin::package::Signed;
use attiva_core::plugin::trust::{Provenance, PublicKey, Publisher, Trust};
use attiva_core::ports::clock::Clock;
use attiva_core::ports::store::{AuditEvent, ControlKind, ControlStore, Expect};
use attiva_core::{Fault, FaultKind, Millis};
use attiva_wasm::{Held, Plugin, PluginHost};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Who publishes what comes with the host.
pub const HOST_PUBLISHER: &str = "attiva";

/// An installed version, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    /// `source-marketo@0.1.0`: what connections name.
    pub id: String,
    /// SHA-256 of the component, in hex; also the name of its file.
    pub digest: String,
    pub bytes: u64,
    /// Older hosts knew one stage.
    #[serde(default = "ready")]
    pub stage: Stage,
    /// Who vouches for it.
    #[serde(default = "before_signatures")]
    pub provenance: Provenance,
    /// The signature, to be checked again at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    pub installed_at: Millis,
    /// The request that installed it: its name is the component's, so its id does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<Stamp>,
}

fn ready() -> Stage {
    Stage::Ready
}

/// What an older host had installed, which asked for no signature.
fn before_signatures() -> Provenance {
    Provenance::Unsigned { reason: "it was installed before signatures were asked for".into(), by: "host".into() }
}

/// An installed version with its code.
#[derive(Clone)]
pub struct Ready {
    pub installed: Installed,
    pub plugin: Arc<Plugin>,
}

impl Ready {
    /// What it may do.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        let roles = [(self.plugin.is_source, "source"), (self.plugin.is_destination, "destination")];
        let roles: Vec<&str> = roles.into_iter().filter_map(|(is, role)| is.then_some(role)).collect();
        capabilities(&self.plugin.spec, &roles, &self.plugin.imports)
    }
}

/// All plugins of the host.
pub struct Plugins {
    host: PluginHost,
    files: PluginFiles,
    control: Arc<dyn ControlStore>,
    clock: Arc<dyn Clock>,
    development: PublicKey,
    bundled: BTreeMap<String, String>,
    ready: RwLock<BTreeMap<String, Ready>>,
    /// One change at a time: two installations of the same version must not both find it free.
    changing: tokio::sync::Mutex<()>,
}

impl Plugins {
    pub fn new(
        host: PluginHost,
        files: PluginFiles,
        control: Arc<dyn ControlStore>,
        clock: Arc<dyn Clock>,
        development: PublicKey,
    ) -> Self {
        let bundled = attiva_plugins::bundled().iter().map(|b| (b.name.to_owned(), HOST_PUBLISHER.to_owned()));
        Self {
            host,
            files,
            control,
            clock,
            development,
            bundled: bundled.collect(),
            ready: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Loads what was installed before. A version whose file is gone or no longer admitted is left out and told; its
    /// connections say so when they are used.
    pub async fn load(&self) -> Result<()> {
        let next = |after: Option<&str>, limit| Ok(self.control.documents(ControlKind::Plugin, after, limit)?);
        for installed in documents::filtered(next, None, usize::MAX, |_: &Installed| true)? {
            match self.load_one(&installed).await {
                Ok(plugin) => self.insert(Ready { installed, plugin }),
                Err(refusal) => tracing::error!(plugin = installed.id, "not ready: {refusal}"),
            }
        }
        Ok(())
    }

    async fn load_one(&self, installed: &Installed) -> Result<Arc<Plugin>> {
        let bytes = self.files.read(&installed.digest)?;
        self.host.admit(&bytes).await.map_err(install::refused)
    }

    /// What plugins at work hold of the machine.
    pub fn held(&self) -> Held {
        self.host.held()
    }

    fn insert(&self, ready: Ready) {
        self.ready.write().unwrap_or_else(PoisonError::into_inner).insert(ready.installed.id.clone(), ready);
    }

    fn remove(&self, id: &str) {
        self.ready.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// A version by its id, `name@version`, in whatever stage.
    pub fn get(&self, id: &str) -> Option<Ready> {
        self.ready.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// A version by its id, or the newest of a name: the newest that is ready, if one is.
    pub fn find(&self, named: &str) -> Result<Ready> {
        if let Some(ready) = self.get(named) {
            return Ok(ready);
        }
        let of_name = self.list().into_iter().filter(|r| r.plugin.spec.name == named);
        let newest = of_name.max_by_key(|r| (r.installed.stage.takes_new_runs(), r.plugin.spec.version.clone()));
        newest.ok_or_else(|| Refusal::missing("plugin", named))
    }

    /// All versions, by id.
    pub fn list(&self) -> Vec<Ready> {
        self.ready.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How a version differs from what was approved of its name before, and which version that was. What nobody has
    /// approved yet is no measure.
    pub fn difference(&self, of: &Ready) -> (Option<String>, Vec<Change>) {
        let spec = &of.plugin.spec;
        let approved = |r: &Ready| {
            r.plugin.spec.name == spec.name
                && r.installed.id != of.installed.id
                && r.installed.stage != Stage::AwaitingApproval
        };
        let before = self.list().into_iter().filter(approved).max_by(|a, b| {
            let is_older = |r: &Ready| r.plugin.spec.version < spec.version;
            // An older one comes before: the next newer one says what was added after this one.
            is_older(a).cmp(&is_older(b)).then_with(|| a.plugin.spec.version.cmp(&b.plugin.spec.version))
        });
        let was = before.as_ref().map(Ready::capabilities).unwrap_or_default();
        (before.map(|b| b.installed.id), difference(&was, &of.capabilities()))
    }

    /// Takes an installed version to its next stage, tells it, and keeps it.
    async fn step(&self, id: &str, event: Event, actor: &str, detail: serde_json::Value) -> Result<Ready> {
        let ready = self.get(id).ok_or_else(|| Refusal::missing("plugin", id))?;
        let stage = ready.installed.stage.step(event).map_err(|out_of_order| {
            let what = format!("{id}: {out_of_order}; that cannot be done now");
            Fault::new(FaultKind::Config, "plugin.stage", what).action("`attiva plugin inspect` shows where it is.")
        })?;
        let installed = Installed { stage, ..ready.installed };
        let told = self.told(actor, stage, id, detail);
        let body = documents::write(&installed)?;
        self.control.put_document(ControlKind::Plugin, id, body, Expect::Anything, Some(told)).await?;
        let ready = Ready { installed, plugin: ready.plugin };
        self.insert(ready.clone());
        Ok(ready)
    }

    fn told(&self, actor: &str, stage: Stage, subject: &str, detail: serde_json::Value) -> AuditEvent {
        AuditEvent {
            at: self.clock.now(),
            actor: actor.to_owned(),
            action: format!("plugin.{}", stage.as_str()),
            subject: subject.to_owned(),
            detail,
        }
    }

    fn trust<'a>(&'a self, publishers: &'a [Publisher]) -> Trust<'a> {
        Trust { publishers, development: Some(&self.development), bundled: &self.bundled }
    }
}

pub(super) fn not_ready(plugin: &str, how: &str) -> Fault {
    Fault::new(FaultKind::Config, "plugin.not-ready", format!("the plugin {plugin} {how}"))
        .action("`attiva plugin inspect` shows its stage; the host's log says why one that is installed did not load.")
}
