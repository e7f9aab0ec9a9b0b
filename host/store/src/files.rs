//! The host's files beside its databases: a locked data directory, its folders opened once as capabilities, and files
//! that are replaced whole or not at all.

mod backups;
mod sandboxes;
mod search;

pub use backups::{Digested, copy_file, digest, subfolder};
pub use search::{Searched, search};

use crate::database::unusable;
use crate::lock::Lock;
use attiva_core::ports::store::{Result, StoreError};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Only the user that the host runs as may look in.
const PRIVATE_DIRECTORY: u32 = 0o700;
pub(crate) const PRIVATE_FILE: u32 = 0o600;

/// The data directory, locked for as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    plugins: Dir,
    aot: Dir,
    keys: Dir,
    spool: Dir,
    exports: Dir,
    backups: Dir,
    _lock: Lock,
}

impl DataDir {
    /// Opens the directory, making it (for this user only) and its folders as needed, and removes what a write that
    /// was cut short has left behind.
    ///
    /// # Errors
    /// `InUse` while another process has it, `Unusable` if it is no directory or can't be written, `Full`.
    pub fn open(path: &Path) -> Result<Self> {
        let explain = |error: io::Error| unusable(path, &error);
        make_root(path).map_err(explain)?;
        let root = Dir::open_ambient_dir(path, ambient_authority()).map_err(explain)?;
        let lock = Lock::take(lock_file(&root, "lock").map_err(explain)?)?;
        let folder = |name| folder(&root, name).map_err(explain);
        let data = Self {
            path: path.to_owned(),
            plugins: folder("plugins")?,
            aot: folder("aot")?,
            keys: folder("keys")?,
            spool: folder("spool")?,
            exports: folder("exports")?,
            backups: folder("backups")?,
            _lock: lock,
        };
        backups::sweep_partial(&data.backups).map_err(explain)?;
        sync(&root).map_err(explain)?;
        Ok(data)
    }

    /// Installed components, by digest.
    #[must_use]
    pub fn plugins(&self) -> &Dir {
        &self.plugins
    }

    /// Components compiled ahead of time. May be emptied at any time.
    #[must_use]
    pub fn aot(&self) -> &Dir {
        &self.aot
    }

    /// Keys of the host itself.
    #[must_use]
    pub fn keys(&self) -> &Dir {
        &self.keys
    }

    /// Vendors' files while they are read.
    #[must_use]
    pub fn spool(&self) -> &Dir {
        &self.spool
    }

    /// Files made for people to take away.
    #[must_use]
    pub fn exports(&self) -> &Dir {
        &self.exports
    }

    /// Where the control database lives: for `Control::open`. SQLite opens its files by path.
    #[must_use]
    pub fn control(&self) -> &Path {
        &self.path
    }

    /// Where a sandbox's database lives: for `Sandbox::open`. `None` if the id is not plain: letters, digits, `-` and
    /// `_`, at most 64 of them.
    #[must_use]
    pub fn sandbox(&self, id: &str) -> Option<PathBuf> {
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (plain && !id.is_empty() && id.len() <= 64).then(|| self.path.join("sandboxes").join(id))
    }
}

fn make_root(path: &Path) -> io::Result<()> {
    if path.exists() && !path.is_dir() {
        return Err(io::Error::new(ErrorKind::NotADirectory, "it is not a directory"));
    }
    make_directories(path)
}

/// Makes a directory and those above it, for this user only, and makes their names durable: a database is only as
/// lasting as the way to it.
pub(crate) fn make_directories(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let missing: Vec<&Path> =
        path.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).collect();
    std::fs::DirBuilder::new().recursive(true).mode(PRIVATE_DIRECTORY).create(path)?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync(&Dir::open_ambient_dir(above, ambient_authority())?)?;
    }
    Ok(())
}

pub(crate) fn lock_file(directory: &Dir, name: &str) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(PRIVATE_FILE);
    Ok(directory.open_with(name, &options)?.into_std())
}

fn folder(root: &Dir, name: &str) -> io::Result<Dir> {
    let mut private = DirBuilder::new();
    private.mode(PRIVATE_DIRECTORY);
    match root.create_dir_with(name, &private) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            root.set_permissions(name, Permissions::from_mode(PRIVATE_DIRECTORY))?;
        }
        Err(error) => return Err(error),
    }
    let folder = root.open_dir(name)?;
    sweep(&folder)?;
    Ok(folder)
}

/// What a half-written file is called until it is whole.
const UNFINISHED: &str = ".unfinished";

fn sweep(folder: &Dir) -> io::Result<()> {
    for entry in folder.entries()? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.ends_with(UNFINISHED)) {
            folder.remove_file(name)?;
        }
    }
    Ok(())
}

/// Writes a file so that whoever reads it, also after kill -9 or a power loss, finds the old content or the new one,
/// whole. Returns when it is on the disk. Only the host's user may read it.
///
/// # Errors
/// `Full`, or `Io` with the reason; the old content is there still. `Io` also for a name with a path in it.
pub fn write_atomic(folder: &Dir, name: &str, bytes: &[u8]) -> Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let unfinished = format!("{name}.{}{UNFINISHED}", NEXT.fetch_add(1, Ordering::Relaxed));
    let written = file_name(name)
        .and_then(|()| write_whole(folder, &unfinished, bytes))
        .and_then(|()| folder.rename(&unfinished, folder, name))
        .and_then(|()| sync(folder));
    written.map_err(|error| {
        // Gone already if it was renamed; swept at the next start if it can't be removed now.
        let _ = folder.remove_file(&unfinished);
        failed(name, &error)
    })
}

/// Reads a file; `None` if there is none.
///
/// # Errors
/// `Io` with the reason.
pub fn read(folder: &Dir, name: &str) -> Result<Option<Vec<u8>>> {
    match file_name(name).and_then(|()| folder.read(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(name, &error)),
    }
}

/// Names may come from outside. The folder can't be left in any case; this refuses other folders within it, and the
/// names that `sweep` removes.
fn file_name(name: &str) -> io::Result<()> {
    let plain = Path::new(name).file_name().is_some_and(|file| file == name);
    if plain && !name.ends_with(UNFINISHED) {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "it is not a plain file name"))
}

fn write_whole(folder: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(PRIVATE_FILE);
    let mut file = folder.open_with(name, &options)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes names durable: those made, replaced and removed in the directory.
pub(crate) fn sync(directory: &Dir) -> io::Result<()> {
    directory.open(".")?.sync_all()
}

pub(crate) fn failed(name: &str, error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Io(format!("file `{name}`: {error}")),
    }
}

/// Whether others than the host's user may read a file.
pub(crate) fn is_private(folder: &Dir, name: &str) -> Result<bool> {
    let mode = folder.metadata(name).map_err(|error| failed(name, &error))?.permissions().mode();
    Ok(mode & 0o077 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Dir) -> Vec<String> {
        let mut names: Vec<_> =
            folder.entries().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn one_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/data");
        let first = DataDir::open(&path).unwrap();
        assert_eq!(DataDir::open(&path).unwrap_err(), StoreError::InUse);
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn nobody_else_may_look_in() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("data");
        let data = DataDir::open(&path).unwrap();
        write_atomic(data.keys(), "k", b"secret").unwrap();
        drop(data);
        let mode = |of: &Path| std::fs::metadata(of).unwrap().permissions().mode() & 0o777;
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path.join("keys"), std::fs::Permissions::from_mode(0o755)).unwrap();
        DataDir::open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join("keys")), 0o700);
        assert_eq!(mode(&path.join("keys/k")), 0o600);
    }

    #[test]
    fn what_cannot_be_used_is_said_clearly() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap().write("file", "").unwrap();
        let reason = |path: &Path| match DataDir::open(path) {
            Err(StoreError::Unusable { path: named, reason }) => {
                assert_eq!(named, path.display().to_string());
                reason
            }
            other => panic!("expected it to be unusable, got {other:?}"),
        };
        assert_eq!(reason(&file), "it is not a directory");
        assert!(!reason(&file.join("below")).is_empty());
        #[cfg(target_os = "linux")]
        assert!(!reason(Path::new("/proc/attiva")).is_empty());
    }

    #[test]
    fn a_file_is_replaced_whole_and_leftovers_are_swept() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open(place.path()).unwrap();
        assert_eq!(read(data.exports(), "a.csv").unwrap(), None);
        write_atomic(data.exports(), "a.csv", b"one").unwrap();
        write_atomic(data.exports(), "a.csv", b"two").unwrap();
        assert_eq!(read(data.exports(), "a.csv").unwrap().unwrap(), b"two");
        assert_eq!(names(data.exports()), ["a.csv"]);
        data.exports().write("a.csv.7.unfinished", b"th").unwrap();
        drop(data);
        let data = DataDir::open(place.path()).unwrap();
        assert_eq!(names(data.exports()), ["a.csv"]);
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open(place.path()).unwrap();
        // A folder can't be replaced by a file.
        data.exports().create_dir("taken").unwrap();
        assert!(matches!(write_atomic(data.exports(), "taken", b"x"), Err(StoreError::Io(_))));
        assert_eq!(names(data.exports()), ["taken"]);
    }

    #[test]
    fn names_stay_in_their_folder() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open(place.path()).unwrap();
        for bad in ["", ".", "..", "../x", "a/b", "/etc/passwd", "x/", "x.unfinished"] {
            assert!(write_atomic(data.exports(), bad, b"x").is_err(), "{bad}");
            assert!(read(data.exports(), bad).is_err(), "{bad}");
        }
        for bad in ["", "..", "a/b", "a.b"] {
            assert_eq!(data.sandbox(bad), None, "{bad}");
        }
        assert!(data.sandbox("prod-1").unwrap().starts_with(place.path()));
    }
}
