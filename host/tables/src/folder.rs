//! The folder of one sandbox's tables:
//!
//! - `manifest.json`: the newest manifest. That it is replaced is what makes a cut count;
//! - `open.sql`: the script that opens it in DuckDB;
//! - `manifests/<number>.json`: this one and those before it that somebody may still be reading;
//! - `data/<table>/<part>-<digest>.parquet`;
//! - `unfinished/`: what is being written. Emptied when the folder is opened.

use crate::writer::PartWriter;
use attiva_core::Millis;
use attiva_core::ports::store::{Result, StoreError};
use attiva_core::ports::tables::{TableFolder, TableWriter, Tidied};
use attiva_core::tables::{MANIFEST, Manifest, SCRIPT, TableLayout, manifest_name, superseded};
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use parquet::errors::ParquetError;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Digits of the digest in a file's name.
const NAME_DIGITS: usize = 16;

/// A folder, opened once.
pub struct Folder {
    opened: Arc<Opened>,
}

struct Opened {
    root: Dir,
    data: Dir,
    manifests: Dir,
    unfinished: Dir,
    next: AtomicU64,
}

impl Folder {
    /// Makes what is missing, and removes what a kill has left: files that are not whole, and whole ones that no manifest
    /// came to name.
    ///
    /// # Errors
    /// `Full`, or `Io` with the reason.
    pub fn open(root: Dir) -> Result<Self> {
        let sub = |name: &str| sub(&root, name).map_err(|error| failed(name, &error));
        let (data, manifests, unfinished) = (sub("data")?, sub("manifests")?, sub("unfinished")?);
        let folder = Self { opened: Arc::new(Opened { root, data, manifests, unfinished, next: AtomicU64::new(0) }) };
        folder.sweep()?;
        Ok(folder)
    }

    fn sweep(&self) -> Result<()> {
        let opened = &self.opened;
        for name in names(&opened.unfinished).map_err(|error| failed("unfinished", &error))? {
            gone(opened.unfinished.remove_file(&name)).map_err(|error| failed(&name, &error))?;
        }
        opened.forget_unnamed()?;
        Ok(())
    }
}

impl TableFolder for Folder {
    fn newest(&self) -> Result<Option<Manifest>> {
        self.opened.manifest(&self.opened.root, MANIFEST)
    }

    fn begin(&self, layout: &TableLayout, part: i64) -> Box<dyn TableWriter> {
        let number = self.opened.next.fetch_add(1, Ordering::Relaxed);
        let place = Place { opened: Arc::clone(&self.opened), name: format!("{number}.parquet") };
        Box::new(PartWriter::new(place, layout, part))
    }

    fn publish(&self, manifest: &Manifest, script: &str) -> Result<()> {
        let opened = &self.opened;
        let text = serde_json::to_vec_pretty(manifest).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        opened.write(&opened.manifests, &manifest_name(manifest.number), &text)?;
        opened.write(&opened.root, SCRIPT, script.as_bytes())?;
        opened.write(&opened.root, MANIFEST, &text)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.opened.root.read(path).map_err(|error| failed(path, &error))
    }

    fn tidy(&self, now: Millis, kept_ms: Millis) -> Result<Tidied> {
        let opened = &self.opened;
        let mut all: Vec<(u64, Millis)> = opened.manifests()?.iter().map(|m| (m.number, m.taken_at)).collect();
        all.sort_unstable();
        let over = superseded(&all, now, kept_ms);
        for number in &over {
            let name = manifest_name(*number);
            gone(opened.manifests.remove_file(&name)).map_err(|error| failed(&name, &error))?;
        }
        let files = opened.forget_unnamed()?;
        Ok(Tidied { manifests: over.len() as u64, files })
    }
}

impl Opened {
    /// Older manifests that somebody may be reading; one that cannot be read is nobody's.
    fn manifests(&self) -> Result<Vec<Manifest>> {
        let mut all = Vec::new();
        for name in names(&self.manifests).map_err(|error| failed("manifests", &error))? {
            match self.manifest(&self.manifests, &name)? {
                Some(manifest) if manifest_name(manifest.number) == name => all.push(manifest),
                _ => gone(self.manifests.remove_file(&name)).map_err(|error| failed(&name, &error))?,
            }
        }
        Ok(all)
    }

    fn manifest(&self, folder: &Dir, name: &str) -> Result<Option<Manifest>> {
        let bytes = match folder.read(name) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(name, &error)),
        };
        match serde_json::from_slice(&bytes) {
            Ok(manifest) => Ok(Some(manifest)),
            // Whatever wrote it, the tables can be made again.
            Err(error) => {
                tracing::warn!(name, %error, "a manifest of tables cannot be read, and is passed over");
                Ok(None)
            }
        }
    }

    /// Removes files that neither the newest manifest nor one that is kept names. Returns how many.
    fn forget_unnamed(&self) -> Result<u64> {
        let newest = self.manifest(&self.root, MANIFEST)?;
        let mut kept = self.manifests()?;
        // One that never became the newest: a kill came between. Its files are as good as others of the same name.
        if let Some(newest) = &newest {
            kept.retain(|manifest| manifest.number <= newest.number);
        } else {
            kept.clear();
        }
        let named: BTreeSet<&str> = kept.iter().chain(&newest).flat_map(Manifest::paths).collect();
        let mut removed = 0;
        for table in names(&self.data).map_err(|error| failed("data", &error))? {
            let folder = self.data.open_dir(&table).map_err(|error| failed(&table, &error))?;
            for name in names(&folder).map_err(|error| failed(&table, &error))? {
                if !named.contains(path(&table, &name).as_str()) {
                    gone(folder.remove_file(&name)).map_err(|error| failed(&name, &error))?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    /// The old content or the new one, whole, is found also after a kill.
    fn write(&self, folder: &Dir, name: &str, bytes: &[u8]) -> Result<()> {
        let unfinished = format!("{}.json", self.next.fetch_add(1, Ordering::Relaxed));
        let written = create(&self.unfinished, &unfinished)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| self.unfinished.rename(&unfinished, folder, name))
            .and_then(|()| sync(folder));
        written.map_err(|error| failed(name, &error))
    }
}

/// Where one file is written.
pub(crate) struct Place {
    opened: Arc<Opened>,
    name: String,
}

impl Place {
    pub(crate) fn unfinished(&self) -> io::Result<File> {
        create(&self.opened.unfinished, &self.name)
    }

    /// Gives a whole file the name of what is in it; one that is there already holds the same.
    pub(crate) fn finished(&self, file: &File, table: &str, part: i64, sha256: &str) -> Result<String> {
        let name = format!("{part}-{}.parquet", sha256.get(..NAME_DIGITS).unwrap_or(sha256));
        let moved = file.sync_all().and_then(|()| {
            let folder = sub(&self.opened.data, table)?;
            self.opened.unfinished.rename(&self.name, &folder, &name)?;
            sync(&folder)
        });
        moved.map_err(|error| failed(&name, &error))?;
        Ok(path(table, &name))
    }

    pub(crate) fn given_up(&self) {
        // Mostly it was finished, and is not there.
        let _ = self.opened.unfinished.remove_file(&self.name);
    }
}

fn path(table: &str, name: &str) -> String {
    format!("data/{table}/{name}")
}

fn create(folder: &Dir, name: &str) -> io::Result<File> {
    const PRIVATE_FILE: u32 = 0o600;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(PRIVATE_FILE);
    Ok(folder.open_with(name, &options)?.into_std())
}

fn sub(root: &Dir, name: &str) -> io::Result<Dir> {
    const PRIVATE_DIRECTORY: u32 = 0o700;
    let mut private = DirBuilder::new();
    private.mode(PRIVATE_DIRECTORY);
    match root.create_dir_with(name, &private) {
        Ok(()) => sync(root)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    root.open_dir(name)
}

fn names(folder: &Dir) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.entries()? {
        // Ours are plain text; what somebody else has put there is left alone.
        names.extend(entry?.file_name().to_str().map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(folder: &Dir) -> io::Result<()> {
    folder.open(".")?.sync_all()
}

pub(crate) fn failed(name: &str, error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Io(format!("tables: `{name}`: {error}")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn broken(error: ParquetError) -> StoreError {
    match &error {
        ParquetError::External(source) => match source.downcast_ref::<io::Error>() {
            Some(error) => failed("data", error),
            None => StoreError::Io(format!("tables: {error}")),
        },
        _ => StoreError::Io(format!("tables: {error}")),
    }
}
