//! Open tables of a sandbox, kept up: a cut every so often, and when somebody asks. One at a time; what a kill cuts short
//! is begun anew from the manifest there is, which is the cursor.

mod copy;
mod cut;
mod rows;

use crate::engine::{Engine, Inner};
use crate::policies;
use crate::projector::blocking;
use attiva_core::ports::store::StoreError;
use attiva_core::ports::tables::TableFolder;
use attiva_core::tables::{Manifest, TableCut, TableTimes, TablesBucket, behind_ms, next_at};
use attiva_core::{Fault, FaultKind, Millis};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Nothing is tried again sooner after a failure.
const PAUSE_MS: Millis = 60_000;

/// What the engine knows of the tables.
#[derive(Default)]
pub(crate) struct Tables {
    kept: OnceLock<Kept>,
    /// Held while a cut is taken.
    alone: tokio::sync::Mutex<()>,
    seen: Mutex<Seen>,
}

struct Kept {
    folder: Arc<dyn TableFolder>,
    times: TableTimes,
    started_at: Millis,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    /// When they were last held against the sandbox.
    looked_at: Option<Millis>,
    /// Why the last try failed, and when.
    fault: Option<(Fault, Millis)>,
    took_ms: Option<Millis>,
    /// The last looks found nothing that is not in this cut.
    checked: Option<TableCut>,
    /// What was last copied into the bucket since the start, and that into it.
    copied: Option<(TablesBucket, Manifest)>,
}

/// What a look at the sandbox did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TablesTaken {
    /// The manifest that holds now.
    pub manifest: u64,
    /// Files that were written anew; equal ones among them.
    pub files_written: u64,
    /// Older files that were removed.
    pub files_removed: u64,
    /// The same in the bucket, where tables go into one.
    pub objects_written: u64,
    pub objects_removed: u64,
    pub took_ms: Millis,
}

/// Where the tables stand.
#[derive(Debug, Clone, PartialEq)]
pub struct TablesState {
    /// `None`: none has been taken yet.
    pub newest: Option<Manifest>,
    /// How far they are behind the sandbox; 0 while nothing has changed since.
    pub behind_ms: Option<Millis>,
    pub times: TableTimes,
    pub next_at: Millis,
    pub took_ms: Option<Millis>,
    /// Why the last try failed.
    pub fault: Option<Fault>,
    /// `None`: they go into none.
    pub bucket: Option<BucketState>,
}

/// Where the copy in a bucket stands.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketState {
    pub bucket: TablesBucket,
    /// The manifest that holds there; `None`: not known since the start.
    pub manifest: Option<u64>,
    /// As for the folder.
    pub behind_ms: Option<Millis>,
}

impl Engine {
    /// Keeps tables up in a folder, from now on.
    pub fn keep_tables(&self, folder: Arc<dyn TableFolder>, times: TableTimes) -> Result<(), Fault> {
        let inner = Arc::clone(&self.inner);
        let started_at = inner.clock.now();
        inner.tables.lock().looked_at = folder.newest()?.map(|manifest| manifest.taken_at);
        if inner.tables.kept.set(Kept { folder, times, started_at }).is_ok() {
            self.inner.tasks.spawn(follow(inner));
        }
        Ok(())
    }

    /// Takes a cut now, after the one that may be under way.
    ///
    /// # Errors
    /// `tables.off` where none are kept; an error of the store or of the disk.
    pub async fn take_tables(&self) -> Result<TablesTaken, Fault> {
        let kept_ms = self.inner.tables.kept()?.times.kept_ms;
        self.tracked(false, kept_ms).await
    }

    /// Takes a cut of what is left after something was erased, and removes all that came before, in the bucket as well. `None`:
    /// no tables are kept.
    pub async fn forget_in_tables(&self) -> Result<Option<TablesTaken>, Fault> {
        if self.inner.tables.kept.get().is_some() {
            return self.tracked(true, 0).await.map(Some);
        }
        // None are kept any more; those in the bucket are from before.
        let Some(bucket) = policies::tables_bucket(self.inner.store.as_ref())? else { return Ok(None) };
        let objects_removed = self.leave_bucket(&bucket, async { Ok(()) }).await?;
        Ok(Some(TablesTaken { objects_removed, ..TablesTaken::default() }))
    }

    /// Looks into a bucket that tables are to go into.
    ///
    /// # Errors
    /// `tables.no-connection`, `tables.no-bucket`; what the bucket says.
    pub async fn check_bucket(&self, bucket: &TablesBucket) -> Result<String, Fault> {
        let objects = copy::opened(&self.inner, bucket)?;
        objects.list().await?;
        Ok(objects.location().to_owned())
    }

    /// Where a bucket's tables are.
    ///
    /// # Errors
    /// As [`Engine::check_bucket`]; the bucket is not asked.
    pub fn bucket_location(&self, bucket: &TablesBucket) -> Result<String, Fault> {
        Ok(copy::opened(&self.inner, bucket)?.location().to_owned())
    }

    /// Leaves no tables in a bucket, and has the setting be another before the next cut. Returns how many objects went.
    ///
    /// # Errors
    /// As [`Engine::check_bucket`], and then the setting is what it was; those of `set`.
    pub async fn leave_bucket(
        &self,
        bucket: &TablesBucket,
        set: impl Future<Output = Result<(), Fault>>,
    ) -> Result<u64, Fault> {
        let objects = copy::opened(&self.inner, bucket)?;
        let _alone = self.inner.tables.alone.lock().await;
        self.inner.tables.lock().copied = None;
        let removed = copy::clear(objects.as_ref()).await?;
        set.await?;
        Ok(removed)
    }

    /// Goes on where whoever asked does not wait any more: two cuts at once would be in each other's way.
    async fn tracked(&self, again: bool, kept_ms: Millis) -> Result<TablesTaken, Fault> {
        let inner = Arc::clone(&self.inner);
        let work = self.inner.tasks.spawn(async move { take(&inner, again, kept_ms).await });
        work.await.unwrap_or_else(|error| Err(Fault::new(FaultKind::Internal, "host.panic", error.to_string())))
    }

    /// # Errors
    /// `tables.off` where none are kept.
    pub fn tables(&self) -> Result<TablesState, Fault> {
        let inner = &self.inner;
        let Kept { folder, times, started_at } = inner.tables.kept()?;
        let (newest, current) = (folder.newest()?, current(inner)?);
        let seen = inner.tables.lock().clone();
        let behind = if seen.checked == Some(current) {
            Some(0)
        } else {
            behind_ms(newest.as_ref(), &current, inner.clock.now())
        };
        let now = inner.clock.now();
        let bucket = policies::tables_bucket(inner.store.as_ref())?.map(|bucket| {
            let copied = seen.copied.as_ref().filter(|(into, _)| *into == bucket).map(|(_, manifest)| manifest);
            // The look that found nothing new looked at both.
            let is_whole = copied.is_some() && copied.map(|it| it.number) == newest.as_ref().map(|it| it.number);
            let behind_ms = if is_whole { behind } else { behind_ms(copied, &current, now) };
            BucketState { manifest: copied.map(|manifest| manifest.number), behind_ms, bucket }
        });
        Ok(TablesState {
            bucket,
            behind_ms: newest.as_ref().and(behind),
            next_at: next_at(seen.looked_at, *started_at, times),
            newest,
            times: *times,
            took_ms: seen.took_ms,
            fault: seen.fault.map(|(fault, _)| fault),
        })
    }
}

impl Tables {
    fn kept(&self) -> Result<&Kept, Fault> {
        self.kept.get().ok_or_else(|| {
            let message = "no open tables are kept on this host";
            Fault::new(FaultKind::Config, "tables.off", message)
                .action("Have the operator set `tables.every_seconds` to more than 0.")
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far the sandbox is.
fn current(inner: &Inner) -> Result<TableCut, Fault> {
    let mut cut = TableCut::default();
    inner.store.at_one_moment(&mut |moment| {
        cut = moment.cut()?;
        Ok(())
    })?;
    Ok(cut)
}

async fn follow(inner: Arc<Inner>) {
    let never = CancellationToken::new();
    while let Ok(Kept { times, started_at, .. }) = inner.tables.kept() {
        let due = {
            let seen = inner.tables.lock();
            let again = seen.fault.as_ref().map(|(_, at)| at.saturating_add(PAUSE_MS));
            next_at(seen.looked_at, *started_at, times).max(again.unwrap_or(Millis::MIN))
        };
        if inner.clock.now() < due {
            if !inner.wait_until(due, &never).await {
                return;
            }
            // Somebody may have asked meanwhile.
            continue;
        }
        let kept_ms = times.kept_ms;
        if inner.stop.is_cancelled() {
            return;
        }
        if let Err(fault) = take(&inner, false, kept_ms).await {
            tracing::error!(%fault, "open tables could not be taken; it is tried again");
        }
    }
}

async fn take(inner: &Arc<Inner>, again: bool, kept_ms: Millis) -> Result<TablesTaken, Fault> {
    let kept = inner.tables.kept()?;
    let _alone = inner.tables.alone.lock().await;
    let began = inner.clock.now();
    let bucket = policies::tables_bucket(inner.store.as_ref())?;
    if again && bucket.is_none() && kept.folder.newest()?.is_none() {
        // Nothing was ever told to anybody.
        return Ok(TablesTaken::default());
    }
    // What mappings and the model are at the moment is known once it has begun.
    let publishing = inner.publishing.read().await;
    let (tell, begun) = oneshot::channel();
    let (of, folder) = (Arc::clone(inner), Arc::clone(&kept.folder));
    let work = tokio::spawn(blocking(move || cut::take(&of, folder.as_ref(), again, tell)));
    // Where it failed before, nobody tells.
    let _ = begun.await;
    drop(publishing);
    let taken =
        work.await.unwrap_or_else(|error| Err(Fault::new(FaultKind::Internal, "host.panic", error.to_string())));
    let taken = match taken {
        Ok(taken) => finish(inner, kept, taken, bucket, kept_ms).await,
        Err(fault) => Err(fault),
    };
    let now = inner.clock.now();
    let mut seen = inner.tables.lock();
    match taken {
        Ok(done) => {
            let took_ms = now.saturating_sub(began);
            (seen.fault, seen.took_ms) = (None, Some(took_ms));
            tracing::debug!(manifest = done.manifest, files = done.files_written, took_ms, "open tables were taken");
            Ok(TablesTaken { took_ms, ..done })
        }
        Err(fault) => {
            seen.fault = Some((fault.clone(), now));
            Err(fault)
        }
    }
}

/// A cut was taken: what came before it goes, and a bucket is brought up to it.
async fn finish(
    inner: &Arc<Inner>,
    kept: &Kept,
    taken: cut::Taken,
    bucket: Option<TablesBucket>,
    kept_ms: Millis,
) -> Result<TablesTaken, Fault> {
    let (of, folder) = (Arc::clone(inner), Arc::clone(&kept.folder));
    let tidied = blocking(move || Ok(folder.tidy(of.clock.now(), kept_ms)?)).await?;
    inner.tables.lock().checked = Some(taken.cut);
    let mut done = TablesTaken {
        manifest: taken.manifest,
        files_written: taken.files,
        files_removed: tidied.files,
        ..TablesTaken::default()
    };
    if let Some(bucket) = bucket {
        let objects = copy::opened(inner, &bucket)?;
        let newest = kept.folder.newest()?;
        if let Some(newest) = &newest {
            let copied = copy::copy(inner, &kept.folder, objects.as_ref(), newest, kept_ms).await?;
            (done.objects_written, done.objects_removed) = (copied.written, copied.removed);
        }
        inner.tables.lock().copied = newest.map(|newest| (bucket, newest));
    }
    // Only now: what failed on the way is tried again soon.
    inner.tables.lock().looked_at = Some(taken.at);
    Ok(done)
}

/// The engine stops: what was written counts for nothing, and is removed at the next start.
fn stopping() -> StoreError {
    StoreError::Closed
}
