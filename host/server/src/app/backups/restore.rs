//! A backup back into an empty data directory, while no host has it open.
//!
//! Files are copied into a folder beside it and compared with the manifest as they go; the folder gets its name when all of
//! it is right. So a kill, or a broken backup, leaves nothing that a host would start with.

use super::super::refusal::{Refusal, Result};
use super::super::{App, SystemClock, blocking};
use super::{corrupt, manifest_in, too_new};
use attiva_core::backup::{BackupFile, FileKind, Manifest, SEAL_KEY};
use attiva_core::ports::clock::Clock;
use attiva_core::ports::privacy::TombstoneStore;
use attiva_core::ports::store::{AuditEvent, ControlStore, StoreError};
use attiva_core::{Fault, FaultKind};
use attiva_store::{Control, DataDir, Digested, Mark, Options, copy_file, digest, write_atomic};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What to restore, and where.
#[derive(Debug, Clone)]
pub struct Restore {
    pub backup: PathBuf,
    /// Empty, or not there yet.
    pub data_dir: PathBuf,
    /// A newer backup of the same host: what it knows of erasures, keys and connections is taken from it.
    pub control_from: Option<PathBuf>,
    /// The key of secrets, where it was kept apart.
    pub seal_key: Option<PathBuf>,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub manifest: Manifest,
    /// Whether secrets can be read.
    pub has_seal_key: bool,
}

/// Compares a backup with its manifest, file by file.
///
/// # Errors
/// `backup.corrupt` with the file at fault, `backup.too-new`.
pub fn verify(backup: &Path) -> Result<Manifest> {
    let folder = open(backup)?;
    let manifest = manifest_in(&folder)?;
    for file in &manifest.files {
        let (within, name) = place(&folder, file)?;
        same(file, digest(&within, &name))?;
    }
    Ok(manifest)
}

impl App {
    /// Restores a backup. The host that is started on it goes on from there, and does erasures again that are newer than
    /// a sandbox's data.
    ///
    /// # Errors
    /// `backup.corrupt`, `backup.too-new`, `backup.not-empty`, `backup.older`; those of the store. Nothing is left then.
    pub async fn restore(restore: Restore) -> Result<Restored> {
        let staging = staging(&restore.data_dir)?;
        must_be_empty(&restore.data_dir)?;
        let made = Self::restore_into(&restore, &staging).await;
        if made.is_err() {
            // It is not there where opening it failed.
            let _ = std::fs::remove_dir_all(&staging);
        }
        made
    }

    async fn restore_into(restore: &Restore, staging: &Path) -> Result<Restored> {
        let (of, at) = (restore.clone(), staging.to_owned());
        let restored = blocking(move || copy(&of, &at)).await?;
        let control = Control::open(staging, &Options::default())?;
        // What was answered after the backup is not so any more: a repeat is done anew.
        control.forget_answers().await?;
        let manifest = &restored.manifest;
        let detail = json!({ "began_at": manifest.began_at, "sandboxes": manifest.sandboxes(), "control_from": restore.control_from.is_some() });
        let (at, subject) = (SystemClock.now(), manifest.id.to_string());
        control
            .audit(AuditEvent { at, actor: "host".into(), action: "backup.restored".into(), subject, detail })
            .await?;
        drop(control);
        std::fs::rename(staging, &restore.data_dir).map_err(|error| failed(&restore.data_dir, &error))?;
        let above = restore.data_dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(above).and_then(|above| above.sync_all()).map_err(|error| failed(above, &error))?;
        Ok(restored)
    }
}

fn copy(restore: &Restore, staging: &Path) -> Result<Restored> {
    let folder = open(&restore.backup)?;
    let manifest = manifest_in(&folder)?;
    let newer = restore.control_from.as_ref().map(|newer| newer_control(newer, &manifest)).transpose()?;
    let data = DataDir::open(staging)?;
    let root = open(staging)?;
    for file in &manifest.files {
        let is_shared = matches!(file.kind(), Some(FileKind::Control | FileKind::Key(_)));
        if newer.is_none() || !is_shared {
            put(file, &folder, &data, &root)?;
        }
    }
    let mut has_seal_key = manifest.has_seal_key;
    if let Some((newer_folder, newer_manifest)) = &newer {
        has_seal_key = newer_manifest.has_seal_key;
        let is_there = |file: &BackupFile| manifest.files.iter().any(|other| other.path == file.path);
        for file in &newer_manifest.files {
            match file.kind() {
                Some(FileKind::Control | FileKind::Key(_)) => put(file, newer_folder, &data, &root)?,
                Some(FileKind::Plugin(_)) if !is_there(file) => put(file, newer_folder, &data, &root)?,
                _ => {}
            }
        }
    }
    if let Some(path) = &restore.seal_key {
        let key = std::fs::read(path).map(zeroize::Zeroizing::new).map_err(|error| failed(path, &error))?;
        write_atomic(data.keys(), SEAL_KEY, &key)?;
        has_seal_key = true;
    }
    Ok(Restored { manifest, has_seal_key })
}

/// A later backup of the same host, whose control database is taken.
fn newer_control(path: &Path, older: &Manifest) -> Result<(Dir, Manifest)> {
    let folder = open(path)?;
    let manifest = manifest_in(&folder)?;
    if manifest.began_at < older.began_at {
        let message = format!("{} is older than {}, and would not know of erasures since", manifest.id, older.id);
        let fault = Fault::new(FaultKind::Config, "backup.older", message);
        return Err(fault.action("Take the control database of a newer backup.").into());
    }
    Ok((folder, manifest))
}

/// Copies one file to its place, and looks whether it is what the manifest says.
fn put(file: &BackupFile, folder: &Dir, data: &DataDir, root: &Dir) -> Result<()> {
    let (from, name) = place(folder, file)?;
    let copied = match file.kind() {
        Some(FileKind::Control) => copy_file(&from, &name, root, &name),
        Some(FileKind::Sandbox(id)) => copy_file(&from, &name, &data.sandbox_folder(id)?, &name),
        Some(FileKind::Plugin(_)) => copy_file(&from, &name, data.plugins(), &name),
        Some(FileKind::Key(_)) => copy_file(&from, &name, data.keys(), &name),
        None => return Err(corrupt(format!("`{}` has no place in it", file.path))),
    };
    same(file, copied)?;
    let mark = match file.kind() {
        Some(FileKind::Control) => Control::look(&data.control().join(&name)),
        Some(FileKind::Sandbox(id)) => {
            let place = data.sandbox(id).ok_or_else(|| corrupt(format!("`{id}` is no sandbox's id")))?;
            attiva_store::Sandbox::look(&place.join(&name))
        }
        _ => return Ok(()),
    };
    let Mark { sequence, .. } = mark.map_err(|error| match error {
        StoreError::TooNew { .. } => too_new(format!("`{}`: {error}", file.path)),
        other => corrupt(format!("`{}`: {other}", file.path)),
    })?;
    match file.database {
        Some(database) if database.sequence == sequence => Ok(()),
        _ => Err(corrupt(format!("`{}` is not of the moment that the manifest tells", file.path))),
    }
}

fn same(file: &BackupFile, found: std::result::Result<Digested, StoreError>) -> Result<()> {
    match found {
        Ok(found) if found.bytes == file.bytes && found.sha256 == file.sha256 => Ok(()),
        Ok(_) => Err(corrupt(format!("`{}` is not what was backed up", file.path))),
        Err(StoreError::Missing) => Err(corrupt(format!("`{}` is not there", file.path))),
        Err(error) => Err(error.into()),
    }
}

/// The folder that a file is in, and its name there.
fn place(folder: &Dir, file: &BackupFile) -> Result<(Dir, String)> {
    let gone = |_: std::io::Error| corrupt(format!("`{}` is not there", file.path));
    match file.path.rsplit_once('/') {
        Some((above, name)) => Ok((folder.open_dir(above).map_err(gone)?, name.to_owned())),
        None => Ok((folder.try_clone().map_err(gone)?, file.path.clone())),
    }
}

fn open(path: &Path) -> Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Refusal {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full.into(),
        _ => StoreError::Unusable { path: path.display().to_string(), reason: error.to_string() }.into(),
    }
}

/// Beside the data directory, so that it can be renamed to it.
fn staging(data_dir: &Path) -> Result<PathBuf> {
    let Some(name) = data_dir.file_name() else {
        let reason = "it must be named, not `.` or `..`".to_owned();
        return Err(StoreError::Unusable { path: data_dir.display().to_string(), reason }.into());
    };
    let mut staging = OsString::from(name);
    staging.push(".restoring");
    let staging = data_dir.with_file_name(staging);
    // One that was cut short before.
    match std::fs::remove_dir_all(&staging) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(&staging, &error)),
        _ => Ok(staging),
    }
}

fn must_be_empty(data_dir: &Path) -> Result<()> {
    match std::fs::read_dir(data_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(data_dir, &error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                let message = format!("{} is not empty", data_dir.display());
                let fault = Fault::new(FaultKind::Config, "backup.not-empty", message);
                Err(fault
                    .action("Restore into a directory that is empty or not there, then start the host on it.")
                    .into())
            }
        },
    }
}
