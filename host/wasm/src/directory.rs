//! Files the host keeps: written whole or not at all, and durable when written.

use cap_std::fs::{Dir, OpenOptions};
use std::io::{self, Write};

/// Replaces a file atomically and durably.
pub(crate) fn replace(dir: &Dir, name: &str, contents: &[u8]) -> io::Result<()> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let temporary = format!("{name}.{}.tmp", hex::encode(random));
    let written = write_new(dir, &temporary, contents).and_then(|()| dir.rename(&temporary, dir, name));
    if let Err(error) = written {
        // Nothing is left behind; if even that fails, the first error is the one to tell.
        let _ = dir.remove_file(&temporary);
        return Err(error);
    }
    sync(dir)
}

fn write_new(dir: &Dir, name: &str, contents: &[u8]) -> io::Result<()> {
    let mut file = dir.open_with(name, OpenOptions::new().write(true).create_new(true))?;
    file.write_all(contents)?;
    file.sync_all()
}

/// Makes renames and removals in a directory durable.
pub(crate) fn sync(dir: &Dir) -> io::Result<()> {
    // The directory's own handle may be one that only names it; this one can be synced.
    dir.open(".")?.sync_all()
}

/// A file's contents, or `None` if there is none.
pub(crate) fn read(dir: &Dir, name: &str) -> io::Result<Option<Vec<u8>>> {
    match dir.read(name) {
        Ok(contents) => Ok(Some(contents)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
