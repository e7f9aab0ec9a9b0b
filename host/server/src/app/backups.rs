//! Backups of the whole host while it runs, and what is known of them.
//!
//! Every sandbox's database is copied at a moment of its own, and the control database last: it is of the latest moment,
//! so that whatever a sandbox knows of an erasure, the control database knows as well. Meanwhile no sandbox is made
//! or removed, no erasure takes a step and the key of secrets is not changed; everything else goes on.

mod make;
mod restore;

pub use restore::{Restore, Restored, verify};

use super::App;
use super::keys::Caller;
use super::refusal::{Refusal, Result};
use super::stamp::Stamp;
use attiva_core::access::Scope;
use attiva_core::backup::{MANIFEST, Manifest};
use attiva_core::id::BackupId;
use attiva_core::ports::store::AuditEvent;
use attiva_core::{Fault, FaultKind, Millis};
use cap_std::fs::Dir;
use make::Make;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Backups that ended badly, and those of this process, are remembered up to so many.
const REMEMBERED: usize = 50;

/// How a backup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackupStatus {
    Running,
    Succeeded,
    Failed,
}

/// A backup that is made, was made, or could not be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Backup {
    pub id: BackupId,
    pub status: BackupStatus,
    /// What is being copied.
    pub phase: String,
    pub files_done: u64,
    pub files_total: u64,
    pub began_at: Millis,
    pub ended_at: Option<Millis>,
    pub fault: Option<Fault>,
    pub manifest: Option<Manifest>,
    /// Its folder, on the host's disk.
    pub place: String,
}

/// What is known of backups beside what is on the disk.
#[derive(Clone, Default)]
pub(super) struct Backups {
    known: Arc<Mutex<BTreeMap<BackupId, Backup>>>,
    stopping: Arc<AtomicBool>,
}

impl Backups {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<BackupId, Backup>> {
        // What is under the lock is whole at every moment.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, id: &BackupId, change: impl FnOnce(&mut Backup)) {
        if let Some(backup) = self.lock().get_mut(id) {
            change(backup);
        }
    }

    /// One that is being made ends after the file it is at.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl App {
    /// Begins a backup; the same request again finds it.
    ///
    /// # Errors
    /// `backup.in-progress`; `backup.no-seal-key` where the key of secrets was asked for and is the operator's own.
    pub fn start_backup(&self, caller: &Caller, stamp: Stamp, with_seal_key: bool) -> Result<Backup> {
        caller.must(Scope::HostWrite)?;
        let id = stamp.id(BackupId::new);
        if let Ok(found) = self.backup(id.as_str()) {
            return Ok(found);
        }
        if with_seal_key && self.inner.sealer.is_supplied() {
            let fault =
                Fault::new(FaultKind::Config, "backup.no-seal-key", "the key of secrets is the operator's own file");
            return Err(fault.action("Leave it out, and keep `seal_key_file` in a safe place yourself.").into());
        }
        let backup = Backup {
            id: id.clone(),
            status: BackupStatus::Running,
            phase: "waiting for its turn".to_owned(),
            files_done: 0,
            files_total: 0,
            began_at: self.inner.clock.now(),
            ended_at: None,
            fault: None,
            manifest: None,
            place: self.inner.data.backup_path(id.as_str()).display().to_string(),
        };
        let mut known = self.inner.backups.lock();
        if let Some(other) = known.values().find(|other| other.status == BackupStatus::Running) {
            let fault = Fault::new(FaultKind::Config, "backup.in-progress", format!("{} is being made", other.id));
            return Err(fault.action("Wait for its end, and repeat.").into());
        }
        while known.len() >= REMEMBERED && known.pop_first().is_some() {}
        known.insert(id.clone(), backup.clone());
        drop(known);
        let (app, actor) = (self.clone(), caller.key.to_string());
        self.inner.removals.spawn(async move { app.drive_backup(&id, &actor, with_seal_key).await });
        Ok(backup)
    }

    async fn drive_backup(&self, id: &BackupId, actor: &str, with_seal_key: bool) {
        let made = self.make_backup(id, with_seal_key).await;
        let now = self.inner.clock.now();
        let (action, detail, ended) = match made {
            Ok(manifest) => {
                let detail = json!({ "bytes": manifest.bytes(), "sandboxes": manifest.sandboxes(), "seal_key": manifest.has_seal_key });
                ("backup.created", detail, Ok(manifest))
            }
            Err(refusal) => {
                tracing::error!(backup = %id, "a backup failed: {refusal}");
                if let Err(left) = self.inner.data.abandon_backup(id.as_str()) {
                    tracing::warn!(backup = %id, "what was made of it goes at the next start: {left}");
                }
                ("backup.failed", json!({ "code": refusal.fault.code }), Err(refusal.fault))
            }
        };
        let told =
            AuditEvent { at: now, actor: actor.to_owned(), action: action.into(), subject: id.to_string(), detail };
        if let Err(error) = self.inner.control.audit(told).await {
            tracing::warn!(backup = %id, "the audit log does not tell of it: {error}");
        }
        self.inner.backups.change(id, |backup| {
            backup.phase.clear();
            backup.ended_at = Some(now);
            match ended {
                Ok(manifest) => {
                    backup.status = BackupStatus::Succeeded;
                    backup.files_total = manifest.files.len() as u64;
                    backup.files_done = backup.files_total;
                    backup.manifest = Some(manifest);
                }
                Err(fault) => {
                    backup.status = BackupStatus::Failed;
                    backup.fault = Some(fault);
                }
            }
        });
    }

    async fn make_backup(&self, id: &BackupId, with_seal_key: bool) -> Result<Manifest> {
        let inner = &self.inner;
        let _alone = inner.tenancy_change.lock().await;
        let sandboxes = self.open_sandboxes();
        let mut standing = Vec::with_capacity(sandboxes.len());
        for sandbox in &sandboxes {
            standing.push(sandbox.erasing.lock().await);
        }
        let stores = sandboxes.iter().map(|s| (s.entry.id(), Arc::clone(&s.stored))).collect();
        let make = Make {
            id: id.clone(),
            data: Arc::clone(&inner.data),
            clock: Arc::clone(&inner.clock),
            control: Arc::clone(&inner.control_file),
            sandboxes: stores,
            with_seal_key,
            free_bytes_min: inner.settings.disk_free_bytes_min,
            backups: inner.backups.clone(),
        };
        super::blocking(move || make.run()).await
    }

    /// # Errors
    /// `backup.missing`.
    pub fn backup(&self, id: &str) -> Result<Backup> {
        let id = BackupId::parse(id).ok_or_else(|| Refusal::missing("backup", id))?;
        if let Some(known) = self.inner.backups.lock().get(&id) {
            return Ok(known.clone());
        }
        self.on_disk(id.as_str())?.ok_or_else(|| Refusal::missing("backup", id.as_str()))
    }

    /// Those on the disk, and those of this process, oldest first, after `after`.
    pub fn backups(&self, after: Option<&str>, limit: usize) -> Result<Vec<Backup>> {
        let mut all = self.inner.backups.lock().clone();
        for name in self.inner.data.backup_names()? {
            if let Some(id) = BackupId::parse(&name)
                && !all.contains_key(&id)
                && let Some(found) = self.on_disk(&name)?
            {
                all.insert(id, found);
            }
        }
        Ok(all.into_values().filter(|b| after.is_none_or(|after| b.id.as_str() > after)).take(limit).collect())
    }

    fn on_disk(&self, id: &str) -> Result<Option<Backup>> {
        let Some(folder) = self.inner.data.backup(id)? else { return Ok(None) };
        let manifest = match manifest_in(&folder) {
            Ok(manifest) => manifest,
            // Somebody else's folder, or damaged: it is not listed, and whoever restores it is told.
            Err(refusal) => {
                tracing::warn!(backup = id, "there is a folder that is no backup: {refusal}");
                return Ok(None);
            }
        };
        let files = manifest.files.len() as u64;
        Ok(Some(Backup {
            id: manifest.id.clone(),
            status: BackupStatus::Succeeded,
            phase: String::new(),
            files_done: files,
            files_total: files,
            began_at: manifest.began_at,
            ended_at: Some(manifest.ended_at),
            fault: None,
            place: self.inner.data.backup_path(id).display().to_string(),
            manifest: Some(manifest),
        }))
    }

    /// Removes a backup from the disk.
    ///
    /// # Errors
    /// `backup.missing`; `backup.in-progress`.
    pub async fn remove_backup(&self, caller: &Caller, id: &str) -> Result<()> {
        caller.must(Scope::HostWrite)?;
        let backup = self.backup(id)?;
        if backup.status == BackupStatus::Running {
            let fault = Fault::new(FaultKind::Config, "backup.in-progress", format!("{id} is being made"));
            return Err(fault.action("Wait for its end, and repeat.").into());
        }
        self.inner.data.remove_backup(backup.id.as_str())?;
        self.inner.backups.lock().remove(&backup.id);
        let told = AuditEvent {
            at: self.inner.clock.now(),
            actor: caller.key.to_string(),
            action: "backup.removed".into(),
            subject: backup.id.to_string(),
            detail: json!({}),
        };
        Ok(self.inner.control.audit(told).await?)
    }
}

/// The manifest of a backup, as far as it can be one.
fn manifest_in(folder: &Dir) -> Result<Manifest> {
    let bytes = attiva_store::read(folder, MANIFEST)?.ok_or_else(|| corrupt(format!("there is no `{MANIFEST}`")))?;
    // A newer form may have what is not known here.
    let form: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| corrupt(format!("`{MANIFEST}`: {e}")))?;
    let format = form.get("format").and_then(serde_json::Value::as_u64).unwrap_or_default();
    if format > u64::from(attiva_core::backup::FORMAT) {
        return Err(too_new(format!("its form is {format}")));
    }
    let manifest: Manifest = serde_json::from_value(form).map_err(|e| corrupt(format!("`{MANIFEST}`: {e}")))?;
    manifest.check().map_err(|unusable| match unusable {
        attiva_core::backup::Unusable::TooNew(format) => too_new(format!("its form is {format}")),
        other => corrupt(other.to_string()),
    })?;
    Ok(manifest)
}

fn corrupt(reason: String) -> Refusal {
    Fault::new(FaultKind::Config, "backup.corrupt", format!("the backup cannot be used: {reason}"))
        .action("Use another backup, or fetch this one again from where it is kept.")
        .into()
}

fn too_new(reason: String) -> Refusal {
    Fault::new(FaultKind::Config, "backup.too-new", format!("the backup was made by a newer version: {reason}"))
        .action("Restore it with the version that made it, or a newer one.")
        .into()
}
