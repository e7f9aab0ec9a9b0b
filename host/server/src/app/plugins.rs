//! Installed plugins: admitted, kept on disk by digest, and ready. A version never changes: other bytes need another
//! version.

use super::documents;
use super::files::PluginFiles;
use super::refusal::{Refusal, Result};
use super::stamp::Stamp;
use attiva_core::ports::clock::Clock;
use attiva_core::ports::store::{AuditEvent, ControlKind, ControlStore, Expect};
use attiva_core::spec::Spec;
use attiva_core::{Fault, FaultKind, Millis};
use attiva_wasm::{AdmissionError, Plugin, PluginHost};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// An installed version, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    /// `source-marketo@0.1.0`: what connections name.
    pub id: String,
    /// SHA-256 of the component, in hex; also the name of its file.
    pub digest: String,
    pub bytes: u64,
    /// Came with the host.
    pub bundled: bool,
    pub installed_at: Millis,
    /// The request that installed it: its name is the component's, so its id does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<Stamp>,
}

/// An installed version that is ready to be called.
#[derive(Clone)]
pub struct Ready {
    pub installed: Installed,
    pub plugin: Arc<Plugin>,
}

/// All plugins of the host.
pub struct Plugins {
    host: PluginHost,
    files: PluginFiles,
    control: Arc<dyn ControlStore>,
    clock: Arc<dyn Clock>,
    ready: RwLock<BTreeMap<String, Ready>>,
    /// One installation at a time: two of the same version must not both find it free.
    installing: tokio::sync::Mutex<()>,
}

/// Who brings a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// It came with the host.
    Bundled,
    /// The key's id of whom sent it.
    Sent(&'a str),
}

impl Plugins {
    pub fn new(host: PluginHost, files: PluginFiles, control: Arc<dyn ControlStore>, clock: Arc<dyn Clock>) -> Self {
        Self { host, files, control, clock, ready: RwLock::default(), installing: tokio::sync::Mutex::default() }
    }

    /// Makes ready what was installed before. A version whose file is gone or no longer admitted is left out and told;
    /// its connections say so when they are used.
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
        self.host.admit(&bytes).await.map_err(refused)
    }

    /// Installs a component. The same bytes again change nothing; returns whether this request made it.
    ///
    /// # Errors
    /// `plugin.*` with the reason, nothing installed; `plugin.version-taken` for other bytes under a version's name.
    pub async fn install(&self, bytes: &[u8], origin: Origin<'_>, stamp: Stamp) -> Result<(Ready, bool)> {
        let plugin = self.host.admit(bytes).await.map_err(refused)?;
        let id = format!("{}@{}", plugin.spec.name, plugin.spec.version);
        let _one_at_a_time = self.installing.lock().await;
        let before = self.control.document(ControlKind::Plugin, &id)?;
        let expect = before.as_ref().map_or(Expect::Absent, |d| Expect::Version(d.version));
        let before = before.map(|d| documents::read::<Installed>(d.body)).transpose()?;
        let is_new = before.as_ref().is_none_or(|before| before.made_by == Some(stamp));
        if let Some(before) = &before {
            if before.digest == plugin.digest && self.get(&id).is_some() {
                return Ok((Ready { installed: before.clone(), plugin }, is_new));
            }
            // What came with the host is replaced when the host is: nobody else could have raised its version.
            let replaced_by_host = before.bundled && origin == Origin::Bundled;
            if before.digest != plugin.digest && !replaced_by_host {
                return Err(version_taken(&id));
            }
        }
        let installed = Installed {
            id: id.clone(),
            digest: plugin.digest.clone(),
            bytes: bytes.len() as u64,
            bundled: origin == Origin::Bundled,
            installed_at: self.clock.now(),
            made_by: Some(stamp),
        };
        self.files.write(&installed.digest, bytes)?;
        let told = told(&installed, &plugin.spec, origin, before.is_some());
        let body = documents::write(&installed)?;
        self.control.put_document(ControlKind::Plugin, &id, body, expect, Some(told)).await?;
        let ready = Ready { installed, plugin };
        self.insert(ready.clone());
        tracing::info!(plugin = id, digest = ready.installed.digest, "plugin installed");
        Ok((ready, is_new))
    }

    fn insert(&self, ready: Ready) {
        self.ready.write().unwrap_or_else(PoisonError::into_inner).insert(ready.installed.id.clone(), ready);
    }

    /// A version by its id, `name@version`.
    pub fn get(&self, id: &str) -> Option<Ready> {
        self.ready.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// A version by its id, or the newest of a name.
    pub fn find(&self, named: &str) -> Result<Ready> {
        if let Some(ready) = self.get(named) {
            return Ok(ready);
        }
        let of_name = self.list().into_iter().filter(|r| r.plugin.spec.name == named);
        let newest = of_name.max_by(|a, b| a.plugin.spec.version.cmp(&b.plugin.spec.version));
        newest.ok_or_else(|| Refusal::missing("plugin", named))
    }

    /// All versions, by id.
    pub fn list(&self) -> Vec<Ready> {
        self.ready.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

fn told(installed: &Installed, spec: &Spec, origin: Origin<'_>, again: bool) -> AuditEvent {
    let (actor, bundled) = match origin {
        Origin::Bundled => ("host", true),
        Origin::Sent(key) => (key, false),
    };
    AuditEvent {
        at: installed.installed_at,
        actor: actor.to_owned(),
        action: if again { "plugin.replaced" } else { "plugin.installed" }.to_owned(),
        subject: installed.id.clone(),
        detail: serde_json::json!({ "digest": installed.digest, "publisher": spec.publisher, "bundled": bundled }),
    }
}

fn refused(error: AdmissionError) -> Refusal {
    Fault::new(FaultKind::Config, "plugin.refused", error.to_string())
        .action("Nothing was installed. The component's author has to correct this.")
        .into()
}

fn version_taken(id: &str) -> Refusal {
    Fault::new(FaultKind::Config, "plugin.version-taken", format!("{id} is installed with other bytes"))
        .action("Raise the version in the component's specification.")
        .into()
}
