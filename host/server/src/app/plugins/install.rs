//! Installation: from bytes to a version that is ready, or that waits for approval, step by step.

use super::{Installed, Plugins, Ready};
use crate::app::documents;
use crate::app::refusal::{Refusal, Result};
use crate::app::stamp::Stamp;
use attiva_core::plugin::lifecycle::{Event, Stage};
use attiva_core::plugin::package::{self, Signed};
use attiva_core::plugin::trust::{Distrust, Provenance, judge, judge_exception};
use attiva_core::ports::store::{ControlKind, Expect};
use attiva_core::spec::Spec;
use attiva_core::{Fault, FaultKind};
use attiva_wasm::{AdmissionError, Location, Plugin, is_good};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A plugin that somebody sends.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// A package, or a component alone.
    pub bytes: &'a [u8],
    /// The id of the key of whom sent it.
    pub by: &'a str,
    pub stamp: Stamp,
    /// Why it may be installed though nobody has signed it.
    pub allow_unsigned: Option<&'a str>,
    /// Whoever sent it has approved what it asks for.
    pub approve: bool,
}

/// Where a package is fetched from, and what it must be.
#[derive(Debug, Clone)]
pub struct Package {
    pub location: Location,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
}

/// A component on its way in.
struct Candidate<'a> {
    component: &'a [u8],
    signed: Option<Signed>,
    provenance: Provenance,
    actor: &'a str,
    stamp: Stamp,
    approve: bool,
    stage: Stage,
    /// What the steps are told of until its name is known.
    subject: String,
}

impl Plugins {
    /// Installs what somebody sent. The same bytes again change nothing; returns whether this request made it.
    ///
    /// # Errors
    /// `plugin.*` with the reason, nothing installed: `plugin.unsigned`, `plugin.untrusted`, `plugin.signature`,
    /// `plugin.refused`; `plugin.version-taken` for other bytes under a version's name.
    pub async fn install(&self, upload: Upload<'_>) -> Result<(Ready, bool)> {
        let digest = hex::encode(Sha256::digest(upload.bytes));
        let candidate = match self.candidate(upload, &digest) {
            Ok(candidate) => candidate,
            Err(refusal) => {
                // Bytes that are here already need no word of anybody's.
                if let Some(known) = self.list().into_iter().find(|r| r.installed.digest == digest) {
                    let is_new = known.installed.made_by == Some(upload.stamp);
                    return Ok((known, is_new));
                }
                self.tell_refused(upload.by, &format!("sha256:{digest}"), &refusal).await?;
                return Err(refusal);
            }
        };
        self.take(candidate).await
    }

    /// Installs what came with the host: the binary vouches for it.
    pub async fn install_bundled(&self, component: &[u8], stamp: Stamp) -> Result<(Ready, bool)> {
        let subject = format!("sha256:{}", hex::encode(Sha256::digest(component)));
        let candidate = Candidate {
            component,
            signed: None,
            provenance: Provenance::Bundled,
            actor: "host",
            stamp,
            approve: true,
            stage: Stage::Uploaded,
            subject,
        };
        self.take(candidate).await
    }

    /// Fetches a package.
    ///
    /// # Errors
    /// `fetch.digest` for another file than was named; those of `PluginHost::fetch`.
    pub async fn fetch(&self, package: &Package, bytes_max: u64) -> Result<Vec<u8>> {
        let bytes = self.host.fetch(&package.location, bytes_max).await?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != package.sha256 {
            let what = format!("the file's SHA-256 is {found}, not {}", package.sha256);
            let fault = Fault::new(FaultKind::Config, "fetch.digest", what);
            return Err(fault.action("Ask its publisher for the digest by another way than the file.").into());
        }
        Ok(bytes)
    }

    /// Lets a version that waits for approval be used.
    ///
    /// # Errors
    /// `plugin.missing`, `plugin.stage`.
    pub async fn approve(&self, by: &str, id: &str) -> Result<Ready> {
        let _alone = self.changing.lock().await;
        let ready = self.get(id).ok_or_else(|| Refusal::missing("plugin", id))?;
        let detail = self.approval(&ready);
        let ready = self.step(id, Event::Approved, by, detail).await?;
        self.follow(by, &ready).await?;
        Ok(ready)
    }

    /// Takes out a version that waits for approval.
    ///
    /// # Errors
    /// `plugin.missing`, `plugin.stage`.
    pub async fn decline(&self, by: &str, id: &str) -> Result<()> {
        let _alone = self.changing.lock().await;
        let ready = self.get(id).ok_or_else(|| Refusal::missing("plugin", id))?;
        if ready.installed.stage != Stage::AwaitingApproval {
            let what = format!("{id} is {}, and does not wait for approval", ready.installed.stage.as_str());
            return Err(Fault::new(FaultKind::Config, "plugin.stage", what).into());
        }
        let told = self.told(by, Stage::Refused, id, json!({ "digest": ready.installed.digest, "reason": "declined" }));
        self.control.delete_document(ControlKind::Plugin, id, Expect::Anything, Some(told)).await?;
        self.discard(&ready);
        Ok(())
    }

    /// Removes a version's code, unless another version is made of the same.
    pub(super) fn discard(&self, gone: &Ready) {
        self.remove(&gone.installed.id);
        let digest = &gone.installed.digest;
        if self.list().iter().any(|r| r.installed.digest == *digest) {
            return;
        }
        if let Err(refusal) = self.files.remove(digest) {
            tracing::warn!(digest, "a component's file stays: {refusal}");
        }
        if let Err(error) = self.host.forget(digest) {
            tracing::warn!(digest, "a component's compiled code stays: {error}");
        }
    }

    /// Finds out who vouches for an upload.
    fn candidate<'a>(&self, upload: Upload<'a>, digest: &str) -> Result<Candidate<'a>> {
        let Upload { bytes, by: actor, stamp, allow_unsigned, approve } = upload;
        let stage = Stage::Uploaded;
        if !package::is_package(bytes) {
            let reason = allow_unsigned.ok_or_else(|| Distrust::Unsigned.fault())?;
            let provenance = Provenance::Unsigned { reason: reason.to_owned(), by: actor.to_owned() };
            let subject = format!("sha256:{digest}");
            return Ok(Candidate { component: bytes, signed: None, provenance, actor, stamp, approve, stage, subject });
        }
        let unread = |error: package::PackageError| {
            Fault::new(FaultKind::Config, "plugin.package", error.to_string()).action("Obtain the package again.")
        };
        let package::Package { signed, component } = package::read(bytes).map_err(unread)?;
        let provenance = self.vouch(&signed)?;
        let subject = format!("sha256:{}", signed.statement.digest);
        Ok(Candidate { component, signed: Some(signed), provenance, actor, stamp, approve, stage, subject })
    }

    /// Who vouches for a signed component.
    pub(super) fn vouch(&self, signed: &Signed) -> Result<Provenance> {
        if !is_good(signed) {
            let what = format!("the signature of {} is not good", signed.statement.key);
            return Err(Fault::new(FaultKind::Config, "plugin.signature", what)
                .action("The package was changed or damaged: obtain it again.")
                .into());
        }
        let publishers = self.publishers()?;
        Ok(judge(&signed.statement, &self.trust(&publishers)).map_err(|distrust| distrust.fault())?)
    }

    async fn take(&self, mut candidate: Candidate<'_>) -> Result<(Ready, bool)> {
        match self.admit(&mut candidate).await {
            Ok(plugin) => self.keep(candidate, plugin).await,
            Err(refusal) => {
                self.tell_refused(candidate.actor, &candidate.subject, &refusal).await?;
                Err(refusal)
            }
        }
    }

    /// From bytes to a plugin that has said what it is.
    async fn admit(&self, candidate: &mut Candidate<'_>) -> Result<Arc<Plugin>> {
        let examined = self.host.examine(candidate.component).map_err(refused)?;
        if self.is_known(&examined.digest, candidate) {
            return self.host.admit(candidate.component).await.map_err(refused);
        }
        let vouched = json!({ "provenance": candidate.provenance, "imports": examined.imports });
        self.advance(candidate, Event::SignatureAccepted, vouched).await?;
        let compiled = self.host.compile(examined, candidate.component).await.map_err(refused)?;
        self.advance(candidate, Event::CodeMade, json!({})).await?;
        let plugin = self.host.inspect(compiled).await.map_err(refused)?;
        let spec = &plugin.spec;
        check_statement(candidate.signed.as_ref(), spec)?;
        if matches!(candidate.provenance, Provenance::Unsigned { .. }) {
            let publishers = self.publishers()?;
            judge_exception(&spec.name, &self.trust(&publishers)).map_err(|distrust| distrust.fault())?;
        }
        candidate.subject = format!("{}@{}", spec.name, spec.version);
        self.advance(candidate, Event::SpecificationRead, json!({ "digest": plugin.digest })).await?;
        Ok(plugin)
    }

    /// Whether nothing about a component is new: then there is nothing to tell.
    fn is_known(&self, digest: &str, candidate: &Candidate<'_>) -> bool {
        let is_same = |r: &Ready| r.installed.digest == digest && r.installed.provenance == candidate.provenance;
        self.list().iter().any(is_same)
    }

    async fn keep(&self, mut candidate: Candidate<'_>, plugin: Arc<Plugin>) -> Result<(Ready, bool)> {
        let id = format!("{}@{}", plugin.spec.name, plugin.spec.version);
        let _one_at_a_time = self.changing.lock().await;
        if let Some(signed) = &candidate.signed {
            // Compiling took its time, and somebody may have lost his trust meanwhile.
            candidate.provenance = self.vouch(signed)?;
        }
        let before = self.control.document(ControlKind::Plugin, &id)?;
        let expect = before.as_ref().map_or(Expect::Absent, |d| Expect::Version(d.version));
        let before = before.map(|d| documents::read::<Installed>(d.body)).transpose()?;
        let is_new = before.as_ref().is_none_or(|before| before.made_by == Some(candidate.stamp));
        let is_bundled = candidate.provenance == Provenance::Bundled;
        if let Some(before) = &before {
            let is_same = before.digest == plugin.digest;
            if is_same && self.get(&id).is_some() && (!is_bundled || before.provenance == Provenance::Bundled) {
                return Ok((Ready { installed: before.clone(), plugin }, is_new));
            }
            // What came with the host is replaced when the host is: nobody else could have raised its version, or have
            // installed anything under its name.
            if !is_same && !is_bundled {
                return Err(version_taken(&id));
            }
        }
        let installed = Installed {
            id: id.clone(),
            digest: plugin.digest.clone(),
            bytes: candidate.component.len() as u64,
            stage: Stage::Inspected,
            provenance: candidate.provenance.clone(),
            signed: candidate.signed.clone(),
            installed_at: self.clock.now(),
            made_by: Some(candidate.stamp),
        };
        self.files.write(&installed.digest, candidate.component)?;
        let mut ready = Ready { installed, plugin };
        let asks_more = self.difference(&ready).1.iter().any(|change| change.increase.is_some());
        let event = if asks_more && !is_bundled { Event::IncreaseFound } else { Event::NothingToApprove };
        let stage = before.as_ref().map(|before| before.stage).filter(|stage| stage.outlives_its_bytes());
        ready.installed.stage = stage.map_or_else(|| next(Stage::Inspected, event), Ok)?;
        let replaced = before.is_some();
        let detail = json!({ "digest": ready.installed.digest, "publisher": ready.plugin.spec.publisher,
            "provenance": ready.installed.provenance, "replaced": replaced });
        let told = self.told(candidate.actor, ready.installed.stage, &id, detail);
        let body = documents::write(&ready.installed)?;
        self.control.put_document(ControlKind::Plugin, &id, body, expect, Some(told)).await?;
        self.insert(ready.clone());
        tracing::info!(
            plugin = id,
            digest = ready.installed.digest,
            stage = ready.installed.stage.as_str(),
            "installed"
        );
        if ready.installed.stage == Stage::AwaitingApproval && candidate.approve {
            let detail = self.approval(&ready);
            ready = self.step(&id, Event::Approved, candidate.actor, detail).await?;
        }
        self.follow(candidate.actor, &ready).await?;
        Ok((ready, is_new))
    }

    /// What an approval approves, for the audit log: the increases themselves.
    fn approval(&self, ready: &Ready) -> Value {
        let (than, changes) = self.difference(ready);
        let increases: Vec<_> = changes.into_iter().filter(|change| change.increase.is_some()).collect();
        json!({ "digest": ready.installed.digest, "approved": increases, "more_than": than })
    }

    async fn advance(&self, candidate: &mut Candidate<'_>, event: Event, detail: Value) -> Result<()> {
        candidate.stage = next(candidate.stage, event)?;
        let told = self.told(candidate.actor, candidate.stage, &candidate.subject, detail);
        Ok(self.control.audit(told).await?)
    }

    async fn tell_refused(&self, actor: &str, subject: &str, refusal: &Refusal) -> Result<()> {
        let Fault { code, message, .. } = &refusal.fault;
        let told = self.told(actor, Stage::Refused, subject, json!({ "code": code, "reason": message }));
        Ok(self.control.audit(told).await?)
    }
}

fn next(stage: Stage, event: Event) -> Result<Stage> {
    stage.step(event).map_err(|out_of_order| Refusal::internal(format!("{event:?}, but {out_of_order}")))
}

/// What was signed is what the component says of itself.
fn check_statement(signed: Option<&Signed>, spec: &Spec) -> Result<()> {
    let Some(Signed { statement, .. }) = signed else { return Ok(()) };
    if (&statement.name, &statement.version, &statement.publisher) == (&spec.name, &spec.version, &spec.publisher) {
        return Ok(());
    }
    let what = format!(
        "signed is {}@{} of {}, but the component says that it is {}@{} of {}",
        statement.name, statement.version, statement.publisher, spec.name, spec.version, spec.publisher
    );
    Err(Fault::new(FaultKind::Config, "plugin.statement", what)
        .action("Nothing was installed. Its publisher has to sign it again.")
        .into())
}

pub(super) fn refused(error: AdmissionError) -> Refusal {
    Fault::new(FaultKind::Config, "plugin.refused", error.to_string())
        .action("Nothing was installed. The component's author has to correct this.")
        .into()
}

fn version_taken(id: &str) -> Refusal {
    Fault::new(FaultKind::Config, "plugin.version-taken", format!("{id} is installed with other bytes"))
        .action("Raise the version in the component's specification.")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;
    use crate::app::settings::Settings;

    fn bundle(description: &str) -> Vec<u8> {
        let spec = json!({"name": "source-bundle", "version": "0.1.0", "publisher": "attiva", "title": "B",
            "description": description, "state_version": 1, "configuration": {"type": "object"},
            "instance": {"system": "B", "id": "one"}, "delivery": {"class": "at-least-once", "batch_rows": 1}});
        attiva_guests::component(&spec.to_string())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_new_hosts_bytes_do_not_let_out_what_was_stopped() {
        let place = tempfile::tempdir().unwrap();
        let app = App::open(place.path(), Settings::default()).await.unwrap().app;
        let plugins = app.plugins();
        let stage = |id: &str| plugins.resolve(id).unwrap().installed.stage;
        plugins.install_bundled(&bundle("of the first host"), app.fresh_stamp()).await.unwrap();
        assert_eq!(stage("source-bundle@0.1.0"), Stage::Ready);
        plugins.disable("test", "source-bundle@0.1.0", false).await.unwrap();
        plugins.install_bundled(&bundle("of the second host"), app.fresh_stamp()).await.unwrap();
        assert_eq!(stage("source-bundle@0.1.0"), Stage::Disabled);
        plugins.enable("test", "source-bundle@0.1.0").await.unwrap();
        plugins.quarantine("test", "source-bundle@0.1.0", json!({})).await.unwrap();
        plugins.install_bundled(&bundle("of the third host"), app.fresh_stamp()).await.unwrap();
        assert_eq!(stage("source-bundle@0.1.0"), Stage::Quarantined);
        plugins.release("test", "source-bundle@0.1.0").await.unwrap();
        plugins.install_bundled(&bundle("of the fourth host"), app.fresh_stamp()).await.unwrap();
        assert_eq!(stage("source-bundle@0.1.0"), Stage::Ready);
    }
}
