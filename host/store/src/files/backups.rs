//! Backups beside the data that they are of, and copies of files with their digests.

use super::{DataDir, PRIVATE_DIRECTORY, PRIVATE_FILE, failed, make_directories, sync};
use attiva_core::ports::store::{Result, StoreError};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use ring::digest::{Context, SHA256};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;

/// What a backup is called until it is whole.
const PARTIAL: &str = ".partial";

/// A file's size and SHA-256, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digested {
    pub bytes: u64,
    pub sha256: String,
}

impl DataDir {
    /// Makes the folder of a backup. Until it is finished, the next start removes it.
    ///
    /// # Errors
    /// `Full`, `Io`.
    pub fn begin_backup(&self, id: &str) -> Result<Dir> {
        subfolder(&self.backups, &partial(id))
    }

    /// A path in the folder of a backup that is being made. SQLite writes its files by path.
    #[must_use]
    pub fn in_partial_backup(&self, id: &str, name: &str) -> PathBuf {
        self.path.join("backups").join(partial(id)).join(name)
    }

    /// Where a backup is.
    #[must_use]
    pub fn backup_path(&self, id: &str) -> PathBuf {
        self.path.join("backups").join(id)
    }

    /// A backup that was made is whole: its folder gets its name.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish_backup(&self, id: &str) -> Result<()> {
        let named = self.backups.rename(partial(id), &self.backups, id).and_then(|()| sync(&self.backups));
        named.map_err(|error| failed(id, &error))
    }

    /// Removes what was made of a backup that failed.
    ///
    /// # Errors
    /// `Io`.
    pub fn abandon_backup(&self, id: &str) -> Result<()> {
        gone(&self.backups, &partial(id))
    }

    /// Removes a backup; there may be none.
    ///
    /// # Errors
    /// `Io`.
    pub fn remove_backup(&self, id: &str) -> Result<()> {
        gone(&self.backups, id)
    }

    /// The folder of a backup that is whole.
    ///
    /// # Errors
    /// `Io`.
    pub fn backup(&self, id: &str) -> Result<Option<Dir>> {
        match self.backups.open_dir(id) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(id, &error)),
        }
    }

    /// Names in the folder of backups, whole ones alone, in order.
    ///
    /// # Errors
    /// `Io`.
    pub fn backup_names(&self) -> Result<Vec<String>> {
        let names = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in self.backups.entries()? {
                names.extend(entry?.file_name().to_str().filter(|name| !name.ends_with(PARTIAL)).map(str::to_owned));
            }
            names.sort();
            Ok(names)
        };
        names().map_err(|error| failed("backups", &error))
    }

    /// The folder of a sandbox's database, made as needed.
    ///
    /// # Errors
    /// `Full`, `Io`.
    pub fn sandbox_folder(&self, id: &str) -> Result<Dir> {
        let place = self.sandbox(id).ok_or_else(|| StoreError::Io(format!("`{id}` is no sandbox's id")))?;
        let made = make_directories(&place).and_then(|()| Dir::open_ambient_dir(&place, ambient_authority()));
        made.map_err(|error| failed(id, &error))
    }
}

fn partial(id: &str) -> String {
    format!("{id}{PARTIAL}")
}

fn gone(folder: &Dir, name: &str) -> Result<()> {
    match folder.remove_dir_all(name) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(name, &error)),
        _ => sync(folder).map_err(|error| failed(name, &error)),
    }
}

/// Removes backups that were never whole.
pub(super) fn sweep_partial(backups: &Dir) -> io::Result<()> {
    for entry in backups.entries()? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.ends_with(PARTIAL)) {
            backups.remove_dir_all(name)?;
        }
    }
    Ok(())
}

/// A folder within another, for this user only; it may be there.
///
/// # Errors
/// `Full`, `Io`.
pub fn subfolder(parent: &Dir, name: &str) -> Result<Dir> {
    let mut private = DirBuilder::new();
    private.mode(PRIVATE_DIRECTORY);
    let made = match parent.create_dir_with(name, &private) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync(parent).and_then(|()| parent.open_dir(name)),
    };
    made.map_err(|error| failed(name, &error))
}

/// Reads a file to its end.
///
/// # Errors
/// `Missing`, `Io`.
pub fn digest(folder: &Dir, name: &str) -> Result<Digested> {
    through(folder, name, io::sink())
}

/// Copies a file to one that is not there yet, for this user only; returns when it is on the disk.
///
/// # Errors
/// `Missing`, `Full`, `Io`.
pub fn copy_file(from: &Dir, name: &str, to: &Dir, new_name: &str) -> Result<Digested> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(PRIVATE_FILE);
    let mut target = to.open_with(new_name, &options).map_err(|error| failed(new_name, &error))?;
    let copied = through(from, name, &mut target)?;
    target.sync_all().and_then(|()| sync(to)).map_err(|error| failed(new_name, &error))?;
    Ok(copied)
}

fn through(folder: &Dir, name: &str, mut to: impl Write) -> Result<Digested> {
    let mut file = match folder.open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(StoreError::Missing),
        Err(error) => return Err(failed(name, &error)),
    };
    let (mut context, mut bytes) = (Context::new(&SHA256), 0);
    let mut buffer = vec![0; 1 << 16];
    let mut copy = || -> io::Result<()> {
        loop {
            let read = match file.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { return Ok(()) };
            context.update(part);
            to.write_all(part)?;
            bytes += part.len() as u64;
        }
    };
    copy().map_err(|error| failed(name, &error))?;
    Ok(Digested { bytes, sha256: hex::encode(context.finish()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_has_its_name_when_it_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open(place.path()).unwrap();
        let folder = data.begin_backup("bak_1").unwrap();
        folder.write("a", [7; 100_000]).unwrap();
        assert_eq!(data.backup_names().unwrap(), Vec::<String>::new());
        data.finish_backup("bak_1").unwrap();
        data.begin_backup("bak_2").unwrap().write("half", "x").unwrap();
        let whole = data.backup("bak_1").unwrap().unwrap();
        let copied = copy_file(&whole, "a", &folder, "b").unwrap();
        assert_eq!((copied.bytes, &copied), (100_000, &digest(&whole, "b").unwrap()));
        assert_eq!(digest(&whole, "c"), Err(StoreError::Missing));
        assert!(copy_file(&whole, "a", &whole, "b").is_err(), "nothing is written over");
        drop(data);
        let data = DataDir::open(place.path()).unwrap();
        assert_eq!(data.backup_names().unwrap(), ["bak_1"]);
        assert!(!data.in_partial_backup("bak_2", "half").exists());
        data.remove_backup("bak_1").unwrap();
        assert!(data.backup("bak_1").unwrap().is_none());
    }
}
