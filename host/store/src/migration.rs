//! The steps from an empty file to the schema of today. Forward only: a step that was released is never edited, and a
//! file from a newer version is refused rather than guessed at.

use crate::failure::Outcome;
use attiva_core::ports::store::StoreError;
use rusqlite::{Connection, TransactionBehavior};

/// A schema: whose file it is, and the steps that make it.
pub(crate) struct Schema {
    /// SQLite's `application_id`, so that one kind of file is never taken for another.
    pub(crate) application: i32,
    /// Step n leads from version n to n + 1.
    pub(crate) steps: &'static [&'static str],
}

impl Schema {
    pub(crate) fn migrate(&self, connection: &mut Connection) -> Outcome<()> {
        let found = self.recognise(connection)?;
        for (version, step) in (1_u32..).zip(self.steps).skip(found as usize) {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", self.application)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()?;
        }
        Ok(())
    }

    /// The version of a file, 0 for an empty one. Only reads: a file that is not ours, or too new, is left as it is.
    pub(crate) fn recognise(&self, connection: &Connection) -> Outcome<u32> {
        let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != self.application && (application != 0 || version != 0 || tables != 0) {
            return Err(StoreError::Corrupt("the database was not made by this part of Attiva".into()).into());
        }
        let known = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        if version > known {
            return Err(StoreError::TooNew { found: version, known }.into());
        }
        Ok(version)
    }
}
