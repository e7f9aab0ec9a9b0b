//! Open tables of sandboxes: where they stand, and how far they are behind.

use super::connections::same_version;
use super::keys::Caller;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::{Sandbox, Versioned};
use attiva_core::Fault;
use attiva_core::id::ConnectionId;
use attiva_core::ports::store::{Expect, Kind};
use attiva_core::tables::{TableTimes, TablesBucket};
use attiva_store::DataDir;
use attiva_sync::policies::{self, TABLES_BUCKET};
use attiva_sync::{Engine, TablesState, TablesTaken};
use attiva_tables::Folder;
use serde_json::json;
use std::sync::Arc;

/// What a monitor asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFigures {
    /// Of the folder and the bucket that which is further behind. `None`: none has been taken yet.
    pub behind_ms: Option<i64>,
    pub files: u64,
    pub bytes: u64,
    /// The last try failed.
    pub has_failed: bool,
}

/// Has an engine keep the tables of its sandbox; where none are to be kept, those from before go.
pub(super) fn keep(engine: &Engine, data: &DataDir, id: &str, times: Option<TableTimes>) -> Result<()> {
    match times {
        Some(times) => Ok(engine.keep_tables(Arc::new(Folder::open(data.tables(id)?)?), times)?),
        None => Ok(data.remove_tables(id)?),
    }
}

impl Sandbox {
    /// # Errors
    /// `tables.off`.
    pub fn tables(&self) -> Result<TablesState> {
        Ok(self.engine.tables()?)
    }

    /// Where the tables are, below the host's data directory.
    #[must_use]
    pub fn tables_folder(&self) -> String {
        format!("sandboxes/{}/tables", self.entry.id())
    }

    /// # Errors
    /// `tables.off`; an error of the store or of the disk.
    pub async fn take_tables(&self, caller: &Caller) -> Result<TablesTaken> {
        let taken = self.engine.take_tables().await?;
        self.tell(caller, "tables.taken", "tables", json!({ "manifest": taken.manifest })).await?;
        Ok(taken)
    }

    /// Where the tables go beside the host's disk.
    ///
    /// # Errors
    /// `tables-bucket.missing`: nowhere.
    pub fn tables_bucket(&self) -> Result<Versioned<TablesBucket>> {
        self.get(Kind::TablesBucket, "tables-bucket", TABLES_BUCKET)
    }

    /// What stands before the names of a bucket's tables: `s3://bucket/prefix/`. Empty where that can't be told any more.
    #[must_use]
    pub fn bucket_location(&self, bucket: &TablesBucket) -> String {
        self.engine.bucket_location(bucket).unwrap_or_default()
    }

    /// Has tables go into a bucket from the next cut on, once it was looked into. Those in the bucket from before go.
    ///
    /// # Errors
    /// `request.invalid` with the field at fault; `tables.off`, `tables.no-bucket`, `tables.prefix`; what the bucket says,
    /// the one from before as well; `store.version-mismatch`.
    pub async fn put_tables_bucket(
        &self,
        caller: &Caller,
        bucket: TablesBucket,
        expect: Expect,
    ) -> Result<Versioned<TablesBucket>> {
        // A connection that is named can't be removed.
        let _alone = self.connections_change.lock().await;
        let mut fields = Vec::new();
        fields.extend(bucket.problem().map(|problem| FieldProblem::new("/prefix", problem)));
        if self.store.document(Kind::Connection, bucket.connection.as_str())?.is_none() {
            let problem = format!("there is no connection {}", bucket.connection);
            fields.push(FieldProblem::new("/connection", problem));
        }
        if !fields.is_empty() {
            return Err(Refusal::invalid("request.invalid", "tables can't go there", fields));
        }
        self.engine.tables()?;
        let before = self.find::<TablesBucket>(Kind::TablesBucket, TABLES_BUCKET)?;
        let version = before.as_ref().map_or(0, |found| found.version);
        if let Expect::Version(seen) = expect {
            same_version(seen, version)?;
        }
        let location = self.engine.check_bucket(&bucket).await?;
        let expect = if version == 0 { Expect::Absent } else { Expect::Version(version) };
        let set = async { self.put(Kind::TablesBucket, TABLES_BUCKET, &bucket, expect).await.map_err(|r| r.fault) };
        let version = match before {
            Some(before) if before.value != bucket => {
                let mut version = 0;
                let set = async {
                    version = set.await?;
                    Ok::<(), Fault>(())
                };
                self.engine.leave_bucket(&before.value, set).await?;
                version
            }
            _ => set.await?,
        };
        self.tell(caller, "tables.bucket-set", "tables", json!({ "location": location })).await?;
        Ok(Versioned { value: bucket, version })
    }

    /// Has tables go into no bucket any more; those that are there go.
    ///
    /// # Errors
    /// `tables-bucket.missing`; `store.version-mismatch`; what the bucket says, and then all is as before.
    pub async fn remove_tables_bucket(&self, caller: &Caller, expect: Expect) -> Result<()> {
        let _alone = self.connections_change.lock().await;
        let Versioned { value: bucket, version } = self.tables_bucket()?;
        if let Expect::Version(seen) = expect {
            same_version(seen, version)?;
        }
        let forget = async {
            let gone = self.store.delete_document(Kind::TablesBucket, TABLES_BUCKET, Expect::Version(version)).await;
            gone.map_err(Fault::from)
        };
        let objects = self.engine.leave_bucket(&bucket, forget).await?;
        self.tell(caller, "tables.bucket-removed", "tables", json!({ "objects": objects })).await
    }

    /// # Errors
    /// `connection.in-use`: tables go through it.
    pub(super) fn no_tables_go_through(&self, connection: &ConnectionId) -> Result<()> {
        match policies::tables_bucket(self.store.as_ref())? {
            Some(bucket) if bucket.connection == *connection => {
                Err(super::connections::in_use(connection, "the bucket of open tables"))
            }
            _ => Ok(()),
        }
    }

    /// `None`: no tables are kept.
    pub(super) fn table_figures(&self) -> Option<TableFigures> {
        let state = self.engine.tables().ok()?;
        let files = state.newest.iter().flat_map(|newest| &newest.tables).flat_map(|table| &table.files);
        let (files, bytes) = files.fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.bytes));
        let behind_ms = match &state.bucket {
            Some(bucket) => state.behind_ms.max(bucket.behind_ms),
            None => state.behind_ms,
        };
        Some(TableFigures { behind_ms, files, bytes, has_failed: state.fault.is_some() })
    }
}
