//! Which version of a name is in use: what connections that follow a range get. It changes only by a word of an
//! operator, save that a first version has no other to wait for and that a new host brings its own.

use super::{Plugins, Ready, not_ready};
use crate::app::documents;
use crate::app::refusal::{Refusal, Result};
use attiva_core::plugin::requirement::{Candidate, Requirement};
use attiva_core::plugin::trust::Provenance;
use attiva_core::ports::store::{AuditEvent, ControlKind, Expect};
use attiva_core::{Fault, FaultKind};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The versions of a name that are and were in use, as they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InUse {
    pub name: String,
    pub version: Version,
    /// Those before it, the last one last: where a rollback goes.
    #[serde(default)]
    pub before: Vec<Version>,
}

impl InUse {
    /// As connections name a version.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    fn moved_to(mut self, version: &Version) -> Self {
        let was = std::mem::replace(&mut self.version, version.clone());
        self.before.push(was);
        self.before.drain(..self.before.len().saturating_sub(BEFORE_MAX));
        self
    }
}

/// Rollbacks further back than this are a matter of `activate`.
const BEFORE_MAX: usize = 20;

impl Plugins {
    /// The version of a name in use.
    pub fn in_use(&self, name: &str) -> Result<Option<InUse>> {
        let found = self.control.document(ControlKind::PluginInUse, name)?;
        found.map(|document| documents::read(document.body)).transpose()
    }

    /// The version that a connection's requirement comes to now, in whatever stage it is.
    ///
    /// # Errors
    /// `plugin.missing`.
    pub fn resolve(&self, requirement: &str) -> Result<Ready> {
        let name = requirement.split('@').next().unwrap_or_default();
        self.resolve_with(requirement, self.in_use(name)?.map(|in_use| in_use.version).as_ref())
    }

    /// As [`resolve`](Self::resolve), if this version were in use.
    pub fn resolve_with(&self, requirement: &str, in_use: Option<&Version>) -> Result<Ready> {
        let Some(requirement) = Requirement::parse(requirement) else {
            let in_use = in_use.and_then(|version| self.get(&format!("{requirement}@{version}")));
            return in_use.map_or_else(|| self.find(requirement), Ok);
        };
        let of_name: Vec<Ready> =
            self.list().into_iter().filter(|r| r.plugin.spec.name == requirement.plugin).collect();
        let candidates: Vec<Candidate<'_>> = of_name
            .iter()
            .map(|r| Candidate { version: &r.plugin.spec.version, takes_new_runs: r.installed.stage.takes_new_runs() })
            .collect();
        let chosen = requirement.choose(&candidates, in_use).ok_or_else(|| requirement.unmet())?;
        let found = of_name.iter().find(|r| r.plugin.spec.version == *chosen).cloned();
        found.ok_or_else(|| requirement.unmet().into())
    }

    /// A version for a call: of what began with it, or of no run at all.
    ///
    /// # Errors
    /// `plugin.missing`; `plugin.not-ready`: no call is made of it at present.
    pub fn serving(&self, requirement: &str) -> Result<Ready> {
        let ready = self.resolve(requirement)?;
        if !ready.installed.stage.serves() {
            let how = format!("is {}", ready.installed.stage.as_str());
            return Err(not_ready(&ready.installed.id, &how).into());
        }
        Ok(ready)
    }

    /// The version that something which begins now begins with.
    ///
    /// # Errors
    /// `plugin.missing`, `plugin.not-ready`.
    pub fn beginning(&self, requirement: &str) -> Result<Ready> {
        let ready = self.resolve(requirement)?;
        if !ready.installed.stage.takes_new_runs() {
            let how = format!("is {}", ready.installed.stage.as_str());
            return Err(not_ready(&ready.installed.id, &how).into());
        }
        Ok(ready)
    }

    /// Puts a version in use. What goes on with another one goes on with it.
    ///
    /// # Errors
    /// `plugin.missing`, `plugin.not-ready`.
    pub async fn put_in_use(&self, by: &str, id: &str) -> Result<InUse> {
        let _alone = self.changing.lock().await;
        let ready = self.get(id).ok_or_else(|| Refusal::missing("plugin", id))?;
        if !ready.installed.stage.takes_new_runs() {
            return Err(not_ready(id, &format!("is {}", ready.installed.stage.as_str())).into());
        }
        let spec = &ready.plugin.spec;
        let now = match self.in_use(&spec.name)? {
            Some(in_use) if in_use.version == spec.version => return Ok(in_use),
            Some(in_use) => in_use.moved_to(&spec.version),
            None => InUse { name: spec.name.clone(), version: spec.version.clone(), before: Vec::new() },
        };
        self.keep_in_use(by, now, "plugin.activated").await
    }

    /// The version a rollback would lead to.
    ///
    /// # Errors
    /// `plugin.no-version-before`.
    pub fn version_before(&self, name: &str) -> Result<String> {
        let in_use = self.in_use(name)?.ok_or_else(|| Refusal::missing("plugin", name))?;
        let before = in_use.before.last().ok_or_else(|| {
            let what = format!("{name}@{} was the first version in use", in_use.version);
            Fault::new(FaultKind::Config, "plugin.no-version-before", what)
        })?;
        Ok(format!("{name}@{before}"))
    }

    /// Puts the version before in use again.
    ///
    /// # Errors
    /// `plugin.no-version-before`, `plugin.not-ready`.
    pub async fn take_back(&self, by: &str, name: &str) -> Result<InUse> {
        let _alone = self.changing.lock().await;
        let id = self.version_before(name)?;
        let ready = self.get(&id).ok_or_else(|| not_ready(&id, "is not installed any more"))?;
        if !ready.installed.stage.takes_new_runs() {
            return Err(not_ready(&id, &format!("is {}", ready.installed.stage.as_str())).into());
        }
        let Some(InUse { name, version: _, mut before }) = self.in_use(name)? else {
            return Err(Refusal::missing("plugin", name));
        };
        before.pop();
        let now = InUse { name, version: ready.plugin.spec.version.clone(), before };
        self.keep_in_use(by, now, "plugin.rolled-back").await
    }

    /// A version has become ready. The first of its name is in use from now on, and what a new host brings takes the
    /// place of what the host before it brought.
    pub(super) async fn follow(&self, by: &str, ready: &Ready) -> Result<()> {
        let spec = &ready.plugin.spec;
        if !ready.installed.stage.takes_new_runs() {
            return Ok(());
        }
        let now = match self.in_use(&spec.name)? {
            None => InUse { name: spec.name.clone(), version: spec.version.clone(), before: Vec::new() },
            Some(in_use) => {
                let of_host = |r: &Ready| r.installed.provenance == Provenance::Bundled;
                let before = self.get(&in_use.id());
                let is_newer = spec.version > in_use.version;
                if !(is_newer && of_host(ready) && before.as_ref().is_none_or(of_host)) {
                    return Ok(());
                }
                in_use.moved_to(&spec.version)
            }
        };
        self.keep_in_use(by, now, "plugin.activated").await.map(drop)
    }

    async fn keep_in_use(&self, by: &str, now: InUse, action: &str) -> Result<InUse> {
        let subject = now.id();
        let detail = json!({ "before": now.before.last() });
        let told =
            AuditEvent { at: self.clock.now(), actor: by.to_owned(), action: action.to_owned(), subject, detail };
        let body = documents::write(&now)?;
        self.control.put_document(ControlKind::PluginInUse, &now.name, body, Expect::Anything, Some(told)).await?;
        Ok(now)
    }
}
