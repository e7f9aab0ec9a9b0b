//! Copies of databases that are at work: each is whole, and of one moment.
//!
//! A copy is made by a connection of its own that reads one snapshot (`VACUUM INTO`). Nobody is kept from writing
//! meanwhile; the log only cannot start over before it ends. What was deleted is not in it.

use crate::database::{Database, connect};
use crate::failure::Outcome;
use crate::files;
use crate::migration::Schema;
use attiva_core::ports::store::{Result, StoreError};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Permissions, PermissionsExt};
use rusqlite::{Connection, OpenFlags};
use std::io;
use std::path::Path;

/// What a copied database says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The version of its schema.
    pub schema: u32,
    /// The newest sequence number in it: every change up to it is there, none beyond. 0: it has no sequence.
    pub sequence: u64,
}

impl Database {
    /// Writes the database, as it is at one moment, to a file that is not there yet, for this user only. Blocks until it
    /// is on the disk.
    ///
    /// # Errors
    /// `Full`; `Io` and `Unusable` where the file cannot be written. What was written of it is left there.
    pub(crate) fn copy_to(&self, target: &Path) -> Result<()> {
        let target_text = target.to_str().ok_or_else(|| StoreError::Io("a path that is no text".into()))?;
        let copied = connect(self.file(), OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|connection| {
            connection.execute("VACUUM INTO ?1", [target_text])?;
            Ok(())
        });
        copied.map_err(StoreError::from)?;
        keep(target).map_err(|error| files::failed(&target.display().to_string(), &error))
    }
}

/// SQLite leaves it to whoever wants it to last.
fn keep(file: &Path) -> io::Result<()> {
    let missing = || io::Error::new(io::ErrorKind::InvalidInput, "it is no file in a directory");
    let (above, name) = file.parent().zip(file.file_name()).ok_or_else(missing)?;
    let folder = Dir::open_ambient_dir(above, ambient_authority())?;
    folder.set_permissions(name, Permissions::from_mode(files::PRIVATE_FILE))?;
    folder.open(name)?.sync_all()?;
    files::sync(&folder)
}

/// Looks into a copy that nobody has open.
///
/// # Errors
/// `TooNew`; `Corrupt` for what is no database of this kind.
pub(crate) fn look(file: &Path, schema: &Schema, sequence: impl FnOnce(&Connection) -> Outcome<u64>) -> Result<Mark> {
    let read = || -> Outcome<Mark> {
        let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let version = schema.recognise(&connection)?;
        if version == 0 {
            return Err(StoreError::Corrupt("the database is empty".into()).into());
        }
        Ok(Mark { schema: version, sequence: sequence(&connection)? })
    };
    read().map_err(StoreError::from)
}
