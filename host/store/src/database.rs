//! One SQLite file: a writer thread, a checkpoint thread, a few readers, and a lock that keeps other processes out.

use crate::checkpoint::{self, Pressure};
use crate::failure::Outcome;
use crate::files;
use crate::lock::Lock;
use crate::migration::Schema;
use crate::readers::Readers;
use crate::writer::{self, Request, Work};
use attiva_core::ports::store::{Result, StoreError};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// How much a database may use. The defaults fit a small host: a few megabytes while idle.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections that read at the same time; further readers wait.
    pub readers_max: usize,
    /// Page cache of the writer, in KiB. Filled only as it is needed.
    pub writer_cache_kib: u32,
    /// Page cache of each reader, in KiB.
    pub reader_cache_kib: u32,
    /// How much of the file is mapped into memory. 0: none; pages then come from the system's cache by a call each.
    pub mmap_bytes: u64,
    /// Requests that may wait for the writer; further ones wait to be let in.
    pub queue_max: usize,
    /// What becomes of the file after so many writes, for tests. `None`: nothing.
    pub death: Option<Death>,
    /// The file never grows beyond this many pages of 4 KiB; then it is as if the disk were full. `None`: no such limit.
    pub pages_max: Option<u32>,
}

/// As if the process were killed at a write: whoever asked for it is not answered, and nothing comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// Counted from 1, from the opening on.
    pub at_write: u64,
    /// Whether this write is in the file.
    pub kept: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers_max: 4,
            writer_cache_kib: 16 * 1024,
            reader_cache_kib: 2 * 1024,
            mmap_bytes: 0,
            queue_max: 256,
            death: None,
            pages_max: None,
        }
    }
}

pub(crate) struct Database {
    file: PathBuf,
    /// `None` while closing.
    requests: Option<mpsc::Sender<Box<dyn Request>>>,
    readers: Option<Readers>,
    threads: Vec<JoinHandle<()>>,
    death: Option<Death>,
    writes: AtomicU64,
    /// Last, so that it is let go after all else.
    _lock: Lock,
}

impl Database {
    /// Opens `<directory>/<name>.db`, making both as needed, and brings it up to date.
    pub(crate) fn open(directory: &Path, name: &str, schema: &Schema, options: &Options) -> Result<Self> {
        files::make_directories(directory).map_err(|error| unusable(directory, &error))?;
        let lock = lock(directory, name)?;
        let file = directory.join(format!("{name}.db"));
        let opened = Self::start(&file, schema, options);
        let (requests, readers, threads) = opened.map_err(StoreError::from)?;
        let (death, writes) = (options.death, AtomicU64::new(0));
        Ok(Self { file, requests: Some(requests), readers: Some(readers), threads, death, writes, _lock: lock })
    }

    fn start(
        file: &Path,
        schema: &Schema,
        options: &Options,
    ) -> Outcome<(mpsc::Sender<Box<dyn Request>>, Readers, Vec<JoinHandle<()>>)> {
        let mut writing = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        schema.recognise(&writing)?;
        prepare_writer(&writing, options)?;
        schema.migrate(&mut writing)?;
        let told = checkpoint::watch(&mut writing)?;
        let copying = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let pressure = Arc::new(Pressure::default());
        let (requests, waiting) = mpsc::channel(options.queue_max.max(1));
        let threads = vec![
            spawn("store-writer", {
                let pressure = Arc::clone(&pressure);
                move || writer::run(&writing, waiting, &pressure)
            })?,
            spawn("store-checkpoint", move || checkpoint::run(&copying, &told, &pressure))?,
        ];
        Ok((requests, readers(file.to_owned(), options.clone()), threads))
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Runs `read` in one snapshot.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
        if self.death.is_some_and(|death| self.writes.load(Ordering::SeqCst) >= death.at_write) {
            return Err(StoreError::Closed);
        }
        self.readers.as_ref().ok_or(StoreError::Closed)?.read(read)
    }

    /// Runs `work` in a transaction of the writer; answers when it is durable. Dropping the future does not undo
    /// what was already handed over.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        let dies = match self.death {
            None => false,
            Some(death) => {
                let write = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
                if write > death.at_write || (write == death.at_write && !death.kept) {
                    return Err(StoreError::Closed);
                }
                write == death.at_write
            }
        };
        let (request, answer) = Work::new(work);
        let requests = self.requests.as_ref().ok_or(StoreError::Closed)?;
        requests.send(request).await.map_err(|_| StoreError::Closed)?;
        let answer = answer.await.unwrap_or(Err(StoreError::Closed));
        if dies { Err(StoreError::Closed) } else { answer }
    }

    /// Runs `work` outside of any transaction, between those of the writer.
    async fn between<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        let (request, answer) = Work::alone(work);
        let requests = self.requests.as_ref().ok_or(StoreError::Closed)?;
        requests.send(request).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Copies the whole log into the file, and cuts it off; false while a reader needs some of it. What was deleted is
    /// then in neither, as far as SQLite overwrites what it frees.
    pub(crate) async fn empty_log(&self) -> Result<bool> {
        self.between(|connection| {
            let (busy, ..): (i64, i64, i64) = connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            overwrite_freed(connection)?;
            Ok(busy == 0)
        })
        .await
    }

    /// Writes the file anew: nothing is left in gaps of its pages, where SQLite may leave copies of what it moved.
    pub(crate) async fn rewrite(&self) -> Result<()> {
        self.between(|connection| {
            // The copy may be as large as the file, so it is not made in memory.
            connection.pragma_update(None, "temp_store", "FILE")?;
            let done = connection.execute_batch("VACUUM");
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            Ok(done?)
        })
        .await
    }
}

impl Drop for Database {
    /// Finishes what was handed over, and closes the file before the lock goes.
    fn drop(&mut self) {
        self.requests = None;
        self.readers = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }
}

fn lock(directory: &Path, name: &str) -> Result<Lock> {
    let file = Dir::open_ambient_dir(directory, ambient_authority())
        .and_then(|opened| files::lock_file(&opened, &format!("{name}.lock")));
    Lock::take(file.map_err(|error| unusable(directory, &error))?)
}

pub(crate) fn unusable(directory: &Path, error: &std::io::Error) -> StoreError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return StoreError::Full;
    }
    StoreError::Unusable { path: directory.display().to_string(), reason: error.to_string() }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Outcome<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.map_err(|error| StoreError::Io(format!("starting a thread: {error}")).into())
}

pub(crate) fn connect(file: &Path, access: OpenFlags) -> Outcome<Connection> {
    // Each connection stays with one thread at a time, so SQLite need not lock it.
    let connection = Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(96);
    // A plan depends on the statement alone. Else SQLite looks at bound values too, and prepares many a statement again
    // each time it is used, which takes several times as long as running it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn prepare_writer(connection: &Connection, options: &Options) -> Outcome<()> {
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    overwrite_freed(connection)?;
    cache(connection, options.writer_cache_kib, options)?;
    if let Some(pages) = options.pages_max {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

/// What is freed within a page is overwritten with zeros, which costs no write more; an erasure has whole pages that are
/// given up overwritten too.
fn overwrite_freed(connection: &Connection) -> Outcome<()> {
    Ok(connection.pragma_update(None, "secure_delete", "FAST")?)
}

fn readers(file: PathBuf, options: Options) -> Readers {
    let max = options.readers_max;
    Readers::new(
        max,
        Box::new(move || {
            let connection = connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            connection.pragma_update(None, "query_only", true)?;
            cache(&connection, options.reader_cache_kib, &options)?;
            Ok(connection)
        }),
    )
}

fn cache(connection: &Connection, kib: u32, options: &Options) -> Outcome<()> {
    // SQLite reads a negative size as KiB.
    connection.pragma_update(None, "cache_size", -i64::from(kib))?;
    connection.pragma_update(None, "mmap_size", i64::try_from(options.mmap_bytes).unwrap_or(i64::MAX))?;
    Ok(())
}
