//! Open tables of sandboxes: where they stand, and how far they are behind.

use super::keys::Caller;
use super::refusal::Result;
use super::sandbox::Sandbox;
use attiva_core::tables::TableTimes;
use attiva_store::DataDir;
use attiva_sync::{Engine, TablesState, TablesTaken};
use attiva_tables::Folder;
use serde_json::json;
use std::sync::Arc;

/// What a monitor asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFigures {
    /// `None`: none has been taken yet.
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

    /// `None`: no tables are kept.
    pub(super) fn table_figures(&self) -> Option<TableFigures> {
        let state = self.engine.tables().ok()?;
        let files = state.newest.iter().flat_map(|newest| &newest.tables).flat_map(|table| &table.files);
        let (files, bytes) = files.fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.bytes));
        Some(TableFigures { behind_ms: state.behind_ms, files, bytes, has_failed: state.fault.is_some() })
    }
}
