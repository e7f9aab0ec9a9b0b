//! What a sandbox takes on the disk, and giving it back.

use super::{DataDir, failed, folder, make_directories, sync};
use attiva_core::ports::store::{Result, StoreError};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt};
use std::io::{self, ErrorKind};

/// Within a sandbox's folder.
const TABLES: &str = "tables";

impl DataDir {
    /// Removes a sandbox's database and its spools, whatever is left of them; returns when that is durable. Nobody may
    /// have the database open.
    ///
    /// # Errors
    /// `Io` with the reason; what is gone already stays gone.
    pub fn remove_sandbox(&self, id: &str) -> Result<()> {
        if self.sandbox(id).is_none() {
            return Err(StoreError::Io(format!("`{id}` is no sandbox's id")));
        }
        let gone = |folder: &Dir| match folder.remove_dir_all(id) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => sync(folder),
        };
        let root = Dir::open_ambient_dir(&self.path, ambient_authority());
        let database = match root.and_then(|root| root.open_dir("sandboxes")) {
            Ok(sandboxes) => gone(&sandboxes),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        database.and_then(|()| gone(&self.spool)).map_err(|error| failed(id, &error))
    }

    /// The folder of a sandbox's open tables, made as needed.
    ///
    /// # Errors
    /// `Full`, or `Io` with the reason.
    pub fn tables(&self, id: &str) -> Result<Dir> {
        let place = self.sandbox(id).ok_or_else(|| StoreError::Io(format!("`{id}` is no sandbox's id")))?;
        let opened = make_directories(&place).and_then(|()| Dir::open_ambient_dir(place, ambient_authority()));
        opened.and_then(|place| folder(&place, TABLES)).map_err(|error| failed(TABLES, &error))
    }

    /// Removes a sandbox's open tables, if there are any.
    ///
    /// # Errors
    /// `Io` with the reason; what is gone already stays gone.
    pub fn remove_tables(&self, id: &str) -> Result<()> {
        let place = self.sandbox(id).ok_or_else(|| StoreError::Io(format!("`{id}` is no sandbox's id")))?;
        let removed = Dir::open_ambient_dir(place, ambient_authority()).and_then(|place| {
            place.remove_dir_all(TABLES)?;
            sync(&place)
        });
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(TABLES, &error)),
            _ => Ok(()),
        }
    }

    /// Bytes that are left on the disk for this user; `None` where the system does not tell.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        let found = rustix::fs::fstatvfs(&self.spool).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Bytes that a sandbox takes on the disk: its database and its spools. Blocks are counted, so that what is sparse
    /// or shared is not overrated.
    pub fn sandbox_bytes(&self, id: &str) -> Result<u64> {
        let place = self.sandbox(id).ok_or_else(|| StoreError::Io(format!("`{id}` is no sandbox's id")))?;
        let bytes = |folder: io::Result<Dir>| match folder.and_then(|folder| bytes_in(&folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            other => other.map_err(|error| failed(id, &error)),
        };
        Ok(bytes(Dir::open_ambient_dir(place, ambient_authority()))? + bytes(self.spool.open_dir(id))?)
    }
}

fn bytes_in(folder: &Dir) -> io::Result<u64> {
    const BLOCK_BYTES: u64 = 512;
    let mut bytes = 0;
    for entry in folder.entries()? {
        let entry = entry?;
        // What goes away while it is counted takes no room.
        let found = match entry.metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            found => found?,
        };
        bytes += found.blocks() * BLOCK_BYTES;
        if found.is_dir() {
            bytes += match entry.open_dir().and_then(|folder| bytes_in(&folder)) {
                Err(error) if error.kind() == ErrorKind::NotFound => 0,
                bytes => bytes?,
            };
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_is_counted_and_removed_with_all_that_is_in_it() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open(place.path()).unwrap();
        assert_eq!(data.sandbox_bytes("one").unwrap(), 0);
        data.remove_sandbox("one").unwrap();
        for id in ["one", "one-two"] {
            let database = data.sandbox(id).unwrap();
            make_directories(&database).unwrap();
            std::fs::write(database.join("store.db"), [7; 100_000]).unwrap();
            let spool = folder(data.spool(), id).and_then(|spool| folder(&spool, "con_1-x")).unwrap();
            spool.write("file", [7; 50_000]).unwrap();
        }
        let bytes = data.sandbox_bytes("one").unwrap();
        assert!((150_000..300_000).contains(&bytes), "{bytes}");
        data.remove_sandbox("one").unwrap();
        assert_eq!(data.sandbox_bytes("one").unwrap(), 0);
        assert_eq!(data.sandbox_bytes("one-two").unwrap(), bytes);
        assert!(data.spool().open_dir("one").is_err());
        assert!(data.remove_sandbox("..").is_err());
        assert!(data.free_bytes().unwrap() > 0);
    }
}
