//! One backup, file by file.

use super::super::refusal::Result;
use super::Backups;
use attiva_core::backup::{BackupDatabase, BackupFile, CONTROL, FORMAT, MANIFEST, Manifest, SEAL_KEY, TOMBSTONE_KEY};
use attiva_core::id::BackupId;
use attiva_core::ports::clock::Clock;
use attiva_core::ports::store::StoreError;
use attiva_core::{Fault, FaultKind, Millis};
use attiva_store::{Control, DataDir, Digested, Mark, copy_file, digest, subfolder, write_atomic};
use cap_std::fs::Dir;
use std::sync::Arc;

/// What a backup is made of.
pub(super) struct Make {
    pub(super) id: BackupId,
    pub(super) data: Arc<DataDir>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) control: Arc<Control>,
    /// By the id across organisations.
    pub(super) sandboxes: Vec<(String, Arc<attiva_store::Sandbox>)>,
    pub(super) with_seal_key: bool,
    pub(super) free_bytes_min: u64,
    pub(super) backups: Backups,
}

impl Make {
    /// Blocks until the backup is on the disk.
    pub(super) fn run(self) -> Result<Manifest> {
        let began_at = self.clock.now();
        self.check_room()?;
        let folder = self.data.begin_backup(self.id.as_str())?;
        let mut files = Vec::new();
        let sandboxes = subfolder(&folder, "sandboxes")?;
        for (id, store) in &self.sandboxes {
            self.phase(&format!("the sandbox {id}"))?;
            let of = subfolder(&sandboxes, id)?;
            let (name, at) = (format!("sandboxes/{id}/store.db"), self.clock.now());
            let mark = store.copy_to(&self.data.in_partial_backup(self.id.as_str(), &name))?;
            files.push(database(name, digest(&of, "store.db")?, mark, at));
            self.one_more();
        }
        // Before the control database, which names them, and again after it: one may come or go in between.
        let plugins = subfolder(&folder, "plugins")?;
        self.copy_plugins(&plugins, &mut files)?;
        self.phase("the control database")?;
        let at = self.clock.now();
        let mark = self.control.copy_to(&self.data.in_partial_backup(self.id.as_str(), CONTROL))?;
        files.push(database(CONTROL.to_owned(), digest(&folder, CONTROL)?, mark, at));
        self.one_more();
        self.copy_plugins(&plugins, &mut files)?;
        let keys = subfolder(&folder, "keys")?;
        let wanted = [(TOMBSTONE_KEY, true), (SEAL_KEY, self.with_seal_key)];
        for (name, _) in wanted.iter().filter(|(_, wanted)| *wanted) {
            let copied = copy_file(self.data.keys(), name, &keys, name)?;
            files.push(file(format!("keys/{name}"), copied));
            self.one_more();
        }
        let manifest = Manifest {
            format: FORMAT,
            attiva: env!("CARGO_PKG_VERSION").to_owned(),
            id: self.id.clone(),
            began_at,
            ended_at: self.clock.now(),
            has_seal_key: self.with_seal_key,
            files,
        };
        let text = serde_json::to_vec_pretty(&manifest).map_err(|e| StoreError::Io(e.to_string()))?;
        write_atomic(&folder, MANIFEST, &text)?;
        self.data.finish_backup(self.id.as_str())?;
        Ok(manifest)
    }

    fn phase(&self, what: &str) -> Result<()> {
        if self.backups.is_stopping() {
            let fault =
                Fault::new(FaultKind::Transient, "backup.stopped", "the host stopped before the backup was whole");
            return Err(fault.action("Make another one.").into());
        }
        self.backups.change(&self.id, |backup| what.clone_into(&mut backup.phase));
        Ok(())
    }

    fn one_more(&self) {
        self.backups.change(&self.id, |backup| backup.files_done += 1);
    }

    /// Copies the components that are not copied yet. Their names say what is in them.
    fn copy_plugins(&self, to: &Dir, files: &mut Vec<BackupFile>) -> Result<()> {
        self.phase("plugins")?;
        for name in names(self.data.plugins())? {
            let path = format!("plugins/{name}");
            if files.iter().any(|file| file.path == path) {
                continue;
            }
            match copy_file(self.data.plugins(), &name, to, &name) {
                Ok(copied) => {
                    let copied = file(path, copied);
                    if copied.kind().is_some() {
                        files.push(copied);
                    }
                }
                // It was removed meanwhile.
                Err(StoreError::Missing) => {}
                Err(error) => return Err(error.into()),
            }
            self.one_more();
        }
        Ok(())
    }

    /// A backup that would fill the disk is not begun: the data that it is of is on the same one.
    fn check_room(&self) -> Result<()> {
        let mut needed = bytes_of(self.data.plugins())?;
        for (id, _) in &self.sandboxes {
            needed += self.data.sandbox_bytes(id)?;
        }
        let total = self.sandboxes.len() + names(self.data.plugins())?.len() + 2 + usize::from(self.with_seal_key);
        self.backups.change(&self.id, |backup| backup.files_total = total as u64);
        let Some(free) = self.data.free_bytes() else { return Ok(()) };
        let usable = free.saturating_sub(self.free_bytes_min);
        if usable < needed {
            let message = format!("a backup takes up to {needed} bytes, and the disk has {usable} to spare");
            let action = "Free disk space, or remove older backups: `attiva backup remove`.";
            return Err(Fault::new(FaultKind::Transient, "store.full", message).action(action).into());
        }
        Ok(())
    }
}

fn file(path: String, Digested { bytes, sha256 }: Digested) -> BackupFile {
    BackupFile { path, bytes, sha256, database: None }
}

fn database(path: String, digested: Digested, mark: Mark, at: Millis) -> BackupFile {
    let Mark { schema, sequence } = mark;
    BackupFile { database: Some(BackupDatabase { at, schema, sequence }), ..file(path, digested) }
}

fn names(folder: &Dir) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.entries().map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.extend(name.to_str().filter(|name| name.ends_with(".wasm")).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn bytes_of(folder: &Dir) -> Result<u64> {
    let mut bytes = 0;
    for entry in folder.entries().map_err(failed)? {
        bytes += entry.and_then(|entry| entry.metadata()).map_err(failed)?.len();
    }
    Ok(bytes)
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Io(format!("plugins: {error}"))
}
